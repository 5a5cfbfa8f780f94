package sqlite

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/internal/signal"
)

// Signal implements storage.Signals.
func (b *Backend) Signal(topic string, origin any, signals ...storage.Signal) {
	b.signals.Signal(topic, origin, signals...)
}

// Listen implements storage.Signals.
func (b *Backend) Listen(topic string, origin any, fn func(signals []storage.Signal)) (stop func()) {
	return b.signals.Listen(topic, origin, fn)
}

// signalSuffix ends the name of the file that carries signals, beside the database as
// SQLite's own -wal and -shm are.
const signalSuffix = "-signal"

// maxSignalFile is the size in bytes at which the file is emptied before more is added.
const maxSignalFile = 256 << 10

// A signalFile carries messages between the processes that share a database file. Whoever
// sends appends lines to it; whoever receives reads what is new, when the operating
// system reports a write or, where it cannot, every few milliseconds. Nothing of it needs
// to survive: it is never synced, and emptied when it is long. Its first line is a new id
// each time, by which who was slow to read finds that the rest is new.
type signalFile struct {
	// locate returns the path of the database file, empty for one in memory.
	locate func(ctx context.Context) (string, error)
	// watch returns what reports changes of the file at path.
	watch func(ctx context.Context, path string) (watcher, error)

	mu       sync.Mutex
	database string
}

var _ signal.Transport = (*signalFile)(nil)

// paths returns where the database is and where the file of signals.
func (s *signalFile) paths(ctx context.Context) (database, signals string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.database == "" {
		path, err := s.locate(ctx)
		if err != nil {
			return "", "", err
		}
		if path == "" {
			return "", "", signal.ErrDeaf
		}
		// Processes that open the database by different names meet at its own.
		if s.database, err = filepath.EvalSymlinks(path); err != nil {
			return "", "", err
		}
	}
	return s.database, s.database + signalSuffix, nil
}

// file returns the path of the database as SQLite knows it.
func (b *Backend) file(ctx context.Context) (path string, err error) {
	err = storage.QueryRow(ctx, b.reader, `SELECT file FROM pragma_database_list WHERE name = 'main'`, nil, &path)
	return path, err
}

// Send implements signal.Transport. Without the file nobody listens. It is opened each
// time, because somebody may have removed it.
func (s *signalFile) Send(ctx context.Context, messages []string) error {
	_, path, err := s.paths(ctx)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	text := strings.Join(messages, "\n") + "\n"
	if size := info.Size(); size == 0 || size >= maxSignalFile {
		if err := os.Truncate(path, 0); err != nil {
			return err
		}
		text = storage.NewID() + "\n" + text
	}
	_, err = f.WriteString(text)
	return err
}

// Receive implements signal.Transport.
func (s *signalFile) Receive(ctx context.Context, ready func(), got func(message string)) error {
	database, path, err := s.paths(ctx)
	if err != nil {
		return err
	}
	f, err := openSignals(database, path)
	if err != nil {
		return err
	}
	defer f.Close()
	w, err := s.watch(ctx, path)
	if err != nil {
		return err
	}
	defer w.close()
	r := signalReader{f: f}
	if err := r.follow(func() {}, func(string) {}); err != nil { // to its end
		return err
	}
	ready()
	for {
		if err := same(f, path); err != nil {
			return err
		}
		if err := r.follow(ready, got); err != nil {
			return err
		}
		if err := w.wait(); err != nil {
			return err
		}
	}
}

// openSignals opens the file for reading, and makes it where there is none: for whoever
// may read and write the database.
func openSignals(database, path string) (*os.File, error) {
	info, err := os.Stat(database)
	if err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_RDONLY|os.O_CREATE, info.Mode().Perm())
}

// same answers an error where the file is not the one that senders find.
func same(f *os.File, path string) error {
	mine, err := f.Stat()
	if err != nil {
		return err
	}
	theirs, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !os.SameFile(mine, theirs) {
		return errors.New("sqlite: the file of signals was replaced")
	}
	return nil
}

// A signalReader reads the lines that are added to a file of signals.
type signalReader struct {
	f      *os.File
	at     int64  // where the lines end that were read
	head   []byte // what the file begins with, as far as it was read
	buffer []byte
}

// follow reads the lines that were added. Where the file was emptied meanwhile messages
// may have gone with it, and it calls ready.
func (r *signalReader) follow(ready func(), got func(message string)) error {
	emptied, err := r.emptied()
	if err != nil {
		return err
	}
	if emptied {
		r.at, r.head = 0, nil
		ready()
	}
	if r.buffer == nil {
		r.buffer = make([]byte, 64<<10)
	}
	for {
		n, err := r.f.ReadAt(r.buffer, r.at)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		whole := split(r.buffer[:n], got)
		if whole == 0 { // the end, or a line that is being written
			return nil
		}
		if r.at == 0 {
			r.head = bytes.Clone(r.buffer[:min(whole, headSize)])
		}
		r.at += int64(whole)
	}
}

// headSize is how much of the file tells whether it was emptied: an id and more.
const headSize = 64

// emptied reports whether the file was emptied since it was read.
func (r *signalReader) emptied() (bool, error) {
	info, err := r.f.Stat()
	if err != nil {
		return false, err
	}
	head := make([]byte, len(r.head))
	if _, err := r.f.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return info.Size() < r.at || !bytes.Equal(head, r.head), nil
}

// split hands out the whole lines of a text and returns how long they are together. What
// cannot become a message counts as one.
func split(text []byte, got func(message string)) int {
	rest := text
	for {
		line, after, whole := bytes.Cut(rest, []byte{'\n'})
		switch {
		case whole:
			got(string(line))
			rest = after
		case len(line) > signal.MaxMessage:
			return len(text)
		default:
			return len(text) - len(rest)
		}
	}
}
