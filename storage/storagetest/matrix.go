package storagetest

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/idempotency"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/listing"
	"github.com/lumelle/adminkit/storage/listing/saved"
	"github.com/lumelle/adminkit/storage/secrets/credentials"
	"github.com/lumelle/adminkit/webhooks"
)

// The matrix of TN-004 calls every method of every store that takes a tenant. The
// owner's records all bear the id matrixID, and their contents the word matrixSecret;
// the stranger's calls are given nothing but matrixID, and what they answer must not
// hold matrixSecret.
const (
	matrixID     = "shared"
	matrixSecret = "canary"
)

// accessors are the methods by which backends offer stores.
var accessors = []string{"Audit", "Authz", "Approvals", "Automation", "Flags", "Webhooks", "Jobs", "Idempotency", "Credentials", "SavedFilters"}

// A call is one method of a store that takes a tenant.
type call struct {
	name   string
	method reflect.Value
}

// calls returns the methods of b's stores whose second parameter is the tenant. What
// serves all tenants at once (the consuming side of jobs) is left out by that.
func calls(b Backend) []call {
	var all []call
	for _, accessor := range accessors {
		m := reflect.ValueOf(b).MethodByName(accessor)
		if !m.IsValid() {
			continue
		}
		// The interface, not the type behind it, says what a store's methods are.
		iface, store := m.Type().Out(0), m.Call(nil)[0]
		for i := range iface.NumMethod() {
			method := store.MethodByName(iface.Method(i).Name)
			t := method.Type()
			if t.NumIn() > 1 && t.In(0) == reflect.TypeFor[context.Context]() && t.In(1).Kind() == reflect.String {
				all = append(all, call{accessor + "." + iface.Method(i).Name, method})
			}
		}
	}
	return all
}

// run calls the method with a tenant and made-up arguments. variant chooses between
// several fillings.
func (c call) run(ctx context.Context, tenant string, variant int) []reflect.Value {
	t := c.method.Type()
	args := append([]reflect.Value{reflect.ValueOf(ctx), reflect.ValueOf(tenant).Convert(t.In(1))}, c.arguments(variant)...)
	if t.IsVariadic() {
		return c.method.CallSlice(args)
	}
	return c.method.Call(args)
}

// arguments returns what follows the tenant.
func (c call) arguments(variant int) []reflect.Value {
	t := c.method.Type()
	var args []reflect.Value
	for i := 2; i < t.NumIn(); i++ {
		v := reflect.New(t.In(i)).Elem()
		fill(v, variant, 0)
		args = append(args, v)
	}
	return args
}

// variants is how many fillings there are.
const variants = 32

// A filling is a call with one of the variants.
type filling struct {
	call
	variant int
}

// fillings returns the calls of b with all variants that differ: what takes no more than an id
// has one filling, whatever the variant.
func fillings(b Backend) []filling {
	var all []filling
	for _, c := range calls(b) {
		var seen [][]any
		for variant := range variants {
			var args []any
			for _, v := range c.arguments(variant) {
				args = append(args, v.Interface())
			}
			if !slices.ContainsFunc(seen, func(before []any) bool { return reflect.DeepEqual(before, args) }) {
				seen = append(seen, args)
				all = append(all, filling{c, variant})
			}
		}
	}
	return all
}

