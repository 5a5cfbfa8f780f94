package automation_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/flags/targeting"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// audiences are those of acme in a test.
type audiences struct {
	mu  sync.Mutex
	all []targeting.Audience
}

func (a *audiences) set(all ...targeting.Audience) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = all
}

func (a *audiences) library(_ context.Context, tenant string) (*targeting.Library, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if tenant != acme {
		return nil, nil
	}
	return targeting.NewLibrary(a.all, targeting.Options{})
}

// above is the audience of the amounts above one.
func above(key string, amount int64) targeting.Audience {
	return targeting.Audience{Key: key, When: &targeting.Condition{Path: "amount", Op: targeting.Greater, Value: targeting.Int(amount)}}
}

func TestARunKeepsTheAudiencesThatItStartedWith(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b backend) {
		known := &audiences{}
		known.set(above("large/~", 100), above("huge", 1000), targeting.Audience{Key: "of acme", Include: []string{acme}})
		k := newKit(t, b, kitConfig{service: automation.Config{Audiences: known.library}})
		k.work(t)
		k.rule(t, `"conditions":{"all":[{"audience":"of acme"},{"none":[{"audience":"huge"}]}]},
			"steps":[{"name":"ask","action":"approval.request","with":{"action":"a","resource":{"type":"order","id":"1"}}},
			{"name":"size","if":{"audience":"large/~"},"then":[{"name":"tell","action":"test.probe","with":{}}]}]`)
		k.refund(t, "e1", 150)
		waiting := k.until(t, automation.Waiting)
		same(t, "the audiences of the run", waiting.Run.Audiences, []string{"large/~", "of acme"})
		known.set(above("large/~", 500), above("huge", 1), targeting.Audience{Key: "of acme"})
		k.decided(t, "approved", waiting.Run.Wait.Key, "d1")
		done := k.until(t, automation.Succeeded)
		same(t, "the way of the run", done.Steps[1].Branch, "then")
		again, err := k.service.Rerun(k.ctx, acme, done.Run.ID, false, "")
		must(t, err)
		same(t, "the audiences of a run that starts now", again.Audiences, []string{"huge"})
		same(t, "which are not those that its conditions want", again.Status, automation.Filtered)
	})
}

func TestAnEventAnswersWhatAudiencesAskFor(t *testing.T) {
	t.Parallel()
	known := &audiences{}
	k := newKit(t, eachtest.Memory(t), kitConfig{service: automation.Config{Audiences: known.library}})
	event := []byte(`{"specversion":"1.0","id":"1","source":"/s","type":"` + refunded + `","subject":"order/1",
		"data":{"country":"GB","environment":"sandbox","tenant":"bloom","a/b":1,"lines":[{"sku":"x"}]}}`)
	for _, c := range []struct {
		name string
		path string
		want targeting.Value
	}{
		{"a member of its data", "country", targeting.String("GB")},
		{"one with a slash in its name", "a/b", targeting.Int(1)},
		{"its tenant, whatever its data says", "tenant", targeting.String(acme)},
		{"its tenant as the merchant", "merchantId", targeting.String(acme)},
		{"its data's own environment", "environment", targeting.String("sandbox")},
		{"a pointer into the event", "/subject", targeting.String("order/1")},
		{"a pointer into its data", "/data/lines/0/sku", targeting.String("x")},
	} {
		known.set(targeting.Audience{Key: "asked", When: &targeting.Condition{Path: c.path, Op: targeting.Equal, Value: c.want}})
		d := definition(t, `"conditions":{"audience":"asked"},"steps":[{"name":"tell","action":"test.probe","with":{}}]`)
		run, err := k.service.TestDefinition(k.ctx, acme, d, automation.TestInput{Event: event})
		must(t, err)
		if !slices.Equal(run.Run.Audiences, []string{"asked"}) || run.Run.Status != automation.Succeeded {
			t.Errorf("%s: the run is %s and its event of %v, want it to succeed as one of the audience", c.name, run.Run.Status, run.Run.Audiences)
		}
	}
}

