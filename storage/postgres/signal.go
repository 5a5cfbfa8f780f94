package postgres

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/internal/signal"
)

// Signal implements storage.Signals.
func (b *Backend) Signal(topic string, origin any, signals ...storage.Signal) {
	b.signals.Signal(topic, origin, signals...)
}

// Listen implements storage.Signals. The first listener has the Backend open a
// connection of its own beside the pool, the last one has it closed.
func (b *Backend) Listen(topic string, origin any, fn func(signals []storage.Signal)) (stop func()) {
	return b.signals.Listen(topic, origin, fn)
}

// hangUpIn is how long the connection may take to say goodbye.
const hangUpIn = time.Second

// notifications carry messages with NOTIFY and LISTEN.
type notifications struct {
	source source
	dial   func(ctx context.Context) (*pgx.Conn, error)
	deaf   bool

	mu   sync.Mutex
	name string
}

var _ signal.Transport = (*notifications)(nil)

// channel returns the name under which those meet that share the tables. Channels
// belong to a database, the tables to a schema of it.
func (n *notifications) channel(ctx context.Context) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.name == "" {
		err := storage.QueryRow(ctx, n.source.conn(), `
			SELECT 'adminkit_' || oid FROM pg_namespace WHERE nspname = current_schema()`, nil, &n.name)
		if err != nil {
			return "", err
		}
	}
	return n.name, nil
}

// Send implements signal.Transport. It runs after the changes it tells of, in a
// transaction of its own: a NOTIFY makes commits wait for each other. That one need not
// wait for the disk.
func (n *notifications) Send(ctx context.Context, messages []string) error {
	channel, err := n.channel(ctx)
	if err != nil {
		return err
	}
	for _, m := range messages {
		if _, err := n.source.conn().Exec(ctx, `
			SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)`, channel, m); err != nil {
			return err
		}
	}
	return nil
}

// Receive implements signal.Transport.
func (n *notifications) Receive(ctx context.Context, ready func(), got func(message string)) error {
	if n.deaf {
		return signal.ErrDeaf
	}
	channel, err := n.channel(ctx)
	if err != nil {
		return err
	}
	c, err := n.dial(ctx)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hangUpIn)
		defer cancel()
		c.Close(ctx)
	}()
	if _, err := c.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	ready()
	for {
		m, err := c.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		got(m.Payload)
	}
}
