package automation_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/cloudevent"
	"github.com/lumelle/adminkit/audit/schema"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// ruleApplier is how a host applies approved changes of rules and runs.
type ruleApplier struct{ *automation.Service }

func (r ruleApplier) Apply(ctx context.Context, a approvals.Approved) (approvals.Result, error) {
	return approvals.Result{}, r.Service.Apply(ctx, a.Event)
}

var _ approvals.Checker = ruleApplier{}

var marco = audit.Actor{Type: audit.User, ID: "marco"}

// taken are the actions of this package that people take.
var taken = []string{
	automation.ActionCreate, automation.ActionUpdate, automation.ActionEnable, automation.ActionDisable, automation.ActionRerun, automation.ActionCancel,
}

// A governed kit has what sam does with rules and runs approved by marco.
type governed struct {
	*kit
	requests *approvals.Service
}

type governedConfig struct {
	catalog automation.CatalogConfig
	service automation.Config
	// unchecked is an applier that takes any revision of a request.
	unchecked bool
}

func newGoverned(t *testing.T, b backend, cfg governedConfig) governed {
	t.Helper()
	k := &kit{backend: b, ctx: audit.WithActor(t.Context(), sam), probe: newProbe()}
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, slices.Concat(automation.Actions(), approvals.Actions(), []audit.Action{
		{Name: "orders.refund", Type: refunded}, {Name: "orders.flag", Category: audit.Domain},
	})...)
	must(t, err)
	k.log, err = audit.NewLog(b.Audit(), audit.LogConfig{})
	must(t, err)
	k.queue, err = jobs.NewQueue(b.Jobs(), jobs.Config{})
	must(t, err)
	k.outbox, err = automation.NewOutbox(b, b.Automation(), k.queue, cloudevent.MarshalPublic, automation.OutboxConfig{})
	must(t, err)
	people := approvals.DirectoryFunc(func(context.Context, string, audit.Actor) ([]string, error) { return []string{"manager"}, nil })
	requests, err := approvals.New(b, b.Approvals(), k.queue, people, catalog, audit.Tee(k.log, k.outbox), approvals.Config{})
	must(t, err)
	asks := audit.GateFunc(func(_ context.Context, e audit.Event) (audit.Verdict, error) {
		if !slices.Contains(taken, e.Action) || e.Subject().ID != "sam" {
			return audit.Verdict{Effect: audit.Allow}, nil
		}
		return audit.Verdict{Effect: audit.NeedsApproval, Obligations: audit.Obligations{Approval: &audit.ApprovalObligation{}}}, nil
	})
	k.governor, err = audit.NewGovernor(b, approvals.Gate(asks, requests), audit.Tee(k.log, k.outbox), catalog)
	must(t, err)
	cfg.catalog.Actions = append(cfg.catalog.Actions, k.probe, automation.NotifyLog(slog.New(slog.DiscardHandler)), automation.PublishEvent(k.governor, "orders.flag"))
	rules, err := automation.NewCatalog(schema.Compile, cfg.catalog)
	must(t, err)
	k.service, err = automation.New(k.governor, b.Automation(), k.queue, rules, cfg.service)
	must(t, err)
	var applier approvals.Applier = ruleApplier{k.service}
	if cfg.unchecked {
		applier = approvals.ApplierFunc(applier.Apply)
	}
	for _, action := range taken {
		must(t, requests.Register(action, applier))
	}
	handlers := k.service.Handlers()
	maps.Copy(handlers, requests.Handlers())
	k.worker, err = jobs.NewWorker(k.queue, handlers, jobs.WorkerConfig{})
	must(t, err)
	return governed{k, requests}
}

// pending returns the request that err says a change waits for.
func (g governed) pending(t *testing.T, err error) string {
	t.Helper()
	pending, ok := errors.AsType[*approvals.PendingError](err)
	if !ok {
		t.Fatalf("got %v, want a change that waits for approval", err)
	}
	return pending.RequestID
}

// approve has marco agree to a change that err says is pending, and applies it.
func (g governed) approve(t *testing.T, err error) approvals.Request {
	t.Helper()
	id := g.pending(t, err)
	g.agree(t, id, marco)
	r, err := g.requests.Apply(t.Context(), acme, id)
	must(t, err)
	return r
}

