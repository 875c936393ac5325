// What a topic says after a consent: once, inside the window, and never instead of a message.

package core_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// thenWorld is a world whose topic news says something after a consent.
func thenWorld(w *world) *bot {
	b := askWorld(w, asking{then: map[string]string{"news": "We will tell you once."}})
	b.can.Replies = true
	return b
}

func given(sub, token string) otn.Record {
	return otn.Record{Key: token, Consent: &otn.Consent{Token: otn.NewToken("page", token), Subscriber: who(sub), Topic: "news"}}
}

// said is what was said without a token: to whom, and what.
func (b *bot) said() string {
	b.channel.mu.Lock()
	defer b.channel.mu.Unlock()
	var lines []string
	for _, s := range b.sent {
		if s.Reply {
			if !s.Token.IsZero() || s.ID == (otn.DeliveryID{}) {
				lines = append(lines, "with a token, or without an id:")
			}
			lines = append(lines, s.Subscriber.ID+": "+s.Message.Text)
		}
	}
	return strings.Join(lines, "; ")
}

const annIsTold = "ann: We will tell you once."

func TestThenIsSaidOnce(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := thenWorld(w)
		b.says(t, w, opening("ann"))
		b.says(t, w, given("ann", "t1"))
		w.after(time.Second)
		want(t, "said", b.said(), annIsTold)
		want(t, "why", w.whys("ann"), `said: "We will tell you once."`)
		again := given("ann", "t1")
		again.Key = "another envelope"
		b.says(t, w, again)
		b.says(t, w, given("ann", "t1"))
		w.grantToken("ann", "news", "", "t1")
		w.restart()
		w.after(time.Hour)
		want(t, "said, when the consent comes again", b.said(), annIsTold)
		w.grant("ann", "back", "coat") // a topic that says nothing
		b.says(t, w, given("ann", "t2"))
		w.after(time.Second)
		want(t, "said after a second consent", b.said(), annIsTold+"; "+annIsTold)
		if sent := b.accepted(); sent[0].ID == sent[1].ID {
			t.Error("two replies have one id")
		}
	})
}

func TestThenIsNotSaid(t *testing.T) {
	for name, c := range map[string]struct {
		before func(t *testing.T, w *world, b *bot)
		why    string
	}{
		"without a window": {func(*testing.T, *world, *bot) {}, ""},
		"to who stopped": {func(t *testing.T, w *world, b *bot) {
			b.says(t, w, opening("ann"), otn.Record{Stop: &otn.Stop{Subscriber: who("ann")}})
		}, "not said: they want to hear no more"},
		"to who stopped it": {func(t *testing.T, w *world, b *bot) {
			b.says(t, w, opening("ann"), otn.Record{Stop: &otn.Stop{Subscriber: who("ann"), Topic: "news"}})
		}, "not said: they want to hear no more"},
		"after the window": {func(t *testing.T, w *world, b *bot) { b.says(t, w, opening("ann")); w.after(25 * time.Hour) }, ""},
		"in its last minutes": {func(t *testing.T, w *world, b *bot) {
			b.says(t, w, opening("ann"))
			w.after(24*time.Hour - time.Minute)
		}, "not said: the window has closed"},
		"where it cannot be": {func(t *testing.T, w *world, b *bot) { b.can.Replies = false; b.says(t, w, opening("ann")) }, "not said: the channel says nothing without a token"},
		"when it was refused": {func(t *testing.T, w *world, b *bot) {
			b.says(t, w, opening("ann"))
			b.channel.answer = func(otn.Delivery, int) error { return &otn.SendError{Outcome: otn.Refused, Code: "gone"} }
		}, "not said: it certainly did not arrive: refused [gone]"},
		"after the platform's": {func(t *testing.T, w *world, b *bot) {
			b.says(t, w, opening("ann"))
			b.channel.answer = func(otn.Delivery, int) error {
				return &otn.SendError{Outcome: otn.Deferred, Code: "10", Err: otn.ErrOutsideWindow}
			}
		}, "not said: it certainly did not arrive: deferred [10]"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				b := thenWorld(w)
				c.before(t, w, b)
				b.says(t, w, given("ann", "t1"))
				w.after(time.Hour)
				b.says(t, w, opening("ann"))
				w.after(time.Hour)
				if said := b.accepted(); len(said) > 0 {
					t.Errorf("said %s", b.said())
				}
				want(t, "why", w.whys("ann"), c.why)
				list, _, err := w.host.Consents(core.ConsentQuery{Channel: "shop", Subscriber: "ann"})
				if err != nil || len(list) != 1 || list[0].State != "waiting" {
					t.Errorf("the consent is %+v, %v", list, err)
				}
			})
		})
	}
}

