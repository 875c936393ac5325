// Deliveries as readers see them: one run for one person, open, ended or whole again.

package ledger

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/onetimenotify/otn/core/otn"
)

func sortByExpiry(cs []*Candidate) {
	slices.SortStableFunc(cs, func(a, b *Candidate) int {
		return cmp.Or(a.ExpiresAt.Compare(b.ExpiresAt), cmp.Compare(a.Seq, b.Seq))
	})
}

// Told gives a person's delivery in a run, an open claim's included.
func (l *Ledger) Told(run otn.RunID, p otn.PersonID) (Delivery, bool, error) {
	d, ok, err := l.told(run, p)
	if err != nil {
		return Delivery{}, false, fmt.Errorf("ledger: told %s: %w", otn.NewDeliveryID(run, p), err)
	}
	return d, ok, nil
}

// Delivery gives a delivery by its id, an open claim's included.
func (l *Ledger) Delivery(id otn.DeliveryID) (Delivery, bool, error) {
	return l.Told(id.Run(), id.Person())
}

func (l *Ledger) told(run otn.RunID, p otn.PersonID) (Delivery, bool, error) {
	for _, o := range l.openOf(run) {
		for i := range o.members {
			if o.members[i].person == p {
				return o.delivery(i), true, nil
			}
		}
	}
	if e, ok, err := l.endedIn(run, p); err != nil || ok {
		if err != nil || e.fate != fateUnknown {
			return e.delivery(l), ok, err
		}
		return l.doubtOrEnded(run, &e)
	}
	v, there, err := l.get(deliveryKey(spaceTried, otn.NewDeliveryID(run, p)))
	if err != nil || !there {
		return Delivery{}, false, err
	}
	t, ok := readTried(v)
	if !ok {
		return Delivery{}, false, errDamaged
	}
	return l.triedDelivery(run, &t), true, nil
}

func (l *Ledger) triedDelivery(run otn.RunID, t *triedRow) Delivery {
	d := t.entry.delivery(run, t.channel, t.outcome)
	if n := l.lineByID(t.line); n != nil {
		d.Line = n.Line
	}
	return d
}

// doubtOrEnded reads the doubt of an unknown entry: it knows of later attempts.
func (l *Ledger) doubtOrEnded(run otn.RunID, e *ended) (Delivery, bool, error) {
	v, there, err := l.get(deliveryKey(spaceDoubt, otn.NewDeliveryID(run, e.person)))
	if err != nil || !there {
		return e.delivery(l), true, err
	}
	d, ok := readDoubt(v)
	if !ok {
		return Delivery{}, false, errDamaged
	}
	return l.doubtDelivery(run, &d), true, nil
}

// endedIn finds the consent of a person that left in a run. With several, the one that was or may have been sent counts.
func (l *Ledger) endedIn(run otn.RunID, p otn.PersonID) (found ended, ok bool, err error) {
	places, err := l.placesOf(p)
	if err != nil {
		return found, false, err
	}
	for _, at := range places {
		e, there, err := l.endedAt(at, &run)
		if err != nil {
			return found, false, err
		}
		if there && e.person == p && (!ok || found.fate == fateRefused) {
			found, ok = e, true
		}
	}
	return found, ok, nil
}

func (o *openClaim) delivery(i int) Delivery {
	m := &o.members[i]
	return Delivery{ID: otn.NewDeliveryID(o.run, m.person), Token: m.token, Line: o.line.Line, Channel: o.channel,
		Open: true, Attempts: m.attempt, First: o.at, At: o.at}
}

