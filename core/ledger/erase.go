// Erase: of a person nothing is left, in no row and, once the engine has purged, in no byte of the store.

package ledger

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// Erasure is a person of whom nothing is to be left. The ledger knows the consents, deliveries and decisions by itself;
// the documents and timers that others keep of the person are named.
type Erasure struct {
	Person otn.PersonID
	At     time.Time // when it happens
	Docs   []string  // to delete, whatever their revision
	Under  []string  // beginnings of keys: to delete what is under them, and to purge what was
	Timers []TimerID // to delete
	Set    *Timer    // to set in the same batch: for the purge that follows
	Wish   string    // the document of the wish to erase: deleted with the last of the rest, kept while something is held
}

// Erased says what Erase did.
type Erased struct {
	Consents int // gone, in whatever state they were
	Held     int // under an open claim: they stay until it is settled and Erase is called again
}

// Erase deletes all rows of a person in one batch: consents with what remains of those that ended, doubts, attempts, decisions,
// and the documents and timers named. What waited or was in doubt counts as withdrawn. The ids of the tokens stay, as those of
// nobody, so that no token of theirs is ever granted again; runs keep their numbers. The witness remembers that the person was
// erased. Nothing that is under an open claim is touched. Purge follows.
func (l *Ledger) Erase(ctx context.Context, x Erasure) (Erased, error) {
	e := eraser{x: x}
	// A group of its own: the rows are then as the engine shows them.
	err := l.do(ctx, &turn{size: groupBytes, build: func(g *group) error { e.g = g; return e.erase() }})
	if err != nil {
		return Erased{}, fmt.Errorf("ledger: erase %s: %w", x.Person, err)
	}
	return e.Erased, nil
}

// eraser is one Erase in its turn.
type eraser struct {
	Erased
	x    Erasure
	g    *group
	runs []otn.RunID // through which the person was told, or tried
}

func (e *eraser) erase() error {
	places, err := e.g.l.placesOf(e.x.Person)
	if err != nil {
		return err
	}
	var held []byte
	for _, at := range places {
		stays, err := e.consent(at)
		if err != nil {
			return err
		}
		if stays {
			e.Held++
			held = packPlace(held, at)
			continue
		}
		e.Consents++
	}
	if len(held) > 0 {
		e.g.put(personKey(e.x.Person), held)
	} else {
		e.g.remove(personKey(e.x.Person))
	}
	for _, step := range []func() error{e.tried, e.decisions} {
		if err := step(); err != nil {
			return err
		}
	}
	if err := e.named(); err != nil {
		return err
	}
	e.g.erased = append(e.g.erased, e.x.Person)
	return e.g.err
}

// consent deletes one consent, in whatever state, and reports whether it stays because it is claimed.
func (e *eraser) consent(at place) (stays bool, err error) {
	n := e.g.lineAt(at.line)
	if n == nil {
		return false, errDamaged
	}
	if n.claimOf(at.seq) != nil {
		return true, nil
	}
	if row, there := e.g.get(consentKey(at)); there {
		return false, e.waiting(n, at, row)
	}
	gone, there, err := e.g.l.endedAt(at, nil)
	if err != nil || !there {
		return false, err
	}
	e.forgetToken(gone.token)
	e.g.amend(gone.pageID, at, nil)
	e.runs = append(e.runs, gone.run)
	if gone.fate == fateUnknown {
		return false, e.doubt(n, at, &gone)
	}
	return false, nil
}

func (e *eraser) waiting(n *line, at place, row []byte) error {
	if len(row) < rowSealed {
		return errDamaged
	}
	_, expires := readTimes(row)
	expiry := dayOf(time.UnixMilli(expires))
	k := e.g.count(n)
	k.waiting--
	k.days[expiry]--
	k.counts.Withdrawn++
	e.g.during(e.x.At).end(fateWithdrawn, 1)
	e.g.remove(consentKey(at))
	e.g.drop(appendExpiryKey(nil, n.topic.id, expiry, at))
	e.g.unindexPacked(n, at.seq, packedAnswers(row))
	e.forgetToken(otn.TokenID(row[rowToken:rowPerson]))
	return nil
}

// doubt ends the doubt of a consent without a word about it.
func (e *eraser) doubt(n *line, at place, gone *ended) error {
	run := gone.run
	key := deliveryKey(spaceDoubt, otn.NewDeliveryID(run, e.x.Person))
	v, there := e.g.get(key)
	if !there {
		return nil
	}
	d, ok := readDoubt(v)
	if !ok {
		return errDamaged
	}
	k := e.g.count(n)
	k.counts.Unknown--
	k.counts.Withdrawn++
	e.g.during(time.UnixMilli(gone.at)).end(fateUnknown, -1)
	e.g.during(e.x.At).end(fateWithdrawn, 1)
	e.g.remove(key)
	e.g.release(pageID{run, d.page})
	e.g.drop(appendExpiryKey(nil, n.topic.id, d.day, at))
	return nil
}

// forgetToken leaves the id of a token at no place.
func (e *eraser) forgetToken(id otn.TokenID) { e.g.put(tokenKey(id), packPlace(nil, place{})) }

// tried deletes the attempts that left a token whole, of every run.
func (e *eraser) tried() error {
	return e.g.l.all([]byte{spaceTried}, func(key, _ []byte) error {
		if bytes.HasSuffix(key, e.x.Person[:]) && len(key) == 1+runSize+personSize {
			e.g.remove(slices.Clone(key))
			e.runs = append(e.runs, otn.RunID(key[1:1+runSize]))
		}
		return nil
	})
}

