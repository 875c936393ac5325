// Another program of the same person cannot speak to a plugin: the connection takes the host's certificate and no other.

package plugins_test

import (
	"context"
	"crypto/tls"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/onetimenotify/otn/plugins"
	"github.com/onetimenotify/otn/plugins/internal/wire"
)

func TestIntrudersAreRefused(t *testing.T) {
	dir, err := os.MkdirTemp("", "otn")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	p := launch(t, plugins.Spec{Dir: dir})
	ready(t, p)
	socket := ""
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if path != dir && d.IsDir() && info.Mode().Perm() != 0o700 {
			t.Errorf("%s is %s", path, info.Mode())
		}
		if d.Type() == fs.ModeSocket {
			socket = path
		}
		return err
	})
	if err != nil || socket == "" {
		t.Fatalf("no socket in %s: %v", dir, err)
	}
	for name, c := range map[string]credentials.TransportCredentials{
		"without TLS":           insecure.NewCredentials(),
		"without a certificate": credentials.NewTLS(&tls.Config{InsecureSkipVerify: true}),
	} {
		conn, err := grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(c), grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		if _, err := wire.NewPluginClient(conn).Describe(ctx, &wire.DescribeRequest{}); err == nil || ctx.Err() != nil {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
		_ = conn.Close()
	}
	if _, err := p.Send(t.Context(), delivery(1)); err != nil {
		t.Errorf("the host itself: %v", err)
	}
}
