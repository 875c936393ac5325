// A send that is not due yet, as its operator sees it, and edited.

package dispatch

import (
	"context"
	"fmt"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// Waiting is a send of an operator that is not due yet.
type Waiting struct {
	otn.Send
	Run     otn.RunID
	Subject otn.Subject
	All     bool   // of all subjects
	Version string // of the rules that it was compiled into
	At      time.Time
}

func (b *sendBody) waiting() Waiting {
	return Waiting{Send: b.Send, Run: SendRun(b.Rule, b.Subject, b.At), Subject: b.Subject, All: b.All, Version: b.Version, At: b.At}
}

// WaitingSends lists the sends that are not due yet, in the order of their runs' ids.
func (d *Dispatch) WaitingSends() (list []Waiting, err error) {
	err = d.eachDoc(scheduledPrefix, func(doc ledger.Doc) error {
		var b sendBody
		err := decode(doc.Value, &b)
		if b.Later {
			list = append(list, b.waiting())
		}
		return err
	})
	return list, err
}

// Version gives the rules of a version that something open still needs.
func (d *Dispatch) Version(version string) (otn.Rules, error) { return d.version(version) }

// EditSend changes a send that is not due yet: what is sent, to whom of those who wait, and when. make gives the send as it
// is to be, with the rules it is compiled into; the batch gets what else becomes true with it.
// Errors: otn.ErrNotFound when there is none that waits, otn.ErrRefused when it is due.
func (d *Dispatch) EditSend(ctx context.Context, id otn.RunID, now time.Time, edit func(Waiting) (Waiting, otn.Rules, *ledger.Doc, error)) (Waiting, error) {
	d.acting.Lock()
	defer d.acting.Unlock()
	old, err := readDoc[sendBody](d, scheduledKey(id))
	switch {
	case err != nil || old.Rule == "" || !old.Later:
		return Waiting{}, errOr(err, fmt.Errorf("dispatch: send %s waits no more: %w", id, otn.ErrNotFound))
	case !old.At.After(now):
		return Waiting{}, fmt.Errorf("dispatch: send %s is due: %w", old.Rule, otn.ErrRefused)
	}
	w, rules, kept, err := edit(old.waiting())
	if err != nil {
		return Waiting{}, err
	}
	body := old
	body.Version, body.At, body.Send = rules.Version(), w.At, w.Send
	w = body.waiting()
	b := ledger.Batch{
		Docs:   []*ledger.Doc{once(versionKey(rules.Version()), rules.Source()), put(scheduledKey(w.Run), body), kept},
		Timers: []ledger.Timer{sendTimer(body)},
	}
	if !body.At.Equal(old.At) {
		b.Docs = append(b.Docs, drop(scheduledKey(id)))
		b.Done = []ledger.TimerID{sendTimer(old).TimerID}
	}
	return w, d.commit(context.WithoutCancel(ctx), &b)
}
