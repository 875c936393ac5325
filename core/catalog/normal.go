// What an observation may be: bounded, clean, and one thing at a time.

package catalog

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/onetimenotify/otn/core/otn"
)

// The bounds of an observation.
const (
	maxID    = 256            // bytes of an id, a source, a ref or a place
	maxText  = 4 << 10        // bytes of any other text
	maxList  = 256            // tags, collections, items, attrs, refs, parts
	maxTold  = 4 * maxList    // names of attrs that are remembered for their versions
	maxStock = int64(1) << 50 // pieces; beyond it a number only says "plenty" (or the opposite)
	maxAhead = 10 * time.Minute
)

const itemFacts = otn.FactGroup | otn.FactTitle | otn.FactVariant | otn.FactURL | otn.FactImage | otn.FactPrice |
	otn.FactListPrice | otn.FactStock | otn.FactSellable | otn.FactAvailability | otn.FactTags | otn.FactCollections |
	otn.FactPublished | otn.FactPublishedAt | otn.FactStartsAt

const collectionFacts = otn.FactTitle | otn.FactURL | otn.FactImage | otn.FactItems | otn.FactPublished |
	otn.FactPublishedAt | otn.FactLaunchAt

// clean gives an observation in its normal form: only told fields, texts trimmed, sets sorted, times in UTC.
// A version from the future is taken for one without a date: it would shut out everything that comes after it.
func clean(o *otn.Observation, now time.Time) (otn.Observation, error) {
	c := *o
	if c.AsOf.After(now.Add(maxAhead)) {
		c.AsOf = time.Time{}
	}
	if c.Item == nil && c.Collection == nil && c.Ref != "" {
		c.Item = &otn.Item{}
	}
	var bad faults
	bad.text("source", &c.Source, maxID)
	bad.text("ref", &c.Ref, maxID)
	bad.when("as_of", &c.AsOf)
	switch {
	case (c.Item == nil) == (c.Collection == nil):
		bad.add("want exactly one of item and collection")
	case c.Item != nil:
		item := otn.Item{ID: c.Item.ID, Known: c.Item.Known, Attrs: c.Item.Attrs}
		setItem(&item, c.Item, item.Known)
		c.Item = &item
		bad.item(&c)
	default:
		collection := otn.Collection{ID: c.Collection.ID, Known: c.Collection.Known}
		setCollection(&collection, c.Collection, collection.Known)
		c.Collection = &collection
		bad.collection(&c)
	}
	return c, bad.err()
}

// faults collects what is wrong with one observation.
type faults []string

func (f *faults) add(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }

func (f faults) err() error {
	if len(f) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %w", strings.Join(f, "; "), otn.ErrInvalid)
}

func (f *faults) item(c *otn.Observation) {
	i := c.Item
	f.text("id", &i.ID, maxID)
	if i.ID != "" && c.Ref != "" {
		f.add("id and ref: want one of them")
	}
	if i.ID == "" && c.Ref == "" && i.Group == "" {
		f.add("no id")
	}
	f.facts(&i.Known, &c.Forget, itemFacts)
	if c.Gone {
		i.Sellable, i.Published = false, false
		i.Known |= otn.FactSellable | otn.FactPublished
		c.Forget &^= otn.FactSellable | otn.FactPublished
	}
	f.texts(i)
	f.price("price", &i.Price, otn.FactPrice, i)
	if f.price("list_price", &i.ListPrice, otn.FactListPrice, i) {
		c.Forget |= otn.FactListPrice
	}
	i.Stock = bound(i.Stock)
	f.availability(i, c)
	i.Tags = f.names("tags", i.Tags, maxText, true)
	i.Collections = f.names("collections", i.Collections, maxID, true)
	forgetZero(&i.PublishedAt, otn.FactPublishedAt, &i.Known, &c.Forget)
	forgetZero(&i.StartsAt, otn.FactStartsAt, &i.Known, &c.Forget)
	f.when("published_at", &i.PublishedAt)
	f.when("starts_at", &i.StartsAt)
	i.Attrs = f.attrs(i.Attrs)
	c.Refs = f.names("refs", c.Refs, maxID, true)
	c.Parts = f.parts(c.Parts)
}

func (f *faults) collection(c *otn.Observation) {
	n := c.Collection
	f.text("id", &n.ID, maxID)
	if n.ID == "" {
		f.add("no id")
	}
	if c.Ref != "" || len(c.Refs) > 0 || len(c.Parts) > 0 {
		f.add("refs and parts are for items")
	}
	f.facts(&n.Known, &c.Forget, collectionFacts)
	if c.Gone {
		n.Published = false
		n.Known |= otn.FactPublished
		c.Forget &^= otn.FactPublished
	}
	f.text("title", &n.Title, maxText)
	f.text("url", &n.URL, maxText)
	f.text("image", &n.Image, maxText)
	n.Items = f.names("items", n.Items, maxID, false)
	forgetZero(&n.PublishedAt, otn.FactPublishedAt, &n.Known, &c.Forget)
	forgetZero(&n.LaunchAt, otn.FactLaunchAt, &n.Known, &c.Forget)
	f.when("published_at", &n.PublishedAt)
	f.when("launch_at", &n.LaunchAt)
}

