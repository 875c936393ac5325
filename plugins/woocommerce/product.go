// Products and variations: what each says of the item it is, or of the items that belong to it.

package woocommerce

import (
	"errors"
	"fmt"
	"html"
	"strings"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/internal/hook"
)

// product reads a body of a product or variation.
func (w *WooCommerce) product(c call) ([]otn.Record, error) {
	var p product
	if err := hook.Read(c.Body, &p); err != nil {
		return nil, err
	}
	if none(p.ID) || !p.Name.Known() || !p.Type.Known() {
		return nil, errors.New("no product: want id, name and type")
	}
	if p.isParent() {
		return w.parent(&p, c), nil
	}
	item := &otn.Item{ID: string(p.ID)}
	if w.config.ID == "sku" {
		item.ID = strings.TrimSpace(p.SKU.Value)
	}
	if item.ID == "" {
		return []otn.Record{hook.Note("no_sku", fmt.Sprintf("product %s has no SKU, and items are named by it", p.ID))}, nil
	}
	asOf, versioned := w.version(&p, c)
	o := otn.Observation{AsOf: asOf, Item: item, Refs: []string{productRef(p.ID)}}
	if p.isVariation() {
		o.Refs = []string{variationRef(p.ID)}
	}
	describe(&o, &p)
	notes := w.prices(&o, &p, c)
	tellStock(&o, &p)
	w.tellSellable(&o, &p)
	return append(notes, c.record(o, versioned, item.ID)), nil
}

// parent reads a product that is sold as its variations. It tells them, by their ids, what they do not know themselves; those
// that are not in the body are not gone. Whoever was an item before it had variations is one no longer.
func (w *WooCommerce) parent(p *product, c call) (records []otn.Record) {
	asOf, versioned := w.version(p, c)
	for _, id := range p.Variations {
		o := otn.Observation{AsOf: asOf, Item: &otn.Item{}, Ref: variationRef(id)}
		if p.Status.Known() {
			hook.Tell(&o, otn.FactPublished, &o.Item.Published, !p.hidden())
		}
		if p.Tags.Is {
			hook.Tell(&o, otn.FactTags, &o.Item.Tags, names(p.Tags.Value))
		}
		if p.Categories.Is {
			hook.Tell(&o, otn.FactCollections, &o.Item.Collections, ids(p.Categories.Value))
		}
		records = append(records, c.record(o, versioned, o.Ref))
	}
	was := otn.Observation{AsOf: asOf, Gone: true, Item: &otn.Item{}, Ref: productRef(p.ID)}
	return append(records, c.record(was, versioned, was.Ref))
}

// productGone takes away what an id meant: an item, or all variations of a product. The body does not say which it was.
func (w *WooCommerce) productGone(c call) ([]otn.Record, error) {
	var d deleted
	if err := hook.Read(c.Body, &d); err != nil {
		return nil, err
	}
	if none(d.ID) || d.Name != nil || d.Type != nil || d.Status != nil {
		return nil, errors.New("no deletion: want an id and no content")
	}
	simple := otn.Observation{Gone: true, Item: &otn.Item{}, Ref: productRef(d.ID)}
	variation := otn.Observation{Item: &otn.Item{}, Ref: variationRef(d.ID)}
	hook.Tell(&variation, otn.FactSellable, &variation.Item.Sellable, false)
	family := otn.Observation{Item: &otn.Item{}}
	hook.Tell(&family, otn.FactGroup, &family.Item.Group, string(d.ID))
	hook.Tell(&family, otn.FactPublished, &family.Item.Published, false) // and what its variations say of themselves stays
	return []otn.Record{c.record(simple, false, simple.Ref), c.record(variation, false, variation.Ref), c.record(family, false, "group")}, nil
}

