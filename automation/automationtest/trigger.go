package automationtest

import (
	"bytes"
	"encoding/json"
	"reflect"
	"sync"

	"github.com/lumelle/adminkit/audit/cloudevent"
	"github.com/lumelle/adminkit/automation"
)

var triggerRules = []providerRule{
	{"TR-001", "it describes itself the same every time",
		"The catalogue asks once; which events are looked at is stored with each rule.", describesAlike},
	{"TR-002", "the catalogue takes it, and it fires on its sample, a whole CloudEvent",
		"The sample is what people write their conditions against and what a test run begins with.", triggerFits},
	{"TR-003", "it answers the same every time, and to many at once",
		"Two workers may ask about one event, and a rerun asks again. An answer that depends on a clock, a count or a cache starts a rule twice or never.", firesAlike},
	{"TR-004", "it leaves the event as it was",
		"The same event goes on to the conditions and the steps of the rule.", eventUntouched},
	{"TR-005", "an event that it does not expect breaks nothing",
		"Producers change. What cannot be read does not fire.", survivesOddEvents},
	{"TR-006", "it does not fire on the events of Options.Silent, every time",
		"A trigger that fires where it should not starts runs that nobody asked for.", staysSilent},
}

// sample decodes the sample of the trigger afresh.
func (p *provider) sample() map[string]any {
	p.Helper()
	return p.event(p.trigger.Describe().Sample)
}

func (p *provider) event(data []byte) map[string]any {
	p.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var event map[string]any
	if err := d.Decode(&event); err != nil {
		p.Fatalf("the event is no JSON object: %v", err)
	}
	return event
}

// fires asks the trigger, with a panic as a failure of the rule.
func (p *provider) fires(event map[string]any) (fires bool) {
	defer func() {
		if v := recover(); v != nil {
			p.Errorf("it panics: %v", v)
		}
	}()
	return p.trigger.Fires(event)
}

func triggerFits(p *provider) {
	if _, err := automation.NewCatalog(p.o.Compile, automation.CatalogConfig{Triggers: []automation.Trigger{p.trigger}}); err != nil {
		p.Errorf("%v", err)
	}
	d := p.trigger.Describe()
	if d.Label == "" || d.Description == "" {
		p.Errorf("it has no label or no description; people choose by them")
	}
	if _, err := cloudevent.Parse(d.Sample); err != nil {
		p.Errorf("its sample is no CloudEvent that a producer could have sent: %v", err)
	}
}

func firesAlike(p *provider) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if !p.fires(p.sample()) {
					p.Errorf("it fires on its sample sometimes, and sometimes not")
					return
				}
			}
		})
	}
	wg.Wait()
}

func eventUntouched(p *provider) {
	event := p.sample()
	p.fires(event)
	if !reflect.DeepEqual(event, p.sample()) {
		p.Errorf("it changed the event to %v", event)
	}
}

// oddEvents are events that nobody expects.
var oddEvents = []string{
	`{}`, `{"data":null}`, `{"data":7}`, `{"data":"x"}`, `{"data":[]}`, `{"data":[{}]}`, `{"data":{}}`, `{"data":{"data":{}}}`, `{"type":7,"data":true}`,
}

func survivesOddEvents(p *provider) {
	for _, e := range oddEvents {
		p.fires(p.event([]byte(e)))
	}
	// The sample with each member of its data replaced by something else.
	data, _ := p.sample()["data"].(map[string]any)
	for key := range data {
		for _, odd := range []any{nil, true, json.Number("-1e308"), "", []any{}, map[string]any{}} {
			event := p.sample()
			event["data"].(map[string]any)[key] = odd
			p.fires(event)
		}
	}
}

func staysSilent(p *provider) {
	for i, text := range p.o.Silent {
		if _, err := cloudevent.Parse(text); err != nil {
			p.Errorf("Silent %d is no CloudEvent that a producer could have sent: %v", i, err)
			continue
		}
		for range 20 {
			if p.fires(p.event(text)) {
				p.Errorf("it fires on %s", text)
				break
			}
		}
	}
}
