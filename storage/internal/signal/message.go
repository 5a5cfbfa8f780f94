package signal

import (
	"encoding/json"
	"errors"

	"github.com/lumelle/adminkit/storage"
)

// MaxMessage is the longest message in bytes. Postgres takes no payload of a
// notification that is longer.
const MaxMessage = 7_900

// maxBatch is how many signals of a topic travel at once. More become one that names
// nothing, because then looking at everything costs less.
const maxBatch = 1_000

// ErrDeaf reports a transport that sends and cannot receive.
var ErrDeaf = errors.New("signal: this transport does not receive")

// A batch is what was signalled of one topic since the last sending.
type batch struct {
	all     bool // anything may have changed
	signals map[storage.Signal]struct{}
}

func (b *batch) add(signals []storage.Signal) {
	if len(signals) == 0 || len(b.signals)+len(signals) > maxBatch {
		b.all, b.signals = true, nil
	}
	if b.all {
		return
	}
	if b.signals == nil {
		b.signals = make(map[storage.Signal]struct{}, len(signals))
	}
	for _, s := range signals {
		b.signals[s] = struct{}{}
	}
}

// A message is what one line says.
type message struct {
	From    string      `json:"from"`
	Topic   string      `json:"topic"`
	Signals [][2]string `json:"signals,omitempty"` // tenant and name
}

// encode returns a batch as messages, as many as it needs.
func (b *batch) encode(from, topic string) (messages []string) {
	m := message{From: from, Topic: topic}
	all := []string{m.String()}
	if b.all {
		return all
	}
	room := MaxMessage - len(all[0]) - len(`,"signals":[]`)
	left := room
	for s := range b.signals {
		pair := [2]string{s.Tenant, s.Name}
		text, _ := json.Marshal(pair) // strings always marshal
		size := len(text) + 1
		if size > room { // no id of the kit is that long
			return all
		}
		if left -= size; left < 0 {
			messages = append(messages, m.String())
			m.Signals, left = nil, room-size
		}
		m.Signals = append(m.Signals, pair)
	}
	return append(messages, m.String())
}

// String returns the message as it travels.
func (m message) String() string {
	text, _ := json.Marshal(m) // strings always marshal
	return string(text)
}

// decode reads a message. Anybody who may connect to the database, or write to its
// directory, can have written it.
func decode(text string) (m message, err error) {
	if len(text) > MaxMessage {
		return message{}, errors.New("signal: the message is too long")
	}
	err = json.Unmarshal([]byte(text), &m)
	return m, err
}

func (m message) signals() []storage.Signal {
	signals := make([]storage.Signal, len(m.Signals))
	for i, s := range m.Signals {
		signals[i] = storage.Signal{Tenant: s[0], Name: s[1]}
	}
	return signals
}
