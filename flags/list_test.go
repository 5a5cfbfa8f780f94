package flags_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/lumelle/adminkit/flags"
	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/listing"
	"github.com/lumelle/adminkit/storage/listing/listingtest"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

func TestFlagsAreListedAsTheyAreDeclared(t *testing.T) {
	t.Parallel()
	must(t, flags.Flags().Check())
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		ticks := 0
		k := newKit(t, b, flags.Config{Now: func() time.Time {
			ticks++
			return time.Date(2026, 11, 1, 9, 0, 0, ticks/40*1000, time.UTC)
		}})
		var all []flags.FlagVersion
		for i := range 14 {
			f := flags.Flag{
				Key: fmt.Sprintf("f%02d", i*5%14), Type: flags.Types()[i%5], ValueType: flags.Bool,
				Variants: map[string]any{"on": true, "off": false}, Owner: []string{"", "web", "Web"}[i%3], Description: []string{"", "ä%", "a_"}[i%3],
			}
			v, err := k.service.Create(k.ctx, "acme", f, "")
			must(t, err)
			if i%4 == 0 {
				f = v.Flag
				f.Description += "!"
				v, err = k.service.Update(k.ctx, "acme", f, v.Revision, "")
				must(t, err)
			}
			all = append(all, v)
		}
		_, err := k.service.Create(k.ctx, "acme", flags.Flag{Key: "gone", Type: flags.TypeOps}, "")
		must(t, err)
		must(t, k.service.Delete(k.ctx, "acme", "gone", 0, ""))
		_, err = k.service.Create(k.ctx, "bloom", flags.Flag{Key: "f00", Type: flags.TypeOps}, "")
		must(t, err)
		listingtest.Check(t, listingtest.Of(flags.Flags(), func(q listing.Query) (storage.Page[flags.FlagVersion], error) {
			return k.service.List(k.ctx, "acme", flags.FlagQuery{Filters: q.Filters, Sort: q.Sort, After: q.After, Limit: q.Limit})
		}), all)
	})
}
