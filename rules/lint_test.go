// Warnings and notes: what draws one, what does not, and what strict makes of them.

package rules

import (
	"slices"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/core/otn"
)

// codesOf are the codes of what Check finds in the lines of an example.
func codesOf(lines string) (codes []string) {
	for _, e := range Check(Example(lines)) {
		codes = append(codes, e.Code)
	}
	return codes
}

func TestLints(t *testing.T) {
	ask := func(title string) string {
		return "topics:\n  watch: {use: price_drop, subject: item, ask: \"" + title + "\"}"
	}
	for lines, want := range map[string]string{
		// a promise of money or a reward
		ask("Win ${item.title}"):                   codeReward,
		ask("Get $5 with ${item.title}"):           codeReward,
		ask("20% off if you join: ${item.title}"):  codeReward,
		ask("Gutschein für ${item.title}"):         codeReward,
		ask("${item.title} in winter"):             "",
		ask("${item.title} gets cheaper by 20%"):   "",
		ask("The giftwrapped ${item.title}"):       "",
		ask("${item.title == 'gift' ? 'a' : 'b'}"): "",
		// another use than the topic's
		"when: item.sellable":                                                           codeOtherUse,
		"when: item.stock > 0 && item.price < was.price":                                "",
		"when: pct_off(sub.price_then, item.price) > 5":                                 "",
		"when: '\"sale\" in item.tags'":                                                 "",
		"triggers: {sale: {subject: item}}\non: trigger.sale":                           "R214", // was, which a trigger has not
		"topics:\n  watch: {use: back_in_stock, subject: item, ask: \"${item.title}\"}": codeOtherUse,
		"topics:\n  watch: {use: tickets_available, subject: item, ask: \"${item.title}\"}\nwhen: item.starts_at > at && item.stock > 0":     "",
		"topics:\n  watch: {use: back_in_stock, subject: item, ask: \"${item.title}\"}\nwhen: item.stock > 0 && item.price < sub.price_then": "",
		// the same person again within a day
		"when: item.price < sub.price_then\nfire: each":                                              codeRecurs,
		"when: item.price < sub.price_then\nfire: each\nlimits: {per_subscriber: 1/7d}":              "",
		"when: item.price < sub.price_then\nfire: each\nlimits: {per_subscriber: 2/24h}":             codeRecurs,
		"defaults: {limits: {per_subscriber: 1/24h}}\nwhen: item.price < sub.price_then\nfire: each": "",
		"when: item.price < was.price\nfire: each":                                                   "",
		"on: []\ncron: \"0 9 * * *\"\nwhen: item.price < sub.price_then\nfire: each":                 "",
		"on: []\ncron: \"0 9,15 * * *\"\nwhen: item.price < sub.price_then\nfire: each":              codeRecurs,
		"on: []\ncron: \"@every 24h\"\nwhen: item.price < sub.price_then\nfire: each":                "",
		"on: []\ncron: \"@every 6h\"\nwhen: item.price < sub.price_then\nfire: each":                 codeRecurs,
		"on: []\nonce: 2026-12-01\nwhen: item.price < sub.price_then\nfire: each":                    "",
		// a message that names nothing of the ask
		"message: {text: Now}":                                                           codeSilent,
		"message: {image: \"${item.image}\"}":                                            "",
		"message: {template: {name: drop, language: en}}":                                "",
		"message: {template: {name: drop, language: en, params: [\"${sub.quantity}\"]}}": codeSilent,
		ask("Prices fall") + "\nmessage: {text: Now}":                                    "",
		// names in foreign braces
		"message: {text: \"${item.title} {{ name }}\"}":                                codeBraces,
		"message: {text: \"${item.title} {sub.target}\"}":                              codeBraces,
		"message: {text: \"${item.title} $params.x\"}":                                 codeBraces,
		"message: {text: \"${item.title} {now} $5 $${item.price} {}\"}":                "",
		"message: {text: \"${any(item.tags, {item.title == #}) ? 'x' : item.title}\"}": "",
		// optional answers
		"when: item.price < was.price && item.price <= sub.target":                                         codeUnguarded,
		"when: item.price < was.price && sub.has.target && item.price <= sub.target":                       "",
		"when: item.price < was.price && item.stock >= sub.quantity":                                       "",
		"message: {text: \"${item.title} ${sub.target}\"}":                                                 codeUnguarded,
		"message: {text: \"${item.title} ${sub.has.target ? sub.target : item.price}\"}":                   "",
		"when: item.price < was.price && sub.has.target\nmessage: {text: \"${item.title} ${sub.target}\"}": "",
		// coalesce
		"coalesce: 15m": codeGather,
		"coalesce: 15m\nmessage: {card: {title: \"${item.title}\", url: \"${item.url}\"}}": "",
		// waves
		"when: item.stock > 0 && item.price < sub.price_then\nrelease: {size: 5, every: 1h}":           codeNoHold,
		"when: item.stock > 0 && item.price < sub.price_then\nhold: 1m\nrelease: {size: 5, every: 1h}": "",
		"when: item.price < was.price\nrelease: {size: 5, every: 1h}":                                  "",
		// asks
		"asks: [{id: a, topic: journal, on: window.opened, after: 1d}]":     codeLate,
		"asks: [{id: a, topic: journal, on: window.opened, after: 23h59m}]": "",
	} {
		var wanted []string
		if want != "" {
			wanted = []string{want}
		}
		if got := codesOf(lines); !slices.Equal(got, wanted) {
			t.Errorf("%s: %v, want %q\n%v", lines, got, want, Errors(Check(Example(lines))))
		}
	}
}

