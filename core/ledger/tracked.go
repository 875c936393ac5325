// How many documents there are under a prefix, counted as they come and go.

package ledger

import (
	"fmt"
	"strings"
)

// Track counts the documents under a prefix, and keeps the count from then on. It reads all of them once.
func (l *Ledger) Track(prefix string) error {
	l.writing.Lock() // what is being written is counted when it is true
	defer l.writing.Unlock()
	n := int64(0)
	if err := l.all(docKey(prefix), func([]byte, []byte) error { n++; return nil }); err != nil {
		return fmt.Errorf("ledger: track %q: %w", prefix, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tracked[prefix] = n
	return nil
}

// Tracked is how many documents there are under a prefix that is tracked. It reads no disk.
func (l *Ledger) Tracked(prefix string) int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.tracked[prefix]
}

// track counts a document that comes (1) or goes (-1). Under mu, once it is written.
func (l *Ledger) track(key string, change int64) {
	for prefix := range l.tracked {
		if change != 0 && strings.HasPrefix(key, prefix) {
			l.tracked[prefix] += change
		}
	}
}
