// otn demo: a real daemon, a fake platform, seven people, and what becomes of them.

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/onetimenotify/otn/cmd/otn/config"
	"github.com/onetimenotify/otn/examples/shop"
	"github.com/onetimenotify/otn/plugins/messenger/graphtest"
)

// The secrets of the demo's own platform and store. They open nothing else.
const (
	demoVerify  = "demo-verify-token"
	demoShopify = "demo-shopify-secret"
)

// demoPatience is how long the demo waits for what it expects.
const demoPatience = 20 * time.Second

func (k *call) demo() *cobra.Command {
	exit := false
	cmd := &cobra.Command{
		Use: "demo", GroupID: "run", Short: "See the whole thing work, with nothing to configure", Args: cobra.NoArgs,
		Long: "See the whole thing work: a real daemon in a temporary folder with the files of examples/shop, a fake Messenger platform,\n" +
			"consents through signed webhooks, a Shopify price drop, and who got what and why not.",
		Example: "  otn demo\n  otn demo --exit",
		RunE: func(cmd *cobra.Command, _ []string) error {
			k.started = true
			syscall.Umask(0o077)
			ctx, hurry, stop := signals(cmd.Context())
			defer stop()
			dir, err := os.MkdirTemp("", "otn-demo-")
			if err != nil {
				return err
			}
			defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
			return k.runDemo(ctx, hurry, dir, exit)
		},
	}
	cmd.Flags().BoolVar(&exit, "exit", false, "end when the table is shown; exit 0 only if every expected message arrived exactly once, and nothing else")
	return cmd
}

// runDemo starts the platform and the daemon, tells the story, and stops both.
func (k *call) runDemo(ctx, hurry context.Context, dir string, exit bool) error {
	started := time.Now()
	if err := os.CopyFS(dir, shop.Files); err != nil {
		return err
	}
	var listen net.ListenConfig
	hooks, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer hooks.Close()                                                                                                                      //nolint:errcheck // the daemon closes it too
	graph, err := graphtest.Start(graphtest.Options{Webhook: "http://" + hooks.Addr().String() + "/hooks/shop", Echo: graphtest.EchoBefore}) //nolint:contextcheck // it listens until it is closed
	if err != nil {
		return err
	}
	defer graph.Close() //nolint:errcheck // it is in this process
	d, err := k.demoDaemon(dir, graph)
	if err != nil {
		return err
	}
	d.taken = hooks
	open := make(chan doors, 1)
	d.ready = func(at doors) { open <- at }
	running, stopDaemon := context.WithCancel(ctx)
	defer stopDaemon()
	ended := make(chan error, 1)
	go func() { ended <- d.run(running, hurry) }()
	select {
	case err := <-ended:
		return err
	case at := <-open:
		err = k.tell(running, &stage{call: k, graph: graph, doors: at, file: k.file, started: started}, exit)
	}
	stopDaemon()
	return errors.Join(err, <-ended)
}

// demoDaemon is a daemon with the files of the example, in which only the environment differs.
func (k *call) demoDaemon(dir string, graph *graphtest.Server) (*daemon, error) {
	k.file = filepath.Join(dir, "otn.yaml")
	k.env = []string{
		"PAGE_TOKEN=" + graphtest.AccessToken, "APP_SECRET=" + graphtest.AppSecret, "VERIFY_TOKEN=" + demoVerify, "SHOPIFY_SECRET=" + demoShopify,
		"NO_COLOR=" + k.variable("NO_COLOR"), "OTN_LISTEN__ADMIN=127.0.0.1:0", "OTN_CHANNELS__SHOP__CONFIG__GRAPH_URL=" + graph.URL,
	}
	if err := k.load(config.Whole); err != nil {
		return nil, err
	}
	set, err := k.compile()
	if err != nil {
		return nil, err
	}
	command, err := ownCommand()
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.NewTextHandler(k.stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	return &daemon{
		config: k.config, rules: set, log: log, command: command, version: version().Version, say: func(string, ...any) {}, reread: k.reread, paths: k.rulePaths,
	}, nil
}

// tell plays the story and shows what came of it.
func (k *call) tell(ctx context.Context, s *stage, exit bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := s.play(ctx); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	exact, err := s.close(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("demo: %w", err)
	case !exact:
		return &coded{exitFailed, errors.New("demo: not every message arrived exactly once"), "this is a bug of otn, please report it with the lines above"}
	case exit:
		return nil
	}
	s.invite()
	<-ctx.Done()
	return nil
}

// bold sets words off on a terminal that wants it.
func (c console) bold(text string) string {
	if c.variable("NO_COLOR") != "" || !onTerminal(c.stderr) {
		return text
	}
	return "\x1b[1m" + text + "\x1b[0m"
}
