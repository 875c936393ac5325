// The fetch: one address, within bounds of size and time, on no other host, and only where an operator may want to go.

package feed

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/internal/reach"
)

const (
	maxRedirects = 5
	// Packed contents may be so many times as large as what came over the line, beyond what nobody minds.
	maxRatio  = 200
	freeRatio = 16 << 20
)

var (
	errCut      = errors.New("the file is cut short")
	errSize     = errors.New("larger than max_size")
	errBomb     = errors.New("packed " + strconv.Itoa(maxRatio) + " times and more: nobody packs a feed like that")
	errRedirect = errors.New("a redirect that is not followed")
)

func (f *Feed) newClient() *http.Client {
	return &http.Client{CheckRedirect: sameHost, Transport: reach.Transport(f.config.AllowPrivate)}
}

// sameHost follows a redirect within the host that the operator named, and up to https.
func sameHost(r *http.Request, via []*http.Request) error {
	from := via[0].URL
	switch {
	case len(via) > maxRedirects:
		return fmt.Errorf("%w: it is one of more than %d", errRedirect, maxRedirects)
	case !strings.EqualFold(r.URL.Hostname(), from.Hostname()):
		return fmt.Errorf("%w: it leads to another host, %.100q; if the feed has moved there, write that into url", errRedirect, r.URL.Hostname())
	case r.URL.Scheme == from.Scheme && r.URL.Port() == from.Port(), r.URL.Scheme == "https" && r.URL.Port() == "" && from.Port() == "":
		return nil
	}
	return fmt.Errorf("%w: it leads to another port or away from https", errRedirect)
}

// page is one answer, as it is read.
type page struct {
	same           bool // nothing changed
	open           bool // the connection ends with the file, and tells nothing if it ends before
	etag, modified string

	body   *bufio.Reader // unpacked and, where label is not empty, UTF-8
	label  string        // the character set that the server named
	spare  string        // the one to take when nobody names any
	limit  *limited
	closer io.Closer
}

func (p *page) close()      { _ = p.closer.Close() }
func (p *page) read() int64 { return p.limit.n }

// startsWith reports whether the first character is c, that is no space and no part of a byte order mark.
func (p *page) startsWith(c byte) bool {
	text := bytes.TrimLeftFunc(p.peek(512), func(r rune) bool { return r <= ' ' || r == '\ufeff' || r == utf8.RuneError })
	return len(text) > 0 && text[0] == c
}

// peek gives what the first bytes are.
func (p *page) peek(n int) []byte {
	text, _ := p.body.Peek(n) // an error comes again when it is read
	return text
}

func (f *Feed) fetch(ctx context.Context, u *url.URL, validators http.Header) (*page, error) {
	return f.fetchUpTo(ctx, u, validators, f.config.MaxSize)
}

// fetchUpTo asks for an address whose contents may have so many bytes.
func (f *Feed) fetchUpTo(ctx context.Context, u *url.URL, validators http.Header, size int64) (*page, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, errors.New("no address that can be fetched")
	}
	r.Header = validators.Clone()
	r.Header.Set("User-Agent", "otn-feed/"+version)
	r.Header.Set("Accept-Encoding", "gzip")
	if f.config.User != "" {
		r.SetBasicAuth(f.config.User, f.config.Password.Reveal())
	}
	answer, err := f.client.Do(r)
	if err != nil {
		return nil, err
	}
	p, err := f.open(answer, len(validators) > 0, size)
	if err != nil {
		_ = answer.Body.Close()
	}
	return p, err
}

func (f *Feed) open(answer *http.Response, asked bool, size int64) (*page, error) {
	p := &page{closer: answer.Body, spare: f.config.Charset}
	switch {
	case answer.StatusCode == http.StatusNotModified && asked:
		p.same = true
		return p, nil
	case answer.StatusCode != http.StatusOK:
		return nil, refused(answer, f.now())
	}
	if etag := answer.Header.Get("ETag"); len(etag) <= maxValidator {
		p.etag = etag
	}
	p.modified = modifiedOf(answer.Header)
	p.label = charsetOf(answer.Header.Get("Content-Type"))
	return p, p.unpack(answer, size)
}

