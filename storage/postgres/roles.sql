-- Who may do what with the tables of the kit, for programs that run under a role of least
-- privilege. Run it in the schema of the tables, as their owner or as a superuser, after
-- every migration. It may be run any number of times, also while programs work.
--
-- The owner is the role that migrates. It needs CREATE on the schema, or on the database
-- where it is to make the schema. Programs run under a role of their own that is a member
-- of adminkit_runtime (GRANT adminkit_runtime TO app) and with Config.NoMigrate. To make
-- adminkit_runtime takes CREATEROLE; an owner without finds it made.

DO $$ BEGIN
	IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'adminkit_runtime') THEN
		CREATE ROLE adminkit_runtime NOLOGIN;
	END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; -- somebody was faster
END $$;

DO $$
DECLARE
	one TEXT;
BEGIN
	EXECUTE format('REVOKE ALL ON SCHEMA %I FROM adminkit_runtime', current_schema());
	EXECUTE format('GRANT USAGE ON SCHEMA %I TO adminkit_runtime', current_schema());
	FOR one IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename LIKE 'adminkit\_%' LOOP
		EXECUTE format('REVOKE ALL ON %I FROM PUBLIC, adminkit_runtime', one);
		EXECUTE format('GRANT %s ON %I TO adminkit_runtime', CASE
			-- Which migrations were applied is read at every start.
			WHEN one = 'adminkit_migration' THEN 'SELECT'
			-- Evidence is added and read. To change or remove it takes the owner.
			WHEN one LIKE 'adminkit\_audit\_%' THEN 'SELECT, INSERT'
			ELSE 'SELECT, INSERT, UPDATE, DELETE'
		END, one);
	END LOOP;
END $$;
