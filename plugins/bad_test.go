// Plugins that do what a plugin should not: the test binary is each of them.

package plugins_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins"
	"github.com/onetimenotify/otn/plugins/channel"
	"github.com/onetimenotify/otn/plugins/internal/wire"
	"github.com/onetimenotify/otn/plugins/mock"
)

// badPlugin is one of the bad ones, or returns.
func badPlugin(name string) {
	switch name {
	case "dies":
		fmt.Fprintln(os.Stderr, "no licence found")
		os.Exit(7)
	case "silent":
		select {}
	case "chatty":
		fmt.Println("Hello! I am a plugin.")
		select {}
	case "endless":
		for {
			_, _ = os.Stdout.Write(bytes.Repeat([]byte("\xffxxx"), 1<<20))
		}
	case "deaf":
		deafSocket()
	case "loud":
		shout()
	case "rogue":
		serve(&rogue{})
	case "parent", "daemon":
		abandonChild(name == "daemon")
	case "nobody":
		channel.Serve(nobody)
	case "stubborn":
		channel.Serve(stubborn)
	case "printer":
		channel.Serve(printer)
	case "fetcher":
		channel.Serve(fetcher)
	case "full disk":
		signal.Ignore(syscall.SIGXFSZ)
		_ = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{}) // no file of it grows by a byte
		channel.Serve(mock.Plugin)
	case "ear":
		channel.Serve(ear)
	case "mute":
		serve(mute{})
	case "hanger":
		channel.Serve(hanger)
	case "judge":
		channel.Serve(judge)
	case "another protocol":
		fmt.Printf("1|2|unix|%s/none|grpc|\n", os.Getenv("PLUGIN_UNIX_SOCKET_DIR"))
		select {}
	case "gushes":
		out := os.Stdout
		time.AfterFunc(200*time.Millisecond, func() { gush(out) })
	case "sleeper":
		select {}
	default:
		if strings.Contains(name, " ") {
			serve(odd{in: name})
		}
	}
}

// deafSocket shakes hands and never accepts a connection.
func deafSocket() {
	fmt.Printf("1|1|unix|%s/none|grpc|\n", os.Getenv("PLUGIN_UNIX_SOCKET_DIR"))
	select {}
}

// shout prints a hundred megabytes of rubbish to each side, then what made go-plugin's parser panic, and goes on as a good plugin.
func shout() {
	junk := bytes.Repeat([]byte("\x00\xff rubbish {"), 1<<20/10)
	for range 100 {
		_, _ = os.Stderr.Write(junk)
	}
	_, _ = os.Stderr.WriteString("\n{\"@message\":5}\n{\"msg\":5}\n{\"level\":7,\"msg\":\"x\"}\n[]\n{\n")
}

// serve serves a plugin without the SDK.
func serve(s wire.PluginServer) {
	plugin.Serve(&plugin.ServeConfig{HandshakeConfig: wire.Handshake(), VersionedPlugins: wire.Versions(s), GRPCServer: wire.NewServer, Logger: hclog.NewNullLogger()})
}

// rogue answers a delivery that it was never given.
type rogue struct{ wire.UnimplementedPluginServer }

func (*rogue) Describe(context.Context, *wire.DescribeRequest) (*wire.Description, error) {
	return &wire.Description{Name: "rogue"}, nil
}
func (*rogue) Configure(context.Context, *wire.ConfigureRequest) (*wire.ConfigureResponse, error) {
	return &wire.ConfigureResponse{}, nil
}
func (*rogue) Send(stream wire.Plugin_SendServer) error {
	if err := stream.Send(&wire.ResultFrame{Credits: 10}); err != nil {
		return err
	}
	for {
		frame, err := stream.Recv()
		if err != nil {
			return err
		}
		seq := frame.GetDeliveries()[0].GetSeq()
		if err := stream.Send(&wire.ResultFrame{Results: []*wire.Result{{Seq: seq, Outcome: wire.Outcome_OUTCOME_SENT}, {Seq: seq, Outcome: wire.Outcome_OUTCOME_SENT}}}); err != nil {
			return err
		}
	}
}

// abandonChild leaves a grandchild that holds stdout and stderr open, in the plugin's group or out of it, and goes on as a good plugin.
func abandonChild(runaway bool) {
	cmd := exec.Command(os.Args[0], "sleeper")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: runaway}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	fmt.Fprintln(os.Stderr, "grandchild", cmd.Process.Pid)
}

// nobody tells, to whom asks its webhook, everything it can see.
var nobody = channel.Plugin[struct{}]{Name: "nobody", Version: "1.0.0", New: func(context.Context, struct{}, channel.Setup) (any, error) { return open{}, nil }}

type open struct{}

func (open) Receive(context.Context, otn.Request) (otn.Response, []otn.Record, error) {
	seen := strings.Join(append(os.Environ(), os.Args...), "\n")
	return otn.Response{Status: http.StatusOK, Body: []byte(seen)}, nil, nil
}

// stubborn never answers, whoever gives up.
var stubborn = channel.Plugin[struct{}]{Name: "stubborn", Version: "1.0.0", New: func(context.Context, struct{}, channel.Setup) (any, error) { return stone{}, nil }}

type stone struct{}

func (stone) Send(context.Context, otn.Delivery) (otn.Receipt, error) { select {} }

// printer prints to stdout, more than a pipe holds, and fails with what it was told.
var printer = channel.Plugin[struct{}]{Name: "printer", Version: "1.0.0", New: func(_ context.Context, _ struct{}, at channel.Setup) (any, error) {
	return press{at}, nil
}}

type press struct{ at channel.Setup }

func (p press) Send(_ context.Context, d otn.Delivery) (otn.Receipt, error) {
	fmt.Println("printed", d.Message.Text)
	p.at.Log.Warn("warned", "token", d.Token, "text", d.Message.Text)
	runtime.GC()
	for range 1000 {
		fmt.Println(strings.Repeat("x", 1000))
		_, _ = syscall.Write(1, []byte(strings.Repeat("y", 1000)))
	}
	_, _ = syscall.Write(1, []byte("to the first stdout\n"))
	return otn.Receipt{}, channel.NotSent(errors.New("no paper"))
}

// shortHost in the environment makes the test binary a host whose sockets are in that folder.
const shortHost = "OTN_TEST_HOST"

// hostUntilKilled runs a plugin, tells its process id, and waits to be killed.
func hostUntilKilled() {
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	p := plugins.New(plugins.Spec{Name: "shop", Plugin: "mock", Command: []string{path, "mock"}, Dir: os.Getenv(shortHost)})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	go func() { _ = p.Run(ctx) }()
	if err := p.Ready(ctx); err != nil {
		panic(err)
	}
	fmt.Println(p.State().PID)
	<-ctx.Done()
}
