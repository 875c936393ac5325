// A channel of your own, whole: it puts each message into a file.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
)

type config struct {
	File string `json:"file" doc:"Where the messages go."`
}

type letterbox struct{ file *os.File }

func (l letterbox) Send(_ context.Context, d otn.Delivery) (otn.Receipt, error) {
	_, err := fmt.Fprintf(l.file, "%s: %s\n", d.Subscriber.ID, d.Message.Text)
	return otn.Receipt{}, err
}

func open(_ context.Context, c config, _ channel.Setup) (any, error) {
	file, err := os.OpenFile(c.File, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	return letterbox{file}, err
}

func main() { channel.Serve(channel.Plugin[config]{Name: "letterbox", Version: "1.0.0", New: open}) }
