// The README says what is so: its rules are valid, its channel is the example, its faults are what check prints.

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/cmd/otn/config"
	"github.com/onetimenotify/otn/rules"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// blocks are the fenced blocks of a language, "" for those without.
func blocks(text, language string) (list []string) {
	for _, m := range regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
		if m[1] == language {
			list = append(list, m[2])
		}
	}
	return list
}

func TestReadmeRules(t *testing.T) {
	list := blocks(readme(t), "yaml")
	if len(list) == 0 {
		t.Fatal("no rules in the README")
	}
	for _, source := range list {
		if !strings.HasPrefix(source, "version:") {
			continue // of a configuration
		}
		if found := rules.Check(rules.File{Name: "README.md", Source: []byte(source)}); len(found) > 0 {
			t.Errorf("%v", found)
		}
	}
}

// The source in the README is one that otn serve takes.
func TestReadmeSource(t *testing.T) {
	dir := t.TempDir()
	for _, source := range blocks(readme(t), "yaml") {
		if !strings.HasPrefix(source, "sources:") {
			continue
		}
		text := "rules: [\"*.yaml\"]\n" + source
		if err := os.WriteFile(filepath.Join(dir, "otn.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(config.Options{File: filepath.Join(dir, "otn.yaml"), Builtins: sortedKeys(builtins()), Open: openBuiltin})
		if err != nil || len(c.Sources) == 0 || c.Sources[0].Poll == "" {
			t.Errorf("%v in\n%s", err, source)
		}
		return
	}
	t.Fatal("no source in the README")
}

// So are its lines about the log and traces.
func TestReadmeLog(t *testing.T) {
	dir := t.TempDir()
	for _, source := range blocks(readme(t), "yaml") {
		if !strings.HasPrefix(source, "log:") {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, "otn.yaml"), []byte("rules: [\"*.yaml\"]\n"+source), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(config.Options{File: filepath.Join(dir, "otn.yaml")})
		if err != nil || c.LogFormat != "json" || c.Traces == "" {
			t.Errorf("%+v, %v in\n%s", c, err, source)
		}
		return
	}
	t.Fatal("no log in the README")
}

// The doors in the README are ones that otn serve takes, once their certificates are there.
func TestReadmeDoors(t *testing.T) {
	found := 0
	for _, source := range blocks(readme(t), "yaml") {
		if !strings.HasPrefix(source, "listen:") {
			continue
		}
		found++
		file := filepath.Join(t.TempDir(), "otn.yaml")
		if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(config.Options{File: file, Part: config.Door})
		if err != nil || !c.AdminTLS.Set() || len(c.Proxies) == 0 {
			t.Errorf("%v in\n%s", err, source)
		}
	}
	if found == 0 {
		t.Fatal("no doors in the README")
	}
}

func TestReadmeChannel(t *testing.T) {
	source, err := os.ReadFile("../../examples/plugin-go/main.go")
	if err != nil {
		t.Fatal(err)
	}
	if list := blocks(readme(t), "go"); len(list) == 0 || list[0] != string(source) {
		t.Error("the channel in the README is not examples/plugin-go/main.go")
	}
}

// The faults in the README are those of its rule with the two mistakes in it.
func TestReadmeFaults(t *testing.T) {
	source := `version: 1
topics:
  price-drop: {use: price_drop, subject: item, ask: "${item.title} gets cheaper"}
rules:
  - id: price-drop
    topic: price-drop
    on: [item.changed]
    when: itm.price < was.price && item.price <= 99
    message: {text: "${item.title} is now ${item.price}"}
`
	var texts []string
	for _, f := range rules.Check(rules.File{Name: "shop.yaml", Source: []byte(source)}) {
		texts = append(texts, f.Error())
	}
	if want := strings.Join(texts, "\n\n"); !strings.Contains(readme(t), want) {
		t.Errorf("not in the README:\n%s", want)
	}
}

// What the README shows of otn test, and of the commands after it, is what they print in the folder of the gallery.
func TestReadmeScreens(t *testing.T) {
	var screen string
	for _, block := range blocks(readme(t), "") {
		if strings.HasPrefix(block, "$ otn test ") {
			screen = block
		}
	}
	if screen == "" {
		t.Fatal("no otn test in the README")
	}
	t.Chdir("../../examples/shop/rules/gallery")
	var got strings.Builder
	for _, m := range regexp.MustCompile(`(?m)^\$ otn (.*)$`).FindAllStringSubmatch(screen, -1) {
		if got.Len() > 0 {
			got.WriteString("\n")
		}
		got.WriteString(m[0] + "\n")
		args := regexp.MustCompile(`(?:'[^']*'|\S)+`).FindAllString(m[1], -1)
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "'", "")
		}
		run(console{args: args, env: []string{}, stdin: strings.NewReader(""), stdout: &got, stderr: &got})
	}
	if got.String() != screen {
		t.Errorf("the README shows\n%s\nand it is\n%s", screen, got.String())
	}
}

// Every command that the README names exists.
func TestReadmeCommands(t *testing.T) {
	root := (&call{flags: map[string]string{}}).root()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, m := range regexp.MustCompile(`(?m)(?:^|[|\x60]) ?otn ([a-z]+(?: [a-z-]+)?)`).FindAllStringSubmatch(readme(t), -1) {
		if cmd, _, err := root.Find(strings.Fields(m[1])); err != nil || cmd == root {
			t.Errorf("otn %s is no command", m[1])
		}
	}
}
