// Texts as webhooks write them.

package messenger

import (
	"encoding/json"
	"testing"
)

func TestTexts(t *testing.T) {
	for in, want := range map[string]string{
		`"abc"`: "abc", `"caf\u00e9"`: "café", `"café"`: "café", `"a\/b"`: "a/b", `""`: "", `null`: "",
		`8100000000000000001`: "8100000000000000001", `true`: "true", `{"a":1}`: `{"a":1}`, `"\ud83c\udf9f"`: "🎟",
		"\"\xff\"": "�", `"\""`: `"`,
	} {
		var got text
		if err := json.Unmarshal([]byte(in), &got); err != nil || string(got) != want {
			t.Errorf("%s reads as %q, %v, want %q", in, got, err, want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for in, want := range map[string]int64{`5`: 5, `"5"`: 5, ` -3 `: -3, `9007199254740993`: 9007199254740993} {
		if got, ok := number([]byte(in)); !ok || got != want {
			t.Errorf("%s reads as %d, %v", in, got, ok)
		}
	}
	for _, in := range []string{``, `""`, `"`, `null`, `1.5`, `1e3`, `"a"`, `[1]`, `99999999999999999999`} {
		if got, ok := number([]byte(in)); ok {
			t.Errorf("%s reads as %d", in, got)
		}
	}
}
