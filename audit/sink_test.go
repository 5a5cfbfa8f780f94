package audit_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// A sequence notes what reaches it.
type sequence struct {
	name string
	seen *[]string
	err  error
}

func (s sequence) Append(context.Context, ...audit.Event) error {
	*s.seen = append(*s.seen, s.name)
	return s.err
}

func TestTeeAppendsInOrderAndEndsAtTheFirstError(t *testing.T) {
	t.Parallel()
	var seen []string
	broken := errors.New("broken")
	tee := audit.Tee(sequence{"a", &seen, nil}, audit.Disabled, sequence{"b", &seen, broken}, sequence{"c", &seen, nil})
	if err := tee.Append(t.Context(), refund("1")); !errors.Is(err, broken) {
		t.Errorf("Append = %v, want the error of b", err)
	}
	if !slices.Equal(seen, []string{"a", "b"}) {
		t.Errorf("reached %q, want a and b", seen)
	}
	if err := audit.Tee().Append(t.Context(), refund("1")); err != nil {
		t.Errorf("a Tee without sinks: %v", err)
	}
}

func TestTeeAsksTheFirstSinkThatCanTell(t *testing.T) {
	t.Parallel()
	log := newLog(t, eachtest.Memory(t).Audit(), audit.LogConfig{})
	mustAppend(t, log, refund("1"))
	for name, c := range map[string]struct {
		sink audit.AuditSink
		want bool
	}{
		"a log behind others": {audit.Tee(audit.Disabled, log), true},
		"a log in a tee":      {audit.Tee(audit.Tee(log)), true},
		"nobody can tell":     {audit.Tee(audit.Disabled), false},
	} {
		known, err := c.sink.(audit.Recorded).Recorded(t.Context(), "acme", "/orders", "1")
		if err != nil || known != c.want {
			t.Errorf("%s: Recorded = %t, %v; want %t", name, known, err, c.want)
		}
	}
}

func TestDisabledDropsEverything(t *testing.T) {
	t.Parallel()
	if err := audit.Disabled.Append(t.Context(), audit.Event{}); err != nil {
		t.Error(err)
	}
}
