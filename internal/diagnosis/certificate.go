package diagnosis

import (
	"time"
)

// Request is a request for a kubelet's certificate, as the cluster has it.
type Request struct {
	Name      string
	Requester string // "system:bootstrap:abcdef"
	Made      time.Time
	Issued    bool
	Decision  Decision
	Reason    string // of the decision, with its message
	Decided   time.Time
}

// Decision is what became of a request.
type Decision string

// The decisions. The zero value is that there is none yet.
const (
	Approved Decision = "approved"
	Denied   Decision = "denied"
	Failed   Decision = "failed"
)

// patience is how long the controller manager may take to approve and to sign,
// and the kubelet to ask: all take less than a second where they work.
const patience = 10 * time.Second

const bindApprover = "on a control plane run: clusteradm init phase bootstrap-token"

func (j Join) certificate() Finding {
	const name = "certificate"
	a, m := j.Access, j.Machine
	last, found := latest(a.Requests)
	switch {
	case m.Joined:
		return ok(name, "the kubelet has its certificate").proof("it is good until %s", m.Certificate.UTC().Format(time.RFC3339))
	case a.Authenticated != Yes:
		return unknown(name, "%s", j.orLoggedOut())
	case found:
		return j.requested(last)
	case j.Shared.Signs:
		return ok(name, "a control plane makes it by itself")
	case a.MayRequest == No:
		return bad(name, "the kubelet would not be let ask for its certificate").
			proof("the API server says that these credentials may not create certificate signing requests").hint(bindApprover)
	case a.MayApprove == No:
		return bad(name, "nobody would approve the kubelet's request by itself").
			proof("%s", missingApprover).hint(bindApprover)
	case j.Admin.Manager.stale(j.Now):
		return bad(name, "nobody would approve the kubelet's request: the controller manager, which does, does not run").
			proof("%s", j.Admin.Manager.managerProof(j.Now)).hint(seeManager)
	case a.RequestsFault.Text != "":
		return unknown(name, "%s%s", a.RequestsFault.Text, m.Kubelet.lastWords()).hint(a.RequestsFault.Hint)
	case !m.Asking.IsZero() && m.Kubelet.Active && j.Now.Sub(m.Asking) > patience:
		return bad(name, "the kubelet runs and has not asked for its certificate").
			proof("the cluster has no request for system:node:%s%s", j.Node, m.Kubelet.lastWords()).hint("journalctl -u kubelet.service -n 50")
	}
	return ok(name, "nothing was asked for yet; a request would be approved by itself")
}

const missingApprover = "the API server says that these credentials may not create certificatesigningrequests/nodeclient, which is what the approver asks: the ClusterRoleBinding kubeadm:node-autoapprove-bootstrap is missing, or the token is of another group"

func latest(requests []Request) (Request, bool) {
	var last Request
	for _, r := range requests {
		if last.Name == "" || r.Made.After(last.Made) {
			last = r
		}
	}
	return last, len(requests) > 0
}

// requested says what became of the kubelet's request.
func (j Join) requested(r Request) Finding {
	const name = "certificate"
	what := "request " + r.Name
	asked := r.Requester + " made it " + ago(j.Now, r.Made) + " ago, at " + r.Made.UTC().Format(time.RFC3339)
	approve := "kubectl certificate approve " + r.Name
	switch {
	case r.Issued:
		return ok(name, "%s was approved and its certificate issued", what).proof("%s", asked)
	case r.Decision == Denied:
		return bad(name, "%s was denied", what).proof("%s; %s", or(r.Reason, "no reason was given"), asked).
			hint("kubectl get csr " + r.Name + " -o yaml   # to have it asked anew: kubectl delete csr " + r.Name + "; systemctl restart kubelet.service")
	case r.Decision == Failed:
		return bad(name, "%s was approved, and the signer refused it", what).proof("%s; %s", or(r.Reason, "no reason was given"), asked).
			hint("kubectl get csr " + r.Name + " -o yaml")
	case r.Decision == Approved && j.Now.Sub(r.Decided) > patience:
		return bad(name, "%s is approved, and nobody issues the certificate: the controller manager, which signs, does not run, or has no key of the certificate authority", what).
			proof("approved %s ago; %s", ago(j.Now, r.Decided), asked).hint(seeManager)
	case r.Decision == Approved:
		return unknown(name, "%s is approved and about to be issued", what)
	case j.Now.Sub(r.Made) <= patience:
		return unknown(name, "%s was made a moment ago", what).proof("%s", asked)
	case j.Access.MayApprove == No:
		return bad(name, "%s is pending: nobody approves it by itself", what).proof("%s; %s", asked, missingApprover).hint(approve + "; for all to come, " + bindApprover)
	case j.Admin.Manager.stale(j.Now):
		return bad(name, "%s is pending: the controller manager, which approves, does not run", what).
			proof("%s; %s", asked, j.Admin.Manager.managerProof(j.Now)).hint(seeManager)
	}
	return bad(name, "%s is pending, although it may be approved by itself: the controller manager, which does, does not run or is not to approve", what).
		proof("%s", asked).hint(seeManager + "; by hand: " + approve)
}
