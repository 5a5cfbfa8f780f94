package tenants_test

import (
	"context"
	"errors"
	"testing"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/tenants"
)

func TestDeleteGoesInBatchesUntilNothingIsLeft(t *testing.T) {
	t.Parallel()
	left := map[string]int{"jobs_job": 7, "audit_event": 3, "quota": 1}
	var asked []string
	store := fake{remove: func(table string, limit int) (int, error) {
		asked = append(asked, table)
		n := min(limit, left[table])
		left[table] -= n
		return n, nil
	}}
	counts, err := serviceOver(store).Delete(t.Context(), "acme", tenants.Deletion{Batch: 3})
	if err != nil || counts["jobs_job"] != 7 || counts["quota"] != 1 || counts.Total() != 8 {
		t.Errorf("deleted %v (%v), want 7 jobs and a quota", counts, err)
	}
	if left["audit_event"] != 3 {
		t.Errorf("%d pieces of evidence are left, want 3", left["audit_event"])
	}
	if counts, err = serviceOver(store).Delete(t.Context(), "acme", tenants.Deletion{Evidence: true}); err != nil || counts["audit_event"] != 3 {
		t.Errorf("deleted %v (%v), want 3 pieces of evidence", counts, err)
	}
	if last := asked[len(asked)-1]; last != "audit_event" {
		t.Errorf("the last table is %s, want the evidence", last)
	}
}

func TestDeleteFindsWhatIsWrittenMeanwhile(t *testing.T) {
	t.Parallel()
	late := 2 // jobs that are enqueued meanwhile
	store := fake{remove: func(table string, _ int) (int, error) {
		if table == "jobs_job" && late > 0 {
			late--
			return 1, nil
		}
		return 0, nil
	}}
	counts, err := serviceOver(store).Delete(t.Context(), "acme", tenants.Deletion{})
	if err != nil || counts["jobs_job"] != 2 || late != 0 {
		t.Errorf("deleted %v (%v), want both jobs", counts, err)
	}
}

func TestDeleteGivesUpOnATenantThatGoesOn(t *testing.T) {
	t.Parallel()
	store := fake{remove: func(table string, _ int) (int, error) {
		if table == "jobs_job" {
			return 1, nil
		}
		return 0, nil
	}}
	counts, err := serviceOver(store).Delete(t.Context(), "acme", tenants.Deletion{})
	if !errors.Is(err, tenants.ErrInUse) || counts["jobs_job"] == 0 {
		t.Errorf("deleted %v (%v), want some and ErrInUse", counts, err)
	}
}

func TestDeleteSaysWhatItDeletedBeforeAnError(t *testing.T) {
	t.Parallel()
	done := false
	store := fake{remove: func(table string, _ int) (int, error) {
		if done {
			return 0, storage.ErrUnavailable
		}
		done = true
		return 1, nil
	}}
	counts, err := serviceOver(store).Delete(t.Context(), "acme", tenants.Deletion{})
	if !errors.Is(err, storage.ErrUnavailable) || counts.Total() != 1 {
		t.Errorf("deleted %v (%v), want one row and ErrUnavailable", counts, err)
	}
}

func TestABatchHasABound(t *testing.T) {
	t.Parallel()
	for _, batch := range []int{-1, tenants.MaxBatch + 1} {
		_, err := serviceOver(fake{}).Delete(context.Background(), "acme", tenants.Deletion{Batch: batch})
		var invalid *storage.InvalidError
		if !errors.As(err, &invalid) || invalid.Fields[0].Pointer != "/batch" {
			t.Errorf("a batch of %d answers %v, want an error that names it", batch, err)
		}
	}
}
