package config

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config/v1beta4"
)

// TokenOverrides are the flags of `token create`; a zero field was not given.
// They go for every token of the documents, and Token takes their place.
type TokenOverrides struct {
	Token       string
	TTL         *time.Duration // 0 never expires
	Usages      []string
	Groups      []string
	Description string
}

// LoadTokens reads the bootstrap tokens of an init configuration and nothing
// else of it, so it needs no machine. Without any there is one, made up.
func LoadTokens(docs []byte, in Inputs, o TokenOverrides) ([]cluster.Token, error) {
	c := newChecker(docs, in)
	init := &c.decodeAll().init
	c.needOneOf(v1beta4.InitKind)
	o.apply(c, init)
	if err := defaultTokens(init, in); err != nil {
		return nil, err
	}
	c.at(v1beta4.InitKind, "bootstrapTokens").tokens(init.BootstrapTokens, in.Now)
	if err := c.result(); err != nil {
		return nil, err
	}
	return toTokens(init.BootstrapTokens, in.Now), nil
}

func (o TokenOverrides) apply(c *checker, init *v1beta4.InitConfiguration) {
	if o.Token != "" {
		init.BootstrapTokens = []v1beta4.BootstrapToken{{Token: o.Token}}
		c.fromFlag(v1beta4.InitKind, "bootstrapTokens", "the token argument")
	}
	if len(init.BootstrapTokens) == 0 {
		init.BootstrapTokens = []v1beta4.BootstrapToken{{}}
	}
	s := setter{c, v1beta4.InitKind}
	for i := range init.BootstrapTokens {
		t, at := &init.BootstrapTokens[i], index("bootstrapTokens", i)
		if o.TTL != nil {
			t.TTL, t.Expires = &metav1.Duration{Duration: *o.TTL}, nil
			c.fromFlag(v1beta4.InitKind, at+".ttl", "--ttl")
		}
		s.list(&t.Usages, o.Usages, at+".usages", "--usages")
		s.list(&t.Groups, o.Groups, at+".groups", "--groups")
		s.text(&t.Description, o.Description, at+".description", "--description")
	}
}