// agree has somebody agree to a request.
func (g governed) agree(t *testing.T, id string, who audit.Actor) {
	t.Helper()
	r, _, err := g.requests.Get(t.Context(), acme, id)
	must(t, err)
	_, err = g.requests.Decide(audit.WithActor(t.Context(), who), acme, id, approvals.Choice{Decision: approvals.Approve, Revision: r.Revision})
	must(t, err)
}

// applied approves a change and makes sure that it was made.
func (g governed) applied(t *testing.T, err error) approvals.Request {
	t.Helper()
	r := g.approve(t, err)
	if r.State != approvals.StateApplied {
		t.Fatalf("the request is %s: %+v", r.State, r.Failure)
	}
	return r
}

// worked has marco agree to a change, which the worker then makes.
func (g governed) worked(t *testing.T, err error) {
	t.Helper()
	id := g.pending(t, err)
	g.agree(t, id, marco)
	var r approvals.Request
	waitFor(t, func() bool {
		r, _, err = g.requests.Get(t.Context(), acme, id)
		must(t, err)
		return r.State.Ended()
	})
	if r.State != approvals.StateApplied {
		t.Fatalf("the request is %s: %+v", r.State, r.Failure)
	}
}

// late approves a change and makes sure that it came too late.
func (g governed) late(t *testing.T, err error) {
	t.Helper()
	g.fails(t, err, approvals.FailedConflict)
}

func (g governed) fails(t *testing.T, err error, code string) {
	t.Helper()
	if r := g.approve(t, err); r.State != approvals.StateFailed || r.Failure == nil || r.Failure.Code != code {
		t.Errorf("the request is %s: %+v, want %s", r.State, r.Failure, code)
	}
}

// create asks for a rule.
func (g governed) create(id string, d automation.Definition) error {
	_, err := g.service.Create(g.ctx, acme, automation.RuleInput{ID: id, Definition: d})
	return err
}

// update asks for a new version of a rule.
func (g governed) update(id string, revision int64, d automation.Definition) error {
	_, err := g.service.Update(g.ctx, acme, id, revision, d)
	return err
}

// enable asks for a rule to start runs.
func (g governed) enable(id string) error {
	_, err := g.service.Enable(g.ctx, acme, id, "it was tried out")
	return err
}

// disable asks for a rule to start none.
func (g governed) disable(id string) error {
	_, err := g.service.Disable(g.ctx, acme, id, "")
	return err
}

// rules returns the rules of acme.
func (g governed) rules(t *testing.T) []automation.Rule {
	t.Helper()
	page, err := g.service.List(t.Context(), acme, automation.RuleQuery{})
	must(t, err)
	return page.Items
}

const probing = `"steps":[{"name":"tell","action":"test.probe"}]`

func TestAnApprovedChangeOfARuleIsMade(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b backend) {
		g := newGoverned(t, b, governedConfig{})
		d := definition(t, probing)
		r := g.applied(t, g.create("", d))
		rules := g.rules(t)
		if len(rules) != 1 || rules[0].ID == d.Name || rules[0].Name != d.Name || rules[0].Enabled || !rules[0].Owner.Same(sam) {
			t.Fatalf("got %+v", rules)
		}
		id := rules[0].ID
		recorded := func(action string) audit.Event {
			t.Helper()
			page, err := g.log.Query(t.Context(), acme, audit.Query{Action: action, ResourceID: id, Descending: true})
			must(t, err)
			return page.Items[0]
		}
		made := recorded(automation.ActionCreate)
		if made.ID != r.EventID || made.OnBehalfOf == nil || !made.OnBehalfOf.Same(sam) || len(made.ApprovedBy) != 1 || !made.ApprovedBy[0].Same(marco) {
			t.Errorf("recorded is %+v", made)
		}
		same(t, "the trace", made.Trace.TraceID, r.Trace.TraceID)

		named := definition(t, probing)
		g.applied(t, g.create("named", named))
		got, _, err := g.service.Get(t.Context(), acme, "named")
		must(t, err)
		same(t, "its name", got.Name, named.Name)

		d.Description = "tells"
		r = g.applied(t, g.update(id, 1, d))
		got, written, err := g.service.Get(t.Context(), acme, id)
		must(t, err)
		same(t, "updated", []any{got.Version, got.Revision, got.Owner.ID, written.Description}, []any{2, int64(2), "sam", "tells"})
		same(t, "as recorded", recorded(automation.ActionUpdate).ID, r.EventID)

		pending := g.enable(id)
		asked, _, err := g.requests.Get(t.Context(), acme, g.pending(t, pending))
		must(t, err)
		same(t, "the payload", string(asked.Payload), `{"version":2}`)
		r = g.applied(t, pending)
		got, _, err = g.service.Get(t.Context(), acme, id)
		must(t, err)
		if turned := recorded(automation.ActionEnable); !got.Enabled || got.Revision != 3 || turned.ID != r.EventID || turned.Reason != "it was tried out" {
			t.Errorf("got %+v, recorded %+v", got, turned)
		}
		g.applied(t, g.disable(id))
		got, _, err = g.service.Get(t.Context(), acme, id)
		must(t, err)
		same(t, "disabled", got.Enabled, false)
	})
}

