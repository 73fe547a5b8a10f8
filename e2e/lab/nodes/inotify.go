package nodes

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// inotifyInstances is what a dozen nodes need: all of them are root of one
// user namespace and share its limit. With Debian's 128 the kubelet of the
// seventh node ends with "inotify_init: too many open files".
const inotifyInstances = 8192

// raiseInotify raises this machine's limit, and never lowers it: what runs
// beside the lab may have come to need it.
func raiseInotify(logf func(string, ...any)) error {
	const path = "/proc/sys/fs/inotify/max_user_instances"
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read inotify limit: %w", err)
	}
	limit, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("read inotify limit: %w", err)
	}
	if limit >= inotifyInstances {
		return nil
	}
	if err := os.WriteFile(path, []byte(strconv.Itoa(inotifyInstances)), 0); err != nil {
		return fmt.Errorf("raise inotify limit: %w", err)
	}
	logf("raised fs.inotify.max_user_instances of this machine from %d to %d", limit, inotifyInstances)
	return nil
}
