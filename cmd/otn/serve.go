// otn serve: the daemon from the command line.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/cmd/otn/config"
	"github.com/onetimenotify/otn/cmd/otn/traces"
	"github.com/onetimenotify/otn/plugins"
	"github.com/onetimenotify/otn/rules"
)

func (k *call) serve() *cobra.Command {
	dev := false
	cmd := &cobra.Command{
		Use: "serve", GroupID: "run", Short: "Run the daemon", Args: cobra.NoArgs,
		Long: "Run the daemon: the public door for webhooks, the operator's door, and a process for each channel and source.\n" +
			"SIGTERM or Ctrl-C stops it in order; a second one hurries. SIGHUP reads the rule files anew: all or nothing, with the faults printed.",
		Example: "  otn serve\n  otn serve --dev\n  otn serve -c /etc/otn/otn.yaml\n  OTN_LISTEN__HOOKS=127.0.0.1:0 otn serve",
		RunE: func(cmd *cobra.Command, _ []string) error {
			k.started = true
			syscall.Umask(0o077)
			if err := k.load(config.Whole); err != nil {
				return err
			}
			set, err := k.compile()
			if err != nil {
				return err
			}
			command, err := ownCommand()
			if err != nil {
				return err
			}
			attach, err := plugins.Attachments(k.variable("OTN_REATTACH"))
			if err != nil {
				return &coded{exitConfig, err, "unset it, or run the plugin with OTN_DEBUG=1 and take what it prints"}
			}
			ctx, hurry, stop := signals(cmd.Context())
			defer stop()
			hup := make(chan os.Signal, 1)
			signal.Notify(hup, syscall.SIGHUP)
			defer signal.Stop(hup)
			d := &daemon{
				config: k.config, rules: set, log: logger(k.stderr, k.config.LogFormat, k.config.LogLevel), command: command, version: version().Version, say: k.say,
				reread: k.reread, paths: k.rulePaths, hup: hup, attach: attach, traces: k.traces(),
				supervisor: func(state string) { _, _ = systemd.SdNotify(false, state) }, // nobody listens where NOTIFY_SOCKET is not set
			}
			if dev {
				defer d.watch(ctx, k.stamps)()
			}
			return d.run(ctx, hurry)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&dev, "dev", false, "read the rule files anew whenever one of them changes")
	for name, about := range map[string]string{"listen-hooks": "listen.hooks", "listen-admin": "listen.admin", "data": "data", "log-level": "log.level", "log-format": "log.format"} {
		f.Var(&override{k.flags, about}, name, "`value` of "+about+" instead of the configuration's")
	}
	return cmd
}

// traces says whether traces are sent, and where: to the address of the configuration, or as the variables of OpenTelemetry say.
func (k *call) traces() *traces.Setup {
	switch {
	case strings.EqualFold(k.variable("OTEL_SDK_DISABLED"), "true"), strings.EqualFold(k.variable("OTEL_TRACES_EXPORTER"), "none"):
		return nil
	case k.config.Traces == "" && k.variable("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && k.variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "":
		return nil
	}
	return &traces.Setup{Endpoint: k.config.Traces, Keep: k.kept()}
}

// kept is the share of traces that OTEL_TRACES_SAMPLER wants. A trace is kept whole or not at all, so that what is based on parents is
// the same as what is not.
func (k *call) kept() float64 {
	switch strings.TrimPrefix(k.variable("OTEL_TRACES_SAMPLER"), "parentbased_") {
	case "always_off":
		return 0
	case "traceidratio":
		if share, err := strconv.ParseFloat(k.variable("OTEL_TRACES_SAMPLER_ARG"), 64); err == nil && share >= 0 && share <= 1 {
			return share
		}
	}
	return 1
}

// override is a flag that stands over a key of the configuration.
type override struct {
	flags map[string]string
	key   string
}

func (o *override) String() string     { return "" }
func (o *override) Type() string       { return "string" }
func (o *override) Set(v string) error { o.flags[o.key] = v; return nil }

// compile reads the rule files of the configuration, and says what is odd about them.
func (k *call) compile() (*rules.Set, error) {
	files, err := readRules(k.config.Rules)
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

func readRules(paths []string) ([]rules.File, error) {
	files := make([]rules.File, len(paths))
	for i, path := range paths {
		source, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			return nil, &coded{exitNotFound, fmt.Errorf("%s: no such file", path), ""}
		}
		if err != nil {
			return nil, err
		}
		files[i] = rules.File{Name: path, Source: source}
	}
	return files, nil
}

// ownCommand is how this program is started.
func ownCommand() ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return []string{self}, nil
}

// signals gives a context that the first SIGTERM or interrupt ends, and one that the second ends.
func signals(parent context.Context) (ctx, hurry context.Context, stop func()) {
	hurry, cancelHurry := context.WithCancel(parent)
	ctx, cancel := context.WithCancel(hurry)
	heard := make(chan os.Signal, 2)
	signal.Notify(heard, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		for _, end := range []func(){cancel, cancelHurry} {
			select {
			case <-heard:
				end()
			case <-done:
				return
			}
		}
	}()
	return ctx, hurry, func() {
		signal.Stop(heard)
		close(done)
		cancel()
		cancelHurry()
	}
}

// logger writes text or JSON; "auto" is text on a terminal and JSON elsewhere.
func logger(w io.Writer, format string, level slog.Level) *slog.Logger {
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Value.Kind() == slog.KindDuration { // with its unit
			a.Value = slog.StringValue(a.Value.Duration().String())
		}
		return a
	}}
	if format == "text" || format != "json" && onTerminal(w) {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}

func onTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
