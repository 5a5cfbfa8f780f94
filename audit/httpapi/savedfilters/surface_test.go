package savedfilters_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/audit/httpapi/httpapitest"
	"github.com/lumelle/adminkit/audit/httpapi/savedfilters"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
	"github.com/lumelle/adminkit/storage/listing/saved"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/secrets"
)

const prefix = "/api/v1/lists"

// An order is what the host lists.
type order struct {
	ID, Status string
	Total      int64
	At         time.Time
}

var status = listing.WordField("status", []string{"open", "paid"}, func(o order) string { return o.Status })

// ordersOf declares the list with fields.
func ordersOf(name string, fields ...listing.Field[order]) listing.List[order] {
	return listing.List[order]{
		Name: name, ID: func(o order) string { return o.ID }, Sort: listing.Sort{Field: "at"},
		Fields: append(fields,
			listing.IntegerField("total", func(o order) int64 { return o.Total }),
			listing.TimeField("at", func(o order) time.Time { return o.At }).Sortable()),
	}
}

var orders = ordersOf("shop.orders", status)

// A pending refusal is what a gate with approvals answers: a request is for a change of
// one resource to one payload.
type pending struct{ id string }

func (p pending) Error() string          { return "waits for " + p.id }
func (p pending) Refused() audit.Outcome { return audit.Pending }

// A host is the surface, and the list of orders, over one Service.
type host struct {
	t       *testing.T
	surface *httpapitest.Client
	lists   *httpapitest.Client
	handler http.Handler
	log     *audit.Log
	store   saved.Store
}

// newHost declares the list that is served as list does: what is saved is checked by orders.
func newHost(t *testing.T, list listing.List[order]) *host {
	t.Helper()
	b, err := memory.New(memory.Config{})
	must(t, err)
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, savedfilters.Actions()...)
	must(t, err)
	h := &host{t: t, store: b.SavedFilters()}
	h.log, err = audit.NewLog(b.Audit(), audit.LogConfig{})
	must(t, err)
	gate := audit.GateFunc(func(_ context.Context, e audit.Event) (audit.Verdict, error) {
		switch e.Actor.ID {
		case "audra":
			return audit.Verdict{Reason: audit.Reason{Code: "read_only", Text: "You may only read."}}, nil
		case "dana":
			return audit.Verdict{}, pending{e.Resource.ID + string(e.Payload)}
		}
		return audit.Verdict{Effect: audit.Allow}, nil
	})
	governor, err := audit.NewGovernor(b, gate, h.log, catalog)
	must(t, err)
	service, err := saved.New(b.SavedFilters(), []saved.List{saved.Of(list), saved.Of(ordersOf("shop.payouts"))}, saved.Config{
		Govern: savedfilters.Govern(governor),
		Quotas: func(_ context.Context, tenant string) (saved.Quotas, error) {
			if tenant == "tiny" {
				return saved.Quotas{Filters: 1}, nil
			}
			return saved.Quotas{}, nil
		},
	})
	must(t, err)
	keys, err := secrets.Generate()
	must(t, err)
	vault, err := secrets.New(keys)
	must(t, err)
	cfg := httpapi.Config{Identify: httpapitest.Identify, Tx: b, Idempotency: b.Idempotency(), Vault: vault, Saved: service}
	h.handler, err = savedfilters.New(service, savedfilters.Config{
		Config: cfg,
		ApprovalID: func(err error) string {
			p, _ := errors.AsType[pending](err)
			return p.id
		},
		Authorize: func(_ context.Context, who httpapi.Identity, list string) error {
			if who.Actor.ID == "mallory" || list == "shop.payouts" && who.Actor.ID != "olivia" {
				return &audit.DeniedError{Verdict: audit.Verdict{Reason: audit.Reason{Code: "stranger"}}}
			}
			return nil
		},
	})
	must(t, err)
	api, err := httpapi.New(cfg)
	must(t, err)
	mux := http.NewServeMux()
	mux.Handle(prefix+"/", http.StripPrefix(prefix, h.handler))
	api.Handle(mux, "GET /orders", func(w http.ResponseWriter, r *http.Request, who httpapi.Identity) error {
		q, _, err := httpapi.ParseQuery(r, list, "status")
		if err != nil {
			return err
		}
		plan, err := list.Plan(q, who.Tenant)
		if err != nil {
			return err
		}
		page := plan.Select(slices.Values([]order{
			{"1", "open", 40, time.Unix(1, 0)}, {"2", "paid", 75, time.Unix(2, 0)}, {"3", "open", 90, time.Unix(3, 0)},
		}))
		return httpapi.WriteJSON(w, http.StatusOK, httpapi.ListOf(page, func(o order) map[string]string { return map[string]string{"id": o.ID} }))
	})
	h.surface, h.lists = httpapitest.Serve(t, mux, "", savedfilters.OpenAPI()), httpapitest.Serve(t, mux, "", nil)
	return h
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// do sends a request as who and wants a status. The host's own list is in no document.
func (h *host) do(want int, who, method, path, body string, header ...string) httpapitest.Answer {
	h.t.Helper()
	client := h.surface
	if !strings.HasPrefix(path, prefix) {
		client = h.lists
	}
	return client.Want(client.Do(who, method, path, body, header...), want)
}

