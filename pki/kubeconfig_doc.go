package pki

// document is a kubeconfig as client-go's clientcmd v1 writes it, as far as it
// matters here.
type document struct {
	APIVersion     string         `json:"apiVersion,omitempty"`
	Kind           string         `json:"kind,omitempty"`
	Clusters       []namedCluster `json:"clusters"`
	Contexts       []namedContext `json:"contexts"`
	CurrentContext string         `json:"current-context"`
	Users          []namedUser    `json:"users"`
}

type namedCluster struct {
	Name    string      `json:"name"`
	Cluster clusterInfo `json:"cluster"`
}

type clusterInfo struct {
	Server string `json:"server"`
	CA     string `json:"certificate-authority,omitempty"`
	CAData []byte `json:"certificate-authority-data,omitempty"`
}

type namedContext struct {
	Name    string      `json:"name"`
	Context contextInfo `json:"context"`
}

type contextInfo struct {
	Cluster string `json:"cluster"`
	User    string `json:"user"`
}

type namedUser struct {
	Name string   `json:"name"`
	User userInfo `json:"user"`
}

type userInfo struct {
	Cert     string `json:"client-certificate,omitempty"`
	CertData []byte `json:"client-certificate-data,omitempty"`
	Key      string `json:"client-key,omitempty"`
	KeyData  []byte `json:"client-key-data,omitempty"`
	Token    string `json:"token,omitempty"`
}

func (d document) context(name string) (contextInfo, bool) {
	for _, c := range d.Contexts {
		if c.Name == name {
			return c.Context, true
		}
	}
	return contextInfo{}, false
}

func (d document) cluster(name string) (clusterInfo, bool) {
	for _, c := range d.Clusters {
		if c.Name == name {
			return c.Cluster, true
		}
	}
	return clusterInfo{}, false
}

func (d document) user(name string) (userInfo, bool) {
	for _, u := range d.Users {
		if u.Name == name {
			return u.User, true
		}
	}
	return userInfo{}, false
}
