package webhookstest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
	"github.com/lumelle/adminkit/webhooks"
)

// An animal is a store that is broken in one way. The methods that are set stand in front
// of those of a store that is right.
type animal struct {
	webhooks.Store
	insertEndpoint func(ctx context.Context, tenant string, p webhooks.Endpoint, s webhooks.Secret) error
	updateEndpoint func(ctx context.Context, tenant string, p webhooks.Endpoint, revision int64) error
	deleteEndpoint func(ctx context.Context, tenant, id string, revision int64) error
	getEndpoint    func(ctx context.Context, tenant, id string, lock bool) (webhooks.Endpoint, webhooks.Health, error)
	listEndpoints  func(ctx context.Context, tenant string, q webhooks.EndpointQuery) (storage.Page[webhooks.Endpoint], error)
	countEndpoints func(ctx context.Context, tenant string, lock bool) (int64, error)
	secrets        func(ctx context.Context, tenant, endpointID string) ([]webhooks.Secret, error)
	setSecrets     func(ctx context.Context, tenant, endpointID string, all []webhooks.Secret) error
	listSecrets    func(ctx context.Context, tenant string, q webhooks.SecretQuery) (storage.Page[webhooks.EndpointSecret], error)
	replaceSealed  func(ctx context.Context, tenant string, s webhooks.EndpointSecret, fresh []byte) (bool, error)
	setHealth      func(ctx context.Context, tenant, id string, h webhooks.Health) error
	subscribers    func(ctx context.Context, tenant string, patterns []string) ([]string, error)
	insertMessage  func(ctx context.Context, tenant string, m webhooks.Message, deliveries []webhooks.Delivery) (bool, error)
	getMessage     func(ctx context.Context, tenant, id string) (webhooks.Message, error)
	getDelivery    func(ctx context.Context, tenant, id string, lock bool) (webhooks.Delivery, error)
	putDelivery    func(ctx context.Context, tenant string, d webhooks.Delivery) error
	listDeliveries func(ctx context.Context, tenant string, q webhooks.DeliveryQuery) (storage.Page[webhooks.Delivery], error)
	heldDeliveries func(ctx context.Context, tenant, endpointID string, limit int) ([]webhooks.Delivery, error)
	insertAttempt  func(ctx context.Context, tenant string, x webhooks.Attempt) error
	attempts       func(ctx context.Context, tenant, deliveryID string) ([]webhooks.Attempt, error)

	// mu guards what a mutant remembers, and late: what the store does once a transaction
	// or a savepoint has ended, however that was.
	mu   sync.Mutex
	late []func(ctx context.Context) error
}

func (a *animal) InsertEndpoint(ctx context.Context, tenant string, p webhooks.Endpoint, s webhooks.Secret) error {
	if a.insertEndpoint != nil {
		return a.insertEndpoint(ctx, tenant, p, s)
	}
	return a.Store.InsertEndpoint(ctx, tenant, p, s)
}

func (a *animal) UpdateEndpoint(ctx context.Context, tenant string, p webhooks.Endpoint, revision int64) error {
	if a.updateEndpoint != nil {
		return a.updateEndpoint(ctx, tenant, p, revision)
	}
	return a.Store.UpdateEndpoint(ctx, tenant, p, revision)
}

func (a *animal) DeleteEndpoint(ctx context.Context, tenant, id string, revision int64) error {
	if a.deleteEndpoint != nil {
		return a.deleteEndpoint(ctx, tenant, id, revision)
	}
	return a.Store.DeleteEndpoint(ctx, tenant, id, revision)
}

func (a *animal) GetEndpoint(ctx context.Context, tenant, id string, lock bool) (webhooks.Endpoint, webhooks.Health, error) {
	if a.getEndpoint != nil {
		return a.getEndpoint(ctx, tenant, id, lock)
	}
	return a.Store.GetEndpoint(ctx, tenant, id, lock)
}

