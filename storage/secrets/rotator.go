package secrets

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/secrets/sealed"
)

const (
	// DefaultSettle is how long a [Rotator] waits by default for transactions that sealed
	// under an older key and have not committed.
	DefaultSettle = time.Minute

	// maxFailures is how many failures a report names. It counts all.
	maxFailures = 100

	// maxPasses is how often a run goes through everything after Settle. Where secrets
	// under older keys still appear then, somebody goes on sealing under them.
	maxPasses = 5
)

// RotatorConfig adjusts a [Rotator]. The zero value is ready to use.
type RotatorConfig struct {
	// Settle is how long, after the new primary key has reached every process, a
	// transaction that sealed under an older key may take to commit; zero is
	// [DefaultSettle]. A key is called retirable after a pass that began later than that.
	Settle time.Duration
	// Logger hears of values that do not open; nil discards it. It is told their place and
	// never their content.
	Logger *slog.Logger
}

// A Rotator seals again under the primary key what is sealed under an older one, while
// others read and write. It keeps no state: a run that was cut short is continued by the
// next, which passes over what is done without opening it, and several processes may run
// at once.
type Rotator struct {
	vault   *Vault
	tenants func(ctx context.Context) ([]string, error)
	sources []sealed.Source
	cfg     RotatorConfig
}

// A Report is what a [Rotator] found and did.
type Report struct {
	// Primary is the id of the key that secrets are sealed under.
	Primary string
	// Passes is how often everything was gone through.
	Passes int
	// Values is how many sealed values there were in the last pass, and Keys how many of
	// them were left under each key, by its id. Those that no Vault can have sealed are
	// under the empty id.
	Values int
	Keys   map[string]int
	// Resealed counts the values sealed again in all passes, and Overtaken those that
	// somebody else had changed between reading and writing.
	Resealed, Overtaken int
	// Failed counts the values of the last pass that do not open, and Failures names the
	// first hundred.
	Failed   int
	Failures []Failure
	// Retirable are the ids of older keys under which nothing is sealed and nothing can
	// come, oldest first. It is empty where that is not certain.
	Retirable []string
}

// A Failure is a value that does not open. Nothing was done to it.
type Failure struct {
	Tenant, Purpose, ID string
	// Err is an [UnknownKeyError] or [ErrCannotOpen].
	Err error
}

// NewRotator makes a Rotator for the values of sources, in the tenants that a function
// lists at each pass. What is left out, a tenant or a source, keeps its old keys and is
// lost when they are retired.
func NewRotator(vault *Vault, tenants func(ctx context.Context) ([]string, error), sources []sealed.Source, cfg RotatorConfig) (*Rotator, error) {
	switch {
	case vault == nil:
		return nil, errors.New("secrets: no vault")
	case tenants == nil:
		return nil, errors.New("secrets: no tenants")
	case len(sources) == 0 || slices.Contains(sources, nil):
		return nil, errors.New("secrets: no source of sealed values")
	case cfg.Settle < 0:
		return nil, errors.New("secrets: Settle must not be negative")
	}
	cfg.Settle = cmp.Or(cfg.Settle, DefaultSettle)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Rotator{vault: vault, tenants: tenants, sources: slices.Clone(sources), cfg: cfg}, nil
}

// Inspect counts what is sealed under which key, opens each value to see that it does, and
// changes nothing. It is the test of a backup: whether these keys open this database.
func (r *Rotator) Inspect(ctx context.Context) (Report, error) {
	var report Report
	err := r.pass(ctx, &report, func(ctx context.Context, tenant string, _ sealed.Source, v sealed.Value) (outcome, error) {
		plain, err := r.vault.Open(ctx, tenant, v.Purpose, v.ID, v.Bytes)
		clear(plain)
		return kept, err
	})
	return report, err
}

