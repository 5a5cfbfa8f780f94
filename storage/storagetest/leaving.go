package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/tenants"
)

// A leaver is a backend whose tenants can leave.
type leaver interface{ Tenants() tenants.Store }

var exportRules = []rule{
	{"TE-001", "an export has rows of every table",
		"Whoever leaves takes everything along. What was forgotten is lost when the tenant is deleted.",
		aLeaver, exportsEveryTable},
	{"TE-002", "an export has no row of another tenant",
		"It leaves the house.",
		aLeaver, exportsNobodyElse},
	{"TE-003", "no secret is exported, sealed or not",
		"What is sealed can be opened for as long as somebody has the key, and an export is out of reach of every rotation.",
		aLeaver, exportsNoSecret},
	{"TE-004", "an error of the receiver ends the export and is its answer",
		"A full disk must not look like an export that is complete.",
		aLeaver, exportEndsWithTheReceiver},
	{"TE-005", "all rows of an export are of one state",
		"A delivery without its message, or an approval without its request, could not be read back.",
		aLeaver, exportsOneState},
	{"TE-006", "neither an export nor a deletion goes on inside a transaction",
		"The one would see half of a change, and the other commit it or wait for it for ever.",
		aLeaver, leavesOutsideOfTransactions},
	{"TE-007", "the rows of an export are in the order of their keys",
		"Two exports are compared line by line.",
		aLeaver, exportsInOrder},
}

var deletionRules = []rule{
	{"TD-001", "after a deletion nothing of the tenant is found",
		"That is what was asked for, and the law asks for it too.",
		aLeaver, deletionLeavesNothing},
	{"TD-002", "a deletion changes nothing of other tenants",
		"Names that are alike, and prefixes of each other, are names of different merchants.",
		aLeaver, deletionKeepsNeighbours},
	{"TD-003", "the evidence stays unless it is asked for",
		"One law wants the log kept for years, another wants it gone.",
		aLeaver, deletionKeepsEvidence},
	{"TD-004", "a batch deletes no more than it was asked to, and says how much that was",
		"A transaction over a million rows stops everybody else.",
		aLeaver, deletesInBatches},
	{"TD-005", "a deletion that was cut off is gone on with",
		"The process may end at any batch.",
		aLeaver, deletionGoesOn},
	{"TD-006", "a job whose tenant was deleted while it ran settles nothing, and leaves its key free",
		"Its outcome would be a row of a tenant that is gone.",
		aLeaver, deletionCancelsJobs},
	{"TD-007", "everything can be stored anew after a deletion",
		"A merchant that left by mistake comes back with its own ids.",
		aLeaver, tenantsComeBack},
}

// prefixes are how the tables begin that belong to an accessor.
var prefixes = map[string]string{
	"Audit": "audit_", "Authz": "authz_", "Approvals": "approvals_", "Automation": "automation_", "Flags": "flags_",
	"Webhooks": "webhooks_", "Jobs": "jobs_", "Idempotency": "idempotency_", "Credentials": "credential",
	"SavedFilters": "saved_",
}

// A line is a row of a tenant as the store gave it.
type line struct {
	table  string
	values []any
}

func (l line) String() string { return fmt.Sprintf("%s %v", l.table, l.values) }

func (l line) holds(text string) bool { return strings.Contains(fmt.Sprintf("%s", l.values), text) }

func (e *env) tenants() tenants.Store { return e.b.(leaver).Tenants() }

// anew takes a backend of the rule's own: tenants are compared as a whole.
func (e *env) anew() {
	e.b = e.fresh()
	e.probes = probes(e.b)
}

// service returns what hosts use the store through.
func (e *env) service() *tenants.Service {
	e.Helper()
	s, err := tenants.New(e.tenants(), tenants.Config{})
	e.must(err, "make the service")
	return s
}

// lines returns all rows of a tenant.
func (e *env) lines(tenant string) (all []line) {
	e.Helper()
	e.must(e.tenants().Rows(e.ctx, tenant, func(t tenants.Table, values []any) error {
		copied := slices.Clone(values)
		for i, v := range copied {
			if b, ok := v.([]byte); ok {
				copied[i] = bytes.Clone(b)
			}
		}
		all = append(all, line{t.Name, copied})
		return nil
	}), "read the rows of a tenant")
	return all
}

