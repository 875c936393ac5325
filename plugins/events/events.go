// The source and its configuration.

// Package events is a source: it takes JSON from anything that can call a web address. CloudEvents (structured, batch and
// binary), Standard Webhooks and plain JSON become observations or triggers: as they are when they are in otn's own form,
// or else by a map from fields to facts. What a Zapier row needs:
//
//	zap:
//	  plugin: events
//	  config:
//	    secret: "${env:ZAP_SECRET}"       # sent as Authorization: Bearer …, or as /hooks/zap/SECRET
//	    kind: item
//	    map:
//	      id: sku
//	      title: title
//	      price: {from: price, type: money, currency: currency}   # "$119.00" and "usd", each a field of the row
//	      stock: {from: quantity, type: int}                      # "3" is 3, "three" is an error that is shown
//	      sellable: {from: in_stock, type: bool}
//
// Sources: CloudEvents 1.0 with its HTTP binding and web hooks, Standard Webhooks 1.0.
package events

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
)

// Plugin is the source as a program.
var Plugin = channel.Plugin[Config]{
	Name:    "events",
	Version: "1.0.0",
	New: func(_ context.Context, c Config, _ channel.Setup) (any, error) {
		return New(c)
	},
}

// Config is who may call, and how a body is read.
type Config struct {
	Secret  otn.Secret                 `json:"secret,omitzero" doc:"Who knows it may call. whsec_… is a key of Standard Webhooks; any other is sent as Authorization: Bearer SECRET, or as the last part of the address, /hooks/INSTANCE/SECRET."`
	Secrets []otn.Secret               `json:"secrets,omitempty" doc:"More of them: one match is enough, so that a new one can stand beside the old while it is changed."`
	Kind    string                     `json:"kind,omitempty" enum:"item,collection,trigger" doc:"What the map makes of a body. Left out: bodies are in otn's own form."`
	Name    string                     `json:"name,omitempty" doc:"Of the trigger, with kind trigger."`
	Map     map[string]json.RawMessage `json:"map,omitempty" doc:"For each fact the body's field that tells it: a name or path (variants.0.price), @subject for an attribute of a CloudEvent, or {from, type, currency} to convert it. Types: bool int float string money minor time list."`
	Types   []string                   `json:"types,omitempty" doc:"Types of CloudEvents that are taken; others are answered and left alone. Left out: all."`
}

// Events is one address that takes events.
type Events struct {
	config Config
	keys   []key
	fields []field // of the map, sorted; none: otn's own form
}

var _ otn.Receiver = (*Events)(nil)

// New makes a source. Without a secret it does not start. Its error names every fault of the configuration.
func New(c Config) (*Events, error) {
	e := &Events{config: c}
	var faults []error
	for _, secret := range slices.Concat([]otn.Secret{c.Secret}, c.Secrets) {
		if secret.IsZero() {
			continue
		}
		k, err := newKey(secret)
		if err != nil {
			faults = append(faults, err)
		}
		e.keys = append(e.keys, k)
	}
	if len(e.keys) == 0 {
		faults = append(faults, channel.Fault("secret", "is missing: anybody could call"))
	}
	fields, bad := readMap(c.Kind, c.Map)
	faults = append(faults, bad...)
	e.fields = fields
	switch {
	case (c.Kind == "") != (len(c.Map) == 0):
		faults = append(faults, channel.Fault("map", "kind and map go together"))
	case c.Kind == "trigger" && c.Name == "":
		faults = append(faults, channel.Fault("name", "is missing: which trigger?"))
	case c.Kind != "trigger" && c.Name != "":
		faults = append(faults, channel.Fault("name", "is for kind trigger"))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return e, nil
}
