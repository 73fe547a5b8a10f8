package preflight_test

import (
	"testing"

	"github.com/clusteradm/clusteradm/preflight"
)

func TestImagePull(t *testing.T) {
	failed := []preflight.PullFailure{{Image: "r/a:1", Reason: "pull image r/a:1: not found"}, {Image: "r/b:1", Reason: "pull image r/b:1: no route"}}
	findings, err := preflight.Run([]preflight.Check{preflight.ImagePull(failed)}, preflight.Subject{}, nil)
	if err == nil || len(findings) != 2 || findings[1] != (preflight.Finding{Check: "ImagePull", Level: preflight.Error,
		Message: "pull image r/b:1: no route", Hint: "clusteradm config images pull"}) {
		t.Errorf("%+v, %v", findings, err)
	}
	findings, err = preflight.Run([]preflight.Check{preflight.ImagePull(failed)}, preflight.Subject{}, []string{"imagepull"})
	if err != nil || len(findings) != 2 || findings[0].Level != preflight.Warning {
		t.Errorf("ignored: %+v, %v", findings, err)
	}
	if findings, err := preflight.Run([]preflight.Check{preflight.ImagePull(nil)}, preflight.Subject{}, nil); err != nil || len(findings) > 0 {
		t.Errorf("all pulled: %+v, %v", findings, err)
	}
}
