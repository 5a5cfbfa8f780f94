-- Where the policy of each tenant stands. Every change of its rows moves it in the
-- same transaction.
CREATE TABLE adminkit_authz_policy (
    tenant     TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    sequence   BIGINT NOT NULL,
    change_id  TEXT COLLATE "C" NOT NULL,
    changed_at BIGINT NOT NULL
);

CREATE TABLE adminkit_authz_row (
    tenant     TEXT COLLATE "C" NOT NULL,
    id         TEXT COLLATE "C" NOT NULL,
    sequence   BIGINT  NOT NULL, -- the change that added the row
    position   INTEGER NOT NULL, -- its place in that change
    kind       TEXT COLLATE "C" NOT NULL,
    row_values BYTEA   NOT NULL, -- JSON array of strings
    digest     BYTEA   NOT NULL, -- of kind and values: no row stands twice
    PRIMARY KEY (tenant, id)
);

CREATE UNIQUE INDEX adminkit_authz_row_digest ON adminkit_authz_row (tenant, digest);
CREATE UNIQUE INDEX adminkit_authz_row_order ON adminkit_authz_row (tenant, sequence, position);
