// Stops: who wants no more is not told, also where their consent was claimed or doubtful when they said so.

package dispatch

import (
	"context"
	"errors"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// StopDoc is the document of the wish that a consent be withdrawn. It goes into the batch that records the wish; Stop follows.
func StopDoc(id otn.TokenID, now time.Time) *ledger.Doc { return put(stopPrefix+id.String(), now) }

// Stop withdraws a consent whose StopDoc is on disk: now where it waits, else as soon as it would wait again.
func (d *Dispatch) Stop(ctx context.Context, id otn.TokenID) error {
	d.setStopped(id, true)
	err := d.Ledger.Withdraw(ctx, id, d.Clock.Now())
	if err != nil && !errors.Is(err, otn.ErrSpent) && !errors.Is(err, otn.ErrNotFound) {
		return err
	}
	c, ok, err := d.Ledger.Consent(id)
	if err != nil {
		return err
	}
	if ok && (c.State == ledger.Waiting || c.State == ledger.Claimed || c.State == ledger.Doubtful) {
		return nil // its lane, or who resolves the doubt, comes back to it
	}
	d.setStopped(id, false)
	return d.commit(ctx, &ledger.Batch{Docs: []*ledger.Doc{drop(stopPrefix + id.String())}})
}

// StopAgain withdraws a consent that has come back to its line, if that was wished.
func (d *Dispatch) StopAgain(ctx context.Context, id otn.TokenID) error {
	if !d.isStopped(id) {
		return nil
	}
	return d.Stop(ctx, id)
}

func (d *Dispatch) setStopped(id otn.TokenID, stopped bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if stopped {
		d.stopped[id] = true
	} else {
		delete(d.stopped, id)
	}
}

func (d *Dispatch) isStopped(id otn.TokenID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stopped[id]
}

// unwanted reports whether a consent is to be withdrawn, or its person erased, as soon as nothing of theirs is claimed: what
// was not handed over by then is not.
func (d *Dispatch) unwanted(id otn.TokenID, p otn.PersonID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stopped[id] || d.erasing[p]
}

// restop takes up the wishes that an earlier daemon could not fulfil.
func (d *Dispatch) restop(ctx context.Context) error {
	return d.eachDoc(stopPrefix, func(doc ledger.Doc) error {
		id, err := otn.ParseTokenID(doc.Key[len(stopPrefix):])
		if err != nil {
			return err
		}
		return d.Stop(ctx, id)
	})
}

// withdraw ends the consents of a settled page that wait again although somebody wanted no more.
func (l *Lane) withdraw(store context.Context, pg *page) error {
	for i, r := range pg.result {
		if !whole(r) {
			continue
		}
		if err := l.d.StopAgain(store, pg.picks[i].id); err != nil {
			return err
		}
	}
	return l.erased(store, pg)
}
