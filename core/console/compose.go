// A message of the operator's own: written, shown as it will look, and sent to those who wait, now or at a time.

package console

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// composeView is a message being written.
type composeView struct {
	Topics []core.TopicView
	draft
	Key     string // makes the send the same one, however often its form arrives
	Asks    string // the title that people agreed to
	Seen    bool   // it was looked at: what follows holds
	Reaches int64
	Message otn.Message
	When    time.Time // zero: now
	Wrong   string
}

func (composeView) title() string { return "Send" }

// draft is the form as it is filled in.
type draft struct {
	Topic, Subject, All, Where, At                string
	Text, Title, Subtitle, Image, URL, Tap, Quick string
}

// drafted reads the form.
func drafted(v *visit) draft {
	return draft{
		Topic: v.arg("topic"), Subject: v.arg("subject"), All: v.arg("all"), Where: v.arg("where"), At: v.arg("at"),
		Text: strings.ReplaceAll(v.arg("text"), "\r\n", "\n"), Title: v.arg("title"), Subtitle: v.arg("subtitle"), Image: v.arg("image"), URL: v.arg("url"), Tap: v.arg("tap"), Quick: v.arg("quick"),
	}
}

// message is one text, one card or one image, and at most one quick reply.
func (d *draft) message() (m otn.Message, err error) {
	card := otn.Card{Title: d.Title, Subtitle: d.Subtitle, Image: d.Image, URL: d.URL}
	if d.Tap != "" {
		card.URL, card.Buttons = "", []otn.Button{{Title: d.Tap, URL: d.URL}}
	}
	switch {
	case d.Title != "" && d.Text != "":
		return m, fmt.Errorf("a message is one text or one card, not both: %w", otn.ErrInvalid)
	case d.Title != "":
		m.Card = &card
	case d.Image != "" && d.Text == "":
		m.Image = d.Image
	case d.Subtitle+d.Image+d.URL+d.Tap != "":
		return m, fmt.Errorf("a card needs a title: %w", otn.ErrInvalid)
	default:
		m.Text = d.Text
	}
	if d.Quick != "" {
		m.QuickReply = &otn.QuickReply{Title: d.Quick}
	}
	return m, nil
}

// moment is when it is sent, written in the console's zone; zero is now.
func (d *draft) moment(zone *time.Location) (time.Time, error) {
	if d.At == "" {
		return time.Time{}, nil
	}
	at, err := time.ParseInLocation("2006-01-02T15:04", d.At, zone)
	if err != nil {
		return at, fmt.Errorf("%q is no moment, write it as 2026-12-01T09:00: %w", d.At, otn.ErrInvalid)
	}
	return at, nil
}

// request is what the host is asked.
func (d *draft) request(key string, zone *time.Location, dry bool) (r core.SendRequest, err error) {
	r = core.SendRequest{Topic: d.Topic, Subject: d.Subject, AllSubjects: d.All != "", Where: d.Where, DryRun: dry, Key: key}
	if r.Message, err = d.message(); err != nil {
		return r, err
	}
	r.At, err = d.moment(zone)
	return r, err
}

// compose shows an empty form.
func (c *console) compose(v *visit) (any, error) {
	topics, err := c.host.Topics()
	return composeView{Topics: topics, draft: draft{Topic: v.arg("topic"), Subject: v.arg("subject")}}, err
}

// lookOver shows the message and how many it reaches. Nothing is sent.
func (c *console) lookOver(v *visit) (any, error) {
	topics, err := c.host.Topics()
	view := composeView{Topics: topics, draft: drafted(v), Key: rand.Text()}
	if err != nil || v.arg("again") != "" {
		return view, err
	}
	r, err := view.request(view.Key, c.Zone, true)
	var answer core.SendAnswer
	if err == nil {
		answer, err = c.host.Send(v.Context(), r)
	}
	if isAny(err, otn.ErrInvalid, otn.ErrUnknownTopic) {
		view.Wrong = plain(err)
		return view, nil
	}
	if err != nil {
		return nil, err
	}
	if declared, ok := c.host.Rules().Topic(r.Topic); ok {
		view.Asks = declared.Ask
	}
	view.Seen, view.Message, view.Reaches, view.When = true, r.Message, answer.Reaches, r.At
	return view, nil
}

// grown is how many more than were shown may be reached without being asked again: people go on to agree meanwhile.
func grown(shown int64) int64 { return max(10, shown/20) }

// send sends what was looked over, when the number that it reaches was typed.
func (c *console) send(v *visit) (done, error) {
	d := drafted(v)
	r, err := d.request(v.arg("key"), c.Zone, false)
	out := done{to: "/runs", what: fmt.Sprintf("%s %s", d.Topic, d.Subject)}
	if err != nil {
		return out, err
	}
	if err := c.confirm(v.Context(), v.arg("count"), v.arg("reaches"), r); err != nil {
		return out, err
	}
	answer, err := c.host.Send(v.Context(), r)
	out.said = "It goes out now."
	switch {
	case err != nil:
		return out, err
	case answer.Duplicate:
		out.said = "This very send was made already: nothing was sent again."
	case !answer.At.IsZero() && answer.At.After(c.Now()):
		out.said = "It is planned for " + clock(answer.At, c.Now(), c.Zone) + ". Until then it can be cancelled, among the runs."
	case len(answer.Runs) == 1:
		out.to = "/runs/" + answer.Runs[0]
	}
	return out, nil
}

// confirm compares the number that was typed with the one that was shown, and that with how many are reached now.
func (c *console) confirm(ctx context.Context, typed, shown string, r core.SendRequest) error {
	n, err := strconv.ParseInt(shown, 10, 64)
	if err != nil || typed != shown || n < 0 {
		return fmt.Errorf("nothing was sent: type the number of people that it reaches: %w", otn.ErrRefused)
	}
	r.DryRun = true
	now, err := c.host.Send(ctx, r)
	if err != nil {
		return err
	}
	if now.Reaches > n+grown(n) {
		return fmt.Errorf("nothing was sent: it would reach %d now, not %d: %w", now.Reaches, n, otn.ErrRefused)
	}
	return nil
}
