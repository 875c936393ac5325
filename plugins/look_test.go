// A plugin that is looked at: what it is, and what it and its platform think of a configuration, with nothing configured.

package plugins_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins"
	"github.com/onetimenotify/otn/plugins/channel"
)

// judge opens what it is told to and finds the fault that it is told to.
var judge = channel.Plugin[verdict]{Name: "judge", Version: "1.0.0", New: func(_ context.Context, c verdict, _ channel.Setup) (any, error) {
	if c.Odd {
		return nil, channel.Fault("odd", "is set")
	}
	return c, nil
}}

type verdict struct {
	Odd  bool   `json:"odd,omitempty"`
	Deep string `json:"deep,omitempty" enum:"bad,panics"`
}

func (v verdict) Send(context.Context, otn.Delivery) (otn.Receipt, error) { return otn.Receipt{}, nil }

func (v verdict) Validate(context.Context) error {
	switch v.Deep {
	case "bad":
		return channel.Fault("deep", "the platform knows no such key")
	case "panics":
		panic("s3cret")
	}
	return nil
}

func TestLookValidates(t *testing.T) {
	for config, want := range map[string]struct {
		deep, asked bool
		fault       string
	}{
		`{}`:                {false, false, ""},
		`{ }`:               {true, true, ""},
		`{"odd":true}`:      {false, false, "odd: is set"},
		`{"odd":7}`:         {true, false, "odd: want boolean, got number"},
		`{"deep":"bad"}`:    {true, true, "deep: the platform knows no such key"},
		`{"deep":"bad" }`:   {false, false, ""},
		`{"deep":"panics"}`: {true, true, "the plugin panicked"},
		`{"deep":"worse"}`:  {false, false, "deep: want one of bad, panics"},
	} {
		p, err := plugins.Look(t.Context(), plugins.Spec{Name: "shop", Command: self(t, "judge"), Env: []string{"GORACE", "GOCOVERDIR"}, Config: []byte(config)})
		if err != nil {
			t.Fatal(err)
		}
		asked, err := p.Validate(t.Context(), want.deep)
		var ce *plugins.ConfigError
		switch {
		case asked != want.asked:
			t.Errorf("%s: asked %v, %v", config, asked, err)
		case want.fault == "" && err != nil, want.fault != "" && (!errors.As(err, &ce) || !strings.Contains(err.Error(), want.fault) || strings.Contains(err.Error(), "s3cret")):
			t.Errorf("%s: %v, want %q", config, err, want.fault)
		}
		p.Close()
		if !gone(p.PID())() {
			t.Error("a process is left")
		}
	}
}

func TestLookAtWhatCannotRun(t *testing.T) {
	for name, want := range map[string]string{"dies": "no licence found", "chatty": "Hello! I am a plugin."} {
		if _, err := plugins.Look(t.Context(), plugins.Spec{Name: "shop", Command: self(t, name)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := plugins.Look(t.Context(), plugins.Spec{Name: "shop", Command: []string{"/nowhere/plugin"}}); err == nil {
		t.Error("what is not there was looked at")
	}
}

// Every fault is found, with its path, and no value is quoted.
func TestCheck(t *testing.T) {
	const schema = `{"type":"object","additionalProperties":false,"required":["name","token"],"properties":{
		"name":{"type":"string","minLength":2,"maxLength":4},"token":{"type":"string","pattern":"^tk_"},"n":{"type":"integer","minimum":1,"maximum":9},
		"steps":{"type":"array","minItems":1,"items":{"type":"object","additionalProperties":false,"properties":{"kind":{"enum":["a","b"]}}}},
		"any":{"anyOf":[{"type":"string"},{"type":"boolean"}]},"ref":{"$ref":"#/$defs/u"}},"$defs":{"u":{"const":"u"}}}`
	for config, want := range map[string]string{
		`{"name":"ab","token":"tk_1","n":3,"steps":[{"kind":"a"}],"any":true,"ref":"u"}`: "",
		`{}`:                                 "name: is required; token: is required",
		`[]`:                                 "want object, got array",
		`null`:                               "want object, got null",
		`{`:                                  "not JSON",
		`{"name":"s3cret","token":"s3cret"}`: "name: want at most 4 characters, got 6; token: want a text like ^tk_",
		`{"name":"ab","token":"tk_","n":99,"nmae":"s3cret"}`:                     "n: want at most 9; nmae: unknown key, known here: any, n, name, ref, steps, token",
		`{"name":"ab","token":"tk_","steps":[{"kind":"a"},{"knd":"s3cret"}]}`:    "steps[1].knd: unknown key, known here: kind",
		`{"name":"ab","token":"tk_","steps":[{"kind":"s3cret"}]}`:                "steps[0].kind: want one of a, b",
		`{"name":"ab","token":"tk_","steps":[],"any":["s3cret"],"ref":"s3cret"}`: "any: fits none of the forms that the plugin allows here; ref: want u; steps: want at least 1, got 0",
	} {
		found, err := plugins.Check([]byte(schema), []byte(config))
		texts := make([]string, len(found))
		for i, d := range found {
			texts[i] = d.String()
		}
		if got := strings.Join(texts, "; "); err != nil || got != want {
			t.Errorf("%s:\n%s\nwant\n%s\n%v", config, got, want, err)
		}
	}
	for bad, want := range map[string]string{
		`{`: "no JSON", `{"type":"text"}`: "schema", `{"$ref":"file:///etc/passwd"}`: "must stand by itself", `{"$ref":"https://example.com/s"}`: "must stand by itself",
	} {
		if _, err := plugins.Check([]byte(bad), []byte("{}")); !errors.Is(err, otn.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if found, err := plugins.Check(nil, []byte(`{"x":1}`)); len(found) != 0 || err != nil {
		t.Errorf("no schema: %v %v", found, err)
	}
}
