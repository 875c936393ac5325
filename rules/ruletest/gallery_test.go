// The gallery for merchants is what it says it is: without a fault or a warning, laid out, tested, and of use as it stands.

package ruletest

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/rules"
)

const gallery = "../../examples/shop/rules/gallery"

// galleryRules are the rule files of the gallery.
func galleryRules(t *testing.T) (files []rules.File) {
	t.Helper()
	all, err := reader(gallery)("*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if !strings.HasSuffix(f.Name, ".test.yaml") {
			files = append(files, f)
		}
	}
	if len(files) < 12 {
		t.Fatalf("%d rules", len(files))
	}
	return files
}

// Every rule has its tests and its line in the index, and every line of the index has its rule.
func TestGalleryIsWhole(t *testing.T) {
	files := galleryRules(t)
	index, err := os.ReadFile(filepath.Join(gallery, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(f.Name, ".yaml")
		if !bytes.Contains(index, []byte("["+name+"]("+f.Name+")")) {
			t.Errorf("%s is not in the index", f.Name)
		}
		suite := gallerySuite(t, name+".test.yaml")
		if len(suite.Rules) != 1 || suite.Rules[0].Name != f.Name {
			t.Errorf("%s.test.yaml is about other rules", name)
		}
		if text, err := rules.Format(f); err != nil || !bytes.Equal(text, f.Source) {
			t.Errorf("%s is not laid out: otn fmt", f.Name)
		}
		if !bytes.HasPrefix(f.Source, []byte("# ")) {
			t.Errorf("%s does not say what it is for", f.Name)
		}
	}
	if lines := bytes.Count(index, []byte("\n| \"")); lines != len(files) {
		t.Errorf("the index has %d lines for %d rules", lines, len(files))
	}
}

// All of them can be loaded beside the shop's own rules, which do not load them: the shop's pattern finds files of its folder alone.
func TestGalleryBesideTheShop(t *testing.T) {
	shop, err := reader(filepath.Dir(gallery))("shop.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range rules.Check(append(shop, galleryRules(t)...)...) {
		if e.Severity != rules.Note {
			t.Error(e)
		}
	}
	own, err := filepath.Glob(filepath.Join(filepath.Dir(gallery), "*.yaml"))
	if err != nil || len(own) != 2 {
		t.Errorf("the shop loads %v, %v", own, err)
	}
}

// Each file by itself is without a fault or a warning; its tests pass, see all of it, and notice every change of it.
func TestGallery(t *testing.T) {
	for _, f := range galleryRules(t) {
		t.Run(f.Name, func(t *testing.T) {
			for _, e := range rules.Check(f) {
				if e.Severity != rules.Note {
					t.Error(e)
				}
			}
			suite := gallerySuite(t, strings.TrimSuffix(f.Name, ".yaml")+".test.yaml")
			report, err := suite.Run(t.Context(), Options{Cover: true})
			if err != nil || report.Cover.Percent() < 100 {
				t.Errorf("cover %f, %v: %v", report.Cover.Percent(), err, report.Cover.Unseen())
			}
			for _, r := range report.Results {
				if !r.Passed {
					t.Errorf("%s\n%s", r.Name, told(r))
				}
			}
			m, err := Mutate(t.Context(), []*Suite{suite})
			if err != nil || m.Noticed == 0 {
				t.Errorf("%d noticed, %v", m.Noticed, err)
			}
			for _, s := range m.Survivors {
				t.Errorf("unnoticed: %s", s.String())
			}
		})
	}
}

func gallerySuite(t *testing.T, name string) *Suite {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(gallery, name))
	if err != nil {
		t.Fatal(err)
	}
	suite, found := Load(rules.File{Name: name, Source: text}, reader(gallery))
	if suite == nil {
		t.Fatal(rules.Errors(found).Error())
	}
	return suite
}
