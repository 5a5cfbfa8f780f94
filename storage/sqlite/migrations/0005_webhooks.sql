-- Receivers that tenants registered. failures, failing_since and quiet_until are what
-- recent attempts say of them; they are no part of the revision.
CREATE TABLE adminkit_webhooks_endpoint (
	tenant          TEXT   NOT NULL,
	id              TEXT   NOT NULL,
	url             TEXT   NOT NULL,
	event_types     BLOB   NOT NULL, -- JSON list of patterns
	description     TEXT   NOT NULL,
	timeout_ms      BIGINT NOT NULL, -- 0 for the default
	status          TEXT   NOT NULL,
	disabled_reason TEXT   NOT NULL,
	revision        BIGINT NOT NULL,
	created_at      BIGINT NOT NULL,
	updated_at      BIGINT NOT NULL,
	failures        BIGINT NOT NULL,
	failing_since   BIGINT NOT NULL,
	quiet_until     BIGINT NOT NULL,
	PRIMARY KEY (tenant, id)
);

CREATE INDEX adminkit_webhooks_endpoint_created ON adminkit_webhooks_endpoint (tenant, created_at, id);
CREATE INDEX adminkit_webhooks_endpoint_updated ON adminkit_webhooks_endpoint (tenant, updated_at, id);

CREATE TABLE adminkit_webhooks_secret (
	tenant      TEXT   NOT NULL,
	endpoint_id TEXT   NOT NULL,
	id          TEXT   NOT NULL,
	sealed      BLOB   NOT NULL,
	created_at  BIGINT NOT NULL,
	expires_at  BIGINT NOT NULL, -- 0 for never
	PRIMARY KEY (tenant, endpoint_id, id)
);

-- The patterns of enabled endpoints, in the order a fan-out asks for them.
CREATE TABLE adminkit_webhooks_subscription (
	tenant      TEXT NOT NULL,
	pattern     TEXT NOT NULL,
	endpoint_id TEXT NOT NULL,
	PRIMARY KEY (tenant, pattern, endpoint_id)
);

CREATE INDEX adminkit_webhooks_subscription_endpoint ON adminkit_webhooks_subscription (tenant, endpoint_id);

-- What is sent, byte for byte.
CREATE TABLE adminkit_webhooks_message (
	tenant       TEXT   NOT NULL,
	id           TEXT   NOT NULL,
	event_source TEXT   NOT NULL,
	event_id     TEXT   NOT NULL,
	event_type   TEXT   NOT NULL,
	body         BLOB   NOT NULL,
	trace_id     TEXT   NOT NULL,
	span_id      TEXT   NOT NULL,
	trace_flags  BIGINT NOT NULL,
	trace_state  TEXT   NOT NULL,
	created_at   BIGINT NOT NULL,
	PRIMARY KEY (tenant, id)
);

CREATE TABLE adminkit_webhooks_delivery (
	tenant          TEXT    NOT NULL,
	id              TEXT    NOT NULL,
	message_id      TEXT    NOT NULL,
	endpoint_id     TEXT    NOT NULL,
	event_type      TEXT    NOT NULL,
	status          TEXT    NOT NULL,
	held            BOOLEAN NOT NULL,
	reason          TEXT    NOT NULL,
	attempts        BIGINT  NOT NULL,
	round           BIGINT  NOT NULL,
	tries           BIGINT  NOT NULL,
	next_attempt_at BIGINT  NOT NULL, -- 0 for none
	trace_id        TEXT    NOT NULL,
	created_at      BIGINT  NOT NULL,
	updated_at      BIGINT  NOT NULL,
	PRIMARY KEY (tenant, id),
	UNIQUE (tenant, message_id, endpoint_id)
);

CREATE INDEX adminkit_webhooks_delivery_created ON adminkit_webhooks_delivery (tenant, created_at, id);
CREATE INDEX adminkit_webhooks_delivery_endpoint ON adminkit_webhooks_delivery (tenant, endpoint_id, created_at, id);
CREATE INDEX adminkit_webhooks_delivery_trace ON adminkit_webhooks_delivery (tenant, trace_id, created_at);
CREATE INDEX adminkit_webhooks_delivery_held ON adminkit_webhooks_delivery (tenant, endpoint_id, created_at, id) WHERE held;

-- One row a request. A row is never updated.
CREATE TABLE adminkit_webhooks_attempt (
	tenant      TEXT   NOT NULL,
	delivery_id TEXT   NOT NULL,
	n           BIGINT NOT NULL,
	at          BIGINT NOT NULL,
	duration_us BIGINT NOT NULL,
	status_code BIGINT NOT NULL, -- 0 where nobody answered
	class       TEXT   NOT NULL,
	error       TEXT   NOT NULL,
	response    BLOB, -- the beginning of the answer's body
	trace_id    TEXT   NOT NULL,
	span_id     TEXT   NOT NULL,
	PRIMARY KEY (tenant, delivery_id, n)
);
