package webhookstest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/storagetest/ruletest"
	"github.com/lumelle/adminkit/webhooks"
)

var attemptRules = []storeRule{
	{"MS-104", "an attempt comes back as it was inserted", "it is what both sides look at when they disagree", func(e *storeEnv) {
		want := e.attempt("d1", 1)
		want.At = morning.Add(789).In(time.FixedZone("", 3600))
		want.Duration, want.Error = 1500*time.Microsecond+789, strings.Join(spellings, "")
		want.Response = []byte{0, 1, 127, 128, 255}
		e.try(want)
		want.At, want.Duration = morning, 1500*time.Microsecond
		e.same(e.attempts("d1"), []webhooks.Attempt{want}, "the attempts")
	}},
	{"MS-105", "an attempt without an answer has none", "an empty answer must not differ from store to store", func(e *storeEnv) {
		a := webhooks.Attempt{Tenant: e.tenant, DeliveryID: "d1", N: 1, At: morning, Class: webhooks.ClassTimeout}
		e.try(a)
		e.same(e.attempts("d1"), []webhooks.Attempt{a}, "the attempts")
	}},
	{"MS-106", "an answer that is stored and one that was read are copies", "a caller's buffer is used again", func(e *storeEnv) {
		a := e.attempt("d1", 1)
		e.try(a)
		for range 2 {
			a.Response[0] = 'x'
			a = e.attempts("d1")[0]
			e.same(string(a.Response), "sorry", "the answer")
		}
	}},
	{"MS-107", "attempts are read by their number", "ten comes after nine, whatever was written first", func(e *storeEnv) {
		for _, n := range []int{10, 2, 9, 1} {
			e.try(e.attempt("d1", n))
		}
		want := []webhooks.Attempt{e.attempt("d1", 1), e.attempt("d1", 2), e.attempt("d1", 9), e.attempt("d1", 10)}
		e.same(e.attempts("d1"), want, "the attempts")
	}},
	{"MS-108", "an attempt whose number is taken is a conflict, and the first one stays", "what was recorded is never changed", func(e *storeEnv) {
		e.furnish()
		e.unchanged("the refused attempt", func() {
			a := e.attempt("d1", 1)
			a.StatusCode, a.Error = 200, ""
			e.wantErr(e.store.InsertAttempt(e.ctx, e.tenant, a), storage.ErrConflict, "insert")
		})
	}},
	{"MS-109", "of many attempts of one number exactly one is recorded", "two workers that both think the job is theirs are told apart here", func(e *storeEnv) {
		e.oneOf(ruletest.Together(func(i int) error {
			a := e.attempt("d1", 1)
			a.StatusCode = i
			return e.store.InsertAttempt(e.ctx, e.tenant, a)
		}), "insert")
	}},
	{"MS-110", "attempts are those of the delivery and the tenant", "an answer may hold what only its owner may see", func(e *storeEnv) {
		o := e.other()
		e.try(e.attempt("d1", 1), e.attempt("d2", 1), e.attempt("D1", 1))
		o.try(o.attempt("d1", 1), o.attempt("d1", 2))
		e.same(e.attempts("d1"), []webhooks.Attempt{e.attempt("d1", 1)}, "the attempts")
		e.same(len(e.attempts("d3")), 0, "those of none")
		e.same(len(o.attempts("d2")), 0, "those of a delivery of another tenant")
	}},
	{"MS-111", "of very many attempts the latest are read", "a delivery that was redelivered for years is shown with how it went last", func(e *storeEnv) {
		const more = storage.MaxLimit + 2
		e.tx(func(e *storeEnv) error {
			for n := range more {
				a := e.attempt("d1", n+1)
				a.Response = nil
				e.try(a)
			}
			return nil
		})
		got := e.attempts("d1")
		if len(got) != storage.MaxLimit || got[0].N != 3 || got[len(got)-1].N != more {
			e.Errorf("got %d attempts, want %d from the third to the last", len(got), storage.MaxLimit)
		}
	}},
	{"MS-112", "a long answer is kept whole", "operators read what the receiver said up to webhooks.MaxResponse", func(e *storeEnv) {
		a := e.attempt("d1", 1)
		a.Response = bytes.Repeat([]byte{0xff}, webhooks.MaxResponse)
		a.Error = strings.Repeat("x", webhooks.MaxError)
		e.try(a)
		e.same(e.attempts("d1"), []webhooks.Attempt{a}, "the attempts")
	}},
}

// undoes is the rule for one write in a transaction that is rolled back: it is seen
// inside and leaves nothing.
func undoes(write func(e *storeEnv) error) func(e *storeEnv) {
	return func(e *storeEnv) {
		e.furnish()
		e.unchanged("the write that was rolled back", func() {
			e.undone(write)
		})
	}
}

const whyUndo = "what is announced and recorded must have happened: a change and its webhooks are there together or not at all"

