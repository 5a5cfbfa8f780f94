package migrate_test

import (
	"context"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/internal/migrate"
	"github.com/lumelle/adminkit/storage/sqlite"
)

// engine runs migrations over a SQLite database in memory that has none yet.
type engine struct{ *sqlite.Backend }

func (engine) LockMigrations(context.Context) error { return nil }

func (e engine) Bookkeeping(ctx context.Context) (bool, error) {
	c, err := e.Reader(ctx)
	if err != nil {
		return false, err
	}
	var there bool
	err = storage.QueryRow(ctx, c, `SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'adminkit_migration')`, nil, &there)
	return there, err
}

func (e engine) Script(ctx context.Context, text string) error {
	c, err := e.Conn(ctx)
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, text)
	return err
}

func newEngine(t *testing.T) engine {
	t.Helper()
	b, err := sqlite.Open(t.Context(), sqlite.Memory, sqlite.Config{NoMigrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close(context.Background()) })
	return engine{b}
}

const first = `CREATE TABLE IF NOT EXISTS adminkit_migration (name TEXT PRIMARY KEY, checksum TEXT, applied_at BIGINT);`

// files returns a file system with the bookkeeping and the named files.
func files(named map[string]string) fs.FS {
	fsys := fstest.MapFS{"0000_migration.sql": {Data: []byte(first)}}
	for name, text := range named {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

func pendingOf(t *testing.T, e engine, fsys fs.FS) string {
	t.Helper()
	names, err := migrate.Pending(t.Context(), e, fsys)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}

func TestEachMigrationRunsOnceInTheOrderOfItsName(t *testing.T) {
	e := newEngine(t)
	fsys := files(map[string]string{
		"0002_b.sql": `INSERT INTO a VALUES (2); INSERT INTO a VALUES (3);`,
		"0001_a.sql": `CREATE TABLE a (n BIGINT); INSERT INTO a VALUES (1);`,
	})
	if got := pendingOf(t, e, fsys); got != "0001_a.sql 0002_b.sql" {
		t.Errorf("pending before: %q", got)
	}
	for range 2 {
		if err := migrate.Run(t.Context(), e, fsys, time.Now); err != nil {
			t.Fatal(err)
		}
	}
	if got := pendingOf(t, e, fsys); got != "" {
		t.Errorf("pending after: %q", got)
	}
	if got := numbers(t, e); !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("the table holds %v, want 1, 2, 3", got)
	}
}

func numbers(t *testing.T, e engine) []int {
	t.Helper()
	c, err := e.Reader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rows, err := c.Query(t.Context(), `SELECT n FROM a ORDER BY rowid`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []int
	for rows.Next() {
		var n int
		if err := rows.Scan(&n); err != nil {
			t.Fatal(err)
		}
		all = append(all, n)
	}
	return all
}

// A domain that joins later may bring an earlier number.
func TestAMigrationThatJoinsLaterIsAppliedWhateverItsNumber(t *testing.T) {
	e := newEngine(t)
	if err := migrate.Run(t.Context(), e, files(map[string]string{"0003_a.sql": `CREATE TABLE a (n BIGINT)`}), time.Now); err != nil {
		t.Fatal(err)
	}
	all := files(map[string]string{"0003_a.sql": `CREATE TABLE a (n BIGINT)`, "0001_b.sql": `CREATE TABLE b (n BIGINT)`})
	if got := pendingOf(t, e, all); got != "0001_b.sql" {
		t.Errorf("pending: %q, want 0001_b.sql", got)
	}
	if err := migrate.Run(t.Context(), e, all, time.Now); err != nil {
		t.Error(err)
	}
}

func TestAFailedMigrationLeavesNothingOfAnyOther(t *testing.T) {
	e := newEngine(t)
	bad := files(map[string]string{"0001_a.sql": `CREATE TABLE a (n BIGINT)`, "0002_b.sql": `CREATE TABLE b (n BIGINT); INSERT INTO nowhere VALUES (1)`})
	if err := migrate.Run(t.Context(), e, bad, time.Now); err == nil || !strings.Contains(err.Error(), "0002_b.sql") {
		t.Fatalf("Run = %v, want an error that names 0002_b.sql", err)
	}
	if got := pendingOf(t, e, bad); got != "0001_a.sql 0002_b.sql" {
		t.Errorf("pending after the failure: %q", got)
	}
	good := files(map[string]string{"0001_a.sql": `CREATE TABLE a (n BIGINT)`, "0002_b.sql": `CREATE TABLE b (n BIGINT)`})
	if err := migrate.Run(t.Context(), e, good, time.Now); err != nil {
		t.Errorf("Run of the mended files: %v", err)
	}
}

func TestHistoryIsNotRewritten(t *testing.T) {
	e := newEngine(t)
	if err := migrate.Run(t.Context(), e, files(map[string]string{"0001_a.sql": `CREATE TABLE a (n BIGINT)`}), time.Now); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		fsys fs.FS
		want string
	}{
		"an applied file was changed":      {files(map[string]string{"0001_a.sql": `CREATE TABLE a (n TEXT)`}), "was changed after it was applied"},
		"an applied file is unknown":       {files(nil), "newer release"},
		"two files have one number":        {files(map[string]string{"0001_a.sql": "", "0001_b.sql": ""}), "same number"},
		"a file serves nobody known":       {files(map[string]string{"0001_a.sql": "", "0002_b_serves_0007.sql": ""}), "not another one of this program"},
		"a file serves itself":             {files(map[string]string{"0001_a.sql": "", "0002_b_serves_0002.sql": ""}), "not another one of this program"},
		"the bookkeeping is missing":       {fstest.MapFS{}, "0000_migration.sql is missing"},
		"a file that is not SQL is beside": {files(map[string]string{"README.md": ""}), "not like 0012_what_it_brings.sql"},
	} {
		if err := migrate.Run(t.Context(), e, c.fsys, time.Now); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Run = %v, want an error that says %q", name, err, c.want)
		}
		if _, err := migrate.Pending(t.Context(), e, c.fsys); err == nil {
			t.Errorf("%s: Pending answers no error", name)
		}
	}
}

