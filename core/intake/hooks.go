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
		in.receive(w, r, name, path, receiver)
	}
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodOptions} {
		mux.HandleFunc(method+" /hooks/{instance}", call)
		mux.HandleFunc(method+" /hooks/{instance}/{path...}", call)
	}
	return mux
}

func (in *Intake) receive(w http.ResponseWriter, r *http.Request, name, path string, receiver otn.Receiver) {
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
			return
		}
		http.Error(w, "body cut short", http.StatusBadRequest)
		return
	}
	resp, records, err := receiver.Receive(r.Context(), otn.Request{
		Method: r.Method, Path: path, Query: r.URL.Query(), Header: r.Header, Body: body, Remote: r.RemoteAddr, At: in.Now(),
	})
	if err != nil {
		in.Log.Error("a webhook was not received", "instance", name, "error", err)
		retryLater(w)
		return
	}
	if resp.Status == http.StatusUnauthorized || resp.Status == http.StatusForbidden {
		in.Log.Warn("a webhook was refused: its signature or key is wrong", "instance", name, "remote", r.RemoteAddr)
	}
	if len(records) > 0 {
		if _, err := in.WriteEach(r.Context(), name, records...); err != nil {
			in.Log.Error("records were not written", "instance", name, "error", err)
			retryLater(w)
			return
		}
	}
	in.answer(w, resp)
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
