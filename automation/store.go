package automation

import (
	"context"
	"strconv"

	"github.com/lumelle/adminkit/storage"
)

// A Store keeps rules, runs and signals. Every method works in the transaction of
// ctx; a writing method opens one of its own where there is none. What another tenant
// owns is storage.ErrNotFound. Times are kept to the microsecond, JSON byte for byte.
//
// Where both a rule and its runs are locked in one transaction, the rule comes first.
type Store interface {
	RuleStore
	RunStore
	SignalStore
	RetentionStore
}

// A RuleStore keeps rules and their versions.
type RuleStore interface {
	// SaveRule writes a rule, and a new version of it where v is not nil, or nothing.
	// r.Revision 1 inserts the rule; any other replaces the one that has the revision
	// before, but for the time of its creation, which stays. It answers
	// storage.ErrConflict where that is not the one stored, or where the id or the
	// version's number is taken, and storage.ErrNotFound where there is no rule to
	// replace.
	SaveRule(ctx context.Context, tenant string, r Rule, v *Version) error
	// GetRule returns a rule. With lock, nobody else changes it until the transaction
	// of ctx ends; without a transaction that is storage.ErrNoTx.
	GetRule(ctx context.Context, tenant, id string, lock bool) (Rule, error)
	// ListRules returns the rules that q chooses, in its order: that of creation where it
	// names none. Errors are those of RuleQuery.Plan.
	ListRules(ctx context.Context, tenant string, q RuleQuery) (storage.Page[Rule], error)
	// CountRules returns how many rules the tenant has. With lock, nobody else who counts
	// with lock adds one until the transaction of ctx ends; without a transaction that is
	// storage.ErrNoTx.
	CountRules(ctx context.Context, tenant string, lock bool) (int64, error)
	// GetVersion returns one version of a rule.
	GetVersion(ctx context.Context, tenant, ruleID string, number int) (Version, error)
	// ListVersions returns the versions of a rule, the newest first, none where there
	// is no such rule.
	ListVersions(ctx context.Context, tenant, ruleID string, q VersionQuery) (storage.Page[Version], error)
	// Listeners returns the ids of the enabled rules of an environment that listen to
	// one of patterns, each once, in order.
	Listeners(ctx context.Context, tenant, environment string, patterns []string) ([]string, error)
}

// A RunStore keeps events, runs, steps and attempts.
type RunStore interface {
	// InsertEvent adds an event, and reports false where its key is taken, which
	// changes nothing.
	InsertEvent(ctx context.Context, tenant string, e TriggerEvent) (fresh bool, err error)
	// GetEvent returns an event by its key.
	GetEvent(ctx context.Context, tenant, key string) (TriggerEvent, error)

	// Save writes one transition of a run and everything that comes with it, or
	// nothing. w.Run.Version is the version after it: 1 inserts the run, any other
	// replaces the one that has the version before. It answers storage.ErrConflict
	// where that is not the version stored, where the id is taken, where a run without
	// a parent exists for the same rule, environment and event, or where the number of
	// an attempt is taken; the transaction of ctx stays usable.
	Save(ctx context.Context, tenant string, w Write) error
	// GetRun returns a run. With lock, nobody else writes it until the transaction of
	// ctx ends; without a transaction that is storage.ErrNoTx.
	GetRun(ctx context.Context, tenant, id string, lock bool) (Run, error)
	// Steps returns the steps of a run in order of Seq, none where there is no such run.
	Steps(ctx context.Context, tenant, runID string) ([]StepRun, error)
	// Attempts returns the attempts of a run, in order of At, Step and N: at most
	// storage.MaxLimit, the first ones.
	Attempts(ctx context.Context, tenant, runID string) ([]Attempt, error)
	// ListRuns returns the runs that q chooses, in its order: by their start and id, the
	// newest first, where it names none. Errors are those of RunQuery.Plan.
	ListRuns(ctx context.Context, tenant string, q RunQuery) (storage.Page[Run], error)
	// TraceRuns returns the runs whose trace, or whose steps' LinkID, is traceID, each
	// once, by their start and id, the newest first: at most storage.MaxLimit. An
	// empty traceID has none.
	TraceRuns(ctx context.Context, tenant, traceID string) ([]Run, error)
}

// A SignalStore keeps signals and finds who waits for them.
//
// A signal and a wait for the same key never miss each other: of two transactions of
// which one calls PutSignal and the other Save with a step of the same WaitKey and
// then PendingSignals, the one that comes second sees what the first wrote. A store
// whose transactions run side by side has both of them lock the key.
type SignalStore interface {
	// PutSignal adds a signal in the state it has, and reports false where its key and
	// id are taken, which changes nothing. It returns who waits for the key: the run
	// that has a step with that WaitKey and is waiting for it, else one that had, else
	// nil. Of several it is the one that started last, and of those that started together
	// the one with the greatest id. Nobody waits for an empty key.
	PutSignal(ctx context.Context, tenant string, s Signal) (fresh bool, w *Waiter, err error)
	// PendingSignals returns the signals of a key whose state is [SignalPending], in
	// order of At and ID.
	PendingSignals(ctx context.Context, tenant, key string) ([]Signal, error)
	// SetSignals gives signals of a key a state. Unknown ids are passed over.
	SetSignals(ctx context.Context, tenant, key, state string, ids ...string) error
}

// A Write is one transition of a run as a [Store] saves it.
type Write struct {
	Run Run
	// Steps are inserted, or replace those of the same path.
	Steps []StepRun
	// Attempts are added.
	Attempts []Attempt
}

// A VersionQuery chooses versions of one rule.
type VersionQuery struct {
	After storage.Cursor
	Limit int
}

// Before returns the number that the list continues below, zero at its start, or
// storage.ErrBadCursor.
func (q VersionQuery) Before(tenant, ruleID string) (int, error) {
	key, err := q.After.Key(q.list(tenant, ruleID), 1)
	if err != nil || key == nil {
		return 0, err
	}
	n, err := strconv.Atoi(key[0])
	if err != nil || n < 1 {
		return 0, storage.ErrBadCursor
	}
	return n, nil
}

// Next returns the cursor behind last.
func (q VersionQuery) Next(tenant string, last Version) storage.Cursor {
	return storage.NewCursor(q.list(tenant, last.RuleID), strconv.Itoa(last.Number))
}

func (q VersionQuery) list(tenant, ruleID string) string {
	return "automation.versions\x00" + tenant + "\x00" + ruleID
}
