// A Host in your own program: rules from a text, a channel of your own, and one message when it happens.

package embed_test

import (
	"context"
	"fmt"
	"os"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/rules"
)

const shopRules = `
version: 1
timezone: UTC
topics:
  price-drop:
    use: price_drop
    subject: item
    ask: "${item.title} gets cheaper"
    answers: {target: {type: money, optional: true}}
rules:
  - id: price-drop
    topic: price-drop
    on: [item.changed]
    when: |
      item.price < was.price && (!sub.has.target || item.price <= sub.target)
    message: {text: "${item.title} is now ${item.price}"}
`

// printer is a channel that prints. Send returns nil only once the message is really out.
type printer chan struct{}

func (p printer) Send(_ context.Context, d otn.Delivery) (otn.Receipt, error) {
	fmt.Printf("%s gets: %s\n", d.Subscriber.ID, d.Message.Text)
	p <- struct{}{}
	return otn.Receipt{}, nil
}

func Example() {
	set, err := rules.Compile(rules.File{Name: "shop.yaml", Source: []byte(shopRules)})
	if err != nil {
		fmt.Println(err)
		return
	}
	dir, err := os.MkdirTemp("", "otn")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	told := make(printer, 1)
	host, err := core.New(core.Config{Dir: dir, Rules: set, Channels: map[string]otn.Channel{"print": told}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- host.Run(ctx) }()

	coat := otn.Item{ID: "SKU-1", Known: otn.FactTitle | otn.FactPrice, Title: "Wool coat", Price: otn.Money{Minor: 12000, Currency: "USD"}}
	_, err = host.Observe(ctx, otn.Observation{Item: &coat})
	check(err)
	for subscriber, target := range map[string]string{"ann": "100.00 USD", "bob": "80.00 USD"} {
		_, err = host.Grant(ctx, otn.Consent{
			Token: otn.NewToken("my-account", "token of "+subscriber), Channel: "print", Subscriber: otn.Subscriber{ID: subscriber},
			Topic: "price-drop", Subject: "SKU-1", Answers: []otn.Named{{Name: "target", Value: otn.StringValue(target)}},
		})
		check(err)
	}
	coat.Price.Minor = 9900
	_, err = host.Observe(ctx, otn.Observation{Item: &coat})
	check(err)
	<-told

	stop()
	check(<-ended)
	// Output: ann gets: Wool coat is now $99.00
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
