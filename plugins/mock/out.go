// What the mock accepted: in a file that survives it, in the log, or in memory.

package mock

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/onetimenotify/otn/core/otn"
)

const stdout = "stdout"

// Line is one accepted message in the file. The token itself is never written.
type Line struct {
	At         time.Time      `json:"at"`
	Delivery   otn.DeliveryID `json:"delivery"`
	Channel    string         `json:"channel"`
	Subscriber string         `json:"subscriber"`
	Token      otn.TokenID    `json:"token,omitzero"` // of a reply: none
	Attempt    int            `json:"attempt"`
	Message    otn.Message    `json:"message"`
}

// ReadFile gives what mocks wrote to a file, in order. A last line that is not whole was not accepted.
func ReadFile(path string) ([]Line, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var all []Line
	r := bufio.NewReader(f)
	for {
		text, err := r.ReadBytes('\n')
		if err != nil {
			return all, nil
		}
		var l Line
		if err := json.Unmarshal(text, &l); err != nil {
			return all, fmt.Errorf("%s: line %d: %w", path, len(all)+1, err)
		}
		all = append(all, l)
	}
}

// openFile learns which tokens the file says were used, and gets ready to add to it.
func (m *Mock) openFile() error {
	before, err := ReadFile(m.config.Out)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	for _, l := range before {
		m.seen[l.Token] = l.Token != otn.TokenID{}
	}
	m.out, err = os.OpenFile(m.config.Out, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	return err
}

// Close closes the file.
func (m *Mock) Close() error {
	if m.out == nil {
		return nil
	}
	return m.out.Close()
}

// accept takes a message: from here on it has left. A file gets it in one write, so that a kill leaves it whole or not there.
func (m *Mock) accept(d otn.Delivery) (otn.Receipt, error) {
	var token otn.TokenID // a reply spends none
	if !d.Reply {
		token = d.Token.ID()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.config.SingleUseToken && m.seen[token] {
		return otn.Receipt{}, &otn.SendError{Outcome: otn.Refused, Code: "used", Err: otn.ErrSpent}
	}
	if err := m.show(d, token); err != nil {
		return otn.Receipt{}, err
	}
	m.seen[token] = !d.Reply
	return otn.Receipt{ProviderID: "mock." + d.ID.String()}, nil
}

func (m *Mock) show(d otn.Delivery, token otn.TokenID) error {
	switch {
	case m.config.Out == stdout:
		m.log.Info("message", "subscriber", d.Subscriber.ID, "delivery", d.ID.String(), "text", words(&d.Message))
		return nil
	case m.out == nil:
		m.taken = append(m.taken, d)
		return nil
	}
	line, err := json.Marshal(Line{time.Now().UTC(), d.ID, d.Channel, d.Subscriber.ID, token, d.Attempt, d.Message})
	if err != nil {
		return err
	}
	_, err = m.out.Write(append(line, '\n'))
	return err
}

// step finds what to do with a message and uses the step up by one.
func (m *Mock) step(d *otn.Delivery) Step {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, s := range m.config.Script {
		if s.Times > 0 && m.used[i] >= s.Times {
			continue
		}
		if s.Match == "" || s.Match == d.Subscriber.ID || strings.Contains(words(&d.Message), s.Match) {
			m.used[i]++
			return s
		}
	}
	return Step{Do: Accept}
}

// words is all text of a message, for people and for matching.
func words(m *otn.Message) string {
	parts := []string{m.Text, m.Image}
	cards := m.Gallery
	if m.Card != nil {
		cards = append([]otn.Card{*m.Card}, cards...)
	}
	for _, c := range cards {
		parts = append(parts, c.Title, c.Subtitle, c.URL)
	}
	return strings.TrimSpace(strings.Join(parts, " "))
}
