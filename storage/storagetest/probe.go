package storagetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
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

// A probe drives one store of a backend in the few ways that all stores have in
// common: it adds small records and looks for them. Rules are written once, over
// probes, and hold for every store.
type probe struct {
	name string

	// reads says that has works outside of transactions and waits for no writer.
	reads bool
	// joins says that put works only inside a transaction.
	joins bool
	// checks says that the store itself refuses unfit tenants and ids with
	// storage.ErrInvalid. Others leave that to the type above them.
	checks bool

	// put adds a record.
	put func(ctx context.Context, tenant, id string) error
	// has reports whether the record is there, with the content put gave it.
	has func(ctx context.Context, tenant, id string) (bool, error)

	// get reads the record and returns the store's error for it, nil where has needs
	// more than one call.
	get func(ctx context.Context, tenant, id string) error

	// list returns the ids of one page in order, nil where the store has no list.
	order order
	list  func(ctx context.Context, tenant string, after storage.Cursor, limit int) ([]string, storage.Cursor, error)
	// drop removes a record, nil where the store keeps them.
	drop func(ctx context.Context, tenant, id string) error

	// revision returns the revision of a record, and bump changes a record that has
	// the given one; nil where the store has none.
	revision func(ctx context.Context, tenant, id string) (int64, error)
	bump     func(ctx context.Context, tenant, id string, revision int64) error
}

// noon is when all records of the suite were made: equal times make lists tie.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// probes returns a probe for each store that b has.
func probes(b Backend) []probe {
	var all []probe
	if b, ok := b.(interface{ Audit() audit.Store }); ok {
		all = append(all, auditProbe(b.Audit()))
	}
	if b, ok := b.(interface{ Authz() authz.Store }); ok {
		all = append(all, authzProbe(b.Authz()))
	}
	if b, ok := b.(interface{ Approvals() approvals.Store }); ok {
		all = append(all, approvalsProbe(b.Approvals()))
	}
	if b, ok := b.(interface{ Automation() automation.Store }); ok {
		all = append(all, automationProbe(b.Automation()))
	}
	if b, ok := b.(interface{ Flags() flags.Store }); ok {
		all = append(all, flagsProbe(b.Flags()))
	}
	if b, ok := b.(interface{ Webhooks() webhooks.Store }); ok {
		all = append(all, webhooksProbe(b.Webhooks()))
	}
	if b, ok := b.(interface{ Jobs() jobs.Store }); ok {
		all = append(all, jobsProbe(b.Jobs()))
	}
	if b, ok := b.(interface{ Idempotency() idempotency.Store }); ok {
		all = append(all, idempotencyProbe(b.Idempotency()))
	}
	if b, ok := b.(interface{ Credentials() credentials.Store }); ok {
		all = append(all, credentialsProbe(b.Credentials()))
	}
	if b, ok := b.(interface{ SavedFilters() saved.Store }); ok {
		all = append(all, savedFiltersProbe(b.SavedFilters()))
	}
	if c, ok := b.(conn); ok {
		all = append(all, connProbe(b, c))
	}
	return all
}

// found is the answer of a probe that read a record: whether it is there, given
// whether it reads as it was put.
func found(same bool, err error) (bool, error) {
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	case !same:
		return false, errors.New("the record does not read as it was put")
	}
	return true, nil
}

