package main

import (
	"net/http"
	"strings"
	"testing"
)

// A filter of one's own needs no leave; a shared one is made by whom the policy allows, and
// then everybody who may read the list asks by it.
func TestListsAreAskedBySavedFilters(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, db string) {
		a := startAdmin(t, db)
		const filters = "/api/v1/lists/webhooks.endpoints/filters"
		const shared = `{"name":"On","shared":true,"filter":{"status":{"eq":"enabled"}}}`
		a.as("audra", "POST", filters, strings.Replace(shared, `"shared":true`, `"shared":false`, 1)).want(http.StatusCreated)
		a.as("audra", "POST", filters, shared).want(http.StatusForbidden)
		a.as("sam", "GET", filters, "").want(http.StatusForbidden)
		id := a.as("olivia", "POST", filters, shared).want(http.StatusCreated).text("id")
		a.as("audra", "GET", "/api/v1/webhooks/endpoints?saved="+id, "").want(http.StatusOK)
		a.as("audra", "GET", "/api/v1/webhooks/deliveries?saved="+id, "").want(http.StatusBadRequest)
	})
}