// fill makes a value that finds the owner's records if anything does. The bits of
// variant choose: whether booleans are set (1), whether numbers are 1, 2 or 200 (2
// and 4), whether pointers are given (8), and whether the texts, times and filters inside
// structs are left empty, which in a query asks for everything (16).
func fill(v reflect.Value, variant, depth int) {
	number := []int64{1, 2, 200, 1}[variant>>1&3]
	empty := variant&16 != 0 && depth > 0
	switch v.Kind() {
	case reflect.String:
		switch {
		case v.Type() == reflect.TypeFor[approvals.Tab]():
			v.SetString(string(approvals.TabPending))
		case v.Type() == reflect.TypeFor[flags.Kind]():
			v.SetString(string(flags.KindFlag))
		case v.Type() != reflect.TypeFor[string]():
			// An enumeration or a cursor: its zero asks for everything.
		case !empty:
			v.SetString(matrixID)
		}
	case reflect.Bool:
		v.SetBool(variant&1 != 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(number)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(number))
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), 0, depth+1) // hashes: one value for owner and stranger
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(`"` + matrixID + `"`))
			return
		}
		if depth >= maxFill || empty && v.Type() == reflect.TypeFor[[]listing.Filter]() {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), variant, depth+1)
	case reflect.Pointer:
		if variant&8 != 0 && depth < maxFill {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), variant, depth+1)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			if !empty {
				v.Set(reflect.ValueOf(noon.Add(time.Hour)))
			}
			return
		}
		if v.Type() == reflect.TypeFor[listing.Sort]() {
			return // the order that each list has
		}
		if v.Type() == reflect.TypeFor[listing.Filter]() {
			// Lists have one field or the other.
			field := []string{"id", "key"}[variant&1]
			v.Set(reflect.ValueOf(listing.Filter{Field: field, Op: listing.StartsWith, Values: []string{matrixID}}))
			return
		}
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i), variant, depth+1)
			}
		}
	}
}

// maxFill is how deep lists and pointers are filled: conditions hold conditions.
const maxFill = 8

// owned fills the stores of b with records of a tenant that hold the canary.
func owned(ctx context.Context, b Backend, tenant string) error {
	return b.InTx(ctx, func(ctx context.Context) error {
		for _, add := range []func(ctx context.Context, b Backend, tenant string) error{
			ownAudit, ownAuthz, ownApprovals, ownAutomation, ownFlags, ownWebhooks, ownJobs, ownIdempotency, ownCredentials, ownSavedFilters,
		} {
			if err := add(ctx, b, tenant); err != nil {
				return err
			}
		}
		return nil
	})
}

func ownAudit(ctx context.Context, b Backend, tenant string) error {
	s, ok := b.(interface{ Audit() audit.Store })
	if !ok {
		return nil
	}
	return s.Audit().Insert(ctx, tenant, audit.Row{
		Record: audit.Record{Canonical: []byte(`"` + matrixSecret + `"`), RecordedAt: noon},
		Source: matrixID, ID: matrixID, Time: noon, Action: matrixID, ActorID: matrixID, ActingAs: matrixID,
		ResourceType: matrixID, ResourceID: matrixID, SourceIP: matrixID, RequestID: matrixID,
		TraceID: matrixID, LinkTraceID: matrixID,
	})
}

func ownAuthz(ctx context.Context, b Backend, tenant string) error {
	a, ok := b.(interface{ Authz() authz.Store })
	if !ok {
		return nil
	}
	_, err := a.Authz().Change(ctx, tenant, authz.Change{
		ID: matrixID, At: noon, Add: []authz.Row{{ID: matrixID, Kind: "p", Values: []string{matrixSecret}}},
	})
	return err
}

func ownApprovals(ctx context.Context, b Backend, tenant string) error {
	a, ok := b.(interface{ Approvals() approvals.Store })
	if !ok {
		return nil
	}
	secret := json.RawMessage(`"` + matrixSecret + `"`)
	content := approvals.Content{Payload: secret, BaseRevision: matrixID, Before: secret, After: secret, Reason: matrixSecret}
	return a.Approvals().Save(ctx, tenant, approvals.Write{
		Request: approvals.Request{
			ID: matrixID, State: approvals.StateAwaitingApproval, Revision: 1, Version: 1, Action: matrixID, EventID: matrixID,
			Content: content, ContentHash: matrixID, DedupeKey: matrixID, SubmittedAt: noon, CreatedAt: noon, UpdatedAt: noon,
		},
		Step:     approvals.Step{Seq: 1, At: noon, To: approvals.StateAwaitingApproval, Revision: 1, Comment: matrixSecret, TraceID: matrixID, LinkID: matrixID},
		Revision: &approvals.Revision{Number: 1, Content: content, ContentHash: matrixID, At: noon},
		Decision: &approvals.Decision{ID: matrixID, Revision: 1, Choice: approvals.Approve, Comment: matrixSecret, ContentHash: matrixID, At: noon},
		Grant:    &approvals.Grant{RequestID: matrixID, Revision: 1, ContentHash: matrixID, EventID: matrixID, At: noon},
	})
}

