package storagetest

import (
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
)

// The zoo: backends that are broken on purpose, each in one way that somebody would
// break a real one. Each names the rule that must find it.
var zoo = []struct {
	name string
	rule string
	make func(b *memory.Backend) Backend
}{
	{"writes with plain statements once its transaction has ended", "TX-010", func(b *memory.Backend) Backend { return &autocommits{Backend: b} }},
	{"commits what a panic left behind", "TX-003", func(b *memory.Backend) Backend { return &commitsPanics{b} }},
	{"keeps its writer when the goroutine ends", "TX-004", func(b *memory.Backend) Backend { return newKeepsWriter(b) }},
	{"has no savepoints", "TX-007", func(b *memory.Backend) Backend { return &noSavepoints{b} }},
	{"commits savepoints by themselves", "TX-008", func(b *memory.Backend) Backend { return &eagerSavepoints{Backend: b} }},
	{"swallows the error of the function", "TX-002", func(b *memory.Backend) Backend { return &swallowsErrors{b} }},
	{"wraps the error of the function", "TX-002", func(b *memory.Backend) Backend { return &wrapsErrors{b} }},
	{"commits although the function failed", "TX-002", func(b *memory.Backend) Backend { return &commitsErrors{b} }},
	{"runs a function that failed once more", "TX-002", func(b *memory.Backend) Backend { return &retries{b} }},
	{"forgets to commit", "TX-001", func(b *memory.Backend) Backend { return &forgetsToCommit{b} }},
	{"commits although the ctx was cancelled", "TX-015", func(b *memory.Backend) Backend { return &ignoresCancel{b} }},
	{"runs functions for a ctx that is done", "TX-016", func(b *memory.Backend) Backend { return &ignoresCancel{b} }},
	{"begins a transaction of its own in another backend's", "TX-014", func(b *memory.Backend) Backend { return &ignoresForeign{b} }},
	{"answers nil where two goroutines met", "TX-013", func(b *memory.Backend) Backend { return &hidesBusy{Backend: b} }},
	{"reads what is not committed", "TX-006", func(b *memory.Backend) Backend { return &readsDirty{Backend: b} }},
	{"reads past its own transaction", "TX-005", func(b *memory.Backend) Backend { return &readsCommitted{Backend: b} }},
	{"loses writers that come too close", "TX-019", func(b *memory.Backend) Backend { return &losesCloseWriters{Backend: b} }},
	{"takes its neighbours along when one fails", "TX-020", func(b *memory.Backend) Backend { return &takesNeighbours{Backend: b} }},
	{"goes on after Close", "TX-021", func(b *memory.Backend) Backend { return &neverCloses{b} }},

	{"ignores the tenant of audit records", "TN-001", func(b *memory.Backend) Backend {
		return &changesKeys{Backend: b, tenant: func(string) string { return "all" }}
	}},
	{"finds records in other tenants", "TN-002", func(b *memory.Backend) Backend { return &findsOthers{Backend: b} }},
	{"shows deliveries to other tenants", "TN-004", func(b *memory.Backend) Backend { return &showsDeliveries{Backend: b} }},
	{"answers an empty record for what is not there", "TN-003", func(b *memory.Backend) Backend { return &findsNothing{Backend: b} }},

	{"folds the case of ids", "ID-001", func(b *memory.Backend) Backend { return &changesKeys{Backend: b, id: strings.ToLower} }},
	{"trims ids", "ID-001", func(b *memory.Backend) Backend { return &changesKeys{Backend: b, id: strings.TrimSpace} }},
	{"trims tenants", "ID-002", func(b *memory.Backend) Backend { return &changesKeys{Backend: b, tenant: strings.TrimSpace} }},
	{"cuts what follows a NUL", "ID-003", func(b *memory.Backend) Backend { return &cutsAtNUL{Backend: b} }},
	{"orders ids as people do", "ID-004", func(b *memory.Backend) Backend { return &ordersByLetters{Backend: b} }},

	{"orders records of one time anyhow", "PG-001", func(b *memory.Backend) Backend { return &unstableOrder{Backend: b} }},
	{"runs on into the next tenant", "PG-002", func(b *memory.Backend) Backend { return &runsOn{Backend: b} }},
	{"goes on by counting rows", "PG-003", func(b *memory.Backend) Backend { return &countsRows{Backend: b} }},
	{"looks for the record that a cursor was made from", "PG-004", func(b *memory.Backend) Backend { return &looksForLast{Backend: b} }},
	{"starts over at a bad cursor", "PG-005", func(b *memory.Backend) Backend { return &startsOver{Backend: b} }},
	{"always has a next page", "PG-006", func(b *memory.Backend) Backend { return &neverEnds{Backend: b} }},

	{"updates whatever the revision is", "RV-001", func(b *memory.Backend) Backend { return &ignoresRevision{Backend: b} }},
	{"compares revisions before it writes", "RV-002", func(b *memory.Backend) Backend { return &comparesFirst{Backend: b} }},

	{"forgets a table", "TE-001", forgetsATable},
	{"exports tenants whose names are alike", "TE-002", exportsNeighbours},
	{"gives secrets away", "TE-003", givesSecretsAway},
	{"swallows the error of the receiver", "TE-004", swallowsTheReceiver},
	{"reads table by table", "TE-005", readsTableByTable},
	{"exports in the middle of a transaction", "TE-006", leavesInside},
	{"exports backwards", "TE-007", exportsBackwards},
	{"leaves rows", "TD-001", leavesRows},
	{"deletes tenants whose names are alike", "TD-002", deletesNeighbours},
	{"deletes the evidence", "TD-003", deletesTheEvidence},
	{"deletes all at once", "TD-004", deletesAllAtOnce},
	{"loses its place", "TD-005", losesItsPlace},
	{"settles jobs that are gone", "TD-006", func(b *memory.Backend) Backend { return &settlesTheGone{b} }},
	{"remembers whom it deleted", "TD-007", newRemembersTheGone},

	{"always has a migration left", "MG-001", func(b *memory.Backend) Backend { return &neverMigrates{b} }},
}

