package automation_test

import (
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func TestLiteralsThatCouldNeverRunAreRefused(t *testing.T) {
	t.Parallel()
	kinds, err := audit.NewCatalog(audit.CatalogConfig{}, audit.Action{Name: "orders.flag", Category: audit.Domain, ResourceTypes: []string{"order"}})
	must(t, err)
	governor, err := audit.NewGovernor(eachtest.Memory(t), audit.Ungated, audit.Disabled, kinds)
	must(t, err)
	catalog := newCatalog(t, automation.CatalogConfig{Actions: []automation.Action{automation.PublishEvent(governor, "orders.flag")}})
	for name, c := range map[string]struct{ action, with, want string }{
		"a wait below zero":                {"wait", `{"duration":"-1h"}`, "/steps/0/with/duration: must be a time span"},
		"a wait until nothing":             {"wait", `{"until":"tomorrow"}`, "/steps/0/with/until: must be a time"},
		"a file":                           {"http.post", `{"url":"file:///etc/passwd"}`, "/steps/0/with/url: must be absolute"},
		"a file beside references":         {"http.post", `{"url":"file:///etc/passwd","body":[{"$ref":"/data"}],"headers":{"A":"{{ /id }}"}}`, "/steps/0/with/url: must be absolute"},
		"its own header beside references": {"http.post", `{"url":"{{ /data/url }}","headers":{"A":"{{ /id }}","host":"x"}}`, "/steps/0/with/headers/host: is set by the action"},
		"a long wait":                      {"wait", `{"duration":"720h"}`, ""},
		"a time that was":                  {"wait", `{"until":"2020-01-01T00:00:00Z"}`, ""},
		"all from the run":                 {"http.post", `{"$ref":"/data"}`, ""},
		"an end that there is not":         {"stop", `{"status":"gone","reason":"{{ /id }}"}`, "/steps/0/with/status: must be succeeded, filtered or failed"},
		"a long farewell":                  {"stop", `{"status":"{{ /data/status }}","reason":"` + strings.Repeat("x", 1025) + `"}`, "/steps/0/with/reason: is too long"},
		"a reason that is none":            {"stop", `{"status":"{{ /data/status }}","reason":7}`, "/steps/0/with/reason: has the wrong type"},
		"an end for a reason":              {"stop", `{"status":"filtered","reason":"{{ /id }}"}`, ""},
		"an event that is not for rules":   {"publish.event", `{"action":"orders.refund","resource":{"type":"order","id":"{{ /subject }}"}}`, "/steps/0/with/action: is nothing that rules may publish"},
		"an event of no kind of thing":     {"publish.event", `{"action":"orders.flag","resource":{"type":"","id":"{{ /subject }}"}}`, "/steps/0/with/resource/type: must not be empty"},
		"an event of another thing":        {"publish.event", `{"action":"orders.flag","resource":{"type":"invoice","id":"{{ /subject }}"}}`, "/steps/0/with/resource/type: is no resource of the action"},
		"an event of nothing":              {"publish.event", `{"action":"orders.flag","resource":{"type":"order","id":""},"data":{"$ref":"/data"}}`, "/steps/0/with/resource/id: must not be empty"},
		"a thing with a long name":         {"publish.event", `{"action":"orders.flag","resource":{"type":"order","id":"1","name":"` + strings.Repeat("x", 256) + `"}}`, "/steps/0/with/resource/name: is too long"},
		"a thing that is text":             {"publish.event", `{"action":"orders.flag","resource":"order","data":{"$ref":"/data"}}`, "/steps/0/with/resource: has the wrong type"},
		"a reason of too many bytes":       {"publish.event", `{"action":"orders.flag","resource":{"type":"order","id":"1"},"reason":"` + strings.Repeat("é", 2049) + `"}`, "/steps/0/with/reason: is too long"},
		"an event of the run's thing":      {"publish.event", `{"action":"orders.flag","resource":{"type":"order","id":"{{ /subject }}"},"data":{"a":1}}`, ""},
		"an event that the run names":      {"publish.event", `{"action":"{{ /data/action }}","resource":{"type":"invoice","id":"1"}}`, ""},
		"a part of a text from the run":    {"http.post", `{"url":"file{{ /data/url }}"}`, ""},
	} {
		_, err := catalog.Compile(definition(t, `"steps":[{"name":"a","action":"`+c.action+`","with":`+c.with+`}]`))
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, storage.ErrInvalid) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// A picky action refuses what it is told to.
type picky struct {
	*probe
	check atomic.Pointer[func(with json.RawMessage) error]
}

func (p *picky) Describe() automation.Descriptor {
	d := p.probe.Describe()
	d.Name = "test.picky"
	return d
}

func (p *picky) CheckInput(with json.RawMessage) error {
	if check := p.check.Load(); check != nil {
		return (*check)(with)
	}
	return nil
}

func TestAnActionIsAskedAboutTheLiteralsOfADefinition(t *testing.T) {
	t.Parallel()
	action := &picky{probe: newProbe()}
	k := newKit(t, eachtest.Memory(t), kitConfig{catalog: automation.CatalogConfig{Actions: []automation.Action{action}}})
	const steps = `"steps":[{"name":"a","action":"test.picky","with":{"n":1,"of":{"id":"{{ /id }}","lit":"x"},"list":["{{ /id }}"],"text":"{{ /id }}!"}}]`
	for name, c := range map[string]struct {
		check func(with json.RawMessage) error
		want  string
	}{
		"a literal":  {func(json.RawMessage) error { return storage.Invalid("/of/lit", "is too short") }, "/steps/0/with/of/lit: is too short"},
		"an error":   {func(json.RawMessage) error { return errors.New("secret") }, "/steps/0/with: cannot be used by the action"},
		"a panic":    {func(json.RawMessage) error { panic("secret") }, "/steps/0/with: cannot be used by the action"},
		"references": {func(with json.RawMessage) error { return storage.Invalid("", "is "+string(with)) }, `/steps/0/with: is {"n":1,"of":{"lit":"x"}}`},
	} {
		action.check.Store(&c.check)
		_, err := k.service.Create(k.ctx, acme, automation.RuleInput{Definition: definition(t, steps)})
		if !errors.Is(err, storage.ErrInvalid) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	// A rule that was kept runs on, however picky its action has become.
	action.check.Store(nil)
	k.rule(t, steps)
	refuse := func(json.RawMessage) error { return storage.Invalid("/n", "is out of fashion") }
	action.check.Store(&refuse)
	k.work(t)
	k.refund(t, "e1", 1)
	k.until(t, automation.Succeeded)
}
