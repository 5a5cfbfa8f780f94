-- The last change of each tenant's flags and audiences. Every change moves it in the
-- same transaction, so that changes become visible in the order of their numbers.
CREATE TABLE adminkit_flags_head (
	tenant      TEXT   NOT NULL PRIMARY KEY,
	last_change BIGINT NOT NULL
);

-- Which version of a flag or an audience is the current one.
CREATE TABLE adminkit_flags_document (
	tenant   TEXT    NOT NULL,
	kind     TEXT    NOT NULL,
	doc_key  TEXT    NOT NULL,
	revision BIGINT  NOT NULL,
	change   BIGINT  NOT NULL,
	deleted  BOOLEAN NOT NULL,
	PRIMARY KEY (tenant, kind, doc_key)
);

CREATE UNIQUE INDEX adminkit_flags_document_change ON adminkit_flags_document (tenant, change);

-- What counts towards quotas. SQLite reads the index alone only where it has the condition too.
CREATE INDEX adminkit_flags_document_standing ON adminkit_flags_document (tenant, kind, deleted) WHERE NOT deleted;

-- A row is never updated.
CREATE TABLE adminkit_flags_version (
	tenant     TEXT    NOT NULL,
	kind       TEXT    NOT NULL,
	doc_key    TEXT    NOT NULL,
	revision   BIGINT  NOT NULL,
	change     BIGINT  NOT NULL,
	deleted    BOOLEAN NOT NULL,
	body       BLOB, -- canonical JSON
	hash       BLOB,
	audiences  BLOB    NOT NULL, -- JSON list of keys
	action     TEXT    NOT NULL,
	comment    TEXT    NOT NULL,
	event_id   TEXT    NOT NULL,
	author     BLOB    NOT NULL, -- JSON
	saved_at   BIGINT  NOT NULL,
	created_at BIGINT  NOT NULL, -- of the document
	PRIMARY KEY (tenant, kind, doc_key, revision)
);

-- The audiences that current documents use, each by whom.
CREATE TABLE adminkit_flags_use (
	tenant   TEXT NOT NULL,
	audience TEXT NOT NULL,
	kind     TEXT NOT NULL,
	doc_key  TEXT NOT NULL,
	PRIMARY KEY (tenant, audience, kind, doc_key)
);

CREATE INDEX adminkit_flags_use_document ON adminkit_flags_use (tenant, kind, doc_key);

-- Who was served by an override for QA, and on which day.
CREATE TABLE adminkit_flags_override_use (
	tenant      TEXT   NOT NULL,
	flag        TEXT   NOT NULL,
	environment TEXT   NOT NULL,
	override_id TEXT   NOT NULL,
	subject     TEXT   NOT NULL,
	used_on     BIGINT NOT NULL, -- midnight UTC
	PRIMARY KEY (tenant, flag, environment, override_id, subject, used_on)
);
