package approvals_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// audiences are those of acme in a test.
type audiences struct {
	mu    sync.Mutex
	all   []targeting.Audience
	err   error
	asked int
}

func (a *audiences) set(err error, all ...targeting.Audience) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all, a.err = all, err
}

func (a *audiences) library(_ context.Context, tenant string) (*targeting.Library, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	if tenant != acme || a.err != nil {
		return nil, a.err
	}
	return targeting.NewLibrary(a.all, targeting.Options{})
}

// above is the audience of the amounts above one.
func above(key string, amount int64) targeting.Audience {
	return targeting.Audience{Key: key, When: &targeting.Condition{Path: "amount", Op: targeting.Greater, Value: targeting.Int(amount)}}
}

func when(t testing.TB, condition string) *targeting.Condition {
	t.Helper()
	c, err := targeting.ParseCondition([]byte(condition))
	if err != nil {
		t.Fatal(err)
	}
	return &c
}

// routedBy has a manager agree to everything, and an owner to what the condition is for.
func routedBy(t testing.TB, condition string, known *audiences) options {
	o := stages(
		approvals.StageRule{Name: "managers", Roles: []string{"manager"}},
		approvals.StageRule{Name: "owners", Roles: []string{"owner"}, When: when(t, condition)},
	)
	if known != nil {
		o.config.Audiences = known.library
	}
	return o
}

// asked says of each stage whether it is asked, and why.
func asked(stages []approvals.Stage) string {
	var all []string
	for _, st := range stages {
		all = append(all, strings.TrimSpace(fmt.Sprint(st.Name, " ", st.Status, " ", st.Reason.Code)))
	}
	return strings.Join(all, ", ")
}

