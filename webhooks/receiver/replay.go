package receiver

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrReplayed reports an attempt that was seen before: the same message at the same
// timestamp. A sender that tries again does so at another time.
var ErrReplayed = errors.New("receiver: the attempt was seen before")

// A Memory remembers attempts for as long as their timestamp is accepted. Receivers of
// several processes share one over their store; [NewMemory] serves a single process.
type Memory interface {
	// First remembers key until a time and reports true, or reports false where it
	// remembers key already.
	First(ctx context.Context, key string, until time.Time) (bool, error)
}

// remember reports [ErrReplayed] for a verified attempt that was seen before.
func (v *Verifier) remember(ctx context.Context, m Message, timestamp string) error {
	if v.cfg.Memory == nil {
		return nil
	}
	first, err := v.cfg.Memory.First(ctx, m.ID+"\x00"+timestamp, m.At.Add(v.cfg.Tolerance+time.Second))
	if err == nil && !first {
		return ErrReplayed
	}
	return err
}

// NewMemory returns a Memory inside the process. Only what carries a valid signature
// gets into it, so it grows with the sender's rate and not with an attacker's. now is
// the clock; nil is the system's.
func NewMemory(now func() time.Time) Memory {
	if now == nil {
		now = time.Now
	}
	return &memory{now: now, until: map[string]time.Time{}}
}

type memory struct {
	now func() time.Time

	mu    sync.Mutex
	until map[string]time.Time
	// sweep is how many keys make it worth to look for those that ran out.
	sweep int
}

var _ Memory = (*memory)(nil)

// First implements Memory.
func (m *memory) First(_ context.Context, key string, until time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if end, ok := m.until[key]; ok && now.Before(end) {
		return false, nil
	}
	if len(m.until) >= m.sweep {
		for k, end := range m.until {
			if !now.Before(end) {
				delete(m.until, k)
			}
		}
		m.sweep = max(1024, 2*len(m.until))
	}
	m.until[key] = until
	return true, nil
}