// items returns a member of each item of a list.
func items(a httpapitest.Answer, member string) (all []string) {
	for _, i := range a.Body["items"].([]any) {
		all = append(all, fmt.Sprint(i.(map[string]any)[member]))
	}
	return all
}

// pointers returns the fields that a problem names.
func pointers(a httpapitest.Answer) (all []string) {
	errs, _ := a.Body["errors"].([]any)
	for _, e := range errs {
		all = append(all, e.(map[string]any)["pointer"].(string))
	}
	return all
}

const (
	filters = prefix + "/shop.orders/filters"
	open    = `{"name":"Open","filter":{"status":{"in":["open"]},"total":{"gte":40}},"sort":"-at"}`
	public  = `{"name":"Paid","shared":true,"filter":{"status":{"eq":"paid"}}}`
)

func TestAFilterIsKeptOverHTTP(t *testing.T) {
	t.Parallel()
	h := newHost(t, orders)
	created := h.do(201, "sam@acme", "POST", filters, open, "Idempotency-Key: k")
	id := created.Body["id"].(string)
	if created.Header.Get("ETag") != `"1"` || created.Body["shared"] != false || created.Body["sort"] != "-at" ||
		fmt.Sprint(created.Body["filter"]) != "map[status:map[in:[open]] total:map[gte:40]]" {
		t.Errorf("got %s", created.Text)
	}
	if again := h.do(201, "sam@acme", "POST", filters, open, "Idempotency-Key: k"); again.Text != created.Text {
		t.Errorf("the request again: got %s", again.Text)
	}
	h.do(409, "sam@acme", "POST", filters, open)
	if got := h.do(200, "sam@acme", "GET", filters+"/"+id, ""); got.Text != created.Text {
		t.Errorf("got %s, want %s", got.Text, created.Text)
	}
	renamed := strings.Replace(open, "Open", "Mine", 1)
	h.do(409, "sam@acme", "PUT", filters+"/"+id, renamed, `If-Match: "7"`)
	h.do(400, "sam@acme", "PUT", filters+"/"+id, renamed, `If-Match: 1`)
	if a := h.do(422, "sam@acme", "PUT", filters+"/"+id, strings.Replace(renamed, `"name"`, `"shared":true,"name"`, 1)); !slices.Equal(pointers(a), []string{"/shared"}) {
		t.Errorf("got %s", a.Text)
	}
	if changed := h.do(200, "sam@acme", "PUT", filters+"/"+id, renamed, `If-Match: "1"`); changed.Body["name"] != "Mine" || changed.Header.Get("ETag") != `"2"` {
		t.Errorf("got %s", changed.Text)
	}
	h.do(409, "sam@acme", "DELETE", filters+"/"+id, "", `If-Match: "1"`)
	h.do(204, "sam@acme", "DELETE", filters+"/"+id, "", `If-Match: "2"`)
	h.do(404, "sam@acme", "GET", filters+"/"+id, "")
}

func TestWhatCannotBeAFilterIsRefusedByItsField(t *testing.T) {
	t.Parallel()
	h := newHost(t, orders)
	for _, c := range []struct {
		body, pointer string
		status        int
	}{
		{`{"name":"","filter":{"status":{"eq":"open"}}}`, "/name", 422},
		{`{"name":"x"}`, "/filter", 422},
		{`{"name":"x","filter":{"colour":{"eq":"red"}}}`, "/filter/colour/eq", 422},
		{`{"name":"x","filter":{"status":{"like":"o"}}}`, "/filter/status/like", 422},
		{`{"name":"x","filter":{"status":{"eq":null}}}`, "/filter/status/eq", 422},
		{`{"name":"x","filter":{"status":{"eq":{"a":1}}}}`, "/filter/status/eq", 422},
		{`{"name":"x","sort":"status"}`, "/sort", 422},
		{`{"name":"x","sort":"-","filter":{"status":{"eq":"open"}}}`, "/sort", 422},
		{`{"name":"x","owner":"user:olivia","sort":"at"}`, "/owner", 400},
		{`{"name":"x","sort":"at","sort":"-at"}`, "/sort", 400},
		{`{"name":1,"sort":"at"}`, "/name", 400},
	} {
		if a := h.do(c.status, "sam@acme", "POST", filters, c.body); !slices.Equal(pointers(a), []string{c.pointer}) {
			t.Errorf("%s: got %s, want a complaint about %s", c.body, a.Text, c.pointer)
		}
	}
	h.do(404, "sam@acme", "POST", prefix+"/shop.cats/filters", open)
	h.do(404, "sam@acme", "GET", prefix+"/shop.cats/filters", "")
	h.do(400, "sam@acme", "GET", filters+"?owner=x", "")
	h.do(400, "sam@acme", "GET", filters+"?after=x", "")
	h.do(401, "", "GET", filters, "")
}