func auditProbe(s audit.Store) probe {
	const source = "storagetest"
	canonical := func(id string) []byte {
		b, err := json.Marshal(map[string]string{"id": id})
		if err != nil {
			panic(err) // a map of strings always encodes
		}
		return b
	}
	return probe{
		name:  "audit",
		reads: true,
		put: func(ctx context.Context, tenant, id string) error {
			r := audit.Row{Source: source, ID: id, Time: noon, Action: "note.added", ActorID: "sam"}
			r.Canonical, r.RecordedAt = canonical(id), noon
			r.Leaf = sha256.Sum256(append([]byte{0}, r.Canonical...))
			return s.Insert(ctx, tenant, r)
		},
		has: func(ctx context.Context, tenant, id string) (bool, error) {
			r, err := s.Get(ctx, tenant, source, id)
			return found(bytes.Equal(r.Canonical, canonical(id)), err)
		},
		get: func(ctx context.Context, tenant, id string) error {
			_, err := s.Get(ctx, tenant, source, id)
			return err
		},
		list: func(ctx context.Context, tenant string, after storage.Cursor, limit int) ([]string, storage.Cursor, error) {
			page, err := s.List(ctx, tenant, audit.Query{After: after, Limit: limit})
			var ids []string
			for _, r := range page.Items {
				var note struct {
					ID string `json:"id"`
				}
				if err := json.Unmarshal(r.Canonical, &note); err != nil {
					return nil, "", err
				}
				ids = append(ids, note.ID)
			}
			return ids, page.Next, err
		},
	}
}

// authzProbe drives the rows of a policy, each added by a change of its own. The
// revision is that of the policy.
func authzProbe(s authz.Store) probe {
	row := func(id string) authz.Row { return authz.Row{ID: id, Kind: "p", Values: []string{id, "note", "read"}} }
	list := func(ctx context.Context, tenant string, after storage.Cursor, limit int) ([]string, storage.Cursor, error) {
		page, err := s.Rows(ctx, tenant, after, limit)
		var ids []string
		for _, r := range page.Items {
			if !reflect.DeepEqual(r, row(r.ID)) {
				return nil, "", errors.New("the row does not read as it was put")
			}
			ids = append(ids, r.ID)
		}
		return ids, page.Next, err
	}
	return probe{
		name:  "authz",
		reads: true,
		list:  list,
		put: func(ctx context.Context, tenant, id string) error {
			_, err := s.Change(ctx, tenant, authz.Change{ID: "add " + id, At: noon, Expected: authz.AnySequence, Add: []authz.Row{row(id)}})
			return err
		},
		has: func(ctx context.Context, tenant, id string) (bool, error) {
			var after storage.Cursor
			for {
				ids, next, err := list(ctx, tenant, after, storage.MaxLimit)
				if err != nil || slices.Contains(ids, id) || next == "" {
					return slices.Contains(ids, id), err
				}
				after = next
			}
		},
		drop: func(ctx context.Context, tenant, id string) error {
			_, err := s.Change(ctx, tenant, authz.Change{ID: "remove " + id, At: noon, Expected: authz.AnySequence, Remove: []string{id}})
			return err
		},
		revision: func(ctx context.Context, tenant, _ string) (int64, error) {
			head, err := s.Head(ctx, tenant)
			return head.Sequence, err
		},
		bump: func(ctx context.Context, tenant, _ string, revision int64) error {
			id := storage.NewID()
			_, err := s.Change(ctx, tenant, authz.Change{ID: id, At: noon, Expected: revision, Add: []authz.Row{row(id)}})
			return err
		},
	}
}

// approvalsProbe drives requests that wait for a decision.
func approvalsProbe(s approvals.Store) probe {
	write := func(id string, version int64) approvals.Write {
		return approvals.Write{
			Request: approvals.Request{
				ID: id, State: approvals.StateAwaitingApproval, Revision: 1, Version: version, Action: "note.add",
				EventID: id, DedupeKey: id, CreatedAt: noon, UpdatedAt: noon, SubmittedAt: noon,
			},
			Step: approvals.Step{Seq: version, At: noon, To: approvals.StateAwaitingApproval, Revision: 1},
		}
	}
	return probe{
		name:  "approvals",
		reads: true,
		order: byID,
		put: func(ctx context.Context, tenant, id string) error {
			return s.Save(ctx, tenant, write(id, 1))
		},
		has: func(ctx context.Context, tenant, id string) (bool, error) {
			r, err := s.Get(ctx, tenant, id)
			return found(r.ID == id && r.EventID == id && r.Tenant == tenant, err)
		},
		get: func(ctx context.Context, tenant, id string) error {
			_, err := s.Get(ctx, tenant, id)
			return err
		},
		list: func(ctx context.Context, tenant string, after storage.Cursor, limit int) ([]string, storage.Cursor, error) {
			// The store lists by position; cursors are its service's. One row more
			// than asked for tells whether the list goes on.
			q := approvals.StoreQuery{Tab: approvals.TabPending, Limit: limit + 1}
			key, err := after.Key("storagetest.approvals "+tenant, 1)
			if err != nil {
				return nil, "", err
			}
			if key != nil {
				q.After = &approvals.Position{CreatedAt: noon, ID: key[0]}
			}
			requests, err := s.List(ctx, tenant, q)
			var ids []string
			for _, r := range requests {
				ids = append(ids, r.ID)
			}
			if len(ids) <= limit {
				return ids, "", err
			}
			return ids[:limit], storage.NewCursor("storagetest.approvals "+tenant, ids[limit-1]), err
		},
		revision: func(ctx context.Context, tenant, id string) (int64, error) {
			r, err := s.Get(ctx, tenant, id)
			return r.Version, err
		},
		bump: func(ctx context.Context, tenant, id string, revision int64) error {
			return s.Save(ctx, tenant, write(id, revision+1))
		},
	}
}

