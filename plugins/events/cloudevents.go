// CloudEvents 1.0: structured, in batches, and binary, where the attributes are headers.

package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/url"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/internal/hook"
)

const (
	structuredType = "application/cloudevents+json"
	batchType      = "application/cloudevents-batch+json"
)

func isCloud(r otn.Request) bool {
	kind := mediaType(r)
	return kind == structuredType || kind == batchType || hook.Header(r, "ce-specversion") != ""
}

func mediaType(r otn.Request) string {
	kind, _, err := mime.ParseMediaType(hook.Header(r, "Content-Type"))
	if err != nil {
		return ""
	}
	return kind
}

// isEnvelope finds a structured CloudEvent that was sent as plain JSON.
func isEnvelope(body json.RawMessage) bool {
	var e struct {
		Version *string `json:"specversion"`
		Source  *string `json:"source"`
	}
	return json.Unmarshal(body, &e) == nil && e.Version != nil && e.Source != nil
}

func cloudEvents(r otn.Request) ([]event, error) {
	kind := mediaType(r)
	if kind != structuredType && kind != batchType {
		return []event{orWrong(binaryEvent(r))}, nil
	}
	list, err := elements(r.Body)
	if err != nil {
		return nil, err
	}
	events := make([]event, len(list))
	for n, body := range list {
		events[n] = orWrong(cloudEvent(body))
	}
	return events, nil
}

// cloudEvent reads one structured event. Attributes that are no text are left out: nothing here needs them.
func cloudEvent(body json.RawMessage) (event, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return event{}, errors.New("no JSON object")
	}
	about := map[string]string{}
	for name, text := range fields {
		var s string
		if name != "data" && name != "data_base64" && json.Unmarshal(text, &s) == nil {
			about[name] = s
		}
	}
	data := fields["data"]
	if packed, ok := fields["data_base64"]; ok {
		var b []byte
		if json.Unmarshal(packed, &b) != nil {
			return event{}, errors.New("data_base64 is not base64")
		}
		data = b
	}
	return newCloudEvent(about, data)
}

// binaryEvent reads an event whose attributes are headers, percent-encoded, and whose data is the body.
func binaryEvent(r otn.Request) (event, error) {
	about := map[string]string{}
	for name, values := range r.Header {
		attribute, ok := strings.CutPrefix(strings.ToLower(name), "ce-")
		if !ok || len(values) == 0 {
			continue
		}
		value, err := url.PathUnescape(values[0])
		if err != nil {
			return event{}, fmt.Errorf("header ce-%.40q: not percent-encoded", attribute)
		}
		about[attribute] = strings.TrimSpace(value)
	}
	return newCloudEvent(about, r.Body)
}

func newCloudEvent(about map[string]string, data []byte) (event, error) {
	if v := about["specversion"]; v != "1.0" {
		return event{}, fmt.Errorf("specversion %.20q: want 1.0", v)
	}
	for _, name := range []string{"id", "source", "type"} {
		if about[name] == "" {
			return event{}, fmt.Errorf("%s is missing", name)
		}
	}
	e := event{body: data, about: about, key: hashKey("ce", about["source"], about["id"])}
	if t := about["time"]; t != "" {
		at, err := time.Parse(time.RFC3339Nano, t)
		if err != nil {
			return event{}, fmt.Errorf("time %.40q: want RFC 3339", t)
		}
		e.at = at.UTC()
	}
	return e, nil
}
