package flags

import (
	"cmp"
	"context"
	"reflect"
	"testing"

	"github.com/lumelle/adminkit/flags/targeting"
)

// TestTheShortWayOfReadsIsTheSame holds reads from the kit's own provider, which copy no
// evaluation, to their details.
func TestTheShortWayOfReadsIsTheSame(t *testing.T) {
	t.Parallel()
	number := serving("number", "one")
	number.ValueType, number.Variants = Number, map[string]any{"one": 1.0}
	half := number
	half.Key, half.Variants = "half", map[string]any{"one": 0.5}
	off := inProd(State{})
	off.Key = "off"
	required := requiring(AttrRisk)
	required.Key = "required"
	p, s := loaded(t, typical("typical"), serving("text", "dark"), number, half, off, required)
	client, err := NewClient(p)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	for _, stale := range []bool{false, true} {
		if stale {
			s.set(func() { s.fail = errSlow })
			p.Load(ctx, "acme")
		}
		for _, key := range []string{"typical", "text", "number", "half", "off", "required", "nothing"} {
			for _, who := range []*Subject{merchant(), nil, {}, {Tenant: "acme"}} {
				var own Evaluation
				if got, want := *client.Read(ctx, key, who, &own), p.Evaluate(ctx, key, cmp.Or(who, &nobody)); !reflect.DeepEqual(got, want) {
					t.Errorf("%s as it is: got %+v, want %+v", key, got, want)
				}
				if got, want := client.Bool(ctx, key, true, who), client.BoolDetails(ctx, key, true, who).Value; got != want {
					t.Errorf("%s as bool: got %v, want %v", key, got, want)
				}
				if got, want := client.String(ctx, key, "x", who), client.StringDetails(ctx, key, "x", who).Value; got != want {
					t.Errorf("%s as string: got %v, want %v", key, got, want)
				}
				if got, want := client.Float(ctx, key, 7, who), client.FloatDetails(ctx, key, 7, who).Value; got != want {
					t.Errorf("%s as float: got %v, want %v", key, got, want)
				}
				if got, want := client.Int(ctx, key, 7, who), client.IntDetails(ctx, key, 7, who).Value; got != want {
					t.Errorf("%s as int: got %v, want %v", key, got, want)
				}
			}
		}
	}
}

// A handle remembers where its flag was; what it reads is the flag of now, of the tenant
// of the subject.
func TestAHandleReadsTheFlagOfNow(t *testing.T) {
	t.Parallel()
	p, s := loaded(t, serving("theme", "dark"))
	client, err := NewClient(p)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	theme, nothing := NewString(client, "theme", "none"), NewString(client, "nothing", "none")
	reads := func(tenant, want string) {
		t.Helper()
		for range 3 {
			if got := theme.Get(ctx, &Subject{Tenant: tenant, Key: "m-1"}); got != want {
				t.Errorf("%s: got %q, want %q", tenant, got, want)
			}
			if got := nothing.Get(ctx, &Subject{Tenant: tenant, Key: "m-1"}); got != "none" {
				t.Errorf("%s: got %q of a flag that there is not", tenant, got)
			}
		}
	}
	write := func(tenant string, v Version) {
		t.Helper()
		s.set(func() {
			v.Change = int64(len(s.versions[tenant]) + 1)
			s.versions[tenant] = append(s.versions[tenant], v)
		})
		if err := p.Load(ctx, tenant); err != nil {
			t.Fatal(err)
		}
	}
	reads("acme", "dark")
	write("acme", new(shelf).flag("acme", serving("theme", "light")))
	reads("acme", "light")
	write("umbra", new(shelf).flag("umbra", serving("theme", "dark")))
	for range 2 {
		reads("umbra", "dark")
		reads("acme", "light")
	}
	write("acme", Version{Kind: KindFlag, Key: "theme", Revision: 3, Deleted: true})
	reads("acme", "none")
	reads("umbra", "dark")
}

func TestTheIndexOfASplitIsThatOfItsPick(t *testing.T) {
	t.Parallel()
	split, err := targeting.CompileSplit(targeting.Split{By: []string{"a", "b"}, Weights: targeting.Shares{{Variant: "x", Weight: 1}, {Variant: "y"}, {Variant: "z", Weight: 3}}}, "salt", targeting.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		for _, s := range []targeting.Attributes{{"a": targeting.Int(int64(i))}, {"b": targeting.Int(int64(i))}, {"a": targeting.Number(0.5), "b": targeting.Int(int64(i))}, {}} {
			pick, ok := split.Pick(s)
			if got, found := split.Index(s); got != pick.Index || found != ok {
				t.Fatalf("%v: got %d, %t, want %d, %t", s, got, found, pick.Index, ok)
			}
		}
	}
}
