package flags

import (
	"context"
	"slices"
	"testing"
	"time"
)

// BenchmarkReadWhileTheStoreIsLost reads by turns, a thousand times each, from a provider
// whose store is well and from one whose store is stopped, slow or corrupt. It reports the
// median of either in nanoseconds a read, and the second over the first.
func BenchmarkReadWhileTheStoreIsLost(b *testing.B) {
	for _, c := range []struct {
		name string
		lose func(b *testing.B, s *shelf)
	}{
		{"stopped", func(_ *testing.B, s *shelf) { s.set(func() { s.fail = errSlow }) }},
		{"slow", func(b *testing.B, s *shelf) {
			blocked := make(chan struct{})
			s.set(func() { s.blocked = blocked })
			b.Cleanup(func() { close(blocked) })
		}},
		{"corrupt", func(_ *testing.B, s *shelf) { s.putRaw("acme", KindFlag, "typical", []byte("{"), false) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			m := merchant()
			clients, times := [2]*Client{}, [2][]time.Duration{}
			for i := range clients {
				s := stocked(typical("typical"))
				p := newProvider(b, s, ProviderConfig{Poll: time.Hour, Timeout: 10 * time.Millisecond})
				if err := p.Load(b.Context(), "acme"); err != nil {
					b.Fatal(err)
				}
				if i == 1 {
					c.lose(b, s)
					ctx, cancel := context.WithTimeout(b.Context(), time.Second)
					_ = p.Load(ctx, "acme") // it fails, or nobody waits for it any more
					cancel()
				}
				client, err := NewClient(p)
				if err != nil {
					b.Fatal(err)
				}
				want := []Reason{ReasonSplit, ReasonStale}[i]
				if got := client.BoolDetails(b.Context(), "typical", false, m).Reason; got != want {
					b.Fatalf("the answer is %s, want %s", got, want)
				}
				clients[i] = client
			}
			b.ReportAllocs()
			for b.Loop() {
				for i, client := range clients {
					began := time.Now()
					for range 1000 {
						client.Bool(context.Background(), "typical", false, m)
					}
					times[i] = append(times[i], time.Since(began))
				}
			}
			p50 := [2]float64{}
			for i := range times {
				slices.Sort(times[i])
				p50[i] = float64(times[i][len(times[i])/2].Nanoseconds()) / 1000
			}
			b.ReportMetric(p50[0], "well-ns")
			b.ReportMetric(p50[1], "lost-ns")
			b.ReportMetric(p50[1]/p50[0], "lost/well")
			b.ReportMetric(0, "ns/op")
		})
	}
}
