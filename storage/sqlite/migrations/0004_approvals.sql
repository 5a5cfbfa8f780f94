-- Change requests. Composite facts are JSON; what statements select by is a column.
CREATE TABLE adminkit_approvals_request (
	tenant        TEXT    NOT NULL,
	id            TEXT    NOT NULL,
	state         TEXT    NOT NULL,
	-- The tab of the inbox, empty for a draft.
	tab           TEXT    NOT NULL,
	revision      BIGINT  NOT NULL,
	version       BIGINT  NOT NULL,
	action        TEXT    NOT NULL,
	resource_type TEXT    NOT NULL,
	resource_id   TEXT    NOT NULL,
	resource_name TEXT    NOT NULL,
	event_id      TEXT    NOT NULL,
	source        TEXT    NOT NULL,
	origin        BLOB   NOT NULL,
	metadata      BLOB,
	requester     BLOB   NOT NULL,
	authors       BLOB   NOT NULL,
	payload       BLOB,
	base_revision TEXT    NOT NULL,
	before_doc    BLOB,
	after_doc     BLOB,
	reason        TEXT    NOT NULL,
	content_hash  TEXT    NOT NULL,
	submitted_at  BIGINT  NOT NULL,
	policy_name   TEXT    NOT NULL,
	policy        BLOB   NOT NULL,
	stages        BLOB   NOT NULL,
	cause         BLOB   NOT NULL,
	created_at    BIGINT  NOT NULL,
	updated_at    BIGINT  NOT NULL,
	timeout_at    BIGINT  NOT NULL,
	traceparent   TEXT    NOT NULL,
	tracestate    TEXT    NOT NULL,
	causation_id  TEXT    NOT NULL,
	hops          BIGINT  NOT NULL,
	previous_id   TEXT    NOT NULL,
	dedupe_key    TEXT    NOT NULL,
	-- The dedupe_key while the request is open, NULL otherwise: one open request for
	-- one change of one person.
	open_key      TEXT   ,
	failure       BLOB,
	output        BLOB,
	PRIMARY KEY (tenant, id),
	UNIQUE (tenant, open_key)
);

CREATE INDEX adminkit_approvals_request_tab ON adminkit_approvals_request (tenant, tab, created_at, id);

-- What a request asked for at each of its revisions.
CREATE TABLE adminkit_approvals_revision (
	tenant        TEXT    NOT NULL,
	request_id    TEXT    NOT NULL,
	number        BIGINT  NOT NULL,
	payload       BLOB,
	base_revision TEXT    NOT NULL,
	before_doc    BLOB,
	after_doc     BLOB,
	reason        TEXT    NOT NULL,
	content_hash  TEXT    NOT NULL,
	editor        BLOB   NOT NULL,
	created_at    BIGINT  NOT NULL,
	PRIMARY KEY (tenant, request_id, number)
);

-- What was said of which revision. seq is the version of the request it made.
CREATE TABLE adminkit_approvals_decision (
	tenant        TEXT    NOT NULL,
	request_id    TEXT    NOT NULL,
	id            TEXT    NOT NULL,
	seq           BIGINT  NOT NULL,
	revision      BIGINT  NOT NULL,
	stage         BIGINT  NOT NULL,
	choice        TEXT    NOT NULL,
	actor         BLOB   NOT NULL,
	comment       TEXT    NOT NULL,
	content_hash  TEXT    NOT NULL,
	decided_at    BIGINT  NOT NULL,
	traceparent   TEXT    NOT NULL,
	tracestate    TEXT    NOT NULL,
	PRIMARY KEY (tenant, request_id, id)
);

-- The transitions of a request. seq is the version it had afterwards, so that no two
-- transitions leave the same version.
CREATE TABLE adminkit_approvals_step (
	tenant        TEXT    NOT NULL,
	request_id    TEXT    NOT NULL,
	seq           BIGINT  NOT NULL,
	stepped_at    BIGINT  NOT NULL,
	step_trigger  TEXT    NOT NULL,
	verb          TEXT    NOT NULL,
	from_state    TEXT    NOT NULL,
	to_state      TEXT    NOT NULL,
	revision      BIGINT  NOT NULL,
	actor         BLOB   NOT NULL,
	comment       TEXT    NOT NULL,
	trace_id      TEXT    NOT NULL,
	link_id       TEXT    NOT NULL,
	PRIMARY KEY (tenant, request_id, seq)
);

CREATE INDEX adminkit_approvals_step_trace ON adminkit_approvals_step (tenant, trace_id);
CREATE INDEX adminkit_approvals_step_link ON adminkit_approvals_step (tenant, link_id) WHERE link_id <> '';

-- The right to make one approved change once. consumed_at is zero until it is used.
CREATE TABLE adminkit_approvals_grant (
	tenant        TEXT    NOT NULL,
	request_id    TEXT    NOT NULL,
	revision      BIGINT  NOT NULL,
	content_hash  TEXT    NOT NULL,
	event_id      TEXT    NOT NULL,
	granted_at    BIGINT  NOT NULL,
	consumed_at   BIGINT  NOT NULL,
	PRIMARY KEY (tenant, request_id, revision)
);