func same(t testing.TB, what string, got, want any) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestAStageIsSkippedOnlyWhereItsConditionCertainlyDoesNotHold(t *testing.T) {
	t.Parallel()
	library, err := targeting.NewLibrary([]targeting.Audience{
		above("large", 1000),
		{Key: "acme", Include: []string{acme}},
		{Key: "m-7", Include: []string{"m-7"}},
		{Key: "strange pointer", When: &targeting.Condition{Path: "/payload/lines/0/sku", Op: targeting.Equal, Value: targeting.String("x")}},
	}, targeting.Options{})
	must(t, err)
	request := approvals.Request{
		Tenant: acme, Action: "orders.refund", Resource: audit.Resource{Type: "order", ID: "o-1"},
		Requester: audit.Actor{Type: audit.User, ID: "sam"},
		Metadata:  json.RawMessage(`{"plan":"pro","risk":null,"tenant":"bloom"}`),
		Content: approvals.Content{
			Payload:      json.RawMessage(`{"amount":"150.00","country":"GB","plan":"free","tenant":"bloom","a/b":1,"lines":[{"sku":"x"}]}`),
			BaseRevision: "3", Before: json.RawMessage(`{"status":"paid"}`),
		},
	}
	other := request
	other.Payload = json.RawMessage(`{"merchantId":"m-7","amount":[1]}`)
	const skipped, asked = approvals.StageSkipped, approvals.StagePending
	for _, c := range []struct {
		name, condition string
		request         approvals.Request
		want            approvals.StageStatus
		code, text      string
	}{
		{"a condition that holds", `{"path":"/payload/amount","op":"gte","value":150}`, request, asked, "", ""},
		{"no condition in it", `{}`, request, asked, "", ""},
		{"one that does not hold", `{"path":"/payload/amount","op":"gt","value":150}`, request, skipped, "condition_false", "/payload/amount gt 150 does not hold"},
		{"a list of values", `{"path":"country","op":"in","value":["NO","SE"]}`, request, skipped, "condition_false", "country in does not hold"},
		{"no value at all", `{"path":"/payload/lines/1","op":"exists"}`, request, skipped, "condition_false", "/payload/lines/1 exists does not hold"},
		{"a group", `{"all":[{"path":"country","op":"eq","value":"NO"}]}`, request, skipped, "condition_false", "its condition does not hold"},
		{"what the change does not say", `{"path":"/payload/total","op":"gt","value":1}`, request, asked, "condition_undecided", "asked all the same: the change does not say all that its condition reads"},
		{"what is null", `{"path":"risk","op":"eq","value":"high"}`, request, asked, "condition_undecided", "asked all the same: the change does not say all that its condition reads"},
		{"what is of another kind", `{"path":"amount","op":"gt","value":1}`, withPayload(request, `{"amount":true}`), asked, "condition_undecided", "asked all the same: the change does not say all that its condition reads"},
		{"no payload", `{"path":"amount","op":"gt","value":1}`, withPayload(request, ``), asked, "condition_undecided", "asked all the same: the change does not say all that its condition reads"},
		{"a payload of two meanings", `{"path":"amount","op":"gt","value":1}`, withPayload(request, `{"amount":0,"amount":2}`), asked, "condition_undecided", "asked all the same: the change does not say all that its condition reads"},
		{"an audience that it is of", `{"audience":"acme"}`, request, asked, "", ""},
		{"an audience that it is not of", `{"audience":"large"}`, request, skipped, "condition_false", `the change is not of the audience "large"`},
		{"an audience that asks for what is not there", `{"audience":"large"}`, withPayload(request, `{}`), asked, "condition_undecided", "asked all the same: the change does not say all that its condition reads"},
		{"an audience that is not known", `{"none":[{"audience":"gone"}]}`, request, asked, "condition_undecided", "asked all the same: its condition names an audience that is not known"},
		{"an audience by pointer", `{"audience":"strange pointer"}`, request, asked, "", ""},
		{"the merchant of the payload", `{"audience":"m-7"}`, other, asked, "", ""},
		{"who is not the tenant then", `{"audience":"acme"}`, other, skipped, "condition_false", `the change is not of the audience "acme"`},
		{"the tenant, whatever the payload says", `{"path":"tenant","op":"eq","value":"acme"}`, request, asked, "", ""},
		{"the metadata before the payload", `{"path":"plan","op":"eq","value":"pro"}`, request, asked, "", ""},
		{"a name with a slash", `{"path":"a/b","op":"eq","value":1}`, request, asked, "", ""},
		{"the action", `{"path":"/action","op":"eq","value":"orders.refund"}`, request, asked, "", ""},
		{"the resource", `{"path":"/resource/id","op":"eq","value":"o-2"}`, request, skipped, "condition_false", `/resource/id eq "o-2" does not hold`},
		{"the requester", `{"path":"/requester/id","op":"not_in","value":["sam"]}`, request, skipped, "condition_false", "/requester/id not_in does not hold"},
		{"whom they act as, nobody", `{"path":"/requester/acting_as","op":"exists"}`, request, skipped, "condition_false", "/requester/acting_as exists does not hold"},
		{"the revision of the resource", `{"path":"/base_revision","op":"eq","value":"3"}`, request, asked, "", ""},
		{"a share of the changes", `{"bucket":{"by":["/resource/id"],"salt":"sample","to":100}}`, request, asked, "", ""},
		{"a share that nobody has", `{"bucket":{"by":["/resource/id"],"salt":"sample","to":0}}`, request, skipped, "condition_false", "its condition does not hold"},
		{"what an editor could say anything of", `{"path":"/before/status","op":"eq","value":"unpaid"}`, request, asked, "condition_undecided", "asked all the same: the change does not say all that its condition reads"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := c.request
			r.Policy = approvals.Policy{Stages: []approvals.StageRule{{Name: "all", Required: 1}, {Name: "some", Required: 2, When: when(t, c.condition)}}}
			got := approvals.Route(r, library)
			same(t, "the stage without a condition", fmt.Sprint(got[0]), fmt.Sprint(approvals.Stage{Name: "all", Status: asked, Required: 1}))
			same(t, "the other one", fmt.Sprint(got[1]), fmt.Sprint(approvals.Stage{
				Name: "some", Status: c.want, Required: 2, Reason: audit.Reason{Code: c.code, Text: c.text},
			}))
		})
	}
}

func withPayload(r approvals.Request, payload string) approvals.Request {
	r.Payload = json.RawMessage(payload)
	return r
}

