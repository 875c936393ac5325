// One call: who calls, which events the body holds, and what each becomes.

package events

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/internal/hook"
)

// repeatWithin is how long a body that comes with no id of its own counts as repeated. Time is cut into pieces of this
// length: a repetition that falls into the next piece is taken for a new event.
const repeatWithin = 10 * time.Minute

// event is one event of a call.
type event struct {
	body  json.RawMessage
	about map[string]string // attributes of a CloudEvent
	at    time.Time         // zero: not told
	key   string            // what it is deduplicated by; empty: its sender gave it no id
	err   error             // it cannot be read
}

// Receive checks who calls, then reads the body. An event that cannot be read does not stop the others of its call: it leaves a note.
// A call of which nothing can be read is refused, so that the sender sees it.
func (e *Events) Receive(_ context.Context, r otn.Request) (otn.Response, []otn.Record, error) {
	who := e.admit(r)
	switch {
	case !who.allowed:
		return hook.Refuse(http.StatusUnauthorized, "not authorised"), nil, nil
	case r.Method == http.MethodOptions:
		return handshake(r), nil, nil
	case r.Method != "" && r.Method != http.MethodPost:
		return hook.Refuse(http.StatusMethodNotAllowed, "want POST"), nil, nil
	}
	records, err := e.records(r, who)
	if err != nil {
		records = []otn.Record{{Note: &otn.Note{Code: "body_not_valid", Text: err.Error()}}}
		return hook.Refuse(http.StatusBadRequest, err.Error()), records, nil
	}
	return otn.Response{Status: http.StatusOK}, records, nil
}

func (e *Events) records(r otn.Request, who caller) (records []otn.Record, err error) {
	list, err := eventsOf(r, who)
	if err != nil {
		return nil, err
	}
	seen, bad := map[string]bool{}, 0
	for n, ev := range list {
		if ev.key != "" && seen[ev.key] {
			continue
		}
		seen[ev.key] = true
		record, wrong := e.recordOf(r, n, ev)
		if wrong != nil {
			if len(list) > 1 {
				wrong = fmt.Errorf("event %d: %w", n, wrong)
			}
			bad, err = bad+1, cmp.Or(err, wrong)
			record = otn.Record{Note: &otn.Note{Code: "body_not_valid", Text: wrong.Error()}}
		}
		records = append(records, record)
	}
	if bad < len(records) {
		err = nil
	}
	return records, err
}

// recordOf makes the record of the n-th event of a call.
func (e *Events) recordOf(r otn.Request, n int, ev event) (otn.Record, error) {
	if ev.err != nil {
		return otn.Record{}, ev.err
	}
	if !e.takes(ev) {
		return otn.Record{Note: &otn.Note{Code: "type_not_taken", Text: fmt.Sprintf("no use for a CloudEvent of type %.80q", ev.about["type"])}}, nil
	}
	record, err := e.record(ev)
	if record.Trigger != nil && record.Key == "" {
		record.Key = hashKey("body", string(r.Body), strconv.FormatInt(r.At.Unix()/int64(repeatWithin/time.Second), 10), strconv.Itoa(n))
	}
	return record, err
}

func (e *Events) takes(ev event) bool {
	if len(e.config.Types) == 0 || ev.about == nil {
		return true
	}
	for _, t := range e.config.Types {
		if t == ev.about["type"] {
			return true
		}
	}
	return false
}

// record makes of an event what the configuration says. An observation whose sender gave no id needs none: the same state
// twice changes nothing, while stock that goes 3, 0, 3 tells the same body twice and means both.
func (e *Events) record(ev event) (otn.Record, error) {
	read := e.own
	if e.config.Kind != "" {
		read = e.mapped
	}
	record, err := read(ev)
	record.Key = ev.key
	if o := record.Observation; o != nil {
		if o.AsOf.IsZero() {
			o.AsOf = ev.at
		}
		record.At = o.AsOf
	}
	if t := record.Trigger; t != nil {
		t.Key, record.At = ev.key, ev.at
	}
	return record, err
}

// eventsOf takes a call apart: CloudEvents by their content type or headers, else one plain body or a list of them.
func eventsOf(r otn.Request, who caller) ([]event, error) {
	if isCloud(r) {
		return cloudEvents(r)
	}
	list, err := elements(r.Body)
	if err != nil {
		return nil, err
	}
	events := make([]event, len(list))
	for n, body := range list {
		if isEnvelope(body) {
			events[n] = orWrong(cloudEvent(body))
			continue
		}
		events[n] = event{body: body, at: who.at}
		switch id := hook.Header(r, "Idempotency-Key"); {
		case who.id != "":
			events[n].key = hashKey("webhook", who.id, strconv.Itoa(n))
		case id != "":
			events[n].key = hashKey("idempotency", id, strconv.Itoa(n))
		}
	}
	return events, nil
}

// orWrong keeps what is wrong with an event beside it.
func orWrong(ev event, err error) event {
	ev.err = err
	return ev
}

// elements gives the bodies of a call: the object itself, or each of a list.
func elements(body []byte) ([]json.RawMessage, error) {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return nil, errors.New("the body is empty")
	}
	if !json.Valid(body) {
		return nil, errors.New("the body is not JSON")
	}
	switch body[0] {
	case '{':
		return []json.RawMessage{body}, nil
	case '[':
		var list []json.RawMessage
		err := json.Unmarshal(body, &list)
		return list, err
	}
	return nil, errors.New("the body is neither a JSON object nor a list of them")
}

// hashKey makes a short key of parts that cannot be confused with each other.
func hashKey(kind string, parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		_, _ = io.WriteString(h, strconv.Itoa(len(p))+":"+p)
	}
	return kind + "/" + hex.EncodeToString(h.Sum(nil)[:16])
}
