// Runs and their lanes, as they are kept on disk.

package dispatch

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// Run is a match being carried out: the rule's version, the event, and the consents granted before it. It is written once;
// what changes while it is carried out is its Course.
type Run struct {
	ID          otn.RunID     `json:"id"`
	Rule        string        `json:"rule"`
	Version     string        `json:"version"`
	Topic       string        `json:"topic"`
	Subject     otn.Subject   `json:"subject,omitzero"`
	Cause       otn.EventKind `json:"cause"`
	At          time.Time     `json:"at"`
	Was         otn.Snapshot  `json:"was,omitzero"`
	First       bool          `json:"first,omitempty"`
	Last        otn.Last      `json:"last,omitzero"`
	Trigger     *otn.Trigger  `json:"trigger,omitempty"`
	Person      *otn.PersonID `json:"person,omitempty"` // a trigger that named one: nobody else is told
	Only        uint64        `json:"only,omitempty"`   // the one consent it is for, by its number; 0: all of the line
	Below       uint64        `json:"below"`            // consents with smaller numbers were granted before it began
	Plan        otn.Plan      `json:"plan,omitzero"`    // of the rule, in the run's version
	NeedsPerson bool          `json:"needs_person,omitempty"`
	Write       uint64        `json:"write,omitempty"` // the number of the write that brought the cause; 0: none did
}

// Line is the waiting list that the run spends.
func (r *Run) Line() ledger.Line { return ledger.Line{Topic: r.Topic, Subject: r.Subject.ID} }

// Facts are what the run's rule decides from, with the subject as it is now.
func (r *Run) Facts(now otn.Snapshot, at time.Time) otn.Facts {
	return otn.Facts{Rule: r.Rule, At: at, Now: now, Was: r.Was, First: r.First, Last: r.Last, Trigger: r.Trigger}
}

// Progress of a lane in a run: how far one channel has got with it.
type Progress struct {
	Cursor uint64    `json:"cursor"`          // the last number looked at
	Again  uint64    `json:"again"`           // numbers up to here may have been told in this run already
	Page   uint64    `json:"page"`            // of the last claim
	Judged uint64    `json:"judged"`          // the last page whose answers the tally counts
	Taken  int64     `json:"taken,omitempty"` // how many were handed over, or are about to be: each once, however it ends
	Next   time.Time `json:"next,omitzero"`   // it rests, and looks again then
	Rests  string    `json:"rests,omitempty"` // why
	Done   bool      `json:"done,omitempty"`
	Tally

	RestsCode string `json:"rests_code,omitempty"` // of Rests

	faults int // messages at fault in a row
	pass   pass
}

// rewind goes back to the head of the line.
func (p *Progress) rewind() {
	p.Again, p.Cursor, p.Done = max(p.Again, p.Cursor), 0, false
	p.Next, p.Rests, p.RestsCode, p.pass = time.Time{}, "", "", pass{}
}

// Tally counts what became of a run, or of a lane's part of it.
type Tally struct {
	Seen        int64  `json:"seen,omitempty"`
	Selected    int64  `json:"selected,omitempty"`
	Sent        int64  `json:"sent,omitempty"`
	Refused     int64  `json:"refused,omitempty"`
	Deferred    int64  `json:"deferred,omitempty"`
	Invalid     int64  `json:"invalid,omitempty"`
	Unknown     int64  `json:"unknown,omitempty"`
	Undecided   int64  `json:"undecided,omitempty"`
	Failed      int64  `json:"failed,omitempty"`
	Because     string `json:"because,omitempty"`      // of the latest undecided or failed one, or why it tells nobody else
	BecauseCode string `json:"because_code,omitempty"` // of Because, where it is not about one person's facts
}

func (t *Tally) because(w Why) { t.Because, t.BecauseCode = w.Words, w.Code }

func (t *Tally) count(o otn.Outcome) {
	switch o {
	case otn.Sent:
		t.Sent++
	case otn.Refused:
		t.Refused++
	case otn.Deferred:
		t.Deferred++
	case otn.Invalid:
		t.Invalid++
	default:
		t.Unknown++
	}
}

func (t *Tally) add(o Tally) {
	t.Seen += o.Seen
	t.Selected += o.Selected
	t.Sent += o.Sent
	t.Refused += o.Refused
	t.Deferred += o.Deferred
	t.Invalid += o.Invalid
	t.Unknown += o.Unknown
	t.Undecided += o.Undecided
	t.Failed += o.Failed
	if o.Because != "" {
		t.Because, t.BecauseCode = o.Because, o.BecauseCode
	}
}

// The documents' keys.
const (
	runPrefix    = "run/"
	openPrefix   = "open/"
	lanePrefix   = "lane/"
	lastPrefix   = "last/"
	coursePrefix = "course/"
	pausePrefix  = "pause/"
	restPrefix   = "rest/"
	holdPrefix   = "hold/"
	stopPrefix   = "stop/"
	cursorKey    = "cursor"
)