func (a *animal) ListEndpoints(ctx context.Context, tenant string, q webhooks.EndpointQuery) (storage.Page[webhooks.Endpoint], error) {
	if a.listEndpoints != nil {
		return a.listEndpoints(ctx, tenant, q)
	}
	return a.Store.ListEndpoints(ctx, tenant, q)
}

func (a *animal) CountEndpoints(ctx context.Context, tenant string, lock bool) (int64, error) {
	if a.countEndpoints != nil {
		return a.countEndpoints(ctx, tenant, lock)
	}
	return a.Store.CountEndpoints(ctx, tenant, lock)
}

func (a *animal) Secrets(ctx context.Context, tenant, endpointID string) ([]webhooks.Secret, error) {
	if a.secrets != nil {
		return a.secrets(ctx, tenant, endpointID)
	}
	return a.Store.Secrets(ctx, tenant, endpointID)
}

func (a *animal) SetSecrets(ctx context.Context, tenant, endpointID string, all []webhooks.Secret) error {
	if a.setSecrets != nil {
		return a.setSecrets(ctx, tenant, endpointID, all)
	}
	return a.Store.SetSecrets(ctx, tenant, endpointID, all)
}

func (a *animal) ListSecrets(ctx context.Context, tenant string, q webhooks.SecretQuery) (storage.Page[webhooks.EndpointSecret], error) {
	if a.listSecrets != nil {
		return a.listSecrets(ctx, tenant, q)
	}
	return a.Store.ListSecrets(ctx, tenant, q)
}

func (a *animal) ReplaceSealed(ctx context.Context, tenant string, s webhooks.EndpointSecret, fresh []byte) (bool, error) {
	if a.replaceSealed != nil {
		return a.replaceSealed(ctx, tenant, s, fresh)
	}
	return a.Store.ReplaceSealed(ctx, tenant, s, fresh)
}

func (a *animal) SetHealth(ctx context.Context, tenant, id string, h webhooks.Health) error {
	if a.setHealth != nil {
		return a.setHealth(ctx, tenant, id, h)
	}
	return a.Store.SetHealth(ctx, tenant, id, h)
}

func (a *animal) Subscribers(ctx context.Context, tenant string, patterns []string) ([]string, error) {
	if a.subscribers != nil {
		return a.subscribers(ctx, tenant, patterns)
	}
	return a.Store.Subscribers(ctx, tenant, patterns)
}

func (a *animal) InsertMessage(ctx context.Context, tenant string, m webhooks.Message, deliveries []webhooks.Delivery) (bool, error) {
	if a.insertMessage != nil {
		return a.insertMessage(ctx, tenant, m, deliveries)
	}
	return a.Store.InsertMessage(ctx, tenant, m, deliveries)
}

func (a *animal) GetMessage(ctx context.Context, tenant, id string) (webhooks.Message, error) {
	if a.getMessage != nil {
		return a.getMessage(ctx, tenant, id)
	}
	return a.Store.GetMessage(ctx, tenant, id)
}

func (a *animal) GetDelivery(ctx context.Context, tenant, id string, lock bool) (webhooks.Delivery, error) {
	if a.getDelivery != nil {
		return a.getDelivery(ctx, tenant, id, lock)
	}
	return a.Store.GetDelivery(ctx, tenant, id, lock)
}

func (a *animal) PutDelivery(ctx context.Context, tenant string, d webhooks.Delivery) error {
	if a.putDelivery != nil {
		return a.putDelivery(ctx, tenant, d)
	}
	return a.Store.PutDelivery(ctx, tenant, d)
}

func (a *animal) ListDeliveries(ctx context.Context, tenant string, q webhooks.DeliveryQuery) (storage.Page[webhooks.Delivery], error) {
	if a.listDeliveries != nil {
		return a.listDeliveries(ctx, tenant, q)
	}
	return a.Store.ListDeliveries(ctx, tenant, q)
}

