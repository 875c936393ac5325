// The rule files for the console: written whole or not at all, and never over a change that nobody has seen.

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/examples/shop"
)

// shelf is a folder with the example's rules, and what a reload of it answers.
func shelf(t *testing.T) (f *ruleFiles, name, text string, reloads *int, refuse *error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, shop.Files); err != nil {
		t.Fatal(err)
	}
	name = filepath.Join(dir, "rules", "shop.yaml")
	source, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	reloads, refuse = new(int), new(error)
	f = &ruleFiles{
		paths:  func() ([]string, error) { return []string{name}, nil },
		reload: func(context.Context) error { *reloads++; return *refuse },
	}
	return f, name, string(source), reloads, refuse
}

func on(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A good text is written, with the file's mode and behind its link, and decides; the folder holds nothing else then.
func TestActivate(t *testing.T) {
	f, name, was, reloads, _ := shelf(t)
	behind := filepath.Join(filepath.Dir(name), "behind.txt")
	if err := errors.Join(os.Rename(name, behind), os.Chmod(behind, 0o640), os.Symlink("behind.txt", name)); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadDir(filepath.Dir(name))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(was, "default: 3.0", "default: 5.0", 1)
	if err := f.Activate(t.Context(), name, was, text); err != nil || *reloads != 1 {
		t.Fatalf("%v, %d reloads", err, *reloads)
	}
	about, err := os.Stat(behind)
	if err != nil || on(t, behind) != text || about.Mode().Perm() != 0o640 {
		t.Errorf("%v %v\n%s", err, about.Mode(), on(t, behind))
	}
	if link, err := os.Lstat(name); err != nil || link.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", link.Mode(), err)
	}
	if after, err := os.ReadDir(filepath.Dir(name)); err != nil || len(after) != len(before) {
		t.Errorf("in the folder: %v, %v", after, err)
	}
}

// Whatever stands in the way, the file is as it was.
func TestActivateRefuses(t *testing.T) {
	f, name, was, reloads, refuse := shelf(t)
	good := strings.Replace(was, "default: 3.0", "default: 5.0", 1)
	for what, c := range map[string]struct {
		name, was, text string
		want            error
	}{
		"another text on disk": {name, was + "#", good, otn.ErrConflict},
		"a faulty text":        {name, was, was + "\nrules: nonsense\n", otn.ErrInvalid},
		"another file":         {filepath.Join(filepath.Dir(name), "shop.test.yaml"), was, good, otn.ErrNotFound},
		"a way out":            {filepath.Dir(name) + "/../rules/shop.yaml", was, good, otn.ErrNotFound},
	} {
		if err := f.Activate(t.Context(), c.name, c.was, c.text); !errors.Is(err, c.want) || on(t, name) != was || *reloads != 0 {
			t.Errorf("%s: %v, %d reloads\n%s", what, err, *reloads, on(t, name))
		}
	}
	*refuse = errors.New("the host has another opinion")
	if err := f.Activate(t.Context(), name, was, good); !errors.Is(err, *refuse) || on(t, name) != was {
		t.Errorf("a reload that fails: %v\n%s", err, on(t, name))
	}
}

// Tests run with the edited text in the place of its file, those alone that read it; the file itself is left alone.
func TestTryTests(t *testing.T) {
	f, name, was, _, _ := shelf(t)
	good, err := f.Test(t.Context(), name, was)
	if err != nil || good.Failed > 0 || good.Passed < 5 || good.Passed != len(good.Tests) {
		t.Errorf("as it is: %+v, %v", good, err)
	}
	bad, err := f.Test(t.Context(), name, strings.Replace(was, "It was ", "You saw ", 1))
	if err != nil || bad.Failed != 1 || on(t, name) != was {
		t.Fatalf("edited: %+v, %v", bad, err)
	}
	for _, one := range bad.Tests {
		if one.Passed == (one.Failure != "") || !one.Passed && !strings.Contains(one.Failure, "You saw $120.00") {
			t.Errorf("%+v", one)
		}
	}
	if _, err := f.Test(t.Context(), name, "version: 1\nrules: nonsense\n"); !errors.Is(err, otn.ErrInvalid) {
		t.Errorf("a faulty text: %v", err)
	}
	lonely := filepath.Join(t.TempDir(), "alone.yaml")
	if err := os.WriteFile(lonely, []byte(was), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Test(t.Context(), lonely, was); !errors.Is(err, otn.ErrNotFound) {
		t.Errorf("without a test file: %v", err)
	}
}
