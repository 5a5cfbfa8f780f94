package tenants

import "slices"

// Schema is the version of what [Tables] returns. It is raised whenever a table or a
// column is added, renamed or removed.
const Schema = 2

// A Kind says what the values of a column are, as a [Store] gives them to Rows and as
// they stand in an export. Any value may be nil, which is null in the export.
type Kind int

const (
	// Text is a string, and a JSON string. One that is not UTF-8 is written as Bytes are,
	// inside an object whose only key is base64.
	Text Kind = iota
	// Integer is an int64, and a JSON number. Times are integers: microseconds since 1970
	// UTC, 0 for none.
	Integer
	// Real is a float64, and a JSON number.
	Real
	// Boolean is a bool, and a JSON boolean.
	Boolean
	// Bytes is a []byte, and a JSON string in base64 (RFC 4648 with padding).
	Bytes
	// JSON is a []byte that holds JSON. It stands in the export byte for byte; what does
	// not fit on one line, or is no JSON, is written as Text that is not UTF-8 is.
	JSON
	// Secret is never exported, sealed or not, and is no part of the values of a row.
	Secret
)

// A Column is one column of a table.
type Column struct {
	Name string
	Kind Kind
}

// A Table is what the kit keeps of one sort of thing, for all tenants.
type Table struct {
	// Name is the name in an export. The SQL backends put adminkit_ before it.
	Name string
	// Columns are the columns in the order of the values of a row, the tenant first.
	Columns []Column
	// Key are the columns that, with the tenant, tell rows apart. An export is in their
	// order, texts by their bytes.
	Key []string
	// Internal says that the rows are notes of the store to itself, of which a store need
	// have none: they are deleted with the tenant and not exported.
	Internal bool
	// Evidence says that the rows are kept when a tenant is deleted, unless
	// [Deletion].Evidence asks for them too.
	Evidence bool
}

// Exported returns the columns that an export has: all but secrets.
func (t Table) Exported() []Column {
	return slices.DeleteFunc(slices.Clone(t.Columns), func(c Column) bool { return c.Kind == Secret })
}

// Tables returns the tables that hold rows of tenants, in the order in which a tenant is
// exported and deleted: first what makes work out of events, then the work, then what it
// is done for, and the evidence last.
func Tables() []Table { return slices.Clone(tables) }

func text(names ...string) []Column    { return columns(Text, names) }
func integer(names ...string) []Column { return columns(Integer, names) }
func boolean(names ...string) []Column { return columns(Boolean, names) }
func document(names ...string) []Column {
	return columns(JSON, names)
}

func columns(kind Kind, names []string) []Column {
	list := make([]Column, len(names))
	for i, name := range names {
		list[i] = Column{name, kind}
	}
	return list
}

