package saved_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
	"github.com/lumelle/adminkit/storage/listing/saved"
	"github.com/lumelle/adminkit/storage/memory"
)

const (
	list   = "shop.orders"
	sam    = "user:sam"
	olivia = "user:olivia"
)

var (
	noon  = time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	open  = saved.Input{Name: "Open", Filters: []listing.Filter{listing.Is("status", "open")}}
	newer = saved.Input{Name: "Newest", Sort: listing.Sort{Field: "at", Descending: true}}
)

// A bundle is a Service over a store of its own, and what its Govern was asked.
type bundle struct {
	*saved.Service
	store saved.Store
	asked []saved.Change
	deny  error
}

func setup(t *testing.T) *bundle {
	t.Helper()
	backend, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	b := &bundle{store: backend.SavedFilters()}
	b.Service, err = saved.New(b.store, []saved.List{saved.Of(orders(status))}, saved.Config{
		Now: func() time.Time { return noon },
		Govern: func(ctx context.Context, c saved.Change, apply func(ctx context.Context) error) error {
			b.asked = append(b.asked, c)
			if b.deny != nil {
				return b.deny
			}
			return apply(ctx)
		},
		Quotas: func(_ context.Context, tenant string) (saved.Quotas, error) {
			switch tenant {
			case "tiny":
				return saved.Quotas{Filters: 1}, nil
			case "unknown":
				return saved.Quotas{}, errors.New("nobody knows")
			}
			return saved.Quotas{}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bundle) create(t *testing.T, owner string, in saved.Input) saved.Filter {
	t.Helper()
	f, err := b.Create(t.Context(), "acme", owner, list, in)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestWhatDoesNotFitIsRefusedByItsField(t *testing.T) {
	t.Parallel()
	b := setup(t)
	kept := b.create(t, sam, open)
	for _, c := range []struct {
		name, pointer string
		change        func(in *saved.Input)
	}{
		{"no name", "/name", func(in *saved.Input) { in.Name = "" }},
		{"a name that is too long", "/name", func(in *saved.Input) { in.Name = strings.Repeat("x", saved.MaxName+1) }},
		{"a name with a NUL", "/name", func(in *saved.Input) { in.Name = "a\x00" }},
		{"neither a condition nor a sort", "/filter", func(in *saved.Input) { in.Filters = nil }},
		{"an unknown field", "/filter/colour/eq", func(in *saved.Input) { in.Filters = []listing.Filter{listing.Is("colour", "red")} }},
		{"an unknown word", "/filter/status/eq", func(in *saved.Input) { in.Filters = []listing.Filter{listing.Is("status", "lost")} }},
		{"a condition twice", "/filter/status/eq", func(in *saved.Input) { in.Filters = append(slices.Clone(in.Filters), in.Filters[0]) }},
		{"a sort by what has no order", "/sort", func(in *saved.Input) { in.Sort.Field = "status" }},
	} {
		in := open
		c.change(&in)
		_, created := b.Create(t.Context(), "acme", olivia, list, in)
		_, updated := b.Update(t.Context(), "acme", sam, kept.ID, 1, in)
		for _, err := range []error{created, updated} {
			bad, ok := errors.AsType[*storage.InvalidError](err)
			if !ok || len(bad.Fields) != 1 || bad.Fields[0].Pointer != c.pointer {
				t.Errorf("%s: got %v, want a complaint about %s", c.name, err, c.pointer)
			}
		}
	}
	if _, err := b.Create(t.Context(), "", sam, list, open); !errors.Is(err, storage.ErrInvalid) {
		t.Errorf("no tenant: got %v", err)
	}
	if _, err := b.Create(t.Context(), "acme", sam, "shop.payouts", open); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("an unknown list: got %v", err)
	}
	if _, err := b.List(t.Context(), "acme", saved.Query{List: "shop.payouts"}); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("the filters of an unknown list: got %v", err)
	}
}

func TestAFilterOfOnesOwnIsNobodyElses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.create(t, sam, open)
	for _, viewer := range []string{olivia, "", "USER:SAM"} {
		_, got := b.Get(t.Context(), "acme", viewer, f.ID)
		_, asked := b.Query(t.Context(), "acme", viewer, list, f.ID)
		_, updated := b.Update(t.Context(), "acme", viewer, f.ID, 0, newer)
		deleted := b.Delete(t.Context(), "acme", viewer, f.ID, 0)
		for what, err := range map[string]error{"get": got, "query": asked, "update": updated, "delete": deleted} {
			if !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("%s as %q: got %v", what, viewer, err)
			}
		}
	}
	if _, err := b.Get(t.Context(), "bloom", sam, f.ID); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("in another tenant: got %v", err)
	}
	if got, err := b.Get(t.Context(), "acme", sam, f.ID); err != nil || !reflect.DeepEqual(got, f) {
		t.Errorf("her own: got %+v, %v", got, err)
	}
	if len(b.asked) != 0 {
		t.Errorf("Govern was asked about %v", b.asked)
	}
}

