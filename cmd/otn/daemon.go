// The daemon: two doors, a host, and a process for each channel and source; started and stopped in the order of the data path.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/onetimenotify/otn/cmd/otn/config"
	"github.com/onetimenotify/otn/cmd/otn/traces"
	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/api"
	web "github.com/onetimenotify/otn/core/console"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins"
)

// closing is how long the doors wait for calls that are under way.
const closing = 10 * time.Second

// daemon is what otn serve runs.
type daemon struct {
	config     *config.Config
	rules      otn.Rules
	log        *slog.Logger
	command    []string // starts this program: built-in plugins are the program itself
	version    string
	say        func(format string, args ...any)
	attach     map[string]plugins.Attached // processes under a debugger, by the name of the plugin or the instance
	taken      net.Listener                // the public door, where it is open already; nil: it is opened
	ready      func(doors)                 // called once, when the doors are open; nil: not called
	traces     *traces.Setup               // where traces are sent; nil: nowhere
	supervisor func(state string)          // hears where the daemon stands; nil: there is none

	reread    func() (otn.Rules, error) // compiles the rule files as they are now; nil: they are not read anew
	paths     func() ([]string, error)  // names them; nil: the console shows no files
	hup       <-chan os.Signal          // asks for that
	changed   <-chan struct{}           // as well: a rule file has changed
	reloading sync.Mutex
}

// run works until ctx ends, and then stops in order: doors, host, plugins. When hurry ends nothing is waited for.
// It returns when nothing is left.
func (d *daemon) run(ctx, hurry context.Context) error {
	open, err := d.listen(ctx)
	if err != nil {
		return err
	}
	defer open.close()
	processes := d.processes()
	measured := d.measure(processes)
	meters, stopTracing, err := d.trace(ctx, measured)
	if err != nil {
		return err
	}
	defer stopTracing(hurry)
	host, err := d.host(processes, meters)
	if err != nil {
		return err
	}
	measured.Watch(host)

	defer d.plug(hurry, processes)()
	hosting, stopHost := context.WithCancel(context.WithoutCancel(ctx))
	defer stopHost()
	ended := make(chan error, 1)
	go func() { ended <- host.Run(hosting) }()
	stop := func(err error) error {
		stopHost()
		return errors.Join(err, <-ended)
	}

	admin := &gate{}
	operators := adminDoor(admin, &health{host, processes, measured, scrapers(open.admin.Addr(), host)})
	failed := open.serve(proxied(d.config.Proxies, hooksDoor(host)), proxied(d.config.Proxies, operators), d.log)
	select {
	case <-host.Ready():
	case err := <-ended:
		return err
	case err := <-failed:
		return stop(err)
	case <-ctx.Done():
		return stop(nil)
	}
	if err := d.announce(host, processes, open, admin); err != nil {
		return stop(err)
	}
	defer d.leave()

	for on := true; on; {
		on = false
		select {
		case err = <-failed:
		case err := <-ended:
			return fmt.Errorf("the host ended: %w", err)
		case <-ctx.Done():
			d.tellSupervisor(systemd.SdNotifyStopping)
			d.log.Info("stopping")
		case <-d.hup:
			open.recertify(d.log)
			on = d.tries(hosting, host, "SIGHUP")
		case <-d.changed:
			on = d.tries(hosting, host, "a rule file has changed")
		}
	}
	open.shut(hurry)
	return stop(err)
}

// tries reloads; what was wrong is told already, and the daemon goes on in any case.
func (d *daemon) tries(ctx context.Context, host *core.Host, why string) bool {
	e := core.AuditEntry{Act: "reload-rules", From: why, Outcome: "done"}
	if d.reload(ctx, host, why) != nil {
		e.Outcome = "rules"
	}
	if err := host.Record(ctx, e); err != nil {
		d.log.Error("a reload is not in the audit log", "error", err)
	}
	return true
}

// plug starts the processes. What it returns ends them, and waits until they are gone.
func (d *daemon) plug(ctx context.Context, processes map[string]living) (unplug func()) {
	living, end := context.WithCancel(ctx)
	var plugged sync.WaitGroup
	for _, p := range processes {
		plugged.Go(func() {
			if err := p.Run(living); err != nil && living.Err() == nil {
				d.log.Error("a plugin is given up", "error", err)
			}
		})
	}
	return func() {
		end()
		plugged.Wait()
	}
}

