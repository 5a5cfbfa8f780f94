package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	sdk "github.com/open-feature/go-sdk/openfeature"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/cloudevent"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/audit/httpapi/savedfilters"
	"github.com/lumelle/adminkit/audit/httpapi/webpage"
	"github.com/lumelle/adminkit/audit/schema"
	"github.com/lumelle/adminkit/authz"
	"github.com/lumelle/adminkit/authz/casbinengine"
	"github.com/lumelle/adminkit/automation"
	"github.com/lumelle/adminkit/examples/merchantadmin/shop"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/storage/idempotency"
	"github.com/lumelle/adminkit/storage/jobs"
	"github.com/lumelle/adminkit/storage/listing/saved"
	"github.com/lumelle/adminkit/storage/secrets"
	"github.com/lumelle/adminkit/webhooks"
	"github.com/lumelle/adminkit/webhooks/egress"
)

// An app is the admin: the one place where the domains of the kit and the host's own
// business meet.
type app struct {
	cfg    config
	log    *slog.Logger
	db     backend
	vault  *secrets.Vault
	people *directory
	pages  *webpage.Set
	shop   *shop.Store

	catalog   *audit.Catalog
	events    *audit.Log
	engine    *casbinengine.Engine
	guard     *authz.Guard
	approvals *approvals.Service
	governor  *audit.Governor
	filters   *saved.Service
	refunds   *approvals.Guard[refundPayload]
	webhooks  *webhooks.Service
	flags     *flags.Service
	// provider answers what flags are, from memory.
	provider *flags.Provider
	// features is how pages read flags.
	features   sdk.IClient
	automation *automation.Service
	// closers release what was opened, the last first.
	closers []func(ctx context.Context) error
}

// openApp opens the database, wires everything to it and starts the worker.
func openApp(ctx context.Context, cfg config, log *slog.Logger) (_ *app, err error) {
	db, err := openBackend(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	a := &app{cfg: cfg, log: log, db: db}
	a.closers = append(a.closers, db.Close)
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close(context.WithoutCancel(ctx)))
		}
	}()
	if a.vault, err = openVault(cfg, log); err != nil {
		return nil, err
	}
	if a.pages, err = newPages(actions()); err != nil {
		return nil, err
	}
	if err := a.openShop(ctx); err != nil {
		return nil, err
	}
	queue, err := jobs.NewQueue(db.Jobs(), jobs.Config{})
	if err != nil {
		return nil, err
	}
	if err := a.govern(ctx, queue); err != nil {
		return nil, err
	}
	if !cfg.work {
		return a, nil
	}
	if err := a.forget(ctx); err != nil {
		return nil, err
	}
	worker, err := jobs.NewWorker(queue, join(a.approvals.Handlers(), a.webhooks.Handlers(), a.flags.Handlers(), a.automation.Handlers()), jobs.WorkerConfig{Lease: cfg.lease, Logger: log})
	if err != nil {
		return nil, err
	}
	if err := worker.Start(ctx); err != nil {
		return nil, err
	}
	a.closers = append(a.closers, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, jobsWithin)
		defer cancel()
		err := worker.Close(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			log.Warn("jobs were cut off and will be repeated", "error", err)
			return nil
		}
		return err
	})
	return a, nil
}

// forget deletes the answers to requests that nobody repeats any more, and old runs, until
// the app closes.
func (a *app) forget(ctx context.Context) error {
	tenants := func(context.Context) ([]string, error) { return merchants, nil }
	answers, err := idempotency.NewPruner(a.db.Idempotency(), tenants, idempotency.PrunerConfig{Logger: a.log})
	if err != nil {
		return err
	}
	runs, err := automation.NewPruner(a.db.Automation(), tenants, automation.PrunerConfig{Logger: a.log})
	if err != nil {
		return err
	}
	a.background(ctx, answers.Run)
	a.background(ctx, runs.Run)
	return nil
}

// background runs work until the app closes.
func (a *app) background(ctx context.Context, work func(ctx context.Context)) {
	ctx, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		work(ctx)
	}()
	a.closers = append(a.closers, func(context.Context) error {
		stop()
		<-done
		return nil
	})
}

// openShop opens the host's own part: its tables, its people, its sessions.
func (a *app) openShop(ctx context.Context) (err error) {
	if a.shop, err = shop.Open(ctx, a.db); err != nil {
		return err
	}
	key, err := sessionKey(ctx, a.shop, a.vault)
	if err != nil {
		return err
	}
	a.people = &directory{sessions: &sessions{key: key, now: time.Now}, now: time.Now}
	if a.cfg.demo {
		a.people.people = demoPeople()
		return a.shop.SeedDemo(ctx, merchants...)
	}
	return nil
}

