// The source and its configuration.

// Package shopify is a source: it takes a shop's webhooks for products, variants, stock and collections, signed by Shopify,
// and tells what they say as observations.
//
// Source of all facts about bodies, headers and signatures: Shopify's webhook documentation, API version 2026-04.
package shopify

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
)

// Plugin is the source as a program.
var Plugin = channel.Plugin[Config]{
	Name:    "shopify",
	Version: "1.0.0",
	New: func(_ context.Context, c Config, _ channel.Setup) (any, error) {
		return New(c)
	},
}

// Config is what a shop must tell.
type Config struct {
	Secrets       []otn.Secret `json:"secrets" doc:"Client secrets of the app that owns the webhooks. One match is enough, so that a new one can stand beside the old while it is changed."`
	Currency      string       `json:"currency" doc:"The shop's currency as an ISO 4217 code: product webhooks name none."`
	Shop          string       `json:"shop,omitempty" doc:"The shop's myshopify.com domain. Webhooks of another shop are refused, and links lead here."`
	ID            string       `json:"id" default:"variant" enum:"variant,sku" doc:"What names an item: the variant's id or its SKU."`
	Locations     []string     `json:"locations,omitempty" doc:"Ids of the locations whose stock counts, told by inventory_levels/update. Left out: the total of the product webhooks."`
	Oversell      bool         `json:"oversell,omitempty" doc:"A sold-out variant that goes on selling (inventory policy continue) counts as sellable."`
	URL           string       `json:"url,omitempty" doc:"An item's web address, with {shop} {handle} {product} {variant} {sku}. Left out: the product's page at shop."`
	CollectionURL string       `json:"collection_url,omitempty" doc:"A collection's web address, with {shop} {handle} {collection}. Left out: its page at shop."`
}

// Shopify is one shop as a source.
type Shopify struct {
	config Config
	item   template
	page   template
}

var _ otn.Receiver = (*Shopify)(nil)

// New makes the source of one shop. Its error names every fault of the configuration.
func New(c Config) (*Shopify, error) {
	var faults []error
	if len(c.Secrets) == 0 || slices.ContainsFunc(c.Secrets, otn.Secret.IsZero) {
		faults = append(faults, channel.Fault("secrets", "want at least one, and none empty"))
	}
	c.Currency = strings.ToUpper(strings.TrimSpace(c.Currency))
	if _, ok := otn.Exponent(c.Currency); !ok {
		faults = append(faults, channel.Fault("currency", "%q is no ISO 4217 code, and product webhooks name no currency", c.Currency))
	}
	c.Shop = strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(c.Shop), "https://"), "/"))
	if strings.ContainsAny(c.Shop, "/?# ") {
		faults = append(faults, channel.Fault("shop", "%q is no domain, as in harbor-pine.myshopify.com", c.Shop))
		c.Shop = ""
	}
	if c.ID == "" {
		c.ID = "variant"
	}
	if c.ID != "variant" && c.ID != "sku" {
		faults = append(faults, channel.Fault("id", "%q: want variant or sku", c.ID))
	}
	s := &Shopify{config: c}
	var err error
	if s.item, err = s.template("url", c.URL, "https://{shop}/products/{handle}?variant={variant}", "shop", "handle", "product", "variant", "sku"); err != nil {
		faults = append(faults, err)
	}
	if s.page, err = s.template("collection_url", c.CollectionURL, "https://{shop}/collections/{handle}", "shop", "handle", "collection"); err != nil {
		faults = append(faults, err)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return s, nil
}

func (s *Shopify) template(field, text, usual string, names ...string) (template, error) {
	if text == "" {
		if s.config.Shop == "" {
			return "", nil
		}
		text = usual
	}
	return parseTemplate(field, text, s.config.Shop, names)
}
