// The source and its configuration.

// Package feed is a source: it is polled on a cron line and fetches a file that the shop publishes for others anyway.
//
//	feed:
//	  plugin: feed
//	  poll: "*/15 * * * *"
//	  config: {format: google, url: "https://shop.example/feed.xml"}
//
// The formats:
//
//   - google: a product feed for Google Merchant Center, XML (RSS 2.0 or Atom) or tab-separated. Every item, each time. The price
//     is the sale price while its date range lasts, and the feed is read again when a range begins or ends.
//   - shopify: a Shopify storefront's /products.json, page after page, or one product's /products/HANDLE.js or .json. A price in a
//     .js is in hundredths, in the others it is a decimal text; which is which is known by the form, never guessed from the size.
//   - csv: a table whose first line names the facts, as otn observe reads it.
//   - rss: RSS or Atom, each new entry a trigger. The first fetch only learns what is there.
//
// Items come as a full snapshot: one that is missing for long is gone, and a snapshot that shrinks sharply is refused by the host.
// A file that is cut short or cannot be read changes nothing. An entry that cannot be used does not stop the others: it is noted.
//
// What is fetched is bounded in size, also unpacked, and in time. Redirects are followed within the host alone. Addresses that are not
// public are refused at the moment of the connection, whatever name led there, unless allow_private is set.
//
// Sources: Google Merchant Center product data specification, Shopify storefront JSON and Liquid money, RSS 2.0, RFC 4287 (Atom),
// RFC 4180 (CSV), RFC 9110 (conditional requests).
package feed

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/encoding/htmlindex"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
)

const version = "1.0.0"

// Plugin is the source as a program.
var Plugin = channel.Plugin[Config]{
	Name:    "feed",
	Version: version,
	New: func(_ context.Context, c Config, _ channel.Setup) (any, error) {
		return New(c)
	},
}

// Config is what is fetched, and how it is read.
type Config struct {
	Format   string            `json:"format" enum:"google,shopify,csv,rss" doc:"google: a Merchant Center feed, XML or TSV. shopify: /products.json, or one product's .js or .json. csv: a table with a header. rss: RSS or Atom, each new entry a trigger."`
	URL      string            `json:"url" doc:"Where it is, https://… or http://…."`
	Currency string            `json:"currency,omitempty" doc:"ISO 4217 code of prices that name none. Needed for shopify."`
	ID       string            `json:"id" default:"variant" enum:"variant,sku" doc:"Of shopify: what names an item, the variant's id or its SKU."`
	Trigger  string            `json:"trigger,omitempty" doc:"Of rss: the trigger that each new entry makes, with the fields id, title, link and published."`
	Columns  map[string]string `json:"columns,omitempty" doc:"Of csv: for each fact the name of its column, where the two differ."`
	Comma    string            `json:"comma" default:"," enum:",,;,|,tab" doc:"Of csv: what separates cells."`
	Attrs    []string          `json:"attrs,omitempty" doc:"Of google: further fields to tell, as attrs: brand, color, custom_label_0."`
	Charset  string            `json:"charset,omitempty" doc:"Of the file, where neither the server nor the file itself tells: windows-1252, say. Left out: UTF-8."`

	User         string           `json:"user,omitempty" doc:"Sent with password, where the server asks for both (HTTP basic authentication)."`
	Password     otn.Secret       `json:"password,omitzero"`
	AllowPrivate bool             `json:"allow_private,omitempty" doc:"Addresses of this machine and of private networks may be fetched."`
	Timeout      channel.Duration `json:"timeout" default:"5m" doc:"For a whole poll."`
	MaxSize      int64            `json:"max_size" default:"268435456" doc:"Bytes of a whole poll, unpacked."`
}

// Feed is one feed.
type Feed struct {
	config Config
	url    *url.URL
	client *http.Client
	key    string // of the configuration: a cursor of another one means nothing
	now    func() time.Time
}

var _ otn.Poller = (*Feed)(nil)

