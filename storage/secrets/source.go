package secrets

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"
)

// A KeySource is where a [Vault] gets its keys, at its start and again later. [File] and
// [Env] are two; a host's function, for its secret manager, is a [KeySourceFunc].
type KeySource interface {
	// Keys returns the keys as they are now. Its errors must not quote them. It is
	// called by one goroutine at a time.
	Keys(ctx context.Context) (*Keys, error)
}

// A KeySourceFunc is a function as a [KeySource].
//
//	secrets.KeySourceFunc(func(ctx context.Context) (*secrets.Keys, error) {
//		text, err := manager.Read(ctx, "adminkit-keys")
//		if err != nil {
//			return nil, err
//		}
//		return secrets.Parse(text)
//	})
type KeySourceFunc func(ctx context.Context) (*Keys, error)

// Keys implements [KeySource].
func (f KeySourceFunc) Keys(ctx context.Context) (*Keys, error) { return f(ctx) }

// File returns the keys in a file, as [Keys.SaveFile] writes it. Unlike [OpenFile] it does
// not make one: where the file is gone that is an error (fs.ErrNotExist), and not a start
// with fresh keys that open nothing.
func File(path string) KeySource {
	return KeySourceFunc(func(context.Context) (*Keys, error) { return readFile(path) })
}

// Env returns the keys in an environment variable, in the form of [Keys.Text]. It stays
// what it was when the process began: new keys need a new start.
func Env(name string) KeySource {
	return KeySourceFunc(func(context.Context) (*Keys, error) {
		text, ok := os.LookupEnv(name)
		if !ok {
			return nil, fmt.Errorf("read keys: the environment variable %s is not set", name)
		}
		keys, err := Parse([]byte(text))
		if err != nil {
			return nil, fmt.Errorf("the environment variable %s: %w", name, err)
		}
		return keys, nil
	})
}

// askAgain is how long a vault waits before it asks its source for an unknown key again,
// so that a database of other keys does not become a storm on a secret manager. Until then
// all hear what came of the last ask. One that its own caller gave up does not count.
const askAgain = time.Second

// Open returns a Vault with the keys of a source. It asks the source again in
// [Vault.Refresh] and [Vault.Follow], and at most once a second when it meets a secret
// under a key that it does not know: another process may have rotated.
func Open(ctx context.Context, source KeySource) (*Vault, error) {
	if source == nil {
		return nil, errors.New("secrets: no source of keys")
	}
	v := &Vault{source: source, turn: make(chan struct{}, 1)}
	if err := v.Refresh(ctx); err != nil {
		return nil, err
	}
	return v, nil
}

var errNoSource = errors.New("secrets: the vault has no source of keys")

// Refresh asks the vault's source for the keys as they are now. Where that fails the vault
// goes on with those it has. It is an error for a vault without a source.
func (v *Vault) Refresh(ctx context.Context) error {
	if v.source == nil {
		return errNoSource
	}
	if err := v.enter(ctx); err != nil {
		return err
	}
	defer v.leave()
	return v.ask(ctx)
}

// Follow refreshes the keys regularly until ctx ends, so that a key that another process
// promoted is sealed under here too. every must be positive. The logger, which may be nil,
// hears of failures; the vault goes on with the keys it has.
func (v *Vault) Follow(ctx context.Context, every time.Duration, logger *slog.Logger) error {
	switch {
	case v.source == nil:
		return errNoSource
	case every <= 0:
		return errors.New("secrets: every must be positive")
	}
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		before := v.Keys().String()
		if err := v.Refresh(ctx); err != nil {
			if ctx.Err() == nil {
				logger.ErrorContext(ctx, "the keys could not be read again", "error", err)
			}
		} else if after := v.Keys(); after.String() != before {
			logger.InfoContext(ctx, "the keys changed", "keys", after)
		}
	}
}

// with returns the vault's keys where the one with that number is among them. Before it
// answers an [UnknownKeyError] it asks the source.
func (v *Vault) with(ctx context.Context, key uint32) (*Keys, error) {
	keys := v.Keys()
	if keys.has(key) {
		return keys, nil
	}
	unknown := func(keys *Keys) error { return &UnknownKeyError{KeyID: formatID(key), Known: keys.IDs()} }
	if v.source == nil {
		return nil, unknown(keys)
	}
	if err := v.enter(ctx); err != nil {
		return nil, err
	}
	defer v.leave()
	// Whoever had the turn before may have brought the key, or have heard why it does not
	// come.
	keys, failed := v.Keys(), v.failed
	if !keys.has(key) && time.Since(v.asked) >= askAgain {
		failed = v.ask(ctx)
		keys = v.Keys()
	}
	switch {
	case keys.has(key):
		return keys, nil
	case failed != nil:
		return nil, fmt.Errorf("%w; and the keys could not be read again: %w", unknown(keys), failed)
	}
	return nil, unknown(keys)
}

// ask takes the keys of the source. The caller has the turn.
func (v *Vault) ask(ctx context.Context) error {
	asked := time.Now()
	keys, err := v.source.Keys(ctx)
	if err == nil {
		err = v.Use(keys)
	}
	if err != nil && ctx.Err() != nil {
		// Its caller went away, which says nothing of the source: the next one asks.
		return err
	}
	v.asked, v.failed = asked, err
	return err
}

func (v *Vault) enter(ctx context.Context) error {
	select {
	case v.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (v *Vault) leave() { <-v.turn }
