-- The audit log. A row is never updated. record is the event in canonical form and
-- leaf its hash; the other columns repeat what queries ask for and may be rebuilt.
CREATE TABLE adminkit_audit_event (
	-- The order of recording. AUTOINCREMENT, so that a number is not given twice even
	-- when retention has removed the last row.
	seq           INTEGER PRIMARY KEY AUTOINCREMENT,
	tenant        TEXT    NOT NULL,
	source        TEXT    NOT NULL,
	id            TEXT    NOT NULL,
	event_time    BIGINT  NOT NULL,
	recorded_at   BIGINT  NOT NULL,
	action        TEXT    NOT NULL,
	category      TEXT    NOT NULL,
	outcome       TEXT    NOT NULL,
	actor_id      TEXT    NOT NULL,
	acting_as     TEXT    NOT NULL,
	resource_type TEXT    NOT NULL,
	resource_id   TEXT    NOT NULL,
	source_ip     TEXT    NOT NULL,
	request_id    TEXT    NOT NULL,
	trace_id      TEXT    NOT NULL,
	link_trace_id TEXT    NOT NULL,
	leaf          BLOB    NOT NULL,
	record        BLOB    NOT NULL,
	UNIQUE (tenant, source, id)
);

CREATE INDEX adminkit_audit_event_order ON adminkit_audit_event (tenant, seq);
CREATE INDEX adminkit_audit_event_time ON adminkit_audit_event (tenant, event_time, seq);
CREATE INDEX adminkit_audit_event_trace ON adminkit_audit_event (tenant, trace_id);
CREATE INDEX adminkit_audit_event_link ON adminkit_audit_event (tenant, link_trace_id) WHERE link_trace_id <> '';
