package etcdtest_test

import (
	"testing"

	"github.com/clusteradm/clusteradm/internal/etcd/etcdtest"
)

func TestConformance(t *testing.T) {
	etcdtest.RunConformance(t, func(*testing.T) etcdtest.Subject {
		e := etcdtest.New(etcdtest.Members()...)
		e.Fail(4) // it has not started
		return etcdtest.Subject{Client: e, Fail: e.Fail, Raise: e.Raise}
	})
}
