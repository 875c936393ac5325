// What a rule says of its runs beside when and message: none of it is in the language yet.

package rules

import (
	"fmt"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// Then renders what a topic says right after a consent.
func (s *Set) Then(*otn.Consent, otn.Snapshot, *otn.Capabilities) (otn.Message, bool, error) {
	return otn.Message{}, false, nil
}

// Asks lists when people are asked by themselves.
func (s *Set) Asks() []otn.AskRule { return nil }

// MayAsk decides for one person.
func (s *Set) MayAsk(f otn.AskFacts) (otn.Verdict, string) {
	return otn.No, fmt.Sprintf("there is no ask %q", f.Rule)
}

// Size is how many the next wave may tell.
func (p *page) Size() (int64, error) { return 0, fmt.Errorf("rules: no size: %w", otn.ErrInvalid) }

// Ends is the moment behind which nothing is sent.
func (p *page) Ends() (time.Time, error) {
	return time.Time{}, fmt.Errorf("rules: no end: %w", otn.ErrInvalid)
}

// Rank is the place of a consent before its age counts.
func (p *page) Rank(*otn.Consent) int { return 0 }