// runKey sorts younger runs before older ones: the moment that an id begins with is turned over.
func runKey(id otn.RunID) string {
	for i := range 5 {
		id[i] = ^id[i]
	}
	return runPrefix + id.String()
}

func versionKey(v string) string { return "version/" + v }

func laneKey(id otn.RunID, channel string) string { return lanePrefix + id.String() + "/" + channel }

func lastKey(rule string, s otn.Subject) string {
	return lastPrefix + rule + "/" + string(s.Kind) + "/" + s.ID
}

// Run finds a run.
func (d *Dispatch) Run(id otn.RunID) (*Run, bool, error) {
	doc, ok, err := d.Ledger.Doc(runKey(id))
	if err != nil || !ok {
		return nil, false, err
	}
	run := new(Run)
	return run, true, decode(doc.Value, run)
}

// Tally adds up what the lanes of a run did, and whether all of them are done.
func (d *Dispatch) Tally(id otn.RunID) (sum Tally, done bool, err error) {
	_, open, err := d.Ledger.Doc(openPrefix + id.String())
	if err != nil {
		return sum, false, err
	}
	err = d.eachDoc(lanePrefix+id.String()+"/", func(doc ledger.Doc) error {
		var p Progress
		if err := decode(doc.Value, &p); err != nil {
			return err
		}
		sum.add(p.Tally)
		return nil
	})
	return sum, !open, err
}

// resolvedOf stands beside a channel's lane: it counts what ended after the lane had counted it.
func resolvedOf(channel string) string { return "~" + channel }

// recount counts again what became of a lane's part of a run, where a daemon died before it could: its last page was
// settled by the marks. Attempts that were put off are not counted again.
func (d *Dispatch) recount(id otn.RunID, channel string, p *Progress) error {
	later, err := d.laneDoc(id, resolvedOf(channel))
	if err != nil {
		return err
	}
	sum, taken := Tally{}, int64(0)
	var after otn.DeliveryID
	for {
		list, err := d.Ledger.Deliveries(id, after, recountAtOnce)
		if err != nil {
			return err
		}
		for _, one := range list {
			if one.Channel == channel && !one.Open {
				sum.count(one.Outcome)
				taken++
			}
			after = one.ID
		}
		if len(list) < recountAtOnce {
			break
		}
	}
	p.Sent, p.Refused, p.Unknown = sum.Sent-later.Sent, sum.Refused-later.Refused, sum.Unknown-later.Unknown
	p.Judged, p.Taken = p.Page, taken
	return nil
}

// recountAtOnce bounds the deliveries read at once.
const recountAtOnce = 10_000

func (d *Dispatch) laneDoc(id otn.RunID, channel string) (p Progress, err error) {
	doc, ok, err := d.Ledger.Doc(laneKey(id, channel))
	if err != nil || !ok {
		return p, err
	}
	return p, decode(doc.Value, &p)
}

// put makes a document that replaces whatever is there.
func put(key string, v any) *ledger.Doc {
	return &ledger.Doc{Key: key, Value: encode(v), Expect: ledger.Any}
}

// once makes a document that is written the first time only.
func once(key string, value []byte) *ledger.Doc {
	return &ledger.Doc{Key: key, Value: value, Expect: ledger.Once}
}

func drop(key string) *ledger.Doc { return &ledger.Doc{Key: key, Expect: ledger.Any} }

// opened is the document of a run that is not done.
func opened(id otn.RunID) *ledger.Doc {
	return &ledger.Doc{Key: openPrefix + id.String(), Value: []byte("{}"), Expect: ledger.Any}
}

// openID is the run that a document of opened stands for.
func openID(doc ledger.Doc) (otn.RunID, error) { return otn.ParseRunID(doc.Key[len(openPrefix):]) }

// encode writes one of this package's own types, all of which JSON can hold.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("dispatch: %T does not encode: %v", v, err))
	}
	return b
}

func decode(b []byte, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("dispatch: a document does not read as %T: %w", v, err)
	}
	return nil
}

// RunsBefore lists up to limit runs, newest first, that are older than the id before; all for "".
func (d *Dispatch) RunsBefore(before string, limit int) ([]*Run, error) {
	after := ""
	if before != "" {
		id, err := otn.ParseRunID(before)
		if err != nil {
			return nil, fmt.Errorf("dispatch: run: %w: %w", err, otn.ErrInvalid)
		}
		after = runKey(id)
	}
	docs, err := d.Ledger.Docs(runPrefix, after, limit)
	if err != nil {
		return nil, err
	}
	runs := make([]*Run, len(docs))
	for i, doc := range docs {
		runs[i] = new(Run)
		if err := decode(doc.Value, runs[i]); err != nil {
			return nil, err
		}
	}
	return runs, nil
}

// Open begins decisions from recorded facts, by the version of the rules that decided then.
func (d *Dispatch) Open(from Decided) (otn.Page, error) {
	rules, err := d.version(from.Version)
	if err != nil {
		return nil, err
	}
	return rules.Open(from.Facts)
}
