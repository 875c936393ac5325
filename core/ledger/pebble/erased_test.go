// What an erased person answered is in no byte, though there was an index by it.

package pebble_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

func TestErasedAnswersAreInNoByte(t *testing.T) {
	dir, key := t.TempDir(), ledger.NewKey()
	answer := func(i int) string { return fmt.Sprintf("m%x", sha256.Sum256([]byte{byte(i), byte(i >> 8)}))[:40] } // packs badly, so it is found
	canary := answer(77)
	l := openDisk(t, dir, key)
	if err := l.Index(t.Context(), []ledger.Indexed{{Topic: line.Topic, Answer: "size"}}); err != nil {
		t.Fatal(err)
	}
	batch := &ledger.Batch{}
	for i := range 400 {
		c := consent(i)
		c.Answers = []otn.Named{{Name: "size", Value: otn.StringValue(answer(i))}}
		if i == 77 {
			c.Subscriber.ID = "victim"
		}
		batch.Grants = append(batch.Grants, &ledger.Grant{Consent: c})
	}
	if err := l.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if found(t, dir, canary) == 0 {
		t.Fatal("the answer is nowhere before")
	}
	if err := l.Close(); err != nil { // what the log holds becomes tables
		t.Fatal(err)
	}
	l = openDisk(t, dir, key)
	x := ledger.Erasure{Person: l.Person("m", "victim")}
	traces, err := l.Traces(x)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Erase(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	if err := l.Purge(t.Context(), traces); err != nil {
		t.Fatal(err)
	}
	if n := found(t, dir, canary); n > 0 {
		t.Errorf("%d files hold the answer of somebody who was erased", n)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// found counts the files of a folder that hold a text.
func found(t *testing.T, dir, text string) (n int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) { // replaced meanwhile
			return nil
		}
		if bytes.Contains(b, []byte(text)) {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