// own fills the stores of a fresh backend with records of tenants.
func (e *env) own(names ...string) {
	e.Helper()
	for _, tenant := range names {
		e.must(owned(e.ctx, e.b, tenant), "fill the stores")
	}
}

// remove deletes a tenant with its evidence, and answers for what is left of it.
func (e *env) remove(tenant string) {
	e.Helper()
	_, err := e.service().Delete(e.ctx, tenant, tenants.Deletion{Evidence: true})
	e.must(err, "delete the tenant")
	for _, l := range e.lines(tenant) {
		e.Errorf("after the deletion there is %s", l)
	}
}

func exportsEveryTable(e *env) {
	e.anew()
	tenant := e.tenant()
	e.own(tenant)
	var out bytes.Buffer
	if _, err := e.service().Export(e.ctx, tenant, &out); err != nil {
		e.Fatalf("export: %v", err)
	}
	has := map[string]bool{}
	_, _, err := tenants.Read(&out, func(row tenants.Row) error {
		has[row.Table] = true
		return nil
	})
	e.must(err, "read the export")
	stores := map[string]bool{}
	for _, c := range calls(e.b) {
		accessor, _, _ := strings.Cut(c.name, ".")
		stores[prefixes[accessor]] = true
	}
	for _, t := range tenants.Tables() {
		for prefix := range stores {
			if !t.Internal && strings.HasPrefix(t.Name, prefix) && !has[t.Name] {
				e.Errorf("the tenant has rows of %s, and the export has none", t.Name)
			}
		}
	}
}

func exportsNobodyElse(e *env) {
	e.anew()
	base := e.tenant()
	owner := base + "_"
	e.own(base, base+"x", owner+"x", strings.ToUpper(owner))
	e.must(e.b.InTx(e.ctx, func(ctx context.Context) error { return e.putAll(ctx, owner, "a") }), "put")
	for _, l := range e.lines(owner) {
		if l.values[0] != owner || l.holds(matrixSecret) {
			e.Errorf("the rows of %s have another tenant's %s", owner, l)
		}
	}
}

func exportsNoSecret(e *env) {
	e.anew()
	tenant := e.tenant()
	e.own(tenant)
	all := tenants.Tables()
	for _, l := range e.lines(tenant) {
		t := all[slices.IndexFunc(all, func(t tenants.Table) bool { return t.Name == l.table })]
		if !slices.ContainsFunc(t.Columns, func(c tenants.Column) bool { return c.Kind == tenants.Secret }) {
			continue
		}
		exported := t.Exported()
		if len(l.values) != len(exported) {
			e.Errorf("%s has %d values, want those of %v", l.table, len(l.values), exported)
			continue
		}
		for i, c := range exported {
			if (line{values: l.values[i : i+1]}).holds(matrixSecret) && c.Name != "key_id" {
				e.Errorf("%s.%s gives the secret away", l.table, c.Name)
			}
		}
	}
}

func exportEndsWithTheReceiver(e *env) {
	e.anew()
	tenant, full := e.tenant(), errors.New("disk full")
	e.own(tenant)
	n := 0
	err := e.tenants().Rows(e.ctx, tenant, func(tenants.Table, []any) error {
		if n++; n == 2 {
			return full
		}
		return nil
	})
	if len(e.lines(tenant)) < 3 {
		return // too few stores to be cut off
	}
	e.wantErr(err, full, "rows that the receiver did not take")
	if n != 2 {
		e.Errorf("the receiver was given %d rows, and refused the second", n)
	}
}

func exportsOneState(e *env) {
	if e.readersWait {
		return // nobody commits while an export is read
	}
	e.anew()
	tenant, late := e.tenant(), "late-"+storage.NewID()
	e.own(tenant)
	began := false
	e.must(e.tenants().Rows(e.ctx, tenant, func(t tenants.Table, values []any) error {
		if !began {
			began = true
			return e.b.InTx(e.ctx, func(ctx context.Context) error { return e.putAll(ctx, tenant, late) })
		}
		if l := (line{t.Name, values}); l.holds(late) {
			e.Errorf("the export has %s, which was committed after its first row", l)
		}
		return nil
	}), "rows")
}

