// Package sealed is what the owner of a table shows of its sealed values, so that they can
// be sealed again under another key by somebody who knows neither the table nor the key.
//
// A [Source] is one table, or one column of it. Package webhooks has one for the secrets
// of endpoints, audit/httpapi for kept answers, storage/secrets/credentials for
// credentials; a host writes one for each table where it keeps what a Vault sealed:
//
//	type settings struct{ db *shop.Store }
//
//	func (s settings) List(ctx context.Context, tenant string, after storage.Cursor, limit int) (storage.Page[sealed.Value], error)
//	func (s settings) Replace(ctx context.Context, tenant string, old sealed.Value, fresh []byte) (bool, error)
//
// What no Source shows stays under its old key, and is lost when that key is retired.
//
// The package is a leaf. It links the standard library and package storage only, so that a
// domain that offers a Source does not link the encryption.
package sealed