// flagsProbe drives flags, whose revision counts the versions.
func flagsProbe(s flags.Store) probe {
	save := func(ctx context.Context, tenant, id string, revision int64, deleted bool) error {
		_, err := s.Save(ctx, tenant, flags.Version{
			Kind: flags.KindFlag, Key: id, Revision: revision, Deleted: deleted, Body: json.RawMessage(`{}`), Comment: id, At: noon,
		})
		return err
	}
	// current takes a deleted flag for one that is not there.
	current := func(ctx context.Context, tenant, id string) (flags.Version, error) {
		v, err := s.Get(ctx, tenant, flags.KindFlag, id)
		if err == nil && v.Deleted {
			err = storage.ErrNotFound
		}
		return v, err
	}
	return probe{
		name:  "flags",
		reads: true,
		order: byID,
		put: func(ctx context.Context, tenant, id string) error {
			return save(ctx, tenant, id, 1, false)
		},
		has: func(ctx context.Context, tenant, id string) (bool, error) {
			v, err := current(ctx, tenant, id)
			return found(v.Key == id && v.Comment == id, err)
		},
		get: func(ctx context.Context, tenant, id string) error {
			_, err := current(ctx, tenant, id)
			return err
		},
		list: func(ctx context.Context, tenant string, after storage.Cursor, limit int) ([]string, storage.Cursor, error) {
			// The store lists by key; cursors are its service's. One row more than
			// asked for tells whether the list goes on.
			q := flags.ListQuery{Kind: flags.KindFlag, Limit: limit + 1}
			key, err := after.Key("storagetest.flags "+tenant, 1)
			if err != nil {
				return nil, "", err
			}
			if key != nil {
				q.After = key[0]
			}
			versions, err := s.List(ctx, tenant, q)
			var ids []string
			for _, v := range versions {
				ids = append(ids, v.Key)
			}
			if len(ids) <= limit {
				return ids, "", err
			}
			return ids[:limit], storage.NewCursor("storagetest.flags "+tenant, ids[limit-1]), err
		},
		drop: func(ctx context.Context, tenant, id string) error {
			v, err := current(ctx, tenant, id)
			if err != nil {
				return err
			}
			return save(ctx, tenant, id, v.Revision+1, true)
		},
		revision: func(ctx context.Context, tenant, id string) (int64, error) {
			v, err := current(ctx, tenant, id)
			return v.Revision, err
		},
		bump: func(ctx context.Context, tenant, id string, revision int64) error {
			return save(ctx, tenant, id, revision+1, false)
		},
	}
}

