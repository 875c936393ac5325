// Descriptions, to messages and back. What a plugin says of itself is kept within bounds.

package wire

import (
	"encoding/json"
	"math"

	"github.com/onetimenotify/otn/core/otn"
)

// MaxCredits is how many deliveries one process can have in flight.
const MaxCredits = 4096

const (
	maxForms  = 32      // forms a plugin can name
	maxSchema = 1 << 20 // bytes
)

// FromDescription writes a description.
func FromDescription(d *otn.Description) *Description {
	c := &d.Capabilities
	return &Description{
		Name: d.Name, Version: d.Version, Account: d.Account, Schema: d.Schema,
		Capabilities: &Capabilities{
			Sends: c.Sends, Receives: c.Receives, Polls: c.Polls, Asks: c.Asks, Links: c.Links, Replies: c.Replies, Listens: c.Listens, Lookups: c.Lookups, SingleUseToken: c.SingleUseToken, MultiInstance: c.MultiInstance,
			Simulated: c.Simulated, MaxInFlight: int64(c.MaxInFlight), MaxMessage: int64(c.MaxMessage), Rate: c.Rate,
			Forms: each(c.Forms, func(f otn.Form) string { return string(f) }), QuickReply: c.QuickReply,
		},
	}
}

// ToDescription reads a description. Figures out of range are brought into it; a schema that is no JSON is left out.
func ToDescription(p *Description) otn.Description {
	c := p.GetCapabilities()
	d := otn.Description{
		Name: clip(p.GetName()), Version: clip(p.GetVersion()), Account: clip(p.GetAccount()),
		Capabilities: otn.Capabilities{
			Sends: c.GetSends(), Receives: c.GetReceives(), Polls: c.GetPolls(), Asks: c.GetAsks(), Links: c.GetLinks(), Replies: c.GetReplies(), Listens: c.GetListens(), Lookups: c.GetLookups(), SingleUseToken: c.GetSingleUseToken(), MultiInstance: c.GetMultiInstance(),
			Simulated: c.GetSimulated(), MaxInFlight: int(min(max(c.GetMaxInFlight(), 0), MaxCredits)), MaxMessage: int(min(max(c.GetMaxMessage(), 0), MaxFrame)), Rate: c.GetRate(),
			QuickReply: c.GetQuickReply(),
		},
	}
	if r := c.GetRate(); math.IsNaN(r) || math.IsInf(r, 0) || r < 0 {
		d.Capabilities.Rate = 0
	}
	if forms := c.GetForms(); len(forms) <= maxForms {
		d.Capabilities.Forms = each(forms, func(f string) otn.Form { return otn.Form(clip(f)) })
	}
	if s := p.GetSchema(); len(s) <= maxSchema && json.Valid(s) {
		d.Schema = s
	}
	return d
}

// Credits is how many deliveries a plugin with these capabilities takes at once.
func Credits(c *otn.Capabilities) int { return min(max(c.MaxInFlight, 1), MaxCredits) }
