// Package secrets encrypts the secrets that a store keeps, such as the signing
// secrets of webhook endpoints, so that a copy of the database is not a copy of them.
//
//	keys, err := secrets.OpenFile("admin.keys") // made on the first start
//	vault, err := secrets.New(keys)
//	sealed, err := vault.Seal(ctx, tenant, "webhooks.endpoint", endpointID, secret)
//	...
//	secret, err := vault.Open(ctx, tenant, "webhooks.endpoint", endpointID, sealed)
//
// # Envelopes
//
// Each secret has a data key of its own (AES-256-GCM), and the data key is encrypted
// under a key of [Keys]. What Seal returns starts with the id of that key, so that
// one can tell what a rotation has still to do.
//
// A sealed secret opens only in its place. Tenant, purpose and id are authenticated
// with it: bytes copied into another row or another tenant, or changed in one bit,
// answer [ErrCannotOpen].
//
// # Where keys come from
//
// [OpenFile] keeps them in a file that only its owner may read. [Parse] takes them
// from wherever the host keeps secrets: the environment, a secret manager, a mounted
// volume. [Generate] makes fresh ones, which is all a test needs. The text form is
// the JSON keyset of Tink, whose tools read it too.
//
// Lost keys are lost secrets. Back the keys up, and not beside the database.
//
// # Rotation
//
// [Keys] are immutable; each step returns new ones, which the host saves and gives to
// [Vault.Use].
//
//  1. Add a key, and bring the keys to every process. Nothing is sealed under it yet.
//  2. Promote it. New secrets are sealed under it; old ones still open.
//  3. Reseal what [KeyID] shows to be under an older key.
//  4. Retire the older key.
//
// A single process may do the first two at once with [Keys.Rotate].
package secrets
