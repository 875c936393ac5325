// otn plugins new: a channel of your own that builds and passes, to begin with.

package main

import (
	"context"
	"embed"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/examples/plugin-node"
)

//go:embed newplugin
var newPlugin embed.FS

// module is the path of otn's own module.
const module = "github.com/onetimenotify/otn"

func (k *call) pluginNew() *cobra.Command {
	lang, source, polled := "go", "", false
	cmd := &cobra.Command{
		Use: "new NAME", Short: "Write a channel or a source of your own, to begin with", Args: cobra.ExactArgs(1),
		Long: "Write a channel of your own into the folder NAME: it builds, and passes `otn plugins test`. It puts each message into a file;\n" +
			"change its Send to reach people instead. With --source it is a source that is polled, and reads a shelf from a file. It never overwrites\n" +
			"a file.",
		Example: "  otn plugins new sms\n  otn plugins new shelf --source\n  otn plugins new sms --lang node",
		RunE: k.does(func(_ context.Context, args []string) error {
			name := filepath.Base(args[0])
			if !regexp.MustCompile(`^[a-z][a-z0-9-]*$`).MatchString(name) {
				return usage("%q cannot name a plugin: use the letters a-z, digits and -", name)
			}
			if lang == "node" && source != "" {
				return usage("--otn is for plugins in Go: one in Node.js needs nothing of otn's source")
			}
			kind := lang
			if polled && lang != "go" {
				return usage("--source is for plugins in Go")
			} else if polled {
				kind = "source"
			}
			files, err := pluginFiles(kind, name, source)
			if err != nil {
				return err
			}
			return k.writeFiles(args[0], files, fmt.Sprintf(newSteps()[kind], args[0], name))
		}),
	}
	cmd.Flags().Var(&choice{value: &lang, known: []string{"go", "node"}}, "lang", "the language: go or node")
	cmd.Flags().BoolVar(&polled, "source", false, "a source that is polled, in place of a channel")
	cmd.Flags().StringVar(&source, "otn", "", "use otn's source in this `folder` in place of a published version")
	return cmd
}

// newSteps say what comes next, by kind: the language, or source.
func newSteps() map[string]string {
	return map[string]string{
		"go":     "cd %[1]s && go mod tidy && go test . && go build && otn plugins test ./%[2]s",
		"source": "cd %[1]s && go mod tidy && go test . && go build",
		"node":   "cd %[1]s && npm ci && otn plugins test ./%[2]s.js",
	}
}

// pluginFiles are the files of a new plugin by their paths. kind is the language, or source.
func pluginFiles(kind, name, source string) (map[string][]byte, error) {
	if kind == "node" {
		return nodeFiles(name)
	}
	files := map[string][]byte{}
	dir := path.Join("newplugin", kind)
	list, err := newPlugin.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	from, err := requirement(source)
	if err != nil {
		return nil, err
	}
	fill := strings.NewReplacer("NAME", name, "REQUIRE", from)
	for _, entry := range list {
		text, err := newPlugin.ReadFile(path.Join(dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		files[strings.Replace(strings.TrimSuffix(entry.Name(), ".txt"), "NAME", name, 1)] = []byte(fill.Replace(string(text)))
	}
	return files, nil
}

// nodeFiles are the kit for Node.js and its example under the plugin's name.
func nodeFiles(name string) (map[string][]byte, error) {
	files := map[string][]byte{}
	list, err := node.Files.ReadDir(".")
	if err != nil {
		return nil, err
	}
	fill := strings.NewReplacer("letterbox.js", name+".js", "otn-plugin-letterbox", name, "letterbox-node", name)
	for _, entry := range list {
		text, err := node.Files.ReadFile(entry.Name())
		if err != nil {
			return nil, err
		}
		files[fill.Replace(entry.Name())] = []byte(fill.Replace(string(text)))
	}
	return files, nil
}

// requirement is where go.mod says that otn comes from: this program's own version where it was published, a folder, or whatever is
// the latest when somebody asks.
func requirement(source string) (string, error) {
	if source != "" {
		abs, err := filepath.Abs(source)
		return fmt.Sprintf("require %[1]s v0.0.0\n\nreplace %[1]s => %[2]q\n", module, abs), err
	}
	if v := version().Version; regexp.MustCompile(`^v\d+\.\d+\.\d+$`).MatchString(v) {
		return fmt.Sprintf("require %s %s\n", module, v), nil
	}
	return "", nil
}
