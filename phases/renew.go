package phases

import (
	"io/fs"
	"path"
	"slices"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/manifests"
)

// renewed is why what has started with the new certificates is not taken back.
const renewed = "the control plane has started with the renewed certificates; renew again with: clusteradm certs renew all"

// Renew is what gives a control plane new certificates: first all files, then,
// in the order in which they need one another, what uses them, each until it is
// seen to use the new ones.
func Renew() []plan.Phase {
	list := []plan.Phase{{
		Name: "files", Short: "Write the new keys and certificates", Example: "clusteradm certs renew all",
		Plan: func(in plan.Input) ([]plan.Group, error) { return serial(renewedFiles(in)...), nil },
	}, {
		Name: "kubelet", Short: "Give the kubelet a client certificate if its own has expired", Example: "clusteradm certs renew all",
		Plan: func(in plan.Input) ([]plan.Group, error) { return serial(renewedKubelet(in)...), nil },
	}}
	for _, name := range []string{manifests.EtcdName, manifests.KubeAPIServer, manifests.KubeControllerManager, manifests.KubeScheduler} {
		list = append(list, plan.Phase{
			Name: name, Short: "Have " + name + " use the new certificates", Example: "clusteradm certs renew all",
			Plan: func(in plan.Input) ([]plan.Group, error) { return restarted(in, name, renewed) },
		})
	}
	return append(list, plan.Phase{
		Name: "node", Short: "Wait until the node is Ready again", Example: "clusteradm certs renew all",
		Plan: func(in plan.Input) ([]plan.Group, error) {
			if !in.Certs.Broken {
				return nil, nil
			}
			return serial(plan.Step{Name: "ready", Host: in.Node.Host, Effect: effect.Await{What: "node"},
				Until: []plan.Condition{nodeReady(in)}}), nil
		},
	})
}

// renewedFiles keep mode and owner: a component that does not run as root has
// been given its own.
func renewedFiles(in plan.Input) []plan.Step {
	var steps []plan.Step
	for _, f := range in.Certs.Files {
		step := secretFile(in, stepName(in, f.Path), f.Path, f.Content, fs.FileMode(f.Mode))
		if was, ok := in.HostFacts().Files[f.Path]; ok && was.Target == "" {
			file := step.Effect.(effect.File)
			file.Attr = attrOf(was)
			step.Effect = file
		}
		steps = append(steps, step)
	}
	return steps
}

func attrOf(f cluster.FileFact) host.Attr {
	return host.Attr{Mode: fs.FileMode(f.Mode), UID: f.UID, GID: f.GID}
}

// renewedKubelet has the kubelet run, with a certificate that it can use. It
// reads its certificate at its start, and rotates it by itself from then on:
// only one that clusteradm put there makes a restart due.
func renewedKubelet(in plan.Input) []plan.Step {
	var steps []plan.Step
	var inputs []string
	if in.HostFacts().Files[cluster.KubeletClientPEM].Target == path.Base(initialClient) {
		inputs = []string{initialClient}
	}
	if client := in.Certs.KubeletClient; !client.Empty() {
		inputs = []string{initialClient}
		steps = append(steps, dir(in, "dir", path.Dir(initialClient), 0o755),
			secretFile(in, "client", initialClient, client, 0o600),
			plan.Step{Name: "client-current", Host: in.Node.Host, Effect: effect.Symlink{
				Host: in.Node.Host, Path: cluster.KubeletClientPEM, Target: path.Base(initialClient)}})
		if conf := in.Certs.KubeletConf; !conf.Empty() {
			steps = append(steps, secretFile(in, "kubelet.conf", cluster.KubeletConf, conf, 0o600))
		}
	}
	if len(steps) == 0 && !slices.ContainsFunc(in.Certs.Names, func(n string) bool { return users()[n].pod != "" }) {
		return nil // nothing that runs uses what is renewed
	}
	return append(steps, plan.Step{Name: "unit", Host: in.Node.Host, NoUndo: renewed,
		Effect: effect.Unit{Host: in.Node.Host, Name: "kubelet.service", Inputs: inputs}})
}

// reloadWithin is how long a process has to take a changed file up by itself:
// the API server looks once a minute, if it missed the change.
const reloadWithin = 90 * time.Second

// restarted has one component use the new files, if it uses any of them: those
// that it takes up by itself are waited for, and only what it does not, or did
// not in time, makes a restart due, which noUndo is then said of.
func restarted(in plan.Input, name, noUndo string) ([]plan.Group, error) {
	manifest, ok := in.HostFacts().Manifests[cluster.ManifestsDir+"/"+name+".yaml"]
	if !ok || !slices.ContainsFunc(in.Certs.Names, func(n string) bool { return users()[n].pod == name }) {
		return nil, nil
	}
	flags, err := manifests.Flags(manifest)
	if err != nil {
		return nil, err
	}
	pod := effect.StaticPod{Host: in.Node.Host, Name: name, Grace: 30 * time.Second,
		Inputs: inputsOf(in, name), Serving: servingOf(in, name, flags)}
	var steps []plan.Step
	if len(pod.Serving) > 0 {
		steps = append(steps, plan.Step{Name: "reload", Host: in.Node.Host, Effect: effect.Await{What: name + " reload"},
			Until: []plan.Condition{reloaded(pod)}})
	}
	until := append([]plan.Condition{runs(in, pod)}, healthOf(in, name, flags)...)
	for _, s := range pod.Serving {
		until = append(until, serves(in, pod, s))
	}
	return serial(append(steps, plan.Step{Name: "pod", Host: in.Node.Host, NoUndo: noUndo, Effect: pod, Until: until})...), nil
}

// inputsOf are the files that a component reads at its start and never again.
func inputsOf(in plan.Input, name string) []effect.Input {
	var inputs []effect.Input
	for _, use := range users() {
		if use.pod != name || use.once == "" {
			continue
		}
		input := effect.Input{Path: use.once}
		for _, f := range in.Certs.Files {
			if f.Path == use.once {
				input.Sum = f.Content.Digest()
			}
		}
		inputs = append(inputs, input)
	}
	return inputs
}
