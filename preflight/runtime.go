package preflight

import "strings"

// criCheck finds a runtime that could run nothing. That no pod network is
// configured yet is no finding: it comes later.
func criCheck() Check {
	return Check{"CRI", func(s Subject) []Finding {
		r := s.Facts.Runtime
		hint := "systemctl status containerd"
		if r.Hint != "" {
			hint = r.Hint
		}
		switch {
		case !s.Facts.Machine.Seen:
			return nil
		case !r.Answers:
			return finding(Error, hint, "%s", or(r.Error, "the container runtime does not answer at "+s.Node.CRISocket))
		case !r.Ready:
			return finding(Error, hint, "%s is not ready: %s", r.Name, or(r.NotReady, "it does not say why"))
		}
		return nil
	}}
}

func or(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// runtimeVersion finds a runtime without the call that says its cgroup driver.
// A kubelet of 1.37 does not start with it.
func runtimeVersion() Check {
	return Check{"ContainerRuntimeVersion", func(s Subject) []Finding {
		r := s.Facts.Runtime
		if !r.Answers || r.CgroupDriver != "" {
			return nil
		}
		level := Warning
		if kubelet, ok := minor(s.Facts.KubeletVersion); ok && kubelet >= 1<<16|37 {
			level = Error
		}
		return finding(level, or(r.Hint, strings.ToLower(r.Name)+" --version"),
			"%s %s has no RuntimeConfig call, which kubelets from 1.37 on need; containerd 2.0 and CRI-O 1.28 have it", r.Name, r.Version)
	}}
}

// cgroupDriver compares what the runtime does with what the kubelet is told. A
// kubelet of 1.31 and later asks the runtime and follows it.
func cgroupDriver() Check {
	return Check{"CgroupDriver", func(s Subject) []Finding {
		have, want := s.Facts.Runtime.CgroupDriver, KubeletSettingsOf(s.Cluster).CgroupDriver
		if have == "" || have == want {
			return nil
		}
		hint := "grep -n SystemdCgroup /etc/containerd/config.toml"
		if strings.Contains(s.Facts.Runtime.Name, "cri-o") {
			hint = "crio status config | grep cgroup_manager"
		}
		if kubelet, ok := minor(s.Facts.KubeletVersion); ok && kubelet >= 1<<16|31 {
			return finding(Warning, hint, "the runtime's cgroup driver is %s and the kubelet's configuration says %s; the kubelet follows the runtime", have, want)
		}
		return finding(Error, hint, "the runtime's cgroup driver is %s and the kubelet's %s: pods would not start", have, want)
	}}
}
