// A Process: the host's view of a plugin, the same interfaces that the plugin serves.

package plugins

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/internal/wire"
)

// Process is one instance of a plugin in a child process. All methods may be called from many goroutines, at any time.
type Process struct {
	spec    Spec
	meter   meter
	replace chan chan<- error // to whoever watches the running process

	mu      sync.Mutex
	state   State
	changed chan struct{} // closed at the next change of state
	release chan struct{} // ends a quarantine
	running bool
	life    *life // while ready
	about   *otn.Description
}

var (
	_ otn.Channel   = (*Process)(nil)
	_ otn.Receiver  = (*Process)(nil)
	_ otn.Poller    = (*Process)(nil)
	_ otn.Listener  = (*Process)(nil)
	_ otn.Lookuper  = (*Process)(nil)
	_ otn.Asker     = (*Process)(nil)
	_ otn.Linker    = (*Process)(nil)
	_ otn.Validator = (*Process)(nil)
	_ otn.Describer = (*Process)(nil)
)

// New makes a Process and starts nothing: Run does.
func New(s Spec) *Process {
	s.fill()
	return &Process{spec: s, state: State{Phase: Stopped, Since: time.Now()}, changed: make(chan struct{}), release: make(chan struct{}, 1), replace: make(chan chan<- error)}
}

// Send hands a delivery to the plugin and waits for its answer. Before the plugin is ready and while it is down the answer is
// Deferred at once: certainly not sent. A ctx that ends while the plugin has the delivery makes it Unknown, and so does the plugin's death.
func (p *Process) Send(ctx context.Context, d otn.Delivery) (otn.Receipt, error) {
	began := time.Now()
	m := wire.FromDelivery(&d)
	m.Instance = p.spec.Name
	r, err := p.inPlace(func(l *life) (otn.Receipt, error) {
		if d.Reply && !l.about.Capabilities.Replies { // a plugin of an older minor would take it for a message like any other
			return otn.Receipt{}, &otn.SendError{Outcome: otn.Invalid, Code: "cannot_reply", Err: fmt.Errorf("plugin %s says no replies", l.about.Name)}
		}
		return l.stream.send(ctx, m, l.about.Capabilities.MaxMessage)
	})
	outcome, _ := otn.OutcomeOf(err)
	p.meter.answered(outcome, time.Since(began))
	return r, p.wrap("send", err)
}

// inPlace makes a call to the process that is in place. What it certainly did not start, because another takes its place, goes to that one.
func (p *Process) inPlace(call func(*life) (otn.Receipt, error)) (otn.Receipt, error) {
	for {
		l, err := p.enter()
		if err != nil {
			return otn.Receipt{}, err
		}
		r, err := call(l)
		l.inside.Done()
		if !leaving(err) || !p.replaced(l) {
			return r, err
		}
	}
}

// leaving reports whether a process started nothing because it is about to go: it said so, or its stream was shut for that reason.
func leaving(err error) bool {
	if err == nil {
		return false
	}
	outcome, se := otn.OutcomeOf(err)
	return outcome == otn.Deferred && (se.Code == "draining" || errors.Is(err, errReplaced))
}

func (p *Process) replaced(l *life) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.life != nil && p.life != l
}

// Ask has the plugin request consent. Its errors are those of Send.
func (p *Process) Ask(ctx context.Context, a otn.Ask) (otn.Receipt, error) {
	m := wire.FromAsk(&a)
	m.Instance = p.spec.Name
	r, err := p.inPlace(func(l *life) (otn.Receipt, error) {
		if _, err := fits(m, 0); err != nil {
			return otn.Receipt{}, err
		}
		if ctx.Err() != nil {
			return otn.Receipt{}, gaveUp(context.Cause(ctx))
		}
		result, err := l.calls.Ask(ctx, m)
		if err != nil {
			return otn.Receipt{}, &otn.SendError{Outcome: otn.Unknown, Code: "lost", Err: err}
		}
		return wire.ToResult(result)
	})
	return r, p.wrap("ask", err)
}

// Link has the plugin make a link. Errors: otn.ErrUnavailable while the plugin is down, and those of otn.Linker.
func (p *Process) Link(ctx context.Context, ref string) (string, error) {
	l, err := p.enter()
	if err != nil {
		return "", p.wrap("link", otn.ErrUnavailable)
	}
	defer l.inside.Done()
	ctx, cancel := context.WithTimeout(ctx, p.spec.Call)
	defer cancel()
	answer, err := l.calls.Link(ctx, &wire.LinkRequest{Instance: p.spec.Name, Ref: strings.ToValidUTF8(ref, "\uFFFD")})
	if err != nil {
		return "", p.wrap("link", fmt.Errorf("%w: %w", otn.ErrUnavailable, err))
	}
	url, err := wire.ToLink(answer)
	return url, p.wrap("link", err)
}