// writes are the writing methods, each with a call that changes what furnish made.
var writes = map[string]func(e *storeEnv) error{
	"InsertEndpoint": func(e *storeEnv) error {
		return e.store.InsertEndpoint(e.ctx, e.tenant, e.endpoint("e2", "a.b"), secret("first"))
	},
	"UpdateEndpoint": func(e *storeEnv) error {
		p := e.endpoint("e1", "a.c")
		p.Revision, p.Description = 2, "moved"
		return e.store.UpdateEndpoint(e.ctx, e.tenant, p, 1)
	},
	"DeleteEndpoint": func(e *storeEnv) error { return e.store.DeleteEndpoint(e.ctx, e.tenant, "e1", 1) },
	"SetSecrets": func(e *storeEnv) error {
		return e.store.SetSecrets(e.ctx, e.tenant, "e1", []webhooks.Secret{secret("second")})
	},
	"ReplaceSealed": func(e *storeEnv) error {
		_, err := e.store.ReplaceSealed(e.ctx, e.tenant, sealed("e1", "first", "sealed first"), []byte("fresh"))
		return err
	},
	"SetHealth": func(e *storeEnv) error {
		return e.store.SetHealth(e.ctx, e.tenant, "e1", webhooks.Health{Failures: 9})
	},
	"InsertMessage": func(e *storeEnv) error {
		m := e.message("m2")
		_, err := e.store.InsertMessage(e.ctx, e.tenant, m, []webhooks.Delivery{e.delivery(m, "d2", "e1")})
		return err
	},
	"PutDelivery": func(e *storeEnv) error {
		d := e.delivery(e.message("m1"), "d1", "e1")
		d.Held, d.Attempts = true, 9
		return e.store.PutDelivery(e.ctx, e.tenant, d)
	},
	"InsertAttempt": func(e *storeEnv) error { return e.store.InsertAttempt(e.ctx, e.tenant, e.attempt("d1", 2)) },
}

// reads are the reading methods, each with a call that finds what furnish made.
var reads = map[string]func(e *storeEnv) error{
	"GetEndpoint": func(e *storeEnv) error {
		_, _, err := e.store.GetEndpoint(e.ctx, e.tenant, "e1", false)
		return err
	},
	"ListEndpoints": func(e *storeEnv) error {
		page, err := e.store.ListEndpoints(e.ctx, e.tenant, webhooks.EndpointQuery{})
		return some(len(page.Items), err)
	},
	"CountEndpoints": func(e *storeEnv) error {
		n, err := e.store.CountEndpoints(e.ctx, e.tenant, false)
		return some(int(n), err)
	},
	"Secrets": func(e *storeEnv) error {
		list, err := e.store.Secrets(e.ctx, e.tenant, "e1")
		return some(len(list), err)
	},
	"ListSecrets": func(e *storeEnv) error {
		page, err := e.store.ListSecrets(e.ctx, e.tenant, webhooks.SecretQuery{})
		return some(len(page.Items), err)
	},
	"Subscribers": func(e *storeEnv) error {
		list, err := e.store.Subscribers(e.ctx, e.tenant, []string{"a.b"})
		return some(len(list), err)
	},
	"GetMessage": func(e *storeEnv) error {
		_, err := e.store.GetMessage(e.ctx, e.tenant, "m1")
		return err
	},
	"GetDelivery": func(e *storeEnv) error {
		_, err := e.store.GetDelivery(e.ctx, e.tenant, "d1", false)
		return err
	},
	"ListDeliveries": func(e *storeEnv) error {
		page, err := e.store.ListDeliveries(e.ctx, e.tenant, webhooks.DeliveryQuery{})
		return some(len(page.Items), err)
	},
	"HeldDeliveries": func(e *storeEnv) error {
		list, err := e.store.HeldDeliveries(e.ctx, e.tenant, "e1", 10)
		return some(len(list), err)
	},
	"Attempts": func(e *storeEnv) error {
		list, err := e.store.Attempts(e.ctx, e.tenant, "d1")
		return some(len(list), err)
	},
}

// some answers storage.ErrNotFound where a read found nothing.
func some(n int, err error) error {
	if err == nil && n == 0 {
		return storage.ErrNotFound
	}
	return err
}