// processes makes a process for each instance, or what stands for one; none is started.
func (d *daemon) processes() map[string]living {
	all := map[string]living{}
	for _, i := range append(append([]config.Instance{}, d.config.Channels...), d.config.Sources...) {
		spec := specOf(d.config, i, d.command)
		spec.Attach = d.attached(i)
		spec.Log, spec.Grace = d.log, time.Second // a process is stopped when the host has settled everything, or in a hurry
		if i.Inside {
			all[i.Name] = newInside(builtins()[i.Plugin], spec)
		} else {
			all[i.Name] = plugins.New(spec)
		}
	}
	return all
}

// attached is the process under a debugger that an instance speaks to, where there is one.
func (d *daemon) attached(i config.Instance) *plugins.Attached {
	for _, name := range []string{i.Name, filepath.Base(i.Plugin)} {
		if a, ok := d.attach[name]; ok && !i.Inside {
			return &a
		}
	}
	return nil
}

func (d *daemon) host(processes map[string]living, meter otn.Meter) (*core.Host, error) {
	c := core.Config{
		Dir: d.config.Data, Rules: d.rules, Log: d.log, Zone: d.config.Zone, Keep: d.config.Keep, Meter: meter,
		Channels: map[string]otn.Channel{}, Sources: map[string]otn.Receiver{}, Polls: map[string]core.Poll{}, Rates: map[string]float64{},
	}
	for _, i := range d.config.Channels {
		c.Channels[i.Name] = processes[i.Name]
		if i.Rate > 0 {
			c.Rates[i.Name] = i.Rate
		}
	}
	for _, i := range d.config.Sources {
		c.Sources[i.Name] = processes[i.Name]
		if i.Poll != "" {
			c.Polls[i.Name] = core.Poll{Line: i.Poll, TZ: d.config.Zone.String(), Poller: processes[i.Name]}
		}
	}
	return core.New(c)
}

// announce opens the operator's door and says where the doors are.
func (d *daemon) announce(host *core.Host, processes map[string]living, open *listening, admin *gate) error {
	key, err := api.Key(d.config.Data)
	if err != nil {
		return err
	}
	if err := host.Trust(api.KeyFile, key); err != nil {
		return err
	}
	speaks := author{capabilitiesOf(d.config.Channels)}
	door := api.New(shown{host, processes}, api.Options{Version: d.version, Log: d.log, Reload: d.atDoor(host), Author: speaks, Plugins: alive{processes}, Stopping: open.stopping})
	pages, err := web.New(shown{host, processes}, d.console(host, processes, speaks))
	if err != nil {
		return err
	}
	admin.open(twoDoors(door, pages))
	at := open.doors()
	if err := writeDoors(d.config.Data, at); err != nil {
		return err
	}
	hooks, operators := scheme(d.config.HooksTLS)+at.Hooks, scheme(d.config.AdminTLS)+at.Admin
	d.say("otn is ready: hooks %s, admin %s\nconsole: %s/, log in with the key in %s", hooks, operators, operators, filepath.Join(d.config.Data, api.KeyFile))
	d.tellSupervisor(systemd.SdNotifyReady)
	if d.ready != nil {
		d.ready(at)
	}
	return nil
}

// tellSupervisor says where the daemon stands, where somebody wants to hear it.
func (d *daemon) tellSupervisor(state string) {
	if d.supervisor != nil {
		d.supervisor(state)
	}
}

// scheme is how an address of a door begins.
func scheme(p config.Pair) string {
	if p.Set() {
		return "https://"
	}
	return "http://"
}

// console is what the console is made with.
func (d *daemon) console(host *core.Host, processes map[string]living, speaks author) web.Options {
	o := web.Options{
		TLS: d.config.AdminTLS.Set(), Version: d.version, Zone: d.config.Zone, Log: d.log, Author: speaks, Plugins: alive{processes},
		Backups: filepath.Join(filepath.Dir(d.config.Data), "backups"),
	}
	if d.paths != nil && d.reread != nil {
		o.Files = &ruleFiles{paths: d.paths, reload: d.atDoor(host)}
	}
	return o
}

// leave takes the addresses away, so that nobody looks for a daemon that has ended.
func (d *daemon) leave() { _ = os.Remove(filepath.Join(d.config.Data, addrFile)) }

