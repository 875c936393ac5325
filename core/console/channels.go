// Channels and sources: how they stand, and what an operator does to them.

package console

import (
	"fmt"
	"strings"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// channelsView lists what is plugged in.
type channelsView struct {
	Channels, Sources []core.InstanceView
	Topics            []core.TopicView
	Plugins           bool
}

func (channelsView) title() string { return "Channels" }

func (c *console) channels(v *visit) (any, error) {
	var view channelsView
	var err error
	view.Channels, view.Sources = c.host.Instances(v.Context())
	view.Plugins = c.Plugins != nil
	view.Topics, err = c.host.Topics()
	return view, err
}

// testChannel asks the platform whether the configuration is good.
func (c *console) testChannel(v *visit) (done, error) {
	name := v.arg("name")
	d := done{to: "/channels#" + name, what: "channel " + name}
	if c.Plugins == nil {
		return nothing(d)
	}
	asked, wrong, err := c.Plugins.Validate(v.Context(), name)
	switch {
	case err != nil:
		return d, err
	case len(wrong) > 0:
		c.tell(v, notice{"bad", name + ": " + strings.Join(wrong, "; ")})
	case asked:
		d.said = name + ": its platform finds the configuration good. Nothing was sent."
	default:
		d.said = name + ": its plugin has no way to ask the platform. The settings themselves are good."
	}
	return d, nil
}

func (c *console) release(v *visit) (done, error) {
	name := v.arg("name")
	d := done{to: "/channels#" + name, said: name + " was started anew.", what: "plugin " + name}
	if c.Plugins == nil {
		return nothing(d)
	}
	return d, c.Plugins.Release(v.Context(), name)
}

// nothing is what a host without plugins can do to them.
func nothing(d done) (done, error) {
	return d, fmt.Errorf("this host has no plugins: %w", otn.ErrNotFound)
}

// ask requests consent from one person: an operator's own account, say, to see what people see.
func (c *console) ask(v *visit) (done, error) {
	r := core.AskRequest{Channel: v.arg("channel"), Recipient: v.arg("person"), Topic: v.arg("topic"), Subject: v.arg("subject")}
	_, err := c.host.Ask(v.Context(), r)
	return done{to: "/channels#ask", said: "The platform took the request for consent.", what: fmt.Sprintf("%s %s", r.Topic, c.host.PersonName(r.Channel, r.Recipient))}, hide(err, r.Recipient)
}

// poll has a source polled now.
func (c *console) poll(v *visit) (done, error) {
	name, accept := v.arg("name"), v.arg("accept") != ""
	d := done{to: "/channels#" + name, said: name + " is polled now.", what: "source " + name}
	if accept {
		d.said, d.what = name+" is polled now, and what it tells is believed this once.", d.what+", accepting a snapshot that shrank"
	}
	_, err := c.host.PollNow(v.Context(), name, accept)
	return d, err
}
