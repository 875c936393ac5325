// Where the page and its people are: one-time notifications may not work under European rules. A warning, never a wall.

package messenger

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"sync"
	"time"
)

const (
	profileWait  = 3 * time.Second // how long the page's profile may take
	profileTries = 3               // how often it is asked for before nobody asks any more
	european     = "10/2018336"    // a thread under European rules
)

// region is what was warned of so far.
type region struct {
	mu     sync.Mutex
	tries  int
	warned bool // of a thread
}

// look asks once whether the page is under European rules, and warns the operator. Source: Meta, Europe and Japan updates.
func (m *Messenger) look(ctx context.Context) {
	if !m.region.mu.TryLock() {
		return // somebody is asking
	}
	defer m.region.mu.Unlock()
	if m.region.tries >= profileTries {
		return
	}
	m.region.tries++
	ctx, cancel := context.WithTimeout(ctx, profileWait)
	defer cancel()
	const field = "subject_to_new_eu_privacy_rules"
	a := m.call(ctx, http.MethodGet, "/me/messenger_profile", url.Values{"fields": {field}}, nil)
	var profile struct {
		Data []map[string]any `json:"data"`
	}
	if a.err != nil || a.status != http.StatusOK || json.Unmarshal(a.body, &profile) != nil {
		return
	}
	m.region.tries = profileTries
	for _, part := range profile.Data {
		if part[field] == true {
			m.log.Warn("this page is under the European rules for messaging: requests for consent or their answers may not arrive for it, nor for people in Europe", "page", m.config.PageID)
		}
	}
}

// heed warns once when a thread turns out to be under European rules.
func (m *Messenger) heed(v *verdict) {
	if v.name != european {
		return
	}
	m.region.mu.Lock()
	defer m.region.mu.Unlock()
	if !m.region.warned {
		m.region.warned = true
		m.log.Warn("a person's thread is under the European rules for messaging: messages to such people wait for a week and may never arrive", "page", m.config.PageID)
	}
}
