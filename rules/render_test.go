// Messages: what a person gets, in their language and zone, through what their channel carries.

package rules

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/onetimenotify/otn/core/otn"
)

func rendered(t testing.TB, message string, now otn.Snapshot, c *otn.Consent, can *otn.Capabilities) (otn.Message, error) {
	t.Helper()
	set := mustCompile(t, strings.Replace(oneRule("was.sellable"), "message: {text: Hello}", "message: "+message, 1))
	p, err := set.Open(otn.Facts{Rule: "r", At: noon, Now: now, Was: now})
	if err != nil {
		t.Fatal(err)
	}
	return p.Render(c, can)
}

func locale(tag, tz string) func(*otn.Consent) {
	return func(c *otn.Consent) { c.Locale, c.TZ = tag, tz }
}

func TestTextsArePrintedForThePerson(t *testing.T) {
	text := `{text: "${item.price} ${item.stock * 1000} ${pct_off(sub.price_then, item.price)} ${at} ${date_text(at, \"Asia/Tokyo\")}"}`
	for tag, want := range map[string]string{
		"en-US": "$99.00 3,000 17.5 Nov 27, 2026, 7:00 AM 2026-11-27",
		"en_US": "$99.00 3,000 17.5 Nov 27, 2026, 7:00 AM 2026-11-27",
		"":      "$99.00 3,000 17.5 Nov 27, 2026, 7:00 AM 2026-11-27",
		"?!":    "$99.00 3,000 17.5 Nov 27, 2026, 7:00 AM 2026-11-27",
		"de":    "99,00\u00a0$ 3.000 17,5 27.11.2026, 07:00 2026-11-27",
		"en-GB": "US$99.00 3,000 17.5 27 Nov 2026, 07:00 2026-11-27",
	} {
		m, err := rendered(t, text, coat(), ann(locale(tag, "America/New_York")), nil)
		if err != nil || m.Text != want {
			t.Errorf("%s: %q, %v, want %q", tag, m.Text, err, want)
		}
	}
}

func TestMoneyIsWrittenAsThePersonWritesIt(t *testing.T) {
	for _, c := range []struct{ tag, amount, want string }{
		{"en-US", "99.00 USD", "$99.00"},
		{"en-US", "1234567.5 USD", "$1,234,567.50"},
		{"en-US", "99.00 EUR", "€99.00"},
		{"en-US", "-5.00 USD", "-$5.00"},
		{"en-US", "1099 JPY", "¥1,099"},
		{"de-DE", "99.00 EUR", "99,00\u00a0€"},
		{"de-DE", "1234.50 EUR", "1.234,50\u00a0€"},
		{"fr-FR", "99.00 EUR", "99,00\u00a0€"},
		{"nl-NL", "99.00 EUR", "€\u00a099,00"},
		{"pt-BR", "99.00 BRL", "R$\u00a099,00"},
		{"ja-JP", "1099 JPY", "¥1,099"},
		{"en-US", "1.234 KWD", "KWD\u00a01.234"},
		{"en-US", "92233720368547758.07 USD", "$92233720368547758.07"},
	} {
		m, err := otn.ParseMoney(c.amount)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.ReplaceAll(newPrinter(c.tag, time.UTC).print(moneyValue(m)), "￥", "¥")
		if got != c.want {
			t.Errorf("%s in %s: %q, want %q", c.amount, c.tag, got, c.want)
		}
	}
}

// A fact that is not known never becomes an empty price: the message is not made.
func TestUnknownFactsMakeNoMessage(t *testing.T) {
	for message, missing := range map[string]string{
		`{text: "Now ${item.price}"}`:                                          "item.price",
		`{card: {title: Coat, subtitle: "${item.title}", url: "${item.url}"}}`: "item.title",
		`{card: {title: Coat, url: "${item.url}"}}`:                            "item.url",
		`{text: "${sub.target}"}`:                                              "sub.target",
		`{image: "${item.image}"}`:                                             "item.image",
	} {
		now := coat(without(otn.FactPrice | otn.FactTitle | otn.FactURL | otn.FactImage))
		_, err := rendered(t, message, now, ann(), nil)
		if !errors.Is(err, otn.ErrInvalid) || !strings.Contains(err.Error(), missing+" is not known") {
			t.Errorf("%s: %v", message, err)
		}
	}
	if _, err := rendered(t, `{text: "${1 / (item.stock - 3)}"}`, coat(), ann(), nil); !errors.Is(err, otn.ErrInvalid) || !strings.Contains(err.Error(), "division by zero") {
		t.Errorf("division: %v", err)
	}
}

