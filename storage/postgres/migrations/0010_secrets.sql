-- What integrations of tenants sign in with. key_id says which key sealed is under.
CREATE TABLE adminkit_credential (
	tenant       TEXT   COLLATE "C" NOT NULL,
	name         TEXT   COLLATE "C" NOT NULL,
	kind         TEXT   COLLATE "C" NOT NULL,
	sealed       BYTEA  NOT NULL,
	key_id       TEXT   COLLATE "C" NOT NULL,
	revision     BIGINT NOT NULL,
	created_at   BIGINT NOT NULL,
	updated_at   BIGINT NOT NULL,
	last_used_at BIGINT NOT NULL, -- 0 for never
	PRIMARY KEY (tenant, name)
);