func TestAReasonIsShortWhateverTheConditionSays(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 250)
	r := approvals.Request{Tenant: acme, Content: approvals.Content{Payload: json.RawMessage(`{"` + long + `":1}`)}}
	r.Policy.Stages = []approvals.StageRule{{Name: "all"}, {Name: "some", When: &targeting.Condition{
		Path: long, Op: targeting.GreaterEqual, Value: targeting.Number(1e300),
	}}}
	if got := approvals.Route(r, nil)[1].Reason; got.Code != approvals.RoutedElsewhere || len(got.Text) > 250 {
		t.Errorf("got %v in %d bytes, want at most 250", got, len(got.Text))
	}
}

func TestAPolicyThatWouldAskNobodyAsksAll(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), stages(
		approvals.StageRule{Name: "large", Roles: []string{"manager"}, When: when(t, `{"path":"amount","op":"gte","value":1000}`)},
		approvals.StageRule{Name: "huge", Roles: []string{"owner"}, When: when(t, `{"path":"amount","op":"gte","value":2000}`)},
	))
	for amount, want := range map[int]string{
		150:  "large pending no_stage_left, huge pending no_stage_left",
		1000: "large pending, huge skipped condition_false",
		2000: "large pending, huge pending",
	} {
		r := k.ask(t, amount)
		same(t, fmt.Sprint(amount), asked(r.Stages), want)
		_, err := k.decide(t, marco, r.ID, approvals.Approve)
		must(t, err)
		want := approvals.StateAwaitingApproval
		if amount == 1000 {
			want = approvals.StateApproved
		}
		k.expect(t, r.ID, want)
	}
}

// TestRequestsAreRoutedOnce has an audience route refunds, and then changes it under
// requests of every age.
func TestRequestsAreRoutedOnce(t *testing.T) {
	t.Parallel()
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		known := &audiences{}
		known.set(nil, above("large", 1000))
		k := newKit(t, b, routedBy(t, `{"audience":"large"}`, known))
		small, large := k.ask(t, 150), k.ask(t, 1001)
		same(t, "the small one", asked(small.Stages), "managers pending, owners skipped condition_false")
		same(t, "the large one", asked(large.Stages), "managers pending, owners pending")
		if small.Stages[0].OpenedAt.IsZero() || !small.Stages[1].OpenedAt.IsZero() {
			t.Errorf("opened %v, want the first stage only", small.Stages)
		}

		known.set(nil, above("large", 100))
		again := k.ask(t, 150)
		same(t, "asking again finds the request", again.ID, small.ID)
		same(t, "as it was routed", asked(again.Stages), "managers pending, owners skipped condition_false")
		later, err := k.decide(t, marco, small.ID, approvals.Approve)
		must(t, err)
		same(t, "the small one in the end", asked(later.Stages), "managers approved, owners skipped condition_false")
		k.expect(t, small.ID, approvals.StateApproved)
		k.work(t)
		k.expect(t, small.ID, approvals.StateApplied)
		same(t, "what was refunded", fmt.Sprint(k.refunded), "[150]")

		known.set(nil)
		_, err = k.decide(t, marco, large.ID, approvals.Approve)
		must(t, err)
		k.expect(t, large.ID, approvals.StateAwaitingApproval)
		_, err = k.decide(t, olivia, large.ID, approvals.Approve)
		must(t, err)
		k.work(t)
		k.expect(t, large.ID, approvals.StateApplied)

		gone := k.ask(t, 160)
		same(t, "where the audience is gone", asked(gone.Stages), "managers pending, owners pending condition_undecided")
	})
}

