// The rows of what goes wrong between a shop and its doors: each has a test that is named after it.

package plugins_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// doorRows are the pitfalls (P) and the lessons of others (L) that a door keeps: a webhook's, a poll's, a listening's, a channel's. The
// others are about rules, runs and the operator.
const doorRows = "P1 P2 P3 P4 P5 P8 P9 P10 P11 P13 P16 P17 P19 P20 P21 P22 P23 P24 P28 P29 P30 P31 P32 P33 P34 P35 P36 P37 P38 P39 P40 P41 " +
	"L3 L4 L6 L9 L12 L14 L15 L16 L17 L18 L19 L21 L23"

func TestEveryRowOfADoorHasItsTest(t *testing.T) {
	named := map[string]bool{}
	test := regexp.MustCompile(`(?m)^func Test(\w+)\(t \*testing\.T\)`)
	row := regexp.MustCompile(`(?:^|_|And)([PL]\d+)`)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range test.FindAllSubmatch(source, -1) {
			for _, r := range row.FindAllSubmatch(m[1], -1) {
				named[string(r[1])] = true
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range strings.Fields(doorRows) {
		if !named[r] {
			t.Errorf("no test is named after %s", r)
		}
		if _, err := strconv.Atoi(r[1:]); err != nil {
			t.Errorf("%q is no row", r)
		}
	}
}
