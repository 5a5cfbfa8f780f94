package secrets_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lumelle/adminkit/storage/secrets"
)

func TestKeysComeFromAFileAVariableOrAFunction(t *testing.T) {
	keys := generate(t)
	path := filepath.Join(t.TempDir(), "admin.keys")
	must(t, keys.SaveFile(path))
	text, err := keys.Text()
	must(t, err)
	t.Setenv("ADMIN_KEYS", string(text))
	sealed := seal(t, newVault(t, keys), "acme", "e1")
	for name, source := range map[string]secrets.KeySource{
		"a file":     secrets.File(path),
		"a variable": secrets.Env("ADMIN_KEYS"),
		"a function": secrets.KeySourceFunc(func(context.Context) (*secrets.Keys, error) { return secrets.Parse(text) }),
	} {
		v, err := secrets.Open(t.Context(), source)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, err := v.Open(t.Context(), "acme", purpose, "e1", sealed); err != nil || !bytes.Equal(got, secret) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

func TestASourceWithoutKeysIsAnErrorAndMakesNone(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("ADMIN_KEYS", `{"key":"hunter2"}`)
	away := errors.New("the manager is away")
	for _, c := range []struct {
		name   string
		source secrets.KeySource
		want   error
		text   string
	}{
		{"no source", nil, nil, "no source"},
		{"a file that is gone", secrets.File(filepath.Join(dir, "none")), fs.ErrNotExist, "none"},
		{"a variable that is not set", secrets.Env("ADMIN_KEYS_NONE"), nil, "ADMIN_KEYS_NONE is not set"},
		{"a variable with something else", secrets.Env("ADMIN_KEYS"), nil, "not a JSON keyset"},
		{"a function that fails", secrets.KeySourceFunc(func(context.Context) (*secrets.Keys, error) { return nil, away }), away, ""},
		{"a function that returns none", secrets.KeySourceFunc(func(context.Context) (*secrets.Keys, error) { return nil, nil }), nil, "no keys"},
	} {
		v, err := secrets.Open(t.Context(), c.source)
		if v != nil || err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: got %v, %v", c.name, v, err)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error quotes the keys: %v", c.name, err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("the folder holds %v, %v, want nothing", left, err)
	}
}

// A ring is a source whose keys a test changes. It counts how often it is asked.
type ring struct {
	mu    sync.Mutex
	keys  *secrets.Keys
	err   error
	asked int
}

func (r *ring) Keys(context.Context) (*secrets.Keys, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	return r.keys, r.err
}

func (r *ring) set(keys *secrets.Keys, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys, r.err = keys, err
}

func TestAVaultAsksForAKeyThatItDoesNotKnow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := generate(t)
		source := &ring{keys: old}
		v, err := secrets.Open(t.Context(), source)
		must(t, err)
		rotated, err := old.Rotate()
		must(t, err)
		sealed := seal(t, newVault(t, rotated), "acme", "e1") // by another process
		time.Sleep(time.Minute)
		source.set(rotated, nil)
		if got, err := v.Open(t.Context(), "acme", purpose, "e1", sealed); err != nil || !bytes.Equal(got, secret) {
			t.Errorf("got %q, %v", got, err)
		}
		if source.asked != 2 || v.Keys().Primary() != rotated.Primary() {
			t.Errorf("asked %d times, primary %s, want 2 and %s", source.asked, v.Keys().Primary(), rotated.Primary())
		}
	})
}

func TestSecretsOfAnotherDatabaseDoNotStormTheSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &ring{keys: generate(t)}
		v, err := secrets.Open(t.Context(), source)
		must(t, err)
		sealed := seal(t, newVault(t, generate(t)), "acme", "e1")
		time.Sleep(time.Second)
		for range 100 {
			if _, err := v.Open(t.Context(), "acme", purpose, "e1", sealed); !errors.Is(err, secrets.ErrUnknownKey) {
				t.Fatalf("got %v, want ErrUnknownKey", err)
			}
		}
		if source.asked != 2 {
			t.Errorf("asked %d times in a second, want once at the start and once more", source.asked)
		}
		away := errors.New("the manager is away")
		source.set(source.keys, away)
		time.Sleep(time.Second)
		if _, err := v.Open(t.Context(), "acme", purpose, "e1", sealed); !errors.Is(err, secrets.ErrUnknownKey) || !errors.Is(err, away) {
			t.Errorf("got %v, want ErrUnknownKey and the source's own", err)
		}
	})
}

func TestAnAskThatItsCallerGaveUpDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := generate(t)
		rotated, err := old.Rotate()
		must(t, err)
		asked := 0
		v, err := secrets.Open(t.Context(), secrets.KeySourceFunc(func(ctx context.Context) (*secrets.Keys, error) {
			switch asked++; asked {
			case 1:
				return old, nil
			case 2:
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return rotated, nil
		}))
		must(t, err)
		sealed := seal(t, newVault(t, rotated), "acme", "e1")
		time.Sleep(time.Minute)

		gone, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := v.Open(gone, "acme", purpose, "e1", sealed); !errors.Is(err, context.Canceled) {
				t.Errorf("who went away got %v, want the end of its ctx", err)
			}
		})
		synctest.Wait() // the source is asked
		for range 3 {
			wg.Go(func() {
				if got, err := v.Open(t.Context(), "acme", purpose, "e1", sealed); err != nil || !bytes.Equal(got, secret) {
					t.Errorf("who waited got %q, %v", got, err)
				}
			})
		}
		synctest.Wait()
		leave()
		wg.Wait()
		if asked != 3 {
			t.Errorf("asked %d times, want once at the start, once in vain and once for all others", asked)
		}
	})
}

func TestAFailureOfTheSourceIsWhatAllHearUntilItIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := generate(t)
		source := &ring{keys: old}
		v, err := secrets.Open(t.Context(), source)
		must(t, err)
		rotated, err := old.Rotate()
		must(t, err)
		sealed := seal(t, newVault(t, rotated), "acme", "e1")
		away := errors.New("the manager is away")
		source.set(nil, away)
		time.Sleep(time.Minute)
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if _, err := v.Open(t.Context(), "acme", purpose, "e1", sealed); !errors.Is(err, away) {
					t.Errorf("got %v, want the source's own", err)
				}
			})
		}
		wg.Wait()
		if source.asked != 2 {
			t.Errorf("asked %d times in a second, want once at the start and once more", source.asked)
		}
		source.set(old, nil)
		must(t, v.Refresh(t.Context()))
		if _, err := v.Open(t.Context(), "acme", purpose, "e1", sealed); !errors.Is(err, secrets.ErrUnknownKey) || errors.Is(err, away) {
			t.Errorf("after an answer: got %v, want ErrUnknownKey and no failure", err)
		}
		source.set(rotated, nil)
		time.Sleep(time.Second)
		if got, err := v.Open(t.Context(), "acme", purpose, "e1", sealed); err != nil || !bytes.Equal(got, secret) {
			t.Errorf("a second later: got %q, %v", got, err)
		}
	})
}

func TestTheErrorOfALostKeyNamesIt(t *testing.T) {
	ours, theirs := generate(t), generate(t)
	_, err := newVault(t, ours).Open(t.Context(), "acme", purpose, "e1", seal(t, newVault(t, theirs), "acme", "e1"))
	unknown, ok := errors.AsType[*secrets.UnknownKeyError](err)
	if !ok || unknown.KeyID != theirs.Primary() || len(unknown.Known) != 1 || unknown.Known[0] != ours.Primary() {
		t.Fatalf("got %v", err)
	}
	want := "unknown key " + theirs.Primary() + ": the keys here are " + ours.Primary() +
		"; it was retired too early, is not in this process yet, is lost, or these keys belong to another database"
	if err.Error() != want {
		t.Errorf("got %q\nwant %q", err, want)
	}
}

func TestAFollowerBringsKeysAndOutlivesFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := generate(t)
		source := &ring{keys: old}
		v, err := secrets.Open(t.Context(), source)
		must(t, err)
		var log bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- v.Follow(ctx, time.Minute, slog.New(slog.NewTextHandler(&log, nil))) }()

		source.set(nil, errors.New("the manager is away"))
		time.Sleep(90 * time.Second)
		if v.Keys().Primary() != old.Primary() {
			t.Error("a failure changed the keys")
		}
		rotated, err := old.Rotate()
		must(t, err)
		source.set(rotated, nil)
		time.Sleep(time.Minute)
		if got := v.Keys().Primary(); got != rotated.Primary() {
			t.Errorf("the primary is %s, want %s", got, rotated.Primary())
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the end of ctx", err)
		}
		for _, want := range []string{"the manager is away", "the keys changed", rotated.Primary()} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log does not say %q: %s", want, log.String())
			}
		}
		if err := newVault(t, old).Follow(t.Context(), time.Minute, nil); err == nil {
			t.Error("a vault without a source follows")
		}
		if err := v.Follow(t.Context(), 0, nil); err == nil {
			t.Error("a follower without a period starts")
		}
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
