package configcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/phases"
)

// pullOptions are the parsed flags of `config images pull`.
type pullOptions struct {
	config.Overrides
	file string
}

func pull(s *session.Session) *cobra.Command {
	o := &pullOptions{}
	cmd := &cobra.Command{
		Use:   "pull",
		Short: "Pull the images of a control plane",
		Long: `Pull the images of a control plane through this machine's container runtime,
all at once unless the configuration has imagePullSerial: true.

What is there already is left alone and no registry is asked for it; with
imagePullPolicy: Always everything is pulled. Every image is tried, and those
that cannot be pulled are told together.`,
		Example: `  clusteradm config images pull
  clusteradm config images pull --config cluster.yaml -o json
  clusteradm config images pull --image-repository registry.example.com/k8s`,
		Args: session.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), s) },
	}
	f := cmd.Flags()
	f.StringVar(&o.file, "config", "", "path of the configuration file")
	f.StringVar(&o.CRISocket, "cri-socket", "", "socket of the container runtime")
	f.Var((*config.Gates)(&o.FeatureGates), "feature-gates", config.GatesUsage)
	f.StringVar(&o.ImageRepository, "image-repository", "", "registry of the control plane's images (default registry.k8s.io)")
	f.StringVar(&o.KubernetesVersion, "kubernetes-version", "", "version of Kubernetes (default "+config.DefaultKubernetesVersion+")")
	return cmd
}

func (o *pullOptions) run(ctx context.Context, s *session.Session) error {
	docs, err := s.Documents(o.file)
	if err != nil {
		return err
	}
	in := s.Inputs(ctx, o.Overrides)
	if !in.DefaultAddress.IsValid() {
		in.DefaultAddress = netip.MustParseAddr("192.0.2.1") // no image depends on it
	}
	loaded, err := config.Load(docs, in)
	if err != nil {
		return err
	}
	s.Warn(loaded.Warnings, loaded.Unused)
	if _, err := s.Runtime(loaded.Node.CRISocket).Info(ctx); err != nil {
		return err
	}
	node := loaded.Node
	if node.ImagePullPolicy == string(corev1.PullNever) { // of init; here they are asked for
		node.ImagePullPolicy = string(corev1.PullIfNotPresent)
	}
	answers := cluster.HostFacts{Runtime: cluster.RuntimeFacts{Answers: true}}
	images, err := s.PullImages(ctx, plan.Input{Cluster: loaded.Cluster, Node: node, Facts: session.HostFacts(s.Now(), node.Host, answers)},
		plan.Phase{Name: "images", Plan: phases.PullImages})
	if err != nil {
		return err
	}
	return errors.Join(printPulled(s, images), notPulled(images))
}

func printPulled(s *session.Session, images []session.Image) error {
	type line struct {
		Image  string `json:"image"`
		Pulled bool   `json:"pulled"` // false: it was there, or see error
		Error  string `json:"error,omitempty"`
	}
	var lines []line
	for _, image := range images {
		l := line{Image: image.Ref, Pulled: image.Pulled}
		if image.Err != nil {
			l.Error = image.Err.Error()
		}
		lines = append(lines, l)
	}
	if s.Format == "json" {
		return json.NewEncoder(s.Streams.Out).Encode(struct {
			Kind   string `json:"kind"`
			Images []line `json:"images"`
		}{"result", lines})
	}
	for _, l := range lines {
		what := "present"
		switch {
		case l.Error != "":
			what = "failed"
		case l.Pulled:
			what = "pulled"
		}
		if _, err := fmt.Fprintf(s.Streams.Out, "%-8s %s\n", what, l.Image); err != nil {
			return err
		}
	}
	return nil
}

// notPulled is nil if all images are there.
func notPulled(images []session.Image) error {
	var errs []error
	for _, image := range images {
		if image.Err != nil {
			errs = append(errs, image.Err)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return &notPulledError{failed: len(errs), all: len(images), err: errors.Join(errs...)}
}

type notPulledError struct {
	failed, all int
	err         error
}

func (e *notPulledError) Error() string {
	return fmt.Sprintf("%d of %d images could not be pulled\n%v", e.failed, e.all, e.err)
}

func (e *notPulledError) Unwrap() error { return e.err }

// Hint is where the references come from.
func (e *notPulledError) Hint() string {
	return "clusteradm config images pull --help   # --image-repository and --kubernetes-version choose the references"
}