func TestStrictMakesFaultsOfWarnings(t *testing.T) {
	found := Check(Example("when: item.stock > 0 && item.price < sub.price_then\nrelease: {size: 5, every: 1h}\nmessage: {text: Now}"))
	strict := Strict(found)
	if len(found) != 2 || found[0].Severity != Note || found[1].Severity != Warning || strict[0].Severity != Note || strict[1].Severity != Fault {
		t.Errorf("%v\n%v", Errors(found), Errors(strict))
	}
	if found[1].Severity != Warning {
		t.Error("Strict changed what it was given")
	}
	if !strings.Contains(found[0].Error(), ": note: ") {
		t.Error(found[0])
	}
}

func TestWhatFallsBackInAChannel(t *testing.T) {
	set := mustCompile(t, string(Example(`message: {card: {title: "${item.title}", url: "${item.url}"}, quick_reply: {title: Later}, for: {sms: {text: "${item.title}"}, phone: {template: {name: x, language: en}}}}`).Source))
	all := &otn.Capabilities{Sends: true, QuickReply: true, Forms: []otn.Form{otn.CardForm, otn.GalleryForm, otn.TemplateForm}}
	for name, x := range map[string]struct {
		instances map[string]*otn.Capabilities
		want      []string
	}{
		"everything is carried": {map[string]*otn.Capabilities{"shop": all, "sms": {Sends: true}, "phone": all}, nil},
		"text only":             {map[string]*otn.Capabilities{"shop": {Sends: true}, "sms": nil, "phone": nil}, []string{"note: shop carries no card: people get it as text", "note: shop carries no quick reply: it is left out"}},
		"no templates":          {map[string]*otn.Capabilities{"shop": all, "sms": nil, "phone": {Sends: true}}, []string{"warning: phone carries no templates: nobody is told through it"}},
		"not known":             {map[string]*otn.Capabilities{"shop": nil, "sms": nil, "phone": nil}, nil},
		"a source":              {map[string]*otn.Capabilities{"store": {Receives: true}, "sms": nil, "phone": nil}, nil},
		"misspelt":              {map[string]*otn.Capabilities{"sns": nil, "phone": nil}, []string{`warning: there is no channel "sms"`}},
	} {
		found := set.Through(x.instances)
		var got []string
		for _, e := range found {
			if e.Source == "" || e.Col == 0 || e.File != "shop.yaml" {
				t.Errorf("%s: no place: %v", name, e)
			}
			got = append(got, e.Severity.String()+": "+e.Message)
		}
		if !slices.Equal(got, x.want) {
			t.Errorf("%s:\n%v\nwant\n%v", name, strings.Join(got, "\n"), strings.Join(x.want, "\n"))
		}
	}
	collection := Example("topics:\n  watch: {use: collection_launch, subject: collection, ask: Our next collection}\non: [collection.changed]\nwhen: collection.published\n" +
		`message: {gallery: {each: collection.top, title: "${el.title}", url: "${el.url}"}}`)
	found := mustCompile(t, string(collection.Source)).Through(map[string]*otn.Capabilities{"shop": {Sends: true, Forms: []otn.Form{otn.CardForm}}})
	if len(found) != 1 || found[0].Message != "shop carries no gallery: people get its first card" {
		t.Errorf("a gallery: %v", Errors(found))
	}
}
