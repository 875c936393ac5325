// The bodies of WooCommerce's webhooks, as far as they are read.

package woocommerce

import (
	"encoding/json"
	"math/big"
	"strings"
	"time"

	"github.com/onetimenotify/otn/plugins/internal/hook"
)

// product is the body of a product and of a variation, which looks like one.
type product struct {
	ID          hook.ID            `json:"id"`
	Name        hook.Told[string]  `json:"name"`
	Permalink   hook.Told[string]  `json:"permalink"`
	Type        hook.Told[string]  `json:"type"`
	Status      hook.Told[string]  `json:"status"`
	Visibility  hook.Told[string]  `json:"catalog_visibility"`
	SKU         hook.Told[string]  `json:"sku"`
	Price       hook.Told[string]  `json:"price"`
	Regular     hook.Told[string]  `json:"regular_price"`
	Sale        hook.Told[string]  `json:"sale_price"`
	From        hook.Told[string]  `json:"date_on_sale_from"`
	FromGMT     hook.Told[string]  `json:"date_on_sale_from_gmt"`
	To          hook.Told[string]  `json:"date_on_sale_to"`
	ToGMT       hook.Told[string]  `json:"date_on_sale_to_gmt"`
	OnSale      hook.Told[bool]    `json:"on_sale"`
	Purchasable hook.Told[bool]    `json:"purchasable"`
	TaxStatus   string             `json:"tax_status"`
	TaxClass    string             `json:"tax_class"`
	Manage      hook.Told[manages] `json:"manage_stock"`
	Quantity    hook.Told[pieces]  `json:"stock_quantity"`
	StockStatus hook.Told[string]  `json:"stock_status"`
	Backordered bool               `json:"backordered"`
	Parent      hook.ID            `json:"parent_id"` // 0: none
	Variations  []hook.ID          `json:"variations"`
	Modified    hook.Told[string]  `json:"date_modified"`
	ModifiedGMT hook.Told[string]  `json:"date_modified_gmt"`
	Categories  hook.Told[[]term]  `json:"categories"`
	Tags        hook.Told[[]term]  `json:"tags"`
	Images      hook.Told[[]image] `json:"images"`
	Attributes  []attribute        `json:"attributes"`
}

type term struct {
	ID   hook.ID `json:"id"`
	Name string  `json:"name"`
}

type image struct {
	Src string `json:"src"`
}

// attribute is what a variation chose of one. Those of a product carry a list of options instead.
type attribute struct {
	Option string `json:"option"`
}

// deleted is the body of a delete: an id, and nothing of what was deleted.
type deleted struct {
	ID     hook.ID         `json:"id"`
	Name   json.RawMessage `json:"name"`
	Type   json.RawMessage `json:"type"`
	Status json.RawMessage `json:"status"`
}

// isVariation reports whether the body is that of a variation, also of a kind that an extension added.
func (p *product) isVariation() bool { return strings.Contains(p.Type.Value, "variation") }

// isParent reports whether the product is sold as its variations alone.
func (p *product) isParent() bool {
	return !p.isVariation() && (strings.HasPrefix(p.Type.Value, "variable") || len(p.Variations) > 0)
}

// manages is whether stock is counted: true, false, or "parent" for a variation that shares the stock of its product.
type manages bool

// UnmarshalJSON reads all three.
func (m *manages) UnmarshalJSON(text []byte) error {
	if string(text) == `"parent"` {
		*m = true
		return nil
	}
	return json.Unmarshal(text, (*bool)(m))
}

// pieces is a stock. Extensions sell parts of a piece; only whole ones count.
type pieces int64

// UnmarshalJSON rounds down.
func (p *pieces) UnmarshalJSON(text []byte) error {
	r, ok := decimal(string(text))
	if !ok {
		return hook.Misfit("stock_quantity is no number")
	}
	whole := new(big.Int).Div(r.Num(), r.Denom()) // Euclidean: down, also below zero
	if !whole.IsInt64() {
		return hook.Misfit("stock_quantity is out of range")
	}
	*p = pieces(whole.Int64())
	return nil
}

// decimal reads a plain decimal number: digits, at most one dot, at most one sign. Anything else could be of another unit.
func decimal(text string) (*big.Rat, bool) {
	digits := strings.TrimPrefix(text, "-")
	whole, part, dotted := strings.Cut(digits, ".")
	if len(text) > 40 || whole+part == "" || strings.Trim(whole+part, "0123456789") != "" || dotted && part == "" {
		return nil, false
	}
	return new(big.Rat).SetString(text)
}

// moment reads a date. Its twin in UTC has no zone and counts alone; without one the local date is read in the shop's zone.
func (w *WooCommerce) moment(gmt, local hook.Told[string]) (time.Time, bool) {
	text, zone := gmt, time.UTC
	if !gmt.Is {
		text, zone = local, w.zone
	}
	t, err := time.Parse(time.RFC3339, text.Value)
	if err != nil && zone != nil {
		t, err = time.ParseInLocation("2006-01-02T15:04:05", text.Value, zone)
	}
	if err != nil || t.Year() <= 1 { // the year of a date that was never set
		return time.Time{}, false
	}
	return t.UTC(), true
}
