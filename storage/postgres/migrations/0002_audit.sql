-- The audit log. A row is never updated. record is the event in canonical form and
-- leaf its hash; the other columns repeat what queries ask for and may be rebuilt.
CREATE TABLE adminkit_audit_event (
	seq           BIGINT  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	-- The transaction that wrote the row. (xid, seq) below the oldest running
	-- transaction is an order in which no row appears late; seq alone is not.
	xid           xid8    NOT NULL DEFAULT pg_current_xact_id(),
	tenant        TEXT    COLLATE "C" NOT NULL,
	source        TEXT    COLLATE "C" NOT NULL,
	id            TEXT    COLLATE "C" NOT NULL,
	event_time    BIGINT  NOT NULL,
	recorded_at   BIGINT  NOT NULL,
	action        TEXT    COLLATE "C" NOT NULL,
	category      TEXT    COLLATE "C" NOT NULL,
	outcome       TEXT    COLLATE "C" NOT NULL,
	actor_id      TEXT    COLLATE "C" NOT NULL,
	acting_as     TEXT    COLLATE "C" NOT NULL,
	resource_type TEXT    COLLATE "C" NOT NULL,
	resource_id   TEXT    COLLATE "C" NOT NULL,
	source_ip     TEXT    COLLATE "C" NOT NULL,
	request_id    TEXT    COLLATE "C" NOT NULL,
	trace_id      TEXT    COLLATE "C" NOT NULL,
	link_trace_id TEXT    COLLATE "C" NOT NULL,
	leaf          BYTEA   NOT NULL,
	record        BYTEA   NOT NULL,
	UNIQUE (tenant, source, id)
);

CREATE INDEX adminkit_audit_event_order ON adminkit_audit_event (tenant, xid, seq);
CREATE INDEX adminkit_audit_event_time ON adminkit_audit_event (tenant, event_time, seq);
CREATE INDEX adminkit_audit_event_trace ON adminkit_audit_event (tenant, trace_id);
CREATE INDEX adminkit_audit_event_link ON adminkit_audit_event (tenant, link_trace_id) WHERE link_trace_id <> '';