func TestFiltersAreSeenByWhomTheyAreFor(t *testing.T) {
	t.Parallel()
	h := newHost(t, orders)
	own := h.do(201, "sam@acme", "POST", filters, open).Body["id"].(string)
	shared := h.do(201, "olivia@acme", "POST", filters, public).Body["id"].(string)
	for who, want := range map[string][]string{"sam@acme": {"Open", "Paid"}, "olivia@acme": {"Paid"}, "sam@bloom": nil} {
		if got := items(h.do(200, who, "GET", filters, ""), "name"); !slices.Equal(got, want) {
			t.Errorf("%s sees %q, want %q", who, got, want)
		}
	}
	page := h.do(200, "sam@acme", "GET", filters+"?limit=1", "")
	if link := page.Header.Get("Link"); !strings.Contains(link, "limit=1") {
		t.Errorf("the Link is %q", link)
	}
	if rest := h.do(200, "sam@acme", "GET", filters+"?limit=1&after="+page.Body["next"].(string), ""); !slices.Equal(items(rest, "name"), []string{"Paid"}) || rest.Body["next"] != "" {
		t.Errorf("got %s", rest.Text)
	}
	for _, who := range []string{"olivia@acme", "sam@bloom"} {
		h.do(404, who, "GET", filters+"/"+own, "")
		h.do(404, who, "PUT", filters+"/"+own, open)
		h.do(404, who, "DELETE", filters+"/"+own, "")
	}
	h.do(404, "olivia@acme", "GET", prefix+"/shop.payouts/filters/"+shared, "")
	h.do(403, "mallory@acme", "GET", filters, "")
	h.do(403, "sam@acme", "POST", prefix+"/shop.payouts/filters", `{"name":"x","sort":"at"}`)
	h.do(403, "sam@acme", "GET", prefix+"/shop.payouts/filters/"+shared, "")
}

func TestChangesOfSharedFiltersAreDecidedAndRecorded(t *testing.T) {
	t.Parallel()
	h := newHost(t, orders)
	id := h.do(201, "sam@acme", "POST", filters, public).Body["id"].(string)
	h.do(200, "olivia@acme", "PUT", filters+"/"+id, strings.Replace(public, "Paid", "Done", 1))
	h.do(403, "audra@acme", "PUT", filters+"/"+id, public)
	h.do(403, "audra@acme", "DELETE", filters+"/"+id, "")
	if a := h.do(202, "dana@acme", "DELETE", filters+"/"+id, ""); a.Body["request_id"] != id {
		t.Errorf("got %s", a.Text)
	}
	h.do(202, "dana@acme", "PUT", filters+"/"+id, public)
	for _, name := range []string{"More", "Less"} {
		body := strings.Replace(public, "Paid", name, 1)
		first, again := h.do(202, "dana@acme", "POST", filters, body), h.do(202, "dana@acme", "POST", filters, body)
		if request := first.Body["request_id"].(string); request != again.Body["request_id"] || !strings.HasPrefix(request, "shop.orders/"+name+"{") {
			t.Errorf("waits for %s, and sent again for %s", first.Text, again.Text)
		}
	}
	h.do(403, "audra@acme", "POST", filters, strings.Replace(public, "Paid", "More", 1))
	// What is one's own is nobody's business.
	own := h.do(201, "audra@acme", "POST", filters, open).Body["id"].(string)
	h.do(204, "audra@acme", "DELETE", filters+"/"+own, "")
	h.do(204, "sam@acme", "DELETE", filters+"/"+id, "")

	page, err := h.log.Query(t.Context(), "acme", audit.Query{ResourceID: id})
	must(t, err)
	var got []string
	for _, e := range page.Items {
		got = append(got, e.Actor.ID+" "+e.Action+" "+string(e.Outcome))
		if e.Resource.Type != savedfilters.ResourceFilter || e.Action == saved.ActionUpdate && (e.BaseRevision == "" || !strings.Contains(string(e.Before), `"name"`)) {
			t.Errorf("got %+v", e)
		}
	}
	slices.Sort(got)
	want := []string{
		"audra saved_filters.deleted denied", "audra saved_filters.updated denied", "dana saved_filters.deleted pending",
		"dana saved_filters.updated pending", "olivia saved_filters.updated success", "sam saved_filters.created success", "sam saved_filters.deleted success",
	}
	if !slices.Equal(got, want) {
		t.Errorf("recorded is\n%q, want\n%q", got, want)
	}
	page, err = h.log.Query(t.Context(), "acme", audit.Query{ResourceID: own})
	if must(t, err); len(page.Items) != 0 {
		t.Errorf("recorded of one's own: %+v", page.Items)
	}
}

