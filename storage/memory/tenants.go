package memory

import (
	"context"
	"encoding/json"
	"iter"
	"math"
	"slices"
	"time"
	"unique"

	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/idempotency"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/listing/saved"
	"github.com/lumelle/adminkit/storage/secrets/credentials"
	"github.com/lumelle/adminkit/storage/tenants"
	"github.com/lumelle/adminkit/webhooks"
)

// Tenants returns the store of package tenants.
func (b *Backend) Tenants() tenants.Store { return tenantStore{b} }

type tenantStore struct{ b *Backend }

var _ tenants.Store = tenantStore{}

// A tenantTable is one of tenants.Tables over a table of this package.
type tenantTable struct {
	// rows returns the values of a tenant's rows in the order of the export.
	rows func(v view, tenant string) iter.Seq2[[]any, error]
	// drop deletes up to limit rows of a tenant.
	drop func(v view, tenant string, limit int) int
}

// An exported says how the rows of a table are exported.
type exported[R any] struct {
	table table[R]
	// order is the order of the export, and first the place in it before all rows of a
	// tenant. mixed says that rows of other tenants stand between them.
	order int
	first func(tenant string) R
	mixed bool
	of    func(r *R) string
	// values returns the values of a row, with documents that are still to be encoded as a
	// document.
	values func(r *R) []any
	// drop deletes a row, table.delete where it is nil.
	drop func(v view, r R)
}

// A doc is a value that is kept as JSON elsewhere.
type doc struct{ v any }

// all returns the rows of a tenant.
func (e exported[R]) all(v view, tenant string) iter.Seq[R] {
	return func(yield func(R) bool) {
		for r := range e.table.ascend(v, e.order, e.first(tenant)) {
			if e.of(&r) != tenant {
				if e.mixed {
					continue
				}
				return
			}
			if !yield(r) {
				return
			}
		}
	}
}

func (e exported[R]) tenantTable() tenantTable {
	return tenantTable{
		rows: func(v view, tenant string) iter.Seq2[[]any, error] {
			return func(yield func([]any, error) bool) {
				for r := range e.all(v, tenant) {
					if !yield(plain(e.values(&r))) {
						return
					}
				}
			}
		},
		drop: func(v view, tenant string, limit int) int {
			n := 0
			for r := range e.all(v, tenant) {
				if n == limit {
					break
				}
				if e.drop != nil {
					e.drop(v, r)
				} else {
					e.table.delete(v, r)
				}
				n++
			}
			return n
		},
	}
}

// plain gives values the types that tenants.Store has for them.
func plain(values []any) ([]any, error) {
	for i, value := range values {
		switch x := value.(type) {
		case time.Time:
			values[i] = micros(x)
		case int:
			values[i] = int64(x)
		case json.RawMessage:
			values[i] = orNothing(x)
		case []byte:
			values[i] = orNothing(x)
		case doc:
			raw, err := json.Marshal(x.v)
			if err != nil {
				return nil, err
			}
			values[i] = raw
		}
	}
	return values, nil
}

// orNothing returns b, or nothing at all for nil.
func orNothing(b []byte) any {
	if b == nil {
		return nil
	}
	return slices.Clone(b)
}

// micros is how exports write a time: microseconds since 1970 UTC, zero for no time.
func micros(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.UnixMicro()
}

