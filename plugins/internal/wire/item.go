// Observations of items and collections, to messages and back.

package wire

import "github.com/onetimenotify/otn/core/otn"

func fromObservation(o *otn.Observation) *Observation {
	p := &Observation{Source: o.Source, AsOf: FromTime(o.AsOf), Forget: uint32(o.Forget), Gone: o.Gone, Refs: o.Refs, Ref: o.Ref}
	if o.Item != nil {
		p.Item = fromItem(*o.Item)
	}
	if o.Collection != nil {
		p.Collection = fromCollection(o.Collection)
	}
	if o.Parts != nil {
		p.Parts = make(map[string]*Part, len(o.Parts))
		for place, stock := range o.Parts {
			p.Parts[place] = &Part{Stock: stock}
		}
	}
	return p
}

func toObservation(p *Observation) *otn.Observation {
	o := &otn.Observation{Source: p.GetSource(), AsOf: ToTime(p.GetAsOf()), Forget: otn.Fact(p.GetForget()), Gone: p.GetGone(), Refs: p.GetRefs(), Ref: p.GetRef()}
	if p.GetItem() != nil {
		i := toItem(p.GetItem())
		o.Item = &i
	}
	if p.GetCollection() != nil {
		o.Collection = toCollection(p.GetCollection())
	}
	if p.GetParts() != nil {
		o.Parts = make(map[string]*int64, len(p.GetParts()))
		for place, part := range p.GetParts() {
			o.Parts[place] = part.Stock
		}
	}
	return o
}

func fromItem(i otn.Item) *Item {
	return &Item{
		Id: i.ID, Known: uint32(i.Known), Group: i.Group, Title: i.Title, Variant: i.Variant, Url: i.URL, Image: i.Image,
		Price: fromMoney(i.Price), ListPrice: fromMoney(i.ListPrice), Stock: i.Stock, Sellable: i.Sellable, Availability: string(i.Availability),
		Tags: i.Tags, Collections: i.Collections, Published: i.Published, PublishedAt: FromTime(i.PublishedAt), StartsAt: FromTime(i.StartsAt),
		Attrs: each(i.Attrs, fromNamed),
		Lows:  each(i.Lows, func(l otn.Low) *Low { return &Low{At: FromTime(l.At), Price: fromMoney(l.Price)} }),
	}
}

func toItem(p *Item) otn.Item {
	return otn.Item{
		ID: p.GetId(), Known: otn.Fact(p.GetKnown()), Group: p.GetGroup(), Title: p.GetTitle(), Variant: p.GetVariant(), URL: p.GetUrl(), Image: p.GetImage(),
		Price: toMoney(p.GetPrice()), ListPrice: toMoney(p.GetListPrice()), Stock: p.GetStock(), Sellable: p.GetSellable(), Availability: otn.Availability(p.GetAvailability()),
		Tags: p.GetTags(), Collections: p.GetCollections(), Published: p.GetPublished(), PublishedAt: ToTime(p.GetPublishedAt()), StartsAt: ToTime(p.GetStartsAt()),
		Attrs: each(p.GetAttrs(), toNamed),
		Lows:  each(p.GetLows(), func(l *Low) otn.Low { return otn.Low{At: ToTime(l.GetAt()), Price: toMoney(l.GetPrice())} }),
	}
}

func fromCollection(c *otn.Collection) *Collection {
	return &Collection{
		Id: c.ID, Known: uint32(c.Known), Title: c.Title, Url: c.URL, Image: c.Image, Items: c.Items, Published: c.Published,
		PublishedAt: FromTime(c.PublishedAt), LaunchAt: FromTime(c.LaunchAt), Top: each(c.Top, fromItem),
	}
}

func toCollection(p *Collection) *otn.Collection {
	return &otn.Collection{
		ID: p.GetId(), Known: otn.Fact(p.GetKnown()), Title: p.GetTitle(), URL: p.GetUrl(), Image: p.GetImage(), Items: p.GetItems(), Published: p.GetPublished(),
		PublishedAt: ToTime(p.GetPublishedAt()), LaunchAt: ToTime(p.GetLaunchAt()), Top: each(p.GetTop(), toItem),
	}
}
