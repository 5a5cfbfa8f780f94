package flagadmin_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
	"github.com/lumelle/adminkit/audit/httpapi/httpapitest"
	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/flags/flagadmin"
)

// fill gives a tenant flags.
func (h *host) fill(tenant string, n int) {
	h.t.Helper()
	ctx := audit.WithActor(h.t.Context(), audit.Actor{Type: audit.User, ID: "sam"})
	for i := range n {
		f := flags.Flag{
			Key: fmt.Sprintf("%s-%02d", tenant, i*5%n), Type: flags.Types()[i%5], ValueType: flags.Bool,
			Variants: map[string]any{"on": true, "off": false}, Owner: []string{"", "web", "R & D"}[i%3], Description: []string{"", "new"}[i%2],
		}
		v, err := h.service.Create(ctx, tenant, f, "")
		must(h.t, err)
		if f = v.Flag; i%4 == 0 {
			f.Description += "!"
			_, err = h.service.Update(ctx, tenant, f, v.Revision, "")
			must(h.t, err)
		}
	}
}

func TestFlagsAreListedAsTheyAreDeclared(t *testing.T) {
	h := newHost(t)
	h.fill("acme", 13)
	h.fill("bloom", 3)
	httpapitest.List(t, httpapitest.ListUnderTest{
		Fields: flags.Flags().Info(), Sort: flags.Flags().Sort, URL: h.URL + "/flags", Own: h.As("audra@acme"), Stranger: h.As("nina@bloom"),
		Document: httpapitest.Load(t, flagadmin.OpenAPI()), Path: "/flags", ID: "key",
		Saved: h.saved, Name: flags.Flags().Name, Person: httpapi.Identity{Tenant: "acme", Actor: audit.Actor{Type: audit.User, ID: "audra"}},
	})
}

func TestManyFlagsAreDeletedEachAsIfItStoodAlone(t *testing.T) {
	h := newHost(t)
	h.fill("acme", 4)
	h.fill("bloom", 3)
	told := func(who, body string) (lines []string) {
		t.Helper()
		got := h.Want(h.Do(who, "POST", "/flags/bulk", body), 200)
		for _, i := range got.Body["items"].([]any) {
			item := i.(map[string]any)
			line := fmt.Sprint(item["id"], " ", item["status"])
			if p, ok := item["problem"].(map[string]any); ok {
				line += p["type"].(string)[strings.LastIndexByte(p["type"].(string), ':'):]
			}
			lines = append(lines, line)
		}
		return lines
	}
	const keys = `{"ids":["acme-00","bloom-00","acme-01"],"action":"delete","reason":"old"}`
	for _, c := range []struct {
		who, body string
		want      []string
	}{
		{"audra@acme", keys, []string{"acme-00 refused:denied", "bloom-00 refused:not_found", "acme-01 refused:denied"}},
		{"dana@acme", keys, []string{"acme-00 awaiting_approval", "bloom-00 refused:not_found", "acme-01 awaiting_approval"}},
		{"sam@acme", keys, []string{"acme-00 done", "bloom-00 refused:not_found", "acme-01 done"}},
		{"sam@acme", `{"filter":{"key":{"starts_with":"acme-"},"revision":{"gte":1}},"action":"delete"}`, []string{"acme-02 done", "acme-03 done"}},
	} {
		if got := told(c.who, c.body); !slices.Equal(got, c.want) {
			t.Errorf("%s %s: got %q, want %q", c.who, c.body, got, c.want)
		}
	}
	if got := h.Want(h.Do("nina@bloom", "GET", "/flags", ""), 200); len(got.Body["items"].([]any)) != 3 {
		t.Errorf("got %s", got.Text)
	}
}
