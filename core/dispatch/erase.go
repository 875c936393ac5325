// Erasing a person: at once where nothing of theirs is under way, else as soon as it has ended. The wish is on disk before.

package dispatch

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

const erasePrefix = "erase/"

// PurgeTimer is the kind of the timers that make the store let go of what was erased. The Host takes them.
const PurgeTimer = "purge"

// purgeLater is when a purge is made by its timer that its caller did not live to make.
const purgeLater = time.Minute

// Erase deletes everything that is kept of a person, and lets the store go of its bytes. What is under an open claim is
// answered first: held is how many consents are waited for, and the lane that settles them goes on with the wish, also
// after a restart.
func (d *Dispatch) Erase(ctx context.Context, p otn.PersonID) (ledger.Erased, error) {
	d.setErasing(p, true)
	if err := d.commit(ctx, &ledger.Batch{Docs: []*ledger.Doc{put(erasePrefix+p.String(), d.Clock.Now())}}); err != nil {
		return ledger.Erased{}, err
	}
	done, purge, err := d.erase(ctx, p, d.Clock.Now().Add(purgeLater))
	if err != nil {
		return done, err
	}
	return done, d.Purge(ctx, purge)
}

// Purge does what a PurgeTimer is for.
func (d *Dispatch) Purge(ctx context.Context, t ledger.Timer) error {
	var traces ledger.Traces
	if err := decode(t.Body, &traces); err != nil {
		return err
	}
	if err := d.Ledger.Purge(ctx, traces); err != nil {
		return err
	}
	return d.commit(ctx, &ledger.Batch{Done: []ledger.TimerID{t.TimerID}})
}

// erase fulfils a wish that is on disk, as far as it can be. What is to be purged then is a timer.
func (d *Dispatch) erase(ctx context.Context, p otn.PersonID, due time.Time) (done ledger.Erased, purge ledger.Timer, err error) {
	x, err := d.Kept(p)
	if err != nil {
		return done, purge, err
	}
	x.At = d.Clock.Now()
	x.Wish = erasePrefix + p.String()
	traces, err := d.Ledger.Traces(x)
	if err != nil {
		return done, purge, err
	}
	purge = ledger.Timer{TimerID: ledger.TimerID{Due: due, ID: fmt.Sprintf("%s/%d", PurgeTimer, d.Ledger.Head())}, Kind: PurgeTimer, Body: encode(traces)}
	x.Set = &purge
	if done, err = d.Ledger.Erase(ctx, x); err != nil {
		return done, purge, err
	}
	if done.Held == 0 {
		d.setErasing(p, false)
		d.unhold(p, x.Docs)
	}
	d.Ticked()
	return done, purge, nil
}

// DocsOf are the documents that this package keeps of a person: until when they are left alone, which consents they want
// withdrawn, and in which messages several news were gathered.
func DocsOf(l *ledger.Ledger, p otn.PersonID) ([]string, error) {
	docs := []string{holdPrefix + p.String()}
	consents, err := l.Of(p)
	if err != nil {
		return nil, err
	}
	for i := range consents {
		docs = append(docs, stopPrefix+consents[i].ID.String())
	}
	gathered, err := keysWhere(l, galleryPrefix, func(id string) bool {
		delivery, err := otn.ParseDeliveryID(id)
		return err == nil && delivery.Person() == p
	})
	if err != nil {
		return nil, err
	}
	with, err := keysWhere(l, withPrefix, func(id string) bool { return strings.HasSuffix(id, "/"+p.String()) })
	return append(append(docs, gathered...), with...), err
}

// keysWhere lists the keys under a prefix whose rest is wanted.
func keysWhere(l *ledger.Ledger, prefix string, wanted func(rest string) bool) (keys []string, err error) {
	after := ""
	for {
		docs, err := l.Docs(prefix, after, linesAStep)
		if err != nil || len(docs) == 0 {
			return keys, err
		}
		for _, doc := range docs {
			if wanted(doc.Key[len(prefix):]) {
				keys = append(keys, doc.Key)
			}
		}
		after = docs[len(docs)-1].Key
	}
}

// NamesPerson reports whether a timer of this package is about a person.
func NamesPerson(t ledger.Timer, p otn.PersonID) bool {
	if t.Kind != ResendTimer {
		return false
	}
	var b resendBody
	return decode(t.Body, &b) == nil && b.Delivery.Person() == p
}

// unhold forgets in memory what was deleted on disk.
func (d *Dispatch) unhold(p otn.PersonID, docs []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.held, p)
	for _, key := range docs {
		if id, ok := strings.CutPrefix(key, stopPrefix); ok {
			if token, err := otn.ParseTokenID(id); err == nil {
				delete(d.stopped, token)
			}
		}
	}
}

func (d *Dispatch) setErasing(p otn.PersonID, on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if on {
		d.erasing[p] = true
	} else {
		delete(d.erasing, p)
	}
}

// eraseAgain goes on with a person whose claimed consent was settled, if they are to be erased.
func (d *Dispatch) eraseAgain(ctx context.Context, p otn.PersonID) error {
	d.mu.Lock()
	wished := d.erasing[p]
	d.mu.Unlock()
	if !wished {
		return nil
	}
	_, _, err := d.erase(ctx, p, d.Clock.Now())
	return err
}

// reerase takes up the wishes that an earlier daemon could not fulfil. Nothing is claimed when it is called.
func (d *Dispatch) reerase(ctx context.Context) error {
	return d.eachDoc(erasePrefix, func(doc ledger.Doc) error {
		var p otn.PersonID
		if err := p.UnmarshalText([]byte(doc.Key[len(erasePrefix):])); err != nil {
			return err
		}
		_, _, err := d.erase(ctx, p, d.Clock.Now())
		return err
	})
}

// erased goes on with the people of a settled page who are to be erased.
func (l *Lane) erased(store context.Context, pg *page) error {
	for i := range pg.picks {
		if err := l.d.eraseAgain(store, pg.picks[i].person); err != nil {
			return err
		}
	}
	return nil
}
