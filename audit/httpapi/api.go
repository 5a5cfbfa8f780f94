package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/idempotency"
)

// An Identity is who asks, and for which tenant.
type Identity struct {
	Tenant string
	Actor  audit.Actor
}

// Person returns one text for the actor: its type, a colon and its id. What a person has
// for herself in a tenant is kept under it.
func (i Identity) Person() string { return i.Actor.Type + ":" + i.Actor.ID }

// Identify names who sent a request. It answers [ErrUnauthenticated] where nobody
// did, and storage.ErrNotFound for a tenant that the person has no part in.
type Identify func(r *http.Request) (Identity, error)

// Config configures the surfaces of one host. They may share one.
type Config struct {
	// Identify is required.
	Identify Identify
	// Tx, Idempotency and Vault make POSTs repeatable and go together. Where they are
	// nil, a request with an Idempotency-Key is refused, because a promise that is not
	// kept is worse than none.
	Tx          storage.Transactor
	Idempotency idempotency.Store
	// Vault seals the bodies of kept answers: one of them may show a secret that is
	// shown once. A secrets.Vault is one.
	Vault Vault
	// Saved finds the filters that people keep, so that every list takes the parameter
	// "saved". Where it is nil, no list does.
	Saved SavedFilters
	// Logger gets the causes of 5xx answers; nil discards them.
	Logger *slog.Logger
	// Now defaults to the clock.
	Now func() time.Time
}

// A Vault encrypts what is kept, bound to a tenant, a purpose and an id.
type Vault interface {
	// Seal returns plain encrypted.
	Seal(ctx context.Context, tenant, purpose, id string, plain []byte) ([]byte, error)
	// Open returns what Seal was given for the same tenant, purpose and id, and an error
	// where sealed is anything else.
	Open(ctx context.Context, tenant, purpose, id string, sealed []byte) ([]byte, error)
}

// An API registers handlers under a [Config].
type API struct{ cfg Config }

// New checks cfg.
func New(cfg Config) (*API, error) {
	if cfg.Identify == nil {
		return nil, errors.New("httpapi: no Identify")
	}
	if (cfg.Tx == nil) != (cfg.Idempotency == nil) || (cfg.Tx == nil) != (cfg.Vault == nil) {
		return nil, errors.New("httpapi: Tx, Idempotency and Vault go together")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &API{cfg: cfg}, nil
}

// A Handler answers a request or returns an error. It does not write before it knows
// that it will not return one.
type Handler func(w http.ResponseWriter, r *http.Request, who Identity) error

// Handle registers h for a pattern of http.ServeMux. The ctx of the request acts as
// the identified actor. A POST honours its Idempotency-Key.
func (a *API) Handle(mux *http.ServeMux, pattern string, h Handler) {
	post := strings.HasPrefix(pattern, "POST ")
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		who, err := a.cfg.Identify(r)
		if err != nil {
			a.Error(w, r, err)
			return
		}
		r = r.WithContext(a.withSaved(audit.WithActor(r.Context(), who.Actor), who))
		if key := r.Header.Values("Idempotency-Key"); post && len(key) > 0 {
			err = a.once(w, r, who, key, h)
		} else {
			err = h(w, r, who)
		}
		if err != nil {
			a.Error(w, r, err)
		}
	})
}

// Error answers err as its problem and logs the cause of a 5xx.
func (a *API) Error(w http.ResponseWriter, r *http.Request, err error) {
	p := *ProblemOf(err)
	p.RequestID = audit.OriginFrom(r.Context()).RequestID
	if p.Status >= http.StatusInternalServerError {
		a.logFault(r, p.Status, err)
	}
	for name, v := range p.Header {
		w.Header().Set(name, v)
	}
	if err := write(w, p.Status, "application/problem+json", p); err != nil {
		a.cfg.Logger.DebugContext(r.Context(), "answer not written", "error", err)
	}
}

// logFault logs the cause of a 5xx.
func (a *API) logFault(r *http.Request, status int, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	a.cfg.Logger.ErrorContext(r.Context(), "request failed",
		"method", r.Method, "path", r.URL.Path, "status", status, "request_id", audit.OriginFrom(r.Context()).RequestID, "error", err)
}

// Mux returns a ServeMux that answers unknown paths and methods with problems.
func (a *API) Mux(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		// The mux knows whether it is the path or the method, and the Allow header.
		probe := newBuffer()
		mux.ServeHTTP(probe, r)
		if allow := probe.header.Get("Allow"); allow != "" {
			p := NewProblem(http.StatusMethodNotAllowed, "method_not_allowed", "The path exists, the method does not.")
			p.Header = map[string]string{"Allow": allow}
			a.Error(w, r, p)
			return
		}
		a.Error(w, r, storage.ErrNotFound)
	})
}
