-- Ids of transactions order the audit log, but they are those of one cluster: where a
-- backup is restored they go on at another number, and what is recorded there would stand
-- before what pollers have seen already. So the order is that of turns. Each run of a
-- server shifts the ids of its transactions so that the first one falls on the present time
-- in microseconds. No server makes a million transactions a second: what was given
-- before, anywhere, is below. To restore a backup always starts a server, or happens in
-- one that was not the backup's.
CREATE TABLE adminkit_audit_run (
	started_at BIGINT NOT NULL PRIMARY KEY, -- of the server
	shift      BIGINT NOT NULL
);

-- The turn of the present transaction. The first transaction of a run settles its shift;
-- others that begin at the same time wait for it.
CREATE OR REPLACE FUNCTION adminkit_audit_turn() RETURNS xid8 LANGUAGE plpgsql AS $$
DECLARE
	run    CONSTANT BIGINT := EXTRACT(EPOCH FROM pg_postmaster_start_time()) * 1000000;
	own    CONSTANT BIGINT := CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT);
	moving BIGINT;
BEGIN
	SELECT shift INTO moving FROM adminkit_audit_run WHERE started_at = run;
	IF NOT FOUND THEN
		INSERT INTO adminkit_audit_run (started_at, shift)
		SELECT run, GREATEST(CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) - own, MAX(shift))
		FROM adminkit_audit_run
		ON CONFLICT (started_at) DO NOTHING;
		SELECT shift INTO moving FROM adminkit_audit_run WHERE started_at = run;
	END IF;
	RETURN CAST(CAST(own + moving AS TEXT) AS xid8);
END $$;

ALTER TABLE adminkit_audit_event ALTER COLUMN xid SET DEFAULT adminkit_audit_turn();
