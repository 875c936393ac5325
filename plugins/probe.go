// One process of a plugin that is looked at, not run: what it is, and whether a configuration would do.

package plugins

import (
	"context"
	"errors"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	rpc "google.golang.org/grpc/status"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/internal/wire"
)

// Probe is a plugin's process without a supervisor. No instance is configured in it. Close it in the end.
type Probe struct {
	life   *life
	meter  *meter
	remove func()
}

// Look launches a plugin and shakes hands with it. s.Config is what Validate looks at. Errors: why it could not be had; otn.ErrInvalid
// is in it where the program's file is at fault.
func Look(ctx context.Context, s Spec) (*Probe, error) {
	s.fill()
	p := &Probe{meter: new(meter)}
	dir, remove, err := socketDir("", s.Name)
	if err == nil {
		p.remove = remove
		p.life, err = start(ctx, &s, p.meter, dir, func(*life, context.Context) error { return nil })
		if err != nil {
			remove()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("plugins: %w", err)
	}
	return p, nil
}

// Describe asks the plugin what it is. It has no instance: there is no account.
func (p *Probe) Describe(ctx context.Context) (otn.Description, error) {
	ctx, cancel := context.WithTimeout(ctx, p.life.spec.Call)
	defer cancel()
	about, err := p.life.calls.Describe(ctx, &wire.DescribeRequest{})
	if err != nil {
		return otn.Description{}, p.fault("describe", err)
	}
	return wire.ToDescription(about), nil
}

// Validate looks at the configuration: against the plugin's schema, then with the plugin itself. A deep look may ask the platform; asked
// says whether it did. Errors: *ConfigError for what is wrong, and those of a plugin that does not answer.
func (p *Probe) Validate(ctx context.Context, deep bool) (asked bool, err error) {
	about, err := p.Describe(ctx)
	if err != nil {
		return false, err
	}
	found, err := Check(about.Schema, p.life.spec.Config)
	if err != nil {
		return false, err
	}
	if len(found) > 0 {
		return false, &ConfigError{Diagnostics: found}
	}
	ctx, cancel := context.WithTimeout(ctx, p.life.spec.StartTimeout)
	defer cancel()
	return p.life.validate(ctx, deep)
}

// validate has the plugin look at the configuration. One that cannot, because its kit is older, is asked nothing.
func (l *life) validate(ctx context.Context, deep bool) (asked bool, err error) {
	answer, err := l.calls.Validate(ctx, &wire.ValidateRequest{Instance: l.spec.Name, Config: l.spec.Config, PublicUrl: l.spec.PublicURL, Deep: deep})
	switch {
	case rpc.Code(err) == codes.Unimplemented:
		return false, nil
	case err != nil:
		return false, fmt.Errorf("validate: %w", err)
	}
	return answer.GetDeep(), wire.ToConfigError(answer.GetFaults())
}

// fault says why a call of it failed: a process that has ended tells more than the connection.
func (p *Probe) fault(verb string, err error) error {
	select {
	case <-p.life.child.exited:
		err = p.life.child.reason()
	default:
		err = errors.New(rpc.Convert(err).Message())
	}
	return fmt.Errorf("plugins: %s: %w", verb, err)
}

// Conn is the connection, for who examines the protocol itself.
func (p *Probe) Conn() grpc.ClientConnInterface { return p.life.conn }

// Addr is where the plugin listens.
func (p *Probe) Addr() net.Addr { return p.life.addr }

// PID is the process.
func (p *Probe) PID() int { return p.life.child.pid() }

// Exited is closed when the process is gone.
func (p *Probe) Exited() <-chan struct{} { return p.life.child.exited }

// Printed is how many lines the plugin has printed to stdout after its handshake.
func (p *Probe) Printed() int { return int(p.life.child.printed.Load()) }

// HangUp closes the plugin's stdin, as the end of its host does: it is to end by itself.
func (p *Probe) HangUp() { p.life.child.hangUp() }

// Close ends the process and whatever it started.
func (p *Probe) Close() {
	p.life.end(true)
	p.remove()
}