func TestASharedFilterIsGoverned(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.create(t, "", open)
	if q, err := b.Query(t.Context(), "acme", olivia, list, f.ID); err != nil || !reflect.DeepEqual(q, listing.Query{Filters: open.Filters}) {
		t.Errorf("olivia asks by it: got %+v, %v", q, err)
	}
	changed, err := b.Update(t.Context(), "acme", olivia, f.ID, 1, newer)
	if err != nil || changed.Revision != 2 || changed.Name != "Newest" || !changed.Shared() {
		t.Fatalf("got %+v, %v", changed, err)
	}
	b.deny = errors.New("not you")
	if _, err := b.Create(t.Context(), "acme", "", list, open); !errors.Is(err, b.deny) {
		t.Errorf("create: got %v", err)
	}
	if _, err := b.Update(t.Context(), "acme", sam, f.ID, 0, open); !errors.Is(err, b.deny) {
		t.Errorf("update: got %v", err)
	}
	if err := b.Delete(t.Context(), "acme", sam, f.ID, 0); !errors.Is(err, b.deny) {
		t.Errorf("delete: got %v", err)
	}
	if got, err := b.Get(t.Context(), "acme", sam, f.ID); err != nil || !reflect.DeepEqual(got, changed) {
		t.Errorf("what was refused changed it: %+v, %v", got, err)
	}
	b.deny = nil
	if err := b.Delete(t.Context(), "acme", sam, f.ID, 2); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 2} { // a filter that is to be made has no id yet
		if got := b.asked[n]; got.ID != list+"/Open" || got.After.ID == "" {
			t.Errorf("a creation is of %q, %+v", got.ID, got.After)
		}
	}
	var got []string
	for _, c := range b.asked {
		if c.Tenant != "acme" || (c.Before == nil) != (c.Action == saved.ActionCreate) || (c.After == nil) != (c.Action == saved.ActionDelete) || c.ID == "" {
			t.Errorf("got %+v", c)
		}
		got = append(got, c.Action)
	}
	if want := []string{
		saved.ActionCreate, saved.ActionUpdate, saved.ActionCreate, saved.ActionUpdate, saved.ActionDelete, saved.ActionDelete,
	}; !slices.Equal(got, want) {
		t.Errorf("Govern was asked about %v, want %v", got, want)
	}
}

func TestOfTwoWhoChangeAFilterTheLaterIsTold(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.create(t, sam, open)
	if _, err := b.Update(t.Context(), "acme", sam, f.ID, 1, newer); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Update(t.Context(), "acme", sam, f.ID, 1, open); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("update: got %v", err)
	}
	if err := b.Delete(t.Context(), "acme", sam, f.ID, 1); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("delete: got %v", err)
	}
	if _, err := b.Create(t.Context(), "acme", sam, list, newer); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("a name that is taken: got %v", err)
	}
	if err := b.Delete(t.Context(), "acme", sam, f.ID, 0); err != nil {
		t.Errorf("whichever is current: got %v", err)
	}
}

