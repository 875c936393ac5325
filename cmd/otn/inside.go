// What carries an instance: a process of its own, or, for a built-in plugin that is not isolated, this one.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/onetimenotify/otn/cmd/otn/config"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins"
	"github.com/onetimenotify/otn/plugins/channel"
)

// living is an instance with its supervision.
type living interface {
	otn.Channel
	otn.Receiver
	otn.Poller
	otn.Listener
	otn.Asker
	otn.Lookuper
	otn.Linker
	otn.Validator
	otn.Describer
	Run(ctx context.Context) error
	State() plugins.State
	Release()
	Replace(ctx context.Context) error
}

var (
	_ living = (*plugins.Process)(nil)
	_ living = (*inside)(nil)
)

// specOf is how an instance's plugin is launched. own is how this program is started.
func specOf(c *config.Config, i config.Instance, own []string) plugins.Spec {
	s := plugins.Spec{Name: i.Name, Plugin: i.Plugin, Command: []string{i.Plugin}, Env: i.Env, Lock: i.Lock, Config: json.RawMessage(i.Settings.Reveal())}
	if i.Builtin {
		s.Command = append(append([]string{}, own...), "plugin", i.Plugin)
	}
	if c.PublicURL != nil {
		s.PublicURL = c.PublicURL.JoinPath("hooks", i.Name).String()
	}
	return s
}

// inside is an instance of a built-in plugin in this process. It is open while it runs.
type inside struct {
	program channel.Program
	spec    plugins.Spec
	again   chan struct{} // opens one that could not be opened

	mu    sync.Mutex
	state plugins.State
	open  *channel.Instance
}

func newInside(p channel.Program, s plugins.Spec) *inside {
	return &inside{program: p, spec: s, again: make(chan struct{}, 1), state: plugins.State{Phase: plugins.Stopped, Since: time.Now()}}
}

// Run opens the instance and closes it when ctx is done. One whose configuration is at fault waits for Release.
func (i *inside) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		at := channel.Setup{Instance: i.spec.Name, PublicURL: i.spec.PublicURL, Log: i.spec.Log.With("instance", i.spec.Name, "plugin", i.spec.Plugin)}
		open, err := i.program.Open(ctx, i.spec.Config, at)
		if err != nil {
			i.spec.Log.Error("plugin cannot run as it is configured", "instance", i.spec.Name, "error", err)
			i.set(plugins.Misconfigured, nil, err)
			select {
			case <-i.again:
			case <-ctx.Done():
			}
			continue
		}
		i.set(plugins.Ready, open, nil)
		<-ctx.Done()
		i.set(plugins.Stopped, nil, nil)
		return open.Close()
	}
	i.set(plugins.Stopped, nil, nil)
	return nil
}

func (i *inside) set(p plugins.Phase, open *channel.Instance, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.open, i.state = open, plugins.State{Phase: p, Since: time.Now(), Err: err}
}

// State tells where the instance stands.
func (i *inside) State() plugins.State {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.state
}

// Release opens an instance that could not be opened once more.
func (i *inside) Release() {
	if i.State().Phase == plugins.Misconfigured {
		select {
		case i.again <- struct{}{}:
		default:
		}
	}
}

// Replace is refused: there is no process to put in the place of this one.
func (i *inside) Replace(context.Context) error {
	return fmt.Errorf("%s runs in the daemon's own process (isolation: none), which is restarted to replace it: %w", i.spec.Name, otn.ErrRefused)
}

// instance is what calls go to. Errors: otn.ErrUnavailable.
func (i *inside) instance() (*channel.Instance, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.open == nil {
		return nil, fmt.Errorf("%s is %s: %w", i.spec.Name, i.state.Phase, otn.ErrUnavailable)
	}
	return i.open, nil
}

// Send delivers. What comes while the instance is not open certainly did not leave.
func (i *inside) Send(ctx context.Context, d otn.Delivery) (otn.Receipt, error) {
	open, err := i.instance()
	if err != nil {
		return otn.Receipt{}, &otn.SendError{Outcome: otn.Deferred, Scope: otn.ChannelScope, Code: "down", Err: err}
	}
	return open.Send(ctx, d)
}

// Ask requests consent.
func (i *inside) Ask(ctx context.Context, a otn.Ask) (otn.Receipt, error) {
	open, err := i.instance()
	if err != nil {
		return otn.Receipt{}, &otn.SendError{Outcome: otn.Deferred, Scope: otn.ChannelScope, Code: "down", Err: err}
	}
	return open.Ask(ctx, a)
}

// Receive takes a webhook.
func (i *inside) Receive(ctx context.Context, r otn.Request) (otn.Response, []otn.Record, error) {
	open, err := i.instance()
	if err != nil {
		return otn.Response{}, nil, err
	}
	return open.Receive(ctx, r)
}

// Poll fetches.
func (i *inside) Poll(ctx context.Context, cursor string, yield func(otn.Record) error) (string, error) {
	open, err := i.instance()
	if err != nil {
		return "", err
	}
	return open.Poll(ctx, cursor, yield)
}

// Listen hears.
func (i *inside) Listen(ctx context.Context, cursor string, yield func(string, ...otn.Record) error) error {
	open, err := i.instance()
	if err != nil {
		return err
	}
	return open.Listen(ctx, cursor, yield)
}

// Lookup asks what became of a delivery.
func (i *inside) Lookup(ctx context.Context, d otn.Delivery) (otn.Receipt, error) {
	open, err := i.instance()
	if err != nil {
		return otn.Receipt{}, err
	}
	return open.Lookup(ctx, d)
}

// Link makes a link.
func (i *inside) Link(ctx context.Context, ref string) (string, error) {
	open, err := i.instance()
	if err != nil {
		return "", err
	}
	return open.Link(ctx, ref)
}

// Validate asks the platform.
func (i *inside) Validate(ctx context.Context) error {
	open, err := i.instance()
	if err != nil {
		return err
	}
	return open.Validate(ctx)
}

// Describe says what the instance is.
func (i *inside) Describe(ctx context.Context) (otn.Description, error) {
	open, err := i.instance()
	if err != nil {
		return otn.Description{}, err
	}
	return open.Describe(ctx)
}

// alive are the instances of a daemon, as its operator's door reaches them.
type alive struct{ all map[string]living }

func (a alive) find(name string) (living, error) {
	p, ok := a.all[name]
	if !ok {
		return nil, fmt.Errorf("instance %q: %w", name, otn.ErrNotFound)
	}
	return p, nil
}

// Release lets a plugin start again; one that runs is replaced by its program as it is now.
func (a alive) Release(ctx context.Context, name string) error {
	p, err := a.find(name)
	if err != nil {
		return err
	}
	if p.State().Phase != plugins.Ready {
		p.Release()
		return nil
	}
	if err := p.Replace(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("%w: the running process stays: %w", otn.ErrRefused, err)
	}
	return ctx.Err()
}

// Validate has an instance ask its platform whether the configuration is good. asked is false where it cannot.
func (a alive) Validate(ctx context.Context, name string) (asked bool, wrong []string, err error) {
	p, err := a.find(name)
	if err != nil {
		return false, nil, err
	}
	err = p.Validate(ctx)
	var ce *plugins.ConfigError
	switch {
	case errors.As(err, &ce):
		for _, d := range ce.Diagnostics {
			wrong = append(wrong, d.String())
		}
		return true, wrong, nil
	case errors.Is(err, otn.ErrNotFound):
		return false, nil, nil
	}
	return true, nil, err
}
