package phases

import (
	"io/fs"
	"path"
	"strings"

	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// Requests writes what an external authority is asked with: keys, requests and
// kubeconfigs without a certificate.
func Requests() []plan.Phase {
	return []plan.Phase{{
		Name: "requests", Short: "Write keys and certificate signing requests", Example: "clusteradm certs generate-csr",
		Plan: func(in plan.Input) ([]plan.Group, error) {
			var dirs, files []plan.Step
			seen := map[string]bool{}
			for _, f := range in.Certs.Files {
				if d := path.Dir(f.Path); !seen[d] {
					seen[d] = true
					// Any directory may be named, somebody's home or /tmp: it stays as it is.
					dirs = append(dirs, plan.Step{Name: "dir-" + strings.Trim(strings.ReplaceAll(d, "/", "-"), "-"), Host: in.Node.Host,
						Effect: effect.Dir{Host: in.Node.Host, Path: d, Attr: host.Attr{Mode: 0o755}, Keep: true}})
				}
				step := secretFile(in, stepName(in, f.Path), f.Path, f.Content, fs.FileMode(f.Mode))
				if !strings.HasSuffix(f.Path, ".csr") {
					step = kept(step) // a key, or what has one in it
				}
				files = append(files, step)
			}
			return serial(append(dirs, files...)...), nil
		},
	}}
}
