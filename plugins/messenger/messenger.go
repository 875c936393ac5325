// One page as a channel: what it is made of, and what it says of itself.

package messenger

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// Name and Version are the plugin's own.
const (
	Name    = "messenger"
	Version = "1.0.0"
)

// pageRate is how many messages a second a page may send before Meta freezes its inbox. Source: Messenger rate limits.
// The host paces the sends by what the plugin declares; asks come beside them, and have a few turns of their own.
const (
	pageRate = 40
	askRate  = 4
	sendRate = pageRate - askRate
)

// inFlight is how many sends one instance answers at once: at 36 a second, room for answers that take 0.9 s.
const inFlight = 32

// Messenger is the channel of one page. Its methods may be called from many goroutines.
type Messenger struct {
	config Config
	client *http.Client
	now    func() time.Time
	gate   *gate
	page   *page
	breaks *breakers
	region *region
	log    *slog.Logger

	broadcasts turnstile
}

var (
	_ otn.Channel   = (*Messenger)(nil)
	_ otn.Asker     = (*Messenger)(nil)
	_ otn.Linker    = (*Messenger)(nil)
	_ otn.Receiver  = (*Messenger)(nil)
	_ otn.Describer = (*Messenger)(nil)
)

// New makes the channel of one page. It calls nothing. An error wraps otn.ErrInvalid and tells all that is wrong in c.
func New(c Config) (*Messenger, error) {
	c, err := c.filled()
	if err != nil {
		return nil, err
	}
	connect := time.Duration(c.ConnectTimeout)
	return &Messenger{
		config: c,
		client: newClient(dialer(connect), connect),
		now:    time.Now,
		gate:   &gate{},
		page:   newPage(),
		breaks: newBreakers(),
		region: &region{},
		log:    slog.New(slog.DiscardHandler),
	}, nil
}

// Describe says what the page can do. Its Account is the page's id: only that page's access token can spend the tokens
// it got. The Schema is empty here; whoever serves the plugin derives it from Config.
func (m *Messenger) Describe(context.Context) (otn.Description, error) {
	return otn.Description{
		Name: Name, Version: Version,
		Account:      m.config.PageID,
		Capabilities: capabilities(m.config.resends()),
	}, nil
}

// Close lets go of idle connections. Calls under way end by their own context.
func (m *Messenger) Close() error {
	m.client.CloseIdleConnections()
	return nil
}
