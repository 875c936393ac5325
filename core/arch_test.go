// The house's walls: who may import whom, which library has which door, and what may not be named where.

package core_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/onetimenotify/otn/"

// rooms says what of ours each package may import, tests not counted. A package that is not here may not exist; under
// cmd and examples anything goes.
var rooms = map[string][]string{
	"core/otn":                    {},
	"core/schedule":               {"core/otn"},
	"core/ledger":                 {"core/otn"},
	"core/ledger/pebble":          {"core/otn", "core/ledger"},
	"core/ledger/ledgertest":      {"core/otn", "core/ledger"},
	"core/catalog":                {"core/otn", "core/ledger"},
	"core/intake":                 {"core/otn", "core/ledger", "core/catalog"},
	"core/dispatch":               {"core/otn", "core/ledger"},
	"core":                        {"core/otn", "core/schedule", "core/ledger", "core/ledger/pebble", "core/catalog", "core/intake", "core/dispatch"},
	"core/api":                    {"core", "core/otn"},
	"core/console":                {"core", "core/otn"},
	"rules":                       {"core/otn"},
	"rules/ruletest":              {"core", "core/otn", "rules", "plugins/mock", "plugins/channel"},
	"plugins/internal/wire":       {"core/otn"},
	"plugins/internal/hook":       {"core/otn"},
	"plugins/internal/reach":      {},
	"plugins/internal/sourcetest": {"core/otn", "core/ledger", "core/catalog", "plugins/channel", "plugins/internal/wire"},
	"plugins":                     {"core/otn", "plugins/internal/wire"},
	"plugins/channel":             {"core/otn", "plugins/internal/wire"},
	"plugins/channeltest":         {"core/otn", "plugins", "plugins/channel", "plugins/internal/wire"},
	"plugins/messenger":           {"core/otn", "plugins/channel"},
	"plugins/messenger/graphtest": {},
	"plugins/mock":                {"core/otn", "plugins/channel"},
	"plugins/shopify":             {"core/otn", "plugins/channel", "plugins/internal/hook"},
	"plugins/woocommerce":         {"core/otn", "plugins/channel", "plugins/internal/hook"},
	"plugins/events":              {"core/otn", "plugins/channel", "plugins/internal/hook"},
	"plugins/feed":                {"core/otn", "plugins/channel", "plugins/internal/hook", "plugins/internal/reach"},
	"plugins/webhook":             {"core/otn", "plugins/channel", "plugins/internal/reach"},
}

// doors says which packages may import a library: one library, one door.
var doors = map[string][]string{
	"github.com/cockroachdb/pebble":         {"core/ledger/pebble"},
	"github.com/robfig/cron":                {"core/schedule"},
	"github.com/expr-lang/expr":             {"rules"},
	"github.com/goccy/go-yaml":              {"rules", "cmd"},
	"github.com/hashicorp/go-plugin":        {"plugins", "plugins/channel", "plugins/internal/wire"},
	"google.golang.org/grpc":                {"plugins", "plugins/channel", "plugins/channeltest", "plugins/internal/wire"},
	"google.golang.org/protobuf":            {"plugins", "plugins/channel", "plugins/internal/wire"},
	"github.com/santhosh-tekuri/jsonschema": {"plugins"},
	"github.com/danielgtaylor/huma":         {"core/api"},
	"code.dny.dev/ssrf":                     {"plugins/internal/reach"},
	"github.com/spf13/cobra":                {"cmd"},
	"github.com/knadh/koanf":                {"cmd"},
	"github.com/prometheus":                 {"cmd"},
	"go.opentelemetry.io":                   {"cmd"},
	"github.com/coreos/go-systemd":          {"cmd"},
}

// imports maps each package of the module to what its files import, tests left out.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	eachFile(t, func(dir, name string, file *ast.File) {
		if strings.HasSuffix(name, "_test.go") {
			return
		}
		found[dir] = append(found[dir], []string{}...)
		for _, i := range file.Imports {
			path, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			found[dir] = append(found[dir], path)
		}
	})
	return found
}