func leavesOutsideOfTransactions(e *env) {
	tenant := e.tenant()
	e.must(e.b.InTx(e.ctx, func(ctx context.Context) error {
		err := e.tenants().Rows(ctx, tenant, func(tenants.Table, []any) error { return nil })
		e.wantErr(err, tenants.ErrInTx, "rows inside a transaction")
		_, err = e.tenants().DeleteRows(ctx, tenant, "flags_head", 1)
		e.wantErr(err, tenants.ErrInTx, "a deletion inside a transaction")
		return nil
	}), "the transaction")
}

func exportsInOrder(e *env) {
	e.anew()
	tenant := e.tenant()
	e.own(tenant)
	for _, id := range []string{"b", "A", "a", "B", "10", "9"} {
		e.must(e.b.InTx(e.ctx, func(ctx context.Context) error { return e.putAll(ctx, tenant, id) }), "put")
	}
	all := tenants.Tables()
	position := func(l line) (at int, key []any) {
		at = slices.IndexFunc(all, func(t tenants.Table) bool { return t.Name == l.table })
		columns := all[at].Exported()
		for _, name := range all[at].Key {
			key = append(key, l.values[slices.IndexFunc(columns, func(c tenants.Column) bool { return c.Name == name })])
		}
		return at, key
	}
	lines := e.lines(tenant)
	for i := 1; i < len(lines); i++ {
		before, first := position(lines[i-1])
		at, second := position(lines[i])
		if at < before || at == before && slices.CompareFunc(first, second, compareValues) >= 0 {
			e.Errorf("%s stands before %s", lines[i-1], lines[i])
		}
	}
}

func compareValues(a, b any) int {
	if x, ok := a.(int64); ok {
		if y := b.(int64); x != y {
			return map[bool]int{true: -1, false: 1}[x < y]
		}
		return 0
	}
	return strings.Compare(a.(string), b.(string))
}

func deletionLeavesNothing(e *env) {
	e.anew()
	tenant := e.tenant()
	e.own(tenant)
	e.remove(tenant)
	for _, seen := range e.picture(fillings(e.b), tenant) {
		if strings.Contains(seen, matrixSecret) {
			e.Errorf("after the deletion the tenant sees %s", seen)
		}
	}
}

func deletionKeepsNeighbours(e *env) {
	e.anew()
	base := e.tenant()
	victim := base + "_"
	neighbours := []string{base, base + "x", victim + "x", strings.ToUpper(victim)}
	e.own(append(neighbours, victim)...)
	before := map[string][]line{}
	for _, n := range neighbours {
		before[n] = e.lines(n)
	}
	all := fillings(e.b)
	seen := e.picture(all, base+"x") // with what is not exported
	e.remove(victim)
	for _, n := range neighbours {
		if after := e.lines(n); !slices.EqualFunc(before[n], after, func(a, b line) bool { return a.String() == b.String() }) {
			e.Errorf("the deletion of %s changed %s:\nbefore %v\nafter  %v", victim, n, before[n], after)
		}
	}
	if !slices.Equal(seen, e.picture(all, base+"x")) {
		e.Errorf("the deletion of %s changed what %s sees", victim, base+"x")
	}
}

func deletionKeepsEvidence(e *env) {
	e.anew()
	tenant := e.tenant()
	e.own(tenant)
	evidence := func(all []line) []line {
		return slices.DeleteFunc(slices.Clone(all), func(l line) bool { return !strings.HasPrefix(l.table, "audit_") })
	}
	before := evidence(e.lines(tenant))
	_, err := e.service().Delete(e.ctx, tenant, tenants.Deletion{})
	e.must(err, "delete the tenant")
	if after := e.lines(tenant); fmt.Sprint(after) != fmt.Sprint(before) {
		e.Errorf("of a tenant that was deleted without its evidence there is %v, want %v", after, before)
	}
}

func deletesInBatches(e *env) {
	e.anew()
	tenant := e.tenant()
	e.own(tenant)
	for _, id := range []string{"a", "b", "c"} {
		e.must(e.b.InTx(e.ctx, func(ctx context.Context) error { return e.putAll(ctx, tenant, id) }), "put")
	}
	for _, t := range tenants.Tables() {
		rows := func() (n int) {
			for _, l := range e.lines(tenant) {
				if l.table == t.Name {
					n++
				}
			}
			return n
		}
		for left := rows(); left > 0; {
			want := min(2, left)
			n, err := e.tenants().DeleteRows(e.ctx, tenant, t.Name, 2)
			e.must(err, "delete rows of "+t.Name)
			now := rows()
			if n != want || left-now != want {
				e.Fatalf("of %d rows of %s a batch of 2 deleted %d and says %d", left, t.Name, left-now, n)
			}
			left = now
		}
	}
	_, err := e.tenants().DeleteRows(e.ctx, tenant, "nothing", 1)
	e.wantErr(err, storage.ErrNotFound, "delete rows of a table that there is not")
}

