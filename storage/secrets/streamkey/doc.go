// Package streamkey is the client's half of stream keys: it seals a secret, such as the
// token of an audit stream's destination, so that only the server it is meant for can read
// it. Proxies, logs of requests and the server's own records on the way hold nothing but
// sealed text.
//
//	var key streamkey.PublicKey // as the server published it
//	err := json.Unmarshal(answer, &key)
//	text, err := key.Seal([]byte("hec-token"))
//	... send text in place of the token ...
//
// The other half is secrets.Stream, which keeps a private key for each tenant.
//
// # What is published
//
// A [PublicKey] is one JSON object, an OKP key as in RFC 8037 with the numbers of the HPKE
// suite (RFC 9180, base mode) beside it:
//
//	{"kty":"OKP","crv":"X25519","use":"enc","kid":"1a2b3c4d","x":"...",
//	 "kem":32,"kdf":1,"aead":2,"info":"..."}
//
// x is the public key and info what both sides bind the secret to, in base64url without
// padding. The suite is DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. The sealed
// text is "sk1." kid "." base64url(enc || ciphertext), with no associated data. A browser
// needs an HPKE library and no more:
//
//	const suite = new CipherSuite({kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Aes256Gcm()})
//	const sender = await suite.createSenderContext({recipientPublicKey: await suite.kem.deserializePublicKey(x), info})
//	const text = `sk1.${key.kid}.${base64url(concat(sender.enc, await sender.seal(secret)))}`
//
// This package does it with crypto/hpke of the standard library and links nothing else.
//
// # What sealing gives
//
// The tenant, the purpose and the id of the key are bound in through info: text that was
// sealed for one tenant or purpose opens for no other. Whoever gives a client a public key
// of its own reads what the client seals: fetch it over TLS, as everything else.
//
// It does not say who sealed: the key is public. The request that brings the text has to
// be authenticated as any other. And it does not say when. Whoever saw a sealed text can
// send it once more for the same tenant and purpose, and so put an old secret back. Make
// the purpose as narrow as the change: the kind of the object, its id, and the revision that
// the change is made for, as in "audit.stream/s1/4". A change that needs its revision
// happens once, and so does the text.
package streamkey
