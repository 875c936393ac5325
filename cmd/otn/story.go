// The story of the demo: what people ask for, what the shop does, and who is told.

package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/api"
	"github.com/onetimenotify/otn/plugins/messenger/graphtest"
)

// person is somebody in the demo.
type person struct {
	name, psid string
	ref        string // what they tapped on
	taps       int
	wants      string // in words
	gets       bool   // whether one message is expected
	cut        bool   // the platform's answer about it is lost
	tokens     []string
}

// cast is everybody, with what they want.
func cast() []*person {
	return []*person{
		{name: "Ann", psid: "5400000000000011", ref: "notify.price-drop.DJ-M?target=120.00+USD", taps: 1, wants: "price-drop, at or below 120.00 USD", gets: true},
		{name: "Ben", psid: "5400000000000012", ref: "notify.price-drop.DJ-M", taps: 1, wants: "price-drop, any", gets: true, cut: true},
		{name: "Cleo", psid: "5400000000000013", ref: "notify.price-drop.DJ-M?target=99.00+USD", taps: 1, wants: "price-drop, at or below 99.00 USD"},
		{name: "Dan", psid: "5400000000000014", ref: "notify.back-in-stock.DJ-S", taps: 1, wants: "back-in-stock, size S", gets: true},
		{name: "Eve", psid: "5400000000000015", ref: "notify.back-in-stock.DJ-S?quantity=5", taps: 1, wants: "back-in-stock, size S, 5 pieces"},
		{name: "Fay", psid: "5400000000000016", ref: "notify.price-drop.DJ-M", taps: 2, wants: "price-drop, any; tapped twice", gets: true},
		{name: "Gus", psid: "5400000000000017", ref: "notify.journal", taps: 1, wants: "the next lookbook", gets: true},
	}
}

// stage is where the story is played.
type stage struct {
	*call
	graph   *graphtest.Server
	doors   doors
	file    string
	started time.Time
	people  []*person
	client  *api.Client
	web     *http.Client
}

func (s *stage) step(format string, args ...any) {
	s.say("%6.2fs  %s", time.Since(s.started).Seconds(), fmt.Sprintf(format, args...))
}

// play does everything that happens, and waits until the expected messages are there and no run goes on.
func (s *stage) play(ctx context.Context) error {
	s.people, s.web = cast(), &http.Client{Timeout: 10 * time.Second}
	defer s.web.CloseIdleConnections()
	client, err := s.call.client()
	if err != nil {
		return err
	}
	s.client = client
	s.step("%s in %s", s.bold("a daemon is up"), s.config.Data)
	if err := s.plugged(ctx); err != nil {
		return err
	}
	s.step("the channel shop speaks to a fake Messenger platform, the source store listens for Shopify")
	if err := s.product(ctx, "149.00", 0, "2026-11-20T10:00:00-05:00"); err != nil {
		return err
	}
	s.step("Shopify says: a Dock Jacket is 149.00 USD; size S is sold out, size M is there")
	if err := s.consents(ctx); err != nil {
		return err
	}
	for _, p := range s.people {
		if p.cut {
			s.graph.Fail(graphtest.AcceptThenCut().For(p.tokens[0]))
		}
	}
	if err := s.product(ctx, "119.00", 3, "2026-11-27T09:00:00-05:00"); err != nil {
		return err
	}
	s.step("Shopify says: %s", s.bold("the Dock Jacket is 119.00 USD now, and 3 of size S are back"))
	if err := s.lookbook(ctx); err != nil {
		return err
	}
	if err := s.arrived(ctx); err != nil {
		return err
	}
	s.step("the platform accepted %s; one of its answers was lost on the way", s.bold(count(len(s.graph.Messages()), "message", "messages")))
	return s.again(ctx)
}

// lookbook is a trigger through the operator's door.
func (s *stage) lookbook(ctx context.Context) error {
	post := api.TriggerBody{Fields: map[string]api.Text{"title": "The winter lookbook", "url": "https://harbor-pine.example/winter"}}
	var made api.TriggerAnswer
	if err := s.client.Post(ctx, "/v1/triggers/new_post", "demo", post, &made); err != nil {
		return err
	}
	s.step("the shop says: the winter lookbook is out")
	return nil
}

