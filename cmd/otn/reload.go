// Rules read anew while the daemon runs: by SIGHUP, by the operator's door, or whenever a file changes.

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/onetimenotify/otn/cmd/otn/config"
	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/api"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/rules"
)

// reread compiles the rule files that the configuration names now, whatever it named when the daemon began.
func (k *call) reread() (otn.Rules, error) {
	paths, err := k.rulePaths()
	if err != nil {
		return nil, err
	}
	files, err := readRules(paths)
	if err != nil {
		return nil, err
	}
	set, err := rules.Compile(files...)
	if err != nil {
		return nil, err
	}
	for _, w := range set.Warnings() {
		k.say("%s", w)
	}
	return set, nil
}

// rulePaths are the files that the configuration names now.
func (k *call) rulePaths() ([]string, error) {
	c, err := config.Load(config.Options{File: k.file, Env: k.env, Flags: k.flags, Part: config.Rules})
	if err != nil {
		return nil, err
	}
	return c.Rules, nil
}

// stamps tells whether any rule file has changed, come or gone: two equal ones say no.
func (k *call) stamps() string {
	paths, err := k.rulePaths()
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, path := range paths {
		at := "gone"
		if about, err := os.Stat(path); err == nil {
			at = fmt.Sprint(about.Size(), about.ModTime().UnixNano())
		}
		_, _ = fmt.Fprintln(&b, path, at)
	}
	return b.String()
}

// watchEvery is how often the rule files are looked at. A change counts once the files have stayed the same for as long.
const watchEvery = 250 * time.Millisecond

// watch says whenever the stamps have changed, until ctx ends or what it returns is called.
func (d *daemon) watch(ctx context.Context, stamps func() string) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	changed, ended := make(chan struct{}, 1), make(chan struct{})
	d.changed = changed
	go func() {
		defer close(ended)
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		read := stamps()
		for before := read; ; {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			now := stamps()
			if now != read && now == before {
				read = now
				select {
				case changed <- struct{}{}:
				default:
				}
			}
			before = now
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

// reload lets the rules decide that stand in the files now, all of them or, when one is at fault, none.
func (d *daemon) reload(ctx context.Context, host *core.Host, why string) error {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	set, err := d.reread()
	if err == nil {
		err = host.Reload(ctx, set)
	}
	if err != nil {
		d.say("%s", complain(err))
		d.log.Error("the rules were not read anew: the old version goes on", "why", why)
		return err
	}
	d.log.Info("the rules were read anew", "why", why, "version", set.Version())
	return nil
}

// atDoor is reload for the operator's door, which tells each fault with its place.
func (d *daemon) atDoor(host *core.Host) func(context.Context) error {
	if d.reread == nil {
		return nil
	}
	return func(ctx context.Context) error {
		err := d.reload(ctx, host, "asked at the operator's door")
		var wrong rules.Errors
		var faults config.Faults
		found := &api.Faulty{}
		switch {
		case err == nil:
			return nil
		case errors.As(err, &wrong):
			return faultyOf(wrong)
		case errors.As(err, &faults), errors.Is(err, os.ErrNotExist), errors.Is(err, os.ErrPermission):
			found.Faults = []api.Fault{{Location: d.config.File, Message: err.Error()}}
		default:
			return err
		}
		return found
	}
}

// place is where a rule stands.
func place(r core.RuleView) string {
	if r.File == "" {
		return ""
	}
	return fmt.Sprintf("%s:%d", r.File, r.Line)
}

// oneLine is a text on one line, cut where it is long.
func oneLine(text string) string {
	const most = 60
	line := []rune(strings.Join(strings.Fields(text), " "))
	if len(line) > most {
		line = append(line[:most-1], '…')
	}
	return string(line)
}

// faultyOf is the faults of rules in the form of the door.
func faultyOf(wrong rules.Errors) *api.Faulty {
	found := &api.Faulty{}
	for _, e := range wrong {
		text := e.Message + " [" + e.Code + "]"
		if e.Hint != "" {
			text += ": " + e.Hint
		}
		found.Faults = append(found.Faults, api.Fault{Location: fmt.Sprintf("%s:%d:%d", e.File, e.Line, e.Col), Message: text})
	}
	return found
}