func TestARevisionIsRoutedAnew(t *testing.T) {
	t.Parallel()
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		known := &audiences{}
		known.set(nil, above("large", 1000))
		k := newKit(t, b, routedBy(t, `{"audience":"large"}`, known))
		r := k.ask(t, 150)
		_, err := k.decide(t, marco, r.ID, approvals.Approve)
		must(t, err)
		revised, err := k.service.Revise(as(t.Context(), sam), acme, r.ID, 1, approvals.Content{Payload: []byte(`{"amount":1500}`), BaseRevision: "1"})
		must(t, err)
		same(t, "the larger revision", asked(revised.Stages), "managers pending, owners pending")
		for _, who := range []audit.Actor{marco, olivia} {
			k.expect(t, r.ID, approvals.StateAwaitingApproval)
			_, err = k.decide(t, who, r.ID, approvals.Approve)
			must(t, err)
		}
		k.expect(t, r.ID, approvals.StateApproved)
		revised, err = k.service.Revise(as(t.Context(), sam), acme, r.ID, 2, approvals.Content{Payload: []byte(`{"amount":200}`), BaseRevision: "1"})
		must(t, err)
		same(t, "the smaller revision", asked(revised.Stages), "managers pending, owners skipped condition_false")

		e, err := k.refund.Event(order(170))
		must(t, err)
		draft, err := k.service.Draft(as(t.Context(), sam), e, "")
		must(t, err)
		same(t, "a draft asks nobody", len(draft.Stages), 0)
		known.set(nil, above("large", 100))
		submitted, err := k.service.Submit(as(t.Context(), sam), acme, draft.ID)
		must(t, err)
		same(t, "a draft, as it is submitted", asked(submitted.Stages), "managers pending, owners pending")

		_, err = k.service.Cancel(as(t.Context(), sam), acme, draft.ID, "")
		must(t, err)
		known.set(nil, above("large", 1000))
		once, err := k.service.Rerequest(as(t.Context(), sam), acme, draft.ID)
		must(t, err)
		same(t, "asked once more", asked(once.Stages), "managers pending, owners skipped condition_false")
	})
}

func TestNobodyOfASkippedStageHasASay(t *testing.T) {
	t.Parallel()
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		o := stages(
			approvals.StageRule{Name: "legal", Users: []string{"nina"}, When: when(t, `{"path":"amount","op":"gte","value":1000}`)},
			approvals.StageRule{Name: "managers", Roles: []string{"manager"}},
		)
		k := newKit(t, b, o)
		r := k.ask(t, 150)
		same(t, "the stage that waits", r.OpenStage(), 1)
		for _, choice := range []approvals.Trigger{approvals.Approve, approvals.Decline, approvals.Comment} {
			if _, err := k.decide(t, nina, r.ID, choice); !errors.Is(err, approvals.ErrNotEligible) {
				t.Errorf("%s: got %v, want ErrNotEligible", choice, err)
			}
		}
		if _, err := k.service.Revise(as(t.Context(), nina), acme, r.ID, 1, approvals.Content{Payload: []byte(`{"amount":151}`), BaseRevision: "1"}); !errors.Is(err, approvals.ErrNotEligible) {
			t.Errorf("revising: got %v, want ErrNotEligible", err)
		}
		large := k.ask(t, 1000)
		_, err := k.decide(t, nina, large.ID, approvals.Approve)
		must(t, err)
		_, err = k.refund.Do(as(t.Context(), nina), order(160))
		if _, ok := errors.AsType[*approvals.PendingError](err); !ok {
			t.Errorf("who is the only one of a stage that is skipped: got %v, want a request", err)
		}
		_, err = k.refund.Do(as(t.Context(), nina), order(1600))
		if denied, ok := errors.AsType[*audit.DeniedError](err); !ok || denied.Verdict.Reason.Code != "approval_infeasible" {
			t.Errorf("who is the only one of a stage that is asked: got %v, want it denied", err)
		}
	})
}

func TestAudiencesOutOfReachAskMorePeople(t *testing.T) {
	t.Parallel()
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		known := &audiences{}
		known.set(errors.New("the library is in the wash"))
		k := newKit(t, b, routedBy(t, `{"audience":"large"}`, known))
		r := k.ask(t, 150)
		same(t, "the stages", asked(r.Stages), "managers pending, owners pending condition_undecided")
		same(t, "the reason", r.Stages[1].Reason.Text, "asked all the same: the audiences of its condition could not be read")

		known.set(storage.ErrUnavailable)
		_, err := k.refund.Do(as(t.Context(), sam), order(160))
		if _, ok := errors.AsType[*approvals.PendingError](err); ok || !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("a store that is away: got %v, want ErrUnavailable and no request", err)
		}
	})
}

