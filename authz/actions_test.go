package authz_test

import (
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/audittest"
	"github.com/lumelle/adminkit/authz"
)

func TestTheActionsAreFitForACatalogue(t *testing.T) {
	catalog, err := audit.NewCatalog(audit.CatalogConfig{}, authz.Actions()...)
	if err != nil {
		t.Fatal(err)
	}
	audittest.CheckCatalog(t, catalog)
}
