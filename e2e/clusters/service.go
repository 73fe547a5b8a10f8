package clusters

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/clusteradm/clusteradm/e2e/components"
)

const servicePods = `
apiVersion: v1
kind: Pod
metadata: {name: server, labels: {app: server}}
spec:
  nodeName: %[1]s
  terminationGracePeriodSeconds: 0
  containers:
  - {name: c, image: "%[3]s", args: [netexec, --http-port=8080]}
---
apiVersion: v1
kind: Service
metadata: {name: server}
spec:
  selector: {app: server}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec:
  nodeName: %[2]s
  terminationGracePeriodSeconds: 0
  containers:
  - {name: c, image: "%[3]s", args: [pause]}
`

// ReachService starts a server on one node and a client on another and waits
// until the client reached the server by the name of its Service.
func (c *Cluster) ReachService(ctx context.Context, within time.Duration, server, client string) error {
	if err := c.Apply(ctx, fmt.Sprintf(servicePods, server, client, components.AgnhostImage)); err != nil {
		return err
	}
	return Eventually(ctx, within, "a pod on "+client+" to reach a Service on "+server+" by name", func() error {
		out, err := c.Kubectl(ctx, "exec", "client", "--", "/agnhost", "connect", "--timeout=2s", "server.default.svc.cluster.local:80")
		if err != nil {
			return err
		}
		if s := strings.TrimSpace(out); s != "" {
			return fmt.Errorf("connect: %s", s)
		}
		return nil
	})
}