func TestAListIsAskedByASavedFilter(t *testing.T) {
	t.Parallel()
	h := newHost(t, orders)
	own := h.do(201, "sam@acme", "POST", filters, open).Body["id"].(string)
	shared := h.do(201, "olivia@acme", "POST", filters, public).Body["id"].(string)
	for query, want := range map[string][]string{"saved=" + own: {"3", "1"}, "saved=" + shared: {"2"}, "saved=" + own + "&limit=1": {"3"}} {
		if got := items(h.do(200, "sam@acme", "GET", "/orders?"+query, ""), "id"); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
	if a := h.do(400, "sam@acme", "GET", "/orders?status=open&saved="+shared, ""); !slices.Equal(pointers(a), []string{"status"}) {
		t.Errorf("got %s", a.Text)
	}
	payouts := h.do(201, "olivia@acme", "POST", prefix+"/shop.payouts/filters", `{"name":"x","shared":true,"sort":"at"}`).Body["id"].(string)
	for who, id := range map[string]string{"olivia@acme": own, "sam@acme": payouts, "sam@bloom": shared} {
		if a := h.do(400, who, "GET", "/orders?saved="+id, ""); !slices.Equal(pointers(a), []string{"saved"}) {
			t.Errorf("%s: got %s", who, a.Text)
		}
	}
}

func TestAnOutdatedFilterIsToldAndListsNothing(t *testing.T) {
	t.Parallel()
	h := newHost(t, ordersOf("shop.orders"))
	must(t, h.store.Insert(t.Context(), "acme", saved.Filter{
		ID: "old", List: "shop.orders", Owner: "user:sam", Name: "Open", Filters: []listing.Filter{listing.Is("status", "open")}, Revision: 1,
	}, storage.Unlimited))
	a := h.do(409, "sam@acme", "GET", "/orders?saved=old", "")
	if !strings.HasSuffix(a.Body["type"].(string), ":saved_filter_outdated") || !slices.Equal(pointers(a), []string{"/filter/status/eq"}) {
		t.Errorf("got %s", a.Text)
	}
	// It is shown, so that it can be mended.
	h.do(200, "sam@acme", "GET", filters+"/old", "")
	h.do(200, "sam@acme", "PUT", filters+"/old", `{"name":"Open","filter":{"total":{"gt":50}}}`)
	if got := items(h.do(200, "sam@acme", "GET", "/orders?saved=old", ""), "id"); !slices.Equal(got, []string{"2", "3"}) {
		t.Errorf("got %q", got)
	}
}

func TestAQuotaIsShownAndNamedWhereItIsReached(t *testing.T) {
	t.Parallel()
	h := newHost(t, orders)
	h.do(201, "sam@tiny", "POST", filters, open)
	full := h.do(409, "olivia@tiny", "POST", filters, open)
	if !strings.Contains(full.Text, `"limit":{"what":"saved filters","limit":1}`) {
		t.Errorf("got %s", full.Text)
	}
	shown := h.do(200, "sam@tiny", "GET", prefix+"/quotas", "")
	if want := `{"items":[{"what":"saved filters","limit":1,"used":1}],"next":""}`; strings.TrimSpace(shown.Text) != want {
		t.Errorf("got %s, want %s", shown.Text, want)
	}
}

func TestDocumentCoversTheSurface(t *testing.T) {
	t.Parallel()
	h := newHost(t, orders)
	httpapitest.Load(t, savedfilters.OpenAPI()).Covers(t, h.handler)
	served := httptest.NewRecorder()
	h.handler.ServeHTTP(served, httptest.NewRequest("GET", "/openapi.json", nil))
	if served.Code != 200 || served.Body.String() != string(savedfilters.OpenAPI()) {
		t.Error("the served document is another one")
	}
}

func TestNewNeedsItsParts(t *testing.T) {
	t.Parallel()
	if _, err := savedfilters.New(nil, savedfilters.Config{Config: httpapi.Config{Identify: httpapitest.Identify}}); err == nil {
		t.Error("a surface without a service was made")
	}
}
