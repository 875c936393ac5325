// The channel as a plugin.

package messenger

import (
	"context"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
)

// Plugin is the channel for whoever serves or opens plugins.
var Plugin = channel.Plugin[Config]{
	Name:         Name,
	Version:      Version,
	Capabilities: capabilities(true),
	New: func(_ context.Context, c Config, at channel.Setup) (any, error) {
		m, err := New(c)
		if err != nil {
			return nil, err // not a nil *Messenger in an any
		}
		m.log = at.Log
		return m, nil
	},
}

// capabilities are what a page can do. resend: a lost answer may be followed by a second try with the same token.
func capabilities(resend bool) otn.Capabilities {
	return otn.Capabilities{
		Sends: true, Receives: true, Asks: true, Links: true, Replies: true,
		SingleUseToken: resend,
		MaxInFlight:    inFlight,
		Rate:           sendRate,
		Forms:          []otn.Form{otn.TextForm, otn.CardForm, otn.GalleryForm, otn.ImageForm},
		QuickReply:     true,
	}
}
