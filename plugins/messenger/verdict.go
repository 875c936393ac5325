// From an answer to what becomes of the token: the order in which the evidence is looked at.

package messenger

import (
	"errors"
	"fmt"
	"slices"

	"github.com/onetimenotify/otn/core/otn"
)

// verdict is what one answer means.
type verdict struct {
	row       // what the table says; outcome Sent: the message was accepted
	messageID string
	err       error // in words, for the operator; nil when sent
}

// showsLife reports whether the platform dealt with this very message or subscriber, so the page as a whole works.
func (v *verdict) showsLife() bool {
	return v.outcome == otn.Sent || v.outcome == otn.Refused || v.outcome == otn.Deferred && v.scope != otn.ChannelScope
}

// judge reads one answer to a send of kind k. pageOK says whether the page check has passed.
// Whatever it does not know is Unknown, never Sent, Refused or Deferred; a plain HTTP 4xx is Invalid.
func judge(k kind, a answer, pageOK bool) verdict {
	if a.err != nil {
		return judgeBroken(a)
	}
	r := readReply(a.body)
	accepted := a.status >= 200 && a.status <= 299 && r.messageID != ""
	switch {
	case accepted && r.fault == nil:
		return verdict{row: row{outcome: otn.Sent}, messageID: r.messageID}
	case accepted: // both at once: nobody can tell
		return verdict{row: row{outcome: otn.Unknown, name: "contradiction"}, err: r.fault}
	case r.fault != nil:
		return judgeFault(k, a, r.fault, pageOK)
	}
	return judgeStatus(a)
}

// judgeBroken: a call without an answer to its end. What certainly never left is whole.
func judgeBroken(a answer) verdict {
	if a.left {
		return verdict{row: row{outcome: otn.Unknown, name: "cut"}, err: fmt.Errorf("the answer was lost: %w", a.err)}
	}
	return verdict{
		row: row{outcome: otn.Deferred, scope: otn.ChannelScope, name: notSent},
		err: fmt.Errorf("nothing left: %w", a.err),
	}
}

// judgeFault: an error of the Graph API. A known code beats the HTTP status.
func judgeFault(k kind, a answer, e *graphError, pageOK bool) verdict {
	v := verdict{err: e}
	if found, ok := lookUp(k, e, pageOK); ok {
		v.row = found
		if found.cause != nil {
			v.err = fmt.Errorf("%w: %w", found.cause, e)
		}
		if v.name == "" {
			v.name = e.label(&found)
		}
		return v
	}
	v.row = row{outcome: otn.Unknown, name: "unknown_code"}
	if a.status >= 400 && a.status <= 499 {
		v.row = row{outcome: otn.Invalid, scope: otn.MessageScope, name: "unknown_code"}
	}
	return v
}

// judgeStatus: an answer without a message id and without an error of the Graph API.
func judgeStatus(a answer) verdict {
	v := verdict{row: row{outcome: otn.Unknown}, err: fmt.Errorf("HTTP %d without an answer of the Graph API", a.status)}
	for _, t := range transport {
		if a.status >= t.from && a.status <= t.to {
			v.row = t.verdict
			break
		}
	}
	if v.name == "" {
		v.name = fmt.Sprintf("http_%d", a.status)
	}
	if v.name == "no_message_id" {
		v.err = errors.New("accepted without a message id")
	}
	return v
}

// lookUp finds the row of the table.
func lookUp(k kind, e *graphError, pageOK bool) (row, bool) {
	for i := range table {
		if table[i].matches(k, e, pageOK) {
			return table[i], true
		}
	}
	return row{}, false
}

func (r *row) matches(k kind, e *graphError, pageOK bool) bool {
	if r.kinds != 0 && r.kinds&k == 0 || r.unsure && pageOK {
		return false
	}
	if r.anywhere && e.sub == r.code {
		return true
	}
	if r.to == 0 && e.code != r.code || r.to != 0 && (e.code < r.code || e.code > r.to) {
		return false
	}
	if r.words && !tokenWords(e.text) {
		return false
	}
	return r.subs == nil || slices.Contains(r.subs, e.sub)
}

// label is the code that a SendError carries: few values, so only subcodes that the row names.
func (e *graphError) label(r *row) string {
	switch {
	case r.anywhere:
		return fmt.Sprint(r.code)
	case r.subs != nil && e.sub != bare:
		return fmt.Sprintf("%d/%d", e.code, e.sub)
	}
	return fmt.Sprint(e.code)
}
