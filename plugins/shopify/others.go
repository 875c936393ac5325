// Stock by location, and collections.

package shopify

import (
	"errors"
	"slices"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/internal/hook"
)

// level reads the stock of one inventory item at one location. Null is not tracked there: it adds nothing and is not zero.
func (s *Shopify) level(c call) ([]otn.Record, error) {
	var l level
	if err := hook.Read(c.Body, &l); err != nil {
		return nil, malformed{err}
	}
	if l.InventoryItem == "" || l.Location == "" || !l.Available.Is {
		return nil, malformed{errors.New("no inventory level: want inventory_item_id, location_id and available")}
	}
	if !slices.Contains(s.config.Locations, string(l.Location)) {
		return []otn.Record{hook.Note("location_not_counted", "the stock of location "+string(l.Location)+" does not count: it is not among the setting locations")}, nil
	}
	var pieces *int64
	if l.Available.Known() {
		pieces = &l.Available.Value
	}
	o := otn.Observation{
		AsOf: c.asOf(l.UpdatedAt), Item: &otn.Item{}, Ref: inventoryRef(l.InventoryItem),
		Parts: map[string]*int64{string(l.Location): pieces},
	}
	return []otn.Record{c.record(o, l.UpdatedAt.Known(), o.Ref)}, nil
}

// collection reads a collection. It is launched when it is published: a moment in the future is for the rules to wait for.
func (s *Shopify) collection(c call) ([]otn.Record, error) {
	var n collection
	if err := hook.Read(c.Body, &n); err != nil {
		return nil, malformed{err}
	}
	if n.ID == "" || !n.Title.Known() && n.Handle == "" || n.Variants != nil || n.ProductID != nil {
		return nil, malformed{errors.New("no collection: want id with title or handle")}
	}
	o := otn.Observation{AsOf: c.asOf(n.UpdatedAt), Collection: &otn.Collection{ID: string(n.ID)}}
	if n.Title.Known() {
		hook.Tell(&o, otn.FactTitle, &o.Collection.Title, n.Title.Value)
	}
	if n.Image.Is {
		hook.Tell(&o, otn.FactImage, &o.Collection.Image, n.Image.Value.Src)
	}
	if url := s.page.fill(func(name string) string {
		return map[string]string{"handle": n.Handle, "collection": string(n.ID)}[name]
	}); url != "" {
		hook.Tell(&o, otn.FactURL, &o.Collection.URL, url)
	}
	switch at := n.PublishedAt; {
	case at.Known():
		hook.Tell(&o, otn.FactPublished, &o.Collection.Published, true)
		hook.Tell(&o, otn.FactPublishedAt, &o.Collection.PublishedAt, at.Value.UTC())
		hook.Tell(&o, otn.FactLaunchAt, &o.Collection.LaunchAt, at.Value.UTC())
	case at.Is:
		hook.Tell(&o, otn.FactPublished, &o.Collection.Published, false)
		o.Forget |= otn.FactPublishedAt | otn.FactLaunchAt
	}
	return []otn.Record{c.record(o, n.UpdatedAt.Known(), string(n.ID))}, nil
}

func (s *Shopify) collectionGone(c call) ([]otn.Record, error) {
	d, err := c.deleted()
	if err != nil {
		return nil, err
	}
	o := otn.Observation{AsOf: c.triggered, Gone: true, Collection: &otn.Collection{ID: string(d.ID)}}
	return []otn.Record{c.record(o, true, string(d.ID))}, nil
}
