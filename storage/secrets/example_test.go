package secrets_test

import (
	"context"
	"fmt"

	"github.com/lumelle/adminkit/storage/secrets"
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
