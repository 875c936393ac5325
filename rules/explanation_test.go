// Explanations and previews: what is said is what is decided and sent.

package rules

import (
	"errors"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/core/otn"
)

func explained(t *testing.T, rule, text string, settings ...string) *Explanation {
	t.Helper()
	set := compileFile(t, "design.yaml")
	f, c, err := set.Facts(rule, factsOf(t, text, settings...))
	if err != nil {
		t.Fatal(err)
	}
	e, err := set.Explain(f, c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestExplainAChange(t *testing.T) {
	e := explained(t, "price-drop", shopFacts, "sub.answers.target=90 USD")
	if e.About != "change" || !strings.Contains(e.Fires, "it mentions was") || e.Verdict != "no" || e.Before != nil {
		t.Errorf("%+v", e)
	}
	var plan []string
	for _, s := range e.Plan {
		plan = append(plan, map[bool]string{false: "once ", true: "each "}[s.Each]+s.Condition)
	}
	want := []string{"once item.price < was.price", "each !sub.has.target || item.price <= sub.target", "each pct_off(sub.price_then, item.price) >= params.min_drop"}
	if strings.Join(plan, "\n") != strings.Join(want, "\n") {
		t.Errorf("plan:\n%s", strings.Join(plan, "\n"))
	}
	last := e.Parts[len(e.Parts)-1]
	if e.Parts[0].Depth != 0 || last.Evaluated || last.Value != "not evaluated" || !strings.HasPrefix(last.Text, "pct_off(") {
		t.Errorf("%+v", e.Parts)
	}
}

func TestExplainAState(t *testing.T) {
	e := explained(t, "back-in-stock", shopFacts)
	if e.About != "state" || e.Verdict != "yes" || e.Before == nil || e.Before.Value != "false" || e.Before.At.IsZero() || len(e.Before.Parts) != len(e.Parts) {
		t.Errorf("%+v", e)
	}
	if e = explained(t, "back-in-stock", shopFacts, "last.stock=2"); e.Verdict != "holds" || e.Because != "it was true before" {
		t.Errorf("true before: %+v", e)
	}
	// Without a last decision it is compared with what was, and where nothing is told of before it is the first sight.
	if e = explained(t, "back-in-stock", "item: {stock: 3}\nwas: {stock: 0}"); e.Verdict != "yes" {
		t.Errorf("by was: %+v", e)
	}
	if e = explained(t, "back-in-stock", "item: {stock: 3}"); e.Verdict != "holds" || !strings.Contains(e.Because, "first sight") {
		t.Errorf("nothing before: %+v", e)
	}
}

func TestExplainATrigger(t *testing.T) {
	e := explained(t, "lookbook", "trigger: {title: Winter, url: 'https://shop.example'}")
	if e.About != "change" || !strings.Contains(e.Fires, "each trigger") || e.Verdict != "yes" || len(e.Plan) != 1 || len(e.Parts) != 0 {
		t.Errorf("%+v", e)
	}
}

// The structured parts are the lines of Page.Explain: one program says why, whoever asks.
func TestExplainIsThePageInParts(t *testing.T) {
	set := compileFile(t, "design.yaml")
	for _, rule := range []string{"price-drop", "back-in-stock", "tickets"} {
		f, c, err := set.Facts(rule, factsOf(t, shopFacts))
		if err != nil {
			t.Fatal(err)
		}
		e, err := set.Explain(f, c)
		if err != nil {
			t.Fatal(err)
		}
		p, err := set.Open(f)
		if err != nil {
			t.Fatal(err)
		}
		lines := p.Explain(c)
		for i, part := range e.Parts {
			if lines[i+1] != part.String() {
				t.Errorf("%s: %q, want %q", rule, part, lines[i+1])
			}
		}
		if v := p.Select(c); v.String() != e.Verdict {
			t.Errorf("%s: %s, selected %s", rule, e.Verdict, v)
		}
	}
}

func TestFactsOfNothing(t *testing.T) {
	set := compileFile(t, "design.yaml")
	if _, _, err := set.Facts("prize-drop", factsOf(t, "")); !errors.Is(err, otn.ErrNotFound) || !strings.Contains(err.Error(), `did you mean "price-drop"`) {
		t.Errorf("%v", err)
	}
}

func TestPreview(t *testing.T) {
	set := compileFile(t, "design.yaml")
	long := strings.Repeat("word ", 20) + "end"
	f, c, err := set.Facts("price-drop", factsOf(t, shopFacts, "item.title="+long, "item.image=https://shop.example/a.jpg", "item.url=https://shop.example/a"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := set.Preview(f, c, map[string]*otn.Capabilities{"shop": {Forms: []otn.Form{otn.CardForm}}, "mail": {}, "any": nil})
	if err != nil {
		t.Fatal(err)
	}
	if p.Verdict != "yes" || p.Written != otn.CardForm || p.Message.Form() != otn.CardForm || p.Cut != 1 {
		t.Errorf("%+v", p)
	}
	if first := p.Texts[0]; first.Part != "card.title" || first.Length != len(long)+len(" is now $99.00") || first.Limit != otn.MaxTitle || !first.Cut() {
		t.Errorf("%+v", p.Texts)
	}
	if title := []rune(p.Message.Card.Title); len(title) > otn.MaxTitle || title[len(title)-1] != '…' {
		t.Errorf("%q", p.Message.Card.Title)
	}
	var forms []string
	for _, ch := range p.Channels {
		forms = append(forms, ch.Channel+" "+string(ch.Form)+" "+map[bool]string{true: "falls", false: "own"}[ch.Falls])
	}
	if got := strings.Join(forms, ", "); got != "any card own, mail text falls, shop card own" {
		t.Errorf("%s", got)
	}
	// What is previewed is what is sent.
	page, err := set.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	m, err := page.Render(c, &otn.Capabilities{Forms: []otn.Form{otn.CardForm}})
	if err != nil || m.Card.Title != p.Message.Card.Title || m.Card.Subtitle != p.Message.Card.Subtitle {
		t.Errorf("sent %+v, %v", m.Card, err)
	}
}

func TestPreviewThatCannotBeMade(t *testing.T) {
	set := compileFile(t, "design.yaml")
	f, c, err := set.Facts("price-drop", factsOf(t, "item: {title: Coat}"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := set.Preview(f, c, nil); !errors.Is(err, otn.ErrInvalid) || !strings.Contains(err.Error(), "item.price is not known") {
		t.Errorf("%v", err)
	}
}

// A gallery has the texts of each of its cards.
func TestPreviewOfAGallery(t *testing.T) {
	set := compileFile(t, "design.yaml")
	text := `collection:
  id: winter
  top:
    - {id: a, title: Coat, price: 1 USD, url: "https://shop.example/a", image: "https://shop.example/a.jpg"}
    - {id: b, title: Hat, price: 2 USD, url: "https://shop.example/b", image: "https://shop.example/b.jpg"}
`
	f, c, err := set.Facts("launch", factsOf(t, text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := set.Preview(f, c, map[string]*otn.Capabilities{"shop": {Forms: []otn.Form{otn.CardForm}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Texts) != 4 || p.Texts[3].Part != "gallery[1].subtitle" || p.Channels[0].Form != otn.CardForm || !p.Channels[0].Falls {
		t.Errorf("%+v, %+v", p.Texts, p.Channels)
	}
}
