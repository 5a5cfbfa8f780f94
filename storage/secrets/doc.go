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
// A [KeySource] is asked at the start, and again whenever keys may have changed:
//
//	vault, err := secrets.Open(ctx, secrets.File("/run/secrets/admin.keys"))
//	go vault.Follow(ctx, time.Minute, logger)
//
// [File] reads a file that only its owner may read, [Env] an environment variable, and a
// [KeySourceFunc] whatever the host keeps secrets in. None of them makes keys. [OpenFile]
// does, for programs that start by themselves; [Generate] makes fresh ones, which is all a
// test needs. The text form is the JSON keyset of Tink, whose tools read it too.
//
// # Lost keys
//
// Lost keys are lost secrets: nobody can open what is sealed under them, with any amount of
// work. Back the keys up, and not beside the database. What a host sees then is an
// [UnknownKeyError] with the id of the key, the same for keys of another database and for a
// key that was retired too early. Uses and replays that need the secret fail with it, and
// the job of a delivery names it as its reason, is tried again and ends as a dead letter.
// Nothing is deleted, so that keys that are found again open everything and dead letters
// can be requeued. Where they are not found, the secrets have to be made anew: rotate the
// endpoints' and enter the credentials again.
//
// Start a program on keys that must exist with File, not OpenFile, which would make fresh
// ones where a volume was not mounted. [Rotator.Inspect] says whether these keys open this
// database, which is the test of a backup.
//
// # Rotation
//
// [Keys] are immutable; each step returns new ones, which the host saves where its source
// reads them ([Keys.SaveFile]).
//
//  1. Add a key, and bring the keys to every process. Nothing is sealed under it yet.
//  2. Promote it, and bring the keys again. New secrets are sealed under it; old ones
//     still open.
//  3. Run a [Rotator]. It seals again what is under an older key, while others read and
//     write, and says which keys are [Report.Retirable].
//  4. Retire those.
//
// A single process may do the first two at once with [Keys.Rotate]. So may several whose
// vaults have a source: one that meets a secret under a key it does not know asks for it.
//
//	rotator, err := secrets.NewRotator(vault, tenants, []sealed.Source{
//		webhooks.SealedSecrets(backend.Webhooks()),
//		credentials.SealedValues(backend.Credentials()),
//		httpapi.SealedAnswers(backend.Idempotency()),
//		settings{}, // a table of the host's own: see package sealed
//	}, secrets.RotatorConfig{})
//	report, err := rotator.Run(ctx)
//
// The bytes of a row are compared and replaced in one step, so that a value that somebody
// changed meanwhile stays. A backup of the database made before a rotation needs the keys
// of its time: keep retired keys as long as such backups.
package secrets
