package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/lumelle/adminkit/examples/merchantadmin/shop"
	"github.com/lumelle/adminkit/storage/secrets"
)

// An app is the admin: the one place where the domains of the kit and the host's own
// business meet.
type app struct {
	cfg    config
	log    *slog.Logger
	db     backend
	vault  *secrets.Vault
	people *directory
	pages  *pages
	orders *shop.Store
}

// openApp opens the database and wires everything to it. Nothing runs yet.
func openApp(ctx context.Context, cfg config, log *slog.Logger) (_ *app, err error) {
	vault, err := openVault(cfg, log)
	if err != nil {
		return nil, err
	}
	db, err := openBackend(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close(context.WithoutCancel(ctx)))
		}
	}()
	a := &app{cfg: cfg, log: log, db: db, vault: vault}
	if a.pages, err = newPages(); err != nil {
		return nil, err
	}
	if a.orders, err = shop.Open(ctx, db); err != nil {
		return nil, err
	}
	key, err := sessionKey(ctx, a.orders, vault)
	if err != nil {
		return nil, err
	}
	a.people = &directory{sessions: &sessions{key: key, now: time.Now}, now: time.Now}
	if cfg.demo {
		a.people.people = demoPeople()
		if err := a.orders.SeedDemo(ctx, merchants...); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// close stops what runs and releases the database.
func (a *app) close(ctx context.Context) error {
	return a.db.Close(ctx)
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
