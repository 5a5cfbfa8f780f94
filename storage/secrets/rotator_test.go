package secrets_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/secrets"
	"github.com/lumelle/adminkit/storage/secrets/sealed"
)

// A shelf is a source of sealed values in memory. hook runs before each Replace.
type shelf struct {
	mu     sync.Mutex
	values map[string][]byte // by tenant and id
	hook   func(tenant, id string)
	fails  error
}

func (s *shelf) List(_ context.Context, tenant string, after storage.Cursor, _ int) (page storage.Page[sealed.Value], err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, err := after.Key("shelf", 1)
	if err != nil {
		return page, err
	}
	for _, key := range slices.Sorted(maps.Keys(s.values)) {
		of, id, _ := strings.Cut(key, "/")
		if of != tenant || len(last) == 1 && id <= last[0] {
			continue
		}
		if len(page.Items) == 3 {
			page.Next = storage.NewCursor("shelf", page.Items[2].ID)
			break
		}
		page.Items = append(page.Items, sealed.Value{Purpose: purpose, ID: id, Row: []string{id}, Bytes: bytes.Clone(s.values[key])})
	}
	return page, nil
}

func (s *shelf) Replace(_ context.Context, tenant string, old sealed.Value, fresh []byte) (bool, error) {
	if s.hook != nil {
		s.hook(tenant, old.ID)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := tenant + "/" + old.Row[0]
	if s.fails != nil || !bytes.Equal(s.values[key], old.Bytes) {
		return false, s.fails
	}
	s.values[key] = fresh
	return true, nil
}

func (s *shelf) put(tenant, id string, sealed []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[tenant+"/"+id] = sealed
}

// filled returns a shelf with n values of each tenant, sealed by v.
func filled(t *testing.T, v *secrets.Vault, n int, tenants ...string) *shelf {
	t.Helper()
	s := &shelf{values: map[string][]byte{}}
	for _, tenant := range tenants {
		for i := range n {
			id := "e" + strconv.Itoa(i)
			s.put(tenant, id, seal(t, v, tenant, id))
		}
	}
	return s
}

func tenants(ids ...string) func(context.Context) ([]string, error) {
	return func(context.Context) ([]string, error) { return ids, nil }
}

func newRotator(t *testing.T, v *secrets.Vault, s sealed.Source, cfg secrets.RotatorConfig, ids ...string) *secrets.Rotator {
	t.Helper()
	r, err := secrets.NewRotator(v, tenants(ids...), []sealed.Source{s}, cfg)
	must(t, err)
	return r
}

// rotated returns a vault with a second key, and both keys.
func rotated(t *testing.T, first *secrets.Keys) (*secrets.Vault, *secrets.Keys) {
	t.Helper()
	second, err := first.Rotate()
	must(t, err)
	return newVault(t, second), second
}

func TestARunSealsAllAgainAndSaysWhichKeyMayGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := generate(t)
		s := filled(t, newVault(t, first), 10, "acme", "bloom")
		v, second := rotated(t, first)
		r := newRotator(t, v, s, secrets.RotatorConfig{}, "acme", "bloom")

		before, err := r.Inspect(t.Context())
		must(t, err)
		if before.Values != 20 || before.Keys[first.Primary()] != 20 || before.Resealed != 0 || len(before.Retirable) != 0 {
			t.Errorf("before: got %+v", before)
		}
		start := time.Now()
		report, err := r.Run(t.Context())
		must(t, err)
		if report.Values != 20 || report.Resealed != 20 || report.Overtaken != 0 || report.Failed != 0 ||
			!maps.Equal(report.Keys, map[string]int{second.Primary(): 20}) || !slices.Equal(report.Retirable, []string{first.Primary()}) {
			t.Errorf("got %+v", report)
		}
		if took := time.Since(start); took != secrets.DefaultSettle {
			t.Errorf("the run took %v, want to wait for %v", took, secrets.DefaultSettle)
		}
		// The old key is retired, and everything opens.
		third, err := second.Retire(first.Primary())
		must(t, err)
		must(t, v.Use(third))
		after, err := r.Inspect(t.Context())
		must(t, err)
		if after.Failed != 0 || after.Values != 20 {
			t.Errorf("after: got %+v", after)
		}
		again, err := r.Run(t.Context())
		must(t, err)
		if again.Resealed != 0 || again.Values != 20 || len(again.Retirable) != 0 {
			t.Errorf("again: got %+v", again)
		}
	})
}

