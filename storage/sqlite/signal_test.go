package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/sqlite"
)

// patience is how long a test waits for a signal.
const patience = time.Minute

// An ear hears the signals of one listener. Hearing that anything may have changed comes
// as nil.
type ear chan []storage.Signal

// listen listens on a backend and returns when it hears.
func listen(t *testing.T, b storage.Signals, topic string) ear {
	t.Helper()
	e := make(ear, 10_000)
	t.Cleanup(b.Listen(topic, e, func(signals []storage.Signal) { e <- slices.Clone(signals) }))
	e.want(t)
	return e
}

// want fails the test unless the next call names these.
func (e ear) want(t *testing.T, names ...string) {
	t.Helper()
	select {
	case signals := <-e:
		var got []string
		for _, s := range signals {
			got = append(got, s.Name)
		}
		if slices.Sort(got); !slices.Equal(got, names) {
			t.Errorf("heard %q, want %q", got, names)
		}
	case <-time.After(patience):
		t.Fatalf("did not hear %q", names)
	}
}

// wantAnything waits until the listener is told that anything may have changed.
func (e ear) wantAnything(t *testing.T) {
	t.Helper()
	for deadline := time.After(patience); ; {
		select {
		case signals := <-e:
			if len(signals) == 0 {
				return
			}
		case <-deadline:
			t.Fatal("was not told that anything may have changed")
		}
	}
}

func signalOf(name string) storage.Signal { return storage.Signal{Tenant: "acme", Name: name} }

func TestASignalReachesTheOthersOnTheFile(t *testing.T) {
	for _, c := range []struct {
		name  string
		polls bool
	}{
		{"where the system reports writes", false},
		{"where it does not", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "test.db")
			here, there := openFile(t, path), openFile(t, path)
			if c.polls {
				there.PollSignals()
			}
			heard := listen(t, there, "jobs")
			other := listen(t, there, "flags")
			for i := range 20 {
				here.Signal("jobs", nil, signalOf(fmt.Sprint(i)))
				heard.want(t, fmt.Sprint(i))
			}
			here.Signal("flags", nil)
			other.want(t)
			if len(heard) > 0 {
				t.Errorf("a signal of another topic was heard")
			}
		})
	}
}

func TestBackendsMeetWhateverTheyCallTheFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("symbolic links need a privilege there")
	}
	path := filepath.Join(t.TempDir(), "test.db")
	here := openFile(t, path)
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	there := openFile(t, link)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	host, err := sqlite.New(t.Context(), db, sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close(t.Context())
	all := []storage.Signals{here, there, host}
	var ears []ear
	for _, b := range all {
		ears = append(ears, listen(t, b, "jobs"))
	}
	for i, b := range all {
		b.Signal("jobs", ears[i], signalOf("lane"))
		for j, e := range ears {
			if j != i {
				e.want(t, "lane")
			}
		}
	}
}

func TestSignalsOfADatabaseInMemoryStayInTheBackend(t *testing.T) {
	b, err := sqlite.Open(t.Context(), sqlite.Memory, sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close(context.WithoutCancel(t.Context()))
	e := make(ear, 1)
	defer b.Listen("jobs", e, func(signals []storage.Signal) { e <- slices.Clone(signals) })()
	b.Signal("jobs", nil, signalOf("lane"))
	e.want(t, "lane")
}

func TestTheFileOfSignalsIsMadeByWhoListensAndStaysShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	here, there := openFile(t, path), openFile(t, path)
	here.Signal("jobs", nil, signalOf("lane"))
	if err := here.Close(t.Context()); err != nil { // what waits is sent
		t.Fatal(err)
	}
	file := path + "-signal"
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("nobody listens and there is a file of signals: %v", err)
	}

	here = openFile(t, path)
	heard := listen(t, there, "jobs")
	long := strings.Repeat("n", storage.MaxID)
	var sent int64
	for round := 0; sent < 3*sqlite.MaxSignalFile; round++ {
		var many []storage.Signal
		for i := range 100 {
			many = append(many, storage.Signal{Tenant: long, Name: fmt.Sprint(long[:200], round, i)})
			sent += int64(len(long))
		}
		here.Signal("jobs", nil, many...)
		for { // no faster than they arrive, else they are too many to name
			if told := heard.next(t); len(told) == 0 || slices.Contains(told, many[0]) {
				break
			}
		}
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if limit := int64(2 * sqlite.MaxSignalFile); info.Size() > limit {
			t.Fatalf("the file is %d bytes long, want at most %d", info.Size(), limit)
		}
	}
	here.Signal("jobs", nil, signalOf("after"))
	for !slices.Contains(heard.next(t), signalOf("after")) {
	}
}

func (e ear) next(t *testing.T) []storage.Signal {
	t.Helper()
	select {
	case signals := <-e:
		return signals
	case <-time.After(patience):
		t.Fatal("heard nothing")
		panic("unreachable")
	}
}

func TestAFileOfSignalsThatIsRemovedOrDamagedIsNoMatter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	here, there := openFile(t, path), openFile(t, path)
	heard := listen(t, there, "jobs")

	if err := os.Remove(path + "-signal"); err != nil {
		t.Fatal(err)
	}
	heard.wantAnything(t) // once, or again when the file is back
	here.Signal("jobs", nil, signalOf("lane"))
	for !slices.Contains(heard.next(t), signalOf("lane")) {
	}

	garbage := "garbage\n\x00{}\n[1]\n" + strings.Repeat("x", 100_000) + "\n"
	f, err := os.OpenFile(path+"-signal", os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(garbage); err != nil {
		t.Fatal(err)
	}
	here.Signal("jobs", nil, signalOf("lane"))
	heard.want(t, "lane")
}

func openFile(t *testing.T, path string) *sqlite.Backend {
	t.Helper()
	b, err := sqlite.Open(t.Context(), path, sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close(context.WithoutCancel(t.Context())) })
	return b
}

// BenchmarkSignal is a signal to another process, from its sending to its arrival.
func BenchmarkSignal(b *testing.B) {
	path := filepath.Join(b.TempDir(), "test.db")
	var backends []*sqlite.Backend
	for range 2 {
		s, err := sqlite.Open(b.Context(), path, sqlite.Config{})
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close(context.WithoutCancel(b.Context()))
		backends = append(backends, s)
	}
	heard := make(chan struct{}, 1)
	backends[1].Listen("jobs", nil, func([]storage.Signal) { heard <- struct{}{} })
	<-heard
	b.ReportAllocs()
	for b.Loop() {
		backends[0].Signal("jobs", nil, signalOf("lane"))
		<-heard
	}
}
