package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/internal/pgtest"
	"github.com/lumelle/adminkit/storage/postgres"
	"github.com/lumelle/adminkit/storage/storagetest"
)

// A landlord is a server with an owner that may only make schemas, and a program under the
// runtime role. Roles belong to a whole cluster, so it is one of its own.
type landlord struct {
	dsn     string
	schemas atomic.Int64
}

func newLandlord(t *testing.T) *landlord {
	t.Helper()
	l := &landlord{dsn: pgtest.NewServer(t).DSN}
	l.exec(t, "postgres", `CREATE ROLE deploy LOGIN; CREATE ROLE adminkit_runtime NOLOGIN; CREATE ROLE app LOGIN IN ROLE adminkit_runtime`)
	l.exec(t, "postgres", `GRANT CREATE ON DATABASE postgres TO deploy`)
	return l
}

// as returns the data source name for a role.
func (l *landlord) as(t *testing.T, role string) string {
	t.Helper()
	u, err := url.Parse(l.dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("user", role)
	u.RawQuery = q.Encode()
	return u.String()
}

func (l *landlord) exec(t *testing.T, role, statements string) {
	t.Helper()
	if err := l.try(t, role, statements); err != nil {
		t.Fatalf("%s: %v", statements, err)
	}
}

func (l *landlord) try(t *testing.T, role, statements string) error {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), l.as(t, role))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), statements)
	return err
}

// let makes a schema as the owner does, and opens it as a program.
func (l *landlord) let(t *testing.T) (program *postgres.Backend, schema string) {
	t.Helper()
	schema = fmt.Sprint("kit", l.schemas.Add(1))
	owner, err := postgres.Open(t.Context(), l.as(t, "deploy"), postgres.Config{Schema: schema})
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(context.Background())
	if err := owner.Grant(t.Context()); err != nil {
		t.Fatal(err)
	}
	program, err = postgres.Open(t.Context(), l.as(t, "app"), postgres.Config{Schema: schema, NoMigrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close(context.Background()) })
	return program, schema
}

func TestAProgramUnderTheRuntimeRoleKeepsTheRules(t *testing.T) {
	t.Parallel()
	l := newLandlord(t)
	keepsTheRules(t, storagetest.Options{
		New: func(t *testing.T) storagetest.Backend {
			program, _ := l.let(t)
			return tenant{program}
		},
	})
}

// A tenant has no table of the host's own: the rules would make one, which it may not. Nor
// does it delete merchants: their evidence is the owner's.
type tenant struct{ *postgres.Backend }

// Conn hides that of the Backend.
func (tenant) Conn() {}

// Tenants hides that of the Backend.
func (tenant) Tenants() {}

func TestTheRuntimeRoleChangesNoEvidenceAndNoTable(t *testing.T) {
	const insufficientPrivilege = "42501"
	l := newLandlord(t)
	program, schema := l.let(t)
	if err := record(t.Context(), program, storage.NewID()); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		`UPDATE adminkit_audit_event SET recorded_at = 0`,
		`DELETE FROM adminkit_audit_event`,
		`TRUNCATE adminkit_audit_event`,
		`ALTER TABLE adminkit_audit_event ADD COLUMN x TEXT`,
		`ALTER TABLE adminkit_audit_event DISABLE TRIGGER ALL`,
		`ALTER TABLE adminkit_audit_event OWNER TO app`,
		`ALTER TABLE adminkit_audit_event RENAME TO gone`,
		`CREATE RULE quiet AS ON INSERT TO adminkit_audit_event DO INSTEAD NOTHING`,
		`CREATE TRIGGER quiet BEFORE INSERT ON adminkit_audit_event EXECUTE FUNCTION suppress_redundant_updates_trigger()`,
		`DROP TABLE adminkit_audit_event`,
		`LOCK TABLE adminkit_audit_event IN ACCESS EXCLUSIVE MODE`,
		`INSERT INTO adminkit_migration VALUES ('9999_a.sql', '', 0)`,
		`DELETE FROM adminkit_migration`,
		`TRUNCATE adminkit_flags_version`,
		`ALTER TABLE adminkit_flags_version ADD COLUMN x TEXT`,
		`DROP TABLE adminkit_flags_version`,
		`CREATE TABLE mine (id BIGINT)`,
		`DROP SCHEMA ` + schema + ` CASCADE`,
		`SET ROLE deploy`,
		`SET session_replication_role = replica`,
	} {
		if err := l.try(t, "app", "SET search_path = "+schema+"; "+statement); !refused(err, insufficientPrivilege) {
			t.Errorf("%s answers %v, want the refusal of the server", statement, err)
		}
	}
	if n := events(t, program); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

func refused(err error, state string) bool {
	failed, ok := errors.AsType[*pgconn.PgError](err)
	return ok && failed.Code == state
}
