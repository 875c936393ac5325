// A Shopify storefront's own JSON: all products page by page, or one product.

package feed

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/internal/hook"
)

// The bounds of a storefront.
const (
	perPage  = 250
	maxPages = 2000
)

// onlyVariant is the title that Shopify gives the variant of a product without variants.
const onlyVariant = "Default Title"

// form is how a body writes prices.
type form int

const (
	decimals   form = iota // "119.00", a text
	hundredths             // 11900, a number; of every currency
)

type product struct {
	ID          id              `json:"id"`
	Title       string          `json:"title"`
	Handle      string          `json:"handle"`
	Vendor      string          `json:"vendor"`
	ProductType string          `json:"product_type"`
	Type        string          `json:"type"` // of .js
	Tags        tags            `json:"tags"`
	PublishedAt json.RawMessage `json:"published_at"`
	UpdatedAt   string          `json:"updated_at"`
	Images      []image         `json:"images"`
	Variants    []variant       `json:"variants"`
}

type variant struct {
	ID        id              `json:"id"`
	Title     string          `json:"title"`
	SKU       string          `json:"sku"`
	Available *bool           `json:"available"`
	Price     json.RawMessage `json:"price"`
	CompareAt json.RawMessage `json:"compare_at_price"`
	UpdatedAt string          `json:"updated_at"`
}

// id is a whole number of any size, as text.
type id string

// UnmarshalJSON takes a number's own digits.
func (i *id) UnmarshalJSON(text []byte) error {
	s := strings.Trim(string(text), `"`)
	if s != "null" && strings.Trim(s, "0123456789") == "" {
		*i = id(s)
	}
	return nil
}

// tags come as a list, or as one text with commas.
type tags []string

// UnmarshalJSON reads both forms.
func (t *tags) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) != nil {
		return json.Unmarshal(text, (*[]string)(t))
	}
	for _, tag := range strings.Split(one, ",") {
		*t = append(*t, strings.TrimSpace(tag))
	}
	return nil
}

// image is an object with its address, or in .js the address alone.
type image string

// UnmarshalJSON reads both forms.
func (i *image) UnmarshalJSON(text []byte) error {
	var object struct {
		Src string `json:"src"`
	}
	if json.Unmarshal(text, (*string)(i)) != nil && json.Unmarshal(text, &object) == nil {
		*i = image(object.Src)
	}
	return nil
}

// shopify reads the address: pages of products until one is empty, or one product.
func (f *Feed) shopify(ctx context.Context, t *telling) error {
	size := f.config.MaxSize
	pages := map[id]bool{} // the first product of each page
	for n := 1; n <= maxPages; n++ {
		r, err := f.fetchUpTo(ctx, f.paged(n), http.Header{}, size)
		if err != nil {
			return err
		}
		first, more, err := f.storefront(r, t, pages)
		size -= r.read()
		r.close()
		if err != nil {
			return err
		}
		if !more {
			return t.whole()
		}
		pages[first] = true
	}
	return fmt.Errorf("more than %d pages: %w", maxPages, otn.ErrInvalid)
}

// paged is the address of a page. Another limit that the operator set is kept.
func (f *Feed) paged(n int) *url.URL {
	u := *f.url
	if !strings.HasSuffix(u.Path, "/products.json") {
		return &u
	}
	q := u.Query()
	if q.Get("limit") == "" {
		q.Set("limit", strconv.Itoa(perPage))
	}
	q.Set("page", strconv.Itoa(n))
	u.RawQuery = q.Encode()
	return &u
}

var manyProducts = regexp.MustCompile(`^\s*\{\s*"products"\s*:\s*\[`)

