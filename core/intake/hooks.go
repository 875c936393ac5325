// The HTTP side of the door: /hooks/{instance} and below it.

package intake

import (
	"errors"
	"io"
	"maps"
	"net/http"

	"github.com/onetimenotify/otn/core/otn"
)

// MaxBody is the largest webhook body, in bytes.
const MaxBody = 1 << 20

// Hooks answers /hooks/{instance} and /hooks/{instance}/…: the instance authenticates and decodes, what it yields is on
// disk before the 2xx. An unknown instance is 404, a body over MaxBody 413, an instance that is not there or a store in trouble 503.
func (in *Intake) Hooks(receivers map[string]otn.Receiver) http.Handler {
	mux := http.NewServeMux()
	call := func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("instance")
		receiver, ok := receivers[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		path := ""
		if rest := r.PathValue("path"); rest != "" {
			path = "/" + rest
		}
		in.measured(w, r, name, path, receiver)
	}
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodOptions} {
		mux.HandleFunc(method+" /hooks/{instance}", call)
		mux.HandleFunc(method+" /hooks/{instance}/{path...}", call)
	}
	return mux
}

// measured is receive, measured.
func (in *Intake) measured(w http.ResponseWriter, r *http.Request, name, path string, receiver otn.Receiver) {
	if in.Meter == nil {
		in.receive(w, r, name, path, receiver)
		return
	}
	began, answered := in.Now(), &status{ResponseWriter: w}
	write := in.receive(answered, r, name, path, receiver)
	in.Meter.Step(otn.Step{
		Kind: otn.HookStep, Instance: name, Began: began, Took: in.Now().Sub(began), Status: answered.code, Failed: answered.code >= http.StatusInternalServerError,
		Write: write,
	})
}

// status remembers how a webhook was answered.
type status struct {
	http.ResponseWriter
	code int
}

// WriteHeader notes the first status.
func (s *status) WriteHeader(code int) {
	if s.code == 0 {
		s.code = code
	}
	s.ResponseWriter.WriteHeader(code)
}

// Unwrap lets a body that is too large close the connection.
func (s *status) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// receive answers a webhook, and gives the number of the write that keeps what it told.
func (in *Intake) receive(w http.ResponseWriter, r *http.Request, name, path string, receiver otn.Receiver) (write uint64) {
	defer func() {
		if p := recover(); p != nil {
			in.Log.Error("a receiver panicked", "instance", name, "panic", p)
			http.Error(w, "internal error", http.StatusInternalServerError)
		}
	}()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if err != nil {
		var big *http.MaxBytesError
		if errors.As(err, &big) {
			http.Error(w, "body too large", http.StatusRequestEntityTooLarge)
			return 0
		}
		http.Error(w, "body cut short", http.StatusBadRequest)
		return 0
	}
	resp, records, err := receiver.Receive(r.Context(), otn.Request{
		Method: r.Method, Path: path, Query: r.URL.Query(), Header: r.Header, Body: body, Remote: r.RemoteAddr, At: in.Now(),
	})
	if err != nil {
		in.Log.Error("a webhook was not received", "instance", name, "error", err)
		retryLater(w)
		return 0
	}
	if resp.Status == http.StatusUnauthorized || resp.Status == http.StatusForbidden {
		in.Log.Warn("a webhook was refused: its signature or key is wrong", "instance", name, "remote", r.RemoteAddr)
	}
	if len(records) > 0 {
		result, err := in.take(r.Context(), name, records, nil, in.passOver(name), true)
		if err != nil {
			in.Log.Error("records were not written", "instance", name, "error", err)
			retryLater(w)
			return 0
		}
		write = result.Seq
	}
	in.answer(w, resp)
	return write
}

func retryLater(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "5")
	http.Error(w, "not available now", http.StatusServiceUnavailable)
}

func (in *Intake) answer(w http.ResponseWriter, r otn.Response) {
	maps.Copy(w.Header(), r.Header)
	if r.Status == 0 {
		r.Status = http.StatusOK
	}
	w.WriteHeader(r.Status)
	if _, err := w.Write(r.Body); err != nil {
		in.Log.Debug("answer cut short", "error", err)
	}
}