// What the channel puts off is said later; what was lost is not said again.
func TestThenIsPutOff(t *testing.T) {
	for _, c := range []struct {
		answers []error
		calls   int
		after   time.Duration
		why     string
	}{
		{[]error{deferred(0, otn.MessageScope), deferred(0, otn.MessageScope)}, 3, 7 * time.Minute, `said: "We will tell you once."`},
		{[]error{deferred(2*time.Hour, otn.ChannelScope)}, 2, 2*time.Hour + time.Minute, `said: "We will tell you once."`},
		{[]error{errors.New("the line went dead")}, 1, 0, "unknown: nobody can tell whether it arrived: unknown [unclassified]"},
		{[]error{deferred(24*time.Hour, otn.SubscriberScope)}, 1, 0, "not said: the window has closed"},
	} {
		bubble(t, func(t *testing.T, w *world) {
			b := thenWorld(w)
			n := 0
			b.channel.answer = func(otn.Delivery, int) error {
				if n++; n <= len(c.answers) {
					return c.answers[n-1]
				}
				return nil
			}
			b.says(t, w, opening("ann"), given("ann", "t1"))
			w.after(time.Second)
			w.restart()
			w.after(c.after)
			if c.after > 0 {
				want(t, "calls by then", n, c.calls)
			}
			w.after(48 * time.Hour)
			want(t, "calls", n, c.calls)
			want(t, "why", w.whys("ann"), c.why)
		})
	}
}

// A consent that was spent before anything could be said has had its message: nothing is said behind it.
func TestThenIsNotSaidBehindTheMessage(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := thenWorld(w)
		b.says(t, w, otn.Record{Notice: &otn.ChannelNotice{Level: otn.Blocked, Reason: "x"}}, opening("ann"), given("ann", "t1"))
		w.after(time.Second)
		b.says(t, w, otn.Record{Notice: &otn.ChannelNotice{Level: otn.Unblocked}})
		if _, err := w.host.Trigger(t.Context(), otn.Trigger{Name: "post"}); err != nil {
			t.Fatal(err)
		}
		w.after(time.Hour)
		want(t, "said", b.said(), "")
		want(t, "told", texts(b.channel), "ann: now news")
	})
}

// A platform that calls the window closed is believed.
func TestAClosedWindowIsBelieved(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := thenWorld(w)
		b.channel.answer = func(otn.Delivery, int) error {
			return &otn.SendError{Outcome: otn.Deferred, Code: "10", Err: otn.ErrOutsideWindow}
		}
		b.says(t, w, opening("ann"), given("ann", "t1"))
		w.after(time.Second)
		if _, err := w.host.Ask(t.Context(), core.AskRequest{Channel: "shop", Recipient: "ann", Topic: "late", Subject: "coat"}); !errors.Is(err, otn.ErrOutsideWindow) {
			t.Errorf("asked: %v", err)
		}
	})
}

// An import of old consents says nothing to anybody.
func TestThenIsForWhatWasJustGiven(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := thenWorld(w)
		b.says(t, w, opening("ann"))
		w.give(otn.Consent{Token: otn.NewToken("page", "old"), Channel: "shop", Subscriber: who("ann"), Topic: "news", GrantedAt: time.Now().Add(-48 * time.Hour)})
		w.after(time.Hour)
		want(t, "said", b.said(), "")
	})
}