// Run seals again what is under an older key, pass by pass, and returns when a pass that
// began after [RotatorConfig.Settle] found nothing more to do: at the earliest after that
// time. Call it when every process seals under the primary key. Where older keys go on
// being sealed under, it gives up and the report calls nothing retirable.
//
// Values that do not open are left as they are, named in the report, and hold their key
// back from being retirable. An error is one of the store, of the list of tenants or of
// ctx; the report then says what was done up to it.
func (r *Rotator) Run(ctx context.Context) (Report, error) {
	var report Report
	start, primary := time.Now(), r.vault.Keys().Primary()
	for late := 0; ; {
		settled := time.Since(start) >= r.cfg.Settle
		done := report.Resealed + report.Overtaken
		if err := r.pass(ctx, &report, r.reseal); err != nil {
			return report, err
		}
		keys := r.vault.Keys()
		switch {
		case keys.Primary() != primary: // somebody rotated again
			start, primary, late = time.Now(), keys.Primary(), 0
		case !settled:
			if err := wait(ctx, time.Until(start.Add(r.cfg.Settle))); err != nil {
				return report, err
			}
		case done == report.Resealed+report.Overtaken:
			report.Retirable = retirable(keys, report.Keys)
			return report, nil
		default: // look again
			if late++; late == maxPasses {
				return report, nil
			}
		}
	}
}

// retirable returns the keys that precede the primary and have nothing left. Those behind
// it were added and not promoted yet.
func retirable(keys *Keys, left map[string]int) []string {
	var ids []string
	for _, id := range keys.IDs() {
		if id == keys.Primary() {
			return ids
		}
		if left[id] == 0 {
			ids = append(ids, id)
		}
	}
	return ids
}

// An outcome is what became of a value that opens.
type outcome int

const (
	kept outcome = iota
	resealed
	overtaken
)

// pass goes through all values once and brings the report up to date.
func (r *Rotator) pass(ctx context.Context, report *Report, visit func(ctx context.Context, tenant string, source sealed.Source, v sealed.Value) (outcome, error)) error {
	report.Passes++
	report.Primary = r.vault.Keys().Primary()
	report.Values, report.Keys, report.Failed, report.Failures = 0, map[string]int{}, 0, nil
	tenants, err := r.tenants(ctx)
	if err != nil {
		return fmt.Errorf("secrets: list the tenants: %w", err)
	}
	for _, tenant := range tenants {
		for _, source := range r.sources {
			if err := each(ctx, source, tenant, func(v sealed.Value) error {
				what, err := visit(ctx, tenant, source, v)
				return r.count(ctx, report, tenant, v, what, err)
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// each calls fn with every value that a source has of a tenant.
func each(ctx context.Context, source sealed.Source, tenant string, fn func(v sealed.Value) error) error {
	for after := storage.Cursor(""); ; {
		page, err := source.List(ctx, tenant, after, 0)
		if err != nil {
			return fmt.Errorf("secrets: list the sealed values: %w", err)
		}
		for _, v := range page.Items {
			if err := fn(v); err != nil {
				return err
			}
		}
		if after = page.Next; after == "" {
			return nil
		}
	}
}

func (r *Rotator) reseal(ctx context.Context, tenant string, source sealed.Source, v sealed.Value) (outcome, error) {
	if id, err := KeyID(v.Bytes); err == nil && id == r.vault.Keys().Primary() {
		return kept, nil
	}
	fresh, changed, err := r.vault.Reseal(ctx, tenant, v.Purpose, v.ID, v.Bytes)
	if err != nil || !changed {
		return kept, err
	}
	replaced, err := source.Replace(ctx, tenant, v, fresh)
	switch {
	case err != nil:
		return kept, fmt.Errorf("secrets: replace a sealed value: %w", err)
	case !replaced:
		return overtaken, nil
	}
	return resealed, nil
}

// count enters one value into the report. It returns the errors that are not the value's
// own.
func (r *Rotator) count(ctx context.Context, report *Report, tenant string, v sealed.Value, what outcome, err error) error {
	unopened := errors.Is(err, ErrUnknownKey) || errors.Is(err, ErrCannotOpen)
	if err != nil && !unopened {
		return err
	}
	report.Values++
	switch what {
	case resealed:
		report.Resealed++
		report.Keys[report.Primary]++
		return nil
	case overtaken:
		report.Overtaken++
		return nil
	}
	id, _ := KeyID(v.Bytes) // empty for what is no sealed secret
	report.Keys[id]++
	if unopened {
		report.Failed++
		if len(report.Failures) < maxFailures {
			report.Failures = append(report.Failures, Failure{tenant, v.Purpose, v.ID, err})
		}
		r.cfg.Logger.ErrorContext(ctx, "a sealed secret does not open",
			"tenant", tenant, "purpose", v.Purpose, "id", v.ID, "error", err)
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