// consents are granted through signed webhooks; one comes twice, one is forged.
func (s *stage) consents(ctx context.Context) error {
	var last graphtest.Hook
	taps := 0
	for _, p := range s.people {
		for range p.taps {
			h := s.graph.Grant(p.psid, p.ref)
			p.tokens = append(p.tokens, h.Token)
			if status, err := s.post(ctx, "shop", h.Body, h.Header); err != nil || status != http.StatusOK {
				return fmt.Errorf("the consent of %s: HTTP %d: %w", p.name, status, err)
			}
			last = h
			taps++
		}
	}
	s.step("%s tap Notify Me, %d times in all: each tap is a signed webhook with a one-time token", count(len(s.people), "person", "people"), taps)
	if status, err := s.post(ctx, "shop", last.Body, last.Header); err != nil || status != http.StatusOK {
		return fmt.Errorf("a consent that is delivered again: HTTP %d: %w", status, err)
	}
	forged := bytes.ReplaceAll(last.Body, []byte("81000"), []byte("81999"))
	status, err := s.post(ctx, "shop", forged, last.Header)
	if err != nil || status < 400 {
		return fmt.Errorf("a forged consent: HTTP %d: %w", status, err)
	}
	s.step("one webhook comes twice and changes nothing; a forged one is refused with HTTP %d", status)
	return nil
}

// again delivers the price drop a second time: a webhook that is repeated tells nobody anything.
func (s *stage) again(ctx context.Context) error {
	if err := s.product(ctx, "119.00", 3, "2026-11-27T09:00:00-05:00"); err != nil {
		return err
	}
	s.step("Shopify repeats itself: nobody is told twice")
	return s.arrived(ctx)
}

// product is a signed products/update webhook of the jacket.
func (s *stage) product(ctx context.Context, price string, small int, updated string) error {
	variant := func(id int64, size string, stock int) map[string]any {
		return map[string]any{
			"id": id, "product_id": 9007199254740993, "sku": "DJ-" + size, "title": size, "price": price, "compare_at_price": nil,
			"inventory_policy": "deny", "inventory_quantity": stock, "updated_at": updated, "position": 1, "image_id": nil,
		}
	}
	body, err := json.Marshal(map[string]any{
		"id": 9007199254740993, "handle": "dock-jacket", "title": "Dock Jacket", "status": "active", "published_at": "2026-09-01T09:05:00-04:00",
		"published_scope": "web", "updated_at": updated, "tags": "waxed, winter", "images": []any{}, "image": nil,
		"variants": []any{variant(9007199254741001, "S", small), variant(9007199254741003, "M", 12)},
	})
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, []byte(demoShopify))
	_, _ = mac.Write(body)
	status, err := s.post(ctx, "store", body, http.Header{
		"Content-Type": {"application/json"}, "X-Shopify-Topic": {"products/update"}, "X-Shopify-Shop-Domain": {"harbor-pine.myshopify.com"},
		"X-Shopify-Webhook-Id": {"demo-" + updated}, "X-Shopify-Hmac-Sha256": {base64.StdEncoding.EncodeToString(mac.Sum(nil))},
	})
	if err != nil || status != http.StatusOK {
		return fmt.Errorf("the product webhook: HTTP %d: %w", status, err)
	}
	return nil
}

// post makes a call of the public door.
func (s *stage) post(ctx context.Context, instance string, body []byte, header http.Header) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.doors.Hooks+"/hooks/"+instance, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header = header.Clone()
	answer, err := s.web.Do(r)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, errors.Join(err, answer.Body.Close())
}

// plugged waits until every plugin takes calls.
func (s *stage) plugged(ctx context.Context) error {
	return until(ctx, func() (bool, error) {
		var c api.Channels
		var f api.Sources
		err := errors.Join(s.client.Get(ctx, "/v1/channels", nil, &c), s.client.Get(ctx, "/v1/sources", nil, &f))
		for _, v := range append(c.Channels, f.Sources...) {
			if v.State != "ready" {
				return false, err
			}
		}
		return err == nil, err
	})
}

// expected is how many messages there must be.
func (s *stage) expected() (n int) {
	for _, p := range s.people {
		if p.gets {
			n++
		}
	}
	return n
}

// arrived waits until the expected messages are there and every run is done.
func (s *stage) arrived(ctx context.Context) error {
	return until(ctx, func() (bool, error) {
		var runs api.Runs
		if err := s.client.Get(ctx, "/v1/runs", nil, &runs); err != nil {
			return false, err
		}
		for _, r := range runs.Runs {
			if r.State != "done" {
				return false, nil
			}
		}
		return len(s.graph.Messages()) >= s.expected(), nil
	})
}