func TestTags(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.fake("shop")
		w.start()
		tag := func(c core.TagChange) string {
			t.Helper()
			tags, err := w.host.Tag(t.Context(), "shop", "ann", c)
			if err != nil {
				t.Fatal(err)
			}
			return strings.Join(tags, " ")
		}
		want(t, "added", tag(core.TagChange{Add: []string{"vip", "Über", "b2b", "vip"}}), "b2b vip Über")
		want(t, "changed", tag(core.TagChange{Add: []string{"new"}, Remove: []string{"b2b", "none"}}), "new vip Über")
		w.restart()
		want(t, "nothing", tag(core.TagChange{}), "new vip Über")
		want(t, "replaced", tag(core.TagChange{Set: []string{"z", "a"}}), "a z")
		want(t, "story", w.whys("ann"), "tagged: +b2b +vip +Über; tagged: +new -b2b; tagged: +a +z -new -vip -Über")
		want(t, "cleared", tag(core.TagChange{Set: []string{}}), "")
		many := make([]string, core.MaxTags)
		for i := range many {
			many[i] = "t" + strings.Repeat("x", i%core.MaxTag)
		}
		want(t, "as many as may be", len(strings.Fields(tag(core.TagChange{Set: slices.Compact(many)}))), core.MaxTag)
		for _, bad := range []core.TagChange{
			{Add: []string{""}}, {Add: []string{"a b"}}, {Add: []string{"a,b"}}, {Add: []string{"-a"}}, {Set: []string{"+a"}}, {Remove: []string{"\x00"}},
			{Add: []string{strings.Repeat("é", core.MaxTag+1)}}, {Add: []string{"\xff"}}, {Add: []string{"one", "more"}},
		} {
			if _, err := w.host.Tag(t.Context(), "shop", "ann", bad); !errors.Is(err, otn.ErrInvalid) {
				t.Errorf("%q: %v", bad, err)
			}
		}
		if _, err := w.host.Tag(t.Context(), "nowhere", "ann", core.TagChange{}); !errors.Is(err, otn.ErrNotFound) {
			t.Errorf("a channel that is not there: %v", err)
		}
		if _, err := w.host.Tag(t.Context(), "shop", "", core.TagChange{}); !errors.Is(err, otn.ErrInvalid) {
			t.Errorf("nobody: %v", err)
		}
		w.stop()
		l := w.ledger()
		doc, ok, err := l.Doc(core.TagsKey(l.Person("shop", "ann")))
		if err != nil || !ok || !strings.HasPrefix(string(doc.Value), `["t","tx",`) {
			t.Errorf("on disk: %s, %v", doc.Value, err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Everything of a person, in the order in which it happened.
func TestSubscriber(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := asking{asks: []otn.AskRule{{ID: "a", Topic: "news", On: otn.WindowOpened}, {ID: "later", Topic: "back", On: "trigger.lead", After: time.Hour}}, then: map[string]string{"news": "Soon."}}
		b := askWorld(w, r)
		b.can.Replies = true
		if _, err := w.host.Subscriber("shop", "ann"); !errors.Is(err, otn.ErrNotFound) {
			t.Errorf("somebody unknown: %v", err)
		}
		b.says(t, w, opening("ann"))
		w.after(time.Minute)
		b.says(t, w, given("ann", "t1"))
		w.after(time.Minute)
		if _, err := w.host.Tag(t.Context(), "shop", "ann", core.TagChange{Add: []string{"vip"}}); err != nil {
			t.Fatal(err)
		}
		w.after(time.Minute)
		for _, name := range []string{"post", "lead"} {
			if _, err := w.host.Trigger(t.Context(), otn.Trigger{Name: name, Channel: "shop", Subscriber: who("ann")}); err != nil {
				t.Fatal(err)
			}
		}
		w.after(time.Minute)
		b.says(t, w, otn.Record{Stop: &otn.Stop{Subscriber: who("ann"), Topic: "late"}})
		v, err := w.host.Subscriber("shop", "ann")
		if err != nil {
			t.Fatal(err)
		}
		var kinds []string
		for _, m := range v.Timeline {
			kinds = append(kinds, m.Kind+" "+m.Rule)
		}
		want(t, "timeline", strings.Join(kinds, ", "), "ask a, consent , reply , tags , delivery news, silence , ask later, window ")
		want(t, "tags", strings.Join(v.Tags, " "), "vip")
		want(t, "silent", strings.Join(v.Silent, " "), "late")
		want(t, "window", v.Window.Open, true)
		want(t, "consents", len(v.Consents) == 1 && v.Consents[0].State == "sent" && v.Consents[0].Subscriber == "ann", true)
		want(t, "deliveries", len(v.Deliveries) == 1 && v.Deliveries[0].Outcome == "sent", true)
		want(t, "asks", len(v.Asks) == 1 && v.Asks[0].Title == "tell me: news" && v.Asks[0].Outcome == "sent" && v.Asks[0].Rule == "a", true)
	})
}

// What is old leaves nothing behind: no window, no ask, nothing that was said. What is to come stays.
func TestWhatIsOldIsForgotten(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := askWorld(w, asking{then: map[string]string{"news": "Soon."}, asks: []otn.AskRule{{ID: "a", Topic: "news", On: otn.WindowOpened}, {ID: "far", Topic: "news", On: "trigger.lead", After: 200 * 24 * time.Hour}}})
		b.can.Replies = true
		b.says(t, w, opening("ann"), given("ann", "t1"))
		b.says(t, w, opening("bob"), wish("cat", "", "notify.news"))
		if _, err := w.host.Trigger(t.Context(), otn.Trigger{Name: "lead", Channel: "shop", Subscriber: who("bob")}); err != nil {
			t.Fatal(err)
		}
		w.after(10 * time.Minute)
		want(t, "said and asked", b.said()+"; "+b.asked(), "ann: Soon.; bob"+newsAsk)
		kept := func() string {
			w.stop()
			l := w.ledger()
			var names []string
			for _, prefix := range []string{"ask/", "later/", "planned/", "seen/", "then/", "window/"} {
				docs, err := l.Docs(prefix, "", 10)
				if err != nil {
					t.Fatal(err)
				}
				for range docs {
					names = append(names, prefix)
				}
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			w.start()
			return strings.Join(names, " ")
		}
		want(t, "kept", kept(), "ask/ later/ planned/ seen/ then/ window/ window/")
		w.after(7*24*time.Hour + 7*time.Hour)
		want(t, "kept after a week", kept(), "ask/ planned/ window/ window/")
		w.after(2 * 24 * time.Hour)
		want(t, "kept after another two days", kept(), "ask/ planned/")
		w.after(90 * 24 * time.Hour)
		want(t, "kept in the end", kept(), "planned/")
	})
}