func TestAStatementThatFailsLeavesTheTransactionToTheRequest(t *testing.T) {
	t.Parallel()
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		o := routedBy(t, `{"audience":"large"}`, nil)
		o.config.Audiences = func(ctx context.Context, _ string) (*targeting.Library, error) {
			// A host's own library, whose table is gone: on Postgres nothing more can be
			// done in a transaction, or a savepoint of it, in which a statement failed.
			type connected interface {
				Conn(ctx context.Context) (storage.Conn, error)
			}
			if db, ok := b.(connected); ok {
				c, err := db.Conn(ctx)
				if err != nil {
					return nil, err
				}
				_, err = c.Exec(ctx, "SELECT no_such_column FROM no_such_table")
				return nil, err
			}
			return nil, errors.New("there are no tables here")
		}
		k := newKit(t, b, o)
		r := k.ask(t, 150)
		same(t, "the stages", asked(r.Stages), "managers pending, owners pending condition_undecided")
	})
}

func TestPoliciesThatNameNoAudienceNeedNone(t *testing.T) {
	t.Parallel()
	known := &audiences{}
	k := newKit(t, eachtest.Memory(t), routedBy(t, `{"path":"amount","op":"gte","value":1000}`, known))
	k.ask(t, 150)
	same(t, "how often the library was read", known.asked, 0)
}

func TestTheAuditEventTellsWhoIsAskedAndWhy(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), routedBy(t, `{"path":"amount","op":"gte","value":1000}`, nil))
	r := k.ask(t, 150)
	_, err := k.service.Revise(as(t.Context(), sam), acme, r.ID, 1, approvals.Content{Payload: []byte(`{"amount":1500}`), BaseRevision: "1"})
	must(t, err)
	_, err = k.service.Revise(as(t.Context(), sam), acme, r.ID, 2, approvals.Content{Payload: []byte(`{"amount":200}`), BaseRevision: "1"})
	must(t, err)
	_, err = k.decide(t, marco, r.ID, approvals.Approve)
	must(t, err)
	told := func(e audit.Event) string {
		var m struct {
			Stages json.RawMessage `json:"stages"`
		}
		must(t, json.Unmarshal(e.Metadata, &m))
		return string(m.Stages)
	}
	const skipped = `[{"name":"owners","reason":{"code":"condition_false","text":"amount gte 1000 does not hold"},"status":"skipped"}]`
	for i, c := range []struct{ action, want string }{
		{"submitted", skipped}, {"revised", ""}, {"revised", skipped}, {"approved", ""},
	} {
		k.log.mu.Lock()
		var own []audit.Event
		for _, e := range k.log.events {
			if e.ApprovalID == r.ID && e.Resource.Type == approvals.ResourceType {
				own = append(own, e)
			}
		}
		k.log.mu.Unlock()
		same(t, "the event", own[i].Action, "approvals.request."+c.action)
		same(t, c.action, told(own[i]), c.want)
	}
}

func TestPoliciesWithHostileConditionsAreRefused(t *testing.T) {
	t.Parallel()
	clause := targeting.Condition{Path: "amount", Op: targeting.GreaterEqual, Value: targeting.Int(1)}
	deep := clause
	for range targeting.MaxDepth {
		deep = targeting.Condition{All: []targeting.Condition{deep}}
	}
	circle := []targeting.Condition{{}}
	circle[0].All = circle
	known := (&audiences{}).library
	for _, c := range []struct {
		name      string
		when      targeting.Condition
		audiences func(context.Context, string) (*targeting.Library, error)
		pointer   string
	}{
		{"nested too deep", deep, nil, "/stages/1/when" + strings.Repeat("/all/0", targeting.MaxDepth)},
		{"one that holds itself", targeting.Condition{All: circle}, nil, "/stages/1/when"},
		{"too many nodes", targeting.Condition{Any: slices.Repeat([]targeting.Condition{clause}, targeting.MaxNodes)}, nil, "/stages/1/when/any/999"},
		{"a group of nothing", targeting.Condition{All: []targeting.Condition{}}, nil, "/stages/1/when/all"},
		{"an operator that is none", targeting.Condition{Path: "amount", Op: "above", Value: targeting.Int(1)}, nil, "/stages/1/when/op"},
		{"a value that is none for it", targeting.Condition{Path: "amount", Op: targeting.GreaterEqual, Value: targeting.Bool(true)}, nil, "/stages/1/when/value"},
		{"a hungry expression", targeting.Condition{Path: "amount", Op: targeting.Matches, Value: targeting.String(strings.Repeat("(a|b){100}", 100))}, nil, "/stages/1/when/value"},
		{"a pointer to what no request has", targeting.Condition{Path: "/payloads/amount", Op: targeting.Exists}, nil, "/stages/1/when"},
		{"a pointer to what an editor writes", targeting.Condition{Path: "/before/status", Op: targeting.Exists}, nil, "/stages/1/when"},
		{"an audience where there are none", targeting.Condition{Audience: "vip"}, nil, "/stages/1/when"},
		{"an audience with too long a key", targeting.Condition{Any: []targeting.Condition{{Audience: "vip"}, {Audience: strings.Repeat("x", 2000)}}}, known, "/stages/1/when/any/1/audience"},
		{"a share that is none", targeting.Condition{Bucket: &targeting.Bucket{Salt: "s", To: 101}}, nil, "/stages/1/when/bucket/to"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := stages(approvals.StageRule{Name: "a"}, approvals.StageRule{Name: "b", When: &c.when})
			o.config.Audiences = c.audiences
			b := eachtest.Memory(t)
			catalog, err := audit.NewCatalog(audit.CatalogConfig{}, approvals.Actions()...)
			must(t, err)
			nobody := approvals.DirectoryFunc(func(context.Context, string, audit.Actor) ([]string, error) { return nil, nil })
			_, err = approvals.New(b, b.Approvals(), &handQueue{}, nobody, catalog, audit.Disabled, o.config)
			invalid, ok := errors.AsType[*storage.InvalidError](err)
			if !ok || invalid.Fields[0].Pointer != c.pointer {
				t.Errorf("got %v, want what is wrong at %s", err, c.pointer)
			}
		})
	}
}

