// What the ledger holds in memory, read at Open: lines, topics with their counts, open claims.

package ledger

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

func (l *Ledger) load() error {
	for _, step := range []struct {
		space byte
		read  func(key, value []byte) error
	}{
		{spaceMeta, l.loadMeta},
		{spaceTopic, l.loadTopic},
		{spaceDay, l.loadDay},
		{spaceLine, l.loadLine},
		{spaceCount, l.loadCount},
		{spaceQuarter, l.loadQuarter},
		{spaceOpen, l.loadOpen},
		{spaceIndex, l.loadIndex},
		{spaceWalk, l.loadWalk},
	} {
		if err := l.all([]byte{step.space}, step.read); err != nil {
			return err
		}
	}
	return nil
}

func (l *Ledger) loadMeta(key, value []byte) error {
	r := reader{b: value}
	switch string(key[1:]) {
	case metaHead:
		l.head = r.uvarint()
	case metaNewest:
		l.newest = r.time()
	case metaWrites:
		l.writes, l.durable = r.uvarint(), r.uvarint()
	default:
		return nil
	}
	return r.fault()
}

// fault is errDamaged when the row was not what it should be, to its end.
func (r *reader) fault() error {
	if !r.done() {
		return errDamaged
	}
	return nil
}

func numberOf(key []byte) uint64 {
	r := reader{b: key[1:]}
	return r.ord()
}

func (l *Ledger) loadTopic(key, value []byte) error {
	t := &topic{id: numberOf(key), days: make(map[uint32]int64)}
	r := reader{b: value}
	r.byte()
	t.name = r.text()
	for _, n := range t.counts.fields() {
		*n = r.varint()
	}
	l.addTopic(t)
	return r.fault()
}

// fields lists the counters in the order in which they are packed.
func (c *Counts) fields() [7]*int64 {
	return [...]*int64{&c.Waiting, &c.Claimed, &c.Sent, &c.Refused, &c.Unknown, &c.Expired, &c.Withdrawn}
}

func packTopic(t *topic, c *Counts) []byte {
	b := appendText([]byte{rowVersion}, t.name)
	for _, n := range c.fields() {
		b = binary.AppendVarint(b, *n)
	}
	return b
}

func (l *Ledger) addTopic(t *topic) {
	l.topics[t.name], l.topicAt[t.id] = t, t
	l.numbers = max(l.numbers, t.id)
}

func (l *Ledger) loadDay(key, value []byte) error {
	r := reader{b: key[1:]}
	t, ok := l.topicAt[r.ord()]
	d := r.bytes(4)
	if !ok || !r.done() {
		return errDamaged
	}
	v := reader{b: value}
	t.days[binary.BigEndian.Uint32(d)] = v.varint()
	return v.fault()
}

func (l *Ledger) loadLine(key, value []byte) error {
	r := reader{b: value}
	r.byte()
	n := &line{id: numberOf(key), Line: Line{r.text(), r.text()}}
	t, ok := l.topics[n.Topic]
	if !ok {
		return errDamaged
	}
	n.topic = t
	l.addLine(n)
	return r.fault()
}

func packLine(n *line) []byte {
	return appendText(appendText([]byte{rowVersion}, n.Topic), n.Subject)
}

func (l *Ledger) addLine(n *line) {
	l.lines[n.Line], l.lineAt[n.id] = n, n
	if n.Subject != "" {
		n.peer, l.subjects[n.Subject] = l.subjects[n.Subject], n
	}
	n.topic.lines = append(n.topic.lines, n)
	l.numbers = max(l.numbers, n.id)
}

func (l *Ledger) loadCount(key, value []byte) error {
	n, ok := l.lineAt[numberOf(key)]
	if !ok {
		return errDamaged
	}
	r := reader{b: value}
	n.waiting, n.claimed = r.varint(), r.varint()
	return r.fault()
}

func packCount(waiting, claimed int64) []byte {
	return binary.AppendVarint(binary.AppendVarint(nil, waiting), claimed)
}

// Waiting is how many consents wait on a line and are not claimed. It reads no disk.
func (l *Ledger) Waiting(of Line) int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if n, ok := l.lines[of]; ok {
		return n.waiting
	}
	return 0
}

// Lines are the lines of a topic on which somebody waits or is claimed, in no order.
func (l *Ledger) Lines(of string) []Line {
	l.mu.RLock()
	defer l.mu.RUnlock()
	t, ok := l.topics[of]
	if !ok {
		return nil
	}
	var out []Line
	for _, n := range t.lines {
		if n.waiting+n.claimed > 0 {
			out = append(out, n.Line)
		}
	}
	return out
}

// Demand is how many consents stand on a line.
type Demand struct {
	Line
	Waiting, Claimed int64
}

// Demands are the most lines of a topic with the most waiting, the longest first, and how many lines there are on which
// somebody waits or is claimed. It reads no disk, and keeps no more than it gives.
func (l *Ledger) Demands(of string, most int) (longest []Demand, lines int) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	t, ok := l.topics[of]
	if !ok {
		return nil, 0
	}
	for _, n := range t.lines {
		if n.waiting+n.claimed == 0 {
			continue
		}
		lines++
		d := Demand{n.Line, n.waiting, n.claimed}
		at, _ := slices.BinarySearchFunc(longest, d, Demand.compare)
		if at >= most {
			continue
		}
		longest = slices.Insert(longest, at, d)[:min(len(longest)+1, most)]
	}
	return longest, lines
}

// compare puts the longer line first, and equal ones in the order of their subjects.
func (d Demand) compare(o Demand) int {
	return cmp.Or(cmp.Compare(o.Waiting, d.Waiting), cmp.Compare(o.Claimed, d.Claimed), cmp.Compare(d.Subject, o.Subject))
}

// TopicsOf are the topics of the lines of a subject on which somebody waits or is claimed, in no order. It reads no disk.
func (l *Ledger) TopicsOf(subject string) (topics []string) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for n := l.subjects[subject]; n != nil; n = n.peer {
		if n.waiting+n.claimed > 0 {
			topics = append(topics, n.Topic)
		}
	}
	return topics
}

// Topics counts the consents of each topic by where they stand. NextExpiry is exact to the day, UTC.
func (l *Ledger) Topics() map[string]Counts {
	l.mu.RLock()
	defer l.mu.RUnlock()
	out := make(map[string]Counts, len(l.topics))
	for name, t := range l.topics {
		c := t.counts
		for d := range t.days {
			if at := time.Unix(int64(d)*int64(day/time.Second), 0).UTC(); c.NextExpiry.IsZero() || at.Before(c.NextExpiry) {
				c.NextExpiry = at
			}
		}
		out[name] = c
	}
	return out
}

// Expiring counts, for each topic, the consents that are still waiting or claimed and expire before until, to the day.
func (l *Ledger) Expiring(until time.Time) map[string]int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	out := make(map[string]int64, len(l.topics))
	for name, t := range l.topics {
		for d, n := range t.days {
			if d < dayOf(until) {
				out[name] += n
			}
		}
	}
	return out
}

// lineOf finds a line by name; nil when nobody ever waited on it.
func (l *Ledger) lineOf(of Line) *line {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.lines[of]
}

func (l *Ledger) lineByID(id uint64) *line {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.lineAt[id]
}

// openOf are the open claims of a run, as they are now.
func (l *Ledger) openOf(run otn.RunID) []*openClaim {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var out []*openClaim
	for id, o := range l.open {
		if id.run == run {
			out = append(out, o)
		}
	}
	return out
}