// automationProbe saves a rule for each record, which the store keeps for good.
func automationProbe(s automation.Store) probe {
	note := func(id string, revision int64) automation.Rule {
		return automation.Rule{
			ID: id, Name: "rule " + id, Environment: automation.Prod, EventTypes: []string{"note.*"},
			Owner: audit.Actor{Type: audit.User, ID: "sam"}, Version: 1, Revision: revision, CreatedAt: noon, UpdatedAt: noon,
		}
	}
	return probe{
		name:  "automation",
		reads: true,
		order: byID,
		put: func(ctx context.Context, tenant, id string) error {
			return s.SaveRule(ctx, tenant, note(id, 1), &automation.Version{RuleID: id, Number: 1, Document: []byte(`{}`), CreatedAt: noon})
		},
		has: func(ctx context.Context, tenant, id string) (bool, error) {
			r, err := s.GetRule(ctx, tenant, id, false)
			return found(r.ID == id && r.Name == "rule "+id && r.Tenant == tenant, err)
		},
		get: func(ctx context.Context, tenant, id string) error {
			_, err := s.GetRule(ctx, tenant, id, false)
			return err
		},
		list: func(ctx context.Context, tenant string, after storage.Cursor, limit int) ([]string, storage.Cursor, error) {
			page, err := s.ListRules(ctx, tenant, automation.RuleQuery{After: after, Limit: limit})
			var ids []string
			for _, r := range page.Items {
				ids = append(ids, r.ID)
			}
			return ids, page.Next, err
		},
		revision: func(ctx context.Context, tenant, id string) (int64, error) {
			r, err := s.GetRule(ctx, tenant, id, false)
			return r.Revision, err
		},
		bump: func(ctx context.Context, tenant, id string, revision int64) error {
			return s.SaveRule(ctx, tenant, note(id, revision+1), nil)
		},
	}
}

// webhooksProbe drives endpoints.
func webhooksProbe(s webhooks.Store) probe {
	note := func(id string, revision int64) webhooks.Endpoint {
		return webhooks.Endpoint{
			ID: id, URL: "https://example.com/" + id, EventTypes: []string{"note.*"},
			Status: webhooks.Enabled, Revision: revision, CreatedAt: noon, UpdatedAt: noon,
		}
	}
	revision := func(ctx context.Context, tenant, id string) (int64, error) {
		e, _, err := s.GetEndpoint(ctx, tenant, id, false)
		return e.Revision, err
	}
	return probe{
		name:  "webhooks",
		reads: true,
		order: byID,
		put: func(ctx context.Context, tenant, id string) error {
			return s.InsertEndpoint(ctx, tenant, note(id, 1), webhooks.Secret{ID: id, Sealed: []byte(id), CreatedAt: noon})
		},
		has: func(ctx context.Context, tenant, id string) (bool, error) {
			e, _, err := s.GetEndpoint(ctx, tenant, id, false)
			return found(e.ID == id && e.URL == "https://example.com/"+id && e.Tenant == tenant, err)
		},
		get: func(ctx context.Context, tenant, id string) error {
			_, _, err := s.GetEndpoint(ctx, tenant, id, false)
			return err
		},
		list: func(ctx context.Context, tenant string, after storage.Cursor, limit int) ([]string, storage.Cursor, error) {
			page, err := s.ListEndpoints(ctx, tenant, webhooks.EndpointQuery{After: after, Limit: limit})
			var ids []string
			for _, e := range page.Items {
				ids = append(ids, e.ID)
			}
			return ids, page.Next, err
		},
		drop: func(ctx context.Context, tenant, id string) error {
			r, err := revision(ctx, tenant, id)
			if err != nil {
				return err
			}
			return s.DeleteEndpoint(ctx, tenant, id, r)
		},
		revision: revision,
		bump: func(ctx context.Context, tenant, id string, revision int64) error {
			return s.UpdateEndpoint(ctx, tenant, note(id, revision+1), revision)
		},
	}
}

// jobsProbe enqueues one job into a lane of its own for each record.
func jobsProbe(s jobs.Store) probe {
	return probe{
		name:  "jobs",
		reads: true,
		put: func(ctx context.Context, tenant, id string) error {
			return s.Enqueue(ctx, []jobs.Job{{Tenant: tenant, Lane: id, Kind: "note", Due: noon, Payload: []byte(id)}})
		},
		has: func(ctx context.Context, tenant, id string) (bool, error) {
			lane := jobs.FromStart(jobs.LaneID{Tenant: tenant, Lane: id}, 2)
			due, err := s.Fetch(ctx, noon, []jobs.LaneFetch{lane})
			if err != nil || len(due) == 0 {
				return false, err
			}
			return found(len(due) == 1 && due[0].Tenant == tenant && string(due[0].Payload) == id, nil)
		},
	}
}

