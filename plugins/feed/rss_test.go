// What a feed of news means.

package feed_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// The first fetch only learns. Then each new entry is one trigger, the oldest first; one without a guid goes by its link; a
// title that changes is no news.
func TestP37_RSS(t *testing.T) {
	s := serving(t, rssFeed, fixture(t, "rss.1_first_fetch.xml"))
	s.poll()
	if len(s.records) > 0 {
		t.Errorf("the first fetch yields %+v", s.records)
	}
	s.serve(fixture(t, "rss.2_second_fetch.xml"))
	s.poll()
	if got := s.triggers(); !reflect.DeepEqual(got, []string{"https://shop.example/collections/sale", "collection-spring-27"}) {
		t.Errorf("the second fetch triggers %q", got)
	}
	spring := s.records[1].Trigger
	want := []otn.Named{
		{Name: "id", Value: otn.StringValue("collection-spring-27")}, {Name: "title", Value: otn.StringValue("Spring '27")},
		{Name: "link", Value: otn.StringValue("https://shop.example/collections/spring-27")}, {Name: "published", Value: otn.TimeValue(time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC))},
	}
	if spring.Name != "news" || !reflect.DeepEqual(spring.Fields, want) || s.records[1].Key == "" || s.records[1].Key == s.records[0].Key {
		t.Errorf("got %+v", s.records[1])
	}
	s.serve(strings.ReplaceAll(fixture(t, "rss.2_second_fetch.xml"), "Spring '27", "Spring is here"))
	if s.poll(); len(s.records) > 0 {
		t.Errorf("a changed title yields %+v", s.records)
	}
	s.serve(fixture(t, "rss.1_first_fetch.xml"))
	s.poll()
	s.serve(fixture(t, "rss.2_second_fetch.xml"))
	if s.poll(); len(s.records) > 0 {
		t.Errorf("what left and came back yields %q", s.triggers())
	}
}

// A feed that is cut short yields nothing, and what was new in it is new the next time.
func TestP20_ACutFeedOfNewsFiresNothing(t *testing.T) {
	s := serving(t, rssFeed, fixture(t, "rss.1_first_fetch.xml"))
	s.poll()
	whole := fixture(t, "rss.2_second_fetch.xml")
	for n := range len(whole) - 1 {
		s.serve(whole[:n])
		if err := s.try(); err == nil || len(s.records) > 0 {
			t.Fatalf("%d bytes of %d: %v, %d records", n, len(whole), err, len(s.records))
		}
	}
	s.serve(whole)
	if s.poll(); len(s.triggers()) != 2 {
		t.Errorf("the whole one triggers %q", s.triggers())
	}
}

// Another trigger, or another address, is another feed: what it has is learned first.
func TestAnotherConfigurationLearnsAnew(t *testing.T) {
	s := serving(t, rssFeed, fixture(t, "rss.1_first_fetch.xml"))
	s.poll()
	s.open(rssFeed + `,"url":"/other"`)
	s.serve(fixture(t, "rss.2_second_fetch.xml"))
	if s.poll(); len(s.records) > 0 {
		t.Errorf("it yields %q", s.triggers())
	}
}

func TestAtomIsNewsAsWell(t *testing.T) {
	const atom = `<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><id>tag:shop</id><title>News</title>%s</feed>`
	s := serving(t, rssFeed, fmt.Sprintf(atom, ""))
	s.poll()
	s.serve(fmt.Sprintf(atom, `<entry><id>tag:1</id><title>One</title><link rel="self" href="/no"/><link href="https://shop.example/1"/><updated>2026-11-22T10:00:00+01:00</updated><media:title xmlns:media="m">no</media:title></entry>`))
	s.poll()
	if len(s.records) != 1 || !s.records[0].At.Equal(time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)) {
		t.Fatalf("got %+v", s.records)
	}
	var got []string
	for _, f := range s.records[0].Trigger.Fields {
		got = append(got, f.Value.String())
	}
	if !slices.Equal(got[:3], []string{"tag:1", "One", "https://shop.example/1"}) {
		t.Errorf("got %q", got)
	}
}

// What is remembered is bounded, and what the feed still has is never among what is forgotten.
func TestMemoryOfNewsIsBounded(t *testing.T) {
	items := func(from, to int) string {
		var b strings.Builder
		b.WriteString("<rss><channel>")
		for n := to - 1; n >= from; n-- {
			fmt.Fprintf(&b, "<item><guid>%d</guid></item>", n)
		}
		return b.String() + "</channel></rss>"
	}
	s := serving(t, rssFeed, items(0, 500))
	s.poll()
	for n := 100; n < 6000; n += 100 {
		s.serve(items(n, n+500))
		if s.poll(); len(s.triggers()) != 100 {
			t.Fatalf("at %d: %d new ones", n, len(s.triggers()))
		}
		if len(s.cursor) > otn.MaxCursor {
			t.Fatalf("at %d: the cursor has %d bytes", n, len(s.cursor))
		}
	}
	s.serve(items(4000, 6000)) // more than are read: the newest are
	if s.poll(); len(s.triggers()) != 0 {
		t.Errorf("%d of what is known are new", len(s.triggers()))
	}
}
