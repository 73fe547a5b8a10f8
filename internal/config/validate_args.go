package config

import (
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/clusteradm/clusteradm/internal/config/v1beta4"
	"k8s.io/apimachinery/pkg/util/validation"
)

// args never repeats a value: people put credentials into flags.
func (f field) args(args []v1beta4.Arg) {
	for i, arg := range args {
		at := f.item(i)
		switch {
		case arg.Name == "":
			at.child("name").bad("is required", "")
		case strings.HasPrefix(arg.Name, "-"):
			at.child("name").bad(strconv.Quote(arg.Name)+" begins with a dash", "write flags without their dashes")
		case !matches(`^[a-zA-Z0-9][a-zA-Z0-9._-]*$`, arg.Name):
			at.child("name").bad(strconv.Quote(arg.Name)+" is not the name of a flag", "")
		}
		if hasControl(arg.Value) {
			at.child("value").bad("has control characters", "")
		}
	}
}

// kubeletArgs pass through an environment file and systemd's splitting at
// blanks, which has no quoting that both understand.
func (f field) kubeletArgs(args []v1beta4.Arg) {
	f.args(args)
	for i, arg := range args {
		at := f.item(i).child("value")
		if strings.ContainsFunc(arg.Value, unicode.IsSpace) || strings.ContainsAny(arg.Value, "\"'\\`$") {
			at.bad("has blanks, quotes, backslashes or dollar signs, which systemd would take apart", "set it in a KubeletConfiguration instead")
		}
		if arg.Name == "node-labels" && arg.Value != "" {
			for label := range strings.SplitSeq(arg.Value, ",") {
				key, value, _ := strings.Cut(label, "=")
				at.label(key, value)
			}
		}
	}
}

func (f field) envs(envs []v1beta4.EnvVar) {
	for i, env := range envs {
		at := f.item(i)
		if errs := validation.IsEnvVarName(env.Name); len(errs) > 0 {
			at.child("name").bad(strconv.Quote(env.Name)+" is not the name of a variable: "+errs[0], "")
		}
		if hasControl(env.Value) {
			at.child("value").bad("has control characters", "")
		}
		if env.ValueFrom != nil {
			at.child("valueFrom").bad("is not supported", "write the value itself")
		}
	}
}

func (f field) volumes(volumes []v1beta4.HostPathMount) {
	types := []string{"", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"}
	seen := map[string]bool{}
	for i, v := range volumes {
		at := f.item(i)
		if errs := validation.IsDNS1123Label(v.Name); len(errs) > 0 {
			at.child("name").bad(strconv.Quote(v.Name)+" is not the name of a volume: "+errs[0], "")
		}
		if seen[v.Name] {
			at.child("name").bad(strconv.Quote(v.Name)+" is given twice", "")
		}
		seen[v.Name] = true
		at.child("hostPath").absolutePath(v.HostPath)
		at.child("mountPath").absolutePath(v.MountPath)
		if strings.Contains(v.MountPath, ":") {
			at.child("mountPath").bad("has a colon", "")
		}
		if !slices.Contains(types, v.PathType) {
			at.child("pathType").oneOf(v.PathType, types[1:]...)
		}
	}
}

func (f field) component(c v1beta4.ControlPlaneComponent) {
	f.child("extraArgs").args(c.ExtraArgs)
	f.child("extraVolumes").volumes(c.ExtraVolumes)
	f.child("extraEnvs").envs(c.ExtraEnvs)
}
