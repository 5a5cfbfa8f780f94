package webhookstest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/webhooks"
)

var endpointZoo = []storeMutant{
	{"MS-001", "forgets why an endpoint is disabled", endpointAs(func(p *webhooks.Endpoint) { p.DisabledReason = "" })},
	{"MS-001", "begins every endpoint at the first revision", endpointAs(func(p *webhooks.Endpoint) { p.Revision = 1 })},
	{"MS-001", "answers without the tenant", gotAs(func(p *webhooks.Endpoint, _ *webhooks.Health) { p.Tenant = "" })},
	{"MS-002", "begins with a time of failure", gotAs(func(p *webhooks.Endpoint, h *webhooks.Health) {
		if h.FailingSince.IsZero() {
			h.FailingSince = p.CreatedAt
		}
	})},
	{"MS-003", "forgets when the first secret expires", func(a *animal) {
		a.insertEndpoint = func(ctx context.Context, tenant string, p webhooks.Endpoint, s webhooks.Secret) error {
			s.ExpiresAt = time.Time{}
			return a.Store.InsertEndpoint(ctx, tenant, p, s)
		}
	}},
	{"MS-004", "answers nil where the id is taken", func(a *animal) {
		a.insertEndpoint = func(ctx context.Context, tenant string, p webhooks.Endpoint, s webhooks.Secret) error {
			if err := a.Store.InsertEndpoint(ctx, tenant, p, s); !errors.Is(err, storage.ErrConflict) {
				return err
			}
			return nil
		}
	}},
	{"MS-005", "stores the secret before it looks at the id", func(a *animal) {
		a.insertEndpoint = func(ctx context.Context, tenant string, p webhooks.Endpoint, s webhooks.Secret) error {
			err := a.Store.InsertEndpoint(ctx, tenant, p, s)
			if errors.Is(err, storage.ErrConflict) {
				return errors.Join(err, a.Store.SetSecrets(ctx, tenant, p.ID, []webhooks.Secret{s}))
			}
			return err
		}
	}},
	{"MS-006", "replaces an endpoint whose id is taken", func(a *animal) {
		a.insertEndpoint = func(ctx context.Context, tenant string, p webhooks.Endpoint, s webhooks.Secret) error {
			err := a.Store.InsertEndpoint(ctx, tenant, p, s)
			if errors.Is(err, storage.ErrConflict) {
				return a.Store.UpdateEndpoint(ctx, tenant, p, p.Revision)
			}
			return err
		}
	}},
	{"MS-007", "folds the case of ids", func(a *animal) {
		a.insertEndpoint = func(ctx context.Context, tenant string, p webhooks.Endpoint, s webhooks.Secret) error {
			p.ID = strings.ToLower(p.ID)
			return a.Store.InsertEndpoint(ctx, tenant, p, s)
		}
		a.getEndpoint = func(ctx context.Context, tenant, id string, lock bool) (webhooks.Endpoint, webhooks.Health, error) {
			return a.Store.GetEndpoint(ctx, tenant, strings.ToLower(id), lock)
		}
	}},
	{"MS-007", "cuts long ids", func(a *animal) {
		a.getEndpoint = func(ctx context.Context, tenant, id string, lock bool) (webhooks.Endpoint, webhooks.Health, error) {
			return a.Store.GetEndpoint(ctx, tenant, id[:min(len(id), storage.MaxID-1)], lock)
		}
	}},
	{"MS-008", "keeps endpoints without their tenant", func(a *animal) {
		a.insertEndpoint = func(ctx context.Context, tenant string, p webhooks.Endpoint, s webhooks.Secret) error {
			return a.Store.InsertEndpoint(ctx, owner(tenant), p, s)
		}
		a.getEndpoint = func(ctx context.Context, tenant, id string, lock bool) (webhooks.Endpoint, webhooks.Health, error) {
			return a.Store.GetEndpoint(ctx, owner(tenant), id, lock)
		}
	}},
	{"MS-009", "normalises addresses", endpointAs(func(p *webhooks.Endpoint) { p.URL = strings.ToLower(p.URL) })},
	{"MS-009", "trims descriptions", endpointAs(func(p *webhooks.Endpoint) { p.Description = strings.TrimRight(p.Description, "\x01") })},
	{"MS-009", "keeps a few patterns", endpointAs(func(p *webhooks.Endpoint) { p.EventTypes = p.EventTypes[:min(len(p.EventTypes), 64)] })},
	{"MS-010", "keeps timeouts to the second", gotAs(func(p *webhooks.Endpoint, _ *webhooks.Health) { p.Timeout = p.Timeout.Truncate(time.Second) })},
	{"MS-010", "answers local time", gotAs(func(p *webhooks.Endpoint, _ *webhooks.Health) {
		p.CreatedAt = p.CreatedAt.In(time.FixedZone("", 3600))
	})},
	{"MS-010", "keeps times to the millisecond", gotAs(func(p *webhooks.Endpoint, _ *webhooks.Health) {
		p.UpdatedAt = p.UpdatedAt.Truncate(time.Millisecond)
	})},
	{"MS-011", "answers the slice that it was given", func(a *animal) {
		given := map[string][]string{}
		a.insertEndpoint = func(ctx context.Context, tenant string, p webhooks.Endpoint, s webhooks.Secret) error {
			a.remember(func() { given[p.ID] = p.EventTypes })
			return a.Store.InsertEndpoint(ctx, tenant, p, s)
		}
		a.getEndpoint = func(ctx context.Context, tenant, id string, lock bool) (webhooks.Endpoint, webhooks.Health, error) {
			p, h, err := a.Store.GetEndpoint(ctx, tenant, id, lock)
			a.remember(func() { p.EventTypes = given[id] })
			return p, h, err
		}
	}},
	{"MS-011", "answers the same bytes each time", func(a *animal) {
		var kept []webhooks.Secret
		a.secrets = func(ctx context.Context, tenant, endpointID string) (_ []webhooks.Secret, err error) {
			if kept == nil { // no rule reads secrets from two goroutines
				kept, err = a.Store.Secrets(ctx, tenant, endpointID)
			}
			return kept, err
		}
	}},
	{"MS-012", "takes the time of creation from the update", func(a *animal) {
		var created time.Time
		a.updateEndpoint = func(ctx context.Context, tenant string, p webhooks.Endpoint, revision int64) error {
			a.remember(func() { created = p.CreatedAt })
			return a.Store.UpdateEndpoint(ctx, tenant, p, revision)
		}
		a.getEndpoint = func(ctx context.Context, tenant, id string, lock bool) (webhooks.Endpoint, webhooks.Health, error) {
			p, h, err := a.Store.GetEndpoint(ctx, tenant, id, lock)
			a.remember(func() { p.CreatedAt = created })
			return p, h, err
		}
	}},
	{"MS-012", "counts revisions by itself", func(a *animal) {
		a.updateEndpoint = func(ctx context.Context, tenant string, p webhooks.Endpoint, revision int64) error {
			p.Revision = revision + 1
			return a.Store.UpdateEndpoint(ctx, tenant, p, revision)
		}
	}},
	{"MS-012", "leaves the timeout", updateAs(func(p *webhooks.Endpoint) { p.Timeout = 3 * time.Second })},
	{"MS-013", "updates whatever the revision is", func(a *animal) {
		a.updateEndpoint = func(ctx context.Context, tenant string, p webhooks.Endpoint, _ int64) error {
			now, _, err := a.Store.GetEndpoint(ctx, tenant, p.ID, false)
			if err != nil {
				return err
			}
			return a.Store.UpdateEndpoint(ctx, tenant, p, now.Revision)
		}
	}},
	{"MS-013", "accepts every revision up to its own", func(a *animal) {
		a.updateEndpoint = func(ctx context.Context, tenant string, p webhooks.Endpoint, revision int64) error {
			now, _, err := a.Store.GetEndpoint(ctx, tenant, p.ID, false)
			if err != nil {
				return err
			}
			return a.Store.UpdateEndpoint(ctx, tenant, p, max(revision, now.Revision))
		}
	}},
	{"MS-014", "inserts what it finds no row to update for", func(a *animal) {
		a.updateEndpoint = func(ctx context.Context, tenant string, p webhooks.Endpoint, revision int64) error {
			err := a.Store.UpdateEndpoint(ctx, tenant, p, revision)
			if errors.Is(err, storage.ErrNotFound) {
				return a.Store.InsertEndpoint(ctx, tenant, p, secret("first"))
			}
			return err
		}
	}},
	{"MS-014", "calls it a conflict that there is nothing", func(a *animal) {
		a.updateEndpoint = func(ctx context.Context, tenant string, p webhooks.Endpoint, revision int64) error {
			err := a.Store.UpdateEndpoint(ctx, tenant, p, revision)
			if errors.Is(err, storage.ErrNotFound) {
				return storage.ErrConflict
			}
			return err
		}
	}},
	{"MS-015", "updates without a look at the tenant", func(a *animal) {
		a.updateEndpoint = func(ctx context.Context, tenant string, p webhooks.Endpoint, revision int64) error {
			return a.Store.UpdateEndpoint(ctx, owner(tenant), p, revision)
		}
	}},
	{"MS-016", "compares revisions with the one it read before", func(a *animal) {
		var once sync.Once
		var early webhooks.Endpoint
		a.updateEndpoint = func(ctx context.Context, tenant string, p webhooks.Endpoint, revision int64) error {
			now, _, err := a.Store.GetEndpoint(ctx, tenant, p.ID, false)
			once.Do(func() { early = now })
			if err != nil || early.ID != p.ID || early.Revision != revision {
				return a.Store.UpdateEndpoint(ctx, tenant, p, revision)
			}
			return a.Store.UpdateEndpoint(ctx, tenant, p, now.Revision)
		}
	}},
	{"MS-017", "forgets health with an update", func(a *animal) {
		a.updateEndpoint = func(ctx context.Context, tenant string, p webhooks.Endpoint, revision int64) error {
			err := a.Store.UpdateEndpoint(ctx, tenant, p, revision)
			return errors.Join(err, a.Store.SetHealth(ctx, tenant, p.ID, webhooks.Health{}))
		}
	}},
	{"MS-017", "forgets secrets with an update", func(a *animal) {
		a.updateEndpoint = func(ctx context.Context, tenant string, p webhooks.Endpoint, revision int64) error {
			err := a.Store.UpdateEndpoint(ctx, tenant, p, revision)
			return errors.Join(err, a.Store.SetSecrets(ctx, tenant, p.ID, nil))
		}
	}},
	{"MS-018", "marks a deleted endpoint as disabled", func(a *animal) {
		a.deleteEndpoint = func(ctx context.Context, tenant, id string, revision int64) error {
			p, _, err := a.Store.GetEndpoint(ctx, tenant, id, false)
			if err != nil {
				return err
			}
			p.Status = webhooks.Disabled
			return a.Store.UpdateEndpoint(ctx, tenant, p, revision)
		}
	}},
	{"MS-018", "lists what was deleted", endpointPage(nil, func(p *storage.Page[webhooks.Endpoint]) {
		if len(p.Items) == 0 {
			p.Items = []webhooks.Endpoint{{}}
		}
	})},
	{"MS-019", "leaves the secrets of a deleted endpoint", func(a *animal) {
		a.deleteEndpoint = func(ctx context.Context, tenant, id string, revision int64) error {
			all, err := a.Store.Secrets(ctx, tenant, id)
			if err != nil {
				return err
			}
			return errors.Join(a.Store.DeleteEndpoint(ctx, tenant, id, revision), a.Store.SetSecrets(ctx, tenant, id, all))
		}
	}},
	{"MS-020", "cancels the deliveries of a deleted endpoint by itself", func(a *animal) {
		a.deleteEndpoint = func(ctx context.Context, tenant, id string, revision int64) error {
			d, err := a.Store.GetDelivery(ctx, tenant, "d1", false)
			if err != nil {
				return err
			}
			d.Status = webhooks.Cancelled
			return errors.Join(a.Store.DeleteEndpoint(ctx, tenant, id, revision), a.Store.PutDelivery(ctx, tenant, d))
		}
	}},
	{"MS-020", "deletes the deliveries of an endpoint with it", func(a *animal) {
		gone := false
		a.deleteEndpoint = func(ctx context.Context, tenant, id string, revision int64) error {
			gone = true
			return a.Store.DeleteEndpoint(ctx, tenant, id, revision)
		}
		a.listDeliveries = func(ctx context.Context, tenant string, q webhooks.DeliveryQuery) (storage.Page[webhooks.Delivery], error) {
			if gone {
				return storage.Page[webhooks.Delivery]{}, nil
			}
			return a.Store.ListDeliveries(ctx, tenant, q)
		}
	}},
	{"MS-021", "deletes whatever the revision is", func(a *animal) {
		a.deleteEndpoint = func(ctx context.Context, tenant, id string, _ int64) error {
			now, _, err := a.Store.GetEndpoint(ctx, tenant, id, false)
			if err != nil {
				return err
			}
			return a.Store.DeleteEndpoint(ctx, tenant, id, now.Revision)
		}
	}},
	{"MS-021", "forgets secrets before it compares", func(a *animal) {
		a.deleteEndpoint = func(ctx context.Context, tenant, id string, revision int64) error {
			err := a.Store.DeleteEndpoint(ctx, tenant, id, revision)
			if errors.Is(err, storage.ErrConflict) {
				return errors.Join(err, a.Store.SetSecrets(ctx, tenant, id, nil))
			}
			return err
		}
	}},
	{"MS-022", "deletes what is not there", func(a *animal) {
		a.deleteEndpoint = func(ctx context.Context, tenant, id string, revision int64) error {
			if err := a.Store.DeleteEndpoint(ctx, tenant, id, revision); !errors.Is(err, storage.ErrNotFound) {
				return err
			}
			return nil
		}
	}},
	{"MS-023", "deletes without a look at the tenant", func(a *animal) {
		a.deleteEndpoint = func(ctx context.Context, tenant, id string, revision int64) error {
			return a.Store.DeleteEndpoint(ctx, owner(tenant), id, revision)
		}
	}},
	{"MS-024", "keeps the health of a deleted endpoint for the next one", func(a *animal) {
		var kept webhooks.Health
		a.deleteEndpoint = func(ctx context.Context, tenant, id string, revision int64) (err error) {
			if _, kept, err = a.Store.GetEndpoint(ctx, tenant, id, false); err != nil {
				return err
			}
			return a.Store.DeleteEndpoint(ctx, tenant, id, revision)
		}
		a.insertEndpoint = func(ctx context.Context, tenant string, p webhooks.Endpoint, s webhooks.Secret) error {
			return errors.Join(a.Store.InsertEndpoint(ctx, tenant, p, s), a.Store.SetHealth(ctx, tenant, p.ID, kept))
		}
	}},
	{"MS-024", "never gives an id again", func(a *animal) {
		used := map[string]bool{}
		a.insertEndpoint = func(ctx context.Context, tenant string, p webhooks.Endpoint, s webhooks.Secret) error {
			taken := false
			a.remember(func() { taken, used[p.ID] = used[p.ID], true })
			if taken {
				return storage.ErrConflict
			}
			return a.Store.InsertEndpoint(ctx, tenant, p, s)
		}
	}},
	{"MS-025", "answers an empty endpoint for none", func(a *animal) {
		a.getEndpoint = func(ctx context.Context, tenant, id string, lock bool) (webhooks.Endpoint, webhooks.Health, error) {
			p, h, err := a.Store.GetEndpoint(ctx, tenant, id, lock)
			if errors.Is(err, storage.ErrNotFound) {
				err = nil
			}
			return p, h, err
		}
	}},
	{"MS-026", "finds endpoints of other tenants", func(a *animal) {
		a.getEndpoint = func(ctx context.Context, tenant, id string, lock bool) (webhooks.Endpoint, webhooks.Health, error) {
			return a.Store.GetEndpoint(ctx, owner(tenant), id, lock)
		}
	}},
	{"MS-026", "lists endpoints of other tenants", func(a *animal) {
		a.listEndpoints = func(ctx context.Context, tenant string, q webhooks.EndpointQuery) (storage.Page[webhooks.Endpoint], error) {
			return a.Store.ListEndpoints(ctx, owner(tenant), q)
		}
	}},
	{"MS-027", "locks an endpoint for a statement", func(a *animal) {
		a.getEndpoint = func(ctx context.Context, tenant, id string, lock bool) (webhooks.Endpoint, webhooks.Health, error) {
			return a.Store.GetEndpoint(ctx, tenant, id, lock && inTx(ctx))
		}
	}},
	{"MS-028", "reads health ahead of its lock", func(a *animal) {
		var once sync.Once
		var early webhooks.Health
		a.getEndpoint = func(ctx context.Context, tenant, id string, lock bool) (webhooks.Endpoint, webhooks.Health, error) {
			p, h, err := a.Store.GetEndpoint(ctx, tenant, id, lock)
			once.Do(func() { early = h })
			if lock {
				h = early
			}
			return p, h, err
		}
	}},
	{"MS-129", "counts enabled endpoints only", func(a *animal) {
		a.countEndpoints = func(ctx context.Context, tenant string, lock bool) (int64, error) {
			n, err := a.Store.CountEndpoints(ctx, tenant, lock)
			for _, id := range []string{"e1", "e2"} {
				if p, _, err := a.Store.GetEndpoint(ctx, tenant, id, false); err == nil && p.Status != webhooks.Enabled {
					n--
				}
			}
			return n, err
		}
	}},
	{"MS-129", "counts past the transaction", func(a *animal) {
		a.countEndpoints = func(ctx context.Context, tenant string, _ bool) (int64, error) {
			return a.Store.CountEndpoints(storage.Detach(ctx), tenant, false)
		}
	}},
	{"MS-130", "counts the endpoints of all tenants", func(a *animal) {
		a.countEndpoints = func(ctx context.Context, tenant string, lock bool) (int64, error) {
			one, err := a.Store.CountEndpoints(ctx, tenant, lock)
			two, err2 := a.Store.CountEndpoints(ctx, tenant+"-other", lock)
			return one + two, errors.Join(err, err2)
		}
	}},
	{"MS-131", "locks a count for a statement", func(a *animal) {
		a.countEndpoints = func(ctx context.Context, tenant string, lock bool) (int64, error) {
			return a.Store.CountEndpoints(ctx, tenant, lock && inTx(ctx))
		}
	}},
	{"MS-132", "counts ahead of its lock", func(a *animal) {
		var once sync.Once
		var early int64
		a.countEndpoints = func(ctx context.Context, tenant string, lock bool) (int64, error) {
			n, err := a.Store.CountEndpoints(ctx, tenant, lock)
			once.Do(func() { early = n })
			if lock {
				n = early
			}
			return n, err
		}
	}},
	{"MS-029", "lists endpoints as they were inserted last", endpointPage(nil, func(p *storage.Page[webhooks.Endpoint]) { slices.Reverse(p.Items) })},
	{"MS-029", "forgets the last endpoint of a list", endpointPage(nil, func(p *storage.Page[webhooks.Endpoint]) {
		p.Items = p.Items[:max(0, len(p.Items)-1)]
	})},
	{"MS-030", "orders ids as people do", endpointPage(nil, func(p *storage.Page[webhooks.Endpoint]) {
		slices.SortStableFunc(p.Items, func(a, b webhooks.Endpoint) int {
			return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(strings.ToLower(a.ID), strings.ToLower(b.ID)))
		})
	})},
	{"MS-031", "goes on behind a time and not behind a place", func(a *animal) {
		a.listEndpoints = func(ctx context.Context, tenant string, q webhooks.EndpointQuery) (storage.Page[webhooks.Endpoint], error) {
			at, _, ok := placeOf(q.Plan(tenant))
			if !ok {
				return a.Store.ListEndpoints(ctx, tenant, q)
			}
			q.After = next(webhooks.Endpoint{CreatedAt: at, ID: "\U0010ffff"})(q.Plan(tenant))
			return a.Store.ListEndpoints(ctx, tenant, q)
		}
	}},
	{"MS-031", "has a next page where the list ends with one", func(a *animal) {
		a.listEndpoints = func(ctx context.Context, tenant string, q webhooks.EndpointQuery) (storage.Page[webhooks.Endpoint], error) {
			p, err := a.Store.ListEndpoints(ctx, tenant, q)
			if n := len(p.Items); err == nil && n == q.Limit {
				p.Next = next(p.Items[n-1])(q.Plan(tenant))
			}
			return p, err
		}
	}},
	{"MS-032", "goes on by counting rows", func(a *animal) {
		seen := 0
		a.listEndpoints = func(ctx context.Context, tenant string, q webhooks.EndpointQuery) (storage.Page[webhooks.Endpoint], error) {
			all, err := a.Store.ListEndpoints(ctx, tenant, webhooks.EndpointQuery{Limit: storage.MaxLimit})
			var p storage.Page[webhooks.Endpoint]
			p.Items = all.Items[seen:min(seen+q.Limit, len(all.Items))]
			if seen += q.Limit; seen < len(all.Items) {
				p.Next = next(p.Items[len(p.Items)-1])(q.Plan(tenant))
			}
			return p, err
		}
	}},
	{"MS-033", "starts over at a bad cursor", func(a *animal) {
		a.listEndpoints = func(ctx context.Context, tenant string, q webhooks.EndpointQuery) (storage.Page[webhooks.Endpoint], error) {
			p, err := a.Store.ListEndpoints(ctx, tenant, q)
			if errors.Is(err, storage.ErrBadCursor) {
				q.After = ""
				return a.Store.ListEndpoints(ctx, tenant, q)
			}
			return p, err
		}
	}},
	{"MS-034", "takes a negative limit for none", endpointPage(func(q *webhooks.EndpointQuery) { q.Limit = max(0, q.Limit) }, nil)},
	{"MS-034", "lists all secrets for a negative limit", secretPage(func(q *webhooks.SecretQuery) { q.Limit = max(0, q.Limit) }, nil)},
	{"MS-034", "lists all deliveries for a negative limit", deliveryPage(func(q *webhooks.DeliveryQuery) { q.Limit = max(0, q.Limit) }, nil)},
}

