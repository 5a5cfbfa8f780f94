-- Automations: the present state of each rule. What a rule does is in its versions.
CREATE TABLE adminkit_automation_rule (
	tenant      TEXT    COLLATE "C" NOT NULL,
	id          TEXT    COLLATE "C" NOT NULL,
	name        TEXT    NOT NULL,
	environment TEXT    COLLATE "C" NOT NULL,
	event_types BYTEA   NOT NULL, -- JSON list
	enabled     BOOLEAN NOT NULL,
	owner       BYTEA   NOT NULL,
	version     BIGINT  NOT NULL,
	revision    BIGINT  NOT NULL,
	created_at  BIGINT  NOT NULL,
	updated_at  BIGINT  NOT NULL,
	PRIMARY KEY (tenant, id)
);

CREATE INDEX adminkit_automation_rule_created ON adminkit_automation_rule (tenant, created_at, id);
CREATE INDEX adminkit_automation_rule_updated ON adminkit_automation_rule (tenant, updated_at, id);

-- A row is never updated.
CREATE TABLE adminkit_automation_version (
	tenant     TEXT    COLLATE "C" NOT NULL,
	rule_id    TEXT    COLLATE "C" NOT NULL,
	number     BIGINT  NOT NULL,
	document   BYTEA   NOT NULL, -- canonical JSON
	hash       TEXT    NOT NULL,
	created_by BYTEA   NOT NULL,
	created_at BIGINT  NOT NULL,
	PRIMARY KEY (tenant, rule_id, number)
);

-- The event types of enabled rules, in the order a match asks for them.
CREATE TABLE adminkit_automation_listener (
	tenant      TEXT    COLLATE "C" NOT NULL,
	environment TEXT    COLLATE "C" NOT NULL,
	pattern     TEXT    COLLATE "C" NOT NULL,
	rule_id     TEXT    COLLATE "C" NOT NULL,
	PRIMARY KEY (tenant, environment, pattern, rule_id)
);

CREATE INDEX adminkit_automation_listener_rule ON adminkit_automation_listener (tenant, rule_id);

-- Events that started runs, once for all of them.
CREATE TABLE adminkit_automation_event (
	tenant      TEXT    COLLATE "C" NOT NULL,
	event_key   TEXT    COLLATE "C" NOT NULL,
	source      TEXT    NOT NULL,
	id          TEXT    NOT NULL,
	event_type  TEXT    NOT NULL,
	environment TEXT    NOT NULL,
	body        BYTEA   NOT NULL, -- a CloudEvent
	trace_id    TEXT    NOT NULL,
	span_id     TEXT    NOT NULL,
	trace_flags BIGINT  NOT NULL,
	trace_state TEXT    NOT NULL,
	hops        BIGINT  NOT NULL,
	created_at  BIGINT  NOT NULL,
	PRIMARY KEY (tenant, event_key)
);

CREATE INDEX adminkit_automation_event_created ON adminkit_automation_event (tenant, created_at, event_key);

CREATE TABLE adminkit_automation_run (
	tenant       TEXT    COLLATE "C" NOT NULL,
	id           TEXT    COLLATE "C" NOT NULL,
	rule_id      TEXT    COLLATE "C" NOT NULL,
	rule_version BIGINT  NOT NULL,
	environment  TEXT    COLLATE "C" NOT NULL,
	status       TEXT    COLLATE "C" NOT NULL,
	trigger_kind TEXT    COLLATE "C" NOT NULL,
	event_key    TEXT    COLLATE "C" NOT NULL,
	event_type   TEXT    COLLATE "C" NOT NULL,
	parent_id    TEXT    COLLATE "C" NOT NULL, -- empty for the one run of an event
	owner        BYTEA   NOT NULL,
	audiences    BYTEA, -- JSON
	cursor_path  TEXT    NOT NULL,
	failing      BOOLEAN NOT NULL,
	wait_kind    TEXT    NOT NULL,
	wait_key     TEXT    COLLATE "C" NOT NULL,
	wait_due_at  BIGINT  NOT NULL,
	wait_gen     BIGINT  NOT NULL,
	failure      BYTEA, -- JSON
	reason       TEXT    NOT NULL,
	level        BIGINT  NOT NULL,
	hops         BIGINT  NOT NULL,
	trace_id     TEXT    COLLATE "C" NOT NULL,
	span_id      TEXT    NOT NULL,
	trace_flags  BIGINT  NOT NULL,
	trace_state  TEXT    NOT NULL,
	job          BIGINT  NOT NULL,
	deadline_at  BIGINT  NOT NULL, -- 0 for never
	started_at   BIGINT  NOT NULL,
	updated_at   BIGINT  NOT NULL,
	ended_at     BIGINT  NOT NULL,
	version      BIGINT  NOT NULL,
	PRIMARY KEY (tenant, id)
);