// writeDoors replaces the file of addresses in one step.
func writeDoors(data string, at doors) error {
	text, err := json.Marshal(at)
	if err != nil {
		return err
	}
	path := filepath.Join(data, addrFile)
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// shown is the host with what is known of its processes.
type shown struct {
	*core.Host
	processes map[string]living
}

// Instances adds the state of each process.
func (s shown) Instances(ctx context.Context) (channels, sources []core.InstanceView) {
	channels, sources = s.Host.Instances(ctx)
	for _, list := range [][]core.InstanceView{channels, sources} {
		for i := range list {
			s.stand(&list[i])
		}
	}
	return channels, sources
}

// stand puts a process's state in the operator's words.
func (s shown) stand(v *core.InstanceView) {
	state := s.processes[v.Name].State()
	switch state.Phase {
	case plugins.Ready:
		return
	case plugins.Backoff, plugins.Misconfigured:
		v.State = "degraded"
	default:
		v.State = string(state.Phase)
	}
	v.LastError = ""
	if state.Err != nil {
		v.LastError = state.Err.Error()
	}
}

// listening is a pair of doors with their servers.
type listening struct {
	hooks, admin net.Listener
	servers      []*http.Server
	certificates [2]*certificate // of the doors in this order; nil: plain HTTP
	stopping     chan struct{}   // closed when no stream goes on
	stop         func()
}

// listen takes both addresses, or none.
func (d *daemon) listen(ctx context.Context) (*listening, error) {
	l := listening{hooks: d.taken, stopping: make(chan struct{})}
	l.stop = sync.OnceFunc(func() { close(l.stopping) })
	for i, p := range []config.Pair{d.config.HooksTLS, d.config.AdminTLS} {
		c, err := certify(p)
		if err != nil {
			return nil, &coded{exitConfig, err, "name the files of a certificate and its key with tls in the configuration"}
		}
		l.certificates[i] = c
	}
	var err error
	config := net.ListenConfig{}
	if l.hooks == nil {
		if l.hooks, err = config.Listen(ctx, "tcp", d.config.Hooks); err != nil {
			return nil, &coded{exitFailed, err, "give listen.hooks another address"}
		}
	}
	if l.admin, err = config.Listen(ctx, "tcp", d.config.Admin); err != nil {
		l.close()
		return nil, &coded{exitFailed, err, "give listen.admin another address"}
	}
	return &l, nil
}

func (l *listening) doors() doors {
	return doors{Hooks: l.hooks.Addr().String(), Admin: l.admin.Addr().String()}
}

// serve answers at both doors. The channel gets the error of a door that fails.
func (l *listening) serve(hooks, admin http.Handler, log *slog.Logger) <-chan error {
	failed := make(chan error, 2)
	doors := []net.Listener{newCrowd(l.hooks, perAddress), l.admin}
	l.servers = []*http.Server{limited(hooks, log, 15*time.Second), limited(admin, log, time.Minute)}
	for i, server := range l.servers {
		server.TLSConfig = l.certificates[i].config()
		go func() {
			serve := func() error { return server.Serve(doors[i]) }
			if server.TLSConfig != nil {
				serve = func() error { return server.ServeTLS(doors[i], "", "") }
			}
			if err := serve(); !errors.Is(err, http.ErrServerClosed) {
				failed <- err
			}
		}()
	}
	return failed
}

// recertify reads the certificates anew. One that is at fault leaves that of before.
func (l *listening) recertify(log *slog.Logger) {
	for _, c := range l.certificates {
		if err := c.read(); err != nil {
			log.Error("a certificate was not read anew: the old one goes on", "error", err)
		}
	}
}

// limited is a server that nobody can hold up. write is how long an answer may take.
func limited(h http.Handler, log *slog.Logger, write time.Duration) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: write,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// shut lets the calls that are under way end, and takes no new ones.
func (l *listening) shut(hurry context.Context) {
	l.stop()
	ctx, cancel := context.WithTimeout(hurry, closing)
	defer cancel()
	for _, s := range l.servers {
		_ = s.Shutdown(ctx) // what is left after that close ends
	}
	l.close()
}

func (l *listening) close() {
	for _, s := range l.servers {
		_ = s.Close()
	}
	for _, listener := range []net.Listener{l.hooks, l.admin} {
		if listener != nil {
			_ = listener.Close()
		}
	}
}
