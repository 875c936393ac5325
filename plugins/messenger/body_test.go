// Bodies against the fixtures, and every limit at its edge.

package messenger

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/messenger/graphtest"
)

func TestBodies(t *testing.T) {
	text := delivery(1, "8100000000000000001")
	gallery := delivery(2, "8100000000000000002")
	all := "https://shop.example/collections/winter-26"
	winter := otn.Card{
		Title: "Winter '26", Subtitle: "12 new pieces", Image: "https://shop.example/img/w26.jpg", URL: all,
		Buttons: []otn.Button{{Title: "See all", URL: all}},
	}
	gallery.Message = otn.Message{Gallery: []otn.Card{winter}, QuickReply: &otn.QuickReply{Title: "More like this", Payload: "MORE:winter-26"}}
	card := gallery
	card.Message = otn.Message{Card: &winter, QuickReply: gallery.Message.QuickReply}
	image := delivery(3, "8100000000000000003")
	image.Message = otn.Message{Image: "https://shop.example/img/dj-s.jpg"}
	reply := delivery(4, "")
	reply.Token, reply.Reply, reply.Message = otn.Token{}, true, otn.Message{Text: "Dock Jacket in S is back."}
	for _, c := range []struct {
		file string
		d    otn.Delivery
	}{
		{"graph/request.send_token_text.json", text},
		{"graph/request.send_window.json", reply},
		{"graph/request.send_token_gallery_quick_reply.json", gallery},
		{"graph/request.send_token_gallery_quick_reply.json", card}, // a card is a gallery of one
		{"graph/request.send_token_image.json", image},
	} {
		t.Run(c.file, func(t *testing.T) {
			body, err := sendBody(&c.d)
			if err != nil {
				t.Fatal(err)
			}
			var want map[string]any
			readFixture(t, c.file, &want)
			want["message"].(map[string]any)["metadata"] = "otn:" + c.d.ID.String()
			sameJSON(t, body, want)
		})
	}
}

func TestAskBody(t *testing.T) {
	body, err := askBody(&otn.Ask{
		Subscriber: otn.Subscriber{ID: "5400000000000011"},
		Title:      "Dock Jacket in S is back in stock", Ref: "notify.back-in-stock.DJ-S",
	})
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]any
	readFixture(t, "graph/request.ask.json", &want)
	sameJSON(t, body, want)
}