func TestAPolicyIsItsOwnAfterNew(t *testing.T) {
	t.Parallel()
	o := routedBy(t, `{"all":[{"path":"amount","op":"gte","value":1000}]}`, nil)
	k := newKit(t, eachtest.Memory(t), o)
	o.config.Policies[""].Stages[1].When.All[0].Path = "tenant"
	same(t, "the stages", asked(k.ask(t, 150).Stages), "managers pending, owners skipped condition_false")
}

func TestPoliciesSayWhichAudiencesTheyUse(t *testing.T) {
	t.Parallel()
	o := routedBy(t, `{"audience":"vip"}`, &audiences{})
	deep := o.config.Policies[""]
	deep.Stages = slices.Clone(deep.Stages)
	deep.Stages[1].When = when(t, `{"any":[{"none":[{"audience":"vip"}]},{"audience":"large"}]}`)
	o.config.Policies["refund"], o.config.Policies["payout"] = deep, approvals.Policy{}
	k := newKit(t, eachtest.Memory(t), o)
	for audience, want := range map[string]string{
		"vip": "[the default approval policy approval policy refund]", "large": "[approval policy refund]", "other": "[]",
	} {
		got, err := k.service.AudienceUsers(t.Context(), acme, audience)
		must(t, err)
		same(t, audience, fmt.Sprint(got), want)
	}
}

// A naive condition is a tree over the attributes below, with its truth as a function.
var attributes = []string{"a", "b", "c"}

// drawWhen draws a condition and what it should answer: 1 it holds, -1 it does not, 0
// nobody can tell.
func drawWhen(t *rapid.T, depth int) (targeting.Condition, func(payload map[string]any) int) {
	form := rapid.IntRange(0, 5).Draw(t, "form")
	if depth == 0 || form > 2 {
		path := rapid.SampledFrom(attributes).Draw(t, "path")
		limit := rapid.Int64Range(0, 3).Draw(t, "limit")
		atLeast := func(payload map[string]any) int {
			switch v, ok := payload[path].(int); {
			case !ok:
				return 0
			case int64(v) >= limit:
				return 1
			}
			return -1
		}
		switch rapid.IntRange(0, 2).Draw(t, "leaf") {
		case 0: // an audience of the same members
			key := fmt.Sprint(path, " from ", limit)
			return targeting.Condition{Audience: key}, atLeast
		case 1:
			return targeting.Condition{Audience: "gone"}, nil
		}
		return targeting.Condition{Path: path, Op: targeting.GreaterEqual, Value: targeting.Int(limit)}, atLeast
	}
	var members []targeting.Condition
	var truths []func(map[string]any) int
	for range rapid.IntRange(1, 3).Draw(t, "members") {
		c, truth := drawWhen(t, depth-1)
		members, truths = append(members, c), append(truths, truth)
	}
	truth := func(payload map[string]any) int {
		least, most := 1, -1
		for _, f := range truths {
			least, most = min(least, f(payload)), max(most, f(payload))
		}
		return []int{least, most, -most}[form]
	}
	if slices.ContainsFunc(truths, func(f func(map[string]any) int) bool { return f == nil }) {
		truth = nil
	}
	return []targeting.Condition{{All: members}, {Any: members}, {None: members}}[form], truth
}

