package config_test

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/config/v1alpha1"
	"github.com/clusteradm/clusteradm/internal/config/v1beta4"
)

func sample(t *testing.T, command string, kinds ...string) []byte {
	t.Helper()
	data, err := config.Sample(command, kinds...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := config.Validate(data, inputs()); err != nil {
		t.Fatal(err)
	}
	return data
}

func TestSamplesAreTheDefaults(t *testing.T) {
	for _, kinds := range [][]string{nil, config.SampleKinds()} {
		got, err := config.Load(sample(t, "init", kinds...), inputs())
		if err != nil {
			t.Fatal(err)
		}
		want := load(t, "", nil)
		// Only the fact that somebody wrote them down differs.
		want.Cluster.Kubelet.Generated, want.Cluster.KubeProxy.Generated = got.Cluster.Kubelet.Generated, got.Cluster.KubeProxy.Generated
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%v: init is\n%+v\n%s\nwant\n%+v\n%s", kinds, got, got.Cluster.Kubelet.YAML, want, want.Cluster.Kubelet.YAML)
		}
	}
	in := inputs()
	reset, err := config.LoadReset(sample(t, "reset"), in)
	if want, _ := config.LoadReset(nil, in); err != nil || !reflect.DeepEqual(reset, want) {
		t.Errorf("reset is %+v, want %+v, %v", reset, want, err)
	}
	in.Overrides = config.Overrides{APIServerEndpoint: "kube-apiserver:6443", Token: "abcdef.0123456789abcdef", DiscoveryTokenSkipCAHash: true}
	want, err := config.LoadJoin(nil, in)
	if err != nil {
		t.Fatal(err)
	}
	if join, err := config.LoadJoin(sample(t, "join"), inputs()); err != nil || !reflect.DeepEqual(join, want) {
		t.Errorf("join is %+v, want %+v, %v", join, want, err)
	}
	upgrade, _, err := config.Migrate(sample(t, "upgrade"), inputs())
	defaults := strings.ReplaceAll(string(read(t, "testdata/migrate/upgrade.kubeadm.yaml")), "imagePullSerial: true", "imagePullSerial: false")
	if err != nil || string(upgrade) != defaults {
		t.Errorf("upgrade is %s, %v", upgrade, err)
	}
	if _, err := config.Sample("x"); err == nil {
		t.Error("there is a sample of x")
	}
	if _, err := config.Sample("init", "Pod"); err == nil || !strings.Contains(err.Error(), "KubeletConfiguration") {
		t.Errorf("there is a sample of Pod: %v", err)
	}
}

// A sample has every field there is, set or commented out, each with a word on
// what it is.
func TestSamplesAreComplete(t *testing.T) {
	field := regexp.MustCompile(`^ *#?(  )*(- )?[a-zA-Z]+:( |\n)`)
	for command, types := range map[string][]any{
		"init": {v1beta4.InitConfiguration{}, v1beta4.ClusterConfiguration{}, v1alpha1.Addons{}, v1alpha1.Endpoint{}}, "join": {v1beta4.JoinConfiguration{}},
		"reset": {v1beta4.ResetConfiguration{}}, "upgrade": {v1beta4.UpgradeConfiguration{}},
	} {
		kinds := []string{}
		if command == "init" {
			kinds = config.SampleKinds()
		}
		text := string(sample(t, command, kinds...))
		set := map[string]map[string]any{} // by kind
		var whole []string
		for _, doc := range strings.Split(text, "---\n") {
			var lines []string
			for line := range strings.Lines(doc) {
				if field.MatchString(line) && !strings.Contains(line, " # ") {
					t.Errorf("%s has no comment: %s", command, line)
				}
				lines = append(lines, regexp.MustCompile(`^( *)#([ a-zA-Z-])`).ReplaceAllStringFunc(line, func(s string) string {
					if strings.HasPrefix(s, "# ") && !field.MatchString(line) {
						return s
					}
					return strings.Replace(s, "#", "", 1)
				}))
			}
			all := map[string]any{}
			if err := yaml.UnmarshalStrict([]byte(strings.Join(lines, "")), &all); err != nil {
				t.Fatalf("%s with all fields: %v\n%s", command, err, strings.Join(lines, ""))
			}
			set[all["kind"].(string)] = all
			whole = append(whole, strings.Join(lines, ""))
		}
		if _, err := config.Validate([]byte(strings.Join(whole, "---\n")), inputs()); err != nil && (strings.Contains(err.Error(), "unknown field") || strings.Contains(err.Error(), "must be a")) {
			t.Errorf("%s with all fields: %v", command, err)
		}
		for _, typ := range types {
			of := reflect.TypeOf(typ)
			complete(t, of.Name(), of, set[of.Name()])
		}
	}
}

// complete wants a value for every field of a type.
func complete(t *testing.T, path string, of reflect.Type, value any) {
	t.Helper()
	switch of.Kind() {
	case reflect.Pointer:
		complete(t, path, of.Elem(), value)
	case reflect.Slice:
		list, ok := value.([]any)
		if !ok || len(list) == 0 {
			t.Errorf("%s is not in the sample", path)
			return
		}
		complete(t, path+"[0]", of.Elem(), list[0])
	case reflect.Struct:
		fields, ok := value.(map[string]any)
		if !ok {
			if of.NumMethod() == 0 && value == nil {
				t.Errorf("%s is not in the sample", path)
			}
			return
		}
		for i := range of.NumField() {
			name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
			switch {
			case name == "":
				complete(t, path, of.Field(i).Type, value)
			case name == "valueFrom": // not supported
			case fields[name] == nil:
				t.Errorf("%s.%s is not in the sample", path, name)
			default:
				complete(t, path+"."+name, of.Field(i).Type, fields[name])
			}
		}
	}
}
