// The command as its users meet it: scripts, in which the test binary is the tool, the daemon and the plugin.

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/onetimenotify/otn/core/api"
	"github.com/onetimenotify/otn/plugins/channel"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "plugin" { // a daemon within this binary launches its plugins from it
		main()
		return
	}
	if p := servedAs(filepath.Base(os.Args[0])); p != nil {
		channel.Serve(p)
		return
	}
	testscript.Main(m, map[string]func(){"otn": main})
}

// deadline is how long a script waits for what must come.
const deadline = 20 * time.Second

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("OTN_LISTEN__HOOKS", "127.0.0.1:0")
			e.Setenv("OTN_LISTEN__ADMIN", "127.0.0.1:0")
			return building(e)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":  code,
			"ready": ready,
			"await": await,
			"hook":  hook,
			"find":  find,
			"files": files,
			"hup":   hup,
			"mode":  mode,
		},
	})
}

// building lets a script build programs of its own with what is here already, from the source that is tested.
func building(e *testscript.Env) error {
	source, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	out, err := exec.Command("go", "env", "GOCACHE", "GOMODCACHE").Output()
	if err != nil {
		return err
	}
	where := strings.Fields(string(out))
	for name, value := range map[string]string{"SOURCE": source, "GOCACHE": where[0], "GOMODCACHE": where[1], "GOFLAGS": "-mod=mod", "GOPROXY": "off"} {
		e.Setenv(name, value)
	}
	return nil
}

// files NAME DIR serves a folder over HTTP until the script ends, and keeps its address.
func files(ts *testscript.TestScript, _ bool, args []string) {
	s := httptest.NewServer(http.FileServer(http.Dir(ts.MkAbs(args[1]))))
	ts.Defer(s.Close)
	ts.Setenv(args[0], s.URL)
}

// find NAME PATTERN keeps what the pattern's group matches in the last stdout.
func find(ts *testscript.TestScript, _ bool, args []string) {
	m := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(m) != 2 {
		ts.Fatalf("no %s in it", args[1])
	}
	ts.Setenv(args[0], m[1])
}

// hup sends SIGHUP to everything that runs in the background.
func hup(ts *testscript.TestScript, _ bool, _ []string) {
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(syscall.SIGHUP))
	}
}

// mode N FILE checks who may read and write a file, in octal.
func mode(ts *testscript.TestScript, _ bool, args []string) {
	fi, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := strconv.FormatInt(int64(fi.Mode().Perm()), 8); got != args[0] {
		ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
	}
}

// code N COMMAND… runs a command that must exit with N.
func code(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := exitOf(ts.Exec(args[1], args[2:]...)); got != want {
		ts.Fatalf("%s exits with %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

func exitOf(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}

// ready DATA waits until the daemon whose store is in DATA answers and all its plugins do.
func ready(ts *testscript.TestScript, _ bool, args []string) {
	data := ts.MkAbs(args[0])
	poll(ts, "the daemon is not ready", func() bool { return allReady(data) })
}

func allReady(data string) bool {
	at, err := readDoors(data)
	if err != nil {
		return false
	}
	key, err := api.ReadKey(data)
	if err != nil {
		return false
	}
	c := &http.Client{Timeout: 5 * time.Second}
	defer c.CloseIdleConnections()
	for _, path := range []string{"/v1/channels", "/v1/sources"} {
		r, err := http.NewRequest(http.MethodGet, "http://"+at.Admin+path, nil)
		if err != nil {
			return false
		}
		r.Header.Set("Authorization", "Bearer "+key.Reveal())
		answer, err := c.Do(r)
		if err != nil {
			return false
		}
		var list map[string][]struct {
			State string `json:"state"`
		}
		err = json.NewDecoder(answer.Body).Decode(&list)
		_ = answer.Body.Close()
		for _, all := range list {
			for _, v := range all {
				if v.State == "starting" || v.State == "stopped" {
					return false
				}
			}
		}
		if err != nil {
			return false
		}
	}
	return true
}

// await REGEXP COMMAND… runs a command again and again until its output matches.
func await(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile("(?m)" + args[0])
	poll(ts, "never matched: "+args[0], func() bool {
		_ = ts.Exec(args[1], args[2:]...)
		return want.MatchString(ts.ReadFile("stdout"))
	})
}

func poll(ts *testscript.TestScript, fault string, so func() bool) {
	for end := time.Now().Add(deadline); !so(); {
		if time.Now().After(end) {
			ts.Fatalf("%s", fault)
		}
		time.Sleep(20 * time.Millisecond) // a process of its own cannot signal
	}
}

// hook STATUS DATA PATH FILE [HEADER: VALUE]… posts a file to the public door, as JSON unless a header says otherwise.
func hook(ts *testscript.TestScript, _ bool, args []string) {
	at, err := readDoors(ts.MkAbs(args[1]))
	ts.Check(err)
	body, err := os.Open(ts.MkAbs(args[3]))
	ts.Check(err)
	defer body.Close() //nolint:errcheck // only read
	c := &http.Client{Timeout: 10 * time.Second}
	defer c.CloseIdleConnections()
	r, err := http.NewRequest(http.MethodPost, "http://"+at.Hooks+args[2], body)
	ts.Check(err)
	r.Header.Set("Content-Type", "application/json")
	for _, header := range args[4:] {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	answer, err := c.Do(r)
	ts.Check(err)
	_ = answer.Body.Close()
	if fmt.Sprint(answer.StatusCode) != args[0] {
		ts.Fatalf("%s answers %s, want %s", args[2], answer.Status, args[0])
	}
}

// No file of the examples or of a new shop is left behind by what embeds it.
func TestShopFiles(t *testing.T) {
	files, err := shopFiles()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".gitignore", "otn.yaml", "README.md", "items.csv", "consents.csv", filepath.Join("rules", "shop.yaml"), filepath.Join("rules", "shop.test.yaml")} {
		if len(files[name]) == 0 {
			t.Errorf("%s is not written", name)
		}
	}
}
