package targeting

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cespare/xxhash/v2"
)

func TestTheHashIsXXH64(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		seed uint64
		text string
		want uint64
	}{
		{0, "", 0xef46db3751d8e999},
		{0, "a", 0xd24ec4f1a98c6e5b},
		{1, "a", 0xdec2bc81c3cd46c6},
	} {
		if got := xxh64(c.seed, c.text); got != c.want {
			t.Errorf("xxh64(%d, %q) = %x, want %x", c.seed, c.text, got, c.want)
		}
	}
}

// Every length up to several stripes, which are where such a hash goes wrong.
func TestTheHashAgreesWithAnother(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for length := range 200 {
		for range 5 {
			b := make([]byte, length)
			for i := range b {
				b[i] = byte(random.Uint32())
			}
			seed, tag := random.Uint64(), uint16(random.Uint32())
			if got, want := xxh64(seed, string(b)), oracle(seed, b); got != want {
				t.Fatalf("xxh64(%d, %x) = %x, want %x", seed, b, got, want)
			}
			tagged := append([]byte{byte(tag), byte(tag >> 8)}, b...)
			if got, want := xxh64Tagged(seed, tag, string(b)), oracle(seed, tagged); got != want {
				t.Fatalf("xxh64Tagged(%d, %x, %x) = %x, want %x", seed, tag, b, got, want)
			}
		}
	}
}

func oracle(seed uint64, b []byte) uint64 {
	d := xxhash.NewWithSeed(seed)
	_, _ = d.Write(b) // never fails
	return d.Sum64()
}

// The vectors that every later version has to meet: whoever changes one moves people.
func TestTheSlotsOfKeysNeverChange(t *testing.T) {
	t.Parallel()
	if h := xxh64Tagged(xxh64(0, "checkout-v2"), tagInteger, "1001"); h != 0xe169a64443181404 {
		t.Errorf("the integer 1001 hashes to %x", h)
	}
	for _, c := range []struct {
		key                         string
		hash, slot                  uint64
		unleash, variant1, murmured uint64
	}{
		{"merchant-1001", 0x788654bfb7e0110c, 470799729, 95, 710, 0xe50adba4},
		{"merchant-1002", 0x705cddd2a7bbe7f2, 438917030, 81, 782, 0x8f6fb393},
		{"Zoë-😀", 0x10a311b5c1131278, 64988238, 34, 532, 0x21f1344f},
	} {
		t.Run(c.key, func(t *testing.T) {
			t.Parallel()
			if got := xxh64(xxh64(0, "checkout-v2"), "s:"+c.key); got != c.hash {
				t.Errorf("the hash is %x, want %x", got, c.hash)
			}
			if got := uint64(murmur3(0, []byte("checkout-v2"+c.key))); got != c.murmured {
				t.Errorf("murmur3 is %x, want %x", got, c.murmured)
			}
			for _, s := range []struct {
				scheme Scheme
				total  float64
				want   uint64
			}{{X1, 1, c.slot}, {Unleash, 100, c.unleash - 1}, {UnleashVariant, 1000, c.variant1 - 1}} {
				sp := splitter(t, Split{Scheme: s.scheme, Weights: Shares{{"on", s.total / 2}, {"off", s.total / 2}}}, "checkout-v2")
				p, ok := sp.Pick(Attributes{"merchantId": String(c.key)})
				if !ok || p.Slot != s.want {
					t.Errorf("%s: slot %d, %v, want %d", s.scheme, p.Slot, ok, s.want)
				}
			}
		})
	}
}

func splitter(t interface {
	Helper()
	Fatal(...any)
}, s Split, salt string) *Splitter {
	t.Helper()
	sp, err := CompileSplit(s, salt, Options{})
	if err != nil {
		t.Fatal(fmt.Sprint(err))
	}
	return sp
}
