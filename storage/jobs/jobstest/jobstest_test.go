package jobstest_test

import (
	"testing"

	"github.com/lumelle/adminkit/storage/jobs/jobstest"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func TestStoresOfTheKitKeepTheRules(t *testing.T) {
	for _, kind := range eachtest.Kinds(t) {
		t.Run(kind.Name, func(t *testing.T) {
			jobstest.Run(t, jobstest.Options{New: func(t *testing.T) jobstest.Backend { return kind.Open(t) }})
		})
	}
}
