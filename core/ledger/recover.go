// Recovery: what a process that died left open is settled by its marks before anybody claims again.

package ledger

import (
	"context"
	"encoding/binary"
	"slices"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// recoveredCode is the code of deliveries whose answer was found in the marks, or nowhere.
const recoveredCode = "recovered"

// recover settles every open claim, and forgets marks that nothing refers to.
func (l *Ledger) recover(ctx context.Context, now time.Time) error {
	for _, o := range l.openClaims() {
		if err := l.recoverClaim(ctx, o, now); err != nil {
			return err
		}
	}
	if err := l.dropMarks(); err != nil {
		return err
	}
	return l.loadRedo()
}

// openClaims lists the open claims in the order of their ids.
func (l *Ledger) openClaims() []*openClaim {
	var all []*openClaim
	for _, o := range l.open {
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b *openClaim) int {
		if c := slices.Compare(a.run[:], b.run[:]); c != 0 {
			return c
		}
		return compareSeq(a.page, b.page)
	})
	return all
}

func (l *Ledger) recoverClaim(ctx context.Context, o *openClaim, now time.Time) error {
	marks, marked := l.engine.Find(o.name, len(o.members))
	there, err := l.readMembers(o)
	if err != nil {
		return err
	}
	results := make([]Result, len(o.members))
	var redo []uint64
	for i := range results {
		m := MarkUnknown
		if marked {
			m = marks.Get(i)
		}
		results[i] = recoveredResult(m, now)
		if !ends(&results[i]) {
			redo = append(redo, o.members[i].seq)
		}
		l.recovered.count(m)
	}
	l.recovered.Claims++
	if slices.Contains(there, false) {
		return errDamaged // claim and settlement are written whole, so a member without its row was changed by somebody else
	}
	var wants [][]byte
	for i := range results {
		wants = append(wants, settleWants(o.run, o.members[i].person, o.members[i].attempt, &results[i])...)
	}
	return l.do(ctx, &turn{wants: wants, size: 90 * len(results), build: func(g *group) error {
		g.settle(o, results)
		if len(redo) > 0 {
			g.set(pageKey(spaceRedo, o.pageID), packRedo(o, redo))
		}
		return nil
	}})
}

// readMembers reads what a claim's members are from their rows, which stay until the claim is settled.
func (l *Ledger) readMembers(o *openClaim) (there []bool, err error) {
	there = make([]bool, len(o.members))
	keys := make([][]byte, len(o.members))
	for i := range o.members {
		keys[i] = consentKey(place{o.line.id, o.members[i].seq})
	}
	err = l.engine.Get(keys, func(i int, v []byte) {
		if len(v) < rowSealed {
			return
		}
		m := &o.members[i]
		m.token, m.person = otn.TokenID(v[rowToken:rowPerson]), otn.PersonID(v[rowPerson:rowSealed])
		granted, expires := readTimes(v)
		m.granted, m.day = granted, dayOf(time.UnixMilli(expires))
		m.answers = slices.Clone(packedAnswers(v))
		there[i] = true
	})
	return there, err
}

func recoveredResult(m Mark, now time.Time) Result {
	r := Result{At: now, Code: recoveredCode}
	switch m {
	case MarkUntouched:
		return Result{Untouched: true, At: now}
	case MarkSent:
		r.Outcome = otn.Sent
	case MarkRefused:
		r.Outcome = otn.Refused
	case MarkDeferred:
		r.Outcome = otn.Deferred
	case MarkInvalid:
		r.Outcome = otn.Invalid
	}
	return r
}

func (r *Recovery) count(m Mark) {
	switch m {
	case MarkUntouched:
		r.Whole++
	case MarkSent, MarkRefused, MarkDeferred, MarkInvalid:
		r.Settled++
	default:
		r.Doubtful++
	}
}

// dropMarks forgets what is on the shelf: after recovery no claim is open.
func (l *Ledger) dropMarks() error {
	names, err := l.engine.Names()
	for _, name := range names {
		if err == nil {
			err = l.engine.Drop(name)
		}
	}
	return err
}

func packRedo(o *openClaim, seqs []uint64) []byte {
	b := binary.AppendUvarint([]byte{rowVersion}, o.line.id)
	b = appendText(b, o.channel)
	last := uint64(0)
	for _, s := range seqs {
		b = binary.AppendVarint(b, int64(s-last))
		last = s
	}
	return b
}

// loadRedo lists what must be looked at again: of this recovery, and of earlier ones that nobody took up.
func (l *Ledger) loadRedo() error {
	return l.all([]byte{spaceRedo}, func(key, v []byte) error {
		id, ok := readPageKey(key)
		r := reader{b: v}
		r.byte()
		n := l.lineAt[r.uvarint()]
		channel := r.text()
		if !ok || n == nil {
			return errDamaged
		}
		var seqs []uint64
		last := uint64(0)
		for len(r.b) > 0 {
			last += uint64(r.varint())
			seqs = append(seqs, last)
		}
		all := l.recovered.Redo
		if k := len(all) - 1; k >= 0 && all[k].Run == id.run && all[k].Line == n.Line && all[k].Channel == channel {
			all[k].Seqs = append(all[k].Seqs, seqs...)
		} else {
			l.recovered.Redo = append(all, Redo{Run: id.run, Line: n.Line, Channel: channel, Seqs: seqs})
		}
		return r.fault()
	})
}

func (p *prepared) addRedone(g *group) {
	for _, run := range p.b.Redone {
		prefix := runKey(spaceRedo, run)
		g.changes = append(g.changes, Change{DeleteRange, prefix, after(prefix)})
	}
}
