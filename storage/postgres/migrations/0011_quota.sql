-- One row for each kind of object whose number is limited: creations take turns on it, so
-- that those made at the same time do not pass the limit together.
CREATE TABLE adminkit_quota (
	tenant TEXT COLLATE "C" NOT NULL,
	what   TEXT COLLATE "C" NOT NULL,
	turns  BIGINT NOT NULL,
	PRIMARY KEY (tenant, what)
);
