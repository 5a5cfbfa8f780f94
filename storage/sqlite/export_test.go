package sqlite

// Waiting returns how many InTx calls wait for their turn.
func (b *Backend) Waiting() int {
	b.committer.mu.Lock()
	defer b.committer.mu.Unlock()
	return len(b.committer.queue)
}

// Numbered is the placeholder rewriting.
var Numbered = numbered
