// Send and Ask: checked, paced, called once, judged.

package messenger

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// notSent is the code of a send that certainly never left.
const notSent = "not_sent"

// Send spends a delivery's token on its message, has the bot go on after a consent, or says a reply into the open window: then otn.ErrOutsideWindow in a
// Deferred says that it is not. It makes one attempt and answers soon after ctx is done.
func (m *Messenger) Send(ctx context.Context, d otn.Delivery) (otn.Receipt, error) {
	if d.Reply && d.Follow != "" {
		if fault := m.goOn(ctx, &d); fault != nil {
			return otn.Receipt{}, wrap("send", d.ID.String(), fault)
		}
		return otn.Receipt{}, nil
	}
	body, fault := m.prepare(&d)
	if fault != nil {
		return otn.Receipt{}, wrap("send", d.ID.String(), fault)
	}
	secrets := []string{d.Token.Reveal(), d.Subscriber.ID}
	how := byToken
	if d.Reply {
		how = inWindow
	}
	id, fault := m.post(ctx, attempt{how, d.Attempt, d.Deadline, body, secrets})
	if fault != nil {
		return otn.Receipt{}, wrap("send", d.ID.String(), fault)
	}
	return otn.Receipt{ProviderID: id}, nil
}

// Ask sends the request for consent into the subscriber's open window. Besides the errors of Send there are
// otn.ErrOutsideWindow and otn.ErrAlreadyAsked in a Deferred. An Ask whose answer was lost must not be sent again: the
// platform would show it twice. A Deferred of scope channel with the code 10/1404170 is about asks alone; sends go on.
func (m *Messenger) Ask(ctx context.Context, a otn.Ask) (otn.Receipt, error) {
	body, err := askBody(&a)
	if err != nil {
		return otn.Receipt{}, wrap("ask", a.ID, invalid("limit", err))
	}
	id, fault := m.post(ctx, attempt{ask, 1, a.Deadline, body, []string{a.Subscriber.ID}})
	if fault != nil {
		return otn.Receipt{}, wrap("ask", a.ID, fault)
	}
	m.look(ctx)
	return otn.Receipt{ProviderID: id}, nil
}

// prepare makes the body, or says why this delivery cannot be sent by this page.
func (m *Messenger) prepare(d *otn.Delivery) ([]byte, *otn.SendError) {
	switch {
	case d.Reply && !d.Token.IsZero():
		return nil, invalid("token", errors.New("a reply spends no token"))
	case d.Reply && !reachable(d.Subscriber.ID):
		return nil, invalid("recipient", errors.New("the subscriber is not known by an id that can be written to"))
	case d.Reply:
	case d.Token.IsZero():
		return nil, invalid("no_token", otn.ErrNoToken)
	case d.Token.Account() != m.config.PageID:
		return nil, invalid("other_page", errors.New("the token belongs to another page"))
	}
	body, err := sendBody(d)
	if err != nil {
		return nil, invalid("limit", err)
	}
	return body, nil
}

// attempt is one call that is to be made.
type attempt struct {
	kind     kind
	number   int // of the attempts for this delivery, from 1
	deadline time.Time
	body     []byte
	secrets  []string // what must not be quoted from the answer
}

// post waits for its turn, calls once and judges. It gives the message's id.
func (m *Messenger) post(ctx context.Context, try attempt) (string, *otn.SendError) {
	if fault := m.breaks.enter(try.kind, m.now()); fault != nil {
		return "", fault
	}
	if fault := m.turn(ctx, try.kind, try.deadline); fault != nil {
		return "", fault
	}
	a := m.call(ctx, http.MethodPost, "/"+m.config.PageID+"/messages", nil, try.body)
	v := judge(try.kind, a, m.pageOK(ctx, a))
	now := m.now()
	m.gate.learn(readUsage(a.header, m.config.PageID), now)
	m.breaks.note(try.kind, &v, now)
	m.heed(&v)
	if v.showsLife() {
		m.gate.worked()
	}
	if v.outcome == otn.Sent {
		return v.messageID, nil
	}
	return "", &otn.SendError{
		Outcome: v.outcome,
		After:   m.wait(&v, &a, try.number, now),
		Scope:   v.scope,
		Code:    v.name,
		Err:     m.censor(v.err, try.secrets),
	}
}

// turn lets the call through, at once or after a short pause.
func (m *Messenger) turn(ctx context.Context, k kind, deadline time.Time) *otn.SendError {
	pause, ok := m.gate.enter(m.now())
	if !ok {
		return deferred("page_limit", pause, errors.New("the page's limit is used up"))
	}
	if k == ask {
		own, ok := m.gate.asks.enter(m.now(), askRate)
		if !ok {
			return deferred("page_limit", own, fmt.Errorf("a page asks %d people a second at the most", askRate))
		}
		pause = max(pause, own)
	}
	if err := rest(ctx, pause); err != nil {
		return deferred(notSent, 0, err)
	}
	if !deadline.IsZero() && m.now().After(deadline) {
		late := deferred("expired", 0, errors.New("its deadline passed before it was started"))
		late.Scope = otn.MessageScope
		return late
	}
	return nil
}

// rest waits, or gives the context's error.
func rest(ctx context.Context, pause time.Duration) error {
	if pause <= 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pageOK makes the page check where the meaning of the answer hangs on it.
func (m *Messenger) pageOK(ctx context.Context, a answer) bool {
	if a.err != nil {
		return false
	}
	e := readReply(a.body).fault
	return e != nil && e.code == 100 && e.sub == 2018001 && m.confirmed(ctx)
}

// censor takes the secrets out of an error's text; errors.Is still finds its causes.
func (m *Messenger) censor(err error, secrets []string) error {
	text := err.Error()
	for _, s := range append(secrets, m.config.PageToken.Reveal(), m.config.AppSecret.Reveal()) {
		if s != "" {
			text = strings.ReplaceAll(text, s, "[redacted]")
		}
	}
	return &censored{text, err}
}

// censored is an error that shows another text.
type censored struct {
	text  string
	cause error
}

func (c *censored) Error() string        { return c.text }
func (c *censored) Is(target error) bool { return errors.Is(c.cause, target) }

func invalid(code string, err error) *otn.SendError {
	return &otn.SendError{Outcome: otn.Invalid, Scope: otn.MessageScope, Code: code, Err: err}
}

func deferred(code string, after time.Duration, err error) *otn.SendError {
	return &otn.SendError{Outcome: otn.Deferred, Scope: otn.ChannelScope, After: after, Code: code, Err: err}
}

// wrap says which call it was.
func wrap(verb, id string, e *otn.SendError) error {
	e.Err = fmt.Errorf("messenger: %s %s: %w", verb, id, e.Err)
	return e
}