// decisions deletes those about the person, of every day.
func (e *eraser) decisions() error {
	return e.g.l.daysOf(ownerOfPerson(e.x.Person), func(key, _ []byte) bool {
		e.g.drop(slices.Clone(key))
		return true
	})
}

// named deletes what others keep, and the wish once nothing is held.
func (e *eraser) named() error {
	docs := slices.Clone(e.x.Docs)
	for _, prefix := range e.x.Under {
		err := e.g.l.all(docKey(prefix), func(key, _ []byte) error {
			docs = append(docs, string(key[1:]))
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, run := range e.runs {
		docs = append(docs, EchoKey(otn.NewDeliveryID(run, e.x.Person)))
	}
	if e.Held == 0 && e.x.Wish != "" {
		docs = append(docs, e.x.Wish)
	}
	for _, key := range docs {
		if _, there := e.g.get(docKey(key)); there {
			e.g.remove(docKey(key))
			e.g.after = append(e.g.after, func() { e.g.l.track(key, -1) })
		}
	}
	for _, id := range e.x.Timers {
		key := timerKey(id)
		e.g.drop(key)
		e.g.after = append(e.g.after, func() { e.g.l.timerGone(key) })
	}
	if t := e.x.Set; t != nil {
		key := timerKey(t.TimerID)
		e.g.set(key, append(appendText(nil, t.Kind), t.Body...))
		e.g.after = append(e.g.after, func() { e.g.l.timerSet(key, *t) })
	}
	return nil
}

// Traces are the stretches of keys in which bytes of a person are, or may still lie where rows of theirs were deleted before.
// Ask for them before Erase, and give them to Purge after it.
func (l *Ledger) Traces(x Erasure) (Traces, error) {
	t, err := l.traces(x)
	if err != nil {
		return nil, fmt.Errorf("ledger: traces of %s: %w", x.Person, err)
	}
	return t, nil
}

// Traces are stretches of keys.
type Traces []Range

func (l *Ledger) traces(x Erasure) (t Traces, err error) {
	places, err := l.placesOf(x.Person)
	if err != nil {
		return nil, err
	}
	t = append(t, only(personKey(x.Person)))
	for _, at := range places {
		t = append(t, only(consentKey(at)))
		gone, there, err := l.endedAt(at, nil)
		if err != nil {
			return nil, err
		}
		if there {
			t = append(t, only(endedKey(at, gone.pageID)))
		}
	}
	// Where a row of theirs was under a key that nobody can tell any more: all of it.
	for _, space := range []byte{spaceTimer, spaceDoubt, spaceTried} {
		t = append(t, Range{[]byte{space}, []byte{space + 1}})
	}
	err = l.daysOf(ownerOfPerson(x.Person), func(key, _ []byte) bool {
		t = append(t, only(slices.Clone(key)))
		return true
	})
	for _, key := range x.Docs {
		t = append(t, only(docKey(key)))
	}
	for _, prefix := range x.Under {
		t = append(t, Range{docKey(prefix), after(docKey(prefix))})
	}
	return t, err
}

func only(key []byte) Range { return Range{key, behind(key)} }

// Purge makes the engine let go of the bytes of rows that are deleted.
func (l *Ledger) Purge(ctx context.Context, t Traces) error {
	if err := l.engine.Purge(ctx, joined(t)); err != nil {
		return fmt.Errorf("ledger: purge: %w", err)
	}
	return nil
}

// manyRanges is how many stretches of one keyspace are purged one by one; more are purged as one.
const manyRanges = 32

// joined sorts stretches, and makes one of those of a keyspace where there are many.
func joined(t Traces) []Range {
	bySpace := make(map[byte][]Range)
	for _, r := range t {
		bySpace[r.From[0]] = append(bySpace[r.From[0]], r)
	}
	var out []Range
	for _, list := range bySpace {
		slices.SortFunc(list, func(a, b Range) int { return bytes.Compare(a.From, b.From) })
		list = slices.CompactFunc(list, func(a, b Range) bool { return bytes.Equal(a.From, b.From) && bytes.Equal(a.To, b.To) })
		if len(list) > manyRanges {
			end := slices.MaxFunc(list, func(a, b Range) int { return bytes.Compare(a.To, b.To) })
			list = []Range{{list[0].From, end.To}}
		}
		out = append(out, list...)
	}
	slices.SortFunc(out, func(a, b Range) int { return bytes.Compare(a.From, b.From) })
	return out
}

// daysOf yields an owner's decisions, day by day, until yield returns false.
func (l *Ledger) daysOf(owner []byte, yield func(key, value []byte) bool) error {
	for at := []byte{spaceDecision}; ; {
		d, there, err := l.firstDecisionDay(at)
		if err != nil || !there {
			return err
		}
		prefix, more := append(decisionDay(d), owner...), true
		err = l.engine.Scan(prefix, after(prefix), func(key, v []byte) bool {
			more = yield(key, v)
			return more
		})
		if err != nil || !more {
			return err
		}
		at = after(decisionDay(d))
	}
}

// Timers lists all timers behind one, earliest first, from the first on for the zero id: for who looks for those of a person.
func (l *Ledger) Timers(from TimerID, limit int) ([]Timer, error) {
	start := []byte{spaceTimer}
	if from != (TimerID{}) {
		start = behind(timerKey(from))
	}
	out, _, err := l.timersFrom(start, []byte{spaceTimer + 1}, limit)
	if err != nil {
		return nil, fmt.Errorf("ledger: timers: %w", err)
	}
	return out, nil
}
