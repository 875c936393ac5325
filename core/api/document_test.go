// The document that programs are written against.

package api_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/core/api"
)

func TestDocument(t *testing.T) {
	status, text, _ := call(t, open(t, &fake{}), "GET", "/openapi.json", "", "Authorization", "")
	if status != 200 || !strings.Contains(text, `"openapi":"3.1.0"`) || strings.Contains(text, "$schema") {
		t.Errorf("%d %.200s", status, text)
	}
	same, err := api.Document("test")
	if err != nil || string(same) != text {
		t.Errorf("Document differs: %v", err)
	}
	for _, path := range []string{"/v1/observations", "/v1/triggers/{name}", "/v1/deliveries/{id}/resolve", "/v1/decisions"} {
		if !strings.Contains(text, `"`+path+`"`) {
			t.Errorf("%s is not described", path)
		}
	}
}

var update = flag.Bool("update", false, "write the golden file anew")

// The document that programs are written against changes only on purpose: go test ./core/api -update
func TestDocumentIsCommitted(t *testing.T) {
	text, err := api.Document("v1")
	if err != nil {
		t.Fatal(err)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, text, "", "  "); err != nil {
		t.Fatal(err)
	}
	const file = "testdata/openapi.json"
	if *update {
		if err := os.WriteFile(file, pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(want, pretty.Bytes()) {
		t.Errorf("%s is not what the door serves: %v", file, err)
	}
}
