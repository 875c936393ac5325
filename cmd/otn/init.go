// otn init: a shop that runs, written into a folder.

package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/examples/shop"
	"github.com/onetimenotify/otn/rules"
)

//go:embed newshop
var newShop embed.FS

func (k *call) initShop() *cobra.Command {
	return &cobra.Command{
		Use: "init DIR", GroupID: "set", Short: "Write a shop that runs", Args: cobra.ExactArgs(1),
		Long:    "Write a shop that runs: configuration, rules with their tests and their schema for editors, sample items and a README. It never overwrites a file.",
		Example: "  otn init myshop && cd myshop && otn serve",
		RunE: k.does(func(_ context.Context, args []string) error {
			files, err := shopFiles()
			if err != nil {
				return err
			}
			return k.writeFiles(args[0], files, fmt.Sprintf("cd %s && otn serve", args[0]))
		}),
	}
}

// shopFiles are the files of a new shop by their paths.
func shopFiles() (map[string][]byte, error) {
	files := map[string][]byte{}
	list, err := newShop.ReadDir("newshop")
	if err != nil {
		return nil, err
	}
	for _, entry := range list {
		name := entry.Name()
		if name == "gitignore" { // a file with a dot is not embedded
			name = ".gitignore"
		}
		if files[name], err = newShop.ReadFile("newshop/" + entry.Name()); err != nil {
			return nil, err
		}
	}
	files["rules/"+schemaFile] = rules.Schema()
	for _, name := range []string{"rules/shop.yaml", "rules/shop.test.yaml"} {
		if files[name], err = shop.Files.ReadFile(name); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// writeFiles writes all files, or none when one is there already, and says what comes next.
func (k *call) writeFiles(dir string, files map[string][]byte, next string) error {
	names := sortedKeys(files)
	for _, name := range names {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return &coded{exitRefused, fmt.Errorf("%s exists already, nothing was written", filepath.Join(dir, name)), "name a folder that has none of them in it"}
		}
	}
	t := &table{head: []string{"WRITTEN"}}
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // a shop's files are for others to read too
			return err
		}
		mode := os.FileMode(0o644)
		if bytes.HasPrefix(files[name], []byte("#!")) {
			mode = 0o755
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
		if err != nil {
			return err
		}
		_, err = f.Write(files[name])
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		t.add(path)
	}
	if err := k.show(map[string]any{"written": names}, t); err != nil {
		return err
	}
	k.say("otn: now: %s", next)
	return nil
}
