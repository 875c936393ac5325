// What became of a send or an ask, to messages and back. Whatever cannot be read is Unknown.

package wire

import (
	"errors"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// MaxDetail is how much text of a result crosses the border, in bytes.
const MaxDetail = 512

// maxAfter bounds for how long a plugin can put a message off.
const maxAfter = 31 * 24 * time.Hour

// FromResult writes what Send or Ask returned.
func FromResult(seq uint64, r otn.Receipt, err error) *Result {
	outcome, se := otn.OutcomeOf(err)
	p := &Result{Seq: seq, Outcome: Outcome(outcome), ProviderId: clip(r.ProviderID), Code: clip(r.Code)}
	if se != nil {
		p.Scope, p.Code, p.AfterNs = Scope(se.Scope), clip(se.Code), int64(se.After)
		p.Detail, p.Cause = detail(se.Err), causeOf(err)
	}
	return p
}

// ToResult reads what Send or Ask returned.
func ToResult(p *Result) (otn.Receipt, error) {
	r := otn.Receipt{ProviderID: clip(p.GetProviderId()), Code: clip(p.GetCode())}
	if p.GetOutcome() == Outcome_OUTCOME_SENT {
		return r, nil
	}
	se := &otn.SendError{Code: r.Code, After: afterOf(p.GetAfterNs())}
	if o := p.GetOutcome(); o > 0 && o <= Outcome_OUTCOME_INVALID {
		se.Outcome = otn.Outcome(o)
	}
	if s := p.GetScope(); s > 0 && s <= Scope_SCOPE_CHANNEL {
		se.Scope = otn.Scope(s)
	}
	if p.GetDetail() != "" || p.GetCause() != "" {
		se.Err = &farError{clip(p.GetDetail()), causeNamed(p.GetCause())}
	}
	return otn.Receipt{ProviderID: r.ProviderID}, se
}

func afterOf(ns int64) time.Duration { return min(max(time.Duration(ns), 0), maxAfter) }

// farError is an error of the other side: its text, and the sentinel that was in it.
type farError struct {
	text  string
	cause error
}

func (e *farError) Error() string {
	if e.text == "" && e.cause != nil {
		return e.cause.Error()
	}
	return e.text
}
func (e *farError) Unwrap() error { return e.cause }

// causes names the sentinels that keep their identity across the border.
var causes = [...]struct {
	name string
	err  error
}{
	{"outside_window", otn.ErrOutsideWindow}, {"already_asked", otn.ErrAlreadyAsked}, {"already_given", otn.ErrAlreadyGiven},
	{"spent", otn.ErrSpent}, {"repeat", otn.ErrRepeat}, {"expired", otn.ErrExpired}, {"no_token", otn.ErrNoToken}, {"unknown_topic", otn.ErrUnknownTopic},
	{"not_found", otn.ErrNotFound}, {"conflict", otn.ErrConflict}, {"invalid", otn.ErrInvalid}, {"refused", otn.ErrRefused}, {"unavailable", otn.ErrUnavailable},
}

func causeOf(err error) string {
	for _, c := range causes {
		if errors.Is(err, c.err) {
			return c.name
		}
	}
	return ""
}

func causeNamed(name string) error {
	for _, c := range causes {
		if c.name == name {
			return c.err
		}
	}
	return nil
}

func detail(err error) string {
	if err == nil {
		return ""
	}
	return clip(err.Error())
}

// clip makes any text fit to cross: at most MaxDetail bytes of UTF-8.
func clip(s string) string {
	if len(s) > MaxDetail {
		s = s[:MaxDetail]
	}
	return strings.ToValidUTF8(s, "")
}
