package sqlite_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/lumelle/adminkit/storage/storagetest/powercut"
	"github.com/lumelle/adminkit/storage/storagetest/process"
)

// cutPower records a child that keeps a ledger and returns how many of n simulated power
// cuts lost acknowledged entries. Everything else that a cut may do to a ledger fails the
// test. A short run, as that under the race detector, records less.
func cutPower(t *testing.T, role string, n int) (lost int) {
	t.Helper()
	lines := 1000
	if testing.Short() {
		n, lines = n/10, lines/10
	}
	if err := powercut.Available(); err != nil {
		if os.Getenv("ADMINKIT_STRICT") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	path := ledgerFile(t)
	trace, err := powercut.Record(filepath.Dir(path), process.Config{Role: role, Args: []string{path}}, lines)
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	worst := 0
	for cut := range trace.Cuts(n, seed) {
		dir := t.TempDir()
		if err := cut.Restore(dir); err != nil {
			t.Fatal(err)
		}
		got, err := check(t, filepath.Join(dir, filepath.Base(path)), cut.Said)
		if err != nil || got.Halved+got.Broken > 0 {
			t.Errorf("seed %d, %v: %v, %v", seed, cut, err, got.Err())
		}
		if got.Lost > 0 {
			lost++
			worst = max(worst, got.Lost)
		}
	}
	t.Logf("%s, seed %d: %d power cuts over %d entries, %d lost entries (%d in the worst)", role, seed, n, len(trace.Said()), lost, worst)
	return lost
}

func TestAPowerCutLosesNothingThatWasAcknowledged(t *testing.T) {
	if lost := cutPower(t, "ledger", 200); lost != 0 {
		t.Errorf("%d power cuts lost acknowledged entries", lost)
	}
}

// The control: with synchronous=NORMAL the same cuts must be seen to lose entries, else
// the test above proves nothing. Even then nothing is damaged.
func TestAPowerCutLosesWhatAHostDidNotSync(t *testing.T) {
	if lost := cutPower(t, "careless ledger", 100); lost == 0 {
		t.Error("no power cut lost acknowledged entries")
	}
}
