// How a page is made: its frame, its view, and the words that views use.

package console

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core"
)

// asset is a file that a page loads.
type asset struct {
	kind, version string
	text          []byte
}

// readAssets takes the files that are served into memory: those alone, by their names.
func (c *console) readAssets() error {
	c.assets = map[string]asset{}
	return fs.WalkDir(content, "files", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := content.ReadFile(name)
		if err != nil {
			return err
		}
		kind, served := map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}[path.Ext(name)]
		if !served {
			return nil
		}
		sum := sha256.Sum256(text)
		c.assets[strings.TrimPrefix(name, "files/")] = asset{kind, hex.EncodeToString(sum[:6]), text}
		return nil
	})
}

// asset serves a file. Its address has its version, so that a browser may keep it.
func (c *console) asset(w http.ResponseWriter, r *http.Request) {
	a, ok := c.assets[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", a.kind)
	if r.URL.Query().Get("v") == a.version {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	_, _ = w.Write(a.text)
}

// readViews parses every view with the frame around it.
func (c *console) readViews() error {
	frame, err := template.New("frame").Option("missingkey=error").Funcs(c.vocabulary()).ParseFS(content, "pages/frame/*.html")
	if err != nil {
		return fmt.Errorf("console: %w", err)
	}
	files, err := fs.Glob(content, "pages/*.html")
	if err != nil {
		return fmt.Errorf("console: %w", err)
	}
	c.views = map[string]*template.Template{}
	for _, name := range files {
		view := template.Must(frame.Clone())
		if _, err := view.ParseFS(content, name); err != nil {
			return fmt.Errorf("console: %w", err)
		}
		c.views[strings.TrimSuffix(path.Base(name), ".html")] = view
	}
	return nil
}

// sheet is what every view is made from. Body is the view's own.
type sheet struct {
	Title, Here, Back string
	Key               *core.Key // nil: nobody is logged in
	Said              *notice
	Now               time.Time
	Body              any
}

// May reports whether the one who looks may do something of a scope.
func (s *sheet) May(scope string) bool { return s.Key != nil && s.Key.May(core.Scope(scope)) }

func (c *console) sheet(v *visit) *sheet {
	area, _, _ := strings.Cut(strings.TrimPrefix(v.URL.Path, "/"), "/")
	if area == "send" {
		area = "runs"
	}
	if area == "audit" {
		area = "settings"
	}
	s := &sheet{Here: area, Back: v.URL.RequestURI(), Key: &v.key, Now: c.Now()}
	if v.Method == http.MethodPost {
		s.Back = v.arg("back")
	}
	if !live(v.Request) {
		s.Said = c.sessions.told(v.session)
	}
	return s
}

// titled is a body that names its page.
type titled interface{ title() string }

// show makes a view, or one part of it.
func (c *console) show(w http.ResponseWriter, v *visit, view, part string, body any) {
	s := c.sheet(v)
	s.Body = body
	if t, ok := body.(titled); ok {
		s.Title = t.title()
	}
	if part != "" {
		c.renderPart(w, v.Request, view, part, s)
		return
	}
	c.render(w, http.StatusOK, view, s)
}

// render makes a whole page. Nothing is written where the view fails.
func (c *console) render(w http.ResponseWriter, status int, view string, s *sheet) {
	var b bytes.Buffer
	if err := c.views[view].ExecuteTemplate(&b, "frame", s); err != nil {
		c.Log.Error("a page of the console could not be made", "view", view, "error", err)
		http.Error(w, broken, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// renderPart makes a part of a view. A name that the view does not have is not found.
func (c *console) renderPart(w http.ResponseWriter, r *http.Request, view, part string, s *sheet) {
	t := c.views[view].Lookup("part-" + part)
	if t == nil {
		http.NotFound(w, r)
		return
	}
	var b bytes.Buffer
	if err := t.Execute(&b, s); err != nil {
		c.Log.Error("a part of a page could not be made", "view", view, "part", part, "error", err)
		http.Error(w, broken, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes())
}
