// otn doctor: what is wrong with this installation, each with what to do about it.

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/cmd/otn/config"
	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/api"
	"github.com/onetimenotify/otn/rules"
)

// The states of a finding.
const (
	fine    = "ok"
	warning = "warning"
	fault   = "fault"
)

// finding is what one look found.
type finding struct {
	Check  string `json:"check"`
	State  string `json:"state"`
	Found  string `json:"found"`
	Remedy string `json:"remedy,omitempty"`
}

// doctor looks at an installation.
type doctor struct {
	k     *call
	now   time.Time
	space func(dir string) (free, size uint64, err error) // bytes of the disk
	found []finding
}

func (d *doctor) add(check, state, found, remedy string) {
	d.found = append(d.found, finding{check, state, found, remedy})
}

// Where a disk counts as full, and a backup as old.
const (
	diskFull  = 256 << 20
	diskShort = 2 << 30
	backupOld = 48 * time.Hour
	clockAway = 24 * time.Hour // how far the newest moment on record may lie ahead

	certificateShort = 14 * 24 * time.Hour
)

func (k *call) doctor() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", GroupID: "keep", Short: "Find what is wrong, and what to do about it", Args: cobra.NoArgs,
		Long: "Look at the configuration, the rules, the data folder with its modes and keys, the disk, the backups, and at the daemon with its channels\n" +
			"and sources; where no daemon runs, at every row of the store, its witness and the clock. Nothing is changed.\n" +
			"Exit 1 when something is at fault, 7 when there are warnings.",
		Example: "  otn doctor\n  otn doctor -o json",
		RunE: k.does(func(ctx context.Context, _ []string) error {
			d := &doctor{k: k, now: time.Now(), space: diskBytes}
			d.examine(ctx)
			return d.tell()
		}),
	}
}

// examine looks at everything that can be looked at.
func (d *doctor) examine(ctx context.Context) {
	if err := d.k.load(config.Door); err != nil {
		d.add("configuration", fault, firstLine(err), "mend "+d.k.file+"; `otn config check` tells every fault with its line")
		return
	}
	data := d.k.config.Data
	d.whole()
	d.certificates()
	if _, err := os.Stat(data); err != nil {
		d.add("data folder", warning, data+" is not there", "start the daemon with `otn serve`: it makes it")
		return
	}
	d.modes(data)
	d.disk(data)
	d.backups(data)
	d.aside(data)
	d.running(ctx, data)
}

// whole reads the configuration with everything it names.
func (d *doctor) whole() {
	plain := d.k.config
	if err := d.k.load(config.Whole); err != nil {
		d.add("configuration", fault, firstLine(err), "mend "+d.k.file+"; `otn config check` tells every fault with its line")
		d.k.config = plain
		return
	}
	d.add("configuration", fine, d.k.file, "")
	d.rules()
}

// rules compiles the rule files: with a fault in one of them no daemon starts, and none reloads.
func (d *doctor) rules() {
	files, err := readRules(d.k.config.Rules)
	if err == nil {
		_, err = rules.Compile(files...)
	}
	if err != nil {
		d.add("rules", fault, firstLine(err), "mend them; `otn check` tells every fault with its line, and `otn help CODE` explains it")
		return
	}
	d.add("rules", fine, count(len(files), "file", "files"), "")
}

// certificates looks how long those of the doors still hold.
func (d *doctor) certificates() {
	for _, door := range []struct {
		name string
		pair config.Pair
	}{{"hooks", d.k.config.HooksTLS}, {"admin", d.k.config.AdminTLS}} {
		if !door.pair.Set() {
			continue
		}
		check, remedy := "tls."+door.name, "renew "+door.pair.Cert+", and send the daemon SIGHUP"
		leaf, err := leafOf(door.pair.Cert)
		switch {
		case err != nil:
			d.add(check, fault, err.Error(), "name a certificate in PEM with "+check+".cert")
		case !d.now.Before(leaf.NotAfter):
			d.add(check, fault, "its certificate ended on "+leaf.NotAfter.Format(time.DateOnly), remedy)
		case leaf.NotAfter.Sub(d.now) < certificateShort:
			d.add(check, warning, "its certificate ends on "+leaf.NotAfter.Format(time.DateOnly), remedy)
		default:
			d.add(check, fine, "its certificate holds until "+leaf.NotAfter.Format(time.DateOnly), "")
		}
	}
}

func firstLine(err error) string {
	text, more, _ := strings.Cut(err.Error(), "\n")
	if more != "" {
		text += " …"
	}
	return text
}

