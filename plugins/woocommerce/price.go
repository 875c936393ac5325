// What an item costs now, what it costs without a sale, and the sale that is on or to come.

package woocommerce

import (
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/internal/hook"
)

// prices tells price, list price and sale. A price that is nothing, zero or less is not told. One that cannot be read is
// forgotten, with a note, and so is a list price that is not there any more; all else in the body stands.
func (w *WooCommerce) prices(o *otn.Observation, p *product, c call) (notes []otn.Record) {
	read := func(field string, text hook.Told[string]) (m otn.Money, ok bool) {
		m, err := w.money(text.Value, p)
		if err != nil {
			notes = append(notes, hook.Note("price_not_read", fmt.Sprintf("product %s: %s: %v", p.ID, field, err)))
		}
		return m, err == nil
	}
	price, priced := read("price", p.Price)
	regular, listed := read("regular_price", p.Regular)
	sale, _ := read("sale_price", p.Sale)
	from, begins := w.moment(p.FromGMT, p.From)
	to, ends := w.moment(p.ToGMT, p.To)
	over := ends && c.At.After(to)
	early := begins && from.After(c.At) && !c.At.IsZero()
	switch {
	case !priced:
		o.Forget |= otn.FactPrice
	case price.Minor <= 0:
	case price == sale && price.Minor < regular.Minor && (over || p.OnSale.Known() && !p.OnSale.Value || !p.OnSale.Known() && early):
		notes = append(notes, hook.Note("sale_not_running", fmt.Sprintf("product %s: its price is that of a sale that is not running, and is not told", p.ID)))
	default:
		hook.Tell(o, otn.FactPrice, &o.Item.Price, price)
	}
	if listed && regular.Minor > 0 {
		hook.Tell(o, otn.FactListPrice, &o.Item.ListPrice, regular)
	} else if p.Regular.Is {
		o.Forget |= otn.FactListPrice
	}
	tellSale(o, p, sale, from, to)
	return notes
}

// tellSale tells a sale as attrs, whether it is running or not; one that is not set is forgotten.
func tellSale(o *otn.Observation, p *product, sale otn.Money, from, to time.Time) {
	attr := func(name string, told bool, value otn.Value) {
		if told {
			o.Item.Attrs = append(o.Item.Attrs, otn.Named{Name: name, Value: value})
		}
	}
	attr("sale_price", p.Sale.Is, valueOf(sale.Minor > 0, otn.MoneyValue(sale)))
	attr("sale_starts_at", p.From.Is || p.FromGMT.Is, valueOf(!from.IsZero(), otn.TimeValue(from)))
	attr("sale_ends_at", p.To.Is || p.ToGMT.Is, valueOf(!to.IsZero(), otn.TimeValue(to)))
}

// valueOf is no value unless so.
func valueOf(so bool, v otn.Value) otn.Value {
	if so {
		return v
	}
	return otn.Value{}
}

// money reads a price, adds the tax that the shop adds when it shows it, and rounds as the shop does: to the currency's
// decimals, the tax first, halves up. The empty text is no amount.
func (w *WooCommerce) money(text string, p *product) (otn.Money, error) {
	if text == "" {
		return otn.Money{}, nil
	}
	amount, ok := decimal(text)
	if !ok {
		return otn.Money{}, errors.New("not a plain decimal number")
	}
	exponent, _ := otn.Exponent(w.config.Currency)
	for range exponent {
		amount.Mul(amount, big.NewRat(10, 1))
	}
	rate, err := w.rate(p)
	if err != nil {
		return otn.Money{}, err
	}
	tax := new(big.Rat).SetInt(rounded(new(big.Rat).Mul(amount, rate)))
	minor := rounded(amount.Add(amount, tax))
	if !minor.IsInt64() {
		return otn.Money{}, otn.ErrOverflow
	}
	return otn.Money{Minor: minor.Int64(), Currency: w.config.Currency}, nil
}

// rate is the share of a price that is added to it.
func (w *WooCommerce) rate(p *product) (*big.Rat, error) {
	if w.rates == nil || p.TaxStatus == "none" || p.TaxStatus == "shipping" {
		return new(big.Rat), nil
	}
	class := p.TaxClass
	if class == "" {
		class = "standard"
	}
	rate, ok := w.rates[class]
	if !ok {
		return nil, fmt.Errorf("the setting tax has no rate for the tax class %.60q", class)
	}
	return rate, nil
}

// rounded is the nearest whole number, the greater one where two are as near.
func rounded(r *big.Rat) *big.Int {
	twice := new(big.Int).Lsh(r.Num(), 1)
	return twice.Div(twice.Add(twice, r.Denom()), new(big.Int).Lsh(r.Denom(), 1))
}
