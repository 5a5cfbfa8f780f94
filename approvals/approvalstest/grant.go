package approvalstest

import (
	"context"
	"errors"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/storage"
)

var grantRules = []storeRule{
	{"CR-014", "a grant is used once",
		"The grant row is what makes an approved change happen once, whatever else goes wrong.", usedOnce},
	{"CR-015", "a grant is for one content, one event and one revision",
		"A grant that any change could use would approve everything.", boundGrant},
	{"CR-016", "a grant that was used in a rolled-back transaction is not used",
		"The change it was used for did not happen, and the next attempt needs the grant.", grantRollback},
}

// granted saves an approved request and returns its grant.
func (e *env) granted() approvals.Grant {
	e.Helper()
	r := e.request(id(1))
	r.State = approvals.StateApproved
	g := approvals.Grant{RequestID: r.ID, Revision: r.Revision, ContentHash: r.ContentHash, EventID: r.EventID, At: noon}
	e.must(e.Store.Save(e.Ctx, e.Tenant, approvals.Write{Request: r, Step: step(r), Revision: revision(r), Grant: &g}))
	return g
}

func (e *env) refused(what string, err error) {
	e.Helper()
	if !errors.Is(err, storage.ErrConflict) {
		e.Errorf("%s got %v, want ErrConflict", what, err)
	}
}

func usedOnce(e *env) {
	g := e.granted()
	e.must(e.Store.Consume(e.Ctx, e.Tenant, g, noon))
	e.refused("the second use", e.Store.Consume(e.Ctx, e.Tenant, g, noon))
}

func boundGrant(e *env) {
	g := e.granted()
	for what, change := range map[string]func(g *approvals.Grant){
		"another content":  func(g *approvals.Grant) { g.ContentHash = "0" },
		"another event":    func(g *approvals.Grant) { g.EventID = "0" },
		"another revision": func(g *approvals.Grant) { g.Revision = 2 },
		"another request":  func(g *approvals.Grant) { g.RequestID = "0" },
	} {
		wrong := g
		change(&wrong)
		e.refused(what, e.Store.Consume(e.Ctx, e.Tenant, wrong, noon))
	}
	e.must(e.Store.Consume(e.Ctx, e.Tenant, g, noon))
}

func grantRollback(e *env) {
	g := e.granted()
	undone := errors.New("undone")
	err := e.Backend.InTx(e.Ctx, func(ctx context.Context) error {
		e.must(e.Store.Consume(ctx, e.Tenant, g, noon))
		return undone
	})
	if !errors.Is(err, undone) {
		e.Fatalf("InTx answered %v", err)
	}
	e.must(e.Store.Consume(e.Ctx, e.Tenant, g, noon))
}
