// The journal through the door: by pages, or as server-sent events that go on.

package api

import (
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// How streams behave.
const (
	maxStreams  = 64                     // at once
	lookEvery   = 250 * time.Millisecond // for new entries; nothing is read while there is none
	beatEvery   = 15 * time.Second       // a sign of life, and a look whether the key is still good
	writeWithin = 10 * time.Second       // how long a caller may take for what it is sent
	streamPage  = 500
)

const eventStream = "text/event-stream"

// Events is a page of the journal. Next is the after of the following one, left out on the last.
type Events struct {
	Events []core.EventView `json:"events"`
	Next   uint64           `json:"next,omitempty"`
}

type eventsIn struct {
	After  uint64 `query:"after" doc:"The place behind which to begin: the seq of the last event that is known."`
	Limit  int    `query:"limit" minimum:"0" maximum:"1000" doc:"How many at most; 0 is 100. Of a page, not of a stream."`
	Accept string `header:"Accept" hidden:"true" doc:"text/event-stream asks for a stream that goes on."`
	Last   string `header:"Last-Event-ID" doc:"Of a stream that broke off: it stands for after."`
}

// eventsOut writes a page or a stream.
type eventsOut struct{ Body func(huma.Context) }

// events registers the call.
func (d *door) events(a huma.API) {
	page := a.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Events](), true, "Events")
	register(a, huma.Operation{
		OperationID: "events", Method: http.MethodGet, Path: "/v1/events", Summary: "The journal: what happened, in its order",
		Description: "Nothing in it is personal. With Accept: text/event-stream it is a stream: each event has its seq as id, its kind as event, and itself as data; " +
			"a comment every 15 seconds says that the stream is alive. A stream that breaks off goes on behind its Last-Event-ID.",
		Responses: map[string]*huma.Response{"200": {
			Description: "A page, or a stream",
			Content: map[string]*huma.MediaType{
				"application/json": {Schema: page},
				eventStream:        {Schema: &huma.Schema{Type: huma.TypeString, Description: "Server-sent events; the data of each is an EventView."}},
			},
		}},
	}, core.ScopeRead, false, d.listEvents)
}

func (d *door) listEvents(ctx context.Context, in *eventsIn) (*eventsOut, error) {
	after := in.After
	if in.Last != "" {
		n, err := strconv.ParseUint(in.Last, 10, 64)
		if err != nil {
			return nil, huma.Error422UnprocessableEntity("Last-Event-ID is not the id of an event of this journal")
		}
		after = n
	}
	if wantsStream(in.Accept) {
		if d.streams.Add(1) > maxStreams {
			d.streams.Add(-1)
			return nil, d.problem(ctx, fmt.Errorf("api: %d streams are open: %w", maxStreams, otn.ErrUnavailable))
		}
		return &eventsOut{func(c huma.Context) { //nolint:contextcheck // c holds the context of the request, which is ctx
			defer d.streams.Add(-1)
			_, w := humago.Unwrap(c)
			d.stream(c.Context(), w, after)
		}}, nil
	}
	list, err := d.host.Events(after, in.Limit)
	if err != nil {
		return nil, d.problem(ctx, err)
	}
	page := Events{Events: full(list)}
	if n := len(list); n > 0 && n == limitOf(in.Limit) {
		page.Next = list[n-1].Seq
	}
	return &eventsOut{func(c huma.Context) {
		c.SetHeader("Content-Type", "application/json")
		_ = json.NewEncoder(c.BodyWriter()).Encode(page)
	}}, nil
}

// limitOf is the size of a page.
func limitOf(n int) int {
	if n == 0 {
		return 100
	}
	return n
}

// wantsStream reports whether a caller names the type of streams.
func wantsStream(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		if kind, _, err := mime.ParseMediaType(part); err == nil && kind == eventStream {
			return true
		}
	}
	return false
}

// stream sends what is in the journal behind a place, and what comes, until the caller leaves, does not keep up, or its key is
// no longer good.
func (d *door) stream(ctx context.Context, w http.ResponseWriter, after uint64) {
	to := &streamer{w: w, c: http.NewResponseController(w)}
	if to.open() != nil {
		return
	}
	look, beat := time.NewTicker(lookEvery), time.NewTicker(beatEvery)
	defer look.Stop()
	defer beat.Stop()
	looked, atOnce := uint64(0), make(chan time.Time)
	close(atOnce)
	for {
		newest, err := d.host.Newest()
		more := false
		if err == nil && newest != looked {
			if after, more, err = d.pass(to, after); !more {
				looked = newest
			}
		}
		if err != nil {
			return
		}
		next := look.C
		if more { // however much there is, and however slow its caller, a stream ends with its key
			next = atOnce
		}
		select {
		case <-ctx.Done():
			return
		case <-d.stopping:
			return
		case <-beat.C:
			if _, err := d.host.Authorize(callerOf(ctx).secret); err != nil || to.beat() != nil {
				return
			}
		case <-next:
		}
	}
}

// pass sends a page of what is behind a place, and gives the place of the last, and whether there may be more.
func (d *door) pass(to *streamer, after uint64) (last uint64, more bool, err error) {
	list, err := d.host.Events(after, streamPage)
	if err != nil {
		return after, false, err
	}
	for i := range list {
		if err := to.event(&list[i]); err != nil {
			return after, false, err
		}
		after = list[i].Seq
	}
	return after, len(list) == streamPage, to.flush()
}

// streamer writes server-sent events. The server's time for an answer, which is that of a call, does not hold for a stream; each of
// its writes has a time of its own.
type streamer struct {
	w http.ResponseWriter
	c *http.ResponseController
}

func (s *streamer) open() error {
	s.w.Header().Set("Content-Type", eventStream)
	s.w.Header().Set("X-Accel-Buffering", "no")
	s.w.WriteHeader(http.StatusOK)
	return s.write("retry: 2000\n\n", true)
}

func (s *streamer) beat() error { return s.write(": alive\n\n", true) }

func (s *streamer) event(e *core.EventView) error {
	text, err := json.Marshal(e) // one line
	if err != nil {
		return err
	}
	return s.write(fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", e.Seq, e.Kind, text), false)
}

func (s *streamer) write(text string, flush bool) error {
	_ = s.c.SetWriteDeadline(time.Now().Add(writeWithin))
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	if flush {
		return s.flush()
	}
	return nil
}

func (s *streamer) flush() error { return s.c.Flush() }
