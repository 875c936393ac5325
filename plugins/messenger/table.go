// What each error of the Graph API means for a token: data, read from top to bottom.

package messenger

import (
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// kind is a kind of send. Kinds combine to the set that a row is for; the zero set is all of them.
type kind uint8

const (
	byToken   kind = 1 << iota // with a one-time token
	inWindow                   // to a person, in the open window
	ask                        // a request for consent
	recurring                  // with a token of the recurring product, which this plugin never sends with
)

// bare is the subcode of an error that has none; garbled of one that has a subcode nobody can read.
const (
	bare    = 0
	garbled = -1
)

// row is one line of the table: what it matches, and what that means.
type row struct {
	code, to int64   // one code, or with to a range of codes
	subs     []int64 // the subcodes; none: any
	anywhere bool    // the code may also stand as the subcode of another code
	kinds    kind    // the kinds of send it is for; 0: all
	words    bool    // only when the text says that the token is dead
	unsure   bool    // only while the page check has not passed: the access token may be another page's

	outcome otn.Outcome
	scope   otn.Scope
	after   time.Duration // 0: the wait of the scope
	name    string        // the SendError's code; "": the code, with the subcode where the row names it
	limit   bool          // a rate limit: nothing more is sent until the wait is over
	halve   bool          // the page's pace is halved for as long
	cause   error         // what the caller can branch on
}

const day = 24 * time.Hour

// tokenDead is the SendError's code for a token that the platform calls used, expired or invalid: after an attempt whose
// answer was lost it means that the message probably arrived.
const tokenDead = "token_used"

// outside are the three subcodes with which the window is said to be closed.
var outside = []int64{2018278, 2534022, 2018065}

// table holds every error that is known. The first row that matches decides: a code that may stand in either place, then
// exact pairs, then the rest of a code, then ranges. Meanings: Meta, Common Error Codes; what becomes of the token is ours.
var table = []row{
	{code: 2018300, anywhere: true, outcome: otn.Deferred, scope: otn.SubscriberScope, after: 15 * time.Minute}, // another app holds the thread
	{code: 2018321, anywhere: true, outcome: otn.Deferred, scope: otn.SubscriberScope, after: 5 * time.Minute},  // automated questions hold it

	{code: 1, outcome: otn.Unknown}, // "unknown error": came although messages arrived; 1357046 says that they did
	{code: 2, subs: []int64{2018344}, outcome: otn.Invalid, scope: otn.ChannelScope},
	{code: 2, outcome: otn.Unknown},
	{code: 3, outcome: otn.Invalid, scope: otn.ChannelScope},
	{code: 4, subs: []int64{2018354}, kinds: recurring, outcome: otn.Deferred, scope: otn.SubscriberScope, after: 2 * day},
	{code: 4, outcome: otn.Deferred, scope: otn.ChannelScope, limit: true},
	{code: 9, kinds: ask, outcome: otn.Deferred, scope: otn.SubscriberScope, after: day}, // too many requests for consent

	{code: 10, subs: outside, kinds: byToken, outcome: otn.Deferred, scope: otn.SubscriberScope}, // not honoured, yet not proven dead
	{code: 10, subs: outside, kinds: inWindow, outcome: otn.Deferred, scope: otn.MessageScope, cause: otn.ErrOutsideWindow},
	{code: 10, subs: outside, kinds: ask, outcome: otn.Deferred, scope: otn.SubscriberScope, cause: otn.ErrOutsideWindow},
	{code: 10, subs: []int64{2018108}, outcome: otn.Deferred, scope: otn.SubscriberScope},
	{code: 10, subs: []int64{1893063}, outcome: otn.Deferred, scope: otn.ChannelScope, after: day},             // the page may not send for now
	{code: 10, subs: []int64{1404170}, kinds: ask, outcome: otn.Deferred, scope: otn.ChannelScope, after: day}, // it may not ask; sends go on
	{code: 10, subs: []int64{1893015}, kinds: recurring, outcome: otn.Deferred, scope: otn.SubscriberScope},
	{code: 10, subs: []int64{2018336}, outcome: otn.Deferred, scope: otn.SubscriberScope, after: 7 * day}, // European rules
	{code: 10, subs: []int64{2534077}, outcome: otn.Invalid, scope: otn.ChannelScope},
	{code: 10, subs: []int64{bare}, outcome: otn.Invalid, scope: otn.ChannelScope}, // permission missing or removed
	{code: 10, outcome: otn.Invalid, scope: otn.MessageScope},

	{code: 17, outcome: otn.Deferred, scope: otn.ChannelScope, limit: true},
	{code: 32, outcome: otn.Deferred, scope: otn.ChannelScope, limit: true},

	{code: 100, subs: []int64{2018001}, unsure: true, outcome: otn.Invalid, scope: otn.ChannelScope, name: "100/2018001/page"},
	{code: 100, subs: []int64{2018001}, kinds: byToken | recurring, outcome: otn.Refused, cause: otn.ErrRefused},
	{code: 100, subs: []int64{2018001}, outcome: otn.Deferred, scope: otn.SubscriberScope},
	{code: 100, subs: []int64{33, 2018164, 2534013, 2534029}, outcome: otn.Invalid, scope: otn.ChannelScope},
	{code: 100, subs: []int64{2534037}, outcome: otn.Deferred, scope: otn.SubscriberScope},
	{code: 100, subs: []int64{bare}, words: true, kinds: byToken | recurring, outcome: otn.Refused, name: tokenDead, cause: otn.ErrRefused},
	{code: 100, outcome: otn.Invalid, scope: otn.MessageScope},

	{code: 102, outcome: otn.Invalid, scope: otn.ChannelScope},
	{code: 190, outcome: otn.Invalid, scope: otn.ChannelScope}, // the page access token is dead
	{code: 200, subs: []int64{2018028, 2534041}, outcome: otn.Invalid, scope: otn.ChannelScope},
	{code: 200, subs: []int64{1545041}, outcome: otn.Deferred, scope: otn.SubscriberScope},
	{code: 200, subs: []int64{bare}, outcome: otn.Invalid, scope: otn.ChannelScope},
	{code: 200, outcome: otn.Invalid, scope: otn.MessageScope},
	{code: 341, outcome: otn.Deferred, scope: otn.ChannelScope, limit: true},
	{code: 368, outcome: otn.Deferred, scope: otn.ChannelScope, after: day}, // blocked for a time over policy
	{code: 551, outcome: otn.Deferred, scope: otn.SubscriberScope},          // blocked the page, deactivated, unreachable
	{code: 613, subs: []int64{1893016}, kinds: ask, outcome: otn.Deferred, scope: otn.SubscriberScope, after: 7 * day, cause: otn.ErrAlreadyAsked},
	{code: 613, subs: []int64{2018338}, outcome: otn.Deferred, scope: otn.SubscriberScope, after: day, halve: true},
	{code: 613, outcome: otn.Deferred, scope: otn.ChannelScope, limit: true},
	{code: 1200, outcome: otn.Deferred, scope: otn.MessageScope},
	{code: 2022, outcome: otn.Deferred, scope: otn.ChannelScope, after: day}, // commerce messages off after a violation
	{code: 1545041, outcome: otn.Deferred, scope: otn.SubscriberScope},
	{code: 2018171, outcome: otn.Invalid, scope: otn.ChannelScope},
	{code: 2300000, outcome: otn.Invalid, scope: otn.MessageScope},
	{code: 2300001, outcome: otn.Invalid, scope: otn.MessageScope},
	{code: 9000001, outcome: otn.Invalid, scope: otn.MessageScope},

	{code: 201, to: 299, outcome: otn.Invalid, scope: otn.ChannelScope},
	{code: 80000, to: 80099, outcome: otn.Deferred, scope: otn.ChannelScope, limit: true}, // use-case limits
}

// transport says what an answer without an error of the Graph API means, by its HTTP status. The first row that holds the
// status decides; 2xx is judged by its message id before.
var transport = []struct {
	from, to int
	verdict  row
}{
	{200, 299, row{outcome: otn.Unknown, name: "no_message_id"}},
	{300, 399, row{outcome: otn.Invalid, scope: otn.ChannelScope}}, // never followed
	{401, 401, row{outcome: otn.Invalid, scope: otn.ChannelScope}},
	{403, 405, row{outcome: otn.Invalid, scope: otn.ChannelScope}},
	{408, 408, row{outcome: otn.Unknown}},
	{429, 429, row{outcome: otn.Deferred, scope: otn.ChannelScope, limit: true}},
	{400, 499, row{outcome: otn.Invalid, scope: otn.MessageScope}},
}
