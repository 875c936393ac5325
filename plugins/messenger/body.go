// The bodies of sends and asks, and the limits that are checked before anything is called.

package messenger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/onetimenotify/otn/core/otn"
)

// maxPayload bounds what comes back with a tap, in bytes. The platform's own limit is not documented.
const maxPayload = 1000

// metadataPrefix marks our own messages: the delivery's id stands behind it, and comes back in the echo.
const metadataPrefix = "otn:"

type request struct {
	Recipient recipient `json:"recipient"`
	Type      string    `json:"messaging_type,omitempty"`
	Message   message   `json:"message"`
}

type recipient struct {
	ID    string `json:"id,omitempty"`
	Token string `json:"one_time_notif_token,omitempty"`
}

type message struct {
	Text         string       `json:"text,omitempty"`
	Attachment   *attachment  `json:"attachment,omitempty"`
	QuickReplies []quickReply `json:"quick_replies,omitempty"`
	Metadata     string       `json:"metadata,omitempty"`
}

type attachment struct {
	Type    string `json:"type"`
	Payload any    `json:"payload"`
}

type imagePayload struct {
	URL string `json:"url"`
}

type genericPayload struct {
	Template string    `json:"template_type"`
	Elements []element `json:"elements"`
}

type askPayload struct {
	Template string `json:"template_type"`
	Title    string `json:"title"`
	Payload  string `json:"payload"`
}

type element struct {
	Title    string   `json:"title"`
	Subtitle string   `json:"subtitle,omitempty"`
	Image    string   `json:"image_url,omitempty"`
	Action   *button  `json:"default_action,omitempty"`
	Buttons  []button `json:"buttons,omitempty"`
}

type button struct {
	Type  string `json:"type"`
	Title string `json:"title,omitempty"`
	URL   string `json:"url"`
}

type quickReply struct {
	Type    string `json:"content_type"`
	Title   string `json:"title"`
	Payload string `json:"payload"`
}

// proactive is the messaging_type of what a page says into an open window by itself. Source: Send API, messaging types.
const proactive = "UPDATE"

// sendBody is the one way a consent is spent: by its token alone, without tag and without messaging_type. A reply goes to
// the person, into their open window.
func sendBody(d *otn.Delivery) ([]byte, error) {
	if err := checkMessage(&d.Message); err != nil {
		return nil, err
	}
	m := message{Metadata: metadataPrefix + d.ID.String()}
	switch d.Message.Form() {
	case otn.TextForm:
		m.Text = d.Message.Text
	case otn.CardForm:
		m.Attachment = generic([]otn.Card{*d.Message.Card})
	case otn.GalleryForm:
		m.Attachment = generic(d.Message.Gallery)
	case otn.ImageForm:
		m.Attachment = &attachment{"image", imagePayload{d.Message.Image}}
	}
	if q := d.Message.QuickReply; q != nil {
		m.QuickReplies = []quickReply{{"text", q.Title, orElse(q.Payload, q.Title)}}
	}
	if d.Reply {
		return encode(request{recipient{ID: d.Subscriber.ID}, proactive, m})
	}
	return encode(request{Recipient: recipient{Token: d.Token.Reveal()}, Message: m})
}

// askBody is the request for consent; the button's text is the platform's.
func askBody(a *otn.Ask) ([]byte, error) {
	if err := checkAsk(a); err != nil {
		return nil, err
	}
	t := &attachment{"template", askPayload{"one_time_notif_req", a.Title, a.Ref}}
	return encode(request{Recipient: recipient{ID: a.Subscriber.ID}, Message: message{Attachment: t}})
}

func generic(cards []otn.Card) *attachment {
	p := genericPayload{Template: "generic"}
	for _, c := range cards {
		e := element{Title: c.Title, Subtitle: c.Subtitle, Image: c.Image}
		if c.URL != "" {
			e.Action = &button{Type: "web_url", URL: c.URL}
		}
		for _, b := range c.Buttons {
			e.Buttons = append(e.Buttons, button{"web_url", b.Title, b.URL})
		}
		p.Elements = append(p.Elements, e)
	}
	return &attachment{"template", p}
}