func TestLinksStayLinks(t *testing.T) {
	odd := coat(func(it *otn.Item) { it.Title = "a b&c/d?e#f"; it.URL = "javascript:alert(1)" })
	m, err := rendered(t, `{card: {title: Coat, url: "https://shop.example/s/${item.title}?q=${item.title}"}}`, odd, ann(), nil)
	if err != nil || m.Card.URL != "https://shop.example/s/a%20b&c/d%3Fe%23f?q=a+b%26c%2Fd%3Fe%23f" {
		t.Errorf("%+v, %v", m.Card, err)
	}
	if _, err := rendered(t, `{card: {title: Coat, url: "${item.url}"}}`, odd, ann(), nil); !errors.Is(err, otn.ErrInvalid) {
		t.Errorf("javascript: %v", err)
	}
	if m, err = rendered(t, `{card: {title: Coat, url: "${item.url}?utm_source=otn"}}`, coat(), ann(), nil); err != nil || m.Card.URL != "https://shop.example/coat?utm_source=otn" {
		t.Errorf("%+v, %v", m.Card, err)
	}
}

func TestLongTextsAreCutAtAWord(t *testing.T) {
	long := coat(func(it *otn.Item) { it.Title = strings.Repeat("wärmer ", 30) })
	m, err := rendered(t, `{card: {title: "${item.title}", url: "${item.url}"}}`, long, ann(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := utf8.RuneCountInString(m.Card.Title); n > otn.MaxTitle || !strings.HasSuffix(m.Card.Title, "wärmer…") {
		t.Errorf("%d runes: %q", n, m.Card.Title)
	}
	for s, want := range map[string]string{"short": "short", "12345 7890": "12345 7890", "12345 78901": "12345…", "12345678901": "123456789…", "  x  ": "x"} {
		if got := cut(s, 10); got != want {
			t.Errorf("cut(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestFormsFallBackToWhatTheChannelCarries(t *testing.T) {
	gallery := `{gallery: {each: "filter(collection.top, {.stock > 0})", title: "${el.title}", subtitle: "${el.price}", url: "${el.url}", buttons: [{title: Look, url: "${collection.url}"}]}, quick_reply: {title: Later, payload: "later ${sub.quantity}"}}`
	text := strings.NewReplacer("subject: item", "subject: collection", "item.changed", "collection.changed", "message: {text: Hello}", "message: "+gallery).Replace(oneRule("was.published"))
	set := mustCompile(t, text)
	c := &otn.Collection{ID: "winter", Known: otn.FactURL, URL: "https://shop.example/winter"}
	for _, s := range []otn.Snapshot{coat(), coat(func(it *otn.Item) { it.Title = "Hat" }), coat(func(it *otn.Item) { it.Title = "Out" }, stock(0)), coat(func(it *otn.Item) { it.Title = "Free" }, without(otn.FactPrice))} {
		c.Top = append(c.Top, *s.Item)
	}
	open := func() otn.Page {
		p, err := set.Open(otn.Facts{Rule: "r", At: noon, Now: otn.Snapshot{Collection: c}, Was: otn.Snapshot{Collection: c}})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	all, err := open().Render(ann(), &otn.Capabilities{Forms: []otn.Form{otn.GalleryForm}, QuickReply: true})
	if err != nil || len(all.Gallery) != 2 || all.Gallery[1].Title != "Hat" || all.QuickReply.Payload != "later 1" {
		t.Errorf("gallery: %+v, %v", all, err) // the item without a price has no card
	}
	card, err := open().Render(ann(), &otn.Capabilities{Forms: []otn.Form{otn.CardForm}})
	if err != nil || card.Card == nil || card.Card.Title != "Wool coat" || card.QuickReply != nil {
		t.Errorf("card: %+v, %v", card, err)
	}
	plain, err := open().Render(ann(), &otn.Capabilities{})
	want := "Wool coat\n$99.00\nLook: https://shop.example/winter\nhttps://shop.example/coat\n\nHat\n$99.00\nLook: https://shop.example/winter\nhttps://shop.example/coat"
	if err != nil || plain.Text != want {
		t.Errorf("text: %q, %v", plain.Text, err)
	}
	c.Top = c.Top[2:3]
	if _, err := open().Render(ann(), nil); !errors.Is(err, otn.ErrInvalid) || !strings.Contains(err.Error(), "no items") {
		t.Errorf("empty gallery: %v", err)
	}
	image, err := rendered(t, `{image: "${item.image}"}`, coat(), ann(), &otn.Capabilities{})
	if err != nil || image.Text != "https://shop.example/coat.jpg" {
		t.Errorf("image: %+v, %v", image, err)
	}
}

// A loop inside a card does not disturb the item of the card.
func TestLoopsInsideGalleries(t *testing.T) {
	text := strings.NewReplacer("subject: item", "subject: collection", "item.changed", "collection.changed", "message: {text: Hello}",
		`message: {gallery: {each: collection.top, title: "${count(el.tags, {# != \"\"})} ${el.title}", url: "${el.url}"}}`).Replace(oneRule("was.published"))
	set := mustCompile(t, text)
	c := &otn.Collection{ID: "winter", Top: []otn.Item{*coat().Item}}
	p, _ := set.Open(otn.Facts{Rule: "r", At: noon, Now: otn.Snapshot{Collection: c}, Was: otn.Snapshot{Collection: c}})
	if m, err := p.Render(ann(), nil); err != nil || m.Gallery[0].Title != "2 Wool coat" {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestTemplates(t *testing.T) {
	for src, want := range map[string]string{
		"plain":                        "plain",
		"$${item.title} costs $5":      "${item.title} costs $5",
		"${item.title}${item.variant}": "Wool coatM",
		"{${item.title}}":              "{Wool coat}",
		`${any(item.tags, {# == "}"}) ? "a}" : "b{"}!`: "b{!",
		"${item.sellable}":              "true",
		"a ${'it' == 'it' ? 1 : 2} $ {": "a 1 $ {",
	} {
		m, err := rendered(t, "\n      text: |-\n        "+src, coat(), ann(), nil)
		if err != nil || m.Text != want {
			t.Errorf("%q: %q, %v, want %q", src, m.Text, err, want)
		}
	}
}

func TestApprovedTemplatesAreFilled(t *testing.T) {
	const message = `{template: {name: back_again, language: de, params: ["${item.title}", "${item.price}", "code ${sub.quantity}"]}}`
	m, err := rendered(t, message, coat(), ann(func(c *otn.Consent) { c.Locale = "de-DE" }), nil)
	if err != nil || m.Template == nil || m.Template.Name != "back_again" || m.Template.Language != "de" || strings.Join(m.Template.Params, "|") != "Wool coat|99,00\u00a0$|code 1" {
		t.Errorf("%+v, %v", m.Template, err)
	}
	if _, err := rendered(t, message, coat(), ann(), &otn.Capabilities{Forms: []otn.Form{otn.CardForm}}); !errors.Is(err, otn.ErrInvalid) || !strings.Contains(err.Error(), "carries no templates") {
		t.Errorf("a channel without templates: %v", err)
	}
	if _, err := rendered(t, message, coat(func(it *otn.Item) { it.Title = " " }), ann(), nil); !errors.Is(err, otn.ErrInvalid) {
		t.Errorf("an empty place: %v", err)
	}
	if _, err := rendered(t, message, coat(without(otn.FactPrice)), ann(), nil); !errors.Is(err, otn.ErrInvalid) {
		t.Errorf("a price that is not known: %v", err)
	}
	sent, err := compileFile(t, "shop.yaml").Once(otn.Send{ID: "s", Topic: "price-drop", Message: otn.Message{Template: &otn.Template{Name: "x", Language: "en_US", Params: []string{"${item.title}"}}}})
	if err != nil {
		t.Fatal(err)
	}
	p, _ := sent.Open(otn.Facts{Rule: "s", At: noon, Now: coat()})
	if m, err := p.Render(ann(), nil); err != nil || m.Template.Params[0] != "Wool coat" {
		t.Errorf("a send: %+v, %v", m.Template, err)
	}
}

func TestAChannelCanHaveWordsOfItsOwn(t *testing.T) {
	const message = `{card: {title: "${item.title}", url: "${item.url}"}, for: {sms: {text: "${item.title}: ${item.url} (${sub.consents})"}, loud: {image: "${item.image}"}}}`
	for channel, want := range map[string]otn.Form{"mock": otn.CardForm, "": otn.CardForm, "sms": otn.TextForm, "loud": otn.ImageForm} {
		m, err := rendered(t, message, coat(), ann(func(c *otn.Consent) { c.Channel, c.Waiting = channel, 4 }), nil)
		if err != nil || m.Form() != want || channel == "sms" && m.Text != "Wool coat: https://shop.example/coat (4)" {
			t.Errorf("%q: %+v, %v, want %s", channel, m, err, want)
		}
	}
	if !mustCompile(t, strings.Replace(oneRule("item.stock > 0"), "message: {text: Hello}", "message: "+message, 1)).List()[0].NeedsPerson {
		t.Error("the words of one channel name the person")
	}
}