// storefront reads one body. There may be more behind it when it holds products, and not those of a page before: a server that knows no
// pages gives the same for all of them.
func (f *Feed) storefront(p *page, t *telling, pages map[id]bool) (first id, more bool, err error) {
	if !manyProducts.Match(p.peek(512)) {
		return "", false, f.oneProduct(p, t)
	}
	guard := &pieces{r: p.text()}
	d := json.NewDecoder(guard)
	for range 3 { // { "products" [
		if _, err := d.Token(); err != nil {
			return "", false, jsonFault(err)
		}
	}
	for n := 0; d.More(); n++ {
		var one product
		guard.next()
		if err := d.Decode(&one); err != nil {
			return "", false, jsonFault(err)
		}
		if n == 0 {
			first = one.ID
		}
		if pages[first] {
			continue // to the end: it might be cut short
		}
		if err := f.variants(t, &one, decimals); err != nil {
			return "", false, err
		}
	}
	if err := ends(d, 2); err != nil {
		return "", false, err
	}
	return first, first != "" && !pages[first] && strings.HasSuffix(f.url.Path, "/products.json"), nil
}

// ends reads a JSON document to its end, from inside so many brackets: one that is cut short leaves some open.
func ends(d *json.Decoder, open int) error {
	for {
		token, err := d.Token()
		switch {
		case errors.Is(err, io.EOF) && open == 0:
			return nil
		case err != nil:
			return jsonFault(err)
		case token == json.Delim('[') || token == json.Delim('{'):
			open++
		case token == json.Delim(']') || token == json.Delim('}'):
			open--
		}
	}
}

// oneProduct reads {"product": {…}}, whose prices are texts, or a bare product, whose prices are in hundredths.
func (f *Feed) oneProduct(p *page, t *telling) error {
	text, err := io.ReadAll(io.LimitReader(p.text(), maxPiece+1))
	if err != nil {
		return jsonFault(err)
	}
	if len(text) > maxPiece {
		return errTooLarge
	}
	var wrapped struct {
		Product *product `json:"product"`
	}
	var bare product
	written := hundredths
	err = json.Unmarshal(text, &wrapped)
	if err == nil && wrapped.Product != nil {
		bare, written = *wrapped.Product, decimals
	} else if err == nil {
		err = json.Unmarshal(text, &bare)
	}
	if err != nil {
		return jsonFault(err)
	}
	if bare.ID == "" || bare.Variants == nil {
		return fmt.Errorf("no products: want those of /products.json, or a product with its variants: %w", otn.ErrInvalid)
	}
	return f.variants(t, &bare, written)
}

// jsonFault says what is wrong with a document, and quotes nothing of it.
func jsonFault(err error) error {
	var syntax *json.SyntaxError
	var typed *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &syntax) && strings.Contains(syntax.Error(), "unexpected end"):
		return errCut
	case errors.As(err, &syntax):
		return fmt.Errorf("not JSON, at byte %d: %w", syntax.Offset, otn.ErrInvalid)
	case errors.As(err, &typed):
		return fmt.Errorf("%s is no %s: %w", typed.Field, typed.Type, otn.ErrInvalid)
	}
	return err
}

// variants tells the items of a product.
func (f *Feed) variants(t *telling, p *product, written form) error {
	for n := range p.Variants {
		if err := t.item(f.variant(t, p, &p.Variants[n], written)); err != nil {
			return err
		}
	}
	return nil
}

