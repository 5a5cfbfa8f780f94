package httpapi

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/correlation"
	"github.com/lumelle/adminkit/storage"
)

// Edge returns the middleware that a host puts around all of its handlers, once.
//
// It continues the trace of the caller's traceparent in a span of its own, or starts
// one; puts that trace and the origin of the request into ctx; answers with
// Traceparent and X-Request-Id; and turns a panic into a 500 whose stack goes to
// logger only. A caller's X-Request-Id is kept when it is 1 to 128 visible ASCII
// characters.
func Edge(logger *slog.Logger, next http.Handler) http.Handler {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	fallback := &API{cfg: Config{Logger: logger}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		trace := correlation.Extract(r.Header).Child()
		origin := audit.Origin{SourceIP: sourceIP(r), UserAgent: clean(r.UserAgent()), RequestID: requestID(r)}
		ctx := audit.WithOrigin(correlation.With(r.Context(), trace), origin)
		w.Header().Set("Traceparent", trace.Traceparent())
		w.Header().Set("X-Request-Id", origin.RequestID)
		tracked := &tracker{ResponseWriter: w}
		defer func() {
			switch cause := recover(); cause {
			case nil:
			case http.ErrAbortHandler:
				panic(cause)
			default:
				logger.ErrorContext(ctx, "handler panicked", "request_id", origin.RequestID,
					"panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
				if tracked.started {
					panic(http.ErrAbortHandler) // half an answer must not look whole
				}
				fallback.Error(w, r.WithContext(ctx), fmt.Errorf("panic: %v", cause))
			}
		}()
		next.ServeHTTP(tracked, r.WithContext(ctx))
	})
}

// A tracker knows whether an answer has begun.
type tracker struct {
	http.ResponseWriter
	started bool
}

func (t *tracker) WriteHeader(status int) {
	t.started = true
	t.ResponseWriter.WriteHeader(status)
}

func (t *tracker) Write(p []byte) (int, error) {
	t.started = true
	return t.ResponseWriter.Write(p)
}

// Unwrap serves http.ResponseController.
func (t *tracker) Unwrap() http.ResponseWriter { return t.ResponseWriter }

func sourceIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}

func requestID(r *http.Request) string {
	id := r.Header.Get("X-Request-Id")
	if id == "" || len(id) > 128 {
		return storage.NewID()
	}
	for _, c := range []byte(id) {
		if c <= ' ' || c > '~' {
			return storage.NewID()
		}
	}
	return id
}

// clean makes a header fit to be stored: bounded, and without what is not text.
func clean(s string) string {
	if len(s) > 512 {
		s = s[:512]
	}
	s = strings.ToValidUTF8(s, "")
	return strings.ReplaceAll(s, "\x00", "")
}