// govern builds what stands around every change: the gates before it, policy and
// approval, and the sinks after it, the log and the webhooks' outbox. All of it works
// in the transaction of the change.
func (a *app) govern(ctx context.Context, queue *jobs.Queue) (err error) {
	a.catalog, err = audit.NewCatalog(audit.CatalogConfig{Source: eventSource, Compile: schema.Compile}, actions()...)
	if err != nil {
		return err
	}
	if a.events, err = audit.NewLog(a.db.Audit(), audit.LogConfig{}); err != nil {
		return err
	}
	outbox, err := webhooks.NewOutbox(a.db, a.db.Webhooks(), queue, cloudevent.MarshalPublic, webhooks.OutboxConfig{})
	if err != nil {
		return err
	}
	runs, err := a.automationOutbox(queue)
	if err != nil {
		return err
	}
	sink := audit.Tee(a.events, outbox, runs)

	if a.engine, err = casbinengine.New(a.db.Authz(), vocabulary(), casbinengine.Config{Rules: policyRules()}); err != nil {
		return err
	}
	if a.guard, err = authz.New(a.engine, a.db, sink, a.catalog, authz.Config{}); err != nil {
		return err
	}
	a.approvals, err = approvals.New(a.db, a.db.Approvals(), queue, approvers(a.engine), a.catalog, sink,
		approvals.Config{Policies: approvalPolicies(), Notifier: approvals.NotifierFunc(a.tell)})
	if err != nil {
		return err
	}
	a.governor, err = audit.NewGovernor(a.db, approvals.Gate(a.guard, a.approvals), sink, a.catalog)
	if err != nil {
		return err
	}
	a.filters, err = saved.New(a.db.SavedFilters(), []saved.List{
		saved.Of(approvals.Requests(approvals.TabPending)), saved.Of(webhooks.Endpoints()), saved.Of(webhooks.Deliveries()), saved.Of(flags.Flags()), saved.Of(automation.Rules()), saved.Of(automation.Runs()),
	}, saved.Config{Govern: savedfilters.Govern(a.governor)})
	if err != nil {
		return err
	}
	a.refunds, err = approvals.NewGuard(a.governor, a.approvals, actionRefund, a.applyRefund, approvals.GuardConfig{})
	if err != nil {
		return err
	}
	deliverer, err := egress.New(egress.Config{Allow: a.cfg.egress})
	if err != nil {
		return err
	}
	a.closers = append(a.closers, deliverer.Close)
	a.webhooks, err = webhooks.New(a.governor, a.db.Webhooks(), queue, a.vault, deliverer, webhooks.Config{})
	if err != nil {
		return err
	}
	if err := a.openFlags(ctx, queue); err != nil {
		return err
	}
	if err := a.openAutomation(queue, deliverer); err != nil {
		return err
	}
	if err := a.assignRoles(ctx, a.engine, sink); err != nil || !a.cfg.demo {
		return err
	}
	return a.seedFlags(ctx, sink, queue)
}

// actions are what can be done and is recorded.
func actions() []audit.Action {
	return slices.Concat(authz.Actions(), approvals.Actions(), webhooks.Actions(), flags.Actions(), automation.Actions(), savedfilters.Actions(),
		[]audit.Action{refundAction(), publishAction(), stepAction()})
}

// tell is where a host would write to the requester. This one has nobody's address.
func (a *app) tell(ctx context.Context, n approvals.Notice) error {
	a.log.InfoContext(ctx, "a request for approval has ended", "tenant", n.Request.Tenant, "request", n.Request.ID,
		"requester", n.Request.Requester.ID, "action", n.Request.Action, "end", n.Step.Verb)
	return nil
}

// sources are what a timeline is made of, in the order of cause. The log holds the
// decisions too; they are older than the approvals that they ask for.
func (a *app) sources() []correlation.Source {
	return []correlation.Source{a.approvals, a.events, a.webhooks, a.automation}
}

// close stops what runs and releases what is open: the worker before what it works
// with, the database at the end.
func (a *app) close(ctx context.Context) error {
	var errs []error
	for _, release := range slices.Backward(a.closers) {
		errs = append(errs, release(ctx))
	}
	return errors.Join(errs...)
}

// sessionKey returns the key that signs cookies: one a database, so that the
// processes that share it know each other's sessions, and sealed, so that whoever
// reads the database cannot sign in.
func sessionKey(ctx context.Context, settings *shop.Store, vault *secrets.Vault) ([]byte, error) {
	const tenant, purpose, id = "merchantadmin", "session", "key"
	key := make([]byte, 32)
	rand.Read(key)
	fresh, err := vault.Seal(ctx, tenant, purpose, id, key)
	if err != nil {
		return nil, err
	}
	sealed, err := settings.Setting(ctx, "session_key", fresh)
	if err != nil {
		return nil, err
	}
	key, err = vault.Open(ctx, tenant, purpose, id, sealed)
	if err != nil {
		return nil, fmt.Errorf("the keys are not those this database was made with (see -keys): %w", err)
	}
	return key, nil
}

// join returns the handlers of all services by their kind.
func join(services ...map[string]jobs.Handler) map[string]jobs.Handler {
	all := map[string]jobs.Handler{}
	for _, handlers := range services {
		maps.Copy(all, handlers)
	}
	return all
}
