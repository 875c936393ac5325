// The names that expressions see, with their types and how each is read: item, was, collection, sub, trigger, at, params.

package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// shape is a static type: a kind, and for objects and lists of items the fields.
type shape struct {
	k   kind
	obj *fields
}

// field is one name. read gives its value from the object it stands in; path is how the rule wrote it.
type field struct {
	shape
	uses  uses
	read  func(f *frame, from any, path string) value
	words []string         // all that a text can be, where that is known
	self  func(*frame) any // of an object at the beginning of a path: what its fields read from; nil: the frame alone
}

// fields are the names of an object.
type fields struct {
	name string // "item", "sub"
	by   map[string]field
}

func (o *fields) names() []string {
	out := make([]string, 0, len(o.by))
	for n := range o.by {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// uses says what an expression looks at.
type uses uint8

const (
	usesSub uses = 1 << iota
	usesWas
	usesAt
	usesTrigger
	usesPerson // of sub: what is of the person, and not of the consent
	usesFacts  // anything that is not written in the file
)

// scope is what one expression may name.
type scope struct {
	roots fields
	// elsewhere are names that exist, with the reason why not here.
	elsewhere map[string]string
	suspect   map[string]bool // names whose declaration is at fault
	partial   bool            // params, attrs and triggers may be declared where nobody could read
	zone      *time.Location  // in which dates without one are read
}

func newScope(zone *time.Location) *scope {
	return &scope{roots: fields{by: map[string]field{}}, elsewhere: map[string]string{}, zone: zone}
}

func (s *scope) add(name string, f field) {
	f.uses |= usesFacts
	s.roots.by[name] = f
}

// with is a copy of s that knows one name more.
func (s *scope) with(name string, f field) *scope {
	out := newScope(s.zone)
	for n, have := range s.roots.by {
		out.roots.by[n] = have
	}
	for n, why := range s.elsewhere {
		out.elsewhere[n] = why
	}
	out.suspect, out.partial = s.suspect, s.partial
	delete(out.elsewhere, name)
	out.add(name, f)
	return out
}

// itemField reads a fact of an item, known by its bit.
func itemField(k kind, bit otn.Fact, read func(*otn.Item) value) field {
	return field{shape: shape{k: k}, read: func(_ *frame, from any, path string) value {
		if it, _ := from.(*otn.Item); it != nil && it.Known.Has(bit) {
			return read(it)
		}
		return notKnown(path)
	}}
}

// always reads something of an item that needs no bit, once there is an item.
func always(k kind, read func(*otn.Item) value) field { return itemField(k, 0, read) }

// hasField reports whether a fact is known.
func hasField(bit otn.Fact) field {
	return field{shape: shape{k: boolean}, read: func(_ *frame, from any, _ string) value {
		switch s := from.(type) {
		case *otn.Item:
			return boolValue(s != nil && s.Known.Has(bit))
		case *otn.Collection:
			return boolValue(s != nil && s.Known.Has(bit))
		}
		return boolValue(false)
	}}
}

// inner is an object within an object that reads from the same place: attrs, has.
func inner(name string, by map[string]field) field {
	return field{shape: shape{object, &fields{name, by}}}
}

// itemFields are the names of an item of this shop.
func itemFields(attrs []otn.Field) map[string]field {
	by := map[string]field{
		"id":           always(text, func(it *otn.Item) value { return textValue(it.ID) }),
		"group":        itemField(text, otn.FactGroup, func(it *otn.Item) value { return textValue(it.Group) }),
		"title":        itemField(text, otn.FactTitle, func(it *otn.Item) value { return textValue(it.Title) }),
		"variant":      itemField(text, otn.FactVariant, func(it *otn.Item) value { return textValue(it.Variant) }),
		"url":          itemField(text, otn.FactURL, func(it *otn.Item) value { return textValue(it.URL) }),
		"image":        itemField(text, otn.FactImage, func(it *otn.Item) value { return textValue(it.Image) }),
		"price":        itemField(money, otn.FactPrice, func(it *otn.Item) value { return moneyValue(it.Price) }),
		"list_price":   itemField(money, otn.FactListPrice, func(it *otn.Item) value { return moneyValue(it.ListPrice) }),
		"stock":        itemField(integer, otn.FactStock, func(it *otn.Item) value { return intValue(it.Stock) }),
		"sellable":     always(boolean, func(it *otn.Item) value { return boolValue(it.IsSellable()) }),
		"availability": itemField(text, otn.FactAvailability, func(it *otn.Item) value { return textValue(string(it.Availability)) }),
		"tags":         itemField(texts, otn.FactTags, func(it *otn.Item) value { return textsValue(&it.Tags) }),
		"collections":  itemField(texts, otn.FactCollections, func(it *otn.Item) value { return textsValue(&it.Collections) }),
		"published":    always(boolean, func(it *otn.Item) value { return boolValue(it.IsPublished()) }),
		"published_at": itemField(moment, otn.FactPublishedAt, func(it *otn.Item) value { return timeValue(it.PublishedAt) }),
		"starts_at":    itemField(moment, otn.FactStartsAt, func(it *otn.Item) value { return timeValue(it.StartsAt) }),
	}
	availability := by["availability"]
	availability.words = []string{string(otn.InStock), string(otn.OutOfStock), string(otn.Preorder), string(otn.Backorder)}
	by["availability"] = availability
	has := map[string]field{}
	for name, bit := range map[string]otn.Fact{
		"group": otn.FactGroup, "title": otn.FactTitle, "variant": otn.FactVariant, "url": otn.FactURL, "image": otn.FactImage,
		"price": otn.FactPrice, "list_price": otn.FactListPrice, "stock": otn.FactStock, "sellable": otn.FactSellable,
		"availability": otn.FactAvailability, "tags": otn.FactTags, "collections": otn.FactCollections, "published": otn.FactPublished,
		"published_at": otn.FactPublishedAt, "starts_at": otn.FactStartsAt,
	} {
		has[name] = hasField(bit)
	}
	told := map[string]field{}
	for _, a := range attrs {
		told[a.Name] = attrField(a)
		has[a.Name] = hasAttr(a)
	}
	by["attrs"] = inner("item.attrs", told)
	by["has"] = inner("item.has", has)
	return by
}

// attrField reads an extra fact. One that is told in another type is read as the declared one where that is possible;
// where it is not, neither the default stands in for it nor does it count as left out.
func attrField(a otn.Field) field {
	return field{shape: shape{k: kindOf(a.Type)}, read: func(_ *frame, from any, path string) value {
		if it, _ := from.(*otn.Item); it != nil {
			if v, ok := it.Attr(a.Name); ok {
				return told(v, a.Type, path)
			}
			return valueOf(a.Default, path)
		}
		return notKnown(path)
	}}
}

func hasAttr(a otn.Field) field {
	return field{shape: shape{k: boolean}, read: func(_ *frame, from any, path string) value {
		it, _ := from.(*otn.Item)
		if it == nil {
			return boolValue(false)
		}
		v, ok := it.Attr(a.Name)
		if ok && v.Type() != a.Type {
			if t := told(v, a.Type, strings.Replace(path, ".has.", ".attrs.", 1)); !t.ok() {
				return t
			}
		}
		return boolValue(ok)
	}}
}

// told is a value of the shop or of a trigger in its declared type.
func told(v otn.Value, t otn.Type, path string) value {
	switch {
	case v.Type() == t:
		return valueOf(v, path)
	case v.Type() == otn.Int && t == otn.Float:
		return floatValue(float64(v.Int()))
	case t == otn.String && v.Type() != otn.NoType:
		return textValue(v.String())
	case v.Type() == otn.String:
		if parsed, err := otn.ParseValue(t, v.Text()); err == nil {
			return valueOf(parsed, path)
		}
	}
	return value{k: unknown, n: inWords, s: fmt.Sprintf("%s is told as something that is no %s", path, t)}
}

// collectionField reads a fact of a collection, known by its bit.
func collectionField(k kind, bit otn.Fact, read func(*otn.Collection) value) field {
	return field{shape: shape{k: k}, read: func(_ *frame, from any, path string) value {
		if c, _ := from.(*otn.Collection); c != nil && c.Known.Has(bit) {
			return read(c)
		}
		return notKnown(path)
	}}
}

// collectionFields are the names of a collection; item is what its elements look like.
func collectionFields(item *fields) map[string]field {
	by := map[string]field{
		"id":           collectionField(text, 0, func(c *otn.Collection) value { return textValue(c.ID) }),
		"title":        collectionField(text, otn.FactTitle, func(c *otn.Collection) value { return textValue(c.Title) }),
		"url":          collectionField(text, otn.FactURL, func(c *otn.Collection) value { return textValue(c.URL) }),
		"image":        collectionField(text, otn.FactImage, func(c *otn.Collection) value { return textValue(c.Image) }),
		"items":        collectionField(texts, otn.FactItems, func(c *otn.Collection) value { return textsValue(&c.Items) }),
		"published":    collectionField(boolean, 0, func(c *otn.Collection) value { return boolValue(c.IsPublished()) }),
		"published_at": collectionField(moment, otn.FactPublishedAt, func(c *otn.Collection) value { return timeValue(c.PublishedAt) }),
		"launch_at":    collectionField(moment, otn.FactLaunchAt, func(c *otn.Collection) value { return timeValue(c.LaunchAt) }),
		"top":          collectionField(items, 0, func(c *otn.Collection) value { return itemsValue(&c.Top) }),
	}
	top := by["top"]
	top.obj = item
	by["top"] = top
	by["has"] = inner("collection.has", map[string]field{
		"title": hasField(otn.FactTitle), "url": hasField(otn.FactURL), "image": hasField(otn.FactImage), "items": hasField(otn.FactItems),
		"published": hasField(otn.FactPublished), "published_at": hasField(otn.FactPublishedAt), "launch_at": hasField(otn.FactLaunchAt),
	})
	return by
}

// subField reads something of the consent.
func subField(k kind, read func(f *frame, c *otn.Consent, path string) value) field {
	return field{shape: shape{k: k}, uses: usesSub, read: func(f *frame, _ any, path string) value {
		if f.consent == nil {
			return notKnown(path)
		}
		return read(f, f.consent, path)
	}}
}

// subBuiltins are the names of sub that answers may not hide.
func subBuiltins() map[string]field {
	when := func(get func(*otn.Consent) time.Time) func(*frame, *otn.Consent, string) value {
		return func(_ *frame, c *otn.Consent, path string) value {
			if t := get(c); !t.IsZero() {
				return timeValue(t)
			}
			return notKnown(path)
		}
	}
	word := func(get func(*otn.Consent) string) func(*frame, *otn.Consent, string) value {
		return func(_ *frame, c *otn.Consent, path string) value {
			if s := get(c); s != "" {
				return textValue(s)
			}
			return notKnown(path)
		}
	}
	granted := when(func(c *otn.Consent) time.Time { return c.GrantedAt })
	return map[string]field{
		"price_then": subField(money, func(_ *frame, c *otn.Consent, path string) value { return priceThen(c, path) }),
		"low_since":  subField(money, func(f *frame, _ *otn.Consent, path string) value { return f.low(path) }),
		"asked_at":   subField(moment, granted),
		"granted_at": subField(moment, granted),
		"expires_at": subField(moment, when(func(c *otn.Consent) time.Time {
			if c.ExpiresAt.IsZero() && !c.GrantedAt.IsZero() {
				return c.GrantedAt.Add(otn.TokenLife)
			}
			return c.ExpiresAt
		})),
		"channel":  subField(text, word(func(c *otn.Consent) string { return c.Channel })),
		"tz":       subField(text, word(func(c *otn.Consent) string { return c.TZ })),
		"locale":   subField(text, word(func(c *otn.Consent) string { return c.Locale })),
		"tags":     ofPerson(subField(texts, func(_ *frame, c *otn.Consent, _ string) value { return textsValue(&c.Tags) })),
		"consents": ofPerson(subField(integer, func(_ *frame, c *otn.Consent, _ string) value { return intValue(c.Waiting) })),
	}
}

func ofPerson(f field) field {
	f.uses |= usesPerson
	return f
}

// personNames are the names of sub that need a Person beside the consent.
func personNames() []string { return []string{"tags", "consents"} }

// subFields are the names of a consent for one topic.
func subFields(answers []otn.Field) map[string]field {
	by, has := subBuiltins(), map[string]field{}
	has["price_then"] = subField(boolean, func(_ *frame, c *otn.Consent, _ string) value { return boolValue(!c.PriceThen.IsZero()) })
	has["low_since"] = subField(boolean, func(f *frame, _ *otn.Consent, _ string) value { return boolValue(f.low("").ok()) })
	has["tz"] = subField(boolean, func(_ *frame, c *otn.Consent, _ string) value { return boolValue(c.TZ != "") })
	has["locale"] = subField(boolean, func(_ *frame, c *otn.Consent, _ string) value { return boolValue(c.Locale != "") })
	for _, a := range answers {
		by[a.Name] = subField(kindOf(a.Type), func(_ *frame, c *otn.Consent, path string) value {
			v, told := c.Answer(a.Name)
			switch {
			case told && v.Type() == a.Type:
				return valueOf(v, path)
			case told:
				return misfit(path, a)
			}
			return valueOf(a.Default, path)
		})
		has[a.Name] = subField(boolean, func(_ *frame, c *otn.Consent, _ string) value {
			v, told := c.Answer(a.Name)
			if told && v.Type() != a.Type {
				return misfit("sub."+a.Name, a)
			}
			return boolValue(told)
		})
	}
	h := inner("sub.has", has)
	h.uses = usesSub
	by["has"] = h
	return by
}

// misfit is an answer of another type than is declared. Neither a default stands in for it nor does it count as left out:
// the person said something, and nobody knows what.
func misfit(path string, a otn.Field) value {
	return value{k: unknown, n: inWords, s: fmt.Sprintf("%s was answered with something that is no %s", path, a.Type)}
}

// personFields are the names of sub where somebody is asked: there is no consent yet.
func personFields() map[string]field {
	of := func(k kind, read func(p *otn.Person) value) field {
		return field{shape: shape{k: k}, uses: usesSub, read: func(f *frame, _ any, path string) value {
			if f.asked == nil {
				return notKnown(path)
			}
			if v := read(&f.asked.Person); v.k != unknown {
				return v
			}
			return notKnown(path)
		}}
	}
	word := func(s string) value {
		if s == "" {
			return value{}
		}
		return textValue(s)
	}
	has := map[string]field{
		"tz":     of(boolean, func(p *otn.Person) value { return boolValue(p.TZ != "") }),
		"locale": of(boolean, func(p *otn.Person) value { return boolValue(p.Locale != "") }),
	}
	return map[string]field{
		"channel":  of(text, func(p *otn.Person) value { return word(p.Channel) }),
		"tz":       of(text, func(p *otn.Person) value { return word(p.TZ) }),
		"locale":   of(text, func(p *otn.Person) value { return word(p.Locale) }),
		"tags":     ofPerson(of(texts, func(p *otn.Person) value { return textsValue(&p.Tags) })),
		"consents": ofPerson(of(integer, func(p *otn.Person) value { return intValue(p.Consents) })),
		"has":      inner("sub.has", has),
	}
}

// refFields are what a referral's link says; what it leaves out is an empty text.
func refFields() map[string]field {
	of := func(read func(a *otn.AskFacts) string) field {
		return field{shape: shape{k: text}, read: func(f *frame, _ any, path string) value {
			if f.asked == nil {
				return notKnown(path)
			}
			return textValue(read(f.asked))
		}}
	}
	link := func(part func(r *otn.Ref) string) func(*otn.AskFacts) string {
		return func(a *otn.AskFacts) string {
			if a.Ref == nil {
				return ""
			}
			return part(a.Ref)
		}
	}
	return map[string]field{
		"topic":   of(link(func(r *otn.Ref) string { return r.Topic })),
		"subject": of(link(func(r *otn.Ref) string { return r.Subject })),
		"rest":    of(func(a *otn.AskFacts) string { return a.Rest }),
	}
}

// triggerFields are the fields of a declared trigger.
func triggerFields(declared []otn.Field) map[string]field {
	by := map[string]field{}
	for _, d := range declared {
		by[d.Name] = field{shape: shape{k: kindOf(d.Type)}, uses: usesTrigger, read: func(f *frame, _ any, path string) value {
			if f.trigger != nil {
				for _, n := range f.trigger.Fields {
					if n.Name == d.Name {
						return told(n.Value, d.Type, path)
					}
				}
			}
			return valueOf(d.Default, path)
		}}
	}
	return by
}

// paramFields are constants.
func paramFields(params []param) map[string]field {
	by := map[string]field{}
	for _, p := range params {
		v := valueOf(p.value, "")
		by[p.name] = field{shape: shape{k: v.k}, read: func(*frame, any, string) value { return v }}
	}
	return by
}
