// The package in two examples: a fault with its caret, and the way from an event to a message.

package rules_test

import (
	"fmt"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/rules"
)

const shop = `version: 1
topics:
  back-in-stock:
    use: back_in_stock
    subject: item
    ask: "${item.title} is back"
    answers: {quantity: {type: int, default: 1}}
rules:
  - id: back
    topic: back-in-stock
    on: [item.changed]
    when: item.sellable && item.stock >= sub.quantity
    message: {text: "${item.title} is back for ${item.price}: ${item.url}"}
`

func ExampleCheck() {
	wrong := rules.File{Name: "shop.yaml", Source: []byte(shop + `  - id: cheap
    topic: back-in-stock
    on: [item.changed]
    when: item.prize <= 99
    message: {text: Cheap}
`)}
	for _, fault := range rules.Check(wrong) {
		fmt.Println(fault)
	}
	// Output:
	// shop.yaml:17:16: item has no field "prize" [R203]
	//         when: item.prize <= 99
	//                    ^^^^^
	//     hint: did you mean "price"?
}

func ExampleCompile() {
	set, err := rules.Compile(rules.File{Name: "shop.yaml", Source: []byte(shop)})
	if err != nil {
		fmt.Println(err)
		return
	}
	coat := otn.Item{ID: "SKU-1", Known: otn.FactTitle | otn.FactURL | otn.FactPrice | otn.FactStock, Title: "Wool coat", URL: "https://shop.example/coat", Price: otn.Money{Minor: 9900, Currency: "USD"}}
	was, now := coat, coat
	was.Stock, now.Stock = 1, 5
	event := otn.Event{
		Kind: otn.ItemChanged, At: time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC), Subject: otn.Subject{Kind: otn.ItemKind, ID: "SKU-1"},
		Was: otn.Snapshot{Rev: 1, Item: &was}, Now: otn.Snapshot{Rev: 2, Item: &now},
	}
	for _, m := range set.Match(event, nil) {
		page, err := set.Open(otn.Facts{Rule: m.Rule.ID, At: event.At, Now: event.Now, Was: event.Was, Last: m.Last})
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, wanted := range []int64{1, 3, 8} {
			c := otn.Consent{Answers: []otn.Named{{Name: "quantity", Value: otn.IntValue(wanted)}}}
			fmt.Printf("wants %d: %s", wanted, page.Select(&c))
			if why := page.Because(); why != "" {
				fmt.Printf(", %s", why)
			}
			fmt.Println()
		}
		message, err := page.Render(&otn.Consent{Locale: "en-US"}, nil)
		fmt.Println(message.Text, err)
	}
	// Output:
	// wants 1: holds, it was true before
	// wants 3: yes
	// wants 8: no, item.stock >= sub.quantity is false
	// Wool coat is back for $99.00: https://shop.example/coat <nil>
}
