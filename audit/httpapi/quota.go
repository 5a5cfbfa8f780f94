package httpapi

import (
	"context"
	"net/http"

	"github.com/lumelle/adminkit/storage"
)

// Quotas answers how many objects the tenant of the request may have and has, as a
// [List] of one page.
func Quotas(of func(ctx context.Context, tenant string) ([]storage.Quota, error)) Handler {
	return func(w http.ResponseWriter, r *http.Request, who Identity) error {
		if _, err := ParseParams(r); err != nil {
			return err
		}
		all, err := of(r.Context(), who.Tenant)
		if err != nil {
			return err
		}
		return WriteJSON(w, http.StatusOK, List[storage.Quota]{Items: all})
	}
}
