// The calls about plugins: let one start again, and ask a platform whether a configuration is good.

package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// Plugins are the instances of a daemon, with their supervision.
type Plugins interface {
	// Release lets a plugin start again: one that is put away or waits, at once; one that runs is replaced by its program as it is now.
	// Errors: otn.ErrNotFound, otn.ErrRefused, and why a new process could not be had.
	Release(ctx context.Context, instance string) error
	// Validate asks the platform whether the configuration is good, and sends nothing. asked is false where the plugin cannot.
	Validate(ctx context.Context, instance string) (asked bool, wrong []string, err error)
}

func (d *door) supervision(a huma.API) {
	post(a, core.ScopeAdmin, "release-plugin", "/v1/plugins/{name}/release", "Let a plugin start again",
		"Of a channel or a source by its name: out of quarantine, or at once where it waits. One that runs is replaced without a gap by its program as it is on disk now.", http.StatusOK, d.release)
	post(a, core.ScopeAdmin, "test-channel", "/v1/channels/{name}/test", "Ask the platform whether a channel's configuration is good",
		"Nothing is sent to anybody. asked is false where the plugin has no way to ask.", http.StatusOK, d.testChannel)
}

// TestAnswer says what a platform thinks of a channel's configuration.
type TestAnswer struct {
	Channel string   `json:"channel"`
	State   string   `json:"state"`
	Asked   bool     `json:"asked" doc:"The platform was asked."`
	Wrong   []string `json:"wrong" doc:"What is wrong; empty: nothing."`
}

type byName struct {
	Idempotent
	Name string `path:"name" maxLength:"64"`
}

func (d *door) release(ctx context.Context, in *byName) (*answer[core.InstanceView], error) {
	if d.plugins == nil {
		return nil, d.problem(ctx, fmt.Errorf("api: this host has no plugins to release: %w", otn.ErrNotFound))
	}
	if err := d.plugins.Release(ctx, in.Name); err != nil {
		return nil, d.problem(ctx, err)
	}
	v, err := d.instance(ctx, in.Name)
	return say(ctx, d, http.StatusOK, v, err)
}

func (d *door) testChannel(ctx context.Context, in *byName) (*answer[TestAnswer], error) {
	if d.plugins == nil {
		return nil, d.problem(ctx, fmt.Errorf("api: this host has no plugins to ask: %w", otn.ErrNotFound))
	}
	v, err := d.instance(ctx, in.Name)
	if err != nil {
		return nil, d.problem(ctx, err)
	}
	asked, wrong, err := d.plugins.Validate(ctx, in.Name)
	return say(ctx, d, http.StatusOK, TestAnswer{Channel: in.Name, State: v.State, Asked: asked, Wrong: full(wrong)}, err)
}

// instance finds a channel or a source by its name. Errors: otn.ErrNotFound.
func (d *door) instance(ctx context.Context, name string) (core.InstanceView, error) {
	channels, sources := d.host.Instances(ctx)
	for _, v := range append(channels, sources...) {
		if v.Name == name {
			return v, nil
		}
	}
	return core.InstanceView{}, fmt.Errorf("api: instance %q: %w", name, otn.ErrNotFound)
}