// encode writes JSON with & < > as they are, as links want them.
func encode(r request) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func checkMessage(m *otn.Message) error {
	forms := 0
	for _, set := range []bool{m.Text != "", m.Card != nil, len(m.Gallery) > 0, m.Image != ""} {
		if set {
			forms++
		}
	}
	if forms != 1 {
		return fmt.Errorf("a message is exactly one of text, card, gallery and image, not %d of them", forms)
	}
	var faults []error
	switch m.Form() {
	case otn.TextForm:
		faults = append(faults, checkText("text", m.Text, otn.MaxText))
	case otn.CardForm:
		faults = append(faults, checkCard("card", m.Card))
	case otn.GalleryForm:
		faults = append(faults, checkGallery(m.Gallery))
	case otn.ImageForm:
		faults = append(faults, checkURL("image", m.Image))
	}
	return errors.Join(append(faults, checkQuickReply(m.QuickReply))...)
}

func checkGallery(cards []otn.Card) error {
	if len(cards) > otn.MaxCards {
		return fmt.Errorf("gallery has %d cards, at most %d", len(cards), otn.MaxCards)
	}
	for i := range cards {
		if err := checkCard(fmt.Sprintf("gallery[%d]", i), &cards[i]); err != nil {
			return err
		}
	}
	return nil
}

func checkCard(what string, c *otn.Card) error {
	if c.Subtitle == "" && c.Image == "" && c.URL == "" && len(c.Buttons) == 0 {
		return fmt.Errorf("%s has a title alone: it wants a subtitle, an image, a url or a button", what)
	}
	if len(c.Buttons) > otn.MaxButtons {
		return fmt.Errorf("%s has %d buttons, at most %d", what, len(c.Buttons), otn.MaxButtons)
	}
	faults := []error{checkText(what+".title", c.Title, otn.MaxTitle)}
	if utf8.RuneCountInString(c.Subtitle) > otn.MaxSubtitle {
		faults = append(faults, fmt.Errorf("%s.subtitle is over %d characters", what, otn.MaxSubtitle))
	}
	if c.Image != "" {
		faults = append(faults, checkURL(what+".image", c.Image))
	}
	if c.URL != "" {
		faults = append(faults, checkURL(what+".url", c.URL))
	}
	for i, b := range c.Buttons {
		if strings.TrimSpace(b.Title) == "" {
			faults = append(faults, fmt.Errorf("%s.buttons[%d] has no title", what, i))
		}
		faults = append(faults, checkURL(fmt.Sprintf("%s.buttons[%d].url", what, i), b.URL))
	}
	return errors.Join(faults...)
}

func checkQuickReply(q *otn.QuickReply) error {
	switch {
	case q == nil:
		return nil
	case strings.TrimSpace(q.Title) == "":
		return errors.New("quick_reply has no title")
	case len(orElse(q.Payload, q.Title)) > maxPayload:
		return fmt.Errorf("quick_reply.payload is over %d bytes", maxPayload)
	}
	return nil
}

func checkAsk(a *otn.Ask) error {
	faults := []error{checkAskTitle(a.Title)}
	if !reachable(a.Subscriber.ID) {
		faults = append(faults, errors.New("the subscriber is not known by an id that can be written to"))
	}
	if a.Ref == "" || len(a.Ref) > maxPayload {
		faults = append(faults, fmt.Errorf("ref has %d bytes, want 1 to %d", len(a.Ref), maxPayload))
	}
	return errors.Join(faults...)
}

func checkText(what, s string, limit int) error {
	if strings.TrimSpace(s) == "" {
		return fmt.Errorf("%s is empty", what)
	}
	if n := utf8.RuneCountInString(s); n > limit {
		return fmt.Errorf("%s has %d characters, at most %d", what, n, limit)
	}
	return nil
}

func checkURL(what, s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("%s is no web address", what)
	}
	return nil
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
