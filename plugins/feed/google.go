// Google Merchant feeds: one item's fields, whatever file they stand in.

package feed

import (
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/internal/hook"
)

// google reads the feed, XML or tab-separated.
func (f *Feed) google(p *page, t *telling) error {
	if p.startsWith('<') {
		return f.googleXML(p, t)
	}
	return f.googleTSV(p, t)
}

// product tells one item. get gives its fields by their names, with underscores.
func (f *Feed) product(t *telling, get func(name string) string) error {
	item := &otn.Item{ID: strings.TrimSpace(get("id"))}
	o := otn.Observation{Item: item}
	if item.ID == "" {
		return t.item(o)
	}
	for _, x := range []struct {
		fact otn.Fact
		name string
		to   *string
	}{
		{otn.FactGroup, "item_group_id", &item.Group}, {otn.FactTitle, "title", &item.Title},
		{otn.FactURL, "link", &item.URL}, {otn.FactImage, "image_link", &item.Image},
	} {
		if text := strings.TrimSpace(get(x.name)); text != "" {
			hook.Tell(&o, x.fact, x.to, text)
		}
	}
	hook.Tell(&o, otn.FactPublished, &item.Published, true) // what is in the feed is in the shop
	f.available(t, &o, get)
	f.prices(t, &o, get)
	for _, name := range f.config.Attrs {
		if text := strings.TrimSpace(get(normal(name))); text != "" {
			item.Attrs = append(item.Attrs, otn.Named{Name: name, Value: otn.StringValue(text)})
		}
	}
	return t.item(o)
}

// available tells how the item can be had. Only what is in stock can be bought now: whether a preorder or a backorder is as good is for
// the rule to say, by item.availability.
func (f *Feed) available(t *telling, o *otn.Observation, get func(string) string) {
	text := get("availability")
	if strings.TrimSpace(text) == "" {
		return
	}
	a := otn.Availability(normal(text))
	switch a {
	case otn.InStock, otn.OutOfStock, otn.Preorder, otn.Backorder:
		hook.Tell(o, otn.FactAvailability, &o.Item.Availability, a)
		hook.Tell(o, otn.FactSellable, &o.Item.Sellable, a == otn.InStock)
	default:
		t.note("availability", "%s: the availability %.40q is not known", o.Item.ID, text)
	}
	if at := strings.TrimSpace(get("availability_date")); at != "" {
		if start, _, err := moment(at); err == nil {
			hook.Tell(o, otn.FactStartsAt, &o.Item.StartsAt, start)
		} else {
			t.note("date", "%s: the availability date %.40q is no date", o.Item.ID, at)
		}
	}
}

// normal is a name or a word with underscores: older files write spaces, and anybody writes capitals.
func normal(s string) string {
	return strings.ReplaceAll(strings.ToLower(strings.Join(strings.Fields(s), " ")), " ", "_")
}

// prices tells what the item costs now: the sale price while the sale lasts, and the price otherwise. A sale price that cannot be
// read, or is of another currency, leaves the price untold: it would go up, and fall again when it can be read.
func (f *Feed) prices(t *telling, o *otn.Observation, get func(string) string) {
	id := o.Item.ID
	list, listed := f.price(t, id, get("price"))
	if listed {
		hook.Tell(o, otn.FactListPrice, &o.Item.ListPrice, list)
	}
	text := get("sale_price")
	if strings.TrimSpace(text) == "" || !f.onSale(t, id, get("sale_price_effective_date")) {
		if listed {
			hook.Tell(o, otn.FactPrice, &o.Item.Price, list)
		}
		return
	}
	sale, ok := f.price(t, id, text)
	switch {
	case !ok:
	case listed && sale.Currency != list.Currency:
		t.note("price", "%s: the sale price is in %s, the price in %s", id, sale.Currency, list.Currency)
	default:
		hook.Tell(o, otn.FactPrice, &o.Item.Price, sale)
	}
}

// onSale reports whether a sale is on. Without a range it is; a range that cannot be read is as good as none.
func (f *Feed) onSale(t *telling, id, effective string) bool {
	effective = strings.TrimSpace(effective)
	if effective == "" {
		return true
	}
	start, end, err := span(effective)
	if err != nil {
		t.note("date", "%s: the sale's date range %.60q cannot be read and is left out of account", id, effective)
		return true
	}
	t.until(start)
	t.until(end.Add(time.Second))
	return !t.now.Before(start) && !t.now.After(end)
}