func ownAutomation(ctx context.Context, b Backend, tenant string) error {
	a, ok := b.(interface{ Automation() automation.Store })
	if !ok {
		return nil
	}
	s := a.Automation()
	secret := json.RawMessage(`"` + matrixSecret + `"`)
	rule := automation.Rule{
		ID: matrixID, Name: matrixSecret, Environment: matrixID, EventTypes: []string{matrixID}, Enabled: true,
		Owner: audit.Actor{Type: audit.User, ID: matrixSecret}, Version: 1, Revision: 1, CreatedAt: noon, UpdatedAt: noon,
	}
	version := automation.Version{RuleID: matrixID, Number: 1, Document: secret, Hash: matrixSecret, CreatedAt: noon}
	if err := s.SaveRule(ctx, tenant, rule, &version); err != nil {
		return err
	}
	event := automation.TriggerEvent{Key: matrixID, Source: matrixSecret, ID: matrixID, Body: secret, CreatedAt: noon}
	if _, err := s.InsertEvent(ctx, tenant, event); err != nil {
		return err
	}
	run := automation.Run{
		ID: matrixID, RuleID: matrixID, RuleVersion: 1, Environment: matrixID, Status: automation.Waiting, EventKey: matrixID,
		Wait: automation.Wait{Kind: automation.ForSignal, Key: matrixID, Gen: 1}, Reason: matrixSecret, Level: slog.Level(200), StartedAt: noon, UpdatedAt: noon, Version: 1,
	}
	run.Trace.TraceID = matrixID
	if err := s.Save(ctx, tenant, automation.Write{
		Run: run,
		Steps: []automation.StepRun{{
			Path: matrixID, Seq: 1, Status: automation.Waiting, Input: secret, Branch: matrixSecret, WaitKey: matrixID, LinkID: matrixID, StartedAt: noon,
		}},
		Attempts: []automation.Attempt{{Step: matrixID, N: 1, At: noon, Error: matrixSecret, Detail: matrixSecret}},
	}); err != nil {
		return err
	}
	_, _, err := s.PutSignal(ctx, tenant, automation.Signal{
		Key: matrixID, ID: matrixID, Outcome: matrixSecret, Payload: secret, At: noon, State: automation.SignalPending,
	})
	return err
}

func ownFlags(ctx context.Context, b Backend, tenant string) error {
	f, ok := b.(interface{ Flags() flags.Store })
	if !ok {
		return nil
	}
	s := f.Flags()
	// Two, so that there are changes after the first.
	for _, kind := range []flags.Kind{flags.KindFlag, flags.KindAudience} {
		if _, err := s.Save(ctx, tenant, flags.Version{
			Kind: kind, Key: matrixID, Revision: 1, Body: json.RawMessage(`"` + matrixSecret + `"`), Audiences: []string{matrixID},
			Action: matrixID, Comment: matrixSecret, EventID: matrixID, At: noon,
		}); err != nil {
			return err
		}
	}
	_, err := s.Use(ctx, tenant, flags.OverrideUse{
		Flag: matrixID, Environment: matrixID, Override: matrixID, Subject: matrixID, Day: noon.Add(time.Hour),
	})
	return err
}

