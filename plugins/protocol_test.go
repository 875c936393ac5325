// The protocol's page and its .proto say the same.

package plugins_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestProtocolPage(t *testing.T) {
	page, err := os.ReadFile("PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	proto, err := os.ReadFile("internal/wire/otn.proto")
	if err != nil {
		t.Fatal(err)
	}
	named := func(what, name string) {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("PROTOCOL.md does not name the %s %s", what, name)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^  rpc (\w+)\(`).FindAllStringSubmatch(string(proto), -1) {
		named("call", m[1])
	}
	for _, field := range fields(t, string(proto), "Capabilities") {
		named("capability", field[1])
	}
	for _, field := range fields(t, string(proto), "Record") {
		if field[1] != "key" && field[1] != "at" {
			named("record", field[0])
		}
	}
	for _, m := range regexp.MustCompile(`OUTCOME_(\w+) =`).FindAllStringSubmatch(string(proto), -1) {
		named("outcome", m[1])
	}
}

// fields are the types and the names of a message's fields.
func fields(t *testing.T, proto, message string) (all [][2]string) {
	t.Helper()
	_, body, found := strings.Cut(proto, "message "+message+" {")
	body, _, _ = strings.Cut(body, "\n}")
	for _, m := range regexp.MustCompile(`(?m)^ +(?:repeated )?(\S+) (\w+) = \d+;`).FindAllStringSubmatch(body, -1) {
		all = append(all, [2]string{m[1], m[2]})
	}
	if !found || len(all) == 0 {
		t.Fatalf("no message %s", message)
	}
	return all
}
