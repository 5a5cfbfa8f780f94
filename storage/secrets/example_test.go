package secrets_test

import (
	"context"
	"fmt"
	"time"

	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/secrets"
	"github.com/lumelle/adminkit/storage/secrets/credentials"
	"github.com/lumelle/adminkit/storage/secrets/sealed"
)

// A secret opens in the row it was sealed for, and nowhere else.
func ExampleVault() {
	ctx := context.Background()
	keys, err := secrets.Generate() // a host uses OpenFile or Parse
	if err != nil {
		fmt.Println(err)
		return
	}
	vault, err := secrets.New(keys)
	if err != nil {
		fmt.Println(err)
		return
	}

	sealed, err := vault.Seal(ctx, "acme", "webhooks.endpoint", "e1", []byte("whsec_..."))
	if err != nil {
		fmt.Println(err)
		return
	}
	secret, err := vault.Open(ctx, "acme", "webhooks.endpoint", "e1", sealed)
	fmt.Printf("%s %v\n", secret, err)
	_, err = vault.Open(ctx, "bloom", "webhooks.endpoint", "e1", sealed)
	fmt.Println(err)
	// Output:
	// whsec_... <nil>
	// the sealed secret does not open here
}

// After a rotation old secrets still open, and are moved to the new key one by one.
func ExampleKeys_Rotate() {
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
	sealed, err := vault.Seal(ctx, "acme", "webhooks.endpoint", "e1", []byte("whsec_..."))
	if err != nil {
		fmt.Println(err)
		return
	}

	rotated, err := keys.Rotate() // save it: rotated.SaveFile(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := vault.Use(rotated); err != nil {
		fmt.Println(err)
		return
	}
	resealed, changed, err := vault.Reseal(ctx, "acme", "webhooks.endpoint", "e1", sealed)
	fmt.Println(changed, err)
	id, err := secrets.KeyID(resealed)
	fmt.Println(id == rotated.Primary(), err)
	// Output:
	// true <nil>
	// true <nil>
}

// A run moves everything to the new key and says when the old one may go.
func ExampleRotator() {
	ctx := context.Background()
	backend, err := memory.New(memory.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
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
	creds, err := credentials.New(backend.Credentials(), vault, credentials.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := creds.Create(ctx, "acme", credentials.Input{Name: "mail", Kind: "password"}, []byte("hunter22")); err != nil {
		fmt.Println(err)
		return
	}

	rotated, err := keys.Rotate()
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := vault.Use(rotated); err != nil {
		fmt.Println(err)
		return
	}
	tenants := func(context.Context) ([]string, error) { return []string{"acme"}, nil }
	rotator, err := secrets.NewRotator(vault, tenants, []sealed.Source{
		credentials.SealedValues(backend.Credentials()),
	}, secrets.RotatorConfig{Settle: time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := rotator.Run(ctx)
	fmt.Println(report.Resealed, report.Keys[rotated.Primary()], err)
	fmt.Println(report.Retirable[0] == keys.Primary())
	// Output:
	// 1 1 <nil>
	// true
}
