package automation_test

import (
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func TestLiteralsThatCouldNeverRunAreRefused(t *testing.T) {
	t.Parallel()
	catalog := newCatalog(t, automation.CatalogConfig{})
	for name, c := range map[string]struct{ action, with, want string }{
		"a wait below zero":                {"wait", `{"duration":"-1h"}`, "/steps/0/with/duration: must be a time span"},
		"a wait until nothing":             {"wait", `{"until":"tomorrow"}`, "/steps/0/with/until: must be a time"},
		"a file":                           {"http.post", `{"url":"file:///etc/passwd"}`, "/steps/0/with/url: must be absolute"},
		"a file beside references":         {"http.post", `{"url":"file:///etc/passwd","body":[{"$ref":"/data"}],"headers":{"A":"{{ /id }}"}}`, "/steps/0/with/url: must be absolute"},
		"its own header beside references": {"http.post", `{"url":"{{ /data/url }}","headers":{"A":"{{ /id }}","host":"x"}}`, "/steps/0/with/headers/host: is set by the action"},
		"a long wait":                      {"wait", `{"duration":"720h"}`, ""},
		"a time that was":                  {"wait", `{"until":"2020-01-01T00:00:00Z"}`, ""},
		"all from the run":                 {"http.post", `{"$ref":"/data"}`, ""},
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