var transactionRules = []storeRule{
	{"MS-113", "an endpoint that was inserted in a transaction goes with it", whyUndo, undoes(writes["InsertEndpoint"])},
	{"MS-114", "an update that was rolled back did not happen", whyUndo, undoes(writes["UpdateEndpoint"])},
	{"MS-115", "a deletion that was rolled back did not happen", whyUndo, undoes(writes["DeleteEndpoint"])},
	{"MS-116", "secrets that were set in a transaction go with it", whyUndo, undoes(writes["SetSecrets"])},
	{"MS-117", "a secret that was sealed again in a transaction is as before without it", whyUndo, undoes(writes["ReplaceSealed"])},
	{"MS-118", "health that was set in a transaction goes with it", whyUndo, undoes(writes["SetHealth"])},
	{"MS-119", "a message that was inserted in a transaction goes with it and its deliveries", whyUndo, undoes(writes["InsertMessage"])},
	{"MS-120", "a delivery that was put in a transaction is as before without it", whyUndo, undoes(writes["PutDelivery"])},
	{"MS-121", "an attempt that was inserted in a transaction goes with it", whyUndo, undoes(writes["InsertAttempt"])},
	{"MS-122", "every write is seen in its transaction", "a service reads what it wrote and goes on with it", func(e *storeEnv) {
		for name, write := range writes {
			o := *e
			o.tenant = "tenant-" + storage.NewID()
			o.furnish()
			o.undone(func(e *storeEnv) error {
				before := fmt.Sprintf("%+v", e.picture())
				e.must(write(e), name)
				if fmt.Sprintf("%+v", e.picture()) == before {
					e.Errorf("%s is not seen in its transaction", name)
				}
				return nil
			})
		}
	}},
	{"MS-123", "every read sees what its transaction wrote", "a reader that looks past the transaction of its ctx decides by what was before", func(e *storeEnv) {
		e.undone(func(e *storeEnv) error {
			e.furnish()
			d := e.delivery(e.message("m1"), "d1", "e1")
			d.Held = true
			e.must(e.store.PutDelivery(e.ctx, e.tenant, d), "hold")
			for name, read := range reads {
				if err := read(e); err != nil {
					e.Errorf("%s: %v", name, err)
				}
			}
			return nil
		})
	}},
	{"MS-124", "what a transaction wrote is there after its commit as it was seen inside", "an answer of nil means that it is there", func(e *storeEnv) {
		var inside picture
		e.tx(func(e *storeEnv) error {
			e.furnish()
			for _, name := range []string{"InsertEndpoint", "SetSecrets", "InsertMessage", "PutDelivery", "InsertAttempt", "UpdateEndpoint"} {
				e.must(writes[name](e), name)
			}
			inside = e.picture()
			return nil
		})
		e.same(e.picture(), inside, "after the commit")
	}},
	{"MS-125", "a savepoint that was rolled back takes its writes and leaves those before and after", "a step that failed is undone, and the change goes on without it", func(e *storeEnv) {
		e.furnish()
		e.tx(func(e *storeEnv) error {
			e.must(writes["InsertMessage"](e), "before the savepoint")
			e.unchanged("the savepoint", func() {
				e.undone(func(e *storeEnv) error {
					return errors.Join(writes["PutDelivery"](e), writes["InsertAttempt"](e), writes["DeleteEndpoint"](e))
				})
			})
			e.must(writes["InsertEndpoint"](e), "after the savepoint")
			return nil
		})
		e.same(endpointIDs(e.endpoints(10, nil)), []string{"e1", "e2"}, "the endpoints")
		e.same(len(e.attempts("d1")), 1, "the number of attempts")
		if _, err := e.store.GetMessage(e.ctx, e.tenant, "m2"); err != nil {
			e.Errorf("the message that was inserted before: %v", err)
		}
	}},
	{"MS-126", "no method works under a transaction that has ended", "a ctx that outlived its transaction must not write past it. storage.ErrTxDone", func(e *storeEnv) {
		e.furnish()
		var late *storeEnv
		e.undone(func(e *storeEnv) error {
			late = e
			return nil
		})
		for _, calls := range []map[string]func(e *storeEnv) error{writes, reads} {
			for name, call := range calls {
				e.wantErr(call(late), storage.ErrTxDone, name)
			}
		}
	}},
	{"MS-127", "no method works under another backend's transaction", "a write that is not in the transaction it was meant for is not undone with it. storage.ErrForeignTx", func(e *storeEnv) {
		e.furnish()
		foreign := e.in(storage.WithTx(e.ctx, foreignTx{}))
		e.unchanged("the calls", func() {
			for _, calls := range []map[string]func(e *storeEnv) error{writes, reads} {
				for name, call := range calls {
					e.wantErr(call(foreign), storage.ErrForeignTx, name)
				}
			}
		})
	}},
	{"MS-128", "a refused write leaves its transaction usable", "a service that lost the race records that, in the same transaction", func(e *storeEnv) {
		e.furnish()
		e.tx(func(e *storeEnv) error {
			m := e.message("m2")
			_, twice := e.store.InsertMessage(e.ctx, e.tenant, e.message("m1"), nil)
			e.must(twice, "insert a message that is known")
			p := e.endpoint("e1", "a.b")
			e.wantErr(e.store.InsertEndpoint(e.ctx, e.tenant, p, secret("second")), storage.ErrConflict, "insert an endpoint that is there")
			e.wantErr(e.store.UpdateEndpoint(e.ctx, e.tenant, p, 7), storage.ErrConflict, "update for another revision")
			e.wantErr(e.store.InsertAttempt(e.ctx, e.tenant, e.attempt("d1", 1)), storage.ErrConflict, "insert an attempt that is there")
			e.send(m, e.delivery(m, "d2", "e1"))
			return nil
		})
		e.same(e.read("d2").MessageID, "m2", "what was written after it")
	}},
}

// A foreignTx is a transaction of no backend.
type foreignTx struct{}

func (foreignTx) Owner() any              { return foreignTx{} }
func (foreignTx) AfterCommit(func()) bool { return false }

var _ storage.Tx = foreignTx{}
