package mapstore

import (
	"context"
	"sync"

	"github.com/lumelle/adminkit/storage"
)

// A Backend keeps everything in maps of this process. It is safe for concurrent use.
type Backend struct {
	// turn holds one token. Who took it is the one writer.
	turn chan struct{}
	// closed is closed when no more transactions begin.
	closed chan struct{}
	once   sync.Once

	// committed is locked to publish what a transaction wrote, and read-locked by who
	// reads outside of transactions. The writer reads without it: only the writer
	// publishes.
	committed sync.RWMutex

	audit       *auditStore
	idempotency *idempotencyStore
	webhooks    *webhookStore
	authz       *authzStore
	approvals   *approvalStore
	credentials *credentialStore
	jobs        *jobStore
	flags       *flagStore
	automation  *automationStore
	saved       *savedFilterStore
}

// New makes an empty backend.
func New() (*Backend, error) {
	b := &Backend{turn: make(chan struct{}, 1), closed: make(chan struct{})}
	b.turn <- struct{}{}
	b.audit = &auditStore{Backend: b}
	b.idempotency = &idempotencyStore{Backend: b}
	b.webhooks = &webhookStore{Backend: b}
	b.authz = &authzStore{Backend: b}
	b.approvals = &approvalStore{Backend: b}
	b.credentials = &credentialStore{Backend: b}
	b.jobs = &jobStore{Backend: b}
	b.flags = &flagStore{Backend: b}
	b.automation = &automationStore{Backend: b}
	b.saved = &savedFilterStore{Backend: b}
	return b, nil
}

// Close waits for the transaction that runs, at the longest until ctx is done, and
// refuses all that come after. Closing again does no harm. What the maps hold is gone
// with the Backend.
func (b *Backend) Close(ctx context.Context) error {
	b.once.Do(func() { close(b.closed) })
	select {
	case <-b.turn:
		b.turn <- struct{}{}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ready returns why nothing may begin, or nil.
func (b *Backend) ready(ctx context.Context) error {
	select {
	case <-b.closed:
		return storage.ErrUnavailable
	default:
		return ctx.Err()
	}
}