// Rows implements tenants.Store.
func (s tenantStore) Rows(ctx context.Context, tenant string, each func(t tenants.Table, values []any) error) error {
	if err := s.outside(ctx); err != nil {
		return err
	}
	var now view
	if err := s.b.read(ctx, "tenants.Rows", func(v view) error {
		now = v
		return nil
	}); err != nil {
		return err
	}
	// What is committed never changes: nobody waits while each takes its time.
	for _, t := range tenants.Tables() {
		if t.Internal {
			continue
		}
		for values, err := range tenantTables[t.Name].rows(now, tenant) {
			if err != nil {
				return err
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := each(t, values); err != nil {
				return err
			}
		}
	}
	return nil
}

// DeleteRows implements tenants.Store.
func (s tenantStore) DeleteRows(ctx context.Context, tenant, table string, limit int) (n int, err error) {
	if err := s.outside(ctx); err != nil {
		return 0, err
	}
	all := tenants.Tables()
	i := slices.IndexFunc(all, func(t tenants.Table) bool { return t.Name == table })
	if i < 0 {
		return 0, storage.ErrNotFound
	}
	if all[i].Internal { // this backend makes no such notes
		return 0, s.b.read(ctx, "tenants.DeleteRows", func(view) error { return nil })
	}
	err = s.b.write(ctx, "tenants.DeleteRows", func(v view) error {
		n = tenantTables[table].drop(v, tenant, limit)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// outside answers tenants.ErrInTx where ctx carries a transaction.
func (s tenantStore) outside(ctx context.Context) error {
	t, err := s.b.current(ctx)
	if t != nil && err == nil {
		err = tenants.ErrInTx
	}
	return err
}

// tenantTables are the tables of package tenants by their names, but for those that are
// Internal. The values are in the order of tenants.Tables.
var tenantTables = map[string]tenantTable{
	"jobs_job": exported[jobRow]{
		table: jobTable, first: func(string) jobRow { return jobRow{} }, mixed: true,
		of: func(r *jobRow) string { return r.Tenant },
		values: func(r *jobRow) []any {
			return []any{r.Tenant, r.ID, r.Lane, r.Kind, r.Key, int64(r.Priority), r.Due, r.Attempt, r.Lost, r.Trace, notNull(r.Payload)}
		},
		drop: removeJob,
	}.tenantTable(),
	"jobs_lane": exported[jobLaneRow]{
		table: jobLaneTable, first: func(tenant string) jobLaneRow { return laneProbe(jobs.LaneID{Tenant: tenant}) },
		of: func(r *jobLaneRow) string { return r.Tenant },
		values: func(r *jobLaneRow) []any {
			return []any{
				r.Tenant, r.LaneID.Lane, r.Cap, r.Rate, r.Burst, r.Order == jobs.FIFO, r.Breaker.Failures, r.Breaker.Cooldown.Microseconds(),
				r.Paused, r.Resumes, r.Hold.Until, string(r.Hold.Reason), r.Owner, r.Suspect,
			}
		},
	}.tenantTable(),
	"jobs_attempt": exported[jobAttemptRow]{
		table: jobAttemptTable, first: func(tenant string) jobAttemptRow { return jobAttemptRow{tenant: unique.Make(tenant)} },
		of: func(r *jobAttemptRow) string { return r.tenant.Value() },
		values: func(r *jobAttemptRow) []any {
			a := r.attempt()
			return []any{r.tenant.Value(), r.ID, a.Job, a.Number, a.Worker, string(a.Result), a.Reason, a.Started, a.Ended}
		},
	}.tenantTable(),
	"jobs_dead": exported[deadJobRow]{
		table: deadJobTable, first: func(tenant string) deadJobRow {
			return deadJobRow{Job: jobs.Job{Tenant: tenant, ID: math.MinInt64}}
		},
		of: func(r *deadJobRow) string { return r.Tenant },
		values: func(r *deadJobRow) []any {
			return []any{
				r.Tenant, r.ID, r.Lane, r.Kind, r.Key, int64(r.Priority), r.Due, r.Attempt, r.Trace, notNull(r.Payload), r.Reason, r.Died,
			}
		},
	}.tenantTable(),
	"audit_event": exported[auditRow]{
		table: auditTable, order: auditBySeq, first: func(tenant string) auditRow { return auditRow{tenant: unique.Make(tenant)} },
		of: func(r *auditRow) string { return r.tenant.Value() },
		values: func(r *auditRow) []any {
			e := r.event()
			return []any{
				r.tenant.Value(), r.Seq, e.Source, e.ID, e.Time, e.RecordedAt, e.Action, string(e.Category), string(e.Outcome), e.ActorID, e.ActingAs,
				e.ResourceType, e.ResourceID, e.SourceIP, e.RequestID, e.TraceID, e.LinkTraceID, e.Leaf[:], e.Canonical,
			}
		},
	}.tenantTable(),
	"authz_policy": exported[policyHead]{
		table: policyTable, first: func(tenant string) policyHead { return policyHead{Tenant: tenant} },
		of: func(r *policyHead) string { return r.Tenant },
		values: func(r *policyHead) []any {
			return []any{r.Tenant, r.Head.Sequence, r.Head.ChangeID, r.Head.At}
		},
	}.tenantTable(),
	"authz_row": exported[policyRow]{
		table: policyRowTable, first: func(tenant string) policyRow { return policyRow{Tenant: tenant} },
		of: func(r *policyRow) string { return r.Tenant },
		values: func(r *policyRow) []any {
			return []any{r.Tenant, r.Row.ID, r.Sequence, r.Position, r.Row.Kind, doc{r.Row.Values}, r.Digest[:]}
		},
	}.tenantTable(),
	"idempotency_record": exported[idempotency.Record]{
		table: idempotencyTable, first: func(tenant string) idempotency.Record { return idempotency.Record{Tenant: tenant} },
		of: func(r *idempotency.Record) string { return r.Tenant },
		values: func(r *idempotency.Record) []any {
			return []any{r.Tenant, r.Actor, r.Key, r.Fingerprint[:], r.Status, r.CreatedAt}
		},
	}.tenantTable(),
	"credential": exported[credentials.Record]{
		table: credentialTable, first: func(tenant string) (r credentials.Record) { r.Tenant = tenant; return r },
		of: func(r *credentials.Record) string { return r.Tenant },
		values: func(r *credentials.Record) []any {
			return []any{r.Tenant, r.Name, r.Kind, r.KeyID, r.Revision, r.CreatedAt, r.UpdatedAt, r.LastUsedAt}
		},
	}.tenantTable(),
	"saved_filter": exported[saved.Filter]{
		table: savedFilterTable, first: func(tenant string) saved.Filter { return saved.Filter{Tenant: tenant} },
		of: func(f *saved.Filter) string { return f.Tenant },
		values: func(f *saved.Filter) []any {
			return []any{f.Tenant, f.ID, f.List, f.Owner, f.Name, doc{f.Filters}, f.Sort.String(), f.Revision, f.CreatedAt, f.UpdatedAt}
		},
	}.tenantTable(),

	"approvals_request": exported[requestRow]{
		table: requestTable, first: func(tenant string) (r requestRow) { r.Tenant = tenant; return r },
		of:     func(r *requestRow) string { return r.Tenant },
		values: requestValues,
	}.tenantTable(),
	"approvals_revision": exported[revisionRow]{
		table: revisionTable, first: func(tenant string) revisionRow { return revisionRow{tenant: tenant} },
		of: func(r *revisionRow) string { return r.tenant },
		values: func(r *revisionRow) []any {
			return []any{
				r.tenant, r.request, r.Number, r.Payload, r.BaseRevision, r.Before, r.After, r.Reason, r.ContentHash, doc{r.Editor}, r.At,
			}
		},
	}.tenantTable(),
	"approvals_decision": exported[decisionRow]{
		table: decisionTable, first: func(tenant string) decisionRow { return decisionRow{tenant: tenant} },
		of: func(r *decisionRow) string { return r.tenant },
		values: func(r *decisionRow) []any {
			return []any{
				r.tenant, r.request, r.ID, r.seq, r.Revision, r.Stage, string(r.Choice), doc{r.Actor}, r.Comment, r.ContentHash, r.At,
				r.Trace.Traceparent(), r.Trace.State,
			}
		},
	}.tenantTable(),
	"approvals_step": exported[stepRow]{
		table: stepTable, first: func(tenant string) stepRow { return stepRow{tenant: tenant} },
		of: func(r *stepRow) string { return r.tenant },
		values: func(r *stepRow) []any {
			return []any{
				r.tenant, r.request, r.Seq, r.At, string(r.Trigger), r.Verb, string(r.From), string(r.To), r.Revision, doc{r.Actor},
				r.Comment, r.TraceID, r.LinkID,
			}
		},
	}.tenantTable(),
	"approvals_grant": exported[grantRow]{
		table: grantTable, first: func(tenant string) grantRow { return grantRow{tenant: tenant} },
		of: func(r *grantRow) string { return r.tenant },
		values: func(r *grantRow) []any {
			return []any{r.tenant, r.RequestID, r.Revision, r.ContentHash, r.EventID, r.At, r.consumedAt}
		},
	}.tenantTable(),

	"webhooks_endpoint": exported[endpointRow]{
		table: endpointTable, first: func(tenant string) (r endpointRow) { r.Tenant = tenant; return r },
		of: func(r *endpointRow) string { return r.Tenant },
		values: func(r *endpointRow) []any {
			return []any{
				r.Tenant, r.ID, r.URL, doc{r.EventTypes}, r.Description, r.Timeout.Milliseconds(), r.Status, r.DisabledReason,
				r.Revision, r.CreatedAt, r.UpdatedAt, r.health.Failures, r.health.FailingSince, r.health.QuietUntil,
			}
		},
	}.tenantTable(),
	"webhooks_secret": exported[secretRow]{
		table: secretTable, first: func(tenant string) secretRow { return secretRow{tenant: tenant} },
		of: func(r *secretRow) string { return r.tenant },
		values: func(r *secretRow) []any {
			return []any{r.tenant, r.endpoint, r.ID, r.CreatedAt, r.ExpiresAt}
		},
	}.tenantTable(),
	"webhooks_subscription": exported[subscriptionRow]{
		table: subscriptionTable, first: func(tenant string) subscriptionRow { return subscriptionRow{tenant: tenant} },
		of: func(r *subscriptionRow) string { return r.tenant },
		values: func(r *subscriptionRow) []any {
			return []any{r.tenant, r.pattern, r.endpoint}
		},
	}.tenantTable(),
	"webhooks_message": exported[webhooks.Message]{
		table: messageTable, first: func(tenant string) webhooks.Message { return webhooks.Message{Tenant: tenant} },
		of: func(r *webhooks.Message) string { return r.Tenant },
		values: func(r *webhooks.Message) []any {
			return []any{
				r.Tenant, r.ID, r.EventSource, r.EventID, r.EventType, r.Body,
				r.Trace.TraceID, r.Trace.SpanID, int64(r.Trace.Flags), r.Trace.State, r.CreatedAt,
			}
		},
	}.tenantTable(),
	"webhooks_delivery": exported[webhooks.Delivery]{
		table: deliveryTable, first: func(tenant string) webhooks.Delivery { return webhooks.Delivery{Tenant: tenant} },
		of: func(r *webhooks.Delivery) string { return r.Tenant },
		values: func(r *webhooks.Delivery) []any {
			return []any{
				r.Tenant, r.ID, r.MessageID, r.EndpointID, r.EventType, r.Status, r.Held, r.Reason,
				r.Attempts, r.Round, r.Tries, r.NextAttemptAt, r.TraceID, r.CreatedAt, r.UpdatedAt,
			}
		},
	}.tenantTable(),
	"webhooks_attempt": exported[webhooks.Attempt]{
		table: attemptTable, first: func(tenant string) webhooks.Attempt { return webhooks.Attempt{Tenant: tenant} },
		of: func(r *webhooks.Attempt) string { return r.Tenant },
		values: func(r *webhooks.Attempt) []any {
			return []any{
				r.Tenant, r.DeliveryID, r.N, r.At, r.Duration.Microseconds(), r.StatusCode, r.Class, r.Error, r.Response, r.TraceID, r.SpanID,
			}
		},
	}.tenantTable(),

	"flags_head": exported[flagHeadRow]{
		table: flagHeadTable, first: func(tenant string) flagHeadRow { return flagHeadRow{tenant: tenant} },
		of: func(r *flagHeadRow) string { return r.tenant },
		values: func(r *flagHeadRow) []any {
			return []any{r.tenant, r.change}
		},
	}.tenantTable(),
	"flags_document": exported[flagRow]{
		table: flagTable, first: func(tenant string) flagRow { return flagRow{tenant: tenant} },
		of: func(r *flagRow) string { return r.tenant },
		values: func(r *flagRow) []any {
			return []any{r.tenant, string(r.Kind), r.Key, r.Revision, r.Change, r.Deleted}
		},
	}.tenantTable(),
	"flags_version": exported[flagRow]{
		table: flagVersionTable, first: func(tenant string) flagRow { return flagRow{tenant: tenant} },
		of: func(r *flagRow) string { return r.tenant },
		values: func(r *flagRow) []any {
			return []any{
				r.tenant, string(r.Kind), r.Key, r.Revision, r.Change, r.Deleted, r.Body, r.Hash, doc{r.Audiences},
				r.Action, r.Comment, r.EventID, doc{r.Author}, r.At, r.CreatedAt,
			}
		},
	}.tenantTable(),
	"flags_use": exported[audienceRow]{
		table: audienceTable, first: func(tenant string) audienceRow { return audienceRow{tenant: tenant} },
		of: func(r *audienceRow) string { return r.tenant },
		values: func(r *audienceRow) []any {
			return []any{r.tenant, r.audience, string(r.kind), r.key}
		},
	}.tenantTable(),
	"flags_override_use": exported[overrideUseRow]{
		table: overrideUseTable, first: func(tenant string) overrideUseRow { return overrideUseRow{tenant: tenant} },
		of: func(r *overrideUseRow) string { return r.tenant },
		values: func(r *overrideUseRow) []any {
			return []any{r.tenant, r.Flag, r.Environment, r.Override, r.Subject, r.Day}
		},
	}.tenantTable(),

	"automation_rule": exported[automation.Rule]{
		table: ruleTable, first: func(tenant string) automation.Rule { return automation.Rule{Tenant: tenant} },
		of: func(r *automation.Rule) string { return r.Tenant },
		values: func(r *automation.Rule) []any {
			return []any{
				r.Tenant, r.ID, r.Name, r.Environment, doc{r.EventTypes}, r.Enabled, doc{r.Owner}, r.Version, r.Revision, r.CreatedAt, r.UpdatedAt,
			}
		},
	}.tenantTable(),
	"automation_version": exported[automation.Version]{
		table: ruleVersionTable, first: func(tenant string) automation.Version { return automation.Version{Tenant: tenant} },
		of: func(r *automation.Version) string { return r.Tenant },
		values: func(r *automation.Version) []any {
			return []any{r.Tenant, r.RuleID, r.Number, r.Document, r.Hash, doc{r.CreatedBy}, r.CreatedAt}
		},
	}.tenantTable(),
	"automation_listener": exported[listenerRow]{
		table: listenerTable, first: func(tenant string) listenerRow { return listenerRow{tenant: tenant} },
		of: func(r *listenerRow) string { return r.tenant },
		values: func(r *listenerRow) []any {
			return []any{r.tenant, r.environment, r.pattern, r.rule}
		},
	}.tenantTable(),
	"automation_event": exported[triggerEventRow]{
		table: triggerEventTable, first: func(tenant string) triggerEventRow { return triggerEventRow{tenant: unique.Make(tenant)} },
		of: func(r *triggerEventRow) string { return r.tenant.Value() },
		values: func(r *triggerEventRow) []any {
			e := r.event()
			return []any{
				e.Tenant, e.Key, e.Source, e.ID, e.Type, e.Environment, e.Body,
				e.Trace.TraceID, e.Trace.SpanID, int64(e.Trace.Flags), e.Trace.State, e.Hops, e.CreatedAt,
			}
		},
	}.tenantTable(),
	"automation_run": exported[runRow]{
		table: runTable, first: func(tenant string) runRow { return runKey(tenant, "") },
		of:     func(r *runRow) string { return r.tenant.Value() },
		values: runValues,
	}.tenantTable(),
	"automation_step": exported[automationStepRow]{
		table: automationStepTable, first: func(tenant string) automationStepRow { return stepsOf(tenant, "") },
		of: func(r *automationStepRow) string { return r.tenant.Value() },
		values: func(r *automationStepRow) []any {
			s := r.step()
			return []any{
				r.tenant.Value(), r.run, s.Path, s.Seq, s.Action, string(s.Status), s.Attempts, s.Input, s.Output,
				s.Branch, s.WaitKey, s.LinkID, unless(s.Failure == nil, s.Failure), s.StartedAt, s.EndedAt,
			}
		},
	}.tenantTable(),
	"automation_attempt": exported[automationAttemptRow]{
		table: automationAttemptTable, first: func(tenant string) automationAttemptRow { return attemptsOf(tenant, "") },
		of: func(r *automationAttemptRow) string { return r.tenant.Value() },
		values: func(r *automationAttemptRow) []any {
			a := r.attempt()
			return []any{
				r.tenant.Value(), r.run, a.Step, a.N, a.At, a.Duration.Microseconds(), a.Class, []byte(a.Error), []byte(a.Detail),
				unless(len(a.Logs) == 0, a.Logs), a.TraceID, a.SpanID,
			}
		},
	}.tenantTable(),
	"automation_signal": exported[signalRow]{
		table: signalTable, first: func(tenant string) signalRow { return signalRow{tenant: tenant} },
		of: func(r *signalRow) string { return r.tenant },
		values: func(r *signalRow) []any {
			return []any{r.tenant, r.Key, r.ID, r.Outcome, r.Payload, r.TraceID, r.At, r.State}
		},
	}.tenantTable(),
}

func requestValues(r *requestRow) []any {
	var openKey any
	if r.State.Open() {
		openKey = r.openKey
	}
	return []any{
		r.Tenant, r.ID, string(r.State), string(r.tab), r.Revision, r.Version,
		r.Action, r.Resource.Type, r.Resource.ID, r.Resource.Name, r.EventID, r.Source,
		doc{r.Origin}, r.Metadata, doc{r.Requester}, doc{r.Authors}, r.Payload,
		r.BaseRevision, r.Before, r.After, r.Reason, r.ContentHash, r.SubmittedAt, r.PolicyName,
		doc{r.Policy}, doc{r.Stages}, doc{r.Cause}, r.CreatedAt, r.UpdatedAt, r.TimeoutAt,
		r.Trace.Traceparent(), r.Trace.State, r.CausationID,
		r.Hops, r.PreviousID, r.DedupeKey, openKey, unless(r.Failure == nil, r.Failure), r.Output,
	}
}

func runValues(row *runRow) []any {
	r := row.run()
	return []any{
		r.Tenant, r.ID, r.RuleID, r.RuleVersion, r.Environment, string(r.Status), r.Trigger, r.EventKey, r.EventType, r.ParentID,
		doc{r.Owner}, unless(len(r.Audiences) == 0, r.Audiences), r.Cursor, r.Failing, r.Wait.Kind, r.Wait.Key, r.Wait.DueAt, r.Wait.Gen,
		unless(r.Failure == nil, r.Failure), r.Reason, int64(r.Level), r.Hops, r.Trace.TraceID, r.Trace.SpanID, int64(r.Trace.Flags), r.Trace.State,
		r.Job, r.DeadlineAt, r.StartedAt, r.UpdatedAt, r.EndedAt, r.Version,
	}
}

// unless returns v as a document, or nothing where it is missing.
func unless(missing bool, v any) any {
	if missing {
		return nil
	}
	return doc{v}
}

// notNull returns an empty slice for nil, as SQL stores it.
func notNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