func idempotencyProbe(s idempotency.Store) probe {
	return probe{
		name:   "idempotency",
		joins:  true,
		checks: true,
		put: func(ctx context.Context, tenant, id string) error {
			done, err := s.Begin(ctx, tenant, "sam", id, sha256.Sum256([]byte(id)), noon)
			if err != nil {
				return err
			}
			if done != nil {
				return storage.ErrConflict
			}
			return s.Finish(ctx, tenant, "sam", id, 200, nil, []byte(id))
		},
		has: func(ctx context.Context, tenant, id string) (bool, error) {
			done, err := s.Begin(ctx, tenant, "sam", id, sha256.Sum256([]byte(id)), noon)
			if err == nil && done == nil {
				return false, s.Release(ctx, tenant, "sam", id)
			}
			if err != nil {
				return false, err
			}
			return found(string(done.Body) == id, nil)
		},
		get: func(ctx context.Context, tenant, id string) error {
			err := s.Release(ctx, tenant, "sam", id)
			if errors.Is(err, storage.ErrConflict) { // it is there, and finished
				return nil
			}
			return err
		},
	}
}

func credentialsProbe(s credentials.Store) probe {
	record := func(id string, revision int64) credentials.Record {
		return credentials.Record{
			Credential: credentials.Credential{Name: id, Kind: "api_key", KeyID: "k", Revision: revision, CreatedAt: noon, UpdatedAt: noon},
			Sealed:     []byte(id),
		}
	}
	return probe{
		name:  "credentials",
		reads: true,
		order: byID,
		put: func(ctx context.Context, tenant, id string) error {
			return s.Insert(ctx, tenant, record(id, 1), storage.Unlimited)
		},
		has: func(ctx context.Context, tenant, id string) (bool, error) {
			r, err := s.Get(ctx, tenant, id)
			want := record(id, r.Revision)
			want.Tenant = tenant
			return found(reflect.DeepEqual(r, want), err)
		},
		get: func(ctx context.Context, tenant, id string) error {
			_, err := s.Get(ctx, tenant, id)
			return err
		},
		list: func(ctx context.Context, tenant string, after storage.Cursor, limit int) ([]string, storage.Cursor, error) {
			page, err := s.List(ctx, tenant, credentials.Query{After: after, Limit: limit})
			var ids []string
			for _, r := range page.Items {
				ids = append(ids, r.Name)
			}
			return ids, page.Next, err
		},
		drop: func(ctx context.Context, tenant, id string) error {
			return s.Delete(ctx, tenant, id, 1)
		},
		revision: func(ctx context.Context, tenant, id string) (int64, error) {
			r, err := s.Get(ctx, tenant, id)
			return r.Revision, err
		},
		bump: func(ctx context.Context, tenant, id string, revision int64) error {
			return s.Update(ctx, tenant, record(id, revision+1), revision)
		},
	}
}