// TestARuleActsForWhoAskedForIt has a worker apply what marco approved.
func TestARuleActsForWhoAskedForIt(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b backend) {
		g := newGoverned(t, b, governedConfig{})
		g.work(t)
		g.worked(t, g.create("r", definition(t, probing)))
		g.worked(t, g.enable("r"))
		v, err := g.service.Version(t.Context(), acme, "r", 1)
		must(t, err)
		same(t, "the author", v.CreatedBy, sam)
		g.refund(t, "e1", 150)
		d := g.until(t, automation.Succeeded)
		same(t, "the owner of the run", d.Run.Owner, sam)
		g.probe.mu.Lock()
		defer g.probe.mu.Unlock()
		same(t, "the action acts for", g.probe.actors, []audit.Actor{{Type: audit.User, ID: "sam", ActingAs: "automation_rule/r"}})
	})
}

func TestAnApprovedChangeOfARunIsMade(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b backend) {
		g := newGoverned(t, b, governedConfig{})
		g.work(t)
		g.worked(t, g.create("r", definition(t, `"steps":[{"name":"nap","action":"wait","with":{"duration":"24h"}}]`)))
		g.worked(t, g.enable("r"))
		g.refund(t, "e1", 150)
		first := g.until(t, automation.Waiting).Run
		cancel := func() error {
			_, err := g.service.Cancel(g.ctx, acme, first.ID, "not needed")
			return err
		}
		pending := cancel()
		same(t, "sent again", cancel().Error(), pending.Error())
		g.worked(t, pending)
		ended, err := g.service.Run(t.Context(), acme, first.ID)
		must(t, err)
		same(t, "the run", string(ended.Run.Status)+": "+ended.Run.Reason, "cancelled: not needed")
		wantErr(t, cancel(), automation.ErrEnded)

		_, pending = g.service.Rerun(g.ctx, acme, first.ID, true, "once more")
		d := definition(t, `"steps":[{"name":"other","action":"test.probe"}]`)
		g.worked(t, g.update("r", 0, d)) // the version that was asked for stays
		g.worked(t, pending)
		waitFor(t, func() bool { return len(g.runs(t, automation.RunQuery{Status: automation.Waiting})) == 1 })
		again := g.runs(t, automation.RunQuery{Status: automation.Waiting})[0]
		same(t, "the rerun", []any{again.ParentID, again.RuleVersion, again.Owner.ID}, []any{first.ID, 1, "sam"})
	})
}