func TestARuleNamesOnlyAudiencesThatItsTenantHas(t *testing.T) {
	t.Parallel()
	known := &audiences{}
	known.set(above("large", 100), targeting.Audience{Key: strings.Repeat("x", 300)})
	k := newKit(t, eachtest.Memory(t), kitConfig{service: automation.Config{Audiences: known.library}})
	strict := newKit(t, eachtest.Memory(t), kitConfig{})
	tell := `"steps":[{"name":"tell","action":"test.probe","with":{}}]`
	for _, c := range []struct {
		name, tenant, body, pointer string
		kit                         *kit
	}{
		{"one that is not there", acme, `"conditions":{"all":[{"audience":"large"},{"audience":"none"}]},` + tell, "/conditions/all/1/audience", k},
		{"one of another tenant", "bloom", `"conditions":{"audience":"large"},` + tell, "/conditions/audience", k},
		{"one in a step", acme, `"steps":[{"name":"size","if":{"audience":"none"}}]`, "/steps/0/if/audience", k},
		{"one in a case", acme, `"steps":[{"name":"size","switch":[{"when":{"audience":"none"},"steps":[]}]}]`, "/steps/0/switch/0/when/audience", k},
		{"one with too long a key", acme, `"conditions":{"audience":"` + strings.Repeat("x", 300) + `"},` + tell, "/conditions/audience", k},
		{"any where the host has none", acme, `"conditions":{"audience":"large"},` + tell, "/conditions/audience", strict},
		{"its own notes", acme, `"conditions":{"path":"/audiences/large","op":"exists"},` + tell, "/conditions", k},
	} {
		d := definition(t, c.body)
		_, err := c.kit.service.Create(c.kit.ctx, c.tenant, automation.RuleInput{Definition: d})
		wantPointer(t, c.name, err, c.pointer)
		if event := []byte(`{"type":"` + refunded + `"}`); c.pointer != "" {
			_, err = c.kit.service.TestDefinition(c.kit.ctx, c.tenant, d, automation.TestInput{Event: event})
			wantPointer(t, c.name+", tried out", err, c.pointer)
		}
	}
}

func wantPointer(t *testing.T, name string, err error, pointer string) {
	t.Helper()
	invalid, ok := errors.AsType[*storage.InvalidError](err)
	if !ok || len(invalid.Fields) != 1 || invalid.Fields[0].Pointer != pointer {
		t.Errorf("%s: got %v, want one complaint at %s", name, err, pointer)
	}
}

func TestAnAudienceThatIsGoneKeepsARunFromStarting(t *testing.T) {
	t.Parallel()
	known := &audiences{}
	known.set(above("huge", 1000))
	k := newKit(t, eachtest.Memory(t), kitConfig{service: automation.Config{Audiences: known.library}})
	stop := k.work(t)
	k.rule(t, `"conditions":{"none":[{"audience":"huge"}]},"steps":[{"name":"tell","action":"test.probe","with":{}}]`)
	k.refund(t, "e1", 150)
	done := k.until(t, automation.Succeeded)
	stop()
	known.set()
	if _, err := k.service.Rerun(k.ctx, acme, done.Run.ID, false, ""); err == nil || !strings.Contains(err.Error(), `"huge"`) {
		t.Errorf("got %v, want an error that names the audience", err)
	}
}

func TestTheUsersOfAnAudienceAreTheRulesThatNameIt(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b backend) {
		known := &audiences{}
		known.set(above("large", 100), above("huge", 1000))
		k := newKit(t, b, kitConfig{service: automation.Config{Audiences: known.library}})
		tell := `{"name":"tell","action":"test.probe","with":{}}`
		write := func(id, body string) {
			t.Helper()
			_, err := k.service.Create(k.ctx, acme, automation.RuleInput{ID: id, Definition: definition(t, body)})
			must(t, err)
		}
		write("r1", `"conditions":{"audience":"large"},"steps":[`+tell+`]`)
		write("r2", `"conditions":{"audience":"huge"},"steps":[`+tell+`]`)
		write("r3", `"steps":[{"name":"a","if":{"path":"/id","op":"exists"},"then":[{"name":"b","switch":[{"when":{"any":[{"audience":"large"}]},"steps":[`+tell+`]}]}]}]`)
		write("r4", `"steps":[`+tell+`],"on_failure":[{"name":"a","if":{"audience":"large"}}]`)
		write("r5", `"steps":[{"name":"a","action":"test.probe","with":{"audience":"large"}}]`)
		var users []string
		must(t, k.governor.InTx(audit.WithActor(t.Context(), sam), func(ctx context.Context) (err error) {
			users, err = k.service.AudienceUsers(ctx, acme, "large")
			return err
		}))
		same(t, "who uses it", users, []string{"automation r1", "automation r3", "automation r4"})
		rule, _, err := k.service.Get(k.ctx, acme, "r1")
		must(t, err)
		_, err = k.service.Update(k.ctx, acme, "r1", rule.Revision, definition(t, `"steps":[`+tell+`]`))
		must(t, err)
		users, err = k.service.AudienceUsers(k.ctx, acme, "large")
		must(t, err)
		same(t, "who uses it still", users, []string{"automation r3", "automation r4"})
		users, err = k.service.AudienceUsers(k.ctx, "bloom", "large")
		must(t, err)
		same(t, "the users of another tenant", len(users), 0)
	})
}
