package sqlite

import (
	"context"

	"github.com/lumelle/adminkit/storage/internal/migrate"
	"github.com/lumelle/adminkit/storage/internal/signal"
)

// PollSignals has a Backend that nobody listens to do without reports of the system.
func (b *Backend) PollSignals() {
	b.signals = signal.New(&signalFile{locate: b.file, watch: func(ctx context.Context, _ string) (watcher, error) {
		return poll(ctx), nil
	}})
}

// MaxSignalFile is the size at which the file of signals is emptied.
const MaxSignalFile = maxSignalFile

// Waiting returns how many InTx calls wait for their turn.
func (b *Backend) Waiting() int {
	b.committer.mu.Lock()
	defer b.committer.mu.Unlock()
	return len(b.committer.queue)
}

// Numbered is the placeholder rewriting.
var Numbered = numbered

// Engine is what the migration runner sees of a Backend.
func Engine(b *Backend) migrate.Engine { return engine{b} }
