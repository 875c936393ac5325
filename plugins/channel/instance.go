// An instance: the author's type behind guards that hold whatever the author does.

package channel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/internal/wire"
)

// Instance is an open channel or source. It has every method, whatever the author's type implements: Describe tells which are of use.
// A panic of the author's is Unknown or an error, never the end of the process; a delivery past its deadline is not started.
type Instance struct {
	impl  any
	about otn.Description
	at    Setup
}

var (
	_ otn.Channel   = (*Instance)(nil)
	_ otn.Receiver  = (*Instance)(nil)
	_ otn.Asker     = (*Instance)(nil)
	_ otn.Linker    = (*Instance)(nil)
	_ otn.Poller    = (*Instance)(nil)
	_ otn.Listener  = (*Instance)(nil)
	_ otn.Lookuper  = (*Instance)(nil)
	_ otn.Validator = (*Instance)(nil)
	_ otn.Describer = (*Instance)(nil)
	_ io.Closer     = (*Instance)(nil)
)

func newInstance(about otn.Description, impl any, at Setup) (*Instance, error) {
	can := &about.Capabilities
	_, can.Sends = impl.(otn.Channel)
	_, can.Receives = impl.(otn.Receiver)
	_, can.Asks = impl.(otn.Asker)
	_, can.Polls = impl.(otn.Poller)
	_, can.Links = impl.(otn.Linker)
	_, can.Listens = impl.(otn.Listener)
	_, can.Lookups = impl.(otn.Lookuper)
	if !can.Sends && !can.Receives && !can.Asks && !can.Polls && !can.Listens {
		return nil, Fault("", "plugin %s opened a %T, which implements none of otn.Channel, otn.Receiver, otn.Poller, otn.Listener and otn.Asker", about.Name, impl)
	}
	return &Instance{impl, about, at}, nil
}

// Unwrap gives what the author's New returned, for tests of a plugin in its own package.
func (i *Instance) Unwrap() any { return i.impl }

// Send guards and calls the author's Send. An author whose capabilities do not say Replies never sees a reply.
func (i *Instance) Send(ctx context.Context, d otn.Delivery) (r otn.Receipt, err error) {
	impl, ok := i.impl.(otn.Channel)
	if !ok {
		return r, cannot("send", i.about.Name)
	}
	if d.Reply {
		if about, err := i.Describe(ctx); err != nil || !about.Capabilities.Replies {
			return r, cannot("reply", i.about.Name)
		}
	}
	if late(d.Deadline) {
		return r, expired()
	}
	if ctx.Err() != nil {
		return r, NotSent(context.Cause(ctx))
	}
	defer i.recovered("Send", &err)
	return impl.Send(ctx, d)
}

// Ask guards and calls the author's Ask.
func (i *Instance) Ask(ctx context.Context, a otn.Ask) (r otn.Receipt, err error) {
	impl, ok := i.impl.(otn.Asker)
	if !ok {
		return r, cannot("ask", i.about.Name)
	}
	if late(a.Deadline) {
		return r, expired()
	}
	defer i.recovered("Ask", &err)
	return impl.Ask(ctx, a)
}

// Lookup guards and calls the author's Lookup. A panic leaves open what became of the message. Errors: otn.ErrNotFound for a plugin that
// looks nothing up, and the author's.
func (i *Instance) Lookup(ctx context.Context, d otn.Delivery) (r otn.Receipt, err error) {
	impl, ok := i.impl.(otn.Lookuper)
	if !ok {
		return r, fmt.Errorf("plugin %s looks nothing up: %w", i.about.Name, otn.ErrNotFound)
	}
	if ctx.Err() != nil {
		return r, context.Cause(ctx)
	}
	defer i.recovered("Lookup", &err)
	return impl.Lookup(ctx, d)
}

// Link guards and calls the author's Link. Errors: otn.ErrNotFound for a plugin that makes no links, and the author's.
func (i *Instance) Link(ctx context.Context, ref string) (url string, err error) {
	impl, ok := i.impl.(otn.Linker)
	if !ok {
		return "", fmt.Errorf("plugin %s makes no links: %w", i.about.Name, otn.ErrNotFound)
	}
	defer i.recovered("Link", &err)
	return impl.Link(ctx, ref)
}

// Receive guards and calls the author's Receive. An instance that receives nothing answers 404.
func (i *Instance) Receive(ctx context.Context, r otn.Request) (resp otn.Response, records []otn.Record, err error) {
	impl, ok := i.impl.(otn.Receiver)
	if !ok {
		return otn.Response{Status: http.StatusNotFound}, nil, nil
	}
	defer i.recovered("Receive", &err)
	return impl.Receive(ctx, r)
}

// Describe gives the plugin's description with the instance's account, and its capabilities by what it implements.
func (i *Instance) Describe(ctx context.Context) (about otn.Description, err error) {
	impl, ok := i.impl.(otn.Describer)
	if !ok {
		return i.about, nil
	}
	defer i.recovered("Describe", &err)
	own, err := impl.Describe(ctx)
	if err != nil {
		return otn.Description{}, err
	}
	about, can := i.about, i.about.Capabilities
	about.Account, about.Capabilities = own.Account, own.Capabilities
	about.Capabilities.Sends, about.Capabilities.Receives = can.Sends, can.Receives
	about.Capabilities.Polls, about.Capabilities.Asks, about.Capabilities.Links = can.Polls, can.Asks, can.Links
	about.Capabilities.Listens, about.Capabilities.Lookups = can.Listens, can.Lookups
	return about, nil
}

// Validate has the author ask the platform whether the configuration is good. Errors: *ConfigError for what is wrong, otn.ErrNotFound
// where the plugin has no way to ask.
func (i *Instance) Validate(ctx context.Context) (err error) {
	impl, ok := i.impl.(otn.Validator)
	if !ok {
		return fmt.Errorf("plugin %s has no way to ask its platform: %w", i.about.Name, otn.ErrNotFound)
	}
	defer func() {
		if err != nil {
			err = &ConfigError{Diagnostics: wire.Diagnose(err)}
		}
	}()
	defer i.recovered("Validate", &err)
	return impl.Validate(ctx)
}

// Close closes what the author opened, where that is an io.Closer.
func (i *Instance) Close() (err error) {
	impl, ok := i.impl.(io.Closer)
	if !ok {
		return nil
	}
	defer i.recovered("Close", &err)
	return impl.Close()
}

// recovered turns a panic of the author's into an error. Send's reader takes it for Unknown.
func (i *Instance) recovered(method string, err *error) {
	if r := recover(); r != nil {
		i.at.Log.Error("the plugin panicked", "in", method, "panic", fmt.Sprint(r), "stack", stack())
		*err = &otn.SendError{Outcome: otn.Unknown, Code: "panic", Err: errPanic}
	}
}

var errPanic = errors.New("the plugin panicked")

func stack() string { return string(debug.Stack()) }

func late(deadline time.Time) bool { return !deadline.IsZero() && time.Now().After(deadline) }

func expired() error {
	return &otn.SendError{Outcome: otn.Deferred, Code: "expired", Err: errors.New("the deadline passed before it was started")}
}

func cannot(verb, name string) error {
	return &otn.SendError{Outcome: otn.Invalid, Scope: otn.ChannelScope, Code: "cannot_" + verb, Err: fmt.Errorf("plugin %s cannot %s", name, verb)}
}