// until asks again and again, until it is so or nobody can wait any longer.
func until(ctx context.Context, so func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := so()
		if ok || err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil // what is missing is in the table
		}
	}
}

// close shows the table, and reports whether every expected message arrived exactly once, and nothing else.
func (s *stage) close(ctx context.Context) (bool, error) {
	t := &table{head: []string{"WHO", "ASKED FOR", "GOT", "WHEN", "WHY"}}
	got := map[string][]graphtest.Message{}
	for _, m := range s.graph.Messages() {
		got[m.PSID] = append(got[m.PSID], m)
	}
	exact, tokens := len(s.graph.Doubles()) == 0, 0
	var rows []map[string]any
	for _, p := range s.people {
		why, err := s.because(ctx, p)
		if err != nil {
			return false, err
		}
		messages := got[p.psid]
		text, when := "nothing", "-"
		for _, m := range messages {
			text, when = headline(m), m.At.In(s.config.Zone).Format("15:04:05")
		}
		want := 0
		if p.gets {
			want = 1
		}
		exact = exact && len(messages) == want
		tokens += s.spent(p)
		t.add(p.name, p.wants, text, when, why)
		rows = append(rows, map[string]any{"who": p.name, "asked_for": p.wants, "got": len(messages), "message": text, "why": why})
	}
	exact = exact && len(s.graph.Messages()) == s.expected()
	s.say("")
	if err := s.show(map[string]any{"people": rows, "accepted": len(s.graph.Messages()), "exactly_once": exact}, t); err != nil {
		return false, err
	}
	if exact && s.format == asTable {
		_, _ = fmt.Fprintf(s.stdout, "\n%s accepted by the fake Graph API, each for a token of its own, exactly once.\n", count(tokens, "message was", "messages were"))
	}
	return exact, nil
}

// spent is how many of a person's tokens the platform took exactly once.
func (s *stage) spent(p *person) (n int) {
	for _, token := range p.tokens {
		if len(s.graph.Delivered(token)) == 1 {
			n++
		}
	}
	return n
}

// headline is the first words of a message.
func headline(m graphtest.Message) string {
	var body struct {
		Message struct {
			Text       string `json:"text"`
			Attachment struct {
				Payload struct {
					Elements []struct {
						Title string `json:"title"`
					} `json:"elements"`
				} `json:"payload"`
			} `json:"attachment"`
		} `json:"message"`
	}
	if json.Unmarshal(m.Body, &body) != nil {
		return "a message"
	}
	if e := body.Message.Attachment.Payload.Elements; len(e) > 0 {
		return e[0].Title
	}
	text, _, _ := strings.Cut(body.Message.Text, ": http")
	return text
}

// because is the last thing that is known of why this person got a message, or did not.
func (s *stage) because(ctx context.Context, p *person) (string, error) {
	var w core.Why
	if err := s.client.Get(ctx, "/v1/decisions", url.Values{"channel": {"shop"}, "subscriber": {p.psid}}, &w); err != nil {
		return "", err
	}
	waiting := 0
	for _, c := range w.Consents {
		if c.State == "waiting" {
			waiting++
		}
	}
	last := core.Reason{Because: "-"}
	if len(w.Reasons) > 0 {
		last = w.Reasons[len(w.Reasons)-1]
	}
	why, _, _ := strings.Cut(last.Because, ": ")
	if p.cut {
		why = "the answer was lost, an echo proved that it was accepted"
	}
	for _, v := range last.Values { // the smallest part of the condition that was not so
		if text, ok := strings.CutSuffix(v, " = false"); ok {
			why = strings.TrimSpace(text) + " is false"
		}
	}
	if waiting > 0 {
		why += fmt.Sprintf("; %s waiting", count(waiting, "token is still", "tokens are still"))
	}
	return why, nil
}

// invite says what to try while the daemon is up.
func (s *stage) invite() {
	s.say("\nThe daemon stays up until Ctrl-C: hooks http://%s, admin http://%s. Its console: http://%s/", s.doors.Hooks, s.doors.Admin, s.doors.Admin)
	s.say("Log in with the key in %s, and look up %s, say. Or try, in another terminal:", filepath.Join(s.config.Data, api.KeyFile), s.people[2].psid)
	s.say("  otn -c %s trigger new_post title='The winter lookbook' url=https://shop.example/winter", s.file)
	s.say("  otn -c %s why %s", s.file, s.people[len(s.people)-1].psid)
	s.say("  otn -c %s topics", s.file)
}
