// A plugin that its author runs under a debugger: otn attaches to it in place of launching one.

package plugins

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/onetimenotify/otn/core/otn"
	"github.com/onetimenotify/otn/plugins/internal/wire"
)

// Attached is a plugin's process that somebody else started, and goes on with.
type Attached struct {
	PID  int    `json:"pid"`
	Addr string `json:"addr"` // its socket
}

// Attachments reads OTN_REATTACH, the line that a plugin prints when it is run with OTN_DEBUG: for each name, of a plugin or an
// instance, where it listens. Empty text: none. Errors: otn.ErrInvalid.
func Attachments(text string) (map[string]Attached, error) {
	if text == "" {
		return nil, nil
	}
	var all map[string]Attached
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return nil, fmt.Errorf(`plugins: OTN_REATTACH is not the line that the plugin printed, {"NAME":{"pid":…,"addr":"…"}}: %w`, otn.ErrInvalid)
	}
	for name, a := range all {
		if !filepath.IsAbs(a.Addr) {
			return nil, fmt.Errorf("plugins: OTN_REATTACH: %q listens at no absolute path: %w", name, otn.ErrInvalid)
		}
	}
	return all, nil
}

// patience is how long a plugin under a debugger may take for anything: somebody may be reading its variables.
const patience = time.Hour

// attachPause is between two tries to reach a plugin that is to be attached.
const attachPause = time.Second

// attach makes a life of a process that is there already. It is never ended, watched or asked whether it lives.
func attach(ctx context.Context, spec *Spec, m *meter) (*life, error) {
	if err := ownSocket(spec.Attach.Addr); err != nil {
		return nil, err
	}
	addr := &net.UnixAddr{Net: "unix", Name: spec.Attach.Addr}
	conn, err := wire.DialPlain(addr)
	if err != nil {
		return nil, err
	}
	l := &life{spec: spec, addr: addr, conn: conn, calls: wire.NewPluginClient(conn), leaving: make(chan struct{})}
	l.child = newChild(&program{path: spec.Attach.Addr}, nil, nil, "", newSink(spec.Log, m))
	if err := l.connect(ctx); err != nil {
		l.end(false)
		return nil, fmt.Errorf("attach to process %d: %w", spec.Attach.PID, err)
	}
	return l, nil
}

// ownSocket refuses a socket that another account made or could put something in the place of: secrets go there, and it speaks no TLS.
func ownSocket(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if info.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("%s is no socket: %w", path, otn.ErrInvalid)
	}
	dir, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	if dir.Mode()&0o077 != 0 {
		return fmt.Errorf("others can look into %s (%s), where the plugin that is to be attached listens: %w", filepath.Dir(path), dir.Mode(), otn.ErrInvalid)
	}
	return onlyOurs(path, sameOwner{info})
}

// sameOwner is a file of which only the owner counts: its folder keeps others out.
type sameOwner struct{ os.FileInfo }

func (s sameOwner) Mode() os.FileMode { return s.FileInfo.Mode() &^ 0o077 }

// pid is the process, launched or attached.
func (l *life) pid() int {
	if l.spec.Attach != nil {
		return l.spec.Attach.PID
	}
	return l.child.pid()
}
