// An observation on the wire: kept as it came, read by core/otn, described for the document.

package api

import (
	"github.com/danielgtaylor/huma/v2"

	"github.com/onetimenotify/otn/core/otn"
)

// Observation is one observation as JSON; otn.DecodeObservation reads it.
type Observation []byte

// UnmarshalJSON keeps the text.
func (o *Observation) UnmarshalJSON(b []byte) error { *o = append((*o)[:0], b...); return nil }

// MarshalJSON gives the text.
func (o Observation) MarshalJSON() ([]byte, error) { return o, nil }

// Schema describes the fields. They are checked by otn.DecodeObservation, which names the nearest known one.
func (Observation) Schema(huma.Registry) *huma.Schema {
	text := func(doc string) *huma.Schema { return &huma.Schema{Type: huma.TypeString, Description: doc} }
	texts := &huma.Schema{Type: huma.TypeArray, Items: text("")}
	return &huma.Schema{
		Type:                 huma.TypeObject,
		Description:          "What a shop says of one item or collection. Fields left out keep their last value, null forgets one.",
		AdditionalProperties: true,
		Properties: map[string]*huma.Schema{
			"kind":         text("item or collection"),
			"id":           text("of the item or collection"),
			"title":        text(""),
			"price":        text("amount and currency, as in 99.00 USD"),
			"stock":        {Type: huma.TypeInteger, Description: "pieces"},
			"sellable":     {Type: huma.TypeBoolean, Description: "it can be bought now"},
			"availability": text(string(otn.InStock + ", " + otn.OutOfStock + ", " + otn.Preorder + " or " + otn.Backorder)),
			"url":          text(""),
			"image":        text("a web address"),
			"tags":         texts,
			"collections":  texts,
		},
		Extensions: map[string]any{"x-reader": "otn.DecodeObservation"},
	}
}
