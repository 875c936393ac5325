// otn fmt: rule files laid out in the one way.

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/cmd/otn/config"
	"github.com/onetimenotify/otn/rules"
)

// formatted is what fmt did, or would do.
type formatted struct {
	Files []formattedFile `json:"files"`
}

type formattedFile struct {
	File    string `json:"file"`
	Changed bool   `json:"changed"`
	Diff    string `json:"diff,omitempty"`
}

// formatting is how fmt is asked.
type formatting struct{ check, diff bool }

func (k *call) layOut() *cobra.Command {
	var how formatting
	cmd := &cobra.Command{
		Use: "fmt [FILE…|-]", GroupID: "set", Short: "Lay rule files out in the one way",
		Long: "Lay rule files out in the one way: two spaces of indentation, one blank line at most, expressions quoted where YAML could\n" +
			"change them. Comments, the order of keys and line breaks stay, and no value changes: a file of which that is not sure is\n" +
			"left alone. Without files it takes those of the configuration; - reads from stdin and writes to stdout.\n" +
			"It names the files that it changed. Exit 1 with --check when a file is not laid out, 3 when one cannot be read.",
		Example: "  otn fmt\n  otn fmt --check rules/shop.yaml\n  otn fmt -d rules/shop.yaml\n  otn fmt - < rules/shop.yaml",
		RunE: k.does(func(ctx context.Context, args []string) error {
			if len(args) == 1 && args[0] == "-" {
				return k.formatStdin(ctx, how)
			}
			files, err := k.ruleFiles(args)
			if err != nil {
				return err
			}
			return k.formatFiles(files, how)
		}),
	}
	cmd.Flags().BoolVar(&how.check, "check", false, "write nothing, and exit with 1 when a file is not laid out")
	cmd.Flags().BoolVarP(&how.diff, "diff", "d", false, "write nothing, and show what would change")
	return cmd
}

// ruleFiles reads the files that are named, or those of the configuration.
func (k *call) ruleFiles(names []string) ([]rules.File, error) {
	if len(names) == 0 {
		if err := k.load(config.Rules); err != nil {
			return nil, err
		}
		names = k.config.Rules
	}
	return readRules(names)
}

// formatFiles lays out all files that it can, and reports every fault of the others.
func (k *call) formatFiles(files []rules.File, how formatting) error {
	out := formatted{Files: []formattedFile{}}
	t := &table{head: []string{"CHANGED"}}
	var faults []error
	changed := 0
	for _, f := range files {
		text, err := rules.Format(f)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		one := formattedFile{File: f.Name, Changed: !bytes.Equal(text, f.Source)}
		if one.Changed {
			changed++
			t.add(f.Name)
			if how.diff {
				one.Diff = string(diff.Diff(f.Name, f.Source, f.Name+" (laid out)", text))
			} else if !how.check {
				if err := replace(f.Name, text); err != nil {
					return err
				}
			}
		}
		out.Files = append(out.Files, one)
	}
	if err := k.showFormatted(out, t, how); err != nil {
		return err
	}
	switch {
	case len(faults) > 0:
		return &coded{code: exitConfig, err: errors.Join(faults...)}
	case how.check && changed > 0:
		return &coded{exitFailed, fmt.Errorf("%s not laid out", count(changed, "rule file is", "rule files are")), "run `otn fmt`, or `otn fmt -d` to see what would change"}
	}
	return nil
}

func (k *call) showFormatted(out formatted, t *table, how formatting) error {
	if k.format != asTable {
		return k.show(out, nil)
	}
	if how.diff {
		for _, f := range out.Files {
			if _, err := fmt.Fprint(k.stdout, f.Diff); err != nil {
				return err
			}
		}
		return nil
	}
	if len(t.rows) == 0 {
		k.say("otn: %s laid out", count(len(out.Files), "rule file is", "rule files are"))
		return nil
	}
	return t.write(k.stdout)
}

// formatStdin lays out what stands at stdin.
func (k *call) formatStdin(ctx context.Context, how formatting) error {
	source, err := k.input(ctx, "-")
	if err != nil {
		return err
	}
	text, err := rules.Format(rules.File{Name: "stdin", Source: source})
	if err != nil {
		return err
	}
	switch {
	case how.diff:
		text = diff.Diff("stdin", source, "stdin (laid out)", text)
	case how.check && !bytes.Equal(text, source):
		return &coded{code: exitFailed, err: errors.New("stdin is not laid out")}
	case how.check:
		return nil
	}
	_, err = k.stdout.Write(text)
	return err
}

// replace writes a file anew in one step, behind its links and with its mode.
func replace(name string, text []byte) (err error) {
	path, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(info.Mode()&fs.ModePerm), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
