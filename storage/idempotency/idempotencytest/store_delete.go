package idempotencytest

import (
	"context"
	"slices"
	"time"

	"github.com/lumelle/adminkit/storage"
)

var deleteRules = []storeRule{
	{"IS-060", "what is older than the time is deleted, and what is as old is not", "a record is kept as long as clients were told", func(e *storeEnv) {
		for i, key := range []string{"a", "b", "c"} {
			e.finish(e.tenant, "sam", key, noon.Add(time.Duration(i)*time.Microsecond))
		}
		e.deletes(1, noon.Add(time.Microsecond), 0)
		e.left("sam/b", "sam/c")
	}},
	{"IS-061", "the oldest are deleted first, up to the limit", "a pruner works in pieces, and a record that is nearly fresh goes last", func(e *storeEnv) {
		for _, offset := range []int{3, 1, 4, 0, 2} {
			e.finish(e.tenant, "sam", string(rune('a'+offset)), noon.Add(time.Duration(-offset)*time.Minute))
		}
		e.deletes(2, noon.Add(time.Hour), 2)
		e.left("sam/a", "sam/b", "sam/c")
		e.deletes(1, noon.Add(time.Hour), 1)
		e.left("sam/a", "sam/b")
	}},
	{"IS-062", "a deletion tells how many it deleted", "a pruner is done where it deleted fewer than it might", func(e *storeEnv) {
		e.many(3)
		e.deletes(3, noon.Add(time.Hour), 10)
		e.deletes(0, noon.Add(time.Hour), 10)
	}},
	{"IS-063", "a limit of zero deletes storage.DefaultLimit", "no limit must not mean a transaction that lasts for minutes", func(e *storeEnv) {
		e.many(storage.DefaultLimit + 1)
		e.deletes(storage.DefaultLimit, noon.Add(time.Hour), 0)
	}},
	{"IS-064", "a limit above storage.MaxLimit deletes that many", "one call must not hold the writer for long", func(e *storeEnv) {
		e.many(storage.MaxLimit + 1)
		e.deletes(storage.MaxLimit, noon.Add(time.Hour), storage.MaxLimit+10)
	}},
	{"IS-065", "a negative limit is refused", "it is a mistake of the caller, and must not mean everything", func(e *storeEnv) {
		e.many(1)
		_, err := e.store.Delete(e.ctx, e.tenant, noon.Add(time.Hour), -1)
		e.want(err, storage.ErrInvalid, "Delete")
		e.left("sam/k0000")
	}},
	{"IS-066", "a deletion keeps to its tenant", "others keep their records for another time", func(e *storeEnv) {
		others := e.tenant + "-other"
		e.finish(e.tenant, "sam", "k", noon)
		e.finish(others, "sam", "k", noon.Add(-time.Hour))
		e.deletes(1, noon.Add(time.Hour), 0)
		e.answerOf(others, "sam", "k")
	}},
	{"IS-067", "a claim that was never finished is deleted as well", "its key would be refused for ever", func(e *storeEnv) {
		e.in(func(ctx context.Context) error { return e.claims(ctx, "k") })
		e.deletes(1, noon.Add(time.Hour), 0)
		e.free("k")
	}},
	{"IS-068", "a deleted key is free for any request", "whoever repeats a request after that makes it again", func(e *storeEnv) {
		e.finish(e.tenant, "sam", "k", noon)
		e.answer("k")
		e.deletes(1, noon.Add(time.Hour), 0)
		e.free("k")
		e.finish(e.tenant, "sam", "k", noon)
	}},
	{"IS-069", "a deletion goes with its transaction", "the records are there again", func(e *storeEnv) {
		e.finish(e.tenant, "sam", "k", noon)
		e.undone(func(ctx context.Context) error {
			n, err := e.store.Delete(ctx, e.tenant, noon.Add(time.Hour), 0)
			if n != 1 {
				e.Errorf("deleted %d, want 1", n)
			}
			return err
		})
		e.answer("k")
	}},
	{"IS-070", "a deletion takes the records of all actors, by age alone", "a busy actor must not keep the others' records for ever", func(e *storeEnv) {
		e.finish(e.tenant, "zoe", "k", noon)
		e.finish(e.tenant, "anna", "k", noon.Add(time.Minute))
		e.finish(e.tenant, "mia", "k", noon.Add(-time.Minute))
		e.deletes(2, noon.Add(time.Hour), 2)
		e.left("anna/k")
	}},
}

func (e *storeEnv) deletes(want int, before time.Time, limit int) {
	e.Helper()
	n, err := e.store.Delete(e.ctx, e.tenant, before, limit)
	e.must(err, "delete")
	if n != want {
		e.Errorf("deleted %d, want %d", n, want)
	}
}

// left holds the finished records of the rule's tenant to be these.
func (e *storeEnv) left(want ...string) {
	e.Helper()
	if got := listed(e.list(e.tenant, 0)); !slices.Equal(got, want) {
		e.Errorf("left %q, want %q", got, want)
	}
}
