package audit_test

import (
	"context"
	"encoding/json"
	"testing"

	oracle "github.com/gowebpki/jcs"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/memory"
)

// BenchmarkRecord is the canonical form of a typed event, with its hash.
func BenchmarkRecord(b *testing.B) {
	e := fixed()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := audit.NewRecord(e); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRecordNaive is the same by way of encoding/json and another implementation
// of RFC 8785.
func BenchmarkRecordNaive(b *testing.B) {
	e := fixed()
	b.ReportAllocs()
	for b.Loop() {
		doc, err := json.Marshal(e)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := oracle.Transform(doc); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAppend is one event in a transaction of its own, in memory.
func BenchmarkAppend(b *testing.B) {
	log := benchLog(b)
	e := fixed()
	b.ReportAllocs()
	for b.Loop() {
		e.ID = storage.NewID()
		if err := log.Append(context.Background(), e); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkQuery is the latest page of fifty among ten thousand events.
func BenchmarkQuery(b *testing.B) {
	log := benchLog(b)
	e := fixed()
	for range 10_000 {
		e.ID = storage.NewID()
		if err := log.Append(context.Background(), e); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := log.Query(context.Background(), "acme", audit.Query{Limit: 50, Descending: true}); err != nil {
			b.Fatal(err)
		}
	}
}

func benchLog(b *testing.B) *audit.Log {
	b.Helper()
	backend, err := memory.New(memory.Config{})
	if err != nil {
		b.Fatal(err)
	}
	log, err := audit.NewLog(backend.Audit(), audit.LogConfig{})
	if err != nil {
		b.Fatal(err)
	}
	return log
}
