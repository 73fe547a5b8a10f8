package procfs

import (
	"strings"
	"testing"
)

func FuzzSwaps(f *testing.F) {
	f.Add("Filename\tType\tSize\tUsed\tPriority\n/a\\040b file 1 0 -2\n")
	f.Add("x\n\\\n\\777 a b c d")
	f.Fuzz(func(t *testing.T, s string) {
		for _, swap := range Swaps(s) {
			if swap.Device == "" {
				t.Errorf("a swap without a device in %q", s)
			}
		}
	})
}

func FuzzProperties(f *testing.F) {
	f.Add("Id=a.swap\nWhat=/dev/a=b\n\n=x\n")
	f.Fuzz(func(t *testing.T, s string) {
		for name := range Properties(s) {
			if strings.ContainsAny(name, "=\n") {
				t.Errorf("name %q", name)
			}
		}
	})
}

func FuzzKernelConfig(f *testing.F) {
	f.Add([]byte("CONFIG_NET_NS=y\n# CONFIG_X is not set\nCONFIG_EXT4_FS=m\n"))
	f.Add([]byte{0x1f, 0x8b, 8, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		for name, value := range KernelConfig(data) {
			if !strings.HasPrefix(name, "CONFIG_") || value != "y" && value != "m" {
				t.Errorf("%q=%q", name, value)
			}
		}
	})
}

func FuzzCgroups(f *testing.F) {
	f.Add("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n")
	f.Add("#subsys_name hierarchy num_cgroups enabled\ncpu 1 2 1\n")
	f.Fuzz(func(t *testing.T, s string) {
		if m := Cgroups(s); m.Exists != (m.Path != "") && m.Path != "" {
			t.Errorf("%+v", m)
		}
		for _, c := range CgroupControllers(s) {
			if c == "" {
				t.Error("a controller without a name")
			}
		}
	})
}

func FuzzRoutes(f *testing.F) {
	f.Add("Iface\tDestination\tGateway\neth0\t0002A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n")
	f.Add("fd000000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001 eth0\n")
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range append(Routes4(s), Routes6(s)...) {
			if !r.Prefix.IsValid() || r.Prefix.Masked() != r.Prefix {
				t.Errorf("%+v", r)
			}
		}
	})
}

func FuzzHasHost(f *testing.F) {
	f.Add("127.0.0.1 localhost cp1 # x\n", "cp1")
	f.Fuzz(func(t *testing.T, hosts, name string) {
		if addr, ok := HasHost(hosts, name); ok && addr == "" {
			t.Error("a host without an address")
		}
	})
}

func FuzzDisks(f *testing.F) {
	f.Add("4096 10 5 100 50 /var/lib/a b\n")
	f.Fuzz(func(t *testing.T, s string) {
		for _, d := range Disks(s) {
			if !strings.HasPrefix(d.Path, "/") {
				t.Errorf("%+v", d)
			}
		}
	})
}

func FuzzMountPoints(f *testing.F) {
	f.Add("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw\n")
	f.Add(`1 2 0:1 / /var/lib/kubelet/a\040b\134\011 rw - tmpfs tmpfs rw`)
	f.Add("1 2 3 4 \\")
	f.Fuzz(func(t *testing.T, s string) {
		for _, p := range MountPoints(s) {
			if !strings.HasPrefix(p, "/") {
				t.Errorf("mount point %q is no path", p)
			}
		}
	})
}

func FuzzTables(f *testing.F) {
	f.Add("table ip kube-proxy\ntable inet mine\n")
	f.Fuzz(func(t *testing.T, s string) {
		for _, name := range Tables(s) {
			if len(strings.Fields(name)) != 2 {
				t.Errorf("table %q has no family and name", name)
			}
		}
	})
}
