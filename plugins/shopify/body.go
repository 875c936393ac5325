// The bodies of Shopify's webhooks, as far as they are read. Ids keep every digit: no number goes through a float.

package shopify

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

type product struct {
	ID          id              `json:"id"`
	Title       told[string]    `json:"title"`
	Handle      string          `json:"handle"`
	Status      told[string]    `json:"status"`
	Vendor      told[string]    `json:"vendor"`
	Type        told[string]    `json:"product_type"`
	Tags        told[tags]      `json:"tags"`
	PublishedAt told[time.Time] `json:"published_at"`
	UpdatedAt   told[time.Time] `json:"updated_at"`
	Image       told[image]     `json:"image"`
	Images      []image         `json:"images"`
	Variants    told[[]variant] `json:"variants"`
}

type variant struct {
	ID            id              `json:"id"`
	ProductID     id              `json:"product_id"`
	Title         told[string]    `json:"title"`
	SKU           told[string]    `json:"sku"`
	Price         told[string]    `json:"price"`
	CompareAt     told[string]    `json:"compare_at_price"`
	Policy        string          `json:"inventory_policy"`
	InventoryItem id              `json:"inventory_item_id"`
	Quantity      told[int64]     `json:"inventory_quantity"`
	ImageID       id              `json:"image_id"`
	UpdatedAt     told[time.Time] `json:"updated_at"`
}

type image struct {
	ID  id     `json:"id"`
	Src string `json:"src"`
}

type level struct {
	InventoryItem id              `json:"inventory_item_id"`
	Location      id              `json:"location_id"`
	Available     told[int64]     `json:"available"`
	UpdatedAt     told[time.Time] `json:"updated_at"`
}

type collection struct {
	ID          id              `json:"id"`
	Title       told[string]    `json:"title"`
	Handle      string          `json:"handle"`
	PublishedAt told[time.Time] `json:"published_at"`
	UpdatedAt   told[time.Time] `json:"updated_at"`
	Image       told[image]     `json:"image"`

	Variants  json.RawMessage `json:"variants"` // of another shape
	ProductID json.RawMessage `json:"product_id"`
}

// deleted is the body of a delete: an id, and nothing of what was deleted.
type deleted struct {
	ID       id              `json:"id"`
	Title    json.RawMessage `json:"title"`
	Handle   json.RawMessage `json:"handle"`
	Variants json.RawMessage `json:"variants"`
}

// told is a field that a body may leave out, or tell as null.
type told[T any] struct {
	value T
	is    bool // it is in the body
	null  bool // it is, as null
}

// known reports whether the field has a value.
func (t told[T]) known() bool { return t.is && !t.null }

// UnmarshalJSON notes that the field was there.
func (t *told[T]) UnmarshalJSON(text []byte) error {
	t.is = true
	if t.null = string(text) == "null"; t.null {
		return nil
	}
	return json.Unmarshal(text, &t.value)
}

// id is a Shopify id, a whole number of any size, as text. Null and left out are "".
type id string

// UnmarshalJSON takes a number's own digits.
func (i *id) UnmarshalJSON(text []byte) error {
	s := strings.Trim(string(text), `"`)
	if s == "null" {
		*i = ""
		return nil
	}
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return errors.New("an id that is no whole number")
	}
	*i = id(s)
	return nil
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

// read decodes a body. Its error says where it does not fit, and quotes nothing.
func read(body []byte, into any) error {
	err := json.Unmarshal(body, into)
	var typed *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &typed):
		return fmt.Errorf("%s is no %s", typed.Field, typed.Type)
	}
	return errors.New("not the JSON it should be")
}
