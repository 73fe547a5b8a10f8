package certscmd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/clusteradm/clusteradm/internal/cli/controlplane"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/pki"
)

func checkExpiration(s *session.Session) *cobra.Command {
	o := &controlplane.Flags{}
	cmd := &cobra.Command{
		Use:   "check-expiration",
		Short: "Show the certificates of this control plane and when they expire",
		Long: `Show the certificates of this control plane and when they expire: those in
files, those inside of kubeconfigs, the kubelet's, and those that are served on
the wire. A file that was renewed while its process still serves the old
certificate is told.

It needs no running API server and works when everything has expired.`,
		Example: "  clusteradm certs check-expiration\n  clusteradm certs check-expiration -o json",
		Args:    session.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runExpiration(cmd.Context(), s, o)
		},
	}
	o.Add(cmd.Flags())
	return cmd
}

func runExpiration(ctx context.Context, s *session.Session, o *controlplane.Flags) error {
	k, err := controlplane.Load(ctx, s, *o)
	if err != nil {
		return err
	}
	f, err := look(ctx, s, k)
	if err != nil {
		return err
	}
	r := expiration{Kind: "certificates", Served: wire(ctx, s, k, f)}
	if k.Guessed != nil {
		r.Guessed = k.Guessed.Error()
	}
	now := s.Now()
	for _, status := range pki.Inspect(f.PKI, k.Cluster) {
		if status.Missing && k.EtcdAlone() && !strings.Contains(status.Name, "etcd") {
			continue // is not to be there
		}
		row := certificate{Name: status.Name, Path: status.Path, Missing: status.Missing, Problem: status.Problem,
			CA: status.CA, External: status.External, Subject: status.Subject, Serial: status.Serial}
		row.expires(status.NotAfter, now)
		if status.Authority {
			r.Authorities = append(r.Authorities, row)
		} else {
			r.Certificates = append(r.Certificates, row)
		}
	}
	if s.Format == "json" {
		return json.NewEncoder(s.Streams.Out).Encode(r)
	}
	return r.print(s.Streams.Out, s.Streams.Err)
}

// expiration is what the command says; the fields that kubeadm has are called
// as it calls them.
type expiration struct {
	Kind         string        `json:"kind"`
	Guessed      string        `json:"configurationNotRead,omitempty"`
	Certificates []certificate `json:"certificates"`
	Authorities  []certificate `json:"certificateAuthorities"`
	Served       []served      `json:"served"`
}

type certificate struct {
	Name     string     `json:"name"`
	Path     string     `json:"path"`
	Expires  *time.Time `json:"expirationDate,omitempty"`
	Residual int64      `json:"residualTime"` // seconds
	CA       string     `json:"caName,omitempty"`
	External bool       `json:"externallyManaged"`
	Missing  bool       `json:"missing,omitempty"`
	Problem  string     `json:"problem,omitempty"`
	Subject  string     `json:"subject,omitempty"`
	Serial   string     `json:"serial,omitempty"`
}

func (c *certificate) expires(at, now time.Time) {
	if !at.IsZero() {
		at = at.UTC()
		c.Expires, c.Residual = &at, int64(at.Sub(now).Seconds())
	}
}

func (r expiration) print(out, narration io.Writer) error {
	if r.Guessed != "" {
		fmt.Fprintln(narration, "the cluster's configuration cannot be read, so what lies on this machine is shown:", r.Guessed)
	}
	w := tabwriter.NewWriter(out, 10, 4, 3, ' ', 0)
	fmt.Fprintln(w, "CERTIFICATE\tEXPIRES\tRESIDUAL TIME\tCERTIFICATE AUTHORITY\tEXTERNALLY MANAGED")
	for _, c := range r.Certificates {
		if c.Missing {
			fmt.Fprintf(w, "!MISSING! %s\t\t\t\t\n", c.Name)
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%-8v\n", c.Name, when(c.Expires), residual(c.Expires, c.Residual), c.CA, yes(c.External))
	}
	fmt.Fprintln(w, "\nCERTIFICATE AUTHORITY\tEXPIRES\tRESIDUAL TIME\tEXTERNALLY MANAGED")
	for _, c := range r.Authorities {
		if c.Missing {
			fmt.Fprintf(w, "!MISSING! %s\t\t\t\n", c.Name)
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%-8v\n", c.Name, when(c.Expires), residual(c.Expires, c.Residual), yes(c.External))
	}
	if len(r.Served) > 0 {
		fmt.Fprintln(w, "\nSERVED BY\tADDRESS\tEXPIRES\tRESIDUAL TIME\tON DISK")
		for _, c := range r.Served {
			if c.Error != "" {
				fmt.Fprintf(w, "%s\t%s\t!NO ANSWER!\t\t\n", c.By, c.Address)
				continue
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", c.By, c.Address, when(c.Expires), residual(c.Expires, c.Residual), c.disk())
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return r.problems(out)
}

// problems are the lines below the tables: what is wrong besides the time.
func (r expiration) problems(out io.Writer) error {
	var lines []string
	for _, c := range append(append([]certificate{}, r.Certificates...), r.Authorities...) {
		if c.Problem != "" {
			lines = append(lines, fmt.Sprintf("%s (%s): %s", c.Name, c.Path, c.Problem))
		}
	}
	for _, c := range r.Served {
		switch {
		case c.Error != "":
			lines = append(lines, fmt.Sprintf("%s: %s", c.By, c.Error))
		case c.Stale:
			lines = append(lines, fmt.Sprintf("%s serves %s, but in %s is %s; to have that used: clusteradm certs renew all", c.By, c.Serial, c.Path, c.DiskSerial))
		}
	}
	for i, line := range lines {
		if i == 0 {
			fmt.Fprintln(out)
		}
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	return nil
}

func when(at *time.Time) string {
	if at == nil {
		return "!DAMAGED!"
	}
	return at.Format("Jan 02, 2006 15:04 MST")
}

func residual(at *time.Time, seconds int64) string {
	switch {
	case at == nil:
		return ""
	case seconds <= 0:
		return "expired"
	}
	return duration.HumanDuration(time.Duration(seconds) * time.Second)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
