// Refs: what links and payloads say, and what they are not trusted with.

package otn

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

func TestParseRef(t *testing.T) {
	for text, want := range map[string]Ref{
		"notify.back-in-stock.DJ-S":              {Topic: "back-in-stock", Subject: "DJ-S"},
		"notify.journal":                         {Topic: "journal"},
		"notify.tickets.https://shop/s.7":        {Topic: "tickets", Subject: "https://shop/s.7"},
		"notify.price-drop.DJ?target=99.00+USD":  {Topic: "price-drop", Subject: "DJ", Answers: map[string]string{"target": "99.00 USD"}},
		"notify.journal?a=1&b=2":                 {Topic: "journal", Answers: map[string]string{"a": "1", "b": "2"}},
		"notify.price-drop.9007199254741001?x=%": {Topic: "price-drop", Subject: "9007199254741001"},
	} {
		got, ok := ParseRef(text)
		if !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
	for _, text := range []string{"", "notify", "notify.", "notify.?x=1", "ASK:restock", `{"topic":"x"}`, "Notify.journal", "café"} {
		if got, ok := ParseRef(text); ok {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

func TestRefReadsWhatItWrote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Ref{
			Topic:   rapid.StringMatching(`[a-z][a-z0-9-]{0,20}`).Draw(t, "topic"),
			Subject: rapid.StringMatching(`[^?]{0,20}`).Draw(t, "subject"),
		}
		if answers := rapid.MapOfN(rapid.StringMatching(`[a-z_]{1,8}`), rapid.String(), 0, 3).Draw(t, "answers"); len(answers) > 0 {
			r.Answers = answers
		}
		got, ok := ParseRef(FormatRef(r))
		if !ok || !reflect.DeepEqual(got, r) {
			t.Fatalf("%+v became %q became %+v", r, FormatRef(r), got)
		}
	})
}
