// The page's links: whoever follows one comes back as a referral with the link's ref.

package messenger

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/onetimenotify/otn/core/otn"
)

// maxLinkRef is the longest ref of a link, in bytes, and linkLetters are those it is kept to: what is known of the web
// plugins, as the limits of m.me are not documented.
const (
	maxLinkRef  = 149
	linkLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-./:=_"
)

// Link gives the page's m.me link with a ref. A ref with other letters than links carry, or too many, is otn.ErrInvalid.
func (m *Messenger) Link(_ context.Context, ref string) (string, error) {
	if ref == "" || len(ref) > maxLinkRef {
		return "", fmt.Errorf("messenger: link: a ref of %d bytes, want 1 to %d: %w", len(ref), maxLinkRef, otn.ErrInvalid)
	}
	if strings.Trim(ref, linkLetters) != "" {
		return "", fmt.Errorf("messenger: link: a ref holds letters, digits and + - . / : = _ alone: %w", otn.ErrInvalid)
	}
	return "https://m.me/" + m.config.PageID + "?ref=" + url.QueryEscape(ref), nil
}
