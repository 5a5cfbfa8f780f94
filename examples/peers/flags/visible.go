package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/storage/postgres"
	"github.com/lumelle/adminkit/storage/sqlite"
)

const (
	// readerEnv makes the command the second process: it names the store.
	readerEnv = "ADMINKIT_PEERS_READER"
	// changesARound is how many changes are made in a round.
	changesARound = 4
)

// open opens a store: "sqlite PATH" or "postgres DSN".
func open(ctx context.Context, place string) (b backend, stop func() error, err error) {
	kind, where, _ := strings.Cut(place, " ")
	if kind == "postgres" {
		p, err := postgres.Open(ctx, where, postgres.Config{})
		if err != nil {
			return nil, nil, err
		}
		return p, func() error { return p.Close(context.WithoutCancel(ctx)) }, p.Migrate(ctx)
	}
	s, err := sqlite.Open(ctx, where, sqlite.Config{})
	if err != nil {
		return nil, nil, err
	}
	return s, func() error { return s.Close(context.WithoutCancel(ctx)) }, s.Migrate(ctx)
}

// reader is the second process. It tells each version of the flag once a read has it,
// until its input ends.
func reader(ctx context.Context, place string) (err error) {
	b, stop, err := open(ctx, place)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	provider, err := flags.NewProvider(b.Flags(), environment, flags.ProviderConfig{})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- provider.Run(ctx) }()
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	s := subject()
	tick := time.NewTicker(100 * time.Microsecond)
	defer tick.Stop()
	for last := int64(0); ; {
		select {
		case <-ctx.Done():
			return <-done
		case <-tick.C:
		}
		if e := provider.Evaluate(ctx, keyOf(0), s); e.Version != last {
			last = e.Version
			fmt.Println(last)
		}
	}
}

// visibility measures how long a change takes to another process on each store.
func visibility(ctx context.Context, rounds int) ([]figure, error) {
	dir, err := os.MkdirTemp("", "peers-flags")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	places := map[string]string{"sqlite": "sqlite " + filepath.Join(dir, "flags.db")}
	if dsn := os.Getenv("ADMINKIT_POSTGRES_DSN"); dsn != "" {
		places["postgres"] = "postgres " + dsn
	}
	var all []figure
	for _, store := range []string{"sqlite", "postgres"} {
		if places[store] == "" {
			continue
		}
		delays, err := changes(ctx, places[store], rounds*changesARound)
		if err != nil {
			return all, fmt.Errorf("%s: %w", store, err)
		}
		worst := 0.0
		for _, d := range delays {
			worst = max(worst, d)
		}
		const bar = 1000 // a change is to be visible within a second
		all = append(all,
			figure{"change-visible-p50", store, "provider", "bar", median(delays), "ms", bar / median(delays)},
			figure{"change-visible-worst", store, "provider", "bar", worst, "ms", bar / worst})
	}
	return all, nil
}

// changes makes n changes while a second process reads, and returns how many
// milliseconds each took to be read there.
func changes(ctx context.Context, place string, n int) (delays []float64, err error) {
	b, stop, err := open(ctx, place)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	service, err := newService(b)
	if err != nil {
		return nil, err
	}
	ctx = audit.WithActor(ctx, audit.Actor{Type: audit.User, ID: "dana"})
	present, err := service.Create(ctx, tenant, definition(keyOf(0)), "measure")
	if errors.Is(err, flags.ErrExists) {
		present, err = service.Get(ctx, tenant, keyOf(0)) // of an earlier run on this database
	}
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	child := exec.CommandContext(ctx, self)
	child.Env = append(os.Environ(), readerEnv+"="+place)
	child.Stderr = os.Stderr
	in, err := child.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := child.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := child.Start(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, in.Close(), child.Wait()) }()
	lines := bufio.NewScanner(out)
	await := func(revision int64) error {
		for lines.Scan() {
			if lines.Text() == fmt.Sprint(revision) {
				return nil
			}
		}
		return errors.Join(errors.New("the second process ended"), lines.Err())
	}
	if err := await(present.Revision); err != nil {
		return nil, err
	}
	for i := range n {
		f := definition(keyOf(0))
		f.Description = fmt.Sprint("change ", present.Revision, i)
		if present, err = service.Update(ctx, tenant, f, present.Revision, "measure"); err != nil {
			return nil, err
		}
		start := time.Now()
		if err := await(present.Revision); err != nil {
			return nil, err
		}
		delays = append(delays, float64(time.Since(start))/1e6)
	}
	return delays, nil
}