func TestZooIsCaught(t *testing.T) {
	for _, animal := range zoo {
		t.Run(animal.rule+" "+animal.name, func(t *testing.T) {
			t.Parallel()
			i := slices.IndexFunc(rules(), func(r rule) bool { return r.id == animal.rule })
			if i < 0 {
				t.Fatalf("there is no rule %s", animal.rule)
			}
			open := func() Backend { return animal.make(newMemory(t)) }
			failures := ruletest.Find(t.Context(), func(w testing.TB) {
				for _, failure := range try(t, rules()[i], open(), open, 2*time.Second) {
					w.Error(failure)
				}
			})
			if len(failures) == 0 {
				t.Errorf("%s does not find a backend that %s", animal.rule, animal.name)
			}
		})
	}
}

func TestEveryRuleThatMemoryCanBreakHasAnAnimal(t *testing.T) {
	// What needs a host's transaction or a place to share is shown on the SQL engines;
	// the rest of these is shown to be kept by their own tests in the backends.
	without := map[string]string{
		"TX-009": "the animals of TX-007 and TX-008 break it too",
		"TX-011": "the handle of a savepoint is memory's own",
		"TX-012": "the handle of a savepoint is memory's own",
		"TX-017": "AfterCommit is the handle's own",
		"TX-018": "AfterCommit is the handle's own",
		"TX-022": "needs a shared place",
		"TX-023": "AfterCommit is the handle's own",
		"RV-003": "a refused statement ends a transaction on Postgres only",
		"MG-002": "needs a shared place",
	}
	for _, r := range rules() {
		caught := slices.ContainsFunc(zoo, func(a struct {
			name string
			rule string
			make func(b *memory.Backend) Backend
		}) bool {
			return a.rule == r.id
		})
		if _, excused := without[r.id]; caught == (excused || r.needs == aHost) {
			t.Errorf("%s: in the zoo: %t, excused: %t", r.id, caught, excused)
		}
	}
}

func TestRulesHaveNoFalseAlarms(t *testing.T) {
	const runs = 5
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for range runs {
		b := newMemory(t) // shared by all rules, as in Run
		shuffled := rules()
		random.Shuffle(len(shuffled), reflect.Swapper(shuffled))
		for _, r := range shuffled {
			if failures := try(t, r, b, func() Backend { return newMemory(t) }, patience); len(failures) > 0 {
				t.Errorf("seed %d: %s: %q", seed, r.id, failures)
			}
		}
	}
}

// The matrix must reach each method that reads: TN-004 proves nothing about a method
// whose arguments never hit.
func TestMatrixReachesEveryReader(t *testing.T) {
	blind := []string{ // their answers hold no content
		"Audit.Recorded", "Authz.Head", "Webhooks.Subscribers", "Approvals.Counts", "Jobs.Attempts",
		"Automation.InsertEvent", "Automation.Listeners", "Automation.PutSignal",
		"Flags.Lock", "Flags.Head", "Flags.Save", "Flags.Use", "Flags.Count", "Automation.CountRules", "Webhooks.CountEndpoints",
		"Webhooks.ReplaceSealed", "Idempotency.ReplaceBody", "Credentials.ReplaceSealed", "Credentials.Count",
		"SavedFilters.Count",
	}
	b := newMemory(t)
	if err := owned(t.Context(), b, "owner"); err != nil {
		t.Fatal(err)
	}
	for _, c := range calls(b) {
		if slices.Contains(blind, c.name) || c.method.Type().NumOut() < 2 || c.name == "Webhooks.InsertMessage" || c.name == "Authz.Change" ||
			c.method.Type().Out(0).Kind() == reflect.Int {
			continue
		}
		shown := false
		for variant := range variants {
			err := b.InTx(t.Context(), func(ctx context.Context) error {
				shown = shown || strings.Contains(show(c.run(ctx, "owner", variant)), matrixSecret)
				return errUndo
			})
			if !errors.Is(err, errUndo) {
				t.Fatal(err)
			}
		}
		if !shown {
			t.Errorf("no variant of %s shows its owner the record", c.name)
		}
	}
}

func newMemory(t *testing.T) *memory.Backend {
	b, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// try runs one rule over b and returns what it found.
func try(t *testing.T, r rule, b Backend, fresh func() Backend, limit time.Duration) []string {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	return ruletest.Try(ctx, func(t testing.TB) {
		e := &env{TB: t, b: b, fresh: fresh, probes: probes(b)}
		if r.missing(e) == "" {
			r.check(e)
		}
	})
}