func ownWebhooks(ctx context.Context, b Backend, tenant string) error {
	w, ok := b.(interface{ Webhooks() webhooks.Store })
	if !ok {
		return nil
	}
	s := w.Webhooks()
	endpoint := webhooks.Endpoint{
		ID: matrixID, URL: matrixSecret, EventTypes: []string{matrixID}, Description: matrixSecret,
		Status: webhooks.Enabled, Revision: 1, CreatedAt: noon, UpdatedAt: noon,
	}
	if err := s.InsertEndpoint(ctx, tenant, endpoint, webhooks.Secret{ID: matrixID, Sealed: []byte(matrixSecret), CreatedAt: noon}); err != nil {
		return err
	}
	message := webhooks.Message{
		ID: matrixID, EventSource: matrixID, EventID: matrixID, EventType: matrixID, Body: []byte(matrixSecret), CreatedAt: noon,
	}
	delivery := webhooks.Delivery{
		ID: matrixID, MessageID: matrixID, EndpointID: matrixID, EventType: matrixID, Status: webhooks.Pending, Held: true,
		Reason: matrixSecret, TraceID: matrixID, CreatedAt: noon, UpdatedAt: noon,
	}
	if _, err := s.InsertMessage(ctx, tenant, message, []webhooks.Delivery{delivery}); err != nil {
		return err
	}
	return s.InsertAttempt(ctx, tenant, webhooks.Attempt{
		DeliveryID: matrixID, N: 1, At: noon, Error: matrixSecret, Response: []byte(matrixSecret), TraceID: matrixID,
	})
}

func ownJobs(ctx context.Context, b Backend, tenant string) error {
	j, ok := b.(interface{ Jobs() jobs.Store })
	if !ok {
		return nil
	}
	s := j.Jobs()
	job := jobs.Job{Tenant: tenant, Lane: matrixID, Kind: matrixID, Due: noon, Payload: []byte(matrixSecret), Trace: matrixID}
	named, ahead := job, job
	named.Key = matrixID
	ahead.Due = noon.Add(2 * time.Hour) // behind every position
	next := job
	next.Lane += "+" // the lane behind that of the others
	if err := s.Enqueue(ctx, []jobs.Job{job, named, ahead, next}); err != nil {
		return err
	}
	// The first becomes a dead letter.
	here, err := s.Beat(ctx, jobs.Beat{Lease: time.Hour})
	if err != nil {
		return err
	}
	if _, err := s.Claim(ctx, jobs.Claim{Worker: here.Worker.ID, Take: 2, Now: noon}); err != nil {
		return err
	}
	lane := jobs.FromStart(jobs.LaneID{Tenant: tenant, Lane: matrixID}, 1)
	due, err := s.Fetch(ctx, noon, []jobs.LaneFetch{lane, jobs.FromStart(jobs.LaneID{Tenant: tenant, Lane: next.Lane}, 1)})
	if err != nil {
		return err
	}
	if len(due) != 2 {
		return fmt.Errorf("fetched %d jobs, want 2", len(due))
	}
	hold := &jobs.Hold{Until: noon, Reason: matrixSecret}
	_, err = s.Settle(ctx, here.Worker.ID, []jobs.Outcome{
		{Job: due[0], Result: jobs.Buried, Reason: matrixSecret, Started: noon, Ended: noon, Hold: hold},
		{Job: due[1], Result: jobs.Completed, Started: noon, Ended: noon, Hold: hold},
	})
	return err
}

func ownIdempotency(ctx context.Context, b Backend, tenant string) error {
	i, ok := b.(interface{ Idempotency() idempotency.Store })
	if !ok {
		return nil
	}
	s := i.Idempotency()
	var fingerprint [32]byte
	fill(reflect.ValueOf(&fingerprint).Elem(), 0, 0)
	if _, err := s.Begin(ctx, tenant, matrixID, matrixID, fingerprint, noon); err != nil {
		return err
	}
	return s.Finish(ctx, tenant, matrixID, matrixID, 200, nil, []byte(matrixSecret))
}

func ownCredentials(ctx context.Context, b Backend, tenant string) error {
	c, ok := b.(interface{ Credentials() credentials.Store })
	if !ok {
		return nil
	}
	return c.Credentials().Insert(ctx, tenant, credentials.Record{
		Credential: credentials.Credential{Name: matrixID, Kind: matrixID, KeyID: matrixSecret, Revision: 1, CreatedAt: noon, UpdatedAt: noon},
		Sealed:     []byte(matrixSecret),
	}, storage.Unlimited)
}

