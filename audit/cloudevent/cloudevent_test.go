package cloudevent_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"pgregory.net/rapid"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/cloudevent"
	"github.com/lumelle/adminkit/audit/cloudevent/sdk"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/storage"
)

// events draws events that package audit accepts, with awkward texts in every field.
func events() *rapid.Generator[audit.Event] {
	name := rapid.OneOf(
		rapid.StringMatching(`[a-z][a-z0-9_.]{0,20}`),
		rapid.StringMatching(`[ -~é€😀]{0,10}[!-~é€😀]`),
		rapid.SampledFrom([]string{"a/b", "%2F", "/", "a%", "\"", "\\", " a ", "e\u0301", "<&>"}),
	)
	free := rapid.OneOf(name, rapid.Just(""), rapid.SampledFrom([]string{"a\nb", "\x7f\u0085\ufffe\u2028", "\"}"}))
	document := rapid.SampledFrom([]json.RawMessage{
		nil, json.RawMessage(`{}`), json.RawMessage(`{"a":[1,2.5,"x\n"],"é":"😀"}`), json.RawMessage("{\"b\":\"\x7f\u0085\ufffe\"}"),
	})
	micros := rapid.Custom(func(t *rapid.T) time.Time {
		return time.UnixMicro(rapid.Int64Range(0, 4102444800_000000).Draw(t, "time")).UTC()
	})
	actor := rapid.Custom(func(t *rapid.T) audit.Actor {
		a := audit.Actor{
			Type: rapid.OneOf(rapid.SampledFrom([]string{audit.User, audit.ServiceAccount, audit.SystemActor, "robot"}), name).Draw(t, "type"),
			ID:   name.Draw(t, "id"), Name: free.Draw(t, "name"), ActingAs: free.Draw(t, "acting as"),
		}
		if rapid.Bool().Draw(t, "authn") {
			a.Authn = &audit.Authn{At: micros.Draw(t, "at"), ACR: free.Draw(t, "acr"), AMR: []string{"pwd"}}
		}
		return a
	})
	return rapid.Custom(func(t *rapid.T) audit.Event {
		e := audit.Event{
			ID: name.Draw(t, "id"), Source: rapid.SampledFrom([]string{"/orders", "https://example.com/a?b#c", "urn:x:%20"}).Draw(t, "source"),
			Type: name.Draw(t, "type"), Action: name.Draw(t, "action"), Category: audit.Domain, Tenant: name.Draw(t, "tenant"),
			Time: micros.Draw(t, "time"), Actor: actor.Draw(t, "actor"),
			Resource: audit.Resource{Type: name.Draw(t, "resource type"), ID: name.Draw(t, "resource id"), Name: free.Draw(t, "resource name")},
			Outcome:  audit.Pending, Reason: free.Draw(t, "reason"), Trace: correlation.New(),
			Before: document.Draw(t, "before"), After: document.Draw(t, "after"), Payload: document.Draw(t, "payload"),
			Metadata: document.Draw(t, "metadata"), BaseRevision: free.Draw(t, "base revision"),
			Hops: rapid.IntRange(0, 8).Draw(t, "hops"),
		}
		if rapid.Bool().Draw(t, "more") {
			e.RecordedAt = micros.Draw(t, "recorded")
			behalf := actor.Draw(t, "on behalf of")
			e.OnBehalfOf, e.ApprovedBy = &behalf, []audit.Actor{actor.Draw(t, "approver")}
			e.Origin = audit.Origin{SourceIP: free.Draw(t, "ip"), UserAgent: free.Draw(t, "agent"), RequestID: free.Draw(t, "request")}
			e.Link, e.Trace.State = correlation.New(), "a=1,b=2"
			e.DecisionID, e.ApprovalID, e.CausationID = name.Draw(t, "decision"), name.Draw(t, "approval"), name.Draw(t, "cause")
		}
		if e.Payload != nil {
			e.Schema = rapid.SampledFrom([]string{"", "lumelle.orders.v1.refunded", "a b/%"}).Draw(t, "schema")
		}
		return e
	})
}

func TestEventSurvivesItsEnvelope(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := events().Draw(t, "event")
		doc, err := cloudevent.Marshal(e)
		if err != nil {
			t.Fatalf("Marshal: %v", err)
		}
		v, err := cloudevent.Parse(doc)
		if err != nil {
			t.Fatalf("Parse(%s): %v", doc, err)
		}
		same(t, v, e)
		direct, err := cloudevent.FromEvent(e)
		if err != nil || !reflect.DeepEqual(direct, v) {
			t.Fatalf("FromEvent = %+v, %v\nParse     = %+v", direct, err, v)
		}
		again, err := v.Append(nil)
		if err != nil {
			t.Fatalf("Append: %v", err)
		}
		if v, err = cloudevent.Parse(again); err != nil {
			t.Fatalf("Parse(%s): %v", again, err)
		}
		same(t, v, e)
		header, body := v.Binary()
		values := map[string][]string{}
		for name, value := range header {
			values[name] = []string{value}
		}
		read, err := cloudevent.Read(values, body)
		if err != nil || len(read) != 1 {
			t.Fatalf("Read(%q) = %v, %v", header, read, err)
		}
		same(t, read[0], e)
	})
}

