package configcmd

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/manifests"
)

func images(s *session.Session) *cobra.Command {
	cmd := session.Group(&cobra.Command{
		Use:     "images",
		Short:   "List or pull the images of a control-plane node",
		Example: "  clusteradm config images list",
	})
	cmd.AddCommand(imagesList(s), pull(s))
	return cmd
}

// imageOptions are the flags that images follow from.
type imageOptions struct {
	config.Overrides
	file string
}

func (o *imageOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.file, "config", "", "path of the configuration file")
	f.StringVar(&o.ImageRepository, "image-repository", "", "registry of the images (default registry.k8s.io)")
	f.StringVar(&o.KubernetesVersion, "kubernetes-version", "", "version of Kubernetes (default "+config.DefaultKubernetesVersion+")")
	f.Var((*config.Gates)(&o.FeatureGates), "feature-gates", config.GatesUsage)
}

// list is the images that a control-plane node of the configuration needs.
func (o *imageOptions) list(ctx context.Context, s *session.Session) ([]string, error) {
	docs, err := s.Documents(o.file)
	if err != nil {
		return nil, err
	}
	loaded, err := config.Load(docs, elsewhere(ctx, s, o.Overrides))
	if err != nil {
		return nil, err
	}
	s.Warn(loaded.Warnings, nil)
	set, err := manifests.Images(loaded.Cluster)
	if err != nil {
		return nil, &exit.UsageError{Err: err}
	}
	return set.Pull(loaded.Cluster), nil
}

func imagesList(s *session.Session) *cobra.Command {
	o := &imageOptions{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the images that a control-plane node needs",
		Example: `  clusteradm config images list
  clusteradm config images list --kubernetes-version v1.35.4 -o json
  clusteradm config images list --image-repository mirror.example.com/k8s`,
		Args: session.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := o.list(cmd.Context(), s)
			if err != nil {
				return err
			}
			if s.Format == "json" {
				return json.NewEncoder(s.Streams.Out).Encode(struct {
					Kind   string   `json:"kind"`
					Images []string `json:"images"`
				}{"images", list})
			}
			_, err = fmt.Fprintln(s.Streams.Out, strings.Join(list, "\n"))
			return err
		},
	}
	o.flags(cmd)
	return cmd
}
