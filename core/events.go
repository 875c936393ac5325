// The journal, as it is shown: everything that happened to consents and to the shop, in one order.

package core

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
)

// EventView is one entry of the journal. Nothing in it is personal: people are keyed hashes, tokens their ids.
type EventView struct {
	Seq  uint64          `json:"seq"` // its place; rises, with gaps
	At   time.Time       `json:"at"`
	Kind string          `json:"kind"` // item.changed, collection.changed, trigger, grant, or an act of an operator
	Body json.RawMessage `json:"body,omitempty"`
}

// Events lists the entries of the journal behind a place, oldest first: at most limit, 0 for 100. What was trimmed is left out.
func (h *Host) Events(after uint64, limit int) ([]EventView, error) {
	if err := h.isOpen(); err != nil {
		return nil, err
	}
	entries, err := h.ledger.Journal(after, limitOf(limit))
	if err != nil {
		return nil, fmt.Errorf("core: events: %w", err)
	}
	list := make([]EventView, len(entries))
	for i, e := range entries {
		list[i] = eventView(e)
	}
	return list, nil
}

func eventView(e ledger.Entry) EventView {
	v := EventView{Seq: e.Seq, At: e.At, Kind: e.Kind}
	if json.Valid(e.Body) {
		v.Body = e.Body
	}
	return v
}

// Newest is a number behind which nothing happened yet: where it has not moved, Events has nothing new. It reads no disk.
func (h *Host) Newest() (uint64, error) {
	if err := h.isOpen(); err != nil {
		return 0, err
	}
	return h.ledger.Head(), nil
}
