// The feature that otn grew from: each point of it has its place and its tests.

package core_test

import (
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

func TestEveryPointOfTheSeed(t *testing.T) {
	text, err := os.ReadFile("SEED.md")
	if err != nil {
		t.Fatal(err)
	}
	known, named := tests(t), regexp.MustCompile("`(Test\\w+|[\\w-]+\\.txtar)`")
	rows := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		id := strings.TrimPrefix(cells[0], "| ")
		if len(cells) != 4 || !regexp.MustCompile(`^I?\d+$`).MatchString(id) {
			continue
		}
		if rows[id] {
			t.Errorf("point %s is there twice", id)
		}
		rows[id] = true
		shown := named.FindAllStringSubmatch(cells[3], -1)
		if len(shown) == 0 && id != "52" { // news of a community
			t.Errorf("nothing shows point %s", id)
		}
		for _, m := range shown {
			if !known[m[1]] {
				t.Errorf("there is no %s, which is to show point %s", m[1], id)
			}
		}
	}
	for n := range 52 {
		if !rows[fmt.Sprint(n+1)] {
			t.Errorf("point %d has no place", n+1)
		}
	}
	for n := range 10 {
		if !rows[fmt.Sprint("I", n+1)] {
			t.Errorf("what was left open, %d, is not decided", n+1)
		}
	}
	if len(rows) != 62 {
		t.Errorf("%d rows", len(rows))
	}
}

// A consent is spent for its own topic and subject, whatever else its person waits for.
func TestAConsentIsForItsTopicAlone(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		w.start()
		w.price("coat", "120.00 USD")
		w.price("dress", "120.00 USD")
		w.after(time.Second)
		coat, dress := w.grant("ann", "price-drop", "coat"), w.grant("ann", "price-drop", "dress")
		back, news := w.grant("ann", "back", "coat"), w.grant("ann", "news", "")
		w.price("coat", "99.00 USD")
		w.after(time.Minute)
		want(t, "told", texts(shop), "ann: now price-drop 99.00 USD")
		for _, c := range []struct{ id, state string }{{coat.ID, "sent"}, {dress.ID, "waiting"}, {back.ID, "waiting"}, {news.ID, "waiting"}} {
			want(t, "the consent "+c.id, w.state(c.id), c.state)
		}
	})
}

// A year after the tap the consent has expired: its person may be asked again, and what they give then is another token.
func TestAskedAgainAfterTheYear(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		ch := &both{channel: shop}
		w.chans["shop"] = ch
		w.start()
		door := w.host.Hooks()
		ask := func() error {
			_, err := w.host.Ask(t.Context(), core.AskRequest{Channel: "shop", Recipient: "ann", Topic: "news"})
			return err
		}
		first := w.grantToken("ann", "news", "", "first")
		call(t, door, http.MethodPost, "/hooks/shop", "s3cret", "window ann")
		if err := ask(); err == nil {
			t.Error("who waits already was asked")
		}
		w.after(otn.TokenLife + 24*time.Hour)
		want(t, "the old one", w.state(first.ID), "expired")
		call(t, door, http.MethodPost, "/hooks/shop", "s3cret", "window ann")
		if err := ask(); err != nil {
			t.Fatal(err)
		}
		want(t, "asks that were made", ch.asked.Load(), 1)
		again := w.grantToken("ann", "news", "", "second")
		want(t, "it is new", again.Added && again.ID != first.ID, true)
		if _, err := w.host.Trigger(t.Context(), otn.Trigger{Name: "post"}); err != nil {
			t.Fatal(err)
		}
		w.after(time.Minute)
		want(t, "messages", len(shop.accepted()), 1)
		want(t, "the new one", w.state(again.ID), "sent")
		want(t, "the old one", w.state(first.ID), "expired")
	})
}

// A topic counts as soon as somebody has agreed to it, also one that no rule knows.
func TestATopicCountsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		w.chans["shop"] = &both{channel: shop}
		w.start()
		call(t, w.host.Hooks(), http.MethodPost, "/hooks/shop", "s3cret", "t1 ann news\nt2 bob never-heard-of")
		topics, err := w.host.Topics()
		if err != nil {
			t.Fatal(err)
		}
		waiting := map[string]int64{}
		for _, v := range topics {
			waiting[v.ID] += v.Waiting
		}
		want(t, "news", waiting["news"], 1)
		want(t, "one that no rule knows", waiting[""]+waiting["never-heard-of"], 1)
	})
}

// The title that a person was asked with is kept, and shown beside what they got for it.
func TestTheTitleIsKept(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		shop := w.fake("shop")
		w.chans["shop"] = &both{channel: shop}
		w.start()
		call(t, w.host.Hooks(), http.MethodPost, "/hooks/shop", "s3cret", "window ann")
		if _, err := w.host.Ask(t.Context(), core.AskRequest{Channel: "shop", Recipient: "ann", Topic: "news", Title: "The winter lookbook"}); err != nil {
			t.Fatal(err)
		}
		w.grant("ann", "news", "")
		if _, err := w.host.Trigger(t.Context(), otn.Trigger{Name: "post"}); err != nil {
			t.Fatal(err)
		}
		w.after(time.Minute)
		w.restart()
		ann, err := w.host.Subscriber("shop", "ann")
		if err != nil {
			t.Fatal(err)
		}
		want(t, "asks", len(ann.Asks), 1)
		want(t, "title", ann.Asks[0].Title, "The winter lookbook")
		want(t, "messages", len(ann.Deliveries), 1)
	})
}
