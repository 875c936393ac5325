// One write for many callers: what it has read, what it changes, and what becomes true in memory once it is on disk.

package ledger

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// group is one write in the making. Turns are built one after the other; each sees what earlier ones changed.
type group struct {
	l       *Ledger
	next    uint64 // the next number to give
	changes []Change
	known   map[string]row // rows read, or changed in this group; only such rows as decide something
	newest  time.Time
	err     error // of the engine: the whole group fails

	indexed  *indexes       // nil: as before
	lines    map[Line]*line // made in this group
	topics   map[string]*topic
	numbers  uint64
	tally    map[*line]*change   // what changes in the counts
	quarters map[uint64]*Quarter // differences
	claims   []*openClaim        // won in this group
	settled  map[*openClaim][]Result
	marks    []uint64       // to drop when durable
	after    []func()       // what becomes true, under the ledger's lock
	dropsNow []uint64       // marks to drop at once: nothing refers to them
	gone     map[place]bool // consents that left the waiting list without a claim
	erased   []otn.PersonID // people of whom nothing is left
	buried   []DocID        // documents that are gone for good

	withdrawn []otn.TokenID // tokens that are not to be spent
}

type row struct {
	value []byte
	there bool
}

// change is what a group does to the counts of a line and its topic.
type change struct {
	waiting, claimed int64
	counts           Counts // differences
	days             map[uint32]int64
}

func (l *Ledger) writeGroup(turns []*turn) error {
	g := &group{l: l, next: l.head + 1, newest: l.newest, numbers: l.numbers, known: make(map[string]row)}
	g.prefetch(turns)
	durable := false
	for _, t := range turns {
		if g.err != nil {
			break
		}
		durable = durable || !t.lazy
		t.err = t.build(g)
	}
	if g.err != nil {
		return g.err
	}
	g.close()
	durable = durable || len(g.claims) > 0 // whoever claims may send
	l.writing.Lock()
	defer l.writing.Unlock()
	if len(g.changes) > 0 || durable && l.unsynced {
		g.announce()
		if err := l.engine.Write(g.write(durable)); err != nil {
			return err
		}
		l.unsynced = !durable
	}
	g.apply(durable)
	return nil
}

// write is the group as the engine gets it.
func (g *group) write(durable bool) Write {
	w := Write{Changes: g.changes, Durable: durable, Number: g.l.writes, At: g.newest, Erased: g.erased, Buried: g.buried, Withdrawn: g.withdrawn}
	if len(g.changes) > 0 {
		w.Number++
	}
	for _, o := range g.claims {
		for i := range o.members {
			w.Claimed = append(w.Claimed, o.members[i].token)
		}
	}
	return w
}

// prefetch reads at once what the turns will ask for.
func (g *group) prefetch(turns []*turn) {
	var keys [][]byte
	for _, t := range turns {
		keys = append(keys, t.wants...)
	}
	if len(keys) == 0 {
		return
	}
	slices.SortFunc(keys, bytes.Compare)
	for _, k := range keys {
		g.known[string(k)] = row{}
	}
	g.read(keys, func(i int, v []byte) { g.known[string(keys[i])] = row{slices.Clone(v), true} })
}

func (g *group) read(keys [][]byte, yield func(i int, v []byte)) {
	if g.err == nil {
		g.err = g.l.engine.Get(keys, yield)
	}
}

// get reads a row as this group would leave it.
func (g *group) get(key []byte) ([]byte, bool) {
	if r, ok := g.known[string(key)]; ok {
		return r.value, r.there
	}
	var r row
	g.read([][]byte{key}, func(_ int, v []byte) { r = row{slices.Clone(v), true} })
	g.known[string(key)] = r
	return r.value, r.there
}

// put and remove change a row that later turns may ask for; set and drop one that nobody asks for in the same group.
func (g *group) put(key, value []byte) {
	g.known[string(key)] = row{value, true}
	g.set(key, value)
}

func (g *group) remove(key []byte) {
	g.known[string(key)] = row{}
	g.drop(key)
}

func (g *group) set(key, value []byte) { g.changes = append(g.changes, Change{Set, key, value}) }
func (g *group) drop(key []byte)       { g.changes = append(g.changes, Change{Delete, key, nil}) }

// seen notes a moment that was recorded.
func (g *group) seen(t time.Time) {
	if t.After(g.newest) {
		g.newest = t
	}
}

// line finds a line, and makes it when it is new.
func (g *group) line(of Line) *line {
	if n := g.find(of); n != nil {
		return n
	}
	t := g.topic(of.Topic)
	g.numbers++
	n := &line{Line: of, id: g.numbers, topic: t}
	if g.lines == nil {
		g.lines = make(map[Line]*line)
	}
	g.lines[of] = n
	g.set(numberKey(spaceLine, n.id), packLine(n))
	return n
}