// describe tells all that is neither price nor stock. A variation has the tags, collections and image of its product where it
// names none.
func describe(o *otn.Observation, p *product) {
	item, own := o.Item, !p.isVariation()
	if p.Parent != "" {
		group := string(p.Parent)
		if none(p.Parent) {
			group = ""
		}
		hook.Tell(o, otn.FactGroup, &item.Group, group)
	}
	title, variant := p.title()
	hook.Tell(o, otn.FactTitle, &item.Title, title)
	if variant != "" {
		hook.Tell(o, otn.FactVariant, &item.Variant, variant)
	}
	if p.Permalink.Value != "" {
		hook.Tell(o, otn.FactURL, &item.URL, p.Permalink.Value)
	}
	if len(p.Images.Value) > 0 {
		hook.Tell(o, otn.FactImage, &item.Image, p.Images.Value[0].Src)
	} else if own && p.Images.Known() {
		hook.Tell(o, otn.FactImage, &item.Image, "")
	}
	if p.Tags.Is && (own || len(p.Tags.Value) > 0) {
		hook.Tell(o, otn.FactTags, &item.Tags, names(p.Tags.Value))
	}
	if p.Categories.Is && (own || len(p.Categories.Value) > 0) {
		hook.Tell(o, otn.FactCollections, &item.Collections, ids(p.Categories.Value))
	}
	if p.SKU.Value != "" {
		item.Attrs = append(item.Attrs, otn.Named{Name: "sku", Value: otn.StringValue(p.SKU.Value)})
	}
}

// title takes a variation's choice off its name: "Harbor Tee - S" is the S of Harbor Tee.
func (p *product) title() (title, variant string) {
	title = html.UnescapeString(p.Name.Value)
	if !p.isVariation() {
		return title, ""
	}
	var chosen []string
	for _, a := range p.Attributes {
		if a.Option != "" {
			chosen = append(chosen, html.UnescapeString(a.Option))
		}
	}
	variant = strings.Join(chosen, ", ")
	if short, ok := strings.CutSuffix(title, " - "+variant); ok && variant != "" {
		title = short
	}
	return title, variant
}

// hidden reports whether the shop's visitors do not find the product.
func (p *product) hidden() bool {
	return p.Status.Known() && p.Status.Value != "publish" || p.Visibility.Value == "hidden"
}

// tellStock tells the pieces that are counted; what is not counted is not known.
func tellStock(o *otn.Observation, p *product) {
	counted := !p.Manage.Known() || bool(p.Manage.Value)
	switch {
	case counted && p.Quantity.Known():
		hook.Tell(o, otn.FactStock, &o.Item.Stock, int64(p.Quantity.Value))
	case !counted || p.Quantity.Null:
		o.Forget |= otn.FactStock
	}
	switch available, known := p.available(); {
	case known:
		hook.Tell(o, otn.FactAvailability, &o.Item.Availability, available)
	case p.StockStatus.Is:
		o.Forget |= otn.FactAvailability
	}
}

func (p *product) available() (otn.Availability, bool) {
	switch p.StockStatus.Value {
	case "outofstock":
		return otn.OutOfStock, true
	case "onbackorder":
		return otn.Backorder, true
	case "instock":
		if p.Backordered || bool(p.Manage.Value) && p.Quantity.Known() && p.Quantity.Value <= 0 {
			return otn.Backorder, true
		}
		return otn.InStock, true
	}
	return "", false
}

// tellSellable tells whether the item is out and can be bought. A status of stock that an extension made up counts as sold
// out. Whether a variation's product is out is told by the product: a variation says so only where it is hidden with it.
func (w *WooCommerce) tellSellable(o *otn.Observation, p *product) {
	switch {
	case p.isVariation() && p.Visibility.Value == "hidden", !p.isVariation() && p.hidden():
		hook.Tell(o, otn.FactPublished, &o.Item.Published, false)
	case !p.isVariation() && p.Status.Known():
		hook.Tell(o, otn.FactPublished, &o.Item.Published, true)
	}
	available, _ := p.available()
	stocked := available == otn.InStock || available == otn.Backorder && w.config.Backorders
	switch {
	case p.hidden(), p.Purchasable.Known() && !p.Purchasable.Value, p.StockStatus.Known() && !stocked:
		hook.Tell(o, otn.FactSellable, &o.Item.Sellable, false)
	case p.Status.Known() && p.Purchasable.Known() && stocked:
		hook.Tell(o, otn.FactSellable, &o.Item.Sellable, true)
	}
}

func names(terms []term) (list []string) {
	for _, t := range terms {
		list = append(list, html.UnescapeString(t.Name))
	}
	return list
}

func ids(terms []term) (list []string) {
	for _, t := range terms {
		list = append(list, string(t.ID))
	}
	return list
}

func none(id hook.ID) bool { return strings.Trim(string(id), "0") == "" }

func productRef(id hook.ID) string { return "product:" + string(id) }

func variationRef(id hook.ID) string { return "variation:" + string(id) }
