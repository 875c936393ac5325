// The page check: does the access token belong to the configured page?

package messenger

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/onetimenotify/otn/plugins/channel"
)

// page knows the answer once it was given. One caller asks, the others wait for it.
type page struct {
	turn      chan struct{} // holds one place
	decided   bool
	confirmed bool
}

func newPage() *page { return &page{turn: make(chan struct{}, 1)} }

// confirmed reports whether the access token is this page's. It asks the platform until that has answered once; an
// answer that does not come, or comes too late for ctx, counts as no and is asked for again the next time.
func (m *Messenger) confirmed(ctx context.Context) bool {
	select {
	case m.page.turn <- struct{}{}:
		defer func() { <-m.page.turn }()
	case <-ctx.Done():
		return false
	}
	if !m.page.decided {
		id := m.identity(ctx)
		m.page.decided, m.page.confirmed = id != "", id == m.config.PageID
	}
	return m.page.confirmed
}

// Validate asks the platform whether the access token is good, and whose it is. Errors: channel.Fault with the setting at fault.
func (m *Messenger) Validate(ctx context.Context) error {
	a := m.call(ctx, http.MethodGet, "/me", url.Values{"fields": {"id"}}, nil)
	if a.err != nil {
		return channel.Fault("graph_url", "no answer: %s", a.err)
	}
	if fault := readReply(a.body).fault; fault != nil {
		return channel.Fault("page_token", "%s", fault)
	}
	var me struct {
		ID text `json:"id"`
	}
	if a.status != http.StatusOK || json.Unmarshal(a.body, &me) != nil {
		return channel.Fault("graph_url", "answers %d, and not as the Graph API does", a.status)
	}
	if string(me.ID) != m.config.PageID {
		return channel.Fault("page_id", "the page_token belongs to the page %s", clean(string(me.ID), 40))
	}
	return nil
}

// identity asks whose access token it is; "" when nobody said.
func (m *Messenger) identity(ctx context.Context) string {
	a := m.call(ctx, http.MethodGet, "/me", url.Values{"fields": {"id"}}, nil)
	var me struct {
		ID text `json:"id"`
	}
	if a.err != nil || a.status != http.StatusOK || json.Unmarshal(a.body, &me) != nil {
		return ""
	}
	return string(me.ID)
}
