// Products and variants: each variant is an item.

package shopify

import (
	"errors"
	"fmt"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/internal/hook"
)

// onlyVariant is the title that Shopify gives the variant of a product without variants.
const onlyVariant = "Default Title"

// product reads a product. A variant that is not in the body is not gone: a body carries the first hundred. One that cannot be read does
// not stop the others.
func (s *Shopify) product(c call) (records []otn.Record, err error) {
	var p product
	if err := hook.Read(c.Body, &p); err != nil {
		return nil, malformed{err}
	}
	if p.ID == "" || !p.Variants.Known() {
		return nil, malformed{errors.New("no product: want id and variants")}
	}
	for n, text := range p.Variants.Value {
		record, err := s.variantOf(&p, text, c)
		if err != nil {
			record = hook.Note("malformed", fmt.Sprintf("%.60q: variants[%d]: %v", c.topic, n, err))
		}
		records = append(records, record)
	}
	return records, nil
}

// variantOf reads one variant of a product.
func (s *Shopify) variantOf(p *product, text []byte, c call) (otn.Record, error) {
	var v variant
	if err := hook.Read(text, &v); err != nil {
		return otn.Record{}, err
	}
	if v.ID == "" || v.ProductID != "" && v.ProductID != p.ID {
		return otn.Record{}, errors.New("no variant of the product")
	}
	v.ProductID = p.ID
	o, ok, err := s.told(&v)
	if err != nil {
		return otn.Record{}, err
	}
	if !ok {
		return hook.Note("no_sku", fmt.Sprintf("variant %s has no SKU, and items are named by it", v.ID)), nil
	}
	s.tellProduct(&o, p, &v, c)
	o.AsOf = c.asOf(p.UpdatedAt)
	return c.record(o, p.UpdatedAt.Known(), o.Item.ID), nil
}

// variant reads the body of an edge of stock. What it tells is in the body alone: the topic is not signed.
func (s *Shopify) variant(c call) ([]otn.Record, error) {
	var v variant
	if err := hook.Read(c.Body, &v); err != nil {
		return nil, malformed{err}
	}
	if v.ID == "" || v.ProductID == "" {
		return nil, malformed{errors.New("no variant: want id and product_id")}
	}
	o, ok, err := s.told(&v)
	if err != nil {
		return nil, malformed{err}
	}
	if !ok {
		return []otn.Record{hook.Note("no_sku", fmt.Sprintf("variant %s has no SKU, and items are named by it", v.ID))}, nil
	}
	if v.Quantity.Known() { // these topics are about the online store, so its product can be bought there
		hook.Tell(&o, otn.FactSellable, &o.Item.Sellable, s.sells(&v))
	}
	o.AsOf = c.asOf(v.UpdatedAt)
	return []otn.Record{c.record(o, v.UpdatedAt.Known(), o.Item.ID)}, nil
}

// told is what a variant says of its item by itself. It is not ok when the variant has no name.
func (s *Shopify) told(v *variant) (o otn.Observation, ok bool, err error) {
	item := &otn.Item{ID: string(v.ID)}
	if s.config.ID == "sku" {
		item.ID = v.SKU.Value
	}
	o.Item = item
	hook.Tell(&o, otn.FactGroup, &item.Group, string(v.ProductID))
	if v.Title.Known() {
		title := v.Title.Value
		if title == onlyVariant {
			title = ""
		}
		hook.Tell(&o, otn.FactVariant, &item.Variant, title)
	}
	if err := s.money(&o, otn.FactPrice, &item.Price, v.Price); err != nil {
		return o, false, fmt.Errorf("price: %w", err)
	}
	if err := s.money(&o, otn.FactListPrice, &item.ListPrice, v.CompareAt); err != nil {
		return o, false, fmt.Errorf("compare_at_price: %w", err)
	}
	if v.CompareAt.Is && !item.Known.Has(otn.FactListPrice) {
		o.Forget |= otn.FactListPrice // there is none any more
	}
	if len(s.config.Locations) == 0 && v.Quantity.Is {
		s.stock(&o, v)
	}
	if v.SKU.Known() {
		item.Attrs = append(item.Attrs, otn.Named{Name: "sku", Value: otn.StringValue(v.SKU.Value)})
	}
	if v.InventoryItem != "" {
		o.Refs = []string{inventoryRef(v.InventoryItem)}
	}
	return o, item.ID != "", nil
}

