// A plugin that its author runs by hand, under a debugger: it waits for an otn that attaches to it.

package channel

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/onetimenotify/otn/plugins/internal/wire"
)

// debugVariable makes a program that is run by hand serve until it is interrupted.
const debugVariable = "OTN_DEBUG"

// serveDebug serves on a socket that only this account can reach, and says how otn attaches to it. It returns when ctx is done.
func serveDebug(ctx context.Context, p Program, say io.Writer) error {
	dir, err := os.MkdirTemp("", "otn-debug-") // 0700
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // an empty folder is all that could stay
	path := filepath.Join(dir, "plugin")
	listener, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return err
	}
	s := newServer(p, slog.New(slog.NewTextHandler(say, &slog.HandlerOptions{Level: slog.LevelDebug})), func() {})
	served := wire.NewServer(nil)
	wire.RegisterPluginServer(served, s)
	where, err := json.Marshal(map[string]any{p.Describe().Name: map[string]any{"pid": os.Getpid(), "addr": path}})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(say, "waiting for otn. In another terminal:\n\n\tOTN_REATTACH='%s' otn serve\n\n", where); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, served.Stop)()
	err = served.Serve(listener)
	s.close()
	return err
}

// debugged serves until somebody interrupts it.
func debugged(p Program) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := serveDebug(ctx, p, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