// modes looks for what others can read, and for the keys.
func (d *doctor) modes(data string) {
	open := ""
	err := filepath.WalkDir(data, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a file of a running daemon
		}
		if err != nil {
			return err
		}
		fi, err := e.Info()
		if err == nil && fi.Mode().Perm()&0o077 != 0 && e.Type()&(fs.ModeSocket|fs.ModeSymlink) == 0 {
			open = path
			return fs.SkipAll
		}
		return nil
	})
	switch {
	case err != nil:
		d.add("modes", fault, firstLine(err), "run this as the account that runs the daemon")
	case open != "":
		d.add("modes", fault, "others can read "+open, "chmod -R go= "+data+", and look who read it: keys and tokens may be known")
	default:
		d.add("modes", fine, "nobody else can read "+data, "")
	}
	for _, name := range []string{core.KeyFile, api.KeyFile} {
		fi, err := os.Stat(filepath.Join(data, name))
		switch {
		case err != nil:
			d.add("key file", fault, name+" is not there", "put it back from where you keep it: without otn.key nothing in the store can be read")
		case fi.Size() == 0:
			d.add("key file", fault, name+" is empty", "put it back from where you keep it")
		default:
			d.add("key file", fine, name, "")
		}
	}
}

func (d *doctor) disk(data string) {
	free, _, err := d.space(data)
	switch {
	case err != nil:
		d.add("disk", warning, firstLine(err), "look at it with df")
	case free < diskFull:
		d.add("disk", fault, fmt.Sprintf("%d MiB are free", free>>20), "make room: a full disk stops the daemon")
	case free < diskShort:
		d.add("disk", warning, fmt.Sprintf("%d MiB are free", free>>20), "make room: a full disk stops the daemon")
	default:
		d.add("disk", fine, fmt.Sprintf("%d GiB are free", free>>30), "")
	}
}

func (d *doctor) backups(data string) {
	at, err := core.LastBackup(data)
	remedy := "run `otn backup DIR` every day, and take it to another disk with " + core.KeyFile
	switch {
	case err != nil:
		d.add("backup", warning, "there was none yet", remedy)
	case d.now.Sub(at) > backupOld:
		d.add("backup", warning, "the last one was made at "+d.k.moment(at), remedy)
	default:
		d.add("backup", fine, "made at "+d.k.moment(at), "")
	}
}

// aside finds stores that a restore set aside: they hold people who were erased since.
func (d *doctor) aside(data string) {
	old, err := filepath.Glob(filepath.Join(data, "store.replaced-*"))
	if err == nil && len(old) > 0 {
		d.add("old stores", warning, strings.Join(old, " "), "delete what a restore set aside when you need it no more: it holds people who were erased since")
	}
}

// running asks the daemon; without one it reads the store.
func (d *doctor) running(ctx context.Context, data string) {
	c, err := d.k.client()
	var channels api.Channels
	if err == nil {
		err = c.Get(ctx, "/v1/channels", nil, &channels)
	}
	var sources api.Sources
	if err == nil {
		err = c.Get(ctx, "/v1/sources", nil, &sources)
	}
	var p api.Problem
	switch {
	case errors.As(err, &p):
		d.add("daemon", fault, firstLine(err), advice(err))
		return
	case err != nil:
		d.add("daemon", warning, "none runs", "start it with `otn serve`")
		d.store(ctx, data)
		return
	}
	d.add("daemon", fine, c.Base, "")
	for _, v := range channels.Channels {
		d.instance("channel", &v)
	}
	for _, v := range sources.Sources {
		d.instance("source", &v)
	}
}

func (d *doctor) instance(kind string, v *core.InstanceView) {
	check := kind + " " + v.Name
	switch {
	case v.State == "ready" && v.LastError == "":
		d.add(check, fine, strings.TrimSpace(v.Plugin+" "+v.Version), "")
	case v.State == "ready":
		d.add(check, warning, "ready; its last error: "+v.LastError, "look at `otn "+kind+"s` and at the daemon's log")
	default:
		d.add(check, fault, strings.TrimRight(v.State+": "+v.LastError, ": "), "look at its config in "+d.k.file+" and at the daemon's log; a token that the platform refuses is made anew there")
	}
}

// store reads every row, and compares the clock with what is on record.
func (d *doctor) store(ctx context.Context, data string) {
	report, err := core.VerifyStore(ctx, data)
	if err != nil {
		d.add("store", fault, firstLine(err), "restore a backup with `otn restore DIR --replace`, or see `otn restore --help`")
		return
	}
	d.add("store", fine, fmt.Sprintf("%d consents, %d unknown deliveries", report.Consents, report.Doubts), "")
	if ahead := report.Newest.Sub(d.now); ahead > clockAway {
		d.add("clock", fault, "the store has seen "+d.k.moment(report.Newest)+", it is "+d.k.moment(d.now), "set the machine's clock, and keep it with NTP")
		return
	}
	d.add("clock", fine, d.k.moment(d.now), "")
}

// tell prints what was found. The exit code is that of the worst.
func (d *doctor) tell() error {
	t := &table{head: []string{"CHECK", "STATE", "FOUND", "REMEDY"}}
	worst := fine
	for _, f := range d.found {
		t.add(f.Check, f.State, f.Found, dash(f.Remedy))
		if f.State == fault || f.State == warning && worst == fine {
			worst = f.State
		}
	}
	if err := d.k.show(map[string]any{"findings": d.found}, t); err != nil {
		return err
	}
	switch worst {
	case fault:
		return said(exitFailed)
	case warning:
		return said(exitPartly)
	}
	return nil
}