func TestAnOutdatedFilterIsToldAndNeverAListOfEverything(t *testing.T) {
	t.Parallel()
	b := setup(t)
	in := open
	in.Sort = listing.Sort{Field: "at"}
	f := b.create(t, sam, in)
	later, err := saved.New(b.store, []saved.List{saved.Of(orders()), saved.Of(listing.List[order]{Name: "shop.payouts"})}, saved.Config{})
	if err != nil {
		t.Fatal(err)
	}
	q, err := later.Query(t.Context(), "acme", sam, list, f.ID)
	outdated, ok := errors.AsType[*saved.OutdatedError](err)
	if !ok || outdated.ID != f.ID || len(outdated.Fields) != 1 || outdated.Fields[0].Pointer != "/filter/status/eq" || !errors.Is(err, saved.ErrOutdated) {
		t.Errorf("got %v, want what does not fit", err)
	}
	if !reflect.DeepEqual(q, listing.Query{}) {
		t.Errorf("got the query %+v with it", q)
	}
	if _, err := later.Query(t.Context(), "acme", sam, "shop.payouts", f.ID); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("in another list: got %v", err)
	}
	// It is there to be mended.
	if got, err := later.Get(t.Context(), "acme", sam, f.ID); err != nil || !reflect.DeepEqual(got, f) {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := later.Update(t.Context(), "acme", sam, f.ID, 1, newer); err != nil {
		t.Errorf("update: got %v", err)
	}
	if _, err := later.Query(t.Context(), "acme", sam, list, f.ID); err != nil {
		t.Errorf("once it was mended: got %v", err)
	}
}

func TestATenantHasSoManyFilters(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if _, err := b.Create(t.Context(), "tiny", sam, list, open); err != nil {
		t.Fatal(err)
	}
	_, err := b.Create(t.Context(), "tiny", olivia, list, open)
	if limit, ok := errors.AsType[*storage.LimitError](err); !ok || *limit != (storage.LimitError{What: saved.What, Limit: 1}) {
		t.Errorf("got %v, want the limit of 1", err)
	}
	for tenant, want := range map[string]storage.Quota{
		"tiny": {What: saved.What, Limit: 1, Used: 1}, "acme": {What: saved.What, Limit: saved.DefaultMaxFilters},
	} {
		if got, err := b.Quotas(t.Context(), tenant); err != nil || !slices.Equal(got, []storage.Quota{want}) {
			t.Errorf("the quotas of %s: got %v, %v", tenant, got, err)
		}
	}
	if _, err := b.Create(t.Context(), "unknown", sam, list, open); err == nil {
		t.Error("a quota that nobody knows lets a filter in")
	}
	if _, err := b.Quotas(t.Context(), "unknown"); err == nil {
		t.Error("a quota that nobody knows is told")
	}
}

func TestWhatACallerHoldsIsItsOwn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	in := saved.Input{Name: "Open", Filters: []listing.Filter{listing.Is("status", "open")}}
	f := b.create(t, sam, in)
	in.Filters[0].Values[0] = "paid"
	if f.Filters[0].Values[0] != "open" {
		t.Error("the answer changes with the input")
	}
}

func TestAServiceThatCannotWorkIsNotMade(t *testing.T) {
	t.Parallel()
	b := setup(t)
	lists := []saved.List{saved.Of(orders(status))}
	for name, make := range map[string]func() (*saved.Service, error){
		"no store":            func() (*saved.Service, error) { return saved.New(nil, lists, saved.Config{}) },
		"no lists":            func() (*saved.Service, error) { return saved.New(b.store, nil, saved.Config{}) },
		"a list twice":        func() (*saved.Service, error) { return saved.New(b.store, append(lists, lists[0]), saved.Config{}) },
		"a list without name": func() (*saved.Service, error) { return saved.New(b.store, []saved.List{{}}, saved.Config{}) },
		"a list whose name leaves no room for another": func() (*saved.Service, error) {
			long := saved.Of(listing.List[order]{Name: strings.Repeat("l", saved.MaxListName+1)})
			return saved.New(b.store, []saved.List{long}, saved.Config{})
		},
	} {
		if s, err := make(); err == nil || s != nil {
			t.Errorf("%s: got %v, %v", name, s, err)
		}
	}
}
