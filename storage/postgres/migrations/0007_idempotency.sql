CREATE TABLE adminkit_idempotency_record (
    tenant          TEXT COLLATE "C" NOT NULL,
    actor           TEXT COLLATE "C" NOT NULL,
    idempotency_key TEXT COLLATE "C" NOT NULL,
    fingerprint     BYTEA   NOT NULL,
    status          INTEGER NOT NULL, -- 0 while the request runs
    header          BYTEA   NOT NULL, -- JSON object of strings, or null
    body            BYTEA   NOT NULL,
    created_at      BIGINT  NOT NULL,
    PRIMARY KEY (tenant, actor, idempotency_key)
);

CREATE INDEX adminkit_idempotency_record_age ON adminkit_idempotency_record (tenant, created_at);
