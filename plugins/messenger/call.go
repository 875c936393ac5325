// One call of the Graph API: one attempt, a bounded answer, and the knowledge whether anything left.

package messenger

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

// maxAnswer bounds what is read of an answer, in bytes; a Send API answer has about a hundred.
const maxAnswer = 64 << 10

// answer is what came of one call: an HTTP answer read to its end, or err. With err, left says whether a byte of the
// request may have reached the network.
type answer struct {
	status int
	header http.Header
	body   []byte

	err  error
	left bool
}

// call makes one call within the configured timeout. The access token travels in a header, never in the URL.
func (m *Messenger) call(ctx context.Context, method, path string, query url.Values, body []byte) answer {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(m.config.Timeout))
	defer cancel()
	var t trail
	req, err := http.NewRequestWithContext(t.follow(ctx), method, m.url(path, query), bytes.NewReader(body))
	if err != nil {
		return answer{err: errors.New("graph_url makes no request")}
	}
	req.Header.Set("Authorization", "Bearer "+m.config.PageToken.Reveal())
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "otn/"+Version)
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	return m.do(req, &t)
}

// do makes the call and reads its answer.
func (m *Messenger) do(req *http.Request, t *trail) answer {
	resp, err := m.client.Do(req)
	if err != nil {
		return answer{err: withoutURL(err), left: t.left()}
	}
	defer func() { _ = resp.Body.Close() }()
	read, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return answer{status: resp.StatusCode, header: resp.Header, err: err, left: true}
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: read}
}

// url joins the Graph API's address, a path and a query.
func (m *Messenger) url(path string, query url.Values) string {
	if m.config.AppSecretProof {
		if query == nil {
			query = url.Values{}
		}
		query.Set("appsecret_proof", proof(m.config.AppSecret, m.config.PageToken))
	}
	if len(query) == 0 {
		return m.config.GraphURL + path
	}
	return m.config.GraphURL + path + "?" + query.Encode()
}

// proof is the HMAC-SHA256 of the access token under the app secret. Source: Meta, Secure Graph API Requests.
func proof(secret, token otn.Secret) string {
	h := hmac.New(sha256.New, []byte(secret.Reveal()))
	_, _ = io.WriteString(h, token.Reveal())
	return hex.EncodeToString(h.Sum(nil))
}

// withoutURL takes the URL, with whatever its query holds, out of a client's error.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
