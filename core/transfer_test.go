// Consents in bulk: each row by itself, tags with them, and what is given out can be taken in again as it is.

package core_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

func bulk(i int, sub string, tags ...string) otn.Consent {
	return otn.Consent{Token: otn.NewToken("page", fmt.Sprint("bulk-", i)), Channel: "shop", Subscriber: otn.Subscriber{ID: sub}, Topic: "news", Tags: tags}
}

func TestGrantEachTakesWhatItCan(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.fake("shop")
		w.start()
		long := bulk(4, strings.Repeat("x", 129))
		nobody := bulk(5, "")
		other := bulk(6, "eve")
		other.Topic = "none"
		many := make([]string, core.MaxTags)
		for i := range many {
			many[i] = fmt.Sprint("t", i)
		}
		got, err := w.host.GrantEach(t.Context(), false,
			bulk(1, "ann", "vip", "nyc"), bulk(1, "ann", "late"), bulk(2, "bob"), long, nobody, other, bulk(7, "cid", many...), bulk(8, "cid", "more"))
		if err != nil {
			t.Fatal(err)
		}
		var told []string
		for _, g := range got {
			told = append(told, fmt.Sprint(g.Added, g.Err != nil))
		}
		if s := strings.Join(told, " "); s != "true false false false true false false true false true false true true true true true" {
			t.Error(s)
		}
		if !errors.Is(got[6].Err, otn.ErrInvalid) || !strings.Contains(got[6].Err.Error(), "the consent was taken") {
			t.Error(got[6].Err)
		}
		for sub, want := range map[string][]string{"ann": {"late", "nyc", "vip"}, "bob": nil, "cid": nil} {
			v, err := w.host.Subscriber("shop", sub)
			if err != nil || !slices.Equal(v.Tags, want) {
				t.Errorf("%s: %v, want %v, %v", sub, v.Tags, want, err)
			}
		}
	})
}

// Tags that somebody else changes at the same time are added all the same.
func TestGrantEachAddsTagsToThoseOfOthers(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.fake("shop")
		w.start()
		var all sync.WaitGroup
		for hand := range 4 {
			all.Go(func() {
				for i := range 8 {
					if _, err := w.host.GrantEach(t.Context(), false, bulk(100*hand+i, "ann", fmt.Sprint("h", hand, "-", i))); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		if v, err := w.host.Subscriber("shop", "ann"); err != nil || len(v.Tags) != 32 {
			t.Errorf("%d tags, %v", len(v.Tags), err)
		}
	})
}
