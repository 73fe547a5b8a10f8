package etcdcmd

import (
	"cmp"
	"context"
	"net"
	"net/url"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/event"
	"github.com/clusteradm/clusteradm/internal/kube/client"
	"github.com/clusteradm/clusteradm/internal/lease"
)

// kept is a turn to join etcd that is kept alive while a member is replaced.
type kept struct {
	*lease.Keeper
	api *client.Client
}

// turn finds an API server to take the turn at. That of this machine loses its
// etcd meanwhile, so those of the other members are asked first. nil when none
// answers: then nobody else can join either. On a machine of etcd's own there
// is nothing to ask with.
func (o *opened) turn(ctx context.Context, s *session.Session, name string) *kept {
	conf, err := administrator(ctx, s)
	if err != nil {
		return nil
	}
	for _, server := range o.servers(conf.Server) {
		conf.Server = server
		api, err := client.New(conf)
		if err != nil {
			continue
		}
		if _, err := api.Get(ctx, lease.EtcdJoin); err == nil || apierrors.IsNotFound(err) {
			return &kept{&lease.Keeper{Client: api, Holder: name, Now: s.Now}, api}
		}
		api.Close()
	}
	s.Caution(event.Event{Message: "no API server answers but perhaps that of this machine, so no turn is taken to join etcd: let no other machine join meanwhile"})
	return nil
}

// servers are the API servers to ask, where the other members are and then
// where the kubeconfig says, unless that is here.
func (o *opened) servers(configured string) []string {
	u, err := url.Parse(configured)
	if err != nil {
		return nil
	}
	port, own := cmp.Or(u.Port(), "443"), map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true}
	var list []string
	for _, m := range o.seen {
		for _, peer := range m.PeerURLs {
			p, err := url.Parse(peer)
			switch {
			case err != nil:
			case o.here(m.Member):
				own[p.Hostname()] = true
			default:
				list = append(list, "https://"+net.JoinHostPort(p.Hostname(), port))
			}
		}
	}
	if !own[u.Hostname()] {
		list = append(list, configured)
	}
	return list
}

// giveBackWithin bounds the last thing that a run says to the others.
const giveBackWithin = 3 * time.Second

// keep keeps the turn until the returned function is called.
func (k *kept) keep(ctx context.Context) (context.Context, func()) {
	kept, stop := k.Start(ctx)
	return kept, func() {
		stop()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackWithin)
		defer cancel()
		_ = k.GiveBack(ctx) // it expires by itself
		k.api.Close()
	}
}
