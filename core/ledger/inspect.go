// Inspect: a store is looked at as a whole, and every row compared with those that have to agree with it.

package ledger

import (
	"context"
	"crypto/subtle"
	"fmt"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// Report is what Inspect found.
type Report struct {
	Writes     uint64 // the number of the last write
	Newest     time.Time
	Topics     map[string]Counts
	Consents   int64 // that wait or are claimed
	Doubts     int64
	OpenClaims int // claims that the next Open settles
	Faults     []string
	More       int // faults beyond those listed
}

// maxListed bounds the faults that a Report lists.
const maxListed = 100

// Inspect compares all rows of a store with each other and changes nothing: every waiting consent with its token, its person,
// its expiry and the counts. The engine is only read, and stays open. A zero key leaves out whether the store was made with it.
// Errors: otn.ErrKey, otn.ErrStore for rows that cannot be read at all, and that of ctx.
func Inspect(ctx context.Context, e Engine, key otn.Secret) (Report, error) {
	l := newLedger(e)
	if err := l.fits(key); err != nil {
		return Report{}, fmt.Errorf("ledger: inspect: %w", err)
	}
	if err := l.load(); err != nil {
		return Report{}, fmt.Errorf("ledger: inspect: %w", err)
	}
	i := &inspector{ctx: ctx, l: l, lines: make(map[uint64]int64), topics: make(map[string]int64), days: make(map[topicDay]int64), doubts: make(map[uint64]int64)}
	i.Writes, i.Newest, i.Topics, i.OpenClaims = l.writes, l.newest, l.Topics(), len(l.open)
	for _, step := range []func() error{i.consents, i.answers, i.claims, i.unknown, i.counts, i.quarters} {
		if err := step(); err != nil {
			return Report{}, fmt.Errorf("ledger: inspect: %w", err)
		}
	}
	return i.Report, nil
}

// fits compares a key with the one that a store was made with.
func (l *Ledger) fits(key otn.Secret) error {
	if key.IsZero() {
		return nil
	}
	s, err := newSafe(key)
	if err != nil {
		return err
	}
	want, there, err := l.get(metaKey(metaCheck))
	if err == nil && there && subtle.ConstantTimeCompare(want, s.check) != 1 {
		return otn.ErrKey
	}
	return err
}

type topicDay struct {
	topic uint64
	day   uint32
}

// inspector counts what it sees, to compare with what the store says.
type inspector struct {
	Report
	ctx    context.Context
	l      *Ledger
	lines  map[uint64]int64 // consents by line
	topics map[string]int64 // and by topic
	days   map[topicDay]int64
	doubts map[uint64]int64 // by topic
}

func (i *inspector) fault(format string, args ...any) {
	if len(i.Faults) == maxListed {
		i.More++
		return
	}
	i.Faults = append(i.Faults, fmt.Sprintf(format, args...))
}

// inspectAtOnce is how many consents are compared with their other rows at once.
const inspectAtOnce = 1000

// lived is a consent whose other rows are looked for.
type lived struct {
	at      place
	token   otn.TokenID
	person  otn.PersonID
	day     uint32
	answers []otn.Named
}

func (i *inspector) consents() error {
	from := []byte{spaceConsent}
	for from != nil {
		var some []lived
		var next []byte
		err := i.l.engine.Scan(from, []byte{spaceConsent + 1}, func(key, v []byte) bool {
			if len(some) == inspectAtOnce {
				next = append([]byte(nil), key...)
				return false
			}
			if c, ok := i.consent(key, v); ok {
				some = append(some, c)
			}
			return true
		})
		if err == nil {
			err = i.compare(some)
		}
		if err == nil {
			err = i.ctx.Err()
		}
		if err != nil {
			return err
		}
		from = next
	}
	return nil
}

func (i *inspector) consent(key, v []byte) (lived, bool) {
	r := reader{b: key[1:]}
	at := place{r.ord(), r.ord()}
	n := i.l.lineAt[at.line]
	c := &Candidate{}
	var seen texts
	if !r.done() || n == nil || !readRow(v, c, &seen) {
		i.fault("a consent's row cannot be read, or stands on no line")
		return lived{}, false
	}
	i.Consents++
	i.lines[at.line]++
	i.topics[n.Topic]++
	d := dayOf(c.ExpiresAt)
	i.days[topicDay{n.topic.id, d}]++
	return lived{at, c.ID, c.person, d, c.Answers}, true
}

// wantedRow is a row that has to be there for a consent.
type wantedRow struct {
	what string
	key  []byte
	good func(v []byte) bool
}

// compare looks for the rows that have to be there for each consent.
func (i *inspector) compare(some []lived) error {
	for _, c := range some {
		n := i.l.lineAt[c.at.line]
		wants := []wantedRow{
			{"its token", tokenKey(c.token), func(v []byte) bool { r := reader{b: v}; return r.place() == c.at && r.done() }},
			{"its person", personKey(c.person), func(v []byte) bool { return holds(v, c.at) }},
			{"its expiry", appendExpiryKey(nil, n.topic.id, c.day, c.at), func([]byte) bool { return true }},
		}
		for _, x := range i.l.indexes.by[n.Topic] {
			if i.l.indexes.complete(x) {
				v, given := answerNamed(c.answers, x.Answer)
				wants = append(wants, wantedRow{"its answer " + x.Answer, appendAnswerKey(nil, x.id, c.at, v, given), func([]byte) bool { return true }})
			}
		}
		for _, want := range wants {
			v, there, err := i.l.get(want.key)
			if err != nil {
				return err
			}
			if !there || !want.good(v) {
				i.fault("consent %s of %s: the row of %s is missing, or says something else", c.token, lineName(n.Line), want.what)
			}
		}
	}
	return nil
}

// answers looks for rows of indexes that belong to nobody: every consent that waits has been found in its own.
func (i *inspector) answers() error {
	byID, rows := make(map[uint64]*index), make(map[*index]int64)
	for _, list := range i.l.indexes.by {
		for _, x := range list {
			byID[x.id] = x
		}
	}
	err := i.l.all([]byte{spaceAnswer}, func(key, _ []byte) error {
		id, at, ok := readAnswerKey(key)
		x, n := byID[id], i.l.lineAt[at.line]
		if !ok || x == nil || n == nil || n.Topic != x.Topic {
			i.fault("a row of an index by answer cannot be read, or is of no index")
			return i.ctx.Err()
		}
		rows[x]++
		return i.ctx.Err()
	})
	for x, n := range rows {
		if waiting := i.topics[x.Topic]; n > waiting {
			i.fault("the index of %s by %s has %d rows, and %d wait or are claimed", x.Topic, x.Answer, n, waiting)
		}
	}
	return err
}

func holds(places []byte, at place) bool {
	r := reader{b: places}
	for len(r.b) > 0 {
		if r.place() == at {
			return true
		}
	}
	return false
}

func lineName(l Line) string {
	if l.Subject == "" {
		return l.Topic
	}
	return l.Topic + " " + l.Subject
}

// claims compares open claims with the rows of their members.
func (i *inspector) claims() error {
	for _, o := range i.l.openClaims() {
		there, err := i.l.readMembers(o)
		if err != nil {
			return err
		}
		for k := range there {
			if !there[k] {
				i.fault("run %s has claimed a consent of %s that is not there", o.run, lineName(o.line.Line))
			}
		}
	}
	return nil
}

// unknown reads every doubt.
func (i *inspector) unknown() error {
	return i.l.all([]byte{spaceDoubt}, func(_, v []byte) error {
		d, ok := readDoubt(v)
		n := i.l.lineAt[d.line]
		if !ok || n == nil {
			i.fault("an unknown delivery cannot be read, or stands on no line")
			return nil
		}
		i.Doubts++
		i.doubts[n.topic.id]++
		return nil
	})
}

// counts compares what was seen with the store's own counts.
func (i *inspector) counts() error {
	sums := make(map[uint64]Counts)
	for id, n := range i.l.lineAt {
		claimed := int64(0)
		for _, o := range n.open {
			claimed += int64(len(o.members))
		}
		if seen := i.lines[id]; n.waiting+n.claimed != seen || n.claimed != claimed {
			i.fault("%s counts %d waiting and %d claimed, and there are %d, of them %d claimed", lineName(n.Line), n.waiting, n.claimed, seen, claimed)
		}
		c := sums[n.topic.id]
		c.Waiting, c.Claimed = c.Waiting+n.waiting, c.Claimed+n.claimed
		sums[n.topic.id] = c
	}
	for id, t := range i.l.topicAt {
		if c := sums[id]; c.Waiting != t.counts.Waiting || c.Claimed != t.counts.Claimed || t.counts.Unknown != i.doubts[id] {
			i.fault("topic %s counts %d waiting, %d claimed and %d unknown, and there are %d, %d and %d",
				t.name, t.counts.Waiting, t.counts.Claimed, t.counts.Unknown, c.Waiting, c.Claimed, i.doubts[id])
		}
		for d, n := range t.days {
			if seen := i.days[topicDay{id, d}]; seen != n {
				i.fault("topic %s counts %d that expire on day %d, and there are %d", t.name, n, d, seen)
			}
			delete(i.days, topicDay{id, d})
		}
	}
	for k, n := range i.days {
		i.fault("topic %s does not count %d that expire on day %d", i.l.topicAt[k.topic].name, n, k.day)
	}
	return nil
}

// quarters compares what is counted over time with what the topics count.
func (i *inspector) quarters() error {
	var sum, all Quarter
	for _, q := range i.l.quarters {
		sum.add(&q)
	}
	for _, t := range i.l.topics {
		c := &t.counts
		all.add(&Quarter{Granted: c.Waiting + c.Claimed + c.Sent + c.Refused + c.Unknown + c.Expired + c.Withdrawn,
			Sent: c.Sent, Refused: c.Refused, Unknown: c.Unknown, Expired: c.Expired, Withdrawn: c.Withdrawn})
	}
	if sum != all {
		i.fault("over time %d consents are counted as given, %d sent, %d refused, %d unknown, %d expired and %d withdrawn, and by topic %d, %d, %d, %d, %d and %d",
			sum.Granted, sum.Sent, sum.Refused, sum.Unknown, sum.Expired, sum.Withdrawn, all.Granted, all.Sent, all.Refused, all.Unknown, all.Expired, all.Withdrawn)
	}
	return nil
}
