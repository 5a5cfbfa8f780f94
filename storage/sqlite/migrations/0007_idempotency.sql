CREATE TABLE adminkit_idempotency_record (
    tenant          TEXT    NOT NULL,
    actor           TEXT    NOT NULL,
    idempotency_key TEXT    NOT NULL,
    fingerprint     BLOB    NOT NULL,
    status          INTEGER NOT NULL, -- 0 while the request runs
    header          BLOB    NOT NULL, -- JSON object of strings, or null
    body            BLOB    NOT NULL,
    created_at      INTEGER NOT NULL,
    PRIMARY KEY (tenant, actor, idempotency_key)
) STRICT, WITHOUT ROWID;

CREATE INDEX adminkit_idempotency_record_age ON adminkit_idempotency_record (tenant, created_at);
