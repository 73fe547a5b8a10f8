package procfs

import (
	"bytes"
	"compress/gzip"
	"slices"
	"testing"
)

func TestSwaps(t *testing.T) {
	const header = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
	for in, want := range map[string][]Swap{
		"": nil, header: nil,
		header + "/swap.img  file 4194300 0 -2\n/dev/zram0 partition 1 0 100\n": {{"/swap.img", -2}, {"/dev/zram0", 100}},
		header + "/a\\040b\\ file 1\n/c file 1 2 x\n":                           {{"/a b\\", 0}, {"/c", 0}},
	} {
		if got := Swaps(in); !slices.Equal(got, want) {
			t.Errorf("swaps of %q are %v, want %v", in, got, want)
		}
	}
}

func TestKernelConfig(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write([]byte("CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=m\nCONFIG_D=\"x\"\nCONFIG_E=n\n"))
	_ = w.Close()
	if got := KernelConfig(packed.Bytes()); len(got) != 2 || got["CONFIG_A"] != "y" || got["CONFIG_C"] != "m" {
		t.Errorf("config is %v", got)
	}
	for _, data := range [][]byte{nil, {0x1f, 0x8b}, packed.Bytes()[:20], []byte("hello")} {
		if got := KernelConfig(data); got != nil {
			t.Errorf("config of %q is %v", data, got)
		}
	}
}

func TestCgroups(t *testing.T) {
	for in, want := range map[string]CgroupMount{
		"": {},
		"proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n":                       {Path: "/sys/fs/cgroup", V2: true, Exists: true},
		"tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n":    {Path: "/sys/fs/cgroup", Mixed: true, Exists: true},
		"cgroup /cg/cpu cgroup rw 0 0\ncgroup /cg/mem cgroup rw 0 0\ncgroup2 /cg2 cgroup2 rw\n": {Path: "/cg2", V2: true, Exists: true},
		"cgroup /cg/cpu cgroup rw 0 0\ncgroup /cg/mem cgroup rw 0 0\n":                          {Path: "/cg/cpu", Exists: true},
	} {
		if got := Cgroups(in); got != want {
			t.Errorf("%q: %+v, want %+v", in, got, want)
		}
	}
	if got := CgroupControllers("#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu 1 5 1\nhugetlb 2 1 0\n"); !slices.Equal(got, []string{"cpu"}) {
		t.Errorf("controllers %v", got)
	}
}

func TestRoutes(t *testing.T) {
	four := "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n" +
		"eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\ncni0\t0000F40A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\nx\t0000F50A\t0\t0200\t0\t0\t0\t00FFFFFF\n"
	if got := Routes4(four); len(got) != 2 || got[0].Prefix.String() != "0.0.0.0/0" || !got[0].Gateway || got[1].Prefix.String() != "10.244.0.0/24" || got[1].Link != "cni0" {
		t.Errorf("routes %v", got)
	}
	const zero = "00000000000000000000000000000000"
	six := "fd000000000000000000000000000000 40 " + zero + " 00 " + zero + " 00000100 00000001 00000000 00000001     eth0\n" +
		"fe800000000000000000000000000000 40 " + zero + " 00 " + zero + " 00000100 00000001 00000000 00000001     eth0\n" +
		zero + " 00 " + zero + " 00 fd000000000000000000000000000001 00000400 00000002 00000000 00000003     eth0\n" +
		zero + " 00 " + zero + " 00 " + zero + " ffffffff 00000001 00000000 00200200       lo\n"
	if got := Routes6(six); len(got) != 2 || got[0].Prefix.String() != "fd00::/64" || got[1].Prefix.String() != "::/0" || !got[1].Gateway {
		t.Errorf("routes %v", got)
	}
}

func TestDisksAndHosts(t *testing.T) {
	got := Disks("4096 100 50 0 0 /var/lib\n4096 x 5 1 1 /y\n1024 10 1 7 3 /a b\n")
	if want := []Disk{{"/var/lib", 409600, 204800, 0, 0}, {"/a b", 10240, 1024, 7, 3}}; !slices.Equal(got, want) {
		t.Errorf("disks %v", got)
	}
	hosts := "127.0.0.1 localhost\n127.0.1.1 CP1.example cp1 # cp2\n"
	for name, want := range map[string]string{"cp1": "127.0.1.1", "cp2": "", "127.0.0.1": "", "cp1.example": "127.0.1.1"} {
		if addr, ok := HasHost(hosts, name); addr != want || ok != (want != "") {
			t.Errorf("%s is %q", name, addr)
		}
	}
}
