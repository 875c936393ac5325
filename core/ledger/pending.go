// How many may still be told: what a rule asks before it looks at anybody.

package ledger

// Recovered is the code of a delivery whose answer was found in the marks of a process that died, or nowhere.
const Recovered = recoveredCode

// Pending is how many consents of a line wait or are claimed: any of them may still be told by another run. It reads no disk.
func (l *Ledger) Pending(of Line) int64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if n, ok := l.lines[of]; ok {
		return n.waiting + n.claimed
	}
	return 0
}
