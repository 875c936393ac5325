//go:build client

// A client that is generated from the committed document, in front of a daemon: run it with -tags client, behind npm ci and the
// steps of .ci/run that make it.

package main

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/cmd/otn/config"
	"github.com/onetimenotify/otn/core/api"
)

func TestGeneratedClient(t *testing.T) {
	k, d := hanging(t)
	text, err := os.ReadFile(k.file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(k.file, []byte(strings.Replace(string(text), "{script: [{do: hang}]}", "{}", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := k.load(config.Whole); err != nil {
		t.Fatal(err)
	}
	d.config = k.config
	ctx, stop := context.WithCancel(t.Context())
	open, ended := make(chan doors, 1), make(chan error, 1)
	d.ready = func(at doors) { open <- at }
	go func() { ended <- d.run(ctx, t.Context()) }()
	var at doors
	select {
	case err := <-ended:
		t.Fatal(err)
	case at = <-open:
	}
	key, err := api.ReadKey(d.config.Data)
	if err != nil {
		t.Fatal(err)
	}
	within, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	node := exec.CommandContext(within, "node", "../../.ci/client/out/demo.js")
	node.Env = append(os.Environ(), "OTN_URL=http://"+at.Admin, "OTN_KEY="+key.Reveal())
	out, err := node.CombinedOutput()
	if err != nil || !strings.Contains(string(out), `"told":["sent","sent"]`) {
		t.Errorf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
