-- Change requests. Composite facts are JSON; what statements select by is a column.
CREATE TABLE adminkit_approvals_request (
	tenant        TEXT    COLLATE "C" NOT NULL,
	id            TEXT    COLLATE "C" NOT NULL,
	state         TEXT    COLLATE "C" NOT NULL,
	-- The tab of the inbox, empty for a draft.
	tab           TEXT    COLLATE "C" NOT NULL,
	revision      BIGINT  NOT NULL,
	version       BIGINT  NOT NULL,
	action        TEXT    COLLATE "C" NOT NULL,
	resource_type TEXT    COLLATE "C" NOT NULL,
	resource_id   TEXT    COLLATE "C" NOT NULL,
	resource_name TEXT    COLLATE "C" NOT NULL,
	event_id      TEXT    COLLATE "C" NOT NULL,
	source        TEXT    COLLATE "C" NOT NULL,
	origin        BYTEA   NOT NULL,
	metadata      BYTEA,
	requester     BYTEA   NOT NULL,
	authors       BYTEA   NOT NULL,
	payload       BYTEA,
	base_revision TEXT    COLLATE "C" NOT NULL,
	before_doc    BYTEA,
	after_doc     BYTEA,
	reason        TEXT    COLLATE "C" NOT NULL,
	content_hash  TEXT    COLLATE "C" NOT NULL,
	submitted_at  BIGINT  NOT NULL,
	policy_name   TEXT    COLLATE "C" NOT NULL,
	policy        BYTEA   NOT NULL,
	stages        BYTEA   NOT NULL,
	cause         BYTEA   NOT NULL,
	created_at    BIGINT  NOT NULL,
	updated_at    BIGINT  NOT NULL,
	timeout_at    BIGINT  NOT NULL,
	traceparent   TEXT    COLLATE "C" NOT NULL,
	tracestate    TEXT    COLLATE "C" NOT NULL,
	causation_id  TEXT    COLLATE "C" NOT NULL,
	hops          BIGINT  NOT NULL,
	previous_id   TEXT    COLLATE "C" NOT NULL,
	dedupe_key    TEXT    COLLATE "C" NOT NULL,
	-- The dedupe_key while the request is open, NULL otherwise: one open request for
	-- one change of one person.
	open_key      TEXT    COLLATE "C",
	failure       BYTEA,
	output        BYTEA,
	PRIMARY KEY (tenant, id),
	UNIQUE (tenant, open_key)
);

CREATE INDEX adminkit_approvals_request_tab ON adminkit_approvals_request (tenant, tab, created_at, id);

-- What a request asked for at each of its revisions.
CREATE TABLE adminkit_approvals_revision (
	tenant        TEXT    COLLATE "C" NOT NULL,
	request_id    TEXT    COLLATE "C" NOT NULL,
	number        BIGINT  NOT NULL,
	payload       BYTEA,
	base_revision TEXT    COLLATE "C" NOT NULL,
	before_doc    BYTEA,
	after_doc     BYTEA,
	reason        TEXT    COLLATE "C" NOT NULL,
	content_hash  TEXT    COLLATE "C" NOT NULL,
	editor        BYTEA   NOT NULL,
	created_at    BIGINT  NOT NULL,
	PRIMARY KEY (tenant, request_id, number)
);

-- What was said of which revision. seq is the version of the request it made.
CREATE TABLE adminkit_approvals_decision (
	tenant        TEXT    COLLATE "C" NOT NULL,
	request_id    TEXT    COLLATE "C" NOT NULL,
	id            TEXT    COLLATE "C" NOT NULL,
	seq           BIGINT  NOT NULL,
	revision      BIGINT  NOT NULL,
	stage         BIGINT  NOT NULL,
	choice        TEXT    COLLATE "C" NOT NULL,
	actor         BYTEA   NOT NULL,
	comment       TEXT    COLLATE "C" NOT NULL,
	content_hash  TEXT    COLLATE "C" NOT NULL,
	decided_at    BIGINT  NOT NULL,
	traceparent   TEXT    COLLATE "C" NOT NULL,
	tracestate    TEXT    COLLATE "C" NOT NULL,
	PRIMARY KEY (tenant, request_id, id)
);

-- The transitions of a request. seq is the version it had afterwards, so that no two
-- transitions leave the same version.
CREATE TABLE adminkit_approvals_step (
	tenant        TEXT    COLLATE "C" NOT NULL,
	request_id    TEXT    COLLATE "C" NOT NULL,
	seq           BIGINT  NOT NULL,
	stepped_at    BIGINT  NOT NULL,
	step_trigger  TEXT    COLLATE "C" NOT NULL,
	verb          TEXT    COLLATE "C" NOT NULL,
	from_state    TEXT    COLLATE "C" NOT NULL,
	to_state      TEXT    COLLATE "C" NOT NULL,
	revision      BIGINT  NOT NULL,
	actor         BYTEA   NOT NULL,
	comment       TEXT    COLLATE "C" NOT NULL,
	trace_id      TEXT    COLLATE "C" NOT NULL,
	link_id       TEXT    COLLATE "C" NOT NULL,
	PRIMARY KEY (tenant, request_id, seq)
);

CREATE INDEX adminkit_approvals_step_trace ON adminkit_approvals_step (tenant, trace_id);
CREATE INDEX adminkit_approvals_step_link ON adminkit_approvals_step (tenant, link_id) WHERE link_id <> '';

-- The right to make one approved change once. consumed_at is zero until it is used.
CREATE TABLE adminkit_approvals_grant (
	tenant        TEXT    COLLATE "C" NOT NULL,
	request_id    TEXT    COLLATE "C" NOT NULL,
	revision      BIGINT  NOT NULL,
	content_hash  TEXT    COLLATE "C" NOT NULL,
	event_id      TEXT    COLLATE "C" NOT NULL,
	granted_at    BIGINT  NOT NULL,
	consumed_at   BIGINT  NOT NULL,
	PRIMARY KEY (tenant, request_id, revision)
);