// Three releases of one program. The second leaves the first working, the third the
// second; the fourth leaves nobody.
var releases = []map[string]string{
	{"0001_a.sql": `CREATE TABLE a (n BIGINT)`},
	{"0002_b_serves_0001.sql": `CREATE TABLE b (n BIGINT)`, "0003_c_serves_0001.sql": `CREATE TABLE c (n BIGINT)`},
	{"0004_d_serves_0003.sql": `CREATE TABLE d (n BIGINT)`},
	{"0005_e.sql": `DROP TABLE a`},
}

// release returns the files of a release and of all before it.
func release(n int) fs.FS {
	all := map[string]string{}
	for _, r := range releases[:n] {
		maps.Copy(all, r)
	}
	return files(all)
}

func TestAProgramWorksOnTheSchemaOfTheNextReleaseAndOfNoOther(t *testing.T) {
	for _, c := range []struct {
		name              string
		database, program int
		want              string // of the error, empty for none
	}{
		{"its own", 1, 1, ""},
		{"one release ahead", 2, 1, ""},
		{"two releases ahead", 3, 1, "serves programs from migration 0003 on, and the newest of this one is 0001"},
		{"one ahead, later", 3, 2, ""},
		{"one ahead, which serves nobody", 4, 3, "newer release than this program, whose newest migration is 0004"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEngine(t)
			if err := migrate.Run(t.Context(), e, release(c.database), time.Now); err != nil {
				t.Fatal(err)
			}
			_, pending := migrate.Pending(t.Context(), e, release(c.program))
			for name, err := range map[string]error{
				"Run":     migrate.Run(t.Context(), e, release(c.program), time.Now),
				"Check":   migrate.Check(t.Context(), e, release(c.program)),
				"Pending": pending,
			} {
				if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
					t.Errorf("%s = %v, want an error that says %q", name, err, c.want)
				}
			}
			if got := pendingOf(t, e, release(c.database)); got != "" {
				t.Errorf("the older program took %q back", got)
			}
		})
	}
}

func TestAnotherLineOfReleasesIsRefused(t *testing.T) {
	e := newEngine(t)
	if err := migrate.Run(t.Context(), e, release(2), time.Now); err != nil {
		t.Fatal(err)
	}
	mine := files(map[string]string{"0001_a.sql": releases[0]["0001_a.sql"], "0002_mine.sql": `CREATE TABLE mine (n BIGINT)`})
	if err := migrate.Run(t.Context(), e, mine, time.Now); err == nil || !strings.Contains(err.Error(), "another line of releases") {
		t.Errorf("Run = %v, want an error that names another line", err)
	}
}

func TestACheckLetsPassWhatIsPendingAndWhatNoRunnerMigrated(t *testing.T) {
	e := newEngine(t)
	if err := migrate.Check(t.Context(), e, release(2)); err != nil {
		t.Errorf("an empty database: %v", err)
	}
	if err := migrate.Run(t.Context(), e, release(1), time.Now); err != nil {
		t.Fatal(err)
	}
	if err := migrate.Check(t.Context(), e, release(2)); err != nil {
		t.Errorf("an earlier release: %v", err)
	}
	if got := pendingOf(t, e, release(2)); got != "0002_b_serves_0001.sql 0003_c_serves_0001.sql" {
		t.Errorf("after the checks %q is pending", got)
	}
}

var _ migrate.Engine = engine{}