func (f *Feed) variant(t *telling, p *product, v *variant, written form) otn.Observation {
	item := &otn.Item{ID: string(v.ID)}
	if f.config.ID == "sku" {
		item.ID = strings.TrimSpace(v.SKU)
	}
	o := otn.Observation{Item: item, AsOf: latest(p.UpdatedAt, v.UpdatedAt)}
	if item.ID == "" {
		return o
	}
	hook.Tell(&o, otn.FactGroup, &item.Group, string(p.ID))
	hook.Tell(&o, otn.FactTitle, &item.Title, p.Title)
	if v.Title != onlyVariant {
		item.Variant = v.Title
	}
	item.Known |= otn.FactVariant
	if p.Handle != "" {
		hook.Tell(&o, otn.FactURL, &item.URL, f.link(p.Handle, v.ID))
	}
	if len(p.Images) > 0 && p.Images[0] != "" {
		hook.Tell(&o, otn.FactImage, &item.Image, string(p.Images[0]))
	}
	if p.Tags != nil {
		hook.Tell(&o, otn.FactTags, &item.Tags, []string(p.Tags))
	}
	for _, a := range [...]struct{ name, text string }{{"sku", v.SKU}, {"vendor", p.Vendor}, {"product_type", p.ProductType + p.Type}} {
		if a.text != "" {
			item.Attrs = append(item.Attrs, otn.Named{Name: a.name, Value: otn.StringValue(a.text)})
		}
	}
	f.sells(t, &o, p, v)
	f.costs(t, &o, v, written)
	return o
}

// link is the page of a variant.
func (f *Feed) link(handle string, variant id) string {
	u := url.URL{Scheme: f.url.Scheme, Host: f.url.Host, Path: "/products/" + handle, RawQuery: url.Values{"variant": {string(variant)}}.Encode()}
	return u.String()
}

// sells tells whether a variant can be bought. What is published later cannot be bought yet, whatever it says.
func (f *Feed) sells(t *telling, o *otn.Observation, p *product, v *variant) {
	out := true
	var text string
	if p.PublishedAt != nil && json.Unmarshal(p.PublishedAt, &text) == nil {
		at, err := time.Parse(time.RFC3339, text)
		out = err == nil && !at.After(t.now)
		if err == nil {
			hook.Tell(o, otn.FactPublishedAt, &o.Item.PublishedAt, at.UTC())
		}
	}
	hook.Tell(o, otn.FactPublished, &o.Item.Published, out)
	if v.Available != nil {
		hook.Tell(o, otn.FactSellable, &o.Item.Sellable, *v.Available && out)
	}
}

// costs tells the prices. The list price is gone where it is null.
func (f *Feed) costs(t *telling, o *otn.Observation, v *variant, written form) {
	if m, ok := f.amount(t, o.Item.ID, v.Price, written); ok {
		hook.Tell(o, otn.FactPrice, &o.Item.Price, m)
	}
	if m, ok := f.amount(t, o.Item.ID, v.CompareAt, written); ok {
		hook.Tell(o, otn.FactListPrice, &o.Item.ListPrice, m)
	} else if v.CompareAt != nil && bytes.Equal(v.CompareAt, []byte("null")) {
		o.Forget |= otn.FactListPrice
	}
}

// amount reads a price in the one unit that the form has. A text where a number is due, or the other way round, is of a unit that is
// not known.
func (f *Feed) amount(t *telling, item string, raw json.RawMessage, written form) (otn.Money, bool) {
	text := string(raw)
	if raw == nil || text == "null" || text == `""` {
		return otn.Money{}, false
	}
	fault := func(why string) (otn.Money, bool) {
		t.prices++
		t.unread++
		t.note("price", "%s: the price %.40s %s", item, text, why)
		return otn.Money{}, false
	}
	if written == hundredths {
		if text != "" && strings.Trim(text, "0123456789") != "" || len(text) > 18 {
			return fault("is no whole number of hundredths")
		}
		text = strings.Repeat("0", max(0, 3-len(text))) + text
		return f.price(t, item, text[:len(text)-2]+"."+text[len(text)-2:])
	}
	var amount string
	if json.Unmarshal(raw, &amount) != nil {
		return fault("is no text, and so of an unknown unit")
	}
	return f.price(t, item, amount)
}

// latest is the later of two moments, zero when neither is one.
func latest(a, b string) time.Time {
	x, _ := time.Parse(time.RFC3339, a)
	y, _ := time.Parse(time.RFC3339, b)
	if y.After(x) {
		return y.UTC()
	}
	return x.UTC()
}
