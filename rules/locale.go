// How money, numbers and times are written for a person: by their locale and in their zone.

package rules

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/currency"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/number"

	"github.com/onetimenotify/otn/core/otn"
)

// printer writes values for one locale and zone.
type printer struct {
	tag  language.Tag
	text *message.Printer
	zone *time.Location
}

const nbsp = "\u00a0"

// newPrinter reads a BCP 47 tag, also as en_US; what it does not know is American English.
func newPrinter(locale string, zone *time.Location) *printer {
	tag, err := language.Parse(strings.ReplaceAll(locale, "_", "-"))
	if err != nil || tag == language.Und {
		tag = language.AmericanEnglish
	}
	return &printer{tag, message.NewPrinter(tag), zone}
}

// print writes a known value.
func (p *printer) print(v value) string {
	switch v.k {
	case text:
		return v.s
	case boolean:
		return strconv.FormatBool(v.n != 0)
	case integer:
		return p.text.Sprint(number.Decimal(v.n))
	case decimal:
		return p.text.Sprint(number.Decimal(v.float(), number.MaxFractionDigits(2)))
	case money:
		return p.money(v.money())
	case moment:
		return v.time().In(p.zone).Format(p.layout())
	}
	return v.String()
}

// money writes an amount: $99.00 in the United States, 99,00 € in Germany.
func (p *printer) money(m otn.Money) string {
	exp, _ := otn.Exponent(m.Currency)
	sign, major := "", float64(m.Minor)/math.Pow10(exp)
	if m.Minor < 0 {
		sign, major = "-", -major
	}
	amount := p.text.Sprint(number.Decimal(major, number.MinFractionDigits(exp), number.MaxFractionDigits(exp)))
	if m.Minor > 1<<52 || m.Minor < -1<<52 { // beyond what a float64 holds exactly
		amount = strings.TrimPrefix(m.Amount(), "-")
	}
	symbol := m.Currency
	if unit, err := currency.ParseISO(m.Currency); err == nil {
		symbol = p.text.Sprint(currency.Symbol(unit))
	}
	if p.symbolLast() {
		return sign + amount + nbsp + symbol
	}
	if last := []rune(symbol); unicode.IsLetter(last[len(last)-1]) || p.spaced() {
		symbol += nbsp
	}
	return sign + symbol + amount
}

// symbolLast reports where the currency stands behind the amount. Source: CLDR, standard currency patterns.
func (p *printer) symbolLast() bool {
	base, _ := p.tag.Base()
	region, _ := p.tag.Region()
	switch base.String() {
	case "de":
		return region.String() != "AT" && region.String() != "CH" && region.String() != "LI"
	case "es":
		return strings.Contains("ES EA IC GQ PH", region.String())
	case "pt":
		return region.String() != "BR"
	case "fr", "it", "pl", "cs", "sk", "sv", "da", "nb", "no", "fi", "ru", "uk", "be", "bg", "hr", "bs", "sr", "mk", "sl", "sq", "lt", "lv", "et",
		"hu", "ro", "el", "vi", "ca", "gl", "eu", "is", "ka", "hy", "az", "kk", "ky", "uz", "fo", "he":
		return region.String() != "CH"
	}
	return false
}

// spaced reports where a space follows the symbol in front.
func (p *printer) spaced() bool {
	base, _ := p.tag.Base()
	switch base.String() {
	case "nl", "pt", "de", "fr", "it":
		return true
	}
	return false
}

// layout is how a moment is written: the order of day, month and year is the locale's.
func (p *printer) layout() string {
	base, _ := p.tag.Base()
	region, _ := p.tag.Region()
	switch base.String() {
	case "en":
		if region.String() == "US" {
			return "Jan 2, 2006, 3:04 PM"
		}
		return "2 Jan 2006, 15:04"
	case "de", "pl", "ru", "uk", "cs", "sk", "fi", "nb", "no", "da", "tr", "ro", "bg", "hr", "sr", "sl", "et", "lv", "is", "be", "mk", "ka", "hy", "az", "kk":
		return "02.01.2006, 15:04"
	case "fr", "es", "it", "pt", "el", "vi", "ca", "gl", "id", "ms", "th", "he":
		return "02/01/2006, 15:04"
	case "nl":
		return "02-01-2006, 15:04"
	case "ja", "zh", "ko":
		return "2006/01/02 15:04"
	}
	return "2006-01-02 15:04"
}
