// The calls about one person.

package api_test

import (
	"strings"
	"testing"

	"github.com/onetimenotify/otn/core/otn"
)

// Tags are replaced, cleared or changed; those of an import come with the consent, and not without it.
func TestTagCalls(t *testing.T) {
	grant := `{"channel":"shop","recipient":"222","topic":"journal","token":"tok","tags":["vip"]}`
	for _, c := range []struct {
		method, path, body string
		err                error
		status             int
		tagged             string
	}{
		{"PUT", "/v1/subscribers/shop/222/tags", `{"tags":["a","b"]}`, nil, 200, "shop/222 [a b]true +[] -[]"},
		{"PUT", "/v1/subscribers/shop/222/tags", `{"tags":[]}`, nil, 200, "shop/222 []true +[] -[]"},
		{"PUT", "/v1/subscribers/shop/222/tags", `{"add":["vip"],"remove":["old"]}`, nil, 200, "shop/222 []false +[vip] -[old]"},
		{"PUT", "/v1/subscribers/shop/222/tags", `{"tgas":["a"]}`, nil, 422, ""},
		{"PUT", "/v1/subscribers/nowhere/222/tags", `{"add":["vip"]}`, otn.ErrNotFound, 404, "nowhere/222 []false +[vip] -[]"},
		{"POST", "/v1/consents", grant, nil, 200, "shop/222 []false +[vip] -[]"},
		{"POST", "/v1/consents", grant, otn.ErrUnknownTopic, 404, ""},
		{"POST", "/v1/consents", strings.Replace(grant, "vip", "v ip", 1), nil, 422, ""},
	} {
		f := &fake{err: c.err}
		status, text, _ := call(t, open(t, f), c.method, c.path, c.body)
		if status != c.status || f.tagged != c.tagged {
			t.Errorf("%s %s %s: %d %s, tagged %q, want %d, %q", c.method, c.path, c.body, status, text, f.tagged, c.status, c.tagged)
		}
		if status == 422 && f.got != nil {
			t.Errorf("%s: the host got %v", c.body, f.got)
		}
	}
}

// What is deleted: a person, and one consent.
func TestDelete(t *testing.T) {
	for _, c := range []struct {
		path   string
		err    error
		status int
		got    any
	}{
		{"/v1/subscribers/shop/222", nil, 200, "erase shop 222"},
		{"/v1/subscribers/shop/2%2F2", nil, 200, "erase shop 2/2"},
		{"/v1/subscribers/shop/222", otn.ErrUnavailable, 503, "erase shop 222"},
		{"/v1/consents/c1", nil, 200, "withdraw c1"},
		{"/v1/consents/c1", otn.ErrSpent, 409, "withdraw c1"},
		{"/v1/consents/c1", otn.ErrNotFound, 404, "withdraw c1"},
	} {
		f := &fake{err: c.err}
		status, text, _ := call(t, open(t, f), "DELETE", c.path, "")
		if status != c.status || f.got != c.got {
			t.Errorf("%s: %d %s, the host got %v", c.path, status, text, f.got)
		}
	}
}
