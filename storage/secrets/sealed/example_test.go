package sealed_test

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/secrets"
	"github.com/lumelle/adminkit/storage/secrets/sealed"
)

// Settings are a host's own table with one sealed value a tenant.
type settings map[string][]byte

const purpose = "shop.session_key"

func (s settings) List(_ context.Context, tenant string, after storage.Cursor, _ int) (page storage.Page[sealed.Value], err error) {
	if after != "" {
		return page, storage.ErrBadCursor // a list of one has no second page
	}
	if b, ok := s[tenant]; ok {
		page.Items = append(page.Items, sealed.Value{Purpose: purpose, ID: "session", Bytes: b})
	}
	return page, nil
}

// Replace is UPDATE ... SET value = fresh WHERE tenant = ... AND value = old in SQL.
func (s settings) Replace(_ context.Context, tenant string, old sealed.Value, fresh []byte) (bool, error) {
	if !bytes.Equal(s[tenant], old.Bytes) {
		return false, nil
	}
	s[tenant] = fresh
	return true, nil
}

// A host shows its own sealed values, so that a rotation does not lose them.
func ExampleSource() {
	ctx := context.Background()
	keys, err := secrets.Generate()
	if err != nil {
		fmt.Println(err)
		return
	}
	vault, err := secrets.New(keys)
	if err != nil {
		fmt.Println(err)
		return
	}
	value, err := vault.Seal(ctx, "acme", purpose, "session", []byte("hunter22"))
	if err != nil {
		fmt.Println(err)
		return
	}
	own := settings{"acme": value}

	rotated, err := keys.Rotate()
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := vault.Use(rotated); err != nil {
		fmt.Println(err)
		return
	}
	tenants := func(context.Context) ([]string, error) { return []string{"acme", "bloom"}, nil }
	rotator, err := secrets.NewRotator(vault, tenants, []sealed.Source{own}, secrets.RotatorConfig{Settle: time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := rotator.Run(ctx)
	fmt.Println(report.Resealed, err)
	id, err := sealed.KeyID(own["acme"])
	fmt.Println(id == rotated.Primary(), err)
	// Output:
	// 1 <nil>
	// true <nil>
}