// modifiedOf is when the file was changed, as far as that tells one version from the next: one that was written in the second of
// the answer may be written again in the same second. Source: RFC 9110, section 8.8.2.2.
func modifiedOf(h http.Header) string {
	modified, err := http.ParseTime(h.Get("Last-Modified"))
	if err != nil {
		return ""
	}
	if date, err := http.ParseTime(h.Get("Date")); err != nil || date.Sub(modified) < time.Second {
		return ""
	}
	return h.Get("Last-Modified")
}

// refused is an answer that is no file.
func refused(answer *http.Response, now time.Time) error {
	err := fmt.Errorf("the server answers %d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
	after := answer.Header.Get("Retry-After")
	wait := time.Duration(0)
	if n, bad := strconv.Atoi(after); bad == nil {
		wait = time.Duration(min(max(n, 0), 86400)) * time.Second
	} else if at, bad := http.ParseTime(after); bad == nil {
		wait = max(at.Sub(now), 0)
	}
	if wait > 0 {
		return &otn.SendError{Outcome: otn.Deferred, Scope: otn.ChannelScope, After: wait, Err: err}
	}
	return err
}

// unpack lays the readers over each other: the line, the server's packing, the file's own packing, and the limit.
func (p *page) unpack(answer *http.Response, size int64) error {
	line := &counted{r: answer.Body}
	var r io.Reader = line
	packed := false
	switch encoding := strings.ToLower(strings.TrimSpace(answer.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			return fmt.Errorf("the server says that it is packed: %w", err)
		}
		r, packed = z, true
	default:
		return fmt.Errorf("packed in a way that was not asked for: %.40q", encoding)
	}
	head := bufio.NewReader(r)
	if magic, _ := head.Peek(2); string(magic) == "\x1f\x8b" {
		z, err := gzip.NewReader(head)
		if err != nil {
			return err
		}
		r, packed = z, true
	} else {
		r = head
	}
	p.open = !packed && answer.ProtoMajor == 1 && answer.ContentLength < 0 && len(answer.TransferEncoding) == 0
	p.limit = &limited{r: r, line: line, max: size, packed: packed}
	p.body = bufio.NewReaderSize(p.limit, 64<<10)
	return nil
}

// counted counts what comes over the line.
type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

// limited ends what is too large, or was made small only to grow here.
type limited struct {
	r      io.Reader
	line   *counted
	n, max int64
	packed bool
}

func (l *limited) Read(b []byte) (int, error) {
	n, err := l.r.Read(b)
	l.n += int64(n)
	switch {
	case l.n > l.max:
		return 0, fmt.Errorf("%w (%d bytes)", errSize, l.max)
	case l.packed && l.n > freeRatio && l.n/maxRatio > l.line.n:
		return 0, errBomb
	}
	return n, err
}

// pieces ends a file of which one piece is too large to be held.
type pieces struct {
	r    io.Reader
	n    int
	last byte
}

func (p *pieces) next() { p.n = 0 }

func (p *pieces) Read(b []byte) (int, error) {
	if p.n > maxPiece {
		return 0, errTooLarge
	}
	n, err := p.r.Read(b)
	if p.n += n; n > 0 {
		p.last = b[n-1]
	}
	return n, err
}

// why says what went wrong, without the address: it may hold a secret.
func (f *Feed) why(ctx context.Context, err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		err = of.Err
	}
	switch ended := ctx.Err(); {
	case errors.Is(ended, context.DeadlineExceeded):
		err = fmt.Errorf("it took longer than %s", f.config.Timeout)
	case ended != nil:
		err = ended
	case errors.Is(err, reach.ErrGuarded):
		err = fmt.Errorf("%w: %w: allow_private lets it be fetched", otn.ErrRefused, err)
	}
	return fmt.Errorf("feed: %s: %w", f.url.Host, err)
}