func (a *animal) HeldDeliveries(ctx context.Context, tenant, endpointID string, limit int) ([]webhooks.Delivery, error) {
	if a.heldDeliveries != nil {
		return a.heldDeliveries(ctx, tenant, endpointID, limit)
	}
	return a.Store.HeldDeliveries(ctx, tenant, endpointID, limit)
}

func (a *animal) InsertAttempt(ctx context.Context, tenant string, x webhooks.Attempt) error {
	if a.insertAttempt != nil {
		return a.insertAttempt(ctx, tenant, x)
	}
	return a.Store.InsertAttempt(ctx, tenant, x)
}

func (a *animal) Attempts(ctx context.Context, tenant, deliveryID string) ([]webhooks.Attempt, error) {
	if a.attempts != nil {
		return a.attempts(ctx, tenant, deliveryID)
	}
	return a.Store.Attempts(ctx, tenant, deliveryID)
}

// A cage is a backend with an animal for its store.
type cage struct {
	storage.Transactor
	store *animal
}

func (c cage) Webhooks() webhooks.Store { return c.store }

func (c cage) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	err := c.Transactor.InTx(ctx, fn)
	var late []func(ctx context.Context) error
	c.store.remember(func() { late, c.store.late = c.store.late, nil })
	for _, write := range late {
		if err := write(ctx); err != nil {
			return err
		}
	}
	return err
}

// remember runs fn, which reads or writes what a mutant remembers, alone.
func (a *animal) remember(fn func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	fn()
}

// inTx reports whether ctx carries a transaction.
func inTx(ctx context.Context) bool { return storage.Detach(ctx) != ctx }

// afterwards has a write in a transaction happen beside it, once it has ended.
func (a *animal) afterwards(ctx context.Context, write func(ctx context.Context) error) error {
	if !inTx(ctx) {
		return write(ctx)
	}
	a.remember(func() { a.late = append(a.late, write) })
	return nil
}

// owner is the tenant whose records a tenant must not see.
func owner(tenant string) string { return strings.TrimSuffix(tenant, "-other") }

// endpointAs returns a breaking that changes endpoints before they are inserted.
func endpointAs(change func(p *webhooks.Endpoint)) func(a *animal) {
	return func(a *animal) {
		a.insertEndpoint = func(ctx context.Context, tenant string, p webhooks.Endpoint, s webhooks.Secret) error {
			change(&p)
			return a.Store.InsertEndpoint(ctx, tenant, p, s)
		}
	}
}

// updateAs returns a breaking that changes endpoints before they are updated.
func updateAs(change func(p *webhooks.Endpoint)) func(a *animal) {
	return func(a *animal) {
		a.updateEndpoint = func(ctx context.Context, tenant string, p webhooks.Endpoint, revision int64) error {
			change(&p)
			return a.Store.UpdateEndpoint(ctx, tenant, p, revision)
		}
	}
}

// gotAs returns a breaking that changes endpoints as they are read.
func gotAs(change func(p *webhooks.Endpoint, h *webhooks.Health)) func(a *animal) {
	return func(a *animal) {
		a.getEndpoint = func(ctx context.Context, tenant, id string, lock bool) (webhooks.Endpoint, webhooks.Health, error) {
			p, h, err := a.Store.GetEndpoint(ctx, tenant, id, lock)
			change(&p, &h)
			return p, h, err
		}
	}
}

// endpointPage returns a breaking that changes what is asked of a list and what it answers.
func endpointPage(ask func(q *webhooks.EndpointQuery), answer func(p *storage.Page[webhooks.Endpoint])) func(a *animal) {
	return func(a *animal) {
		a.listEndpoints = func(ctx context.Context, tenant string, q webhooks.EndpointQuery) (storage.Page[webhooks.Endpoint], error) {
			if ask != nil {
				ask(&q)
			}
			p, err := a.Store.ListEndpoints(ctx, tenant, q)
			if answer != nil {
				answer(&p)
			}
			return p, err
		}
	}
}