// Deliveries lists the deliveries of a run behind after: first those that ended, in the order in which their pages were
// claimed, then those whose token is whole, then the open ones. Errors: otn.ErrNotFound when after is no delivery of the run.
func (l *Ledger) Deliveries(run otn.RunID, after otn.DeliveryID, limit int) ([]Delivery, error) {
	list := listing{l: l, run: run, limit: limit}
	err := list.start(after)
	for _, step := range []func() error{list.ended, list.tried, list.open} {
		if err == nil && len(list.out) < limit {
			err = step()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: deliveries of %s: %w", run, err)
	}
	return list.out, nil
}

// listing collects the deliveries of a run behind a point.
type listing struct {
	l     *Ledger
	run   otn.RunID
	limit int
	out   []Delivery

	stage int // where it goes on: in the ended, the tried or the open ones
	page  uint64
	seq   uint64       // behind this one, of page
	after otn.PersonID // behind this one, of the tried and the open
}

const (
	stageEnded = iota
	stageTried
	stageOpen
)

func (s *listing) start(after otn.DeliveryID) error {
	if after == (otn.DeliveryID{}) {
		return nil
	}
	if after.Run() != s.run {
		return otn.ErrNotFound
	}
	d, ok, err := s.l.told(s.run, after.Person())
	switch {
	case err != nil:
		return err
	case !ok:
		return otn.ErrNotFound
	case d.Open:
		s.stage, s.after = stageOpen, after.Person()
	case d.Outcome == otn.Deferred || d.Outcome == otn.Invalid:
		s.stage, s.after = stageTried, after.Person()
	default:
		e, _, err := s.l.endedIn(s.run, after.Person())
		s.page, s.seq = e.page, e.seq
		return err
	}
	return nil
}

// pagesPerRead bounds how many pages are held while their blocks are read.
const pagesPerRead = 64

func (s *listing) ended() error {
	if s.stage > stageEnded {
		return nil
	}
	from := pageKey(spacePage, pageID{s.run, s.page})
	for len(s.out) < s.limit {
		pages, next, err := s.pages(from)
		if err != nil {
			return err
		}
		for _, p := range pages {
			if err := s.endedPage(p); err != nil {
				return err
			}
		}
		if from = next; from == nil {
			return nil
		}
	}
	return nil
}

// pageRow says in which blocks of which line the deliveries of a page lie.
type pageRow struct {
	pageID
	line   uint64
	blocks []uint64
}

func readPage(key, v []byte) (p pageRow, ok bool) {
	p.pageID, ok = readPageKey(key)
	r := reader{b: v}
	ok = ok && r.byte() == rowVersion
	p.line = r.uvarint()
	last := uint64(0)
	for len(r.b) > 0 {
		last += r.uvarint()
		p.blocks = append(p.blocks, last)
	}
	return p, ok && !r.bad
}

func (s *listing) pages(from []byte) (pages []pageRow, next []byte, err error) {
	good := true
	err = s.l.engine.Scan(from, after(runKey(spacePage, s.run)), func(key, v []byte) bool {
		if len(pages) == pagesPerRead {
			next = slices.Clone(key)
			return false
		}
		var p pageRow
		p, good = readPage(key, v)
		pages = append(pages, p)
		return good
	})
	if err == nil && !good {
		err = errDamaged
	}
	return pages, next, err
}

func (s *listing) endedPage(p pageRow) error {
	for _, block := range p.blocks {
		if p.page == s.page && block < s.seq>>blockBits || len(s.out) >= s.limit {
			continue
		}
		v, there, err := s.l.get(endedKey(place{p.line, block << blockBits}, p.pageID))
		if err != nil {
			return err
		}
		if !there {
			continue // its doubts were all taken back
		}
		var found []ended
		good := readBlock(v, block, func(channel string, e *entry) bool {
			if p.page != s.page || e.seq > s.seq {
				found = append(found, ended{entry: *e, pageID: p.pageID, line: p.line, channel: channel})
			}
			return len(s.out)+len(found) < s.limit
		})
		if !good {
			return errDamaged
		}
		for i := range found {
			d := found[i].delivery(s.l)
			if found[i].fate == fateUnknown {
				if d, _, err = s.l.doubtOrEnded(s.run, &found[i]); err != nil {
					return err
				}
			}
			s.out = append(s.out, d)
		}
	}
	return nil
}

func (s *listing) tried() error {
	if s.stage > stageTried {
		return nil
	}
	from := runKey(spaceTried, s.run)
	if s.stage == stageTried {
		from = behind(deliveryKey(spaceTried, otn.NewDeliveryID(s.run, s.after)))
	}
	open := make(map[otn.PersonID]bool)
	for _, o := range s.l.openOf(s.run) {
		for i := range o.members {
			open[o.members[i].person] = true
		}
	}
	good := true
	err := s.l.engine.Scan(from, after(runKey(spaceTried, s.run)), func(key, v []byte) bool {
		if len(s.out) >= s.limit {
			return false
		}
		var t triedRow
		if t, good = readTried(v); good && !open[t.person] {
			s.out = append(s.out, s.l.triedDelivery(s.run, &t))
		}
		return good
	})
	if err == nil && !good {
		err = errDamaged
	}
	return err
}

func (s *listing) open() error {
	var all []Delivery
	for _, o := range s.l.openOf(s.run) {
		for i := range o.members {
			all = append(all, o.delivery(i))
		}
	}
	slices.SortFunc(all, func(a, b Delivery) int { return slices.Compare(a.ID[:], b.ID[:]) })
	for _, d := range all {
		if p := d.ID.Person(); s.stage < stageOpen || slices.Compare(p[:], s.after[:]) > 0 {
			if len(s.out) < s.limit {
				s.out = append(s.out, d)
			}
		}
	}
	return nil
}