var secretZoo = []storeMutant{
	{"MS-035", "reads secrets oldest first", secretsAs(func(all []webhooks.Secret) []webhooks.Secret {
		slices.Reverse(all)
		return all
	})},
	{"MS-036", "shows secrets of other tenants", func(a *animal) {
		a.secrets = func(ctx context.Context, tenant, endpointID string) ([]webhooks.Secret, error) {
			return a.Store.Secrets(ctx, owner(tenant), endpointID)
		}
	}},
	{"MS-036", "calls it an error that there are no secrets", func(a *animal) {
		a.secrets = func(ctx context.Context, tenant, endpointID string) ([]webhooks.Secret, error) {
			all, err := a.Store.Secrets(ctx, tenant, endpointID)
			return all, some(len(all), err)
		}
	}},
	{"MS-037", "adds secrets to those that are there", func(a *animal) {
		a.setSecrets = func(ctx context.Context, tenant, endpointID string, all []webhooks.Secret) error {
			old, err := a.Store.Secrets(ctx, tenant, endpointID)
			return errors.Join(err, a.Store.SetSecrets(ctx, tenant, endpointID, slices.Concat(all, old)))
		}
	}},
	{"MS-037", "does not set no secrets", func(a *animal) {
		a.setSecrets = func(ctx context.Context, tenant, endpointID string, all []webhooks.Secret) error {
			if len(all) == 0 {
				return nil
			}
			return a.Store.SetSecrets(ctx, tenant, endpointID, all)
		}
	}},
	{"MS-135", "does nothing where the endpoint is gone", func(a *animal) {
		a.setSecrets = func(ctx context.Context, tenant, endpointID string, all []webhooks.Secret) error {
			err := a.Store.SetSecrets(ctx, tenant, endpointID, all)
			if errors.Is(err, storage.ErrNotFound) {
				return nil
			}
			return err
		}
	}},
	{"MS-038", "replaces the secrets of all endpoints", func(a *animal) {
		a.setSecrets = func(ctx context.Context, tenant, endpointID string, all []webhooks.Secret) error {
			return errors.Join(a.Store.SetSecrets(ctx, tenant, endpointID, all), a.Store.SetSecrets(ctx, tenant, "e2", all))
		}
	}},
	{"MS-038", "replaces the secrets of all tenants", func(a *animal) {
		a.setSecrets = func(ctx context.Context, tenant, endpointID string, all []webhooks.Secret) error {
			return errors.Join(a.Store.SetSecrets(ctx, tenant, endpointID, all), a.Store.SetSecrets(ctx, tenant+"-other", endpointID, all))
		}
	}},
	{"MS-039", "keeps the later of two secrets of one id", setSecretsAs(func(all []webhooks.Secret) []webhooks.Secret {
		return slices.CompactFunc(all, func(a, b webhooks.Secret) bool { return a.ID == b.ID })
	})},
	{"MS-039", "deletes the old secrets before it looks at the new", func(a *animal) {
		a.setSecrets = func(ctx context.Context, tenant, endpointID string, all []webhooks.Secret) error {
			return errors.Join(a.Store.SetSecrets(ctx, tenant, endpointID, nil), a.Store.SetSecrets(ctx, tenant, endpointID, all))
		}
	}},
	{"MS-040", "takes sealed bytes for text", setSecretsAs(func(all []webhooks.Secret) []webhooks.Secret {
		for i := range all {
			all[i].Sealed = []byte(strings.ToValidUTF8(string(all[i].Sealed), "?"))
		}
		return all
	})},
	{"MS-040", "keeps expiries to the second", secretsAs(func(all []webhooks.Secret) []webhooks.Secret {
		for i := range all {
			all[i].ExpiresAt = all[i].ExpiresAt.Truncate(time.Second)
		}
		return all
	})},
	{"MS-041", "lists secrets by their endpoints backwards", secretPage(nil, func(p *storage.Page[webhooks.EndpointSecret]) { slices.Reverse(p.Items) })},
	{"MS-041", "orders secrets as people do", secretPage(nil, func(p *storage.Page[webhooks.EndpointSecret]) {
		slices.SortStableFunc(p.Items, func(a, b webhooks.EndpointSecret) int {
			return cmp.Compare(strings.ToLower(a.EndpointID), strings.ToLower(b.EndpointID))
		})
	})},
	{"MS-042", "goes on behind an endpoint and not behind a secret", func(a *animal) {
		a.listSecrets = func(ctx context.Context, tenant string, q webhooks.SecretQuery) (storage.Page[webhooks.EndpointSecret], error) {
			endpointID, _, err := q.Position(tenant)
			if err == nil && q.After != "" {
				last := webhooks.EndpointSecret{EndpointID: endpointID, Secret: webhooks.Secret{ID: "\U0010ffff"}}
				q.After = q.Next(tenant, last)
			}
			return a.Store.ListSecrets(ctx, tenant, q)
		}
	}},
	{"MS-043", "goes on by counting secrets", func(a *animal) {
		seen := 0
		a.listSecrets = func(ctx context.Context, tenant string, q webhooks.SecretQuery) (storage.Page[webhooks.EndpointSecret], error) {
			all, err := a.Store.ListSecrets(ctx, tenant, webhooks.SecretQuery{})
			var p storage.Page[webhooks.EndpointSecret]
			p.Items = all.Items[seen:min(seen+q.Limit, len(all.Items))]
			if seen += q.Limit; seen < len(all.Items) {
				p.Next = q.Next(tenant, p.Items[len(p.Items)-1])
			}
			return p, err
		}
	}},
	{"MS-044", "runs on into the secrets of the next tenant", func(a *animal) {
		a.listSecrets = func(ctx context.Context, tenant string, q webhooks.SecretQuery) (storage.Page[webhooks.EndpointSecret], error) {
			p, err := a.Store.ListSecrets(ctx, tenant, q)
			if err != nil || p.Next != "" {
				return p, err
			}
			more, err := a.Store.ListSecrets(ctx, tenant+"-other", webhooks.SecretQuery{Limit: 1})
			p.Items = append(p.Items, more.Items...)
			return p, err
		}
	}},
	{"MS-044", "starts over at a bad cursor of secrets", func(a *animal) {
		a.listSecrets = func(ctx context.Context, tenant string, q webhooks.SecretQuery) (storage.Page[webhooks.EndpointSecret], error) {
			p, err := a.Store.ListSecrets(ctx, tenant, q)
			if errors.Is(err, storage.ErrBadCursor) {
				return a.Store.ListSecrets(ctx, tenant, webhooks.SecretQuery{})
			}
			return p, err
		}
	}},
	{"MS-045", "reports and does not replace", func(a *animal) {
		a.replaceSealed = func(ctx context.Context, tenant string, s webhooks.EndpointSecret, fresh []byte) (bool, error) {
			return a.Store.ReplaceSealed(ctx, tenant, s, s.Sealed)
		}
	}},
	{"MS-045", "replaces and does not report", func(a *animal) {
		a.replaceSealed = func(ctx context.Context, tenant string, s webhooks.EndpointSecret, fresh []byte) (bool, error) {
			_, err := a.Store.ReplaceSealed(ctx, tenant, s, fresh)
			return false, err
		}
	}},
	{"MS-046", "replaces whatever is stored by now", replacesBlindly},
	{"MS-047", "calls it an error that a secret is gone", func(a *animal) {
		a.replaceSealed = func(ctx context.Context, tenant string, s webhooks.EndpointSecret, fresh []byte) (bool, error) {
			ok, err := a.Store.ReplaceSealed(ctx, tenant, s, fresh)
			if err == nil && !ok {
				err = storage.ErrNotFound
			}
			return ok, err
		}
	}},
	{"MS-047", "reports true for what is gone", func(a *animal) {
		a.replaceSealed = func(ctx context.Context, tenant string, s webhooks.EndpointSecret, fresh []byte) (bool, error) {
			_, err := a.Store.ReplaceSealed(ctx, tenant, s, fresh)
			return err == nil, err
		}
	}},
	{"MS-048", "replaces without a look at the tenant", func(a *animal) {
		a.replaceSealed = func(ctx context.Context, tenant string, s webhooks.EndpointSecret, fresh []byte) (bool, error) {
			return a.Store.ReplaceSealed(ctx, owner(tenant), s, fresh)
		}
	}},
	{"MS-049", "moves the revision when it seals again", func(a *animal) {
		a.replaceSealed = func(ctx context.Context, tenant string, s webhooks.EndpointSecret, fresh []byte) (bool, error) {
			ok, err := a.Store.ReplaceSealed(ctx, tenant, s, fresh)
			p, _, err2 := a.Store.GetEndpoint(ctx, tenant, s.EndpointID, false)
			p.Revision++
			return ok, errors.Join(err, err2, a.Store.UpdateEndpoint(ctx, tenant, p, p.Revision-1))
		}
	}},
	{"MS-049", "writes a secret as it was named", func(a *animal) {
		a.replaceSealed = func(ctx context.Context, tenant string, s webhooks.EndpointSecret, fresh []byte) (bool, error) {
			all, err := a.Store.Secrets(ctx, tenant, s.EndpointID)
			for i := range all {
				if all[i].ID == s.ID {
					all[i] = s.Secret
					all[i].Sealed = bytes.Clone(fresh)
				}
			}
			return true, errors.Join(err, a.Store.SetSecrets(ctx, tenant, s.EndpointID, all))
		}
	}},
	{"MS-050", "compares the bytes with those it read before", func(a *animal) {
		var mu sync.Mutex
		var early webhooks.EndpointSecret
		replacesBlindly(a)
		blindly := a.replaceSealed
		a.replaceSealed = func(ctx context.Context, tenant string, s webhooks.EndpointSecret, fresh []byte) (bool, error) {
			ok, err := a.Store.ReplaceSealed(ctx, tenant, s, fresh)
			mu.Lock()
			defer mu.Unlock()
			if ok {
				early = s
			}
			if !ok && err == nil && s.EndpointID == early.EndpointID && s.ID == early.ID && bytes.Equal(s.Sealed, early.Sealed) {
				return blindly(ctx, tenant, s, fresh)
			}
			return ok, err
		}
	}},
	{"MS-051", "keeps times of health to the second", healthAs(func(_ webhooks.Health, h *webhooks.Health) { h.QuietUntil = h.QuietUntil.Truncate(time.Second) })},
	{"MS-051", "counts failures in few bits", healthAs(func(_ webhooks.Health, h *webhooks.Health) { h.Failures = int(int32(h.Failures)) })},
	{"MS-052", "keeps what health does not say", healthAs(func(before webhooks.Health, h *webhooks.Health) {
		if h.FailingSince.IsZero() {
			h.FailingSince = before.FailingSince
		}
	})},
	{"MS-053", "moves the revision with health", func(a *animal) {
		a.setHealth = func(ctx context.Context, tenant, id string, h webhooks.Health) error {
			p, _, err := a.Store.GetEndpoint(ctx, tenant, id, false)
			p.Revision++
			return errors.Join(err, a.Store.UpdateEndpoint(ctx, tenant, p, p.Revision-1), a.Store.SetHealth(ctx, tenant, id, h))
		}
	}},
	{"MS-054", "calls it an error that an endpoint is gone", func(a *animal) {
		a.setHealth = func(ctx context.Context, tenant, id string, h webhooks.Health) error {
			if _, _, err := a.Store.GetEndpoint(ctx, tenant, id, false); err != nil {
				return err
			}
			return a.Store.SetHealth(ctx, tenant, id, h)
		}
	}},
	{"MS-054", "sets health without a look at the tenant", func(a *animal) {
		a.setHealth = func(ctx context.Context, tenant, id string, h webhooks.Health) error {
			return a.Store.SetHealth(ctx, owner(tenant), id, h)
		}
	}},
	{"MS-055", "sets the health of all endpoints", func(a *animal) {
		a.setHealth = func(ctx context.Context, tenant, id string, h webhooks.Health) error {
			return errors.Join(a.Store.SetHealth(ctx, tenant, "e1", h), a.Store.SetHealth(ctx, tenant, "e2", h))
		}
	}},
	{"MS-056", "asks for the first pattern only", subscribersAs(func(patterns []string) []string { return patterns[:min(1, len(patterns))] }, nil)},
	{"MS-057", "names a subscriber once a pattern", func(a *animal) {
		a.subscribers = func(ctx context.Context, tenant string, patterns []string) (all []string, err error) {
			for _, p := range patterns {
				ids, err := a.Store.Subscribers(ctx, tenant, []string{p})
				if err != nil {
					return nil, err
				}
				all = append(all, ids...)
			}
			return all, nil
		}
	}},
	{"MS-058", "orders subscribers as people do", subscribersAs(nil, func(ids []string) []string {
		slices.SortStableFunc(ids, func(a, b string) int { return cmp.Compare(strings.ToLower(a), strings.ToLower(b)) })
		return ids
	})},
	{"MS-059", "reads patterns as LIKE", subscribersAs(func(patterns []string) []string {
		if slices.Contains(patterns, "a_b") {
			patterns = append(patterns, "a.b")
		}
		return patterns
	}, nil)},
	{"MS-059", "expands wildcards by itself", subscribersAs(func(patterns []string) []string {
		if slices.Contains(patterns, "a.*") {
			patterns = append(patterns, "a.b")
		}
		return patterns
	}, nil)},
	{"MS-060", "leaves the subscriptions of a disabled endpoint", updateAs(func(p *webhooks.Endpoint) { p.Status = webhooks.Enabled })},
	{"MS-060", "subscribes an endpoint that begins disabled", endpointAs(func(p *webhooks.Endpoint) { p.Status = webhooks.Enabled })},
	{"MS-061", "leaves the old subscriptions", func(a *animal) {
		a.updateEndpoint = func(ctx context.Context, tenant string, p webhooks.Endpoint, revision int64) error {
			now, _, err := a.Store.GetEndpoint(ctx, tenant, p.ID, false)
			p.EventTypes = slices.Concat(p.EventTypes, now.EventTypes)
			return errors.Join(err, a.Store.UpdateEndpoint(ctx, tenant, p, revision))
		}
	}},
	{"MS-062", "leaves the subscriptions of a deleted endpoint", func(a *animal) {
		var gone []string
		a.deleteEndpoint = func(ctx context.Context, tenant, id string, revision int64) error {
			gone = append(gone, id)
			return a.Store.DeleteEndpoint(ctx, tenant, id, revision)
		}
		a.subscribers = func(ctx context.Context, tenant string, patterns []string) ([]string, error) {
			ids, err := a.Store.Subscribers(ctx, tenant, patterns)
			return slices.Sorted(slices.Values(slices.Concat(ids, gone))), err
		}
	}},
	{"MS-063", "finds subscribers of other tenants", func(a *animal) {
		a.subscribers = func(ctx context.Context, tenant string, patterns []string) ([]string, error) {
			ids, err := a.Store.Subscribers(ctx, tenant, patterns)
			more, err2 := a.Store.Subscribers(ctx, tenant+"-other", patterns)
			return slices.Concat(ids, more), errors.Join(err, err2)
		}
	}},
	{"MS-064", "asks for so many patterns only", subscribersAs(func(patterns []string) []string { return patterns[:min(256, len(patterns))] }, nil)},
}

// replacesBlindly stores fresh bytes whatever is stored by now.
func replacesBlindly(a *animal) {
	a.replaceSealed = func(ctx context.Context, tenant string, s webhooks.EndpointSecret, fresh []byte) (bool, error) {
		all, err := a.Store.Secrets(ctx, tenant, s.EndpointID)
		if err != nil {
			return false, err
		}
		for i := range all {
			if all[i].ID == s.ID {
				all[i].Sealed = fresh
			}
		}
		return true, a.Store.SetSecrets(ctx, tenant, s.EndpointID, all)
	}
}