// What the channel does after a consent takes the place of what the topic says, needs no topic, and is done as once as that.
func TestChannelGoesOnAfterAConsent(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := thenWorld(w)
		b.says(t, w, opening("ann"), opening("bob"), opening("cat"))
		for sub, follow := range map[string]string{"ann": "block 7", "bob": strings.Repeat("x", otn.MaxFollow+1)} {
			r := given(sub, "t-"+sub)
			r.Consent.Follow = follow
			b.says(t, w, r)
		}
		nowhere := given("cat", "t-cat")
		nowhere.Consent.Topic, nowhere.Consent.Follow = "", "block 8"
		b.says(t, w, nowhere)
		w.after(time.Second)
		followed := func() string {
			b.channel.mu.Lock()
			defer b.channel.mu.Unlock()
			var list []string
			for _, s := range b.sent {
				list = append(list, s.Subscriber.ID+": "+s.Follow+s.Message.Text)
			}
			slices.Sort(list)
			return strings.Join(list, "; ")
		}
		all := "ann: block 7; bob: We will tell you once.; cat: block 8"
		want(t, "went on", followed(), all)
		want(t, "why", w.whys("ann"), "said: the channel went on with block 7")
		again := given("ann", "t-ann")
		again.Key, again.Consent.Follow = "another envelope", "block 7"
		b.says(t, w, again)
		w.restart()
		w.after(time.Hour)
		want(t, "went on, when the consent comes again", followed(), all)
	})
}

// A lost answer is not tried again, and neither is one that a dead Host may have given.
func TestChannelGoesOnOnceWhateverIsLost(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b := thenWorld(w)
		b.channel.answer = func(otn.Delivery, int) error { return errors.New("the answer was lost") }
		b.says(t, w, opening("ann"))
		r := given("ann", "t1")
		r.Consent.Follow = "block 7"
		b.says(t, w, r)
		w.after(time.Second)
		w.restart()
		w.after(24 * time.Hour)
		want(t, "calls", b.channel.calls(), 1)
	})
}
