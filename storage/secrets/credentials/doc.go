// Package credentials is a thin vault for what a tenant's integrations sign in with: API
// keys, passwords, tokens. A value goes in once and never comes out: others see a name and
// a reference, and an action of the host opens it for the time of one call.
//
//	vault, err := secrets.Open(ctx, secrets.File("admin.keys"))
//	creds, err := credentials.New(backend.Credentials(), vault, credentials.Config{})
//
//	c, err := creds.Create(ctx, tenant, credentials.Input{Name: "shop/main", Kind: "api_key"}, value)
//	... rules and connections keep c.Ref(), which is "secret://shop/main" ...
//
//	err = creds.Use(ctx, tenant, ref, func(ctx context.Context, _ credentials.Credential, value []byte) error {
//		req.Header.Set("Authorization", "Bearer "+string(value))
//		return send(req)
//	})
//
// # What is seen
//
// A [Credential] has no value: lists, answers and audit records may show it whole. A
// reference grants nothing. It names no tenant, so that one that was copied into another
// tenant finds that tenant's credential or none. There is no method that returns a value.
//
// In the store the value is sealed by the [Sealer], bound to tenant and name: copied into
// another row it does not open. An error of a use that holds the value is withheld
// ([ErrWithheld]). What an action itself writes into a log is beyond the package.
//
// # Rotation
//
// [Service.Rotate] replaces a value under the same name; whoever holds the reference uses
// the new one from then on. Name the revision it is made for, so that of two people who
// rotate at once one is told. The value before is gone: keep it valid at the other side
// until the new one is in use. The keys below are rotated apart from that, by
// secrets.Rotator over [SealedValues], without a new revision.
//
// # Governance
//
// The package comes before audit. A host that wants changes decided and recorded gives
// [Config.Govern], and calls its governor there:
//
//	Govern: func(ctx context.Context, c credentials.Change, apply func(ctx context.Context) error) error {
//		_, err := governor.Change(ctx, eventOf(c), func(ctx context.Context, _ *audit.Event) error {
//			return apply(ctx)
//		})
//		return err
//	},
//
// Without it changes are made unasked.
package credentials