// Receive has the plugin authenticate and decode a webhook call. Errors: otn.ErrUnavailable while the plugin is down or does not answer in time,
// otn.ErrInvalid for a call too large to hand over or an answer that makes no sense, and the plugin's own faults.
func (p *Process) Receive(ctx context.Context, r otn.Request) (otn.Response, []otn.Record, error) {
	fail := func(err error) (otn.Response, []otn.Record, error) {
		return otn.Response{}, nil, p.wrap("receive", err)
	}
	l, err := p.enter()
	if err != nil {
		return fail(otn.ErrUnavailable)
	}
	defer l.inside.Done()
	ctx, cancel := context.WithTimeout(ctx, p.spec.Call)
	defer cancel()
	m := wire.FromRequest(p.spec.Name, &r)
	if _, err := fits(m, 0); err != nil {
		return fail(otn.ErrInvalid)
	}
	answer, err := l.calls.Receive(ctx, m)
	if err != nil {
		return fail(fmt.Errorf("%w: %w", otn.ErrUnavailable, err))
	}
	resp, records, err := wire.ToResponse(answer)
	if err != nil {
		return fail(err)
	}
	l.account(records)
	return resp, records, nil
}

// account says of consents whose tokens are minted through which account they are spent: the one that asked.
func (l *life) account(records []otn.Record) {
	for _, r := range records {
		if c := r.Consent; c != nil && c.Mint && c.Token.Account() == "" {
			c.Token = otn.NewToken(l.about.Account, "")
		}
	}
}

// Validate has the plugin ask its platform whether the configuration is good. It sends nothing to anybody. Errors: *ConfigError for what is
// wrong, otn.ErrNotFound where the plugin has no way to ask, otn.ErrUnavailable while it is down or does not answer in time.
func (p *Process) Validate(ctx context.Context) error {
	l, err := p.enter()
	if err != nil {
		return p.wrap("validate", otn.ErrUnavailable)
	}
	defer l.inside.Done()
	ctx, cancel := context.WithTimeout(ctx, p.spec.Call)
	defer cancel()
	asked, err := l.validate(ctx, true)
	switch {
	case err != nil && !errors.Is(err, otn.ErrInvalid):
		return p.wrap("validate", fmt.Errorf("%w: %w", otn.ErrUnavailable, err))
	case err == nil && !asked:
		err = fmt.Errorf("plugin %s has no way to ask its platform: %w", l.about.Name, otn.ErrNotFound)
	}
	return p.wrap("validate", err)
}

// Describe gives what the plugin said when it was configured, also while it is down. Errors: otn.ErrUnavailable before it was ever ready.
func (p *Process) Describe(context.Context) (otn.Description, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.about == nil {
		return otn.Description{}, p.wrap("describe", otn.ErrUnavailable)
	}
	return *p.about, nil
}

// alive gives the life that is in place. Errors: *otn.SendError, Deferred.
func (p *Process) alive() (*life, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.inPlaceNow()
}

// enter gives the life that is in place and counts a call inside it: the caller ends it with inside.Done. Errors: *otn.SendError, Deferred.
func (p *Process) enter() (*life, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l, err := p.inPlaceNow()
	if err == nil {
		l.inside.Add(1)
	}
	return l, err
}

// inPlaceNow is the life that is in place. The lock is held.
func (p *Process) inPlaceNow() (*life, error) {
	if p.life != nil {
		return p.life, nil
	}
	return nil, &otn.SendError{
		Outcome: otn.Deferred, Scope: otn.ChannelScope, Code: "down", After: max(time.Until(p.state.Next), 0),
		Err: fmt.Errorf("the plugin is %s: %w", p.state.Phase, otn.ErrUnavailable),
	}
}

// wrap says where an error was met. A SendError stays one: errors.As finds it, and its text gains nothing it had not.
func (p *Process) wrap(verb string, err error) error {
	if err == nil {
		return nil
	}
	if se := (*otn.SendError)(nil); errors.As(err, &se) && se.Err != nil {
		in := *se
		in.Err = fmt.Errorf("plugins: %s %s: %w", verb, p.spec.Name, se.Err)
		return &in
	} else if se != nil {
		return se
	}
	return fmt.Errorf("plugins: %s %s: %w", verb, p.spec.Name, err)
}

// fits measures a message, and refuses before it is handed over what could not cross the border: it would end the stream for
// all others. limit is the plugin's own; 0: none.
func fits(m proto.Message, limit int) (size int, err error) {
	if limit <= 0 || limit > wire.MaxDelivery {
		limit = wire.MaxDelivery
	}
	encoded, err := proto.Marshal(m)
	if err != nil {
		return 0, &otn.SendError{Outcome: otn.Invalid, Code: "not_utf8", Err: errors.New("a text in it is not UTF-8")}
	}
	if len(encoded) > limit {
		return 0, &otn.SendError{Outcome: otn.Invalid, Code: "too_large", Err: fmt.Errorf("%d bytes, the limit is %d", len(encoded), limit)}
	}
	return len(encoded), nil
}