func savedFiltersProbe(s saved.Store) probe {
	const list = "storagetest.items"
	filter := func(id string, revision int64) saved.Filter {
		return saved.Filter{
			ID: id, List: list, Name: id, Filters: []listing.Filter{listing.Is("id", id)}, Revision: revision, CreatedAt: noon, UpdatedAt: noon,
		}
	}
	return probe{
		name:  "saved filters",
		reads: true,
		order: byID,
		put: func(ctx context.Context, tenant, id string) error {
			return s.Insert(ctx, tenant, filter(id, 1), storage.Unlimited)
		},
		has: func(ctx context.Context, tenant, id string) (bool, error) {
			f, err := s.Get(ctx, tenant, id)
			want := filter(id, f.Revision)
			want.Tenant = tenant
			return found(reflect.DeepEqual(f, want), err)
		},
		get: func(ctx context.Context, tenant, id string) error {
			_, err := s.Get(ctx, tenant, id)
			return err
		},
		list: func(ctx context.Context, tenant string, after storage.Cursor, limit int) ([]string, storage.Cursor, error) {
			page, err := s.List(ctx, tenant, saved.Query{List: list, After: after, Limit: limit})
			var ids []string
			for _, f := range page.Items {
				ids = append(ids, f.ID)
			}
			return ids, page.Next, err
		},
		drop: func(ctx context.Context, tenant, id string) error {
			return s.Delete(ctx, tenant, id, 1)
		},
		revision: func(ctx context.Context, tenant, id string) (int64, error) {
			f, err := s.Get(ctx, tenant, id)
			return f.Revision, err
		},
		bump: func(ctx context.Context, tenant, id string, revision int64) error {
			return s.Update(ctx, tenant, filter(id, revision+1), revision)
		},
	}
}

// conn is how a backend lets the host use its own tables in the kit's transaction.
type conn interface {
	Conn(ctx context.Context) (storage.Conn, error)
}

// connProbe writes to a table of the host's own beside the kit's.
func connProbe(b Backend, c conn) probe {
	table := func(ctx context.Context) (storage.Conn, error) {
		host, err := c.Conn(ctx)
		if err != nil {
			return nil, err
		}
		_, err = host.Exec(ctx, `CREATE TABLE IF NOT EXISTS storagetest_note (tenant TEXT NOT NULL, id TEXT NOT NULL)`)
		return host, err
	}
	return probe{
		name:  "the host's own table",
		joins: true,
		put: func(ctx context.Context, tenant, id string) error {
			host, err := table(ctx)
			if err != nil {
				return err
			}
			_, err = host.Exec(ctx, `INSERT INTO storagetest_note (tenant, id) VALUES ($1, $2)`, tenant, id)
			return err
		},
		has: func(ctx context.Context, tenant, id string) (bool, error) {
			host, err := table(ctx)
			if err != nil {
				return false, err
			}
			var n int64
			err = storage.QueryRow(ctx, host, `SELECT COUNT(*) FROM storagetest_note WHERE tenant = $1 AND id = $2`, []any{tenant, id}, &n)
			if err != nil || n == 0 {
				return false, err
			}
			return found(n == 1, nil)
		},
	}
}

// errUndo ends transactions that only looked.
var errUndo = errors.New("storagetest: undo")

// look reports whether the record is there, in a transaction that leaves nothing
// behind.
func (e *env) look(p probe, tenant, id string) bool {
	e.Helper()
	found := false
	err := e.b.InTx(e.ctx, func(ctx context.Context) (err error) {
		if found, err = p.has(ctx, tenant, id); err != nil {
			return err
		}
		return errUndo
	})
	if !errors.Is(err, errUndo) {
		e.Errorf("%s: look for %q: %v", p.name, id, err)
	}
	return found
}

// expect fails the rule unless each store has the record, or has it not.
func (e *env) expect(tenant, id string, want bool, when string) {
	e.Helper()
	for _, p := range e.probes {
		if got := e.look(p, tenant, id); got != want {
			e.Errorf("%s: %s: the record is there: %t, want %t", p.name, when, got, want)
		}
	}
}

// putAll adds a record to each store.
func (e *env) putAll(ctx context.Context, tenant, id string) error {
	for _, p := range e.probes {
		if err := p.put(ctx, tenant, id); err != nil {
			return errors.Join(errors.New(p.name), err)
		}
	}
	return nil
}

// must fails the rule at once where err is not nil.
func (e *env) must(err error, what string) {
	e.Helper()
	if err != nil {
		e.Fatalf("%s: %v", what, err)
	}
}

// wantErr fails the rule unless err is want.
func (e *env) wantErr(err, want error, what string) {
	e.Helper()
	if !errors.Is(err, want) {
		e.Errorf("%s: got %v, want %v", what, err, want)
	}
}
