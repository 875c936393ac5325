// A plugin's main: the handshake, the log, and the end of the process.

package channel

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"github.com/onetimenotify/otn/plugins/internal/wire"
)

// Hosted reports whether otn launched this process as a plugin.
func Hosted() bool {
	h := wire.Handshake()
	return os.Getenv(h.MagicCookieKey) == h.MagicCookieValue
}

// Serve is a plugin's main. It returns or exits when the host ends the process: by closing stdin, or by dying, which closes it too.
// Interrupts and SIGTERM are the host's to handle and end nothing here. Started by hand, the program says what it is and exits with 2;
// started by hand with OTN_DEBUG=1, under a debugger for instance, it waits for an otn that attaches to it, with what it prints as OTN_REATTACH.
// Stdout and stderr belong to the host: what is printed becomes lines of its log.
func Serve(p Program) {
	if !Hosted() && os.Getenv(debugVariable) != "" {
		debugged(p)
		return
	}
	if !Hosted() {
		about := p.Describe()
		fmt.Fprintf(os.Stderr, "%s %s is a plugin of otn, which launches it by itself: name this file as a channel's or a source's plugin in otn.yaml. OTN_DEBUG=1 runs it by hand.\n", about.Name, about.Version)
		os.Exit(2)
	}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGTERM, syscall.SIGHUP)
	stdout, stderr := os.Stdout, os.Stderr
	defer runtime.KeepAlive(stdout) // collected, it would be closed, and its number given to a connection that C code then prints into
	s := newServer(p, slog.New(hostHandler(stderr)), sync.OnceFunc(func() { os.Stdout, os.Stderr = stderr, stderr }))
	go s.exitWithHost(os.Stdin)
	// go-plugin puts pipes in the place of stdout and stderr; the first call takes them away again: what is printed goes to stderr.
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  wire.Handshake(),
		VersionedPlugins: wire.Versions(s),
		GRPCServer:       wire.NewServer,
		Logger:           hclog.NewNullLogger(),
	})
}

// exitWithHost ends the process when stdin does: nobody is left to answer to.
func (s *server) exitWithHost(stdin io.Reader) {
	_, _ = io.Copy(io.Discard, stdin)
	s.close()
	os.Exit(0)
}

// maxAttr is how much of one text an author's log line keeps, in bytes: the host cuts longer lines.
const maxAttr = 4 << 10

// hostHandler writes the lines that the host reads back with their level and fields.
func hostHandler(w io.Writer) slog.Handler {
	return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Value.Kind() == slog.KindString && len(a.Value.String()) > maxAttr {
			a.Value = slog.StringValue(strings.ToValidUTF8(a.Value.String()[:maxAttr], "") + "…")
		}
		return a
	}})
}