CREATE UNIQUE INDEX adminkit_automation_run_origin ON adminkit_automation_run (tenant, event_key, rule_id, environment) WHERE parent_id = '';
CREATE INDEX adminkit_automation_run_rerun ON adminkit_automation_run (tenant, event_key) WHERE parent_id <> '';
CREATE INDEX adminkit_automation_run_ended ON adminkit_automation_run (tenant, ended_at, id) WHERE ended_at <> 0;
CREATE INDEX adminkit_automation_run_started ON adminkit_automation_run (tenant, started_at, id);
CREATE INDEX adminkit_automation_run_rule ON adminkit_automation_run (tenant, rule_id, started_at, id);
CREATE INDEX adminkit_automation_run_status ON adminkit_automation_run (tenant, status, started_at, id);
CREATE INDEX adminkit_automation_run_trace ON adminkit_automation_run (tenant, trace_id);

CREATE TABLE adminkit_automation_step (
	tenant     TEXT    COLLATE "C" NOT NULL,
	run_id     TEXT    COLLATE "C" NOT NULL,
	path       TEXT    COLLATE "C" NOT NULL,
	seq        BIGINT  NOT NULL,
	action     TEXT    NOT NULL,
	status     TEXT    COLLATE "C" NOT NULL,
	attempts   BIGINT  NOT NULL,
	input      BYTEA, -- JSON
	output     BYTEA, -- JSON
	branch     TEXT    NOT NULL,
	wait_key   TEXT    COLLATE "C" NOT NULL,
	link_id    TEXT    COLLATE "C" NOT NULL,
	failure    BYTEA, -- JSON
	started_at BIGINT  NOT NULL,
	ended_at   BIGINT  NOT NULL,
	PRIMARY KEY (tenant, run_id, path)
);

CREATE INDEX adminkit_automation_step_wait ON adminkit_automation_step (tenant, wait_key) WHERE wait_key <> '';
CREATE INDEX adminkit_automation_step_link ON adminkit_automation_step (tenant, link_id) WHERE link_id <> '';

-- One row a call of an action. A row is never updated. What an action said of its
-- error may hold any byte.
CREATE TABLE adminkit_automation_attempt (
	tenant      TEXT    COLLATE "C" NOT NULL,
	run_id      TEXT    COLLATE "C" NOT NULL,
	step        TEXT    COLLATE "C" NOT NULL,
	n           BIGINT  NOT NULL,
	at          BIGINT  NOT NULL,
	duration_us BIGINT  NOT NULL,
	class       TEXT    NOT NULL,
	error       BYTEA   NOT NULL,
	detail      BYTEA   NOT NULL,
	logs        BYTEA, -- JSON
	trace_id    TEXT    NOT NULL,
	span_id     TEXT    NOT NULL,
	PRIMARY KEY (tenant, run_id, step, n)
);

CREATE TABLE adminkit_automation_signal (
	tenant   TEXT    COLLATE "C" NOT NULL,
	wait_key TEXT    COLLATE "C" NOT NULL,
	id       TEXT    COLLATE "C" NOT NULL,
	outcome  TEXT    NOT NULL,
	payload  BYTEA, -- JSON
	trace_id TEXT    NOT NULL,
	at       BIGINT  NOT NULL,
	state    TEXT    COLLATE "C" NOT NULL,
	PRIMARY KEY (tenant, wait_key, id)
);

CREATE INDEX adminkit_automation_signal_at ON adminkit_automation_signal (tenant, at);
