package audit_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gowebpki/jcs"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/audittest"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/audit/schema"
	"github.com/lumelle/adminkit/storage"
)

// fixed returns an event whose record is known byte for byte.
func fixed() audit.Event {
	e := full()
	e.Trace = correlation.Trace{TraceID: "4bf92f3577b34da6a3ce929d0e0e4736", SpanID: "00f067aa0ba902b7", Flags: 1, State: "vendor=1"}
	e.Link = correlation.Trace{TraceID: "0af7651916cd43dd8448eb211c80319c", SpanID: "b7ad6b7169203331"}
	return e
}

// TestRecordIsStable holds the form of records: they are hashed, and a hash that
// changes with a release proves nothing. What must change here changes every ledger.
func TestRecordIsStable(t *testing.T) {
	t.Parallel()
	r, err := audit.NewRecord(fixed())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"action":"orders.refund",` +
		`"actor":{"acting_as":"sam","id":"approvals","name":"Approvals","type":"system"},` +
		`"after":{"status":"refunded"},"approval_id":"a-1",` +
		`"approved_by":[{"id":"marco","type":"user"},{"acting_as":"store-7","id":"olivia","type":"user"}],` +
		`"base_revision":"7","before":{"status":"paid"},"category":"activity","causation_id":"c-1","decision_id":"d-1","hops":2,"id":"full",` +
		`"link":{"span_id":"b7ad6b7169203331","trace_id":"0af7651916cd43dd8448eb211c80319c"},"metadata":{"store":"berlin"},` +
		`"on_behalf_of":{"authn":{"acr":"urn:mfa","amr":["pwd","otp"],"at":"2026-11-22T11:59:00.000000Z"},"id":"sam","name":"Sam \"S\" Ünlü","type":"user"},` +
		`"outcome":"success","payload":{"amount":"150.00","currency":"EUR"},"reason":"damaged\n` + "\u2028" + `<&>","request_id":"req-1",` +
		`"resource":{"id":"1001","name":"Order 1001","type":"order"},"schema":"lumelle.orders.v1.refunded","source":"/orders","source_ip":"192.0.2.7",` +
		`"tenant":"acme","time":"2026-11-22T12:00:00.000000Z",` +
		`"trace":{"flags":1,"span_id":"00f067aa0ba902b7","state":"vendor=1","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"},` +
		`"type":"lumelle.orders.v1.refunded","user_agent":"curl/8"}`
	if string(r.Canonical) != want {
		t.Errorf("record\n%s\nwant\n%s", r.Canonical, want)
	}
	if r.Leaf != sha256.Sum256(append([]byte{0}, want...)) {
		t.Errorf("leaf %x is not SHA-256(0x00 || record)", r.Leaf)
	}
}

func TestRecordsAreCanonical(t *testing.T) {
	t.Parallel()
	for _, e := range []audit.Event{fixed(), refund("1")} {
		r, err := audit.NewRecord(e)
		if err != nil {
			t.Fatal(err)
		}
		oracle, err := jcs.Transform(r.Canonical)
		if err != nil || string(oracle) != string(r.Canonical) {
			t.Errorf("record\n%s\nis not canonical; the oracle says\n%s, %v", r.Canonical, oracle, err)
		}
	}
}

func TestRecordsMeetTheirSchema(t *testing.T) {
	t.Parallel()
	audittest.CheckRecord(t, fixed())
	audittest.CheckRecord(t, refund("1"))
	v, err := schema.Compile(audit.RecordSchema())
	if err != nil {
		t.Fatal(err)
	}
	r, err := audit.NewRecord(fixed())
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(r.Canonical, &members); err != nil {
		t.Fatal(err)
	}
	// A required member that is missing and one that is unknown are both found.
	for _, name := range []string{"action", "actor", "category", "id", "outcome", "resource", "source", "tenant", "time", "trace", "type"} {
		kept := members[name]
		delete(members, name)
		doc, _ := json.Marshal(members)
		if err := v.Validate(doc); err == nil {
			t.Errorf("the schema accepts a record without %s", name)
		}
		members[name] = kept
	}
	members["extra"] = json.RawMessage(`1`)
	doc, _ := json.Marshal(members)
	if err := v.Validate(doc); err == nil {
		t.Error("the schema accepts a record with an unknown member")
	}
}

func TestRecordDoesNotDependOnWhenItWasTaken(t *testing.T) {
	t.Parallel()
	e, later := fixed(), fixed()
	later.RecordedAt = noon.Add(time.Hour)
	later.Time = later.Time.In(time.FixedZone("CET", 3600))
	a, err1 := audit.NewRecord(e)
	b, err2 := audit.NewRecord(later)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if a.Leaf != b.Leaf || !b.RecordedAt.Equal(later.RecordedAt) {
		t.Errorf("leaves %x and %x, want the same", a.Leaf, b.Leaf)
	}
}

func TestRecordsAreBounded(t *testing.T) {
	t.Parallel()
	e := refund("1")
	e.Payload = json.RawMessage(`"` + strings.Repeat("x", audit.MaxRecord) + `"`)
	if _, err := audit.NewRecord(e); !errors.Is(err, storage.ErrInvalid) || !strings.Contains(err.Error(), "65535") {
		t.Errorf("NewRecord = %v, want the limit named", err)
	}
	small := refund("1")
	r, err := audit.NewRecord(small)
	if err != nil {
		t.Fatal(err)
	}
	// The largest payload that fits: `,"payload":""` around it.
	e.Payload = json.RawMessage(`"` + strings.Repeat("x", audit.MaxRecord-len(r.Canonical)-len(`,"payload":""`)) + `"`)
	r, err = audit.NewRecord(e)
	if err != nil || len(r.Canonical) != audit.MaxRecord {
		t.Errorf("a record of exactly %d bytes: %d, %v", audit.MaxRecord, len(r.Canonical), err)
	}
}

func TestUnreadableRecordIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := (audit.Record{Canonical: []byte(`{"action":`)}).Event(); err == nil {
		t.Error("a broken record reads")
	}
}
