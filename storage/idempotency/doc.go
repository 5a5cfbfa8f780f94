// Package idempotency keeps the answer of a request under the key its client chose,
// so that a repeated request gets the first one's answer instead of a second effect.
//
// The record and the effect are written in one transaction. That is the whole trick:
// there is no state in which one exists without the other, and no lease to expire
// when a process dies.
//
//	err := backend.InTx(ctx, func(ctx context.Context) error {
//		done, err := store.Begin(ctx, tenant, actor, key, fingerprint, now)
//		if err != nil {
//			return err // ErrMismatch: the key was used for another request
//		}
//		if done != nil {
//			reply = *done // the answer of the first request, given again
//			return nil
//		}
//		reply, err = refund(ctx, order, amount)
//		if err != nil {
//			return err // rolled back: the key is free again
//		}
//		return store.Finish(ctx, tenant, actor, key, reply.Status, reply.Header, reply.Body)
//	})
//
// Most refusals should leave the key free, because the same request may succeed
// later: a missing step-up, a missing permission. Where nothing was written, roll
// back; where the refusal itself was recorded, call Release and commit.
//
// # Who waits for whom
//
// Of two requests under one key, the second waits in Begin until the first one's
// transaction has ended: on SQLite and in memory for the one writer, on Postgres on
// the unique index. Then it finds the answer, or a free key when the first one rolled
// back. No error of its own is needed for "in progress".
//
// # Who owns a key
//
// Keys belong to a tenant and an actor. The same key chosen by two people is two
// keys, so nobody can read another's answer by guessing. The fingerprint ties a key
// to one request; see [Fingerprint].
//
// Records are kept until somebody deletes them. A [Pruner] does so, beside the worker of
// a host; [Prune] does it once. Keep records longer than clients retry: a day is usual.
// Whoever repeats a request after that makes it again.
//
//	pruner, err := idempotency.NewPruner(backend.Idempotency(), tenants, idempotency.PrunerConfig{})
//	go pruner.Run(ctx) // until ctx ends
package idempotency
