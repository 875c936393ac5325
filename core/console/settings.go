// Settings: the key of this session, and backups.

package console

import (
	"fmt"
	"path/filepath"

	"github.com/onetimenotify/otn/core/otn"
)

// settingsView is the page of settings.
type settingsView struct {
	Backups string
}

func (settingsView) title() string { return "Settings" }

func (c *console) settings(*visit) (any, error) {
	s := settingsView{}
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
	return done{"/settings", said, "a backup"}, err
}