// A cutOff is a store that fails after so many batches.
type cutOff struct {
	tenants.Store
	left int
}

var errCut = errors.New("cut off")

func (c *cutOff) DeleteRows(ctx context.Context, tenant, table string, limit int) (int, error) {
	if c.left--; c.left < 0 {
		return 0, errCut
	}
	return c.Store.DeleteRows(ctx, tenant, table, limit)
}

func deletionGoesOn(e *env) {
	e.anew()
	tenant, neighbour := e.tenant(), e.tenant()
	e.own(tenant, neighbour)
	before := e.lines(neighbour)
	for batches := 1; ; batches++ {
		s, err := tenants.New(&cutOff{e.tenants(), batches}, tenants.Config{})
		e.must(err, "make the service")
		_, err = s.Delete(e.ctx, tenant, tenants.Deletion{Evidence: true, Batch: 1})
		if err == nil {
			break
		}
		if !errors.Is(err, errCut) {
			e.Fatalf("a deletion that was cut off answers %v, want %v", err, errCut)
		}
	}
	for _, l := range e.lines(tenant) {
		e.Errorf("after the deletion there is %s", l)
	}
	if after := e.lines(neighbour); fmt.Sprint(after) != fmt.Sprint(before) {
		e.Errorf("the neighbour has %v, and had %v", after, before)
	}
}

func deletionCancelsJobs(e *env) {
	b, ok := e.b.(interface{ Jobs() jobs.Store })
	if !ok {
		return
	}
	s, tenant := b.Jobs(), e.tenant()
	job := jobs.Job{Tenant: tenant, Lane: matrixID, Kind: matrixID, Key: matrixID, Due: noon}
	e.must(s.Enqueue(e.ctx, []jobs.Job{job}), "enqueue")
	here, err := s.Beat(e.ctx, jobs.Beat{Lease: time.Hour})
	e.must(err, "beat")
	lane := jobs.LaneID{Tenant: tenant, Lane: matrixID}
	claimed, err := s.Claim(e.ctx, jobs.Claim{Worker: here.Worker.ID, Take: 1, Probe: []jobs.LaneID{lane}, Now: noon})
	e.must(err, "claim")
	due, err := s.Fetch(e.ctx, noon, []jobs.LaneFetch{jobs.FromStart(lane, 1)})
	e.must(err, "fetch")
	if len(claimed.Taken) != 1 || len(due) != 1 {
		e.Fatalf("took %d lanes and %d jobs, want one of each", len(claimed.Taken), len(due))
	}
	e.remove(tenant)
	missed, err := s.Settle(e.ctx, here.Worker.ID, []jobs.Outcome{{Job: due[0], Result: jobs.Completed, Started: noon, Ended: noon}})
	if err != nil || !slices.Equal(missed, []int64{due[0].ID}) {
		e.Errorf("the outcome of a job that is gone: missed %v (%v), want %d", missed, err, due[0].ID)
	}
	for _, l := range e.lines(tenant) {
		e.Errorf("the job that ran left %s", l)
	}
	held, err := s.Claim(e.ctx, jobs.Claim{Worker: here.Worker.ID, Sync: true, Now: noon})
	e.must(err, "claim")
	if slices.ContainsFunc(held.Held, func(l jobs.Lane) bool { return l.LaneID == lane }) {
		e.Errorf("the worker still owns a lane of the tenant")
	}
	e.must(s.Enqueue(e.ctx, []jobs.Job{job}), "enqueue")
	if _, err := s.Lookup(e.ctx, tenant, matrixID); err != nil {
		e.Errorf("the key of a job that is gone is still taken: %v", err)
	}
	e.remove(tenant)
}

func tenantsComeBack(e *env) {
	e.anew()
	tenant := e.tenant()
	e.own(tenant)
	e.remove(tenant)
	e.own(tenant)
	if len(e.lines(tenant)) == 0 {
		e.Errorf("what was stored after a deletion is not there")
	}
}