// secretsAs returns a breaking that changes the secrets of an endpoint as they are read.
func secretsAs(change func(all []webhooks.Secret) []webhooks.Secret) func(a *animal) {
	return func(a *animal) {
		a.secrets = func(ctx context.Context, tenant, endpointID string) ([]webhooks.Secret, error) {
			all, err := a.Store.Secrets(ctx, tenant, endpointID)
			return change(all), err
		}
	}
}

// setSecretsAs returns a breaking that changes secrets before they are set.
func setSecretsAs(change func(all []webhooks.Secret) []webhooks.Secret) func(a *animal) {
	return func(a *animal) {
		a.setSecrets = func(ctx context.Context, tenant, endpointID string, all []webhooks.Secret) error {
			return a.Store.SetSecrets(ctx, tenant, endpointID, change(slices.Clone(all)))
		}
	}
}

// secretPage returns a breaking that changes what is asked of a list and what it answers.
func secretPage(ask func(q *webhooks.SecretQuery), answer func(p *storage.Page[webhooks.EndpointSecret])) func(a *animal) {
	return func(a *animal) {
		a.listSecrets = func(ctx context.Context, tenant string, q webhooks.SecretQuery) (storage.Page[webhooks.EndpointSecret], error) {
			if ask != nil {
				ask(&q)
			}
			p, err := a.Store.ListSecrets(ctx, tenant, q)
			if answer != nil {
				answer(&p)
			}
			return p, err
		}
	}
}

// healthAs returns a breaking that changes health before it is set.
func healthAs(change func(before webhooks.Health, h *webhooks.Health)) func(a *animal) {
	return func(a *animal) {
		a.setHealth = func(ctx context.Context, tenant, id string, h webhooks.Health) error {
			_, before, err := a.Store.GetEndpoint(ctx, tenant, id, false)
			if err == nil {
				change(before, &h)
			}
			return a.Store.SetHealth(ctx, tenant, id, h)
		}
	}
}

// subscribersAs returns a breaking that changes patterns and who is found by them.
func subscribersAs(ask func(patterns []string) []string, answer func(ids []string) []string) func(a *animal) {
	return func(a *animal) {
		a.subscribers = func(ctx context.Context, tenant string, patterns []string) ([]string, error) {
			if ask != nil {
				patterns = ask(slices.Clone(patterns))
			}
			ids, err := a.Store.Subscribers(ctx, tenant, patterns)
			if answer != nil {
				ids = answer(ids)
			}
			return ids, err
		}
	}
}

// messageAs returns a breaking that changes messages and their deliveries before they are
// inserted.
func messageAs(change func(m *webhooks.Message, deliveries []webhooks.Delivery) []webhooks.Delivery) func(a *animal) {
	return func(a *animal) {
		a.insertMessage = func(ctx context.Context, tenant string, m webhooks.Message, deliveries []webhooks.Delivery) (bool, error) {
			deliveries = change(&m, slices.Clone(deliveries))
			return a.Store.InsertMessage(ctx, tenant, m, deliveries)
		}
	}
}

// deliveryAs returns a breaking that changes each delivery as it is read.
func deliveryAs(change func(d *webhooks.Delivery)) func(a *animal) {
	return func(a *animal) {
		a.getDelivery = func(ctx context.Context, tenant, id string, lock bool) (webhooks.Delivery, error) {
			d, err := a.Store.GetDelivery(ctx, tenant, id, lock)
			change(&d)
			return d, err
		}
	}
}

// putAs returns a breaking that changes a delivery before it is put, given the stored one.
func putAs(change func(before webhooks.Delivery, d *webhooks.Delivery)) func(a *animal) {
	return func(a *animal) {
		a.putDelivery = func(ctx context.Context, tenant string, d webhooks.Delivery) error {
			before, err := a.Store.GetDelivery(ctx, tenant, d.ID, false)
			if err == nil {
				change(before, &d)
			}
			return a.Store.PutDelivery(ctx, tenant, d)
		}
	}
}

