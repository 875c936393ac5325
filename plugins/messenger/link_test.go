// The page's links, and what comes back through them.

package messenger

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/messenger/graphtest"
)

func TestLinks(t *testing.T) {
	m := open(t, testConfig(""))
	for ref, want := range map[string]string{
		"notify.back-in-stock.DJ-S":            "https://m.me/" + testPage + "?ref=notify.back-in-stock.DJ-S",
		"notify.a.X+Y":                         "https://m.me/" + testPage + "?ref=notify.a.X%2BY",
		otn.ShortRef("x"):                      "https://m.me/" + testPage + "?ref=" + otn.ShortRef("x"),
		"notify.a." + strings.Repeat("x", 140): "https://m.me/" + testPage + "?ref=notify.a." + strings.Repeat("x", 140),
		"notify.a." + strings.Repeat("x", 141): "",
		"":                                     "",
		"notify.price-drop.DJ-S?target=99.00+USD":  "",
		"notify.tickets.https://shop.example/s/7 ": "",
		"notify.back-in-stock.café":                "",
	} {
		got, err := m.Link(t.Context(), ref)
		if got != want || (want == "") != errors.Is(err, otn.ErrInvalid) {
			t.Errorf("%q: %q %v, want %q", ref, got, err, want)
		}
		u, err := url.Parse(got)
		if want != "" && (err != nil || u.Query().Get("ref") != ref) {
			t.Errorf("%q comes back as %q", ref, u.Query().Get("ref"))
		}
	}
}

// Who comes through a link is told of, unless a bot asks them itself; the window opens all the same.
func TestWhoComesThroughALink(t *testing.T) {
	c := testConfig("")
	off := false
	c.AskOnLink = &off
	g := graphtest.New(graphtest.Options{AppSecret: testApp, Pages: []graphtest.Page{{ID: testPage}}})
	short := otn.ShortRef("notify.back-in-stock.DJ-S")
	tap := `{"sender":{"id":"1"},"timestamp":1795345200000,"postback":{"mid":"m1","payload":"` + short + `"}}`
	for name, m := range map[string]*Messenger{"on": open(t, testConfig("")), "off": open(t, c)} {
		bodies := map[string][]byte{"a link": g.Sign(g.Link("1", short)).Body, "a button": item(tap)}
		for way, body := range bodies {
			got := strings.Join(readAll(t, m, body), "\n")
			if strings.Contains(got, "referral 1 "+short) != (name == "on") || !strings.Contains(got, "window 1") {
				t.Errorf("%s, %s: %s", way, name, got)
			}
		}
	}
}
