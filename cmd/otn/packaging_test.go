// What packages, images and releases say of the program is true of it.

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/cmd/otn/config"
)

const top = "../.."

func text(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(top, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func rootOf() *cobra.Command {
	k := &call{console: console{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard}, flags: map[string]string{}}
	return k.root()
}

// understands reports whether the program takes these arguments.
func understands(t *testing.T, args ...string) {
	t.Helper()
	root := rootOf()
	root.InitDefaultCompletionCmd()
	cmd, rest, err := root.Find(args)
	if err == nil && cmd == root {
		err = fmt.Errorf("no such command")
	}
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	if err == nil && cmd.Args != nil {
		err = cmd.Args(cmd, cmd.Flags().Args())
	}
	if err != nil {
		t.Errorf("otn %s: %v", strings.Join(args, " "), err)
	}
}

// settings are the lines of a unit or a Dockerfile: what stands left of the first mark, and all that stand right of it.
func settings(text, mark string) map[string][]string {
	all := map[string][]string{}
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		line = strings.TrimSpace(line)
		if key, value, ok := strings.Cut(line, mark); ok && !strings.HasPrefix(line, "#") {
			all[key] = append(all[key], value)
		}
	}
	return all
}

func TestUnit(t *testing.T) {
	unit := settings(text(t, "examples/operate/otn.service"), "=")
	start := strings.Fields(unit["ExecStart"][0])
	if start[0] != "/usr/bin/otn" {
		t.Errorf("it starts %s", start[0])
	}
	understands(t, start[1:]...)
	for key, want := range map[string]string{
		"Type": "notify", "User": "otn", "NoNewPrivileges": "yes", "CapabilityBoundingSet": "", "PrivateTmp": "yes", "ProtectSystem": "strict", "ProtectHome": "yes",
		"UMask": "0077", "LimitCORE": "0", "MemoryMax": "1G", "SystemCallFilter": "@system-service", "StateDirectory": "otn", "StateDirectoryMode": "0700",
		"LoadCredential":           "otn:/etc/otn/credentials",
		"RestartPreventExitStatus": strings.Trim(fmt.Sprint([]int{exitUsage, exitConfig, exitStore}), "[]"),
	} {
		if got := unit[key]; len(got) == 0 || got[0] != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	env := map[string]string{}
	for _, e := range unit["Environment"] {
		name, value, _ := strings.Cut(e, "=")
		env[name] = value
	}
	if env["OTN_DATA"] != "/var/lib/otn" || env["GOMEMLIMIT"] == "" {
		t.Errorf("the environment is %v", env)
	}
	configured(t, env)
}

// configured checks that variables are keys of the configuration.
func configured(t *testing.T, env map[string]string) {
	t.Helper()
	k, _ := hanging(t)
	for name, value := range env {
		if !strings.HasPrefix(name, "OTN_") {
			continue
		}
		c, err := config.Load(config.Options{File: k.file, Env: []string{name + "=" + value}, Part: config.Door, Builtins: sortedKeys(builtins())})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !slices.ContainsFunc(c.Entries(), func(e config.Entry) bool { return e.Origin == name && e.Value == value }) {
			t.Errorf("%s is no key of the configuration", name)
		}
	}
}

func TestDockerfile(t *testing.T) {
	file := text(t, "examples/operate/Dockerfile")
	lines := settings(file, " ")
	for _, c := range lines["COPY"] {
		fields := strings.Fields(c)
		if strings.HasPrefix(fields[0], "--") {
			continue // from the stage before
		}
		for _, from := range fields[:len(fields)-1] {
			if _, err := os.Stat(filepath.Join(top, from)); err != nil {
				t.Errorf("COPY %s: %v", c, err)
			}
		}
	}
	if build := regexp.MustCompile(`go build .* (\./\S+)`).FindStringSubmatch(file); build == nil {
		t.Error("nothing is built")
	} else if _, err := os.Stat(filepath.Join(top, build[1], "main.go")); err != nil {
		t.Error(err)
	}
	if user := lines["USER"]; len(user) != 1 || strings.HasPrefix(user[0], "0") || strings.HasPrefix(user[0], "root") {
		t.Errorf("it runs as %v", user)
	}
	var entry, serve, health []string
	check, _ := strings.CutPrefix(lines["HEALTHCHECK"][0][strings.Index(lines["HEALTHCHECK"][0], "CMD"):], "CMD ")
	for line, to := range map[string]*[]string{lines["ENTRYPOINT"][0]: &entry, lines["CMD"][0]: &serve, check: &health} {
		if err := json.Unmarshal([]byte(line), to); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	if entry[0] != "/usr/bin/otn" || health[0] != entry[0] {
		t.Errorf("it starts %v and asks %v", entry, health)
	}
	understands(t, serve...)
	understands(t, health[1:]...)
	env := map[string]string{}
	for e := range strings.FieldsSeq(lines["ENV"][0]) {
		name, value, _ := strings.Cut(e, "=")
		env[name] = value
	}
	if env["OTN_DATA"] != lines["VOLUME"][0] {
		t.Errorf("the store is in %s, the volume at %s", env["OTN_DATA"], lines["VOLUME"][0])
	}
	configured(t, env)
	golang := regexp.MustCompile(`golang:(\d+\.\d+)`).FindStringSubmatch(file)
	if golang == nil || !strings.Contains(text(t, "go.mod"), "\ngo "+golang[1]) {
		t.Errorf("the image builds with %v, go.mod wants another", golang)
	}
}

// release is what the tests look at of .goreleaser.yaml.
type release struct {
	Before struct{ Hooks []string }
	Builds []struct {
		Main, Binary string
		Env, Flags   []string
		LDFlags      []string `yaml:"ldflags"`
		ModTimestamp string   `yaml:"mod_timestamp"`
		GOOS, GOARCH []string
	}
	Archives []struct{ Files []any }
	NFPMs    []struct {
		Contents []struct{ Src, Dst, Type string }
	} `yaml:"nfpms"`
	Checksum map[string]string
	SBOMs    []any `yaml:"sboms"`
	Signs    []struct{ Cmd string }
}

func TestRelease(t *testing.T) {
	var r release
	if err := yaml.Unmarshal([]byte(text(t, ".goreleaser.yaml")), &r); err != nil {
		t.Fatal(err)
	}
	b := r.Builds[0]
	if _, err := os.Stat(filepath.Join(top, b.Main, "main.go")); err != nil || b.Binary != "otn" {
		t.Errorf("it builds %s from %s: %v", b.Binary, b.Main, err)
	}
	if !slices.Contains(b.Flags, "-trimpath") || !slices.Contains(b.Env, "CGO_ENABLED=0") || b.ModTimestamp == "" {
		t.Errorf("two builds would differ: %+v", b)
	}
	if dockers := text(t, "examples/operate/Dockerfile"); !strings.Contains(dockers, `CGO_ENABLED=0 go build -trimpath -ldflags "`+strings.Join(b.LDFlags, " ")+`"`) {
		t.Error("the image is built with other flags than the release")
	}
	if r.Checksum["name_template"] == "" || len(r.SBOMs) == 0 || len(r.Signs) == 0 || r.Signs[0].Cmd != "cosign" {
		t.Error("checksums, a list of parts and a signature belong to a release")
	}
	made := map[string]bool{}
	for _, hook := range r.Before.Hooks {
		hook = strings.ReplaceAll(hook, "$s", "bash")
		for _, m := range regexp.MustCompile(`go run \./cmd/otn ([^;">]+)`).FindAllStringSubmatch(hook, -1) {
			understands(t, strings.Fields(m[1])...)
		}
		for _, dir := range []string{".release/man", ".release/completion"} {
			made[dir] = made[dir] || strings.Contains(hook, dir)
		}
	}
	var sources []string
	for _, f := range r.Archives[0].Files {
		switch f := f.(type) {
		case string:
			sources = append(sources, f)
		case map[string]any:
			sources = append(sources, fmt.Sprint(f["src"]))
		}
	}
	for _, c := range r.NFPMs[0].Contents {
		if c.Type != "dir" {
			sources = append(sources, c.Src)
		}
	}
	for _, src := range sources {
		if made[filepath.Dir(src)] {
			continue
		}
		if found, err := filepath.Glob(filepath.Join(top, src)); err != nil || len(found) == 0 {
			t.Errorf("%s: no such file", src)
		}
	}
}

// What a workflow runs of others is exactly what was looked at: pinned by digest.
func TestWorkflowsArePinned(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(filepath.Join(top, ".github", "workflows"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`uses: *(\S+)`).FindAllStringSubmatch(string(b), -1) {
			seen++
			if !regexp.MustCompile(`@[0-9a-f]{40}$`).MatchString(m[1]) {
				t.Errorf("%s: %s is not pinned", path, m[1])
			}
		}
		if !strings.Contains(string(b), "\npermissions: {contents: read}\n") {
			t.Errorf("%s may do more than read", path)
		}
		return err
	})
	if err != nil || seen < 4 {
		t.Errorf("%d uses, %v", seen, err)
	}
}

// The scripts that complete parse in their shells, where those are here, and propose what the configuration names.
func TestCompletion(t *testing.T) {
	k, _ := hanging(t)
	out := func(args ...string) string {
		t.Helper()
		var out, words strings.Builder
		if code := run(console{args: args, stdin: strings.NewReader(""), stdout: &out, stderr: &words}); code != 0 {
			t.Errorf("otn %s: exit %d\n%s", strings.Join(args, " "), code, words.String())
		}
		return out.String()
	}
	for shell, check := range map[string][]string{"bash": {"bash", "-n"}, "zsh": {"zsh", "-n"}, "fish": {"fish", "--no-execute"}, "powershell": nil} {
		script := out("completion", shell)
		if !strings.Contains(script, "otn") {
			t.Errorf("%s: %q", shell, script)
		}
		if check == nil {
			continue
		}
		if _, err := exec.LookPath(check[0]); err != nil {
			continue // bash is everywhere; the others are tried where they are
		}
		path := filepath.Join(t.TempDir(), "otn."+shell)
		if err := os.WriteFile(path, []byte(script), 0o600); err != nil {
			t.Fatal(err)
		}
		if text, err := exec.Command(check[0], append(check[1:], path)...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", shell, err, text)
		}
	}
	for line, want := range map[string]string{
		"send ":                   "price-drop",
		"ask ":                    "shop",
		"ask shop ":               "",
		"ask shop 222 ":           "price-drop",
		"link shop ":              "price-drop",
		"why ann ":                "price-drop",
		"explain ":                "price-drop",
		"rules rearm ":            "price-drop",
		"channels test ":          "shop",
		"plugins release ":        "shop",
		"deliveries resolve d-1 ": "sent",
		"consents --topic ":       "price-drop",
		"runs list --rule ":       "price-drop",
		"serve --log-level ":      "debug",
		"-o ":                     "json",
	} {
		args := strings.Split(line, " ")
		got := out(append([]string{"__complete", "-c", k.file}, args...)...)
		if want != "" && !slices.Contains(strings.Split(got, "\n"), want) || want == "" && !strings.HasPrefix(got, ":") {
			t.Errorf("%q proposes %q, want %q", line, got, want)
		}
	}
	if got := out("__complete", "-c", filepath.Join(t.TempDir(), "none.yaml"), "send", ""); strings.Contains(got, "price-drop") || !strings.Contains(got, "\n:"+strconv.Itoa(int(cobra.ShellCompDirectiveNoFileComp))+"\n") {
		t.Errorf("without a configuration it proposes %q", got)
	}
}

// Each command has its page, and two runs make the same.
func TestManualPages(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1800000000")
	write := func() map[string]string {
		dir := filepath.Join(t.TempDir(), "man1")
		var words strings.Builder
		if code := run(console{args: []string{"man", dir}, stdin: strings.NewReader(""), stdout: io.Discard, stderr: &words}); code != 0 {
			t.Fatalf("exit %d: %s", code, words.String())
		}
		files, err := filepath.Glob(filepath.Join(dir, "*.1"))
		if err != nil {
			t.Fatal(err)
		}
		pages := map[string]string{}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			pages[filepath.Base(f)] = string(b)
		}
		return pages
	}
	pages, again := write(), write()
	var each func(cmd *cobra.Command)
	each = func(cmd *cobra.Command) {
		if cmd.Hidden || !cmd.IsAvailableCommand() && cmd.HasParent() {
			return
		}
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
		page, ok := pages[name]
		if !ok || !strings.Contains(page, ".SH SYNOPSIS") || !strings.Contains(strings.ReplaceAll(page, `\-`, "-"), cmd.Short) {
			t.Errorf("no page %s, or one without a synopsis or its first line", name)
		}
		if page != again[name] {
			t.Errorf("%s is another the second time", name)
		}
		for _, sub := range cmd.Commands() {
			each(sub)
		}
	}
	each(rootOf())
	if len(pages) < 40 {
		t.Errorf("only %d pages", len(pages))
	}
}

// A supervisor hears when the daemon is ready and when it stops.
func TestSupervisorHears(t *testing.T) {
	_, d := hanging(t)
	heard := make(chan string, 2)
	d.supervisor = func(state string) { heard <- state }
	t.Run("a life", func(t *testing.T) { runs(t, d) })
	if first, then := <-heard, <-heard; first != "READY=1" || then != "STOPPING=1" {
		t.Errorf("it heard %s, %s", first, then)
	}
}
