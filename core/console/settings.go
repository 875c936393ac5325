// Settings: keys, backups, and what operators did.

package console

import (
	"fmt"
	"path/filepath"

	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// settingsView is the page of settings.
type settingsView struct {
	Backups string
	Keys    []core.Key // for who may see them
}

func (settingsView) title() string { return "Settings" }

func (c *console) settings(v *visit) (any, error) {
	s := settingsView{}
	if v.key.May(core.ScopeAdmin) {
		var err error
		if s.Keys, err = c.host.Keys(); err != nil {
			return nil, err
		}
	}
	if c.Backups != "" {
		s.Backups = filepath.Join(c.Backups, c.Now().In(c.Zone).Format("2006-01-02-150405"))
	}
	return s, nil
}

// backup copies the store to a folder of the daemon's machine.
func (c *console) backup(v *visit) (done, error) {
	dir := v.arg("dir")
	if !filepath.IsAbs(dir) {
		return done{}, fmt.Errorf("name the folder from the root of the file system: %w", otn.ErrInvalid)
	}
	b, err := c.host.Backup(v.Context(), dir)
	said := fmt.Sprintf("Backed up to %s and checked, with %s. The key file is not in it.", dir, count(b.Consents, "consent", "consents"))
	return done{to: "/settings", said: said, what: dir}, err
}

// revoke lets a key in no more, at once. Keys are made at the command line: a secret is on no page.
func (c *console) revoke(v *visit) (done, error) {
	id := v.arg("id")
	return done{to: "/settings", said: "Key " + id + " is let in no more.", what: "key " + id}, c.host.RevokeKey(v.Context(), id)
}

// auditView is a page of what operators and keys did.
type auditView struct {
	Key, Act string
	Rows     []core.AuditEntry
	Next     string
	First    bool
}

func (auditView) title() string { return "Audit" }

func (c *console) audit(v *visit) (any, error) {
	a := auditView{Key: v.arg("key"), Act: v.arg("act"), First: v.arg("after") == ""}
	var err error
	a.Rows, a.Next, err = c.host.Audit(core.AuditQuery{Key: a.Key, Act: a.Act, Cursor: v.arg("after"), Limit: aPage})
	return a, err
}