func TestACreationThatIsSentAgainIsOneRequest(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		id     string
		change func(d *automation.Definition)
		want   string // the resource, empty is the hash of the definition
	}{
		"by its name":                {"", func(*automation.Definition) {}, "a rule"},
		"by the id that is named":    {"mine", func(*automation.Definition) {}, "mine"},
		"by an id like its name":     {"a rule", func(*automation.Definition) {}, "a rule"},
		"by what it says":            {"", func(d *automation.Definition) { d.Name = "a\nrule" }, ""},
		"by what it says if unnamed": {"", func(d *automation.Definition) { d.Name = "  " }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGoverned(t, eachtest.Memory(t), governedConfig{})
			d := definition(t, probing)
			c.change(&d)
			_, hash, err := d.Document()
			must(t, err)
			pending := g.create(c.id, d)
			same(t, "sent again", g.create(c.id, d).Error(), pending.Error())
			r, _, err := g.requests.Get(t.Context(), acme, g.pending(t, pending))
			must(t, err)
			same(t, "the resource", r.Resource, audit.Resource{Type: automation.ResourceRule, ID: cmp.Or(c.want, hash), Name: d.Name})
			other := d
			other.Description = "another"
			if again := g.create(c.id, other); again.Error() == pending.Error() {
				t.Errorf("another rule waits as the same request: %v", again)
			}
			g.applied(t, pending)
			rules := g.rules(t)
			if len(rules) != 1 || c.id != "" && rules[0].ID != c.id || c.id == "" && rules[0].ID == r.Resource.ID {
				t.Errorf("got %+v", rules)
			}
			// Without an id it may be asked for once more, and is another rule then.
			if again := g.create(c.id, d); c.id != "" {
				g.late(t, again)
			} else if g.applied(t, again); len(g.rules(t)) != 2 {
				t.Errorf("got %+v", g.rules(t))
			}
		})
	}
}

func TestAnApprovalThatComesLateFails(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b backend) {
		g := newGoverned(t, b, governedConfig{service: automation.Config{Quotas: func(context.Context, string) (automation.Quotas, error) {
			return automation.Quotas{Rules: 1}, nil
		}}})
		d := definition(t, probing)
		second := g.create("second", d)
		g.applied(t, g.create("r", d))
		g.fails(t, second, approvals.FailedLimit)

		enable := g.enable("r")
		changed := d
		changed.Description = "changed"
		update := g.update("r", 1, changed)
		// olivia needs nobody.
		moved := d
		moved.Description = "moved"
		_, err := g.service.Update(audit.WithActor(t.Context(), olivia), acme, "r", 0, moved)
		must(t, err)
		g.late(t, enable) // another version is current than was approved
		g.late(t, update)
		got, written, err := g.service.Get(t.Context(), acme, "r")
		must(t, err)
		same(t, "the rule", []any{got.Enabled, got.Version, written.Description, got.Owner.ID}, []any{false, 2, "moved", "olivia"})

		g.late(t, g.disable("r")) // nothing to change
		draft := d
		draft.Environment = automation.Draft
		g.applied(t, g.enable("r"))
		wantErr(t, g.update("r", 0, draft), automation.ErrDraft)
		g.late(t, g.enable("r"))
	})
}

func TestAChangeThatIsSentAgainIsForTheRuleAsItIsThen(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b backend) {
		g := newGoverned(t, b, governedConfig{})
		d := definition(t, probing)
		g.applied(t, g.create("r", d))
		changed, moved := d, d
		changed.Description, moved.Description = "changed", "moved"
		first := g.update("r", 0, changed)
		_, err := g.service.Update(audit.WithActor(t.Context(), olivia), acme, "r", 0, moved)
		must(t, err)
		again := g.update("r", 0, changed)
		same(t, "the request", again.Error(), first.Error())
		g.applied(t, again)
		got, written, err := g.service.Get(t.Context(), acme, "r")
		must(t, err)
		same(t, "the rule", []any{got.Version, written.Description, got.Owner.ID}, []any{3, "changed", "sam"})
	})
}

// TestNobodyRevisesWhatARuleDoesForAnother has marco, who may approve, change what sam
// asked for and olivia approve it: the rule would do with sam's rights what marco wants.
func TestNobodyRevisesWhatARuleDoesForAnother(t *testing.T) {
	t.Parallel()
	for name, unchecked := range map[string]bool{"at once": false, "when it is applied": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGoverned(t, eachtest.Memory(t), governedConfig{unchecked: unchecked})
			d := definition(t, probing)
			id := g.pending(t, g.create("r", d))
			d.Steps[0].Name = "steal"
			document, _, err := d.Document()
			must(t, err)
			payload := json.RawMessage(`{"id":"r",` + string(document[1:]))
			_, err = g.requests.Revise(audit.WithActor(t.Context(), marco), acme, id, 1, approvals.Content{Payload: payload})
			if !unchecked {
				invalid(t, err, "/payload: must stay as it was asked for")
				return
			}
			must(t, err)
			g.agree(t, id, olivia)
			r, err := g.requests.Apply(t.Context(), acme, id)
			must(t, err)
			if r.State != approvals.StateFailed || r.Failure.Code != approvals.FailedInvalid || len(g.rules(t)) != 0 {
				t.Errorf("the request is %s (%+v), and there is %+v", r.State, r.Failure, g.rules(t))
			}
		})
	}
}