func TestRouteAsksWhomAReferenceAsks(t *testing.T) {
	t.Parallel()
	var all []targeting.Audience
	for _, path := range attributes {
		for limit := range int64(4) {
			all = append(all, targeting.Audience{Key: fmt.Sprint(path, " from ", limit), When: &targeting.Condition{
				Path: path, Op: targeting.GreaterEqual, Value: targeting.Int(limit),
			}})
		}
	}
	library, err := targeting.NewLibrary(all, targeting.Options{})
	must(t, err)
	seen := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		var r approvals.Request
		var truths []func(map[string]any) int
		for i := range rapid.IntRange(1, 4).Draw(t, "stages") {
			rule := approvals.StageRule{Name: fmt.Sprint(i), Required: 1}
			truth := func(map[string]any) int { return 1 }
			if rapid.IntRange(0, 4).Draw(t, "conditional") > 0 {
				var c targeting.Condition
				c, truth = drawWhen(t, 2)
				rule.When = &c
			}
			r.Policy.Stages, truths = append(r.Policy.Stages, rule), append(truths, truth)
		}
		payload := map[string]any{}
		for _, path := range attributes {
			switch rapid.IntRange(0, 5).Draw(t, "attribute") {
			case 0:
			case 1:
				payload[path] = "much"
			default:
				payload[path] = rapid.IntRange(0, 3).Draw(t, "value")
			}
		}
		raw, err := json.Marshal(payload)
		if err != nil {
			t.Fatal(err)
		}
		r.Payload = raw
		var want []string
		skipped := 0
		for i, truth := range truths {
			answer := 0 // an audience that is gone leaves all of it undecided
			if truth != nil {
				answer = truth(payload)
			}
			status := map[int]string{1: " pending", 0: " pending condition_undecided", -1: " skipped condition_false"}[answer]
			want = append(want, fmt.Sprint(i)+status)
			if answer < 0 {
				skipped++
			}
		}
		if skipped == len(want) {
			for i := range want {
				want[i] = fmt.Sprint(i) + " pending no_stage_left"
			}
		}
		got := approvals.Route(r, library)
		if asked(got) != strings.Join(want, ", ") {
			t.Fatalf("%s over %s: got %s, want %s", sprint(r.Policy.Stages), raw, asked(got), want)
		}
		for _, st := range got {
			seen[st.Reason.Code]++
		}
		// Who is skipped stays so, whatever is decided.
		ds := []approvals.Decision{{Stage: 0, Choice: approvals.Approve, Actor: marco}, {Stage: len(got) - 1, Choice: approvals.Decline, Actor: maria}}
		for i, st := range approvals.Evaluate(r.Policy, got, 0, nil, ds) {
			if (st.Status == approvals.StageSkipped) != (got[i].Status == approvals.StageSkipped) || st.Reason != got[i].Reason {
				t.Fatalf("after decisions the stage %v became %v", got[i], st)
			}
		}
	})
	for _, code := range []string{"", approvals.RoutedElsewhere, approvals.RoutedNowhereElse, approvals.RoutedUndecided} {
		if seen[code] == 0 {
			t.Errorf("no stage had the reason %q, which shows little", code)
		}
	}
}

func sprint(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

func TestASkipThatNoConditionAllowsIsNone(t *testing.T) {
	t.Parallel()
	p := approvals.Policy{Stages: []approvals.StageRule{{Name: "a", Required: 1}, {Name: "b", Required: 1, When: when(t, `{"path":"x","op":"exists"}`)}}}
	forged := []approvals.Stage{{Status: approvals.StageSkipped}, {Status: approvals.StageSkipped}}
	same(t, "the stages", asked(approvals.Evaluate(p, forged, 1, nil, nil)), "a pending, b skipped")
}
