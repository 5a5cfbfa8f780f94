package approvals_test

import (
	"fmt"
	"testing"

	"github.com/lumelle/adminkit/approvals"
	"github.com/lumelle/adminkit/audit"
)

// Three stages and twenty decisions, as a large request has them.
func BenchmarkEvaluate(b *testing.B) {
	p := approvals.Policy{Stages: []approvals.StageRule{{Name: "a", Required: 3}, {Name: "b", Required: 3}, {Name: "c", Required: 3}}}
	authors := []audit.Actor{{Type: audit.User, ID: "author"}}
	var ds []approvals.Decision
	for i := range 20 {
		ds = append(ds, approvals.Decision{
			Revision: 1, Stage: i % 3, Choice: approvals.Approve, Actor: audit.Actor{Type: audit.User, ID: fmt.Sprint("p", i%7)},
		})
	}
	b.ReportAllocs()
	for b.Loop() {
		approvals.Evaluate(p, nil, 1, authors, ds)
	}
}

// The price of binding an approval to a content.
func BenchmarkHash(b *testing.B) {
	e := approvable()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := approvals.Hash(e); err != nil {
			b.Fatal(err)
		}
	}
}
