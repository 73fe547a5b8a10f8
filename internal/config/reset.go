package config

import (
	"slices"
	"strings"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config/v1beta4"
)

// Reset is what reset is asked to do.
type Reset struct {
	CleanupTmpDir              bool // /etc/kubernetes/tmp too
	CertificatesDir, CRISocket string
	DryRun, Force              bool
	IgnorePreflight            []string // names of checks, lower case, or "all"
	SkipPhases                 []string
	UnmountFlags               []string // in umount2's spelling
	Timeouts                   cluster.Timeouts
	Warnings                   Errors
	Unused                     []string // kinds that were given and have no meaning for reset
}

// LoadReset reads the configuration of reset. Empty docs are all defaults.
func LoadReset(docs []byte, in Inputs) (*Reset, error) {
	c := newChecker(docs, in)
	reset := &c.decodeAll().reset
	c.needOneOf(v1beta4.ResetKind)
	in.Overrides.reset(c, reset)
	c.loadReset(reset, in)
	if err := c.result(); err != nil {
		return nil, err
	}
	return &Reset{
		CleanupTmpDir: reset.CleanupTmpDir, CertificatesDir: reset.CertificatesDir, CRISocket: reset.CRISocket,
		DryRun: reset.DryRun, Force: reset.Force, IgnorePreflight: checkNames(reset.IgnorePreflightErrors), SkipPhases: reset.SkipPhases,
		UnmountFlags: reset.UnmountFlags, Timeouts: toTimeouts(reset.Timeouts), Warnings: c.warned(), Unused: c.unusedBut(v1beta4.ResetKind),
	}, nil
}

func (c *checker) loadReset(reset *v1beta4.ResetConfiguration, in Inputs) {
	defaultReset(reset, in)
	c.reset(reset)
}

func defaultReset(reset *v1beta4.ResetConfiguration, in Inputs) {
	setDefault(&reset.CertificatesDir, defaultCertificatesDir)
	reset.CertificatesDir = trimSlash(reset.CertificatesDir)
	defaultSocket(&reset.CRISocket, in)
	reset.Timeouts = defaultTimeouts(reset.Timeouts)
}

func (c *checker) reset(reset *v1beta4.ResetConfiguration) {
	root := c.at(v1beta4.ResetKind, "")
	root.child("certificatesDir").ownDirectory(reset.CertificatesDir)
	root.child("criSocket").runtime(reset.CRISocket)
	root.child("ignorePreflightErrors").ignored(reset.IgnorePreflightErrors)
	root.child("skipPhases").phases(reset.SkipPhases)
	root.child("unmountFlags").unmountFlags(reset.UnmountFlags)
	root.child("timeouts").timeouts(reset.Timeouts)
}

func (f field) unmountFlags(flags []string) {
	for i, flag := range flags {
		f.item(i).oneOf(flag, "MNT_FORCE", "MNT_DETACH", "MNT_EXPIRE", "UMOUNT_NOFOLLOW")
	}
	// The kernel refuses the pair, so that nothing at all would be unmounted.
	if slices.Contains(flags, "MNT_EXPIRE") && (slices.Contains(flags, "MNT_FORCE") || slices.Contains(flags, "MNT_DETACH")) {
		f.bad("MNT_EXPIRE goes with neither MNT_FORCE nor MNT_DETACH", "leave out one of them: "+strings.Join(flags, ", "))
	}
}
