package authztest

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"strings"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/authz"
)

// robustnessRules are about what should not happen.
var robustnessRules = []rule{
	{
		id: "AU-029", name: "the zero request is denied without a panic",
		explanation: "nil maps, no subject and no time are what a forgotten field looks like",
		run: func(e *env) {
			e.want(authz.Request{}, audit.Deny)
			r := refund(sam, "50.00")
			r.Subject = authz.Entity{}
			e.want(r, audit.Deny)
			r = refund(sam, "50.00")
			r.Resource = authz.Entity{}
			e.want(r, audit.Deny)
		},
	},
	{
		id: "AU-030", name: "hostile values are denied without a panic",
		explanation: "what reaches an authorizer was written by strangers: NULs, patterns, bytes that are no text, deep trees",
		run:         hostileValues,
	},
	{
		id: "AU-031", name: "an error denies",
		explanation: "a policy that cannot be read allows nothing, even to those it allowed a moment ago",
		breaks:      true,
		run: func(e *env) {
			e.want(refund(sam, "50.00"), audit.Allow)
			e.h.Break()
			for _, r := range everyKind() {
				e.want(r, audit.Deny)
			}
		},
	},
	{
		id: "AU-032", name: "a ctx that is done allows nothing",
		explanation: "the caller has given up; an answer that it does not wait for must not be yes",
		run: func(e *env) {
			ctx, cancel := context.WithCancelCause(e.ctx)
			cancel(errors.New("the caller has given up"))
			if d, _ := e.h.Authorizer.Authorize(ctx, refund(sam, "50.00")); d.Effect != audit.Deny {
				e.Errorf("a ctx that is done is answered %v", d.Effect)
			}
		},
	},
	{
		id: "AU-033", name: "reasons quote no internals",
		explanation: "the text of a reason is shown to whoever asked",
		run: func(e *env) {
			requests := append(everyKind(), refund(sam, "lots"), authz.Request{})
			for _, r := range requests {
				d := e.authorize(r)
				for _, word := range []string{"goroutine", ".go:", "panic", "runtime", "0x", "/payload", "SELECT"} {
					if strings.Contains(d.Reason.Text, word) || strings.Contains(d.Reason.Code, word) {
						e.Errorf("%s: the reason says %q: %s", describe(r), word, d.Reason.Text)
					}
				}
			}
		},
	},
	{
		id: "AU-034", name: "the request is left as it was",
		explanation: "a guard records what was asked after the answer; an authorizer that writes into the maps changes the record",
		run: func(e *env) {
			r := proven(refund(sam, json.Number("5000")), 0)
			r.Subject.Properties = map[string]any{"department": "care"}
			payload, context, properties := maps.Clone(r.Payload), maps.Clone(r.Context), maps.Clone(r.Subject.Properties)
			authn := *r.Authn
			e.authorize(r)
			if !reflect.DeepEqual(payload, r.Payload) || !reflect.DeepEqual(context, r.Context) ||
				!reflect.DeepEqual(properties, r.Subject.Properties) || !reflect.DeepEqual(authn, *r.Authn) ||
				len(r.Resource.Properties) != 0 {
				e.Errorf("the request is changed to %+v", r)
			}
		},
	},
}

func hostileValues(e *env) {
	deep := map[string]any{}
	inner := deep
	for range 10_000 {
		next := map[string]any{}
		inner["amount"] = next
		inner = next
	}
	for _, s := range []string{
		"\x00", "sam\x00", "\xff\xfe", strings.Repeat("s", 1<<20), "*", "sam*", "s?m", "[a-z]+", ".*", "sam|marco",
		"sam' OR '1'='1", `sam") || ("1"=="1`, "r.sub", "p.role", "${jndi}", "\u202esam", "..", "sam\n",
	} {
		e.want(refund(user(s), "50.00"), audit.Deny)
		r := refund(user("zoe"), "50.00")
		r.Resource.ID = s
		e.want(r, audit.Deny)
		r = refund(sam, "50.00")
		r.Tenant = s
		e.want(r, audit.Deny)
		r = refund(sam, "50.00")
		r.Action = s
		e.want(r, audit.Deny)
		r = refund(sam, "50.00")
		r.Resource.Type = s
		e.want(r, audit.Deny)
	}
	r := refund(sam, "50.00")
	r.Payload = deep
	e.want(r, audit.Deny)
	r.Payload = map[string]any{"amount": make(chan int)}
	e.want(r, audit.Deny)
}