func (f *faults) facts(known, forget *otn.Fact, allowed otn.Fact) {
	if (*known|*forget)&^allowed != 0 {
		f.add("a fact that this kind of subject does not have")
	}
	if *known&*forget != 0 {
		f.add("a fact that is told and forgotten at once")
	}
}

func (f *faults) texts(i *otn.Item) {
	for name, s := range map[string]*string{"title": &i.Title, "variant": &i.Variant, "url": &i.URL, "image": &i.Image} {
		f.text(name, s, maxText)
	}
	f.text("group", &i.Group, maxID)
}

// text trims a text and bounds it.
func (f *faults) text(name string, s *string, limit int) {
	*s = strings.TrimSpace(strings.ToValidUTF8(*s, "\uFFFD"))
	if len(*s) > limit {
		f.add("%s: %d bytes, at most %d", name, len(*s), limit)
	}
	if limit == maxID && strings.ContainsFunc(*s, unicode.IsControl) {
		f.add("%s: holds a control character", name)
	}
}

// price takes an amount that is nothing, zero or less as not told, and reports that: a shop whose price drops out for a
// moment has no drop, now or when it comes back. Without a list price there is none any more.
func (f *faults) price(name string, m *otn.Money, fact otn.Fact, i *otn.Item) (nothing bool) {
	if !i.Known.Has(fact) {
		return false
	}
	if m.Minor <= 0 {
		*m = otn.Money{}
		i.Known &^= fact
		return true
	}
	if _, ok := otn.Exponent(m.Currency); !ok {
		f.add("%s: %q: %v", name, clip(m.Currency), otn.ErrCurrency)
	}
	return false
}

func (f *faults) availability(i *otn.Item, c *otn.Observation) {
	if !i.Known.Has(otn.FactAvailability) {
		return
	}
	switch i.Availability {
	case otn.InStock, otn.OutOfStock, otn.Preorder, otn.Backorder:
	case "":
		i.Known &^= otn.FactAvailability
		c.Forget |= otn.FactAvailability
	default:
		f.add("availability: %q is none of in_stock, out_of_stock, preorder, backorder", clip(string(i.Availability)))
	}
}

// names cleans a list of names: no empty ones, each once, and sorted where the order means nothing.
func (f *faults) names(name string, list []string, limit int, sorted bool) []string {
	if len(list) > maxList {
		f.add("%s: %d, at most %d", name, len(list), maxList)
		return nil
	}
	var names []string
	for _, s := range list {
		f.text(name, &s, limit)
		if s != "" && !slices.Contains(names, s) {
			names = append(names, s)
		}
	}
	if sorted {
		slices.Sort(names)
	}
	return names
}

func (f *faults) attrs(list []otn.Named) []otn.Named {
	if len(list) > maxList {
		f.add("attrs: %d, at most %d", len(list), maxList)
		return nil
	}
	var attrs []otn.Named
	for _, a := range list {
		f.text("attrs", &a.Name, maxID)
		if a.Name == "" {
			f.add("attrs: one without a name")
		}
		if slices.ContainsFunc(attrs, func(b otn.Named) bool { return a.Name == b.Name }) {
			f.add("attrs: %q twice", clip(a.Name))
		}
		a.Value = f.value(a)
		attrs = append(attrs, a)
	}
	return attrs
}

// value bounds an attr's value and refuses one that could not be read back.
func (f *faults) value(a otn.Named) otn.Value {
	switch v := a.Value; v.Type() {
	case otn.NoType, otn.Bool, otn.Int, otn.Time:
	case otn.String:
		s := strings.ToValidUTF8(v.Text(), "\uFFFD")
		if len(s) > maxText {
			f.add("attrs: %q: %d bytes, at most %d", clip(a.Name), len(s), maxText)
		}
		return otn.StringValue(s)
	case otn.Float:
		if math.IsNaN(v.Float()) || math.IsInf(v.Float(), 0) {
			f.add("attrs: %q: %v is no number", clip(a.Name), v.Float())
		}
	case otn.MoneyType:
		if _, ok := otn.Exponent(v.Money().Currency); !ok {
			f.add("attrs: %q: %q: %v", clip(a.Name), clip(v.Money().Currency), otn.ErrCurrency)
		}
	}
	return a.Value
}

func (f *faults) parts(parts map[string]*int64) map[string]*int64 {
	if len(parts) > maxList {
		f.add("parts: %d, at most %d", len(parts), maxList)
		return nil
	}
	clean := make(map[string]*int64, len(parts))
	for place, stock := range parts {
		f.text("parts", &place, maxID)
		if stock != nil {
			n := bound(*stock)
			stock = &n
		}
		clean[place] = stock
	}
	return clean
}

// when refuses a moment that JSON cannot hold and gives it in UTC, without the reading of a process's clock.
func (f *faults) when(name string, t *time.Time) {
	*t = t.UTC().Round(0)
	if !t.IsZero() && (t.Year() < 1 || t.Year() > 9999) {
		f.add("%s: the year %d", name, t.Year())
	}
}

func forgetZero(t *time.Time, fact otn.Fact, known, forget *otn.Fact) {
	if known.Has(fact) && t.IsZero() {
		*known &^= fact
		*forget |= fact
	}
}

func bound(stock int64) int64 { return max(-maxStock, min(maxStock, stock)) }