func TestAPayloadThatARequestMayBeRevisedTo(t *testing.T) {
	t.Parallel()
	g := newGoverned(t, eachtest.Memory(t), governedConfig{})
	for payload, want := range map[string]string{
		``: "", `{"version":2}`: "", `{"rule_id":"r","run_id":"x","version":1}`: "",
		`7`: "/payload: is no change", `{"version":"2"}`: "/payload/version: is not a known field", `{"version":2,"more":1}`: "/payload/",
		`{"name":"a rule"}`: "/payload: must stay", `{"id":7}`: "/payload/id: must be text",
	} {
		if err := g.service.CheckPayload(t.Context(), json.RawMessage(payload)); want != "" {
			invalid(t, err, want)
		} else if err != nil {
			t.Errorf("%s: got %v", payload, err)
		}
	}
}

func TestAPolicyThatMeansSomethingElseByNowIsNotApplied(t *testing.T) {
	t.Parallel()
	b := eachtest.Memory(t)
	host := func(attempts int) governed {
		return newGoverned(t, b, governedConfig{catalog: automation.CatalogConfig{Retries: map[string]automation.RetryPolicy{"patient": {Attempts: attempts}}}})
	}
	d := definition(t, `"steps":[{"name":"tell","action":"test.probe","retry":"patient"}]`)
	before := host(2)
	first, second := before.create("first", d), before.create("second", d)
	host(9).fails(t, first, approvals.FailedInvalid)
	host(2).applied(t, second)
}

