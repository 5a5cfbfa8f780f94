package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/lumelle/adminkit/storage/storagetest/process"
)

func TestMain(m *testing.M) {
	process.Main(roles)
	goleak.VerifyTestMain(m)
}

// one makes a round of each proof of a kind.
func one(t *testing.T, kind string) map[string]int64 {
	t.Helper()
	c := &campaign{file: filepath.Join(t.TempDir(), "results.jsonl")}
	defer func() {
		if err := c.close(); err != nil {
			t.Error(err)
		}
	}()
	counts := map[string]int64{}
	for _, p := range proofs {
		if p.kind != kind {
			continue
		}
		r, err := c.round(t.Context(), p, 1)
		if err != nil {
			t.Fatalf("%s: %v", p.name, err)
		}
		for _, v := range r.Violations {
			t.Errorf("%s: %s", p.name, v)
		}
		for name, n := range r.Counts {
			add(counts, name, n)
		}
	}
	return counts
}

func atLeast(t *testing.T, counts map[string]int64, want map[string]int64) {
	t.Helper()
	for name, n := range want {
		if counts[name] < n {
			t.Errorf("%s = %d, want %d at least", name, counts[name], n)
		}
	}
	t.Log(counts)
}

func TestKilledProcessesLoseNothing(t *testing.T) {
	atLeast(t, one(t, "kill"), map[string]int64{"kills": 8 * killsPerRound, "crashes": killsPerRound / 2, "stops": 4, "jobs": 2 * jobsPerRound, "takeovers": 1})
}

func TestPowerCutsAndFullDisksLoseNothing(t *testing.T) {
	atLeast(t, one(t, "power"), map[string]int64{"cuts": cutsPerRound, "control_cuts_that_lost": 1, "points": pointsPerRound, "refused": pointsPerRound})
}

func TestStoresAnswerAlikeAndHistoriesAreLinearizable(t *testing.T) {
	atLeast(t, one(t, "model"), map[string]int64{
		"operations": 10_000, "operations_of_jobs": 5000, "histories_of_revisions": 3 * historiesPerRound, "histories_of_claims": 3 * historiesPerRound, "planted_found": 9,
	})
}

func TestTheCountsOfAllRoundsAreAddedUp(t *testing.T) {
	c := &campaign{file: filepath.Join(t.TempDir(), "results.jsonl")}
	var text strings.Builder
	for _, r := range []*round{
		{Kind: "kill", Name: "a", Counts: map[string]int64{"kills": 2, "took_max": 7}},
		{Kind: "kill", Name: "a", Counts: map[string]int64{"kills": 3, "took_max": 5}, Violations: []string{"x"}},
	} {
		line, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(append(line, '\n'))
	}
	if err := os.WriteFile(c.file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	if err := c.sum(&got); err != nil || got.String() != "total kill a: kills=5 rounds=2 took_max=7 violations=1\n" {
		t.Errorf("sum = %q, %v", got.String(), err)
	}
}

func TestBadArgumentsAreRefused(t *testing.T) {
	for _, args := range [][]string{{"-only", "nothing"}, {"stray"}, {"-for", "-1s"}, {"-for", "soon"}} {
		if _, err := run(t.Context(), args); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
}