// New makes a feed. It fetches nothing. Its error names every fault of the configuration.
func New(c Config) (*Feed, error) {
	f := &Feed{config: c, now: time.Now}
	var faults []error
	fault := func(path, format string, args ...any) { faults = append(faults, channel.Fault(path, format, args...)) }
	var err error
	f.url, err = url.Parse(strings.TrimSpace(c.URL))
	switch {
	case err != nil || f.url.Host == "" || f.url.Scheme != "https" && f.url.Scheme != "http":
		fault("url", "want an address as in https://shop.example/feed.xml")
	case f.url.User != nil:
		fault("url", "holds a user; set user and password instead")
	}
	f.config.Currency = strings.ToUpper(strings.TrimSpace(c.Currency))
	if _, ok := otn.Exponent(f.config.Currency); !ok && c.Currency != "" {
		fault("currency", "%q is no ISO 4217 code", c.Currency)
	}
	if c.Charset != "" {
		if _, err := htmlindex.Get(c.Charset); err != nil {
			fault("charset", "%q is not known", c.Charset)
		}
	}
	if (c.User == "") != c.Password.IsZero() {
		fault("user", "user and password go together")
	}
	f.fill()
	faults = append(faults, f.config.misplaced()...)
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	text, err := json.Marshal(f.config) // secrets are masked in it
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(append([]byte(version), text...))
	f.key = hex.EncodeToString(sum[:8])
	f.client = f.newClient()
	return f, nil
}

// fill sets what an embedder left out; through the border the defaults stand in.
func (f *Feed) fill() {
	c := &f.config
	if c.ID == "" {
		c.ID = "variant"
	}
	if c.Comma == "" {
		c.Comma = ","
	}
	if c.Timeout <= 0 {
		c.Timeout = channel.Duration(5 * time.Minute)
	}
	if c.MaxSize <= 0 {
		c.MaxSize = 256 << 20
	}
}

// misplaced are the settings that the format needs and that are not there, and those that are there and do nothing.
func (c *Config) misplaced() (faults []error) {
	fault := func(path, format string, args ...any) { faults = append(faults, channel.Fault(path, format, args...)) }
	if !slices.Contains([]string{"google", "shopify", "csv", "rss"}, c.Format) {
		return []error{channel.Fault("format", "%q: want google, shopify, csv or rss", c.Format)}
	}
	if c.Format == "shopify" && c.Currency == "" {
		fault("currency", "is missing: the shop's own pages name none")
	}
	if c.Format == "rss" && c.Trigger == "" {
		fault("trigger", "is missing: which trigger does a new entry make?")
	}
	for _, of := range []struct {
		path, format string
		set          bool
	}{
		{"id", "shopify", c.ID != "variant"}, {"trigger", "rss", c.Trigger != ""}, {"columns", "csv", len(c.Columns) > 0},
		{"comma", "csv", c.Comma != ","}, {"attrs", "google", len(c.Attrs) > 0},
	} {
		if of.set && c.Format != of.format {
			fault(of.path, "is for format %s", of.format)
		}
	}
	for fact := range c.Columns {
		if !isFact(fact) {
			fault("columns."+fact, "is no fact of an item")
		}
	}
	return faults
}

// Poll fetches the feed. The cursor holds what the server needs to say that nothing changed, and of rss which entries are known.
func (f *Feed) Poll(ctx context.Context, cursor string, yield func(otn.Record) error) (next string, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(f.config.Timeout))
	defer cancel()
	defer f.client.CloseIdleConnections()
	t := &telling{yield: yield, now: f.now(), seen: map[uint64]struct{}{}}
	at := f.readCursor(cursor)
	at, err = f.read(ctx, t, at)
	if err != nil {
		return "", f.why(ctx, err)
	}
	return at.String(), nil
}

// read reads the feed in its format.
func (f *Feed) read(ctx context.Context, t *telling, at cursor) (cursor, error) {
	if f.config.Format == "shopify" {
		return cursor{Key: f.key}, f.shopify(ctx, t)
	}
	page, err := f.fetch(ctx, f.url, f.validators(t.now, at))
	if err != nil {
		return at, err
	}
	defer page.close()
	switch {
	case page.same && f.config.Format == "rss":
		return at, nil
	case page.same:
		return at, t.same()
	}
	next := cursor{Key: f.key, ETag: page.etag, Modified: page.modified}
	switch f.config.Format {
	case "rss":
		next.Seen, err = f.rss(page, t, at)
	case "csv":
		err = f.csv(page, t)
	default:
		err = f.google(page, t)
		next.Again = t.again
	}
	if err != nil {
		return at, err
	}
	if f.config.Format == "rss" {
		return next, t.notes()
	}
	return next, t.whole()
}