func sameJSON(t *testing.T, body []byte, want map[string]any) {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

// A link keeps its & as it is, and so do < and >.
func TestLinksAreNotEscaped(t *testing.T) {
	d := delivery(1, "8100000000000000001")
	d.Message.Text = "https://shop.example/?a=1&b=<2>"
	body, err := sendBody(&d)
	if err != nil || !strings.Contains(string(body), `a=1&b=<2>`) {
		t.Errorf("got %s, %v", body, err)
	}
}

func TestQuickReplyWithoutPayloadCarriesItsTitle(t *testing.T) {
	d := delivery(1, "8100000000000000001")
	d.Message.QuickReply = &otn.QuickReply{Title: "Not now"}
	body, err := sendBody(&d)
	if err != nil || !strings.Contains(string(body), `{"content_type":"text","title":"Not now","payload":"Not now"}`) {
		t.Errorf("got %s, %v", body, err)
	}
}

// A breach of a limit is Invalid of scope message, and the platform is never called.
func TestLimits(t *testing.T) {
	m, g := pair(t, graphtest.Options{})
	link := "https://shop.example/p"
	full := otn.Card{Title: strings.Repeat("é", 80), Subtitle: strings.Repeat("é", 80), URL: link}
	button := otn.Button{Title: "Buy", URL: link}
	for name, c := range map[string]struct {
		m  otn.Message
		ok bool
	}{
		"text at 2000":            {otn.Message{Text: strings.Repeat("é", 2000)}, true},
		"text at 2001":            {otn.Message{Text: strings.Repeat("é", 2001)}, false},
		"text of blanks":          {otn.Message{Text: " \n"}, false},
		"nothing":                 {otn.Message{}, false},
		"text and image":          {otn.Message{Text: "a", Image: link}, false},
		"card at its limits":      {otn.Message{Card: &full}, true},
		"card title at 81":        {otn.Message{Card: &otn.Card{Title: strings.Repeat("é", 81), URL: link}}, false},
		"card subtitle at 81":     {otn.Message{Card: &otn.Card{Title: "a", Subtitle: strings.Repeat("é", 81)}}, false},
		"card with title alone":   {otn.Message{Card: &otn.Card{Title: "a"}}, false},
		"card without title":      {otn.Message{Card: &otn.Card{Subtitle: "a"}}, false},
		"3 buttons":               {otn.Message{Card: &otn.Card{Title: "a", Buttons: []otn.Button{button, button, button}}}, true},
		"4 buttons":               {otn.Message{Card: &otn.Card{Title: "a", Buttons: []otn.Button{button, button, button, button}}}, false},
		"button without title":    {otn.Message{Card: &otn.Card{Title: "a", Buttons: []otn.Button{{URL: link}}}}, false},
		"button without address":  {otn.Message{Card: &otn.Card{Title: "a", Buttons: []otn.Button{{Title: "a"}}}}, false},
		"button to a script":      {otn.Message{Card: &otn.Card{Title: "a", Buttons: []otn.Button{{Title: "a", URL: "javascript:x"}}}}, false},
		"gallery of 10":           {otn.Message{Gallery: []otn.Card{full, full, full, full, full, full, full, full, full, full}}, true},
		"gallery of 11":           {otn.Message{Gallery: []otn.Card{full, full, full, full, full, full, full, full, full, full, full}}, false},
		"gallery with a bad card": {otn.Message{Gallery: []otn.Card{full, {Title: "a"}}}, false},
		"image":                   {otn.Message{Image: link}, true},
		"image without host":      {otn.Message{Image: "/img.jpg"}, false},
		"quick reply no title":    {otn.Message{Text: "a", QuickReply: &otn.QuickReply{Payload: "x"}}, false},
		"quick reply of 1001":     {otn.Message{Text: "a", QuickReply: &otn.QuickReply{Title: "a", Payload: strings.Repeat("x", 1001)}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(g.Calls())
			d := delivery(1, g.Grant("5400000000000011", "").Token)
			d.Message = c.m
			_, err := m.Send(t.Context(), d)
			if c.ok {
				if err != nil || len(g.Calls()) != before+1 {
					t.Fatalf("not sent: %v", err)
				}
				return
			}
			wants(t, err, otn.Invalid, otn.MessageScope, "limit")
			if len(g.Calls()) != before {
				t.Fatal("the platform was called")
			}
		})
	}
}

// The title counts as code points and as UTF-16 units, the payload in bytes.
func TestAskLimits(t *testing.T) {
	m, g := pair(t, graphtest.Options{OpenWindows: true})
	for name, c := range map[string]struct {
		title, ref, whom string
		ok               bool
	}{
		"65 letters":       {strings.Repeat("é", 65), "notify.a", "54", true},
		"66 letters":       {strings.Repeat("é", 66), "notify.a", "54", false},
		"32 emoji and one": {strings.Repeat("🎟", 32) + "a", "notify.a", "54", true},
		"33 emoji":         {strings.Repeat("🎟", 33), "notify.a", "54", false},
		"no title":         {"", "notify.a", "54", false},
		"ref of 1000":      {"a", strings.Repeat("é", 500), "54", true},
		"ref of 1001":      {"a", strings.Repeat("é", 500) + "x", "54", false},
		"no ref":           {"a", "", "54", false},
		"nobody":           {"a", "notify.a", "", false},
		"a checkbox":       {"a", "notify.a", "user_ref:chk-1", false},
		"only a token":     {"a", "notify.a", "token:abc", false},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(g.Calls())
			_, err := m.Ask(t.Context(), otn.Ask{ID: "a1", Subscriber: otn.Subscriber{ID: c.whom}, Title: c.title, Ref: c.ref})
			if c.ok {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			wants(t, err, otn.Invalid, otn.MessageScope, "limit")
			if len(g.Calls()) != before {
				t.Fatal("the platform was called")
			}
		})
	}
}

func TestTokensThatCannotBeSpentHere(t *testing.T) {
	m, g := pair(t, graphtest.Options{})
	foreign := delivery(1, "8100000000000000001")
	foreign.Token = otn.NewToken("104600000000002", "8100000000000000001")
	_, err := m.Send(t.Context(), foreign)
	wants(t, err, otn.Invalid, otn.MessageScope, "other_page")

	none := delivery(1, "")
	_, err = m.Send(t.Context(), none)
	wants(t, err, otn.Invalid, otn.MessageScope, "no_token")
	if !errors.Is(err, otn.ErrNoToken) || len(g.Calls()) != 0 {
		t.Errorf("got %v after %d calls", err, len(g.Calls()))
	}
}
