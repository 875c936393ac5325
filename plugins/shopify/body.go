// The bodies of Shopify's webhooks, as far as they are read.

package shopify

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/onetimenotify/otn/plugins/internal/hook"
)

type product struct {
	ID          hook.ID                      `json:"id"`
	Title       hook.Told[string]            `json:"title"`
	Handle      string                       `json:"handle"`
	Status      hook.Told[string]            `json:"status"`
	Vendor      hook.Told[string]            `json:"vendor"`
	Type        hook.Told[string]            `json:"product_type"`
	Tags        hook.Told[tags]              `json:"tags"`
	PublishedAt hook.Told[time.Time]         `json:"published_at"`
	UpdatedAt   hook.Told[time.Time]         `json:"updated_at"`
	Image       hook.Told[image]             `json:"image"`
	Images      []image                      `json:"images"`
	Variants    hook.Told[[]json.RawMessage] `json:"variants"`
}

type variant struct {
	ID            hook.ID              `json:"id"`
	ProductID     hook.ID              `json:"product_id"`
	Title         hook.Told[string]    `json:"title"`
	SKU           hook.Told[string]    `json:"sku"`
	Price         hook.Told[string]    `json:"price"`
	CompareAt     hook.Told[string]    `json:"compare_at_price"`
	Policy        string               `json:"inventory_policy"`
	InventoryItem hook.ID              `json:"inventory_item_id"`
	Quantity      hook.Told[int64]     `json:"inventory_quantity"`
	ImageID       hook.ID              `json:"image_id"`
	UpdatedAt     hook.Told[time.Time] `json:"updated_at"`
}

type image struct {
	ID  hook.ID `json:"id"`
	Src string  `json:"src"`
}

type level struct {
	InventoryItem hook.ID              `json:"inventory_item_id"`
	Location      hook.ID              `json:"location_id"`
	Available     hook.Told[int64]     `json:"available"`
	UpdatedAt     hook.Told[time.Time] `json:"updated_at"`
}

type collection struct {
	ID          hook.ID              `json:"id"`
	Title       hook.Told[string]    `json:"title"`
	Handle      string               `json:"handle"`
	PublishedAt hook.Told[time.Time] `json:"published_at"`
	UpdatedAt   hook.Told[time.Time] `json:"updated_at"`
	Image       hook.Told[image]     `json:"image"`

	Variants  json.RawMessage `json:"variants"` // of another shape
	ProductID json.RawMessage `json:"product_id"`
}

// deleted is the body of a delete: an id, and nothing of what was deleted.
type deleted struct {
	ID       hook.ID         `json:"id"`
	Title    json.RawMessage `json:"title"`
	Handle   json.RawMessage `json:"handle"`
	Variants json.RawMessage `json:"variants"`
}

// tags come as one text with commas, or as a list.
type tags []string

// UnmarshalJSON reads both forms.
func (t *tags) UnmarshalJSON(text []byte) error {
	if strings.HasPrefix(string(text), "[") {
		return json.Unmarshal(text, (*[]string)(t))
	}
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	*t = nil
	for _, tag := range strings.Split(s, ",") {
		if tag = strings.TrimSpace(tag); tag != "" {
			*t = append(*t, tag)
		}
	}
	return nil
}
