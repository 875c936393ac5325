// The source and its configuration.

// Package woocommerce is a source: it takes a shop's webhooks for products, signed by WooCommerce, and tells what they say
// as observations.
//
//	sources:
//	  store:
//	    plugin: woocommerce
//	    config: {secrets: ["${env:WOO_SECRET}"], currency: EUR, timezone: Europe/Berlin}
//
// In the shop: WooCommerce → Settings → Advanced → Webhooks → Add webhook, once for each of the topics Product created,
// Product updated, Product deleted and Product restored. Status: Active. Delivery URL: https://YOUR-HOST/hooks/store.
// Secret: the one of the configuration, the same in all four. API version: WP REST API Integration v3. Saving sends an
// unsigned ping, which is answered and changes nothing. WooCommerce never repeats a webhook, and turns one off for good after
// more than five failures in a row: whatever is well signed is therefore answered with 200, and what could not be used is in
// otn's log. After an outage look whether all four are still active, and save each product that was changed meanwhile.
//
// A simple product is an item, and so is each variation, with the product it belongs to as its group. That product is no
// item itself: its body tells whether its variations are out.
//
// A sale that is set for later is no lower price yet, and WooCommerce may send nothing when it begins. An item therefore
// carries its sale as attrs: sale_price, sale_starts_at and sale_ends_at. A rule with a cron line tells it on time:
//
//	attrs:
//	  sale_price: {type: money}
//	  sale_starts_at: {type: time, default: 2000-01-01T00:00:00Z}   # a sale without a date has begun
//	  sale_ends_at: {type: time, default: 2100-01-01T00:00:00Z}     # and does not end
//	rules:
//	  - id: sale-begins
//	    topic: price-drop
//	    cron: "*/5 * * * *"
//	    when: item.attrs.sale_price < item.price && item.attrs.sale_starts_at <= at && at < item.attrs.sale_ends_at
//	    message: {text: "${item.title} is now ${item.attrs.sale_price}: ${item.url}"}
//
// Source of all facts about bodies, headers and signatures: WooCommerce's webhook class and its REST API v3, as of 2026.
package woocommerce

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
)

// Plugin is the source as a program.
var Plugin = channel.Plugin[Config]{
	Name:    "woocommerce",
	Version: "1.0.0",
	New: func(_ context.Context, c Config, _ channel.Setup) (any, error) {
		return New(c)
	},
}

// Config is what a shop must tell.
type Config struct {
	Secrets    []otn.Secret       `json:"secrets" doc:"Secrets of the webhooks, as they are typed into WooCommerce. One match is enough, so that webhooks may differ and a new secret can stand beside the old."`
	Currency   string             `json:"currency" doc:"The shop's currency as an ISO 4217 code: webhooks name none."`
	Timezone   string             `json:"timezone,omitempty" doc:"The shop's time zone, as in Europe/Berlin. It reads dates that come without their twin in UTC. Left out: such dates are not known."`
	ID         string             `json:"id" default:"id" enum:"id,sku" doc:"What names an item: the id of the product or variation, or its SKU. A variation without an SKU of its own reports that of its product: with sku, give each one."`
	Backorders bool               `json:"backorders,omitempty" doc:"What is sold on backorder counts as sellable."`
	Tax        map[string]float64 `json:"tax,omitempty" doc:"For a shop that enters prices without tax and shows them with it: per cent by tax class, as in {standard: 19, reduced-rate: 7}. Left out: prices are those of the webhooks."`
}

// WooCommerce is one shop as a source.
type WooCommerce struct {
	config Config
	zone   *time.Location      // nil: local dates are not known
	rates  map[string]*big.Rat // of tax, by class; nil: prices are told as they come
}

var _ otn.Receiver = (*WooCommerce)(nil)

// New makes the source of one shop. Its error names every fault of the configuration.
func New(c Config) (*WooCommerce, error) {
	var faults []error
	if len(c.Secrets) == 0 || slices.ContainsFunc(c.Secrets, otn.Secret.IsZero) {
		faults = append(faults, channel.Fault("secrets", "want at least one, and none empty: what stands in the field Secret of the webhook, in WooCommerce → Settings → Advanced → Webhooks"))
	}
	c.Currency = strings.ToUpper(strings.TrimSpace(c.Currency))
	if _, ok := otn.Exponent(c.Currency); !ok {
		faults = append(faults, channel.Fault("currency", "%q is no ISO 4217 code, as in EUR; webhooks name no currency", c.Currency))
	}
	if c.ID == "" {
		c.ID = "id"
	}
	if c.ID != "id" && c.ID != "sku" {
		faults = append(faults, channel.Fault("id", "%q: want id or sku", c.ID))
	}
	w := &WooCommerce{config: c}
	if c.Timezone != "" {
		zone, err := time.LoadLocation(c.Timezone)
		if err != nil || c.Timezone == "Local" {
			faults = append(faults, channel.Fault("timezone", "%q is no IANA name, as in Europe/Berlin", c.Timezone))
		}
		w.zone = zone
	}
	faults = append(faults, w.readTax()...)
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return w, nil
}

// readTax takes the rates as the decimal numbers that were written.
func (w *WooCommerce) readTax() (faults []error) {
	for _, class := range slices.Sorted(maps.Keys(w.config.Tax)) {
		rate := w.config.Tax[class]
		exact, ok := new(big.Rat).SetString(strconv.FormatFloat(rate, 'f', -1, 64))
		if !ok || rate < 0 || rate > 100 {
			faults = append(faults, channel.Fault(fmt.Sprintf("tax.%s", class), "%v is no rate: want per cent, from 0 to 100", rate))
			continue
		}
		if w.rates == nil {
			w.rates = map[string]*big.Rat{}
		}
		w.rates[class] = exact.Quo(exact, big.NewRat(100, 1))
	}
	return faults
}
