// The shape of a webhook's body: entries, each with the events of one page.

package messenger

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// envelope is one body. Entries and events stay raw until their turn, so that an odd one harms only itself.
type envelope struct {
	Object text              `json:"object"`
	Entry  []json.RawMessage `json:"entry"`
}

type entry struct {
	Page      text              `json:"id"`
	Time      moment            `json:"time"`
	Messaging []json.RawMessage `json:"messaging"`
	Standby   []json.RawMessage `json:"standby"` // the same events while another app holds the thread
	Changes   []json.RawMessage `json:"changes"` // the dashboard's test button
}

// event is one item of messaging or standby. It has one of the pointers, or something nobody knows yet.
type event struct {
	Sender    party  `json:"sender"`
	Recipient party  `json:"recipient"`
	Time      moment `json:"timestamp"`

	Optin    *optin       `json:"optin"`
	Message  *inbound     `json:"message"`
	Postback *postback    `json:"postback"`
	Referral *referral    `json:"referral"`
	Reaction *reaction    `json:"reaction"`
	Policy   *enforcement `json:"policy_enforcement"`
	Feedback *struct{}    `json:"response_feedback"`

	Delivery *struct{} `json:"delivery"`
	Read     *struct{} `json:"read"`
	Survey   *struct{} `json:"messaging_feedback"`

	Pass    *struct{} `json:"pass_thread_control"`
	Take    *struct{} `json:"take_thread_control"`
	Request *struct{} `json:"request_thread_control"`
	Roles   *struct{} `json:"app_roles"`
}

type party struct {
	ID      text `json:"id"`
	UserRef text `json:"user_ref"` // of a checkbox, before the person is known
}

type optin struct {
	Type    text  `json:"type"`
	Payload *text `json:"payload"`
	Token   text  `json:"one_time_notif_token"`
	Ref     text  `json:"ref"`
	UserRef text  `json:"user_ref"`
	Change  text  `json:"notification_messages_status"`
}

type inbound struct {
	ID         text      `json:"mid"`
	Echo       bool      `json:"is_echo"`
	Metadata   text      `json:"metadata"`
	QuickReply *answered `json:"quick_reply"`
	Referral   *referral `json:"referral"`
}

type answered struct {
	Payload text `json:"payload"`
}

type postback struct {
	ID       text      `json:"mid"`
	Payload  text      `json:"payload"`
	Referral *referral `json:"referral"`
}

type referral struct {
	Ref    text `json:"ref"`
	Source text `json:"source"`
	Ad     text `json:"ad_id"`
}

type reaction struct {
	Action text `json:"action"`
}

type enforcement struct {
	Action text `json:"action"`
	Reason text `json:"reason"`
}

// read gives the records of a body in its order, or false when the body is not about a page.
func (m *Messenger) read(body []byte, at time.Time) ([]otn.Record, bool) {
	var e envelope
	if lenient(body, &e) != nil {
		return []otn.Record{note("malformed_body", "a signed body that is no JSON object")}, true
	}
	if e.Object != "page" {
		return nil, false
	}
	var all []otn.Record
	for _, raw := range e.Entry {
		all = append(all, m.readEntry(raw, at)...)
	}
	return all, true
}

func (m *Messenger) readEntry(raw json.RawMessage, at time.Time) (all []otn.Record) {
	var e entry
	if lenient(raw, &e) != nil {
		return []otn.Record{note("malformed_entry", "an entry that is no JSON object")}
	}
	if !e.Time.IsZero() {
		at = e.Time.Time
	}
	for _, list := range [][]json.RawMessage{e.Messaging, e.Standby} {
		for _, item := range list {
			all = append(all, m.readEvent(item, string(e.Page), at)...)
		}
	}
	for range e.Changes {
		all = append(all, note("changes_form", "an event in the form of the dashboard's test button"))
	}
	return all
}

func (m *Messenger) readEvent(raw json.RawMessage, page string, at time.Time) []otn.Record {
	var e event
	if lenient(raw, &e) != nil {
		return []otn.Record{note("malformed_event", "an event that is no JSON object")}
	}
	if !e.Time.IsZero() {
		at = e.Time.Time
	}
	page = orElse(page, orElse(string(e.Recipient.ID), m.config.PageID))
	return (&reader{event: &e, raw: raw, page: page, own: m.config.PageID, at: at, links: m.config.asksOnLink(), follows: m.config.broadcasts()}).records()
}

// lenient reads JSON into v and lets a field of the wrong type be as if it were not there.
func lenient(raw []byte, v any) error {
	err := json.Unmarshal(raw, v)
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) && mismatch.Field != "" {
		return nil
	}
	return err
}

func note(code, text string) otn.Record { return otn.Record{Note: &otn.Note{Code: code, Text: text}} }