var tables = []Table{
	{
		Name: "webhooks_subscription", Key: []string{"pattern", "endpoint_id"},
		Columns: text("tenant", "pattern", "endpoint_id"),
	},
	{
		Name: "automation_listener", Key: []string{"environment", "pattern", "rule_id"},
		Columns: text("tenant", "environment", "pattern", "rule_id"),
	},

	{
		Name: "jobs_job", Key: []string{"id"},
		Columns: slices.Concat(text("tenant"), integer("id"), text("lane", "kind", "key"), integer("priority", "due", "attempt", "lost"),
			text("trace"), []Column{{"payload", Bytes}}),
	},
	{
		Name: "jobs_wake", Key: []string{"id"}, Internal: true,
		Columns: slices.Concat(text("tenant"), integer("id"), text("lane"), integer("at")),
	},
	{
		Name: "jobs_lane", Key: []string{"lane"},
		Columns: slices.Concat(text("tenant", "lane"), integer("cap"), []Column{{"rate", Real}}, integer("burst"), boolean("fifo"),
			integer("failures", "cooldown"), boolean("paused"), integer("resumes", "held_until"), text("held_for"), integer("owner"), boolean("suspect")),
	},
	{
		Name: "jobs_attempt", Key: []string{"job", "id"},
		Columns: slices.Concat(text("tenant"), integer("id", "job", "number", "worker"), text("result", "reason"), integer("started", "ended")),
	},
	{
		Name: "jobs_dead", Key: []string{"id"},
		Columns: slices.Concat(text("tenant"), integer("id"), text("lane", "kind", "key"), integer("priority", "due", "attempt"), text("trace"),
			[]Column{{"payload", Bytes}}, text("reason"), integer("died")),
	},

	{
		Name: "webhooks_attempt", Key: []string{"delivery_id", "n"},
		Columns: slices.Concat(text("tenant", "delivery_id"), integer("n", "at", "duration_us", "status_code"), text("class", "error"),
			[]Column{{"response", Bytes}}, text("trace_id", "span_id")),
	},
	{
		Name: "webhooks_delivery", Key: []string{"id"},
		Columns: slices.Concat(text("tenant", "id", "message_id", "endpoint_id", "event_type", "status"), boolean("held"), text("reason"),
			integer("attempts", "round", "tries", "next_attempt_at"), text("trace_id"), integer("created_at", "updated_at")),
	},
	{
		Name: "webhooks_message", Key: []string{"id"},
		Columns: slices.Concat(text("tenant", "id", "event_source", "event_id", "event_type"), document("body"), text("trace_id", "span_id"),
			integer("trace_flags"), text("trace_state"), integer("created_at")),
	},
	{
		Name: "webhooks_secret", Key: []string{"endpoint_id", "id"},
		Columns: slices.Concat(text("tenant", "endpoint_id", "id"), []Column{{"sealed", Secret}}, integer("created_at", "expires_at")),
	},
	{
		Name: "webhooks_endpoint", Key: []string{"id"},
		Columns: slices.Concat(text("tenant", "id", "url"), document("event_types"), text("description"), integer("timeout_ms"), text("status", "disabled_reason"),
			integer("revision", "created_at", "updated_at", "failures", "failing_since", "quiet_until")),
	},

	{
		Name: "automation_signal", Key: []string{"wait_key", "id"},
		Columns: slices.Concat(text("tenant", "wait_key", "id", "outcome"), document("payload"), text("trace_id"), integer("at"), text("state")),
	},
	{
		Name: "automation_attempt", Key: []string{"run_id", "step", "n"},
		Columns: slices.Concat(text("tenant", "run_id", "step"), integer("n", "at", "duration_us"), text("class"),
			[]Column{{"error", Bytes}, {"detail", Bytes}}, document("logs"), text("trace_id", "span_id")),
	},
	{
		Name: "automation_step", Key: []string{"run_id", "path"},
		Columns: slices.Concat(text("tenant", "run_id", "path"), integer("seq"), text("action", "status"), integer("attempts"), document("input", "output"),
			text("branch", "wait_key", "link_id"), document("failure"), integer("started_at", "ended_at")),
	},
	{
		Name: "automation_run", Key: []string{"id"},
		Columns: slices.Concat(text("tenant", "id", "rule_id"), integer("rule_version"), text("environment", "status", "trigger_kind", "event_key", "event_type", "parent_id"),
			document("owner", "audiences"), text("cursor_path"), boolean("failing"), text("wait_kind", "wait_key"), integer("wait_due_at", "wait_gen"),
			document("failure"), text("reason"), integer("level", "hops"), text("trace_id", "span_id"), integer("trace_flags"), text("trace_state"),
			integer("job", "deadline_at", "started_at", "updated_at", "ended_at", "version")),
	},
	{
		Name: "automation_event", Key: []string{"event_key"},
		Columns: slices.Concat(text("tenant", "event_key", "source", "id", "event_type", "environment"), document("body"), text("trace_id", "span_id"),
			integer("trace_flags"), text("trace_state"), integer("hops", "created_at")),
	},
	{
		Name: "automation_version", Key: []string{"rule_id", "number"},
		Columns: slices.Concat(text("tenant", "rule_id"), integer("number"), document("document"), text("hash"), document("created_by"), integer("created_at")),
	},
	{
		Name: "automation_rule", Key: []string{"id"},
		Columns: slices.Concat(text("tenant", "id", "name", "environment"), document("event_types"), boolean("enabled"), document("owner"),
			integer("version", "revision", "created_at", "updated_at")),
	},

	{
		Name: "approvals_grant", Key: []string{"request_id", "revision"},
		Columns: slices.Concat(text("tenant", "request_id"), integer("revision"), text("content_hash", "event_id"), integer("granted_at", "consumed_at")),
	},
	{
		Name: "approvals_step", Key: []string{"request_id", "seq"},
		Columns: slices.Concat(text("tenant", "request_id"), integer("seq", "stepped_at"), text("step_trigger", "verb", "from_state", "to_state"),
			integer("revision"), document("actor"), text("comment", "trace_id", "link_id")),
	},
	{
		Name: "approvals_decision", Key: []string{"request_id", "id"},
		Columns: slices.Concat(text("tenant", "request_id", "id"), integer("seq", "revision", "stage"), text("choice"), document("actor"),
			text("comment", "content_hash"), integer("decided_at"), text("traceparent", "tracestate")),
	},
	{
		Name: "approvals_revision", Key: []string{"request_id", "number"},
		Columns: slices.Concat(text("tenant", "request_id"), integer("number"), document("payload"), text("base_revision"), document("before_doc", "after_doc"),
			text("reason", "content_hash"), document("editor"), integer("created_at")),
	},
	{
		Name: "approvals_request", Key: []string{"id"},
		Columns: slices.Concat(text("tenant", "id", "state", "tab"), integer("revision", "version"),
			text("action", "resource_type", "resource_id", "resource_name", "event_id", "source"), document("origin", "metadata", "requester", "authors", "payload"),
			text("base_revision"), document("before_doc", "after_doc"), text("reason", "content_hash"), integer("submitted_at"), text("policy_name"),
			document("policy", "stages", "cause"), integer("created_at", "updated_at", "timeout_at"), text("traceparent", "tracestate", "causation_id"),
			integer("hops"), text("previous_id", "dedupe_key", "open_key"), document("failure", "output")),
	},

	{
		Name: "flags_override_use", Key: []string{"flag", "environment", "override_id", "subject", "used_on"},
		Columns: slices.Concat(text("tenant", "flag", "environment", "override_id", "subject"), integer("used_on")),
	},
	{
		Name: "flags_use", Key: []string{"audience", "kind", "doc_key"},
		Columns: text("tenant", "audience", "kind", "doc_key"),
	},
	{
		Name: "flags_version", Key: []string{"kind", "doc_key", "revision"},
		Columns: slices.Concat(text("tenant", "kind", "doc_key"), integer("revision", "change"), boolean("deleted"), document("body"), []Column{{"hash", Bytes}},
			document("audiences"), text("action", "comment", "event_id"), document("author"), integer("saved_at", "created_at")),
	},
	{
		Name: "flags_document", Key: []string{"kind", "doc_key"},
		Columns: slices.Concat(text("tenant", "kind", "doc_key"), integer("revision", "change"), boolean("deleted")),
	},
	{
		Name: "flags_head", Columns: slices.Concat(text("tenant"), integer("last_change")),
	},

	{
		Name: "authz_row", Key: []string{"id"},
		Columns: slices.Concat(text("tenant", "id"), integer("sequence", "position"), text("kind"), document("row_values"), []Column{{"digest", Bytes}}),
	},
	{
		Name: "authz_policy", Columns: slices.Concat(text("tenant"), integer("sequence"), text("change_id"), integer("changed_at")),
	},

	{
		Name: "credential", Key: []string{"name"},
		Columns: slices.Concat(text("tenant", "name", "kind"), []Column{{"sealed", Secret}}, text("key_id"), integer("revision", "created_at", "updated_at", "last_used_at")),
	},
	{
		Name: "saved_filter", Key: []string{"id"},
		Columns: slices.Concat(text("tenant", "id", "list", "owner", "name"), document("filters"), text("sort"), integer("revision", "created_at", "updated_at")),
	},
	{
		// An answer may hold what its client was to see once: the signing secret of an
		// endpoint, a token.
		Name: "idempotency_record", Key: []string{"actor", "idempotency_key"},
		Columns: slices.Concat(text("tenant", "actor", "idempotency_key"), []Column{{"fingerprint", Bytes}}, integer("status"),
			[]Column{{"header", Secret}, {"body", Secret}}, integer("created_at")),
	},
	{
		Name: "quota", Key: []string{"what"}, Internal: true,
		Columns: slices.Concat(text("tenant", "what"), integer("turns")),
	},

	{
		Name: "audit_event", Key: []string{"seq"}, Evidence: true,
		Columns: slices.Concat(text("tenant"), integer("seq"), text("source", "id"), integer("event_time", "recorded_at"),
			text("action", "category", "outcome", "actor_id", "acting_as", "resource_type", "resource_id", "source_ip", "request_id", "trace_id", "link_trace_id"),
			[]Column{{"leaf", Bytes}}, document("record")),
	},
}
