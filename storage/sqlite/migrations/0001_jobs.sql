-- The work engine. A worker row is the fence: whoever settles a job reads it, whoever
-- ends the worker deletes it. AUTOINCREMENT, so that no id is ever given again.
CREATE TABLE adminkit_jobs_worker (
	id      INTEGER PRIMARY KEY AUTOINCREMENT,
	beats   INTEGER NOT NULL,
	lease   INTEGER NOT NULL, -- microseconds without a beat
	resting INTEGER NOT NULL -- it wants no lanes
) STRICT;

CREATE TABLE adminkit_jobs_lane (
	tenant     TEXT NOT NULL,
	lane       TEXT NOT NULL,
	cap        INTEGER NOT NULL DEFAULT 0, -- 0 is the default of the program
	rate       REAL NOT NULL DEFAULT 0, -- starts a second, 0 is as many as come
	burst      INTEGER NOT NULL DEFAULT 0,
	fifo       INTEGER NOT NULL DEFAULT FALSE,
	failures   INTEGER NOT NULL DEFAULT 0, -- in a row that open the breaker, 0 is never
	cooldown   INTEGER NOT NULL DEFAULT 0, -- microseconds that it stays open
	paused     INTEGER NOT NULL DEFAULT FALSE,
	resumes    INTEGER NOT NULL DEFAULT 0, -- how often the lane was resumed
	held_until INTEGER NOT NULL DEFAULT 0, -- nothing starts before
	held_for   TEXT NOT NULL DEFAULT '', -- why
	owner      INTEGER NOT NULL DEFAULT 0, -- a worker, 0 where the lane is free
	suspect    INTEGER NOT NULL DEFAULT FALSE, -- its last owner was found dead
	PRIMARY KEY (tenant, lane)
) STRICT, WITHOUT ROWID;

CREATE INDEX adminkit_jobs_lane_owner ON adminkit_jobs_lane (owner) WHERE owner <> 0;

CREATE TABLE adminkit_jobs_job (
	id      INTEGER PRIMARY KEY AUTOINCREMENT,
	tenant  TEXT    NOT NULL,
	lane    TEXT    NOT NULL,
	kind    TEXT    NOT NULL,
	key     TEXT    NOT NULL,
	priority INTEGER NOT NULL, -- 1 is high, 0 normal, -1 low
	due     INTEGER NOT NULL,
	attempt INTEGER NOT NULL, -- settled attempts
	lost    INTEGER NOT NULL, -- starts since then that were announced and never settled
	trace   TEXT    NOT NULL,
	payload BLOB    NOT NULL
) STRICT;

CREATE INDEX adminkit_jobs_job_head ON adminkit_jobs_job (tenant, lane, priority, due, id);
-- A key is one unfinished job's. Jobs without one pay nothing for it.
CREATE UNIQUE INDEX adminkit_jobs_job_key ON adminkit_jobs_job (tenant, key) WHERE key <> '';

-- When free lanes are to be looked at: at the due time of their first job, or earlier. It
-- is a table of its own, into which any number of transactions insert without waiting for
-- each other, as they would for a column of the lane.
CREATE TABLE adminkit_jobs_wake (
	id     INTEGER PRIMARY KEY,
	tenant TEXT NOT NULL,
	lane   TEXT NOT NULL,
	at     INTEGER NOT NULL
) STRICT;

CREATE INDEX adminkit_jobs_wake_at ON adminkit_jobs_wake (at, id);
CREATE INDEX adminkit_jobs_wake_lane ON adminkit_jobs_wake (tenant, lane, at);

CREATE TABLE adminkit_jobs_attempt (
	id      INTEGER PRIMARY KEY,
	tenant  TEXT    NOT NULL,
	job     INTEGER NOT NULL,
	number  INTEGER NOT NULL,
	worker  INTEGER NOT NULL,
	result  TEXT    NOT NULL,
	reason  TEXT    NOT NULL,
	started INTEGER NOT NULL,
	ended   INTEGER NOT NULL
) STRICT;

CREATE INDEX adminkit_jobs_attempt_job ON adminkit_jobs_attempt (tenant, job, id);
CREATE INDEX adminkit_jobs_attempt_age ON adminkit_jobs_attempt (ended, id);

CREATE TABLE adminkit_jobs_dead (
	id      INTEGER PRIMARY KEY, -- the job's
	tenant  TEXT    NOT NULL,
	lane    TEXT    NOT NULL,
	kind    TEXT    NOT NULL,
	key     TEXT    NOT NULL,
	priority INTEGER NOT NULL, -- 1 is high, 0 normal, -1 low
	due     INTEGER NOT NULL,
	attempt INTEGER NOT NULL,
	trace   TEXT    NOT NULL,
	payload BLOB    NOT NULL,
	reason  TEXT    NOT NULL,
	died    INTEGER NOT NULL
) STRICT;

CREATE INDEX adminkit_jobs_dead_order ON adminkit_jobs_dead (tenant, died, id);
CREATE INDEX adminkit_jobs_dead_lane ON adminkit_jobs_dead (tenant, lane, died, id);
CREATE INDEX adminkit_jobs_dead_kind ON adminkit_jobs_dead (tenant, kind, died, id);
