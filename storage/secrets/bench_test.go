package secrets_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/lumelle/adminkit/storage/secrets"
	"github.com/lumelle/adminkit/storage/secrets/credentials"
	"github.com/lumelle/adminkit/storage/secrets/sealed"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func BenchmarkVault(b *testing.B) {
	v := newVault(b, generate(b))
	s := seal(b, v, "acme", "e1")
	b.Run("seal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			seal(b, v, "acme", "e1")
		}
	})
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Open(b.Context(), "acme", purpose, "e1", s); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// One operation is one credential sealed again under a new key, in a transaction.
func BenchmarkRotator(b *testing.B) {
	const values = 200
	for _, kind := range eachtest.Kinds(b) {
		b.Run(kind.Name, func(b *testing.B) {
			backend := kind.Open(b)
			keys := generate(b)
			v := newVault(b, keys)
			creds, err := credentials.New(backend.Credentials(), v, credentials.Config{})
			must(b, err)
			for i := range values {
				_, err := creds.Create(b.Context(), "acme", credentials.Input{Name: fmt.Sprintf("c%d", i), Kind: "k"}, secret)
				must(b, err)
			}
			r, err := secrets.NewRotator(v, tenants("acme"), []sealed.Source{credentials.SealedValues(backend.Credentials())}, secrets.RotatorConfig{Settle: time.Nanosecond})
			must(b, err)
			b.ReportAllocs()
			done := 0
			for b.Loop() {
				if done%values == 0 {
					b.StopTimer()
					keys, err = keys.Rotate()
					must(b, err)
					must(b, v.Use(keys))
					b.StartTimer()
					report, err := r.Run(b.Context())
					must(b, err)
					if report.Resealed != values {
						b.Fatalf("got %+v", report)
					}
				}
				done++
			}
		})
	}
}
