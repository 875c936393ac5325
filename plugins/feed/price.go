// Prices: a unit that is not known is refused, so that no source can make a price fall a hundredfold by it.

package feed

import (
	"fmt"
	"strings"

	"github.com/onetimenotify/otn/core/otn"
)

// money reads "149.00 USD" and "1,099 JPY", and "149.00" in the feed's own currency. Three decimals of a currency that has not three
// are refused: "1.099 EUR" may be a thousand or one.
func (f *Feed) money(text string) (otn.Money, error) {
	fields := strings.Fields(text)
	if len(fields) == 1 && f.config.Currency != "" {
		fields = append(fields, f.config.Currency)
	}
	m, err := otn.ParseMoney(strings.Join(fields, " "))
	if err != nil {
		return otn.Money{}, err
	}
	if m.Minor < 0 {
		return otn.Money{}, fmt.Errorf("%q is less than nothing", text)
	}
	for _, word := range fields {
		_, decimals, _ := strings.Cut(word, ".")
		if exp, _ := otn.Exponent(m.Currency); len(decimals) == 3 && exp != 3 {
			return otn.Money{}, fmt.Errorf("%q: three decimals of %s may be thousands", text, m.Currency)
		}
	}
	return m, nil
}

// price tells a price, or notes why it cannot. It reports whether there is one to tell.
func (f *Feed) price(t *telling, id, text string) (otn.Money, bool) {
	if strings.TrimSpace(text) == "" {
		return otn.Money{}, false
	}
	m, err := f.money(text)
	t.prices++
	if err != nil {
		t.unread++
		t.note("price", "%s: the price %v", id, err)
		return otn.Money{}, false
	}
	return m, m.Minor > 0 // 0.00 is no price that anybody pays
}
