package credentials_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/lumelle/adminkit/storage/memory"
	"github.com/lumelle/adminkit/storage/secrets"
	"github.com/lumelle/adminkit/storage/secrets/credentials"
)

func newService(cfg credentials.Config) (*credentials.Service, error) {
	backend, err := memory.New(memory.Config{})
	if err != nil {
		return nil, err
	}
	keys, err := secrets.Generate() // a host uses secrets.Open
	if err != nil {
		return nil, err
	}
	vault, err := secrets.New(keys)
	if err != nil {
		return nil, err
	}
	return credentials.New(backend.Credentials(), vault, cfg)
}

// The value goes in once. Outside there is a reference, which an action opens.
func Example() {
	ctx := context.Background()
	creds, err := newService(credentials.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := creds.Create(ctx, "acme", credentials.Input{Name: "shop/main", Kind: "api_key"}, []byte("sk_live_1"))
	fmt.Println(c.Ref(), err)

	err = creds.Use(ctx, "acme", "secret://shop/main", func(_ context.Context, c credentials.Credential, value []byte) error {
		fmt.Printf("Authorization: Bearer %s\n", value)
		return nil
	})
	fmt.Println(err)
	err = creds.Use(ctx, "bloom", "secret://shop/main", nil)
	fmt.Println(err)
	// Output:
	// secret://shop/main <nil>
	// Authorization: Bearer sk_live_1
	// <nil>
	// not found
}

// A host decides about changes and uses. What it is told may be recorded whole.
func ExampleConfig_govern() {
	ctx := context.Background()
	creds, err := newService(credentials.Config{
		Govern: func(ctx context.Context, c credentials.Change, apply func(ctx context.Context) error) error {
			fmt.Println(c.Action, c.Tenant, c.Name)
			if c.Action == credentials.ActionDelete {
				return errors.New("ask olivia")
			}
			return apply(ctx)
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := creds.Create(ctx, "acme", credentials.Input{Name: "mail", Kind: "password"}, []byte("hunter22")); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(creds.Delete(ctx, "acme", "mail", 0))
	// Output:
	// credentials.created acme mail
	// credentials.deleted acme mail
	// ask olivia
}
