// What a channel or a source can do. The same interfaces are served by a plugin's author, seen by the Host, and run in process by tests.

package otn

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Channel delivers messages.
type Channel interface {
	// Send returns nil only after the platform accepted the message. A failure it understands is a *SendError; any other
	// error counts as Unknown. It makes one attempt: retries belong to the host. Called from many goroutines; returns soon after ctx is done.
	Send(ctx context.Context, d Delivery) (Receipt, error)
}

// Receiver takes webhooks.
type Receiver interface {
	// Receive authenticates and decodes one webhook call. It changes nothing by itself: the host writes the records down,
	// then answers with the response. A call that is refused yields no records and a response that says why; an error is a fault of the receiver.
	Receive(ctx context.Context, r Request) (Response, []Record, error)
}

// MaxCursor is how long a cursor of a Poller may be, in bytes.
const MaxCursor = 64 << 10

// Poller fetches.
type Poller interface {
	// Poll yields what changed since cursor, or a full snapshot with a Whole as its last record, and returns the cursor for
	// the next time. The empty cursor is the beginning; one that means nothing (of an older version, say) is taken for it.
	// An error of yield ends the poll: Poll returns it, and soon. A poll that fails has changed nothing: the host forgets
	// what it yielded and asks again with the same cursor, later, and not before the After of a *SendError. It is called
	// once at a time and returns soon after ctx is done. A cursor is UTF-8 text of at most MaxCursor bytes, and no secret.
	Poll(ctx context.Context, cursor string, yield func(Record) error) (next string, err error)
}

// MaxHeard is how many records a Listener may yield at once.
const MaxHeard = 1000

// Listener hears: it holds a connection to its platform, where the platform does not call webhooks.
type Listener interface {
	// Listen yields what happens since cursor for as long as it can, and returns when the connection is lost or ctx is done, soon
	// after: the host calls it again, later, and not before the After of a *SendError. The empty cursor is the beginning; one
	// that means nothing is taken for it. yield returns nil when the records are on disk together with next, the cursor behind
	// them: only then may the platform be told that they were taken. Its error ends the listening; what it was given is
	// told again, under the same keys. It may be called without records, to move the cursor. It is called once at a time. A
	// cursor is UTF-8 text of at most MaxCursor bytes, and no secret. An instance that has nothing to hear waits until ctx is done.
	Listen(ctx context.Context, cursor string, yield func(next string, records ...Record) error) error
}

// Lookuper can tell what became of a message whose answer was lost.
type Lookuper interface {
	// Lookup asks the platform about a delivery; of the delivery the message is missing. It returns nil when the platform took it, a
	// *SendError that is Deferred when it certainly did not and never will, and any other error when it cannot tell. It
	// sends nothing and may be repeated.
	Lookup(ctx context.Context, d Delivery) (Receipt, error)
}

// Asker can request consent.
type Asker interface {
	// Ask sends the request. Its errors are those of Send, and ErrOutsideWindow, ErrAlreadyAsked inside a *SendError.
	Ask(ctx context.Context, a Ask) (Receipt, error)
}

// Linker makes links that lead people to the channel.
type Linker interface {
	// Link gives the address that brings ref back in a Referral when somebody follows it. It calls no network.
	// Errors: ErrInvalid for a ref that is too long or holds letters that the platform's links do not carry.
	Link(ctx context.Context, ref string) (string, error)
}

// Validator asks its platform whether the configuration is good: whether a key is known there, say.
type Validator interface {
	// Validate sends nothing to anybody. Its error is shown to the operator as a fault of the configuration and holds no secret.
	Validate(ctx context.Context) error
}

// Describer says what an instance is. Every channel and source of a process has all methods, so it is asked what it can do, never type-asserted.
type Describer interface {
	// Describe returns soon and calls no network. Account is set once the instance is configured.
	Describe(ctx context.Context) (Description, error)
}

// Description is what an instance says of itself.
type Description struct {
	Name         string // of the plugin
	Version      string
	Account      string // the platform's account that this instance sends from: a claim is resent only through the same one
	Capabilities Capabilities
	Schema       []byte // JSON Schema of the plugin's configuration
}

// Capabilities are what an instance can do. The zero value can do nothing.
type Capabilities struct {
	Sends, Receives, Polls, Asks, Links bool
	Listens, Lookups                    bool

	Replies bool // can say something into a subscriber's open window, without a token: see Delivery.Reply

	SingleUseToken bool    // the platform itself refuses a token's second use: Unknown may be retried with the same token
	MultiInstance  bool    // one process can serve several instances
	Simulated      bool    // nothing reaches a person
	MaxInFlight    int     // sends at once; 0: 1
	MaxMessage     int     // bytes of a delivery; 0: no limit of its own
	Rate           float64 // messages per second that the platform allows; 0: no limit of its own
	Forms          []Form  // what it can carry; none: text
	QuickReply     bool
}

// Carries reports whether the form can be sent; text always can.
func (c *Capabilities) Carries(f Form) bool {
	for _, have := range c.Forms {
		if have == f {
			return true
		}
	}
	return f == TextForm
}

// Request is one call of a webhook, its body as the raw bytes received.
type Request struct {
	Method string
	Path   string // below /hooks/{instance}, "" or "/…"
	Query  url.Values
	Header http.Header
	Body   []byte
	Remote string // address of the caller
	At     time.Time
}

// Response is the answer to a webhook.
type Response struct {
	Status int // 0: 200
	Header http.Header
	Body   []byte
}
