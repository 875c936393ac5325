// The example keeps what every channel owes its host, and stays as short as it promises.

package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins"
	"github.com/onetimenotify/otn/plugins/channel"
	"github.com/onetimenotify/otn/plugins/channeltest"
)

// The test binary is the plugin, when otn launches it.
func TestMain(m *testing.M) {
	if channel.Hosted() {
		main()
		return
	}
	os.Exit(m.Run())
}

// launch runs the plugin in a process of its own, as otn does.
func launch(t testing.TB, file string) *plugins.Process {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := plugins.New(plugins.Spec{Name: "box", Plugin: "letterbox", Command: []string{program}, Config: []byte(`{"file":"` + file + `"}`)})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if err := p.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLetterbox(t *testing.T) {
	channeltest.Run(t, func(t testing.TB) channeltest.Channel { return launch(t, filepath.Join(t.TempDir(), "box.txt")) })
}

func TestMessagesArriveInTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "box.txt")
	p := launch(t, file)
	_, err := p.Send(t.Context(), otn.Delivery{Subscriber: otn.Subscriber{ID: "222"}, Message: otn.Message{Text: "The wool coat is back."}})
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "222: The wool coat is back.\n" {
		t.Errorf("the file has %q, %v", text, err)
	}
}

func TestItIsShort(t *testing.T) {
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), "\n"); n > 30 {
		t.Errorf("main.go has %d lines, the README promises 30", n)
	}
}
