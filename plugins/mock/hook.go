// The mock's webhook: consents, and what people do, as plain JSON: for tests and demos without a platform.

package mock

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"sort"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// Grant is the body of a call: a consent as if a person had just given it, or with Event something that they did.
type Grant struct {
	Event     Event             `json:"event,omitempty"`
	Ref       string            `json:"ref,omitempty"` // of Writes: they came through a link with this ref
	Recipient string            `json:"recipient"`
	Topic     string            `json:"topic,omitempty"`
	Subject   string            `json:"subject,omitempty"`
	Token     string            `json:"token"`
	Answers   map[string]string `json:"answers,omitempty"` // as text; the host types them by the topic
	GrantedAt time.Time         `json:"granted_at,omitzero"`
	TZ        string            `json:"tz,omitempty"`
	Locale    string            `json:"locale,omitempty"`
}

// Event is what a person did, where it is not a consent.
type Event string

// The events.
const (
	Writes  Event = "writes"  // opens their window
	Stops   Event = "stops"   // they want to hear no more of Topic, or of anything
	Resumes Event = "resumes" // and take it back
)

// Receive reads POSTs of a Grant, or of a list of them.
func (m *Mock) Receive(_ context.Context, r otn.Request) (otn.Response, []otn.Record, error) {
	if r.Method != http.MethodPost {
		return otn.Response{Status: http.StatusMethodNotAllowed, Header: http.Header{"Allow": {http.MethodPost}}}, nil, nil
	}
	if !m.may(r.Header.Get("Authorization")) {
		return otn.Response{Status: http.StatusUnauthorized}, nil, nil
	}
	grants, err := readGrants(r.Body)
	if err != nil {
		return refusal("not a consent in JSON"), nil, nil
	}
	var records []otn.Record
	for _, g := range grants {
		did, ok := g.did(r.At)
		switch {
		case !ok:
			return refusal("event is none of writes, stops and resumes"), nil, nil
		case g.Recipient == "" || g.Event == "" && g.Token == "":
			return refusal("recipient and token are required"), nil, nil
		case g.Event == "":
			did = []otn.Record{m.record(g, r)}
		}
		records = append(records, did...)
	}
	return otn.Response{Status: http.StatusOK}, records, nil
}

// did gives the records of what a person did; not ok for an event that is not known.
func (g *Grant) did(at time.Time) (records []otn.Record, ok bool) {
	whom := otn.Subscriber{ID: g.Recipient}
	switch g.Event {
	case "":
	case Writes:
		records = []otn.Record{{At: at, Window: &otn.Window{Subscriber: whom, Until: at.Add(otn.WindowLength), Cause: "message"}}}
		if g.Ref != "" {
			records = append(records, otn.Record{At: at, Referral: &otn.Referral{Subscriber: whom, Ref: g.Ref}})
		}
	case Stops, Resumes:
		records = []otn.Record{{At: at, Stop: &otn.Stop{Subscriber: whom, Topic: g.Topic, Resume: g.Event == Resumes}}}
	default:
		return nil, false
	}
	return records, true
}

func readGrants(body []byte) ([]Grant, error) {
	grants := make([]Grant, 1)
	var into any = &grants[0]
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("[")) {
		into = &grants
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	return grants, d.Decode(into)
}

func (m *Mock) record(g Grant, r otn.Request) otn.Record {
	at := g.GrantedAt
	if at.IsZero() {
		at = r.At
	}
	token := otn.NewToken(m.config.Account, g.Token)
	c := &otn.Consent{
		Token: token, Subscriber: otn.Subscriber{ID: g.Recipient}, Topic: g.Topic, Subject: g.Subject,
		GrantedAt: at, TZ: g.TZ, Locale: g.Locale,
	}
	for name, text := range g.Answers {
		c.Answers = append(c.Answers, otn.Named{Name: name, Value: otn.StringValue(text)})
	}
	sort.Slice(c.Answers, func(i, j int) bool { return c.Answers[i].Name < c.Answers[j].Name })
	return otn.Record{Key: "consent:" + token.ID().String(), At: at, Consent: c}
}

// may compares in constant time.
func (m *Mock) may(authorization string) bool {
	if m.config.Secret.IsZero() {
		return true
	}
	got, want := sha256.Sum256([]byte(strings.TrimPrefix(authorization, "Bearer "))), sha256.Sum256([]byte(m.config.Secret.Reveal()))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

func refusal(why string) otn.Response {
	body, _ := json.Marshal(map[string]string{"error": why})
	return otn.Response{Status: http.StatusBadRequest, Header: http.Header{"Content-Type": {"application/json"}}, Body: body}
}
