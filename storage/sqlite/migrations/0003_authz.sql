-- Where the policy of each tenant stands. Every change of its rows moves it in the
-- same transaction.
CREATE TABLE adminkit_authz_policy (
    tenant     TEXT    NOT NULL PRIMARY KEY,
    sequence   INTEGER NOT NULL,
    change_id  TEXT    NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE adminkit_authz_row (
    tenant     TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    sequence   INTEGER NOT NULL, -- the change that added the row
    position   INTEGER NOT NULL, -- its place in that change
    kind       TEXT    NOT NULL,
    row_values BLOB    NOT NULL, -- JSON array of strings
    digest     BLOB    NOT NULL, -- of kind and values: no row stands twice
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX adminkit_authz_row_digest ON adminkit_authz_row (tenant, digest);
CREATE UNIQUE INDEX adminkit_authz_row_order ON adminkit_authz_row (tenant, sequence, position);
