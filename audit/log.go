package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/storage"
)

// LogConfig configures a [Log]. Its zero value is ready for use.
type LogConfig struct {
	// Catalog completes the events that are appended, and refuses those it does not
	// list. It is for hosts that append to the log directly: events that come through
	// a [Governor] are complete. Without it, incomplete events are refused.
	Catalog *Catalog
	// Window is the longest time that a bounded query spans; zero is [DefaultWindow].
	Window time.Duration
	// Now is the clock of RecordedAt; nil is the system's.
	Now func() time.Time
}

// A Log keeps events in a store and finds them again. It is the sink that makes
// changes provable; other sinks stand beside it in a [Tee].
type Log struct {
	store Store
	cfg   LogConfig
}

var (
	_ AuditSink          = (*Log)(nil)
	_ Recorded           = (*Log)(nil)
	_ correlation.Source = (*Log)(nil)
)

// NewLog makes a log over store.
func NewLog(store Store, cfg LogConfig) (*Log, error) {
	if store == nil {
		return nil, errors.New("audit: no store")
	}
	if cfg.Window < 0 {
		return nil, errors.New("audit: the window of queries is negative")
	}
	if cfg.Window == 0 {
		cfg.Window = DefaultWindow
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Log{store: store, cfg: cfg}, nil
}

// Append records events, all or none, in the transaction of ctx or in one of its
// own; then they are durable when it returns. An event that is recorded already is
// skipped, and storage.ErrConflict tells of a different one under the same tenant,
// source and id. What is wrong with an event is a *storage.InvalidError.
//
// On error nothing was recorded, except for [storage.ErrCommitUnknown]: append the
// same events again.
func (l *Log) Append(ctx context.Context, events ...Event) error {
	rows, err := l.rows(ctx, events)
	if err != nil {
		return err
	}
	if sameTenant(events) {
		return l.insert(ctx, events, rows)
	}
	return l.store.InTx(ctx, func(ctx context.Context) error { return l.insert(ctx, events, rows) })
}

// rows completes events and encodes them.
func (l *Log) rows(ctx context.Context, events []Event) ([]Row, error) {
	now := micro(l.cfg.Now())
	rows := make([]Row, len(events))
	for i, e := range events {
		if err := l.complete(ctx, &e); err != nil {
			return nil, fmt.Errorf("audit: event %d of %d: %w", i+1, len(events), err)
		}
		e.RecordedAt = now
		r, err := NewRecord(e)
		if err != nil {
			return nil, fmt.Errorf("audit: event %d of %d: %w", i+1, len(events), err)
		}
		rows[i] = r.row(&e)
	}
	return rows, nil
}

func (l *Log) complete(ctx context.Context, e *Event) error {
	if l.cfg.Catalog != nil {
		return l.cfg.Catalog.Complete(ctx, e)
	}
	return e.check()
}

func sameTenant(events []Event) bool {
	for i := range events {
		if events[i].Tenant != events[0].Tenant {
			return false
		}
	}
	return true
}

// insert writes rows, one run of a tenant after the other.
func (l *Log) insert(ctx context.Context, events []Event, rows []Row) error {
	for len(rows) > 0 {
		n := 1
		for n < len(rows) && events[n].Tenant == events[0].Tenant {
			n++
		}
		if err := l.store.Insert(ctx, events[0].Tenant, rows[:n]...); err != nil {
			return fmt.Errorf("audit: append: %w", err)
		}
		events, rows = events[n:], rows[n:]
	}
	return nil
}

// Recorded implements [Recorded].
func (l *Log) Recorded(ctx context.Context, tenant, source, id string) (bool, error) {
	return l.store.Recorded(ctx, tenant, source, id)
}

// Get returns one event, or storage.ErrNotFound.
func (l *Log) Get(ctx context.Context, tenant, source, id string) (Event, error) {
	r, err := l.store.Get(ctx, tenant, source, id)
	if err != nil {
		return Event{}, err
	}
	return r.Event()
}

// Query returns a page of the events of tenant that q matches, in the order that q
// asks for. A bad query is a *storage.InvalidError, a bad cursor
// storage.ErrBadCursor.
func (l *Log) Query(ctx context.Context, tenant string, q Query) (storage.Page[Event], error) {
	q, err := q.check(l.cfg.Window)
	if err != nil {
		return storage.Page[Event]{}, err
	}
	page, err := l.store.List(ctx, tenant, q)
	if err != nil {
		return storage.Page[Event]{}, err
	}
	events := storage.Page[Event]{Items: make([]Event, len(page.Items)), Next: page.Next}
	for i, r := range page.Items {
		if events.Items[i], err = r.Event(); err != nil {
			return storage.Page[Event]{}, err
		}
	}
	return events, nil
}

// Timeline implements [correlation.Source]: an entry for each event that began
// under the trace or is linked to it.
func (l *Log) Timeline(ctx context.Context, tenant, traceID string) ([]correlation.Entry, error) {
	var entries []correlation.Entry
	q := Query{TraceID: traceID, Limit: storage.MaxLimit}
	for {
		page, err := l.Query(ctx, tenant, q)
		if err != nil {
			return nil, err
		}
		for i := range page.Items {
			entries = append(entries, entry(&page.Items[i]))
		}
		if q.After = page.Next; q.After == "" {
			return entries, nil
		}
	}
}

// entry tells an event in one line.
func entry(e *Event) correlation.Entry {
	kind := correlation.KindAudit
	if e.Category == Policy {
		kind = correlation.KindDecision
	}
	by := e.Subject()
	summary := fmt.Sprintf("%s of %s %s by %s: %s", e.Action, e.Resource.Type, e.Resource.ID, by.ID, e.Outcome)
	if e.Reason != "" {
		summary += " (" + e.Reason + ")"
	}
	return correlation.Entry{At: e.Time, Kind: kind, ID: e.ID, Summary: summary}
}
