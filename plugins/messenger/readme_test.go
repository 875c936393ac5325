// The README says what is so: its configurations are taken, its codes and names are those of the code.

package messenger

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/channel"
)

func fenced(t *testing.T, language string) (list []string) {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?ms)^ *```"+language+"\n(.*?)^ *```$").FindAllStringSubmatch(string(text), -1) {
		list = append(list, m[1])
	}
	if len(list) == 0 {
		t.Fatalf("no %s in the README", language)
	}
	return list
}

func TestReadmeConfigurations(t *testing.T) {
	for _, source := range fenced(t, "yaml") {
		source = regexp.MustCompile(`\$\{env:([A-Z_]+)\}`).ReplaceAllString(source, "$1-is-a-secret-word")
		config, err := yaml.YAMLToJSON([]byte(source))
		if err != nil {
			t.Fatal(err)
		}
		i, err := Plugin.Open(t.Context(), config, channel.Setup{})
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		_ = i.Close()
	}
}

func TestReadmeBlock(t *testing.T) {
	body := fenced(t, "json")[0]
	resp, records := receive(t, botPage(t), block([]byte(strings.Replace(body, "…", botWord, 1)), "secret", ""))
	if resp.Status != http.StatusOK || len(records) != 1 {
		t.Errorf("%d %s", resp.Status, resp.Body)
	}
}

func TestReadmeNames(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	b := newBreakers()
	names := []string{b.lost.code, b.refused.code, b.outside.code, namePerson, nameAlias, nameSecret, nameTitle, nameTopic, nameSubject, nameBlock, nameDelay}
	var a jsonAnswer
	if err := json.Unmarshal(botAnswer(http.StatusOK, "x", nil).Body, &a); err != nil {
		t.Fatal(err)
	}
	for name := range a.Attributes {
		names = append(names, name)
	}
	for _, name := range names {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("%s is not in the README", name)
		}
	}
	if otn.MaxAskTitle != 65 || maxLinkRef != 149 || maxDelay.Hours() != 24 {
		t.Error("the README's numbers are others")
	}
}

// The way to the permission stands where a page is set up: both places of it, the request, the terms.
func TestReadmeSetsUpAPage(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, steps, found := strings.Cut(string(text), "\n## Set up a page\n")
	if !found {
		t.Fatal("nothing says how a page is set up")
	}
	steps, _, _ = strings.Cut(steps, "\n## ")
	for _, part := range []string{"Page settings → Advanced Messaging", "Business settings", "Requested Features → One-Time Notification → Request", "accept the terms", "otn channels test"} {
		if !strings.Contains(steps, part) {
			t.Errorf("it does not say %q", part)
		}
	}
}