// find finds a line, nil when there is none.
func (g *group) find(of Line) *line {
	if n, ok := g.l.lines[of]; ok {
		return n
	}
	return g.lines[of]
}

func (g *group) topic(name string) *topic {
	if t, ok := g.l.topics[name]; ok {
		return t
	}
	if t, ok := g.topics[name]; ok {
		return t
	}
	g.numbers++
	t := &topic{name: name, id: g.numbers, days: make(map[uint32]int64)}
	if g.topics == nil {
		g.topics = make(map[string]*topic)
	}
	g.topics[name] = t
	return t
}

// count gives the differences of a line, to be added to.
func (g *group) count(n *line) *change {
	c, ok := g.tally[n]
	if !ok {
		c = &change{days: make(map[uint32]int64)}
		if g.tally == nil {
			g.tally = make(map[*line]*change)
		}
		g.tally[n] = c
	}
	return c
}

// living is how many wait or are claimed on a line, as this group leaves it.
func (g *group) living(n *line) int64 {
	all := n.waiting + n.claimed
	if c, ok := g.tally[n]; ok {
		all += c.waiting + c.claimed
	}
	return all
}

// close adds the rows that are written once for the whole group: counts and meta.
func (g *group) close() {
	counts := make(map[*topic]*Counts)
	days := make(map[*topic]map[uint32]int64)
	for n, c := range g.tally {
		g.set(numberKey(spaceCount, n.id), packCount(n.waiting+c.waiting, n.claimed+c.claimed))
		if counts[n.topic] == nil {
			sum := n.topic.counts
			counts[n.topic], days[n.topic] = &sum, make(map[uint32]int64)
		}
		c.counts.Waiting, c.counts.Claimed = c.waiting, c.claimed
		counts[n.topic].add(&c.counts)
		for d, k := range c.days {
			days[n.topic][d] += k
		}
	}
	for t, c := range counts {
		g.set(numberKey(spaceTopic, t.id), packTopic(t, c))
		for d, k := range days[t] {
			g.setDay(t, d, t.days[d]+k)
		}
		g.after = append(g.after, func() { t.settle(c, days[t]) })
	}
	g.closeQuarters()
	if len(g.changes) == 0 {
		return
	}
	g.set(metaKey(metaHead), binary.AppendUvarint(nil, g.next-1))
	g.set(metaKey(metaWrites), binary.AppendUvarint(binary.AppendUvarint(nil, g.l.writes+1), g.l.durable))
	if g.newest.After(g.l.newest) {
		g.set(metaKey(metaNewest), appendTime(nil, g.newest))
	}
}

func (g *group) setDay(t *topic, d uint32, living int64) {
	if living == 0 {
		g.drop(dayKey(t.id, d))
		return
	}
	g.set(dayKey(t.id, d), binary.AppendVarint(nil, living))
}

func (c *Counts) add(d *Counts) {
	to, from := c.fields(), d.fields()
	for i := range to {
		*to[i] += *from[i]
	}
}

func (t *topic) settle(c *Counts, days map[uint32]int64) {
	t.counts = *c
	for d, k := range days {
		if t.days[d] += k; t.days[d] == 0 {
			delete(t.days, d)
		}
	}
}

// announce adds the new topics and lines in memory, empty, before anything on disk refers to them: whoever reads a row while
// the write is still being synced finds its line. A write that fails leaves a ledger that answers nothing any more.
func (g *group) announce() {
	g.l.mu.Lock()
	defer g.l.mu.Unlock()
	for _, t := range g.topics {
		g.l.addTopic(t)
	}
	for _, n := range g.lines {
		g.l.addLine(n)
	}
}

// apply makes true in memory what was written.
func (g *group) apply(durable bool) {
	l := g.l
	l.mu.Lock()
	for n, c := range g.tally {
		n.waiting += c.waiting
		n.claimed += c.claimed
	}
	for o := range g.settled {
		o.line.open = slices.DeleteFunc(o.line.open, func(other *openClaim) bool { return other == o })
		delete(l.open, o.pageID)
	}
	for _, o := range g.claims {
		o.line.open = append(o.line.open, o)
		l.open[o.pageID] = o
	}
	if g.indexed != nil {
		l.indexes = g.indexed
	}
	for _, f := range g.after {
		f()
	}
	if len(g.changes) > 0 {
		l.head = g.next - 1
		l.writes++
	}
	if durable {
		l.durable = l.writes
	}
	l.newest = g.newest
	l.numbers = max(l.numbers, g.numbers)
	l.mu.Unlock()

	l.dropping = append(l.dropping, g.marks...)
	if durable {
		g.dropsNow = append(g.dropsNow, l.dropping...)
		l.dropping = l.dropping[:0]
	}
	for _, name := range g.dropsNow {
		_ = l.engine.Drop(name) // marks that stay are dropped by the next Open
	}
}
