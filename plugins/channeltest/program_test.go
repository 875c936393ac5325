// The suite passes a plugin that is right, and names the check that each broken one fails.

package channeltest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/onetimenotify/otn/plugins/channel"
	"github.com/onetimenotify/otn/plugins/channeltest"
	"github.com/onetimenotify/otn/plugins/mock"
)

func TestMain(m *testing.M) {
	if channel.Hosted() {
		channel.Serve(mock.Plugin)
		return
	}
	goleak.VerifyTestMain(m)
}

// patience is enough where nothing hangs, also on a machine that has other things to do.
const patience = 4 * time.Second

func TestARightPluginPasses(t *testing.T) {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	channeltest.RunProgram(t, channeltest.Program{Command: []string{path}, Patience: patience})
}

// broken builds the program that is every broken plugin.
func broken(t *testing.T) string {
	t.Helper()
	if _, err := os.ReadFile("testdata/broken/main.go"); err != nil { // a test that is cached is made again when it changes
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "broken")
	if out, err := exec.Command("go", "build", "-o", path, "./testdata/broken").CombinedOutput(); err != nil {
		t.Fatalf("%s %v", out, err)
	}
	return path
}

func TestBrokenPluginsFailWhereTheyAreBroken(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program, and waits for what hangs")
	}
	program := broken(t)
	const (
		launches, describes, schema   = "launches and shakes hands", "says what it is without a configuration", "has a schema"
		refusesConfig, acceptsConfig  = "refuses a configuration that is none", "accepts its configuration"
		validates, reconfigures       = "validates and changes nothing", "takes a new configuration while it runs"
		instances, lives, grants      = "serves the instances it was given, and no other", "answers whether it lives", "grants credits in its first frame"
		seqs, largeFrame, cancelled   = "answers each seq once, in words that are known", "takes a large frame", "answers what was cancelled"
		deadline, emptiness, nonsense = "starts nothing after the deadline", "survives an empty delivery", "refuses a webhook that makes no sense"
		drains, signals, endsWithHost = "drains", "heeds no signal but its host's end", "ends when its host does"
		lookup, hearsOnce, anyPlace   = "looks up what it sent, where it looks up", "is listened to once at a time", "takes a place that means nothing for the beginning"
		stopsListening                = "stops listening when nobody waits"
		nothingLeft, keepsStdout      = "leaves nothing behind", "prints nothing to stdout after its handshake"
	)
	for mode, check := range map[string]string{
		"": "", "exits": launches, "silent": launches, "greets": launches, "another protocol": launches, "no TLS": describes,
		"nameless": describes, "boasts": describes, "needs a configuration": describes, "no schema": schema, "bad schema": schema,
		"takes any configuration": refusesConfig, "tells secrets": refusesConfig, "dies of a configuration": refusesConfig, "errors for faults": refusesConfig,
		"takes no configuration": acceptsConfig, "never configured": acceptsConfig, "two names": acceptsConfig, "validates for real": validates,
		"configured once": reconfigures, "serves anybody": instances, "no word of health": lives, "no credits": grants, "keeps its credits": grants,
		"answers first": grants, "refuses": seqs, "forgets": seqs, "answers twice": seqs, "answers others": seqs, "odd outcomes": seqs, "talks": seqs,
		"small frames": largeFrame, "cancels the stream": cancelled, "late": deadline, "dies of emptiness": emptiness, "takes any webhook": nonsense,
		"never drains": drains, "goes on after Drain": drains, "a signal ends it": signals, "outlives its host": endsWithHost, "family": nothingLeft,
		"prints": keepsStdout, "denies what it sent": lookup, "claims what it never got": lookup, "tells on": hearsOnce, "listens to all": hearsOnce,
		"wants its place": anyPlace, "stays on": stopsListening,
	} {
		t.Run(strings.ReplaceAll(mode, " ", "_"), func(t *testing.T) {
			t.Parallel()
			p := channeltest.Program{Command: []string{program, mode}, Patience: patience}
			if slices.Contains([]string{"silent", "keeps its credits", "never configured", "no word of health", "forgets", "never drains"}, mode) {
				p.Patience = time.Second
			}
			if check != "" {
				p.Only = []string{check}
			}
			first := ""
			well := channeltest.Conform(t.Context(), p, func(r channeltest.Result) {
				if !r.OK() && first == "" {
					first = r.Check
					t.Logf("%s: %v", r.Check, r.Faults)
				}
			})
			if well != (check == "") || first != check {
				t.Errorf("it failed %q first, want %q", first, check)
			}
		})
	}
}

func TestSample(t *testing.T) {
	got, err := channeltest.Sample([]byte(`{"type":"object","required":["a","b","c","d","e","f"],"properties":{
		"a":{"type":"string","minLength":3},"b":{"type":"integer","minimum":2.5},"c":{"enum":["x","y"]},"d":{"type":"array","minItems":1,"items":{"type":"boolean"}},
		"e":{"type":["object","null"],"required":["z"],"properties":{"z":{"default":7},"y":{"type":"string"}}},"f":{"type":"string","examples":["ex"]},"g":{"type":"string"}}}`))
	if want := `{"a":"axx","b":3,"c":"x","d":[false],"e":{"z":7},"f":"ex"}`; err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
}
