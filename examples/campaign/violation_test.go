package main

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
)

// blank returns a round that has not found anything yet.
func blank(t *testing.T) *round {
	return &round{Counts: map[string]int64{}, dir: t.TempDir(), random: rand.New(rand.NewPCG(1, 0)), campaign: &campaign{}}
}

func TestALostEntryIsAViolation(t *testing.T) {
	r := blank(t)
	path, err := newLedger(t.Context(), r.dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.examine(t.Context(), path, []string{"writer 1"}, false, "relaxed"); got.Lost != 1 || len(r.Violations) != 0 {
		t.Errorf("where entries may be lost: %+v, %q", got, r.Violations)
	}
	r.examine(t.Context(), path, []string{"writer 1"}, true, "durable")
	if len(r.Violations) != 1 || !strings.HasPrefix(r.Violations[0], "durable: ") {
		t.Errorf("violations %q, want the lost entry", r.Violations)
	}
	r.examine(t.Context(), r.dir, nil, true, "a directory")
	if len(r.Violations) != 2 {
		t.Errorf("violations %q, want a file that cannot be read too", r.Violations)
	}
}

func TestAJobThatIsLostOrDoneTwiceIsAViolation(t *testing.T) {
	for _, c := range []struct {
		name, rows string
		lost       int64
		twice      int64
		late       int64
	}{
		{"all is well", `(1, 'a', 7, 0, 0), (2, 'a', 8, 500000, 0)`, 0, 0, 0},
		{"a job is lost", `(1, 'a', 7, 0, 0)`, 1, 0, 0},
		{"a job was done twice", `(1, 'a', 7, 0, 0), (2, 'a', 8, 500000, 0), (1, 'a', 8, 500001, 0)`, 0, 1, 0},
		{"a takeover is late", `(1, 'a', 7, 0, 0), (2, 'a', 8, 9000000, 0)`, 0, 0, 1},
		{"a lane without work gets some later", `(1, 'a', 7, 0, 0), (2, 'a', 8, 9000000, 8900000)`, 0, 0, 0},
	} {
		r := blank(t)
		place, err := r.sqlitePlace(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b, err := open(t.Context(), place)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close(context.Background()) })
		w := &crewing{round: r, place: place, store: b, asked: 2, kills: map[int]int64{7: 1}}
		for _, query := range []string{createDone, `INSERT INTO done (job, lane, pid, at, asked) VALUES ` + c.rows} {
			if err := w.exec(t.Context(), query); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.verify(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r.Counts["lost"] != c.lost || r.Counts["twice"] != c.twice || r.Counts["takeovers_late"] != c.late {
			t.Errorf("%s: %v", c.name, r.Counts)
		}
		if (len(r.Violations) > 0) != (c.lost+c.twice > 0) {
			t.Errorf("%s: violations %q", c.name, r.Violations)
		}
	}
}

// A test of the kit that is skipped, or not there, has proven nothing.
func TestATestThatDidNotRunIsAnError(t *testing.T) {
	r := blank(t)
	if err := r.test(t.Context(), suite{"./storage", "^TestThatNobodyWrote$", nil, "", nil}); err == nil || len(r.Violations) > 0 {
		t.Errorf("a test that is not there: %v, %q", err, r.Violations)
	}
	if err := r.test(t.Context(), suite{"./storage", "^Test", nil, "figures", answered}); err == nil {
		t.Error("tests that count nothing were taken")
	}
}