func eachFile(t *testing.T, do func(dir, name string, file *ast.File)) {
	t.Helper()
	root := ".."
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || path != root && strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		do(filepath.ToSlash(rel), d.Name(), file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func onTop(dir string) bool {
	return strings.HasPrefix(dir, "cmd/") || strings.HasPrefix(dir, "examples/")
}

// No import runs upwards.
func TestRoomsImportWhatTheTableSays(t *testing.T) {
	for dir, list := range imports(t) {
		if onTop(dir) {
			continue
		}
		allowed, known := rooms[dir]
		if !known {
			t.Errorf("%s is in no table: say what it may import", dir)
			continue
		}
		for _, path := range list {
			if ours, ok := strings.CutPrefix(path, module); ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s", dir, ours)
			}
		}
	}
}

// One library, one door.
func TestLibrariesHaveOneDoor(t *testing.T) {
	for dir, list := range imports(t) {
		for _, path := range list {
			for library, allowed := range doors {
				if (path == library || strings.HasPrefix(path, library+"/")) && !slices.Contains(allowed, dir) && !(strings.HasPrefix(dir, "cmd/") && slices.Contains(allowed, "cmd")) {
					t.Errorf("%s imports %s, whose door is %v", dir, path, allowed)
				}
			}
		}
	}
}

// The vocabulary stands on the standard library alone, and so does the fake Graph API.
func TestStandardLibraryOnly(t *testing.T) {
	all := imports(t)
	for _, dir := range []string{"core/otn", "plugins/messenger/graphtest"} {
		for _, path := range all[dir] {
			if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") {
				t.Errorf("%s imports %s", dir, path)
			}
		}
	}
}

// Only dispatch calls Send: nothing else can spend a token.
func TestOnlyDispatchSends(t *testing.T) {
	for _, dir := range []string{".", "api", "console", "catalog", "intake", "ledger", "ledger/pebble", "schedule"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				sel, ok := call.Fun.(*ast.SelectorExpr)
				if ok && sel.Sel.Name == "Send" && len(call.Args) == 2 && dir != "api" && dir != "console" { // the doors ask the Host
					if x, ok := sel.X.(*ast.Ident); !ok || x.Name != "h" {
						t.Errorf("%s calls Send", name)
					}
				}
				return true
			})
		}
	}
}

// What belongs to one platform is named in its plugin only.
func TestPlatformWordsStayInTheirPlugin(t *testing.T) {
	for _, root := range []string{".", "../rules"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(path, "arch_test.go") {
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text := strings.ToLower(string(b))
			for _, word := range []string{"face" + "book", "ps" + "id", "one_time_" + "notif"} {
				if strings.Contains(text, word) {
					t.Errorf("%s names %s", path, word)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Whoever rests does so by the Clock, so that a test's clock knows when a Host is idle: nobody else listens to a wake.
func TestLoopsRestByTheClock(t *testing.T) {
	listens := regexp.MustCompile(`<-\s*(\w+\.)*wake\b`)
	for _, dir := range []string{".", "dispatch", "intake"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatal(dir, err)
		}
		for _, name := range files {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if name != "clock.go" && !strings.HasSuffix(name, "_test.go") && listens.Match(b) {
				t.Errorf("%s listens to a wake by itself", name)
			}
		}
	}
}

// The visible top level is exactly this.
func TestTopLevel(t *testing.T) {
	want := []string{"LICENSE", "README.md", "cmd", "core", "examples", "go.mod", "go.sum", "plugins", "rules"}
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			got = append(got, e.Name())
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// Nothing happens before main, in no package.
func TestNoInit(t *testing.T) {
	eachFile(t, func(dir, name string, _ *ast.File) {
		if strings.HasSuffix(name, ".pb.go") {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", dir, name), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s/%s has an init function", dir, name)
			}
		}
	})
}