// deliveryPage returns a breaking that changes what is asked of a list and what it answers.
func deliveryPage(ask func(q *webhooks.DeliveryQuery), answer func(p *storage.Page[webhooks.Delivery])) func(a *animal) {
	return func(a *animal) {
		a.listDeliveries = func(ctx context.Context, tenant string, q webhooks.DeliveryQuery) (storage.Page[webhooks.Delivery], error) {
			if ask != nil {
				ask(&q)
			}
			p, err := a.Store.ListDeliveries(ctx, tenant, q)
			if answer != nil {
				answer(&p)
			}
			return p, err
		}
	}
}

// blind returns a breaking that does not apply one field of a query.
func blind(forget func(q *webhooks.DeliveryQuery)) func(a *animal) {
	return deliveryPage(func(q *webhooks.DeliveryQuery) {
		if q.After == "" {
			forget(q)
		}
	}, nil)
}

// heldAs returns a breaking that changes which held deliveries are read.
func heldAs(answer func(list []webhooks.Delivery) []webhooks.Delivery) func(a *animal) {
	return func(a *animal) {
		a.heldDeliveries = func(ctx context.Context, tenant, endpointID string, limit int) ([]webhooks.Delivery, error) {
			list, err := a.Store.HeldDeliveries(ctx, tenant, endpointID, limit)
			return answer(list), err
		}
	}
}

// attemptAs returns a breaking that changes attempts before they are inserted.
func attemptAs(change func(x *webhooks.Attempt)) func(a *animal) {
	return func(a *animal) {
		a.insertAttempt = func(ctx context.Context, tenant string, x webhooks.Attempt) error {
			change(&x)
			return a.Store.InsertAttempt(ctx, tenant, x)
		}
	}
}

// attemptsAs returns a breaking that changes attempts as they are read.
func attemptsAs(change func(all []webhooks.Attempt) []webhooks.Attempt) func(a *animal) {
	return func(a *animal) {
		a.attempts = func(ctx context.Context, tenant, deliveryID string) ([]webhooks.Attempt, error) {
			all, err := a.Store.Attempts(ctx, tenant, deliveryID)
			return change(all), err
		}
	}
}

// A storeMutant breaks a store so that a rule has to catch it.
type storeMutant struct {
	rule, name string
	breaks     func(a *animal)
}

func TestEachBrokenStoreIsCaughtByItsRule(t *testing.T) {
	all := map[string]storeRule{}
	for _, r := range storeRules() {
		if r.name == "" || r.explanation == "" {
			t.Errorf("%s explains nothing", r.id)
		}
		all[r.id] = r
	}
	var mutants []ruletest.Mutant
	for _, m := range slices.Concat(endpointZoo, secretZoo, messageZoo, deliveryZoo, listZoo, attemptZoo, transactionZoo) {
		mutants = append(mutants, ruletest.Mutant{Rule: m.rule, Name: "a store that " + m.name, Check: func(t testing.TB, rule string) {
			b, err := memory.New(memory.Config{})
			if err != nil {
				t.Fatal(err)
			}
			a := &animal{Store: b.Webhooks()}
			m.breaks(a)
			all[rule].Check(t, cage{b, a})
		}})
	}
	ruletest.Prove(t, StoreRules(), mutants, nil)
}

// A store in a cage that is broken in no way keeps the rules: what the zoo shows is the
// mutant and not its cage.
func TestACagedStoreKeepsTheRules(t *testing.T) {
	b, err := memory.New(memory.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range storeRules() {
		if failures := ruletest.Try(t.Context(), func(t testing.TB) { r.Check(t, cage{b, &animal{Store: b.Webhooks()}}) }); len(failures) > 0 {
			t.Errorf("%s: %q", r.id, failures)
		}
	}
}
