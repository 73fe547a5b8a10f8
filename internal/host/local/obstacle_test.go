package local

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What root cannot write has a reason that the error alone does not show.
func TestObstaclesHaveHints(t *testing.T) {
	for errno, command := range map[error]string{
		unix.ENOSPC: "df -h /etc/kubernetes;", unix.EDQUOT: "df -h /etc/kubernetes;", unix.EROFS: "findmnt -T /etc/kubernetes",
		unix.EPERM: "lsattr -d /etc/kubernetes /etc/kubernetes/admin.conf",
	} {
		err := failed("write", "/etc/kubernetes/admin.conf", &fs.PathError{Op: "open", Path: "/root/of/a/test", Err: errno})
		var hinted interface{ Hint() string }
		if !errors.As(err, &hinted) || !strings.HasPrefix(hinted.Hint(), command) {
			t.Errorf("%v: no hint %q", err, command)
		}
		if want := "write /etc/kubernetes/admin.conf: " + errno.Error(); err.Error() != want || !errors.Is(err, errno) {
			t.Errorf("the error became %q", err)
		}
	}
	var hinted interface{ Hint() string }
	if err := failed("read", "/x", fs.ErrNotExist); errors.As(err, &hinted) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v has a hint", err)
	}
}
