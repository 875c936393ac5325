// What the tests of this package look at from inside.

package core

import (
	"fmt"
	"strings"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// Behind reports whether something in the journal is not decided yet.
func (h *Host) Behind() bool {
	entries, err := h.dispatch.Undecided(1)
	if err != nil {
		panic(err)
	}
	return len(entries) > 0
}

// Indexed reports whether the first answer that a rule compares has an index that can be used.
func (h *Host) Indexed(r otn.Rule) bool {
	return h.ledger.HasIndex(ledger.Indexed{Topic: r.Topic, Answer: r.Compares[0]})
}

// Written is what the store holds, in short: the revision of every document, and the last number of the journal.
func (h *Host) Written() string {
	docs, err := h.ledger.Docs("", "", 100_000)
	if err != nil {
		panic(err)
	}
	var all strings.Builder
	for _, d := range docs {
		fmt.Fprintln(&all, d.Key, d.Rev, len(d.Value))
	}
	fmt.Fprintln(&all, h.ledger.Head())
	return all.String()
}