func same(t *rapid.T, v cloudevent.Envelope, want audit.Event) {
	got, err := v.Event()
	if err != nil {
		t.Fatalf("Event: %v", err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
}

func TestSDKAcceptsEveryEvent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := events().Draw(t, "event")
		for name, marshal := range map[string]func(audit.Event) ([]byte, error){
			"full": cloudevent.Marshal, "public": cloudevent.MarshalPublic,
		} {
			doc, err := marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			var theirs event.Event
			if err := json.Unmarshal(doc, &theirs); err != nil {
				t.Fatalf("%s: the SDK does not read %s: %v", name, doc, err)
			}
			if err := theirs.Validate(); err != nil {
				t.Fatalf("%s: the SDK refuses %s: %v", name, doc, err)
			}
			if name == "full" {
				if got, err := sdk.ToEvent(theirs); err != nil || !reflect.DeepEqual(got, e) {
					t.Fatalf("ToEvent = %+v, %v\nwant     %+v", got, err, e)
				}
			}
		}
		converted, err := sdk.FromEvent(e)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := sdk.ToEvent(converted); err != nil || !reflect.DeepEqual(got, e) {
			t.Fatalf("ToEvent(FromEvent) = %+v, %v\nwant     %+v", got, err, e)
		}
	})
}

func TestPublicEnvelopeKeepsItsCounsel(t *testing.T) {
	t.Parallel()
	e := audit.Event{
		ID: "1", Source: "/orders", Type: "lumelle.orders.v1.refunded", Action: "orders.refund", Tenant: "acme",
		Category: audit.Activity, Outcome: audit.Success, Time: time.Unix(1, 0),
		Actor:    audit.Actor{Type: audit.User, ID: "sam", Name: "SECRET", ActingAs: "SECRET", Authn: &audit.Authn{ACR: "SECRET"}},
		Resource: audit.Resource{Type: "order", ID: "1001", Name: "SECRET"},
		Reason:   "SECRET", Origin: audit.Origin{SourceIP: "SECRET", UserAgent: "SECRET", RequestID: "SECRET"},
		OnBehalfOf: &audit.Actor{ID: "SECRET"}, ApprovedBy: []audit.Actor{{ID: "SECRET"}},
		Before: json.RawMessage(`"SECRET"`), After: json.RawMessage(`"SECRET"`), Metadata: json.RawMessage(`{"a":"SECRET"}`),
		Payload: json.RawMessage(`{"amount":"150.00"}`),
	}
	doc, err := cloudevent.MarshalPublic(e)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(doc), "SECRET") {
		t.Errorf("the public envelope tells what it must not: %s", doc)
	}
	if v, err := cloudevent.Parse(doc); err != nil || string(v.Data) != `{"amount":"150.00"}` || v.Extensions[cloudevent.ExtAuthID] != "sam" {
		t.Errorf("the public envelope reads as %+v, %v", v, err)
	}
}

func TestMarshalRefusesWhatIsNoAttribute(t *testing.T) {
	t.Parallel()
	good := audit.Event{ID: "1", Source: "/orders", Type: "t", Payload: json.RawMessage(`{}`)}
	for _, c := range []struct {
		name, pointer string
		change        func(e *audit.Event)
	}{
		{"no id", "/id", func(e *audit.Event) { e.ID = "" }},
		{"a source that is no URI reference", "/source", func(e *audit.Event) { e.Source = "a b" }},
		{"a type with a line end", "/type", func(e *audit.Event) { e.Type = "a\nb" }},
		{"a tenant that is not UTF-8", "/tenant", func(e *audit.Event) { e.Tenant = "\xff" }},
		{"a payload that is not JSON", "/payload", func(e *audit.Event) { e.Payload = json.RawMessage(`{`) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := good
			c.change(&e)
			_, err := cloudevent.Marshal(e)
			bad, ok := errors.AsType[*storage.InvalidError](err)
			if !ok || bad.Fields[0].Pointer != c.pointer {
				t.Errorf("Marshal = %v, want it refused at %s", err, c.pointer)
			}
		})
	}
}