// invalid makes sure that err is a *storage.InvalidError that says want.
func invalid(t *testing.T, err error, want string) {
	t.Helper()
	if !errors.Is(err, storage.ErrInvalid) || !strings.Contains(err.Error(), ": "+want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

func TestWhatIsNoChangeOfRulesOrRunsIsNotApplied(t *testing.T) {
	t.Parallel()
	k := newKit(t, eachtest.Memory(t), kitConfig{})
	r := k.rule(t, `"steps":[{"name":"nap","action":"wait","with":{"duration":"24h"}}]`)
	stop := k.work(t)
	k.refund(t, "e1", 150)
	run := k.until(t, automation.Waiting).Run
	stop()
	document, hash, err := definition(t, probing).Document()
	must(t, err)
	rule := func(action, id, revision, payload string) audit.Event {
		return audit.Event{
			Tenant: acme, Action: action, Resource: audit.Resource{Type: automation.ResourceRule, ID: id}, BaseRevision: revision, Payload: json.RawMessage(payload),
			Metadata: json.RawMessage(`{"environment":"prod","hash":"` + hash + `"}`),
		}
	}
	create := func(payload string) audit.Event { return rule(automation.ActionCreate, "a rule", "", payload) }
	update := func(revision, payload string) audit.Event {
		return rule(automation.ActionUpdate, r.ID, revision, payload)
	}
	disable := func(revision, payload string) audit.Event {
		return rule(automation.ActionDisable, r.ID, revision, payload)
	}
	ofRun := func(action, payload string) audit.Event {
		return audit.Event{Tenant: acme, Action: action, Resource: audit.Resource{Type: automation.ResourceRun, ID: run.ID}, Payload: json.RawMessage(payload)}
	}
	// with is the definition with a member instead of what it has there.
	with := func(from, to string) string {
		changed := strings.Replace(string(document), from, to, 1)
		if changed == string(document) {
			t.Fatalf("there is no %s in %s", from, document)
		}
		return changed
	}
	unsaid := create(string(document))
	unsaid.Metadata = nil
	gone := update("2", string(document))
	gone.Resource.ID = "gone"
	elsewhere := update("2", string(document))
	elsewhere.Tenant = "bloom"
	for name, c := range map[string]struct {
		e    audit.Event
		want string
	}{
		"another action":               {rule("orders.refund", r.ID, "2", `{}`), "/action: is no change"},
		"an action of nobody":          {ofRun(automation.ActionSucceeded, ""), "/action: is no change"},
		"no payload":                   {create(""), "/payload: is no change"},
		"a payload of another kind":    {create("7"), "/payload: is no change"},
		"a payload that is null":       {create("null"), "/payload: is no change"},
		"a payload that says it twice": {create(`{"id":"a","id":"b"}`), "/payload: is no change"},
		"a member that is not known":   {create(with(`{`, `{"more":1,`)), "/payload/more: is not a known field"},
		"what cannot be run":           {create(with(`test.probe`, `test.none`)), "/payload/steps/0/action: "},
		"other words for the same":     {create(with(`{`, `{"timeout":"60m",`)), "/payload: does not say what would change"},
		"another definition":           {create(with(`{`, `{"description":"x",`)), "/payload: must stay as it was asked for"},
		"a definition of nobody":       {unsaid, "/payload: must stay as it was asked for"},
		"an id that is no text":        {create(with(`{`, `{"id":7,`)), "/payload/id: must be text"},
		"an id that is empty":          {create(with(`{`, `{"id":"",`)), "/payload/id: must not be empty"},
		"another id":                   {create(with(`{`, `{"id":"b",`)), "/resource/id: is not that of the rule"},
		"another name":                 {rule(automation.ActionCreate, "b", "", string(document)), "/resource/id: is not that of the rule"},
		"a new id for an old rule":     {update("2", with(`{`, `{"id":"b",`)), "/payload/id: is for new rules"},
		"an update of no revision":     {update("", string(document)), "/base_revision: is not that of a rule"},
		"revision zero":                {update("0", string(document)), "/base_revision: is not that of a rule"},
		"a revision that is no number": {disable("two", `{"version":1}`), "/base_revision: is not that of a rule"},
		"another version":              {disable("2", `{"version":2}`), "/payload/version: is not that of the rule"},
		"no version":                   {disable("2", `{}`), "/payload: is no change"},
		"more than a version":          {disable("2", `{"version":1,"more":1}`), "/payload: is no change"},
		"a rule instead of a version":  {disable("2", string(document)), "/payload: is no change"},
		"a rerun of another run":       {ofRun(automation.ActionRerun, `{"run_id":"b","rule_id":"`+r.ID+`","version":1}`), "/payload/run_id: is not that of the run"},
		"a rerun of another rule":      {ofRun(automation.ActionRerun, `{"run_id":"`+run.ID+`","rule_id":"b","version":1}`), "/payload/rule_id: is not that of the run"},
		"a rerun of nothing":           {ofRun(automation.ActionRerun, ""), "/payload: is no change"},
		"a cancellation of something":  {ofRun(automation.ActionCancel, `{}`), "/payload: must be empty"},
	} {
		t.Run(name, func(t *testing.T) { invalid(t, k.service.Apply(k.ctx, c.e), c.want) })
	}
	for name, e := range map[string]audit.Event{
		"a rule that is gone": gone, "a rule of another tenant": elsewhere,
		"a version that is gone": ofRun(automation.ActionRerun, `{"run_id":"`+run.ID+`","rule_id":"`+r.ID+`","version":2}`),
	} {
		t.Run(name, func(t *testing.T) { wantErr(t, k.service.Apply(k.ctx, e), storage.ErrNotFound) })
	}
	wantErr(t, k.service.Apply(k.ctx, update("1", string(document))), storage.ErrConflict)
	same(t, "what happened", k.audited(t), []string{
		"automation.rule.created success by sam", "automation.rule.enabled success by sam", "orders.refund success by sam",
	})
	for _, e := range []audit.Event{
		create(string(document)), update("2", string(document)), disable("3", `{"version":2}`),
		ofRun(automation.ActionRerun, `{"run_id":"`+run.ID+`","rule_id":"`+r.ID+`","version":1}`), ofRun(automation.ActionCancel, ""),
	} {
		must(t, k.service.Apply(k.ctx, e))
	}
}
