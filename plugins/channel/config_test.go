// Configurations: every fault found, with its path, and no secret in any of them.

package channel

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

type limits struct {
	Rate float64 `json:"rate,omitempty"`
}

type config struct {
	limits
	PageID string            `json:"page_id" doc:"The page that sends."`
	Token  otn.Secret        `json:"token"`
	Wait   Duration          `json:"wait" default:"90s"`
	Mode   string            `json:"mode,omitempty" enum:"fast,slow"`
	Tries  int               `json:"tries" default:"3"`
	Floor  otn.Money         `json:"floor,omitempty"`
	Map    map[string]string `json:"map,omitempty"`
	Steps  []struct {
		After *Duration `json:"after,omitempty"`
		Kind  string    `json:"kind"`
	} `json:"steps,omitempty"`
	hidden int
}

func TestDecodeFillsEverything(t *testing.T) {
	c, err := decode[config]([]byte(`{"page_id":"1","token":"s3cret","rate":2,"floor":"9.00 USD","map":{"a":"b"},"steps":[{"kind":"x","after":"2s"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if c.PageID != "1" || c.Token.Reveal() != "s3cret" || c.Rate != 2 || c.Map["a"] != "b" || time.Duration(*c.Steps[0].After) != 2*time.Second || c.Floor.Minor != 900 {
		t.Errorf("a field is missing: %+v", c)
	}
	if time.Duration(c.Wait) != 90*time.Second || c.Tries != 3 {
		t.Errorf("a default is missing: %+v", c)
	}
	c.hidden++
}

func TestDecodeFindsEveryFault(t *testing.T) {
	_, err := decode[config]([]byte(`{"pageid":"1","token":"","wait":"soon","mode":"fats","tries":"many","steps":[{"kind":3},{"after":"-1s","kind":"y"}],"floor":"9"}`))
	var ce *ConfigError
	if !errors.As(err, &ce) || !errors.Is(err, otn.ErrInvalid) {
		t.Fatalf("got %v", err)
	}
	want := []string{
		`floor: "9": not an amount`, `mode: want one of fast, slow`, `pageid: unknown key, did you mean "page_id"?`, `steps[0].kind: want a string, got an integer`,
		`steps[1].after: "-1s" is no length`, `token: is empty`, `tries: want an integer, got a string`, `wait: "soon" is no length`, `page_id: is required`,
	}
	if len(ce.Diagnostics) != len(want) {
		t.Errorf("%d faults, want %d: %v", len(ce.Diagnostics), len(want), err)
	}
	for i, w := range want[:min(len(want), len(ce.Diagnostics))] {
		if !strings.HasPrefix(ce.Diagnostics[i].String(), w) {
			t.Errorf("fault %d is %q, want %q", i, ce.Diagnostics[i], w)
		}
	}
}

func TestDecodeQuotesNoSecret(t *testing.T) {
	for _, text := range []string{`{"page_id":"1","token":["s3cret"]}`, `{"page_id":"1","token":{"s3cret":1}}`, `{"page_id":"1","token":"s3cret"`, `{"page_id":"1","tokne":"s3cret"}`} {
		_, err := decode[config]([]byte(text))
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestSchema(t *testing.T) {
	var got map[string]any
	if err := json.Unmarshal(schemaOf[config](), &got); err != nil {
		t.Fatal(err)
	}
	fields := got["properties"].(map[string]any)
	if want := []any{"page_id", "token"}; !reflect.DeepEqual(got["required"], want) || got["additionalProperties"] != false {
		t.Errorf("required %v, additional %v", got["required"], got["additionalProperties"])
	}
	for name, want := range map[string]map[string]any{
		"page_id": {"type": "string", "description": "The page that sends."},
		"token":   {"type": "string", "writeOnly": true},
		"wait":    {"type": "string", "default": "90s"},
		"mode":    {"type": "string", "enum": []any{"fast", "slow"}},
		"tries":   {"type": "integer", "default": 3.0},
		"rate":    {"type": "number"},
		"map":     {"type": "object", "additionalProperties": map[string]any{"type": "string"}},
	} {
		if !reflect.DeepEqual(fields[name], want) {
			t.Errorf("%s is %v, want %v", name, fields[name], want)
		}
	}
	if len(fields) != 9 {
		t.Errorf("%d fields, want 9", len(fields))
	}
}

type nothing struct{}

func TestOpenRefuses(t *testing.T) {
	open := func(impl any, err error) error {
		p := Plugin[nothing]{Name: "p", New: func(context.Context, nothing, Setup) (any, error) { return impl, err }}
		_, err = p.Open(t.Context(), nil, Setup{})
		return err
	}
	if err := open(struct{}{}, nil); err == nil || !strings.Contains(err.Error(), "implements none") {
		t.Errorf("a type that can do nothing: %v", err)
	}
	err := open(nil, errors.Join(Fault("a", "is odd"), errors.New("so it is")))
	if err == nil || err.Error() != "configuration: a: is odd; so it is" {
		t.Errorf("joined faults: %v", err)
	}
	panics := Plugin[nothing]{Name: "p", New: func(context.Context, nothing, Setup) (any, error) { panic("no") }}
	if _, err := panics.Open(t.Context(), nil, Setup{}); err == nil {
		t.Error("a panic in New is no error")
	}
}
