// The command tree.

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/cmd/otn/config"
)

// defaultConfig is the configuration where none is named.
const defaultConfig = "otn.yaml"

// call is one run of one command.
type call struct {
	console
	file    string // of the configuration
	format  string
	flags   map[string]string // of the configuration's keys, as given
	config  *config.Config    // once it was loaded
	started bool              // the command itself was reached: what went wrong before is usage
}

// run runs a command and gives its exit code.
func run(c console) (code int) {
	k := &call{console: c, flags: map[string]string{}}
	defer func() {
		if p := recover(); p != nil {
			k.say("otn: a bug: %v\n     please report it with these lines\n%s", p, debug.Stack())
			code = exitInternal
		}
	}()
	root := k.root()
	root.SetArgs(c.args)
	root.SetIn(c.stdin)
	root.SetOut(c.stdout)
	root.SetErr(c.stderr)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	cmd, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return exitDone
	case !k.started:
		k.say("otn: %s\n     see `%s --help`", err, cmd.CommandPath())
		return exitUsage
	}
	if !errors.Is(err, errSaid) {
		k.say("%s", complain(err))
	}
	return exitCode(err)
}

// errSaid stands for what was told already: only its exit code is left.
var errSaid = errors.New("said")

func said(code int) error { return &coded{code: code, err: errSaid} }

func (k *call) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "otn",
		Short:         "Tell me once, when it happens",
		Long:          "otn keeps one-time tokens, watches the shop, and spends each token for exactly one message.",
		Example:       "  otn demo                          see the whole thing work\n  otn init myshop && cd myshop      write a shop that runs\n  otn serve                         run it",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	p := root.PersistentFlags()
	p.StringVarP(&k.file, "config", "c", defaultConfig, "the configuration `file`")
	p.VarP(&choice{value: &k.format, known: []string{asTable, asJSON, asYAML}}, "output", "o", "table, json or yaml")
	k.format = asTable
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{asTable, asJSON, asYAML}, cobra.ShellCompDirectiveNoFileComp))
	root.AddGroup(&cobra.Group{ID: "run", Title: "Run:"}, &cobra.Group{ID: "do", Title: "Do:"}, &cobra.Group{ID: "look", Title: "Look:"}, &cobra.Group{ID: "set", Title: "Set up:"}, &cobra.Group{ID: "keep", Title: "Keep safe:"})
	root.AddCommand(
		k.serve(), k.demo(), k.bench(),
		k.observe(), k.trigger(), k.ask(), k.link(), k.send(),
		k.topics(), k.consents(), k.rules(), k.runs(), k.sends(), k.deliveries(), k.subscribers(), k.why(), k.replay(), k.diff(), k.channels(), k.sources(), k.plugins(),
		k.backup(), k.restore(), k.verify(), k.audit(), k.doctor(), k.keys(),
		k.initShop(), k.check(), k.test(), k.layOut(), k.eval(), k.explain(), k.preview(), k.cost(), k.schema(), k.configuration(), k.version(),
		k.plugin(), k.man(), exitCodes(),
	)
	k.complete(root)
	root.SetHelpCommand(k.help())
	root.SetCompletionCommandGroupID("set")
	return root
}

func exitCodes() *cobra.Command {
	return &cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: exitText}
}

// does makes a command's body. SIGINT and SIGTERM end its context.
func (k *call) does(f func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		k.started = true
		ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		return f(ctx, args)
	}
}

// load reads the configuration, or a part of it.
func (k *call) load(part config.Part) error { return k.loadWith(part, openBuiltin) }

// loadWith is load with another way to try an instance's settings.
func (k *call) loadWith(part config.Part, open func(config.Instance) config.Opened) error {
	c, err := config.Load(config.Options{File: k.file, Env: k.env, Flags: k.flags, Part: part, Builtins: sortedKeys(builtins()), Open: open})
	if errors.Is(err, os.ErrNotExist) {
		return &coded{exitConfig, fmt.Errorf("%s: no such file", k.file), "run `otn init DIR` for a shop that works, or name the file with -c"}
	}
	if err != nil {
		return err
	}
	for _, w := range c.Warnings {
		k.say("otn: warning: %s", w)
	}
	k.config = c
	return nil
}

// variable reads one environment variable.
func (c console) variable(name string) string {
	for _, kv := range slices.Backward(c.env) {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	return ""
}

// choice is a flag with few values.
type choice struct {
	value *string
	known []string
}

func (c *choice) String() string {
	if c.value == nil {
		return ""
	}
	return *c.value
}
func (c *choice) Type() string { return "format" }

// Set takes one of the known values.
func (c *choice) Set(s string) error {
	if !slices.Contains(c.known, s) {
		return fmt.Errorf("want %s", strings.Join(c.known, ", "))
	}
	*c.value = s
	return nil
}