func TestAKeyThatWasAddedAndNotPromotedIsNotRetirable(t *testing.T) {
	first := generate(t)
	s := filled(t, newVault(t, first), 2, "acme")
	added, _, err := first.Add()
	must(t, err)
	report, err := newRotator(t, newVault(t, added), s, secrets.RotatorConfig{Settle: time.Nanosecond}, "acme").Run(t.Context())
	must(t, err)
	if len(report.Retirable) != 0 || report.Resealed != 0 {
		t.Errorf("got %+v", report)
	}
}

func TestALateCommitUnderTheOldKeyIsFoundAfterSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := generate(t)
		s := filled(t, newVault(t, first), 2, "acme")
		late := seal(t, newVault(t, first), "acme", "late")
		v, second := rotated(t, first)
		go func() { // a transaction that began before the rotation
			time.Sleep(30 * time.Second)
			s.put("acme", "late", late)
		}()
		report, err := newRotator(t, v, s, secrets.RotatorConfig{}, "acme").Run(t.Context())
		must(t, err)
		if report.Resealed != 3 || report.Keys[second.Primary()] != 3 || !slices.Equal(report.Retirable, []string{first.Primary()}) {
			t.Errorf("got %+v", report)
		}
	})
}

func TestAProcessThatGoesOnUnderTheOldKeyKeepsItFromBeingRetirable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := generate(t)
		behind := newVault(t, first)
		s := filled(t, behind, 2, "acme")
		v, _ := rotated(t, first)
		s.hook = func(tenant, id string) { s.put(tenant, "e1", seal(t, behind, tenant, "e1")) }
		report, err := newRotator(t, v, s, secrets.RotatorConfig{}, "acme").Run(t.Context())
		must(t, err)
		if len(report.Retirable) != 0 {
			t.Errorf("got %+v", report)
		}
	})
}

func TestAWriterWhoWasFirstIsNotOverwritten(t *testing.T) {
	first := generate(t)
	s := filled(t, newVault(t, first), 1, "acme")
	v, second := rotated(t, first)
	var written []byte
	s.hook = func(tenant, id string) {
		if written == nil {
			written, _ = v.Seal(t.Context(), tenant, purpose, id, []byte("newer"))
			s.put(tenant, id, written)
		}
	}
	report, err := newRotator(t, v, s, secrets.RotatorConfig{Settle: time.Nanosecond}, "acme").Run(t.Context())
	must(t, err)
	if report.Overtaken != 1 || report.Resealed != 0 || report.Keys[second.Primary()] != 1 {
		t.Errorf("got %+v", report)
	}
	if !bytes.Equal(s.values["acme/e0"], written) {
		t.Error("the newer value was overwritten")
	}
}

func TestARunThatWasCutShortIsContinued(t *testing.T) {
	first := generate(t)
	s := filled(t, newVault(t, first), 10, "acme")
	v, second := rotated(t, first)
	cut := errors.New("the store is away")
	n := 0
	s.hook = func(string, string) {
		if n++; n == 5 {
			s.fails = cut
		}
	}
	r := newRotator(t, v, s, secrets.RotatorConfig{Settle: time.Nanosecond}, "acme")
	part, err := r.Run(t.Context())
	if !errors.Is(err, cut) || part.Resealed != 4 || len(part.Retirable) != 0 {
		t.Errorf("got %+v, %v", part, err)
	}
	s.fails, s.hook = nil, nil
	rest, err := r.Run(t.Context())
	must(t, err)
	if rest.Resealed != 6 || rest.Keys[second.Primary()] != 10 {
		t.Errorf("got %+v", rest)
	}
}

func TestARunEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := generate(t)
		s := filled(t, newVault(t, first), 1, "acme")
		v, _ := rotated(t, first)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		report, err := newRotator(t, v, s, secrets.RotatorConfig{}, "acme").Run(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || report.Resealed != 1 || len(report.Retirable) != 0 {
			t.Errorf("got %+v, %v", report, err)
		}
	})
}

func TestSeveralRotatorsShareTheWork(t *testing.T) {
	first := generate(t)
	s := filled(t, newVault(t, first), 200, "acme")
	v, second := rotated(t, first)
	var reports [4]secrets.Report
	var wg sync.WaitGroup
	for i := range reports {
		wg.Go(func() {
			r, err := secrets.NewRotator(v, tenants("acme"), []sealed.Source{s}, secrets.RotatorConfig{Settle: time.Nanosecond})
			if err == nil {
				reports[i], err = r.Run(t.Context())
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	all := 0
	for _, r := range reports {
		all += r.Resealed
		if r.Keys[second.Primary()] != 200 {
			t.Errorf("got %+v", r)
		}
	}
	if all != 200 {
		t.Errorf("%d values were sealed again, want each of 200 once", all)
	}
}

func TestWhatDoesNotOpenIsNamedAndHoldsItsKeyBack(t *testing.T) {
	first := generate(t)
	of := newVault(t, first)
	s := filled(t, of, 2, "acme")
	s.put("acme", "moved", seal(t, of, "bloom", "moved"))
	s.put("acme", "plain", []byte("whsec_canary-7f3a"))
	lost := generate(t)
	s.put("acme", "lost", seal(t, newVault(t, lost), "acme", "lost"))
	v, second := rotated(t, first)

	var log bytes.Buffer
	r := newRotator(t, v, s, secrets.RotatorConfig{Settle: time.Nanosecond, Logger: slog.New(slog.NewTextHandler(&log, nil))}, "acme")
	report, err := r.Run(t.Context())
	must(t, err)
	want := map[string]int{second.Primary(): 2, first.Primary(): 1, lost.Primary(): 1, "": 1}
	if !maps.Equal(report.Keys, want) || report.Failed != 3 || len(report.Retirable) != 0 {
		t.Errorf("got %+v, want the keys %v", report, want)
	}
	for i, want := range []struct {
		id  string
		err error
	}{{"lost", secrets.ErrUnknownKey}, {"moved", secrets.ErrCannotOpen}, {"plain", secrets.ErrCannotOpen}} {
		if got := report.Failures[i]; got.Tenant != "acme" || got.Purpose != purpose || got.ID != want.id || !errors.Is(got.Err, want.err) {
			t.Errorf("got %+v, want %s: %v", got, want.id, want.err)
		}
	}
	if strings.Contains(log.String(), string(secret)) || !strings.Contains(log.String(), "moved") {
		t.Errorf("the log: %s", log.String())
	}
}

func TestARotatorIsMadeOfWhatItNeeds(t *testing.T) {
	v, s := newVault(t, generate(t)), []sealed.Source{&shelf{}}
	for name, make := range map[string]func() (*secrets.Rotator, error){
		"no vault": func() (*secrets.Rotator, error) {
			return secrets.NewRotator(nil, tenants(), s, secrets.RotatorConfig{})
		},
		"no tenants": func() (*secrets.Rotator, error) { return secrets.NewRotator(v, nil, s, secrets.RotatorConfig{}) },
		"no source": func() (*secrets.Rotator, error) {
			return secrets.NewRotator(v, tenants(), nil, secrets.RotatorConfig{})
		},
		"a nil source": func() (*secrets.Rotator, error) {
			return secrets.NewRotator(v, tenants(), []sealed.Source{nil}, secrets.RotatorConfig{})
		},
		"a negative limit": func() (*secrets.Rotator, error) {
			return secrets.NewRotator(v, tenants(), s, secrets.RotatorConfig{Settle: -1})
		},
	} {
		if r, err := make(); r != nil || err == nil {
			t.Errorf("%s: got %v, %v", name, r, err)
		}
	}
}