// stock tells the total of a variant; one that is null is not tracked, and then not known.
func (s *Shopify) stock(o *otn.Observation, v *variant) {
	if v.Quantity.Null {
		o.Forget |= otn.FactStock | otn.FactAvailability
		return
	}
	hook.Tell(o, otn.FactStock, &o.Item.Stock, v.Quantity.Value)
	available := otn.OutOfStock
	switch {
	case v.Quantity.Value > 0:
		available = otn.InStock
	case v.Policy == "continue":
		available = otn.Backorder
	}
	hook.Tell(o, otn.FactAvailability, &o.Item.Availability, available)
}

// money tells a price in the shop's currency. It is a text: a number could be of another unit, and is refused. A price that
// is nothing, zero or less is not told.
func (s *Shopify) money(o *otn.Observation, f otn.Fact, to *otn.Money, price hook.Told[string]) error {
	if price.Value == "" {
		return nil
	}
	m, err := otn.ParseAmount(price.Value, s.config.Currency)
	if err != nil {
		return err
	}
	if m.Minor > 0 {
		hook.Tell(o, f, to, m)
	}
	return nil
}

// tellProduct adds what the product says of all its variants.
func (s *Shopify) tellProduct(o *otn.Observation, p *product, v *variant, c call) {
	item := o.Item
	if p.Title.Known() {
		hook.Tell(o, otn.FactTitle, &item.Title, p.Title.Value)
	}
	if p.Tags.Is {
		hook.Tell(o, otn.FactTags, &item.Tags, []string(p.Tags.Value))
	}
	if p.Vendor.Known() {
		item.Attrs = append(item.Attrs, otn.Named{Name: "vendor", Value: otn.StringValue(p.Vendor.Value)})
	}
	if p.Type.Known() {
		item.Attrs = append(item.Attrs, otn.Named{Name: "product_type", Value: otn.StringValue(p.Type.Value)})
	}
	if url := s.item.fill(func(name string) string {
		return map[string]string{"handle": p.Handle, "product": string(p.ID), "variant": string(v.ID), "sku": v.SKU.Value}[name]
	}); url != "" {
		hook.Tell(o, otn.FactURL, &item.URL, url)
	}
	if p.Image.Is || p.Images != nil {
		hook.Tell(o, otn.FactImage, &item.Image, p.picture(v.ImageID))
	}
	s.tellPublished(o, p, v, c)
}

// tellPublished tells whether the product is out, and with it whether the variant can be bought: a draft, a hidden product
// and one that is published later cannot, whatever its stock.
func (s *Shopify) tellPublished(o *otn.Observation, p *product, v *variant, c call) {
	at := p.PublishedAt
	if at.Known() {
		hook.Tell(o, otn.FactPublishedAt, &o.Item.PublishedAt, at.Value.UTC())
	} else if at.Is {
		o.Forget |= otn.FactPublishedAt
	}
	hidden := p.Status.Known() && p.Status.Value != "active" || at.Is && (at.Null || !c.At.IsZero() && at.Value.After(c.At))
	switch {
	case hidden:
		hook.Tell(o, otn.FactPublished, &o.Item.Published, false)
		hook.Tell(o, otn.FactSellable, &o.Item.Sellable, false)
	case p.Status.Known() && at.Known():
		hook.Tell(o, otn.FactPublished, &o.Item.Published, true)
		if v.Quantity.Known() {
			hook.Tell(o, otn.FactSellable, &o.Item.Sellable, s.sells(v))
		}
	}
}

func (s *Shopify) sells(v *variant) bool {
	return v.Quantity.Value > 0 || s.config.Oversell && v.Policy == "continue"
}

// productGone takes all items of a product away: the body names the product alone. An id is never used again, so the same
// body is always the same news.
func (s *Shopify) productGone(c call) ([]otn.Record, error) {
	d, err := c.deleted()
	if err != nil {
		return nil, err
	}
	o := otn.Observation{AsOf: c.triggered, Gone: true, Item: &otn.Item{}}
	hook.Tell(&o, otn.FactGroup, &o.Item.Group, string(d.ID))
	return []otn.Record{c.record(o, true, string(d.ID))}, nil
}

func (c *call) deleted() (d deleted, err error) {
	if err := hook.Read(c.Body, &d); err != nil {
		return d, malformed{err}
	}
	if d.ID == "" || d.Title != nil || d.Handle != nil || d.Variants != nil {
		return d, malformed{errors.New("no deletion: want an id and no content")}
	}
	return d, nil
}

// picture is the variant's own image, or else the product's.
func (p *product) picture(own hook.ID) string {
	for _, i := range p.Images {
		if own != "" && i.ID == own {
			return i.Src
		}
	}
	if p.Image.Value.Src == "" && len(p.Images) > 0 {
		return p.Images[0].Src
	}
	return p.Image.Value.Src
}

func inventoryRef(i hook.ID) string { return "inventory_item:" + string(i) }
