-- What integrations of tenants sign in with. key_id says which key sealed is under.
CREATE TABLE adminkit_credential (
	tenant       TEXT   NOT NULL,
	name         TEXT   NOT NULL,
	kind         TEXT   NOT NULL,
	sealed       BLOB   NOT NULL,
	key_id       TEXT   NOT NULL,
	revision     BIGINT NOT NULL,
	created_at   BIGINT NOT NULL,
	updated_at   BIGINT NOT NULL,
	last_used_at BIGINT NOT NULL, -- 0 for never
	PRIMARY KEY (tenant, name)
);
