package tokencmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/discovery"
	"github.com/clusteradm/clusteradm/internal/event"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/internal/token"
	"github.com/clusteradm/clusteradm/manifests"
)

type createOptions struct {
	*common
	config.TokenOverrides
	file           string
	ttl            time.Duration
	printJoin      bool
	controlPlane   bool
	certificateKey string
}

func create(s *session.Session, c *common) *cobra.Command {
	o := &createOptions{common: c}
	cmd := &cobra.Command{
		Use:   "create [token]",
		Short: "Make a token in the cluster and print it",
		Long: `Make a token in the cluster and print it, or the whole join command.

Without an argument the token is made up. One that is given as an argument is
seen in the list of processes: give - to have it read from stdin, or put it into
a configuration file as bootstrapTokens of an InitConfiguration.

With --print-join-command --control-plane, on a control plane, the certificates
that control planes share are uploaded first, anew, encrypted and for two hours,
and the command is that of a further control plane.`,
		Example: `  clusteradm token create --print-join-command
  clusteradm token create --print-join-command --control-plane
  clusteradm token create --ttl 1h --description "rack 7"
  clusteradm token create - < token.txt`,
		Args: session.Args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("ttl") {
				o.TTL = &o.ttl
			}
			return o.run(cmd.Context(), s, args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.file, "config", "", "path of a configuration file whose InitConfiguration has the tokens")
	f.StringVar(&o.certificateKey, "certificate-key", "", "with --print-join-command, print the command that joins a control plane, whose certificates are encrypted with this key")
	f.BoolVar(&o.controlPlane, "control-plane", false, "with --print-join-command, share the certificates anew and print the command that joins a control plane")
	f.StringVar(&o.Description, "description", "", "what the token is for")
	f.StringSliceVar(&o.Groups, "groups", nil, "groups that the token authenticates as, system:bootstrappers:… (default the group of joining nodes)")
	f.BoolVar(&o.printJoin, "print-join-command", false, "print the whole command that joins a node, not only the token")
	f.DurationVar(&o.ttl, "ttl", 24*time.Hour, "how long the token lives; 0 for ever")
	f.StringSliceVar(&o.Usages, "usages", nil, "what the token is for: signing, authentication (default both)")
	return cmd
}

func (o *createOptions) run(ctx context.Context, s *session.Session, args []string) error {
	if err := s.Secrets(&o.certificateKey); err != nil {
		return err
	}
	if err := o.usage(); err != nil {
		return err
	}
	args, err := s.Given(args)
	if err != nil {
		return err
	}
	if len(args) > 0 {
		o.Token = args[0]
	}
	docs, err := s.Documents(o.file)
	if err != nil {
		return err
	}
	now := s.Now()
	tokens, err := config.LoadTokens(docs, config.Inputs{Now: now, Rand: s.Rand}, o.TokenOverrides)
	if err != nil {
		return err
	}
	c, err := s.Client(o.kubeconfig)
	if err != nil {
		return err
	}
	defer c.Close()
	key := secret.NewString(o.certificateKey)
	var shares *sharing
	if o.controlPlane {
		if shares, err = prepareSharing(ctx, s, c, key); err != nil {
			return err
		}
	}
	if o.dryRun {
		return o.preview(ctx, s, c, tokens, shares)
	}
	if shares != nil { // first: without them the token would be for nothing
		if err := shares.run(ctx, s); err != nil {
			return err
		}
		key = shares.key
	} else if !key.Empty() {
		warnUnshared(ctx, s, c, key)
	}
	for _, t := range tokens {
		if err := token.Create(ctx, c, t.ID, manifests.TokenSecret(t, now)); err != nil {
			return err
		}
		if t.TTL > 0 {
			if w := token.ExpiryWarning(t.ID, now.Add(t.TTL), now); w != "" {
				s.Caution(event.Event{Message: w})
			}
		}
	}
	return o.print(ctx, s, c, tokens[0], key)
}

// usage says which flags do not go together.
func (o *createOptions) usage() error {
	switch {
	case o.certificateKey != "" && !o.printJoin:
		return &exit.UsageError{Err: errors.New("--certificate-key is for --print-join-command"), Help: "clusteradm token create --help"}
	case o.controlPlane && !o.printJoin:
		return &exit.UsageError{Err: errors.New("--control-plane is for --print-join-command"), Help: "clusteradm token create --help"}
	case o.certificateKey != "" && !regexp.MustCompile(`^[0-9a-fA-F]{64}$`).MatchString(o.certificateKey):
		return &exit.UsageError{Err: errors.New("--certificate-key: want 64 hexadecimal digits"), Help: "clusteradm certs certificate-key"}
	}
	return nil
}

func (o *createOptions) preview(ctx context.Context, s *session.Session, r kube.Reader, tokens []cluster.Token, shares *sharing) error {
	var changes []change
	if shares != nil {
		steps, err := s.Plan(ctx, shares.parts, shares.plan)
		if err != nil {
			return err
		}
		for _, step := range steps {
			changes = append(changes, change{step.Step, step.Change})
		}
	}
	for _, t := range tokens {
		exists, err := token.Exists(ctx, r, t.ID)
		switch {
		case err != nil:
			return err
		case exists:
			return &token.ExistsError{ID: t.ID}
		}
		changes = append(changes, change{"token-" + t.ID, plan.Change{Verb: plan.Create, Summary: "bootstrap token " + t.ID}})
	}
	return show(s, "token create", changes)
}

// print is the result; of several tokens of a file it is the first.
func (o *createOptions) print(ctx context.Context, s *session.Session, r kube.Reader, t cluster.Token, key secret.String) error {
	whole := secret.NewString(t.ID + "." + t.Secret.Reveal())
	join := ""
	if o.printJoin {
		var err error
		if join, err = joinCommand(ctx, r, whole, key); err != nil {
			return err
		}
	}
	if s.Format == "json" {
		return json.NewEncoder(s.Streams.Out).Encode(struct {
			Kind  string `json:"kind"`
			Token string `json:"token"`
			Join  string `json:"joinCommand,omitempty"`
			Key   string `json:"certificateKey,omitempty"`
		}{"result", whole.Reveal(), join, key.Reveal()})
	}
	if join == "" {
		join = whole.Reveal()
	}
	_, err := fmt.Fprintln(s.Streams.Out, join)
	return err
}

// joinCommand takes the endpoint and the authorities from cluster-info, since
// that is what a joining node will find. The kubeconfig's own server may be
// reachable from here only.
func joinCommand(ctx context.Context, r kube.Reader, whole, certificateKey secret.String) (string, error) {
	info, err := clusterInfo(ctx, r)
	if err != nil {
		return "", err
	}
	pins, err := discovery.Pins(info.CA)
	if err != nil {
		return "", fmt.Errorf("read cluster-info: %w", err)
	}
	return token.JoinCommand(info.Server, whole, pins, certificateKey)
}

func clusterInfo(ctx context.Context, r kube.Reader) (discovery.Info, error) {
	cm, err := r.Get(ctx, kube.Ref{GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, Namespace: "kube-public", Name: "cluster-info"})
	switch {
	case apierrors.IsNotFound(err):
		return discovery.Info{}, fmt.Errorf("read cluster-info: %w", discovery.ErrNoClusterInfo)
	case err != nil:
		return discovery.Info{}, fmt.Errorf("read cluster-info: %w", err)
	}
	text, _, _ := unstructured.NestedString(cm.Object, "data", "kubeconfig")
	info, err := discovery.ClusterInfo([]byte(text))
	if err != nil {
		return discovery.Info{}, fmt.Errorf("read cluster-info: %w", err)
	}
	return info, nil
}

func generate(s *session.Session) *cobra.Command {
	return &cobra.Command{
		Use:   "generate",
		Short: "Print a token that is in no cluster yet",
		Long: `Print a token that is in no cluster yet, to be put into a configuration file
or given to token create.`,
		Example: "  clusteradm token generate",
		Args:    session.Args(cobra.NoArgs),
		RunE:    func(*cobra.Command, []string) error { return printNew(s, s.Rand) },
	}
}

func printNew(s *session.Session, random io.Reader) error {
	made, err := config.NewToken(random)
	if err != nil {
		return fmt.Errorf("generate token: %w", err)
	}
	if s.Format == "json" {
		return json.NewEncoder(s.Streams.Out).Encode(struct {
			Kind  string `json:"kind"`
			Token string `json:"token"`
		}{"result", made})
	}
	_, err = fmt.Fprintln(s.Streams.Out, made)
	return err
}
