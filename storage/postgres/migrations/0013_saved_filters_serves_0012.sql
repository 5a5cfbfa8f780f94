-- What people ask lists for, under names. owner is empty for what everybody of the tenant
-- sees.
CREATE TABLE adminkit_saved_filter (
	tenant     TEXT   COLLATE "C" NOT NULL,
	id         TEXT   COLLATE "C" NOT NULL,
	list       TEXT   COLLATE "C" NOT NULL,
	owner      TEXT   COLLATE "C" NOT NULL,
	name       TEXT   COLLATE "C" NOT NULL,
	filters    TEXT   NOT NULL, -- JSON
	sort       TEXT   COLLATE "C" NOT NULL, -- '' for the list's default
	revision   BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (tenant, id)
);

-- Lists are by name, and a name is taken once.
CREATE UNIQUE INDEX adminkit_saved_filter_name ON adminkit_saved_filter (tenant, list, name, owner);
