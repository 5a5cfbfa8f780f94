-- What people ask lists for, under names. owner is empty for what everybody of the tenant
-- sees.
CREATE TABLE adminkit_saved_filter (
	tenant     TEXT   NOT NULL,
	id         TEXT   NOT NULL,
	list       TEXT   NOT NULL,
	owner      TEXT   NOT NULL,
	name       TEXT   NOT NULL,
	filters    TEXT   NOT NULL, -- JSON
	sort       TEXT   NOT NULL, -- '' for the list's default
	revision   BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (tenant, id)
);

-- Lists are by name, and a name is taken once.
CREATE UNIQUE INDEX adminkit_saved_filter_name ON adminkit_saved_filter (tenant, list, name, owner);
