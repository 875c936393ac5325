// The text of a doubt, made again as it was.

package dispatch

import (
	"fmt"
	"slices"

	"github.com/onetimenotify/otn/core/ledger"
	"github.com/onetimenotify/otn/core/otn"
)

// form is what of a channel's capabilities shapes a message.
type form struct {
	Forms      []otn.Form `json:"forms,omitempty"`
	QuickReply bool       `json:"quick_reply,omitempty"`
}

// firstMade is what the messages of a claim were made from, so that they can be made again.
type firstMade struct {
	otn.Facts
	Form *form `json:"form,omitempty"` // nil: not known
}

func (l *Lane) form() *form { return &form{l.can.Forms, l.can.QuickReply} }

// as are the capabilities with which a message is made again in its first form. Errors: otn.ErrRefused where the channel carries
// that form no more.
func (l *Lane) as(f *form) (otn.Capabilities, error) {
	can := l.can
	if f == nil {
		return can, nil
	}
	lost := func(had otn.Form) bool { return !l.can.Carries(had) }
	if slices.ContainsFunc(f.Forms, lost) || f.QuickReply && !can.QuickReply {
		return can, fmt.Errorf("dispatch: the channel carries less than it did: %w", otn.ErrRefused)
	}
	can.Forms, can.QuickReply = f.Forms, f.QuickReply
	return can, nil
}

// sameText renders what the first attempt carried, from the facts of its claim, the form that its channel carried then and
// the rules of its run.
func (l *Lane) sameText(doubt *ledger.Doubt, c *ledger.Candidate) (otn.Message, error) {
	run, ok, err := l.d.Run(doubt.ID.Run())
	if err != nil || !ok {
		return otn.Message{}, fmt.Errorf("dispatch: run of %s: %w", doubt.ID, errOr(err, otn.ErrNotFound))
	}
	rules, err := l.d.version(run.Version)
	if err != nil {
		return otn.Message{}, err
	}
	var first firstMade
	if err := decode(doubt.Facts, &first); err != nil {
		return otn.Message{}, err
	}
	can, err := l.as(first.Form)
	if err != nil {
		return otn.Message{}, err
	}
	page, err := rules.Open(first.Facts)
	if err != nil {
		return otn.Message{}, err
	}
	if run.NeedsPerson {
		if err := l.d.Meet(&c.Consent, doubt.ID.Person(), first.At); err != nil {
			return otn.Message{}, err
		}
	}
	m, err := page.Render(&c.Consent, &can)
	if err != nil {
		return m, err
	}
	return m, l.d.compose(&m, doubt.ID, run.Topic, &can)
}