func ownSavedFilters(ctx context.Context, b Backend, tenant string) error {
	s, ok := b.(interface{ SavedFilters() saved.Store })
	if !ok {
		return nil
	}
	return s.SavedFilters().Insert(ctx, tenant, saved.Filter{
		ID: matrixID, List: matrixID, Owner: matrixID, Name: matrixSecret, Revision: 1, CreatedAt: noon, UpdatedAt: noon,
		Filters: []listing.Filter{listing.Is(matrixID, matrixSecret)},
	}, storage.Unlimited)
}

// picture is everything that calls show a tenant of its own records. What the calls
// write is undone.
func (e *env) picture(all []filling, tenant string) []string {
	e.Helper()
	var lines []string
	err := e.b.InTx(e.ctx, func(ctx context.Context) error {
		for _, f := range all {
			err := e.b.InTx(ctx, func(ctx context.Context) error {
				lines = append(lines, f.name+": "+show(f.run(ctx, tenant, f.variant)))
				return errUndo
			})
			e.wantErr(err, errUndo, f.name)
		}
		return errUndo
	})
	e.wantErr(err, errUndo, "the transaction")
	return lines
}

// show prints results with what they point at.
func show(results []reflect.Value) string {
	var b strings.Builder
	for _, r := range results {
		write(&b, r, 0)
		b.WriteByte(' ')
	}
	return b.String()
}

func write(b *strings.Builder, v reflect.Value, depth int) {
	if depth > 12 {
		return
	}
	if v.CanInterface() {
		switch x := v.Interface().(type) {
		case storage.Cursor: // its text is the backend's own affair
			fmt.Fprintf(b, "more:%t", x != "")
			return
		case time.Time:
			b.WriteString(x.UTC().Format(time.RFC3339Nano))
			return
		case error:
			b.WriteString(x.Error())
			return
		case []byte:
			b.Write(x)
			return
		}
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			write(b, v.Elem(), depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			write(b, v.Field(i), depth+1)
			b.WriteByte(' ')
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			write(b, v.Index(i), depth+1)
			b.WriteByte(' ')
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(x, y reflect.Value) int { return strings.Compare(fmt.Sprint(x), fmt.Sprint(y)) })
		for _, k := range keys {
			fmt.Fprint(b, k, ":")
			write(b, v.MapIndex(k), depth+1)
			b.WriteByte(' ')
		}
	default:
		fmt.Fprint(b, v)
	}
}

func methodsKeepTenants(e *env) {
	e.b = e.fresh() // where stores count their ids from one, as fill does
	owner, stranger := e.tenant(), e.tenant()
	e.must(owned(e.ctx, e.b, owner), "fill the stores")
	all := fillings(e.b)
	before := e.picture(all, owner)
	if !slices.ContainsFunc(before, func(line string) bool { return strings.Contains(line, matrixSecret) }) {
		return // a backend without a store of the kit has nothing to show
	}
	e.Logf("%d calls", len(all))
	err := e.b.InTx(e.ctx, func(ctx context.Context) error {
		// The second time each meets what the others left.
		for range 2 {
			for _, f := range all {
				e.trespass(ctx, f, stranger)
			}
		}
		return nil
	})
	e.must(err, "the stranger's transaction")
	after := e.picture(all, owner)
	if len(after) != len(before) {
		e.Fatalf("the owner gets %d answers after a stranger's calls, %d before", len(after), len(before))
	}
	for i := range before {
		if before[i] != after[i] {
			e.Errorf("a stranger's calls changed what the owner sees:\nbefore %s\nafter  %s", before[i], after[i])
		}
	}
}

// trespass makes one call as a stranger. What it refuses is undone, what it accepts
// is kept.
func (e *env) trespass(ctx context.Context, f filling, stranger string) {
	e.Helper()
	err := e.b.InTx(ctx, func(ctx context.Context) error {
		results := f.run(ctx, stranger, f.variant)
		if got := show(results); strings.Contains(got, matrixSecret) {
			e.Errorf("%s shows a stranger %q", f.name, got)
		}
		err, _ := results[len(results)-1].Interface().(error)
		return err
	})
	if err != nil && strings.Contains(err.Error(), matrixSecret) {
		e.Errorf("%s tells a stranger %q", f.name, err)
	}
}
