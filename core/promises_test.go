// What is promised and what shows it: each row of the table names tests that exist, and each pitfall has one.

package core_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// tests are the names of everything that is tested: functions, and the scripts of the commands.
func tests(t *testing.T) map[string]bool {
	t.Helper()
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	names := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := e.Name(); e.IsDir() && name != ".." && (strings.HasPrefix(name, ".") || name == "node_modules") {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, ".txtar") {
			names[filepath.Base(path)] = true
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		source, err := os.ReadFile(path)
		for _, m := range function.FindAllStringSubmatch(string(source), -1) {
			names[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// Every row of ARCHITECTURE.md's table of promises names at least one test, and each that it names is there.
func TestPromisesHaveTheirTests(t *testing.T) {
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "\n## What is promised, and what shows it\n")
	if !found {
		t.Fatal("there is no table of promises")
	}
	table, _, _ = strings.Cut(table, "\n## ")
	known, named, rows := tests(t), regexp.MustCompile("`(Test\\w+|[\\w-]+\\.txtar)`"), 0
	for _, line := range strings.Split(table, "\n") {
		cells := strings.Split(line, " | ")
		if len(cells) != 3 || strings.HasPrefix(line, "| what is promised") {
			continue
		}
		rows++
		shown := named.FindAllStringSubmatch(cells[2], -1)
		if len(shown) == 0 {
			t.Errorf("nothing shows this: %s", line)
		}
		for _, m := range shown {
			if !known[m[1]] {
				t.Errorf("there is no %s: %s", m[1], line)
			}
		}
	}
	if rows < 30 {
		t.Errorf("%d promises", rows)
	}
}

// Each of the pitfalls of commerce, P1 to P41, has a test that is named after it.
func TestEveryPitfallHasATest(t *testing.T) {
	shown, number := map[int]bool{}, regexp.MustCompile(`P(\d+)`)
	for name := range tests(t) {
		if !strings.HasPrefix(name, "TestP") {
			continue
		}
		for _, m := range number.FindAllStringSubmatch(name, -1) {
			n, err := strconv.Atoi(m[1])
			if err != nil {
				t.Fatal(err)
			}
			shown[n] = true
		}
	}
	for n := 1; n <= 41; n++ {
		if !shown[n] {
			t.Errorf("no test is named after P%d", n)
		}
	}
}
