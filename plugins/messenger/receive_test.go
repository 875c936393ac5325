// The webhook's door against the vectors: who is let in, and what is answered.

package messenger

import (
	"crypto/hmac"
	"crypto/sha256"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/onetimenotify/otn/core/otn"
)

type vector struct {
	ID, File, Scheme, Secret, Expect string
	Headers                          map[string]string
}

func vectors(t testing.TB) (ours []vector) {
	t.Helper()
	var all struct{ Vectors []vector }
	readFixture(t, "vectors.json", &all)
	for _, v := range all.Vectors {
		if v.Scheme == "messenger" {
			ours = append(ours, v)
		}
	}
	return ours
}

func (v *vector) request(t testing.TB) otn.Request {
	t.Helper()
	h := http.Header{}
	for name, value := range v.Headers {
		h.Set(name, value)
	}
	return otn.Request{
		Method: http.MethodPost, Header: h, At: fixtureTime,
		Body: fixture(t, strings.TrimPrefix(v.File, "messenger/")),
	}
}

func receive(t testing.TB, m *Messenger, r otn.Request) (otn.Response, []otn.Record) {
	t.Helper()
	resp, records, err := m.Receive(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return resp, records
}

func TestVectors(t *testing.T) {
	m := open(t, testConfig(""))
	all := vectors(t)
	if len(all) != 49 {
		t.Fatalf("%d vectors, want 49", len(all))
	}
	for _, v := range all {
		t.Run(v.ID, func(t *testing.T) {
			resp, records := receive(t, m, v.request(t))
			want := http.StatusOK
			switch {
			case v.Expect == "reject":
				want = http.StatusUnauthorized
			case strings.HasSuffix(v.File, "object.instagram.json"):
				want = http.StatusNotFound
			}
			if resp.Status != want {
				t.Errorf("answered %d, want %d", resp.Status, want)
			}
			if want != http.StatusOK && (len(records) > 0 || len(resp.Body) > 0) {
				t.Errorf("a refused call yields %d records and says %q", len(records), resp.Body)
			}
		})
	}
}

func TestHandshake(t *testing.T) {
	var all struct {
		Cases []struct {
			Query, Body string
			Status      int
			MustNot     string `json:"body_must_not_contain"`
		}
	}
	readFixture(t, "handshake.json", &all)
	m := open(t, testConfig(""))
	wordless := testConfig("")
	wordless.VerifyToken = otn.Secret{}
	none := open(t, wordless)
	for _, c := range all.Cases {
		q, err := url.ParseQuery(c.Query)
		if err != nil {
			t.Fatal(err)
		}
		resp, _ := receive(t, m, otn.Request{Method: http.MethodGet, Query: q})
		if resp.Status != c.Status || string(resp.Body) != c.Body || c.MustNot != "" && strings.Contains(string(resp.Body), c.MustNot) {
			t.Errorf("%s: %d %q", c.Query, resp.Status, resp.Body)
		}
		if kind := resp.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/plain") || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: served as %q", c.Query, kind)
		}
		if resp, _ := receive(t, none, otn.Request{Method: http.MethodGet, Query: q}); resp.Status != http.StatusForbidden {
			t.Errorf("%s: %d without a configured word", c.Query, resp.Status)
		}
	}
}

// While the app secret is being changed both are good; a secret that is gone is not.
func TestSecretsRotate(t *testing.T) {
	v := vectors(t)[0]
	c := testConfig("")
	c.AppSecret, c.OldAppSecrets = otn.NewSecret("the new one"), []otn.Secret{otn.NewSecret("older"), otn.NewSecret(v.Secret)}
	if resp, _ := receive(t, open(t, c), v.request(t)); resp.Status != http.StatusOK {
		t.Errorf("an old secret: %d", resp.Status)
	}
	c.OldAppSecrets = c.OldAppSecrets[:1]
	if resp, _ := receive(t, open(t, c), v.request(t)); resp.Status != http.StatusUnauthorized {
		t.Errorf("a secret that is gone: %d", resp.Status)
	}
}

func TestDoorsThatAreNotThere(t *testing.T) {
	m := open(t, testConfig(""))
	v := vectors(t)[0]
	signed := v.request(t)
	for _, c := range []struct {
		name   string
		change func(*otn.Request)
		want   int
	}{
		{"a path below", func(r *otn.Request) { r.Path = "/chatfuel" }, http.StatusNotFound},
		{"a slash", func(r *otn.Request) { r.Path = "/" }, http.StatusOK},
		{"PUT", func(r *otn.Request) { r.Method = http.MethodPut }, http.StatusMethodNotAllowed},
		{"HEAD", func(r *otn.Request) { r.Method = http.MethodHead }, http.StatusMethodNotAllowed},
		{"two signatures", func(r *otn.Request) {
			r.Header = r.Header.Clone()
			r.Header.Add(signatureHeader, r.Header.Get(signatureHeader))
		}, http.StatusUnauthorized},
		{"a byte more", func(r *otn.Request) { r.Body = append(r.Body[:len(r.Body):len(r.Body)], '\n') }, http.StatusUnauthorized},
	} {
		r := signed
		c.change(&r)
		if resp, _ := receive(t, m, r); resp.Status != c.want {
			t.Errorf("%s: %d, want %d", c.name, resp.Status, c.want)
		}
	}
}

// sum is the HMAC of a body under the test secret.
func sum(body []byte) []byte {
	h := hmac.New(sha256.New, []byte(testApp))
	_, _ = h.Write(body)
	return h.Sum(nil)
}
