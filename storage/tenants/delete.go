package tenants

import (
	"context"
	"errors"
	"fmt"

	"github.com/lumelle/adminkit/storage"
)

const (
	// DefaultBatch is how many rows one transaction deletes where [Deletion].Batch is 0.
	DefaultBatch = 500
	// MaxBatch is how many it deletes at most.
	MaxBatch = 10_000
)

// maxPasses bounds how often a deletion goes through the tables. The first pass deletes
// what is there, the second what was being written meanwhile.
const maxPasses = 10

// ErrInUse reports that a tenant is still being written to: pass after pass, a deletion
// found new rows. What was there before is gone.
var ErrInUse = errors.New("tenants: the tenant is still being written to")

// A Deletion says what goes, and how. Its zero value keeps the evidence.
type Deletion struct {
	// Evidence deletes the audit log of the tenant too.
	Evidence bool
	// Batch is how many rows one transaction deletes: at most [MaxBatch], [DefaultBatch]
	// where it is zero.
	Batch int
}

// Delete deletes all rows of a tenant, in batches of one transaction each, and returns how
// many it deleted of each table, also where it fails. One that was stopped, by an error, by
// ctx or by the end of the process, is gone on with by another: what was deleted stays
// deleted.
//
// Its errors are a *storage.InvalidError, [ErrInTx], [ErrInUse], and those of the backend.
func (s *Service) Delete(ctx context.Context, tenant string, d Deletion) (Counts, error) {
	if err := checkTenant(tenant); err != nil {
		return nil, err
	}
	if d.Batch < 0 || d.Batch > MaxBatch {
		return nil, storage.Invalid("/batch", fmt.Sprintf("must be between 0 and %d", MaxBatch))
	}
	if d.Batch == 0 {
		d.Batch = DefaultBatch
	}
	deleted := Counts{}
	for range maxPasses {
		n, err := s.pass(ctx, tenant, d, deleted)
		if err != nil || n == 0 {
			return deleted, err
		}
	}
	return deleted, ErrInUse
}

// pass goes through the tables once, and returns how many rows it found.
func (s *Service) pass(ctx context.Context, tenant string, d Deletion, deleted Counts) (found int64, err error) {
	for _, t := range tables {
		if t.Evidence && !d.Evidence {
			continue
		}
		for {
			n, err := s.store.DeleteRows(ctx, tenant, t.Name, d.Batch)
			if err != nil {
				return found, fmt.Errorf("tenants: delete %s: %w", t.Name, err)
			}
			if n > 0 {
				deleted[t.Name] += int64(n)
				found += int64(n)
			}
			if n < d.Batch {
				break
			}
		}
	}
	return found, nil
}
