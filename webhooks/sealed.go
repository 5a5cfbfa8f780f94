package webhooks

import (
	"context"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/secrets/sealed"
)

// SealedSecrets shows the signing secrets of a store to whoever seals them again under
// another key. Expired ones are among them for as long as they are stored.
func SealedSecrets(store EndpointStore) sealed.Source { return sealedSecrets{store} }

type sealedSecrets struct{ store EndpointStore }

func (s sealedSecrets) List(ctx context.Context, tenant string, after storage.Cursor, limit int) (page storage.Page[sealed.Value], err error) {
	secrets, err := s.store.ListSecrets(ctx, tenant, SecretQuery{After: after, Limit: limit})
	page.Next = secrets.Next
	for _, secret := range secrets.Items {
		page.Items = append(page.Items, sealed.Value{
			Purpose: sealPurpose, ID: sealID(secret.EndpointID, secret.ID),
			Row: []string{secret.EndpointID, secret.ID}, Bytes: secret.Sealed,
		})
	}
	return page, err
}

func (s sealedSecrets) Replace(ctx context.Context, tenant string, old sealed.Value, fresh []byte) (bool, error) {
	return s.store.ReplaceSealed(ctx, tenant, EndpointSecret{
		EndpointID: old.Row[0], Secret: Secret{ID: old.Row[1], Sealed: old.Bytes},
	}, fresh)
}
