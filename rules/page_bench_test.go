// What a decision costs.

package rules

import (
	"testing"

	"github.com/onetimenotify/otn/core/otn"
)

// BenchmarkSelect decides a million consents of one page; the figure of interest is decisions a second.
func BenchmarkSelect(b *testing.B) {
	for name, when := range map[string]string{
		"price target": "item.price < was.price && (!sub.has.target || item.price <= sub.target)",
		"stock wanted": "item.sellable && item.stock >= sub.quantity",
		"text answer":  `item.sellable && sub.size in ["", item.variant]`,
		"drop since":   "pct_off(sub.price_then, item.price) >= 3",
	} {
		b.Run(name, func(b *testing.B) {
			set := mustCompile(b, oneRule(when))
			p, err := set.Open(otn.Facts{Rule: "r", At: noon, Now: coat(), Was: coat(price(usd(12000)), stock(0)), Last: otn.Last{At: noon, Now: coat(stock(0), unsellable, price(usd(12000)))}})
			if err != nil {
				b.Fatal(err)
			}
			consents := make([]*otn.Consent, 1000)
			for i := range consents {
				consents[i] = ann(answer("quantity", otn.IntValue(int64(i%6))), answer("size", otn.StringValue("M")), answer("target", otn.MoneyValue(usd(int64(9000+i)))))
			}
			b.ReportAllocs()
			yes := 0
			for i := 0; b.Loop(); i++ {
				if p.Select(consents[i%len(consents)]) == otn.Yes {
					yes++
				}
			}
			if yes == 0 {
				b.Error("nobody was selected")
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
		})
	}
}

// BenchmarkCompile compiles the example shop.
func BenchmarkCompile(b *testing.B) {
	files := []File{{Name: "shop.yaml", Source: []byte(readShop(b))}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(files...); err != nil {
			b.Fatal(err)
		}
	}
}
