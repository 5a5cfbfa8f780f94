// Package signing makes and checks the signatures of Standard Webhooks 1.0.0.
//
// What is signed is the message id, the time of the attempt in whole seconds and the
// body exactly as it is sent, joined by full stops. A [Key] is symmetric (scheme v1,
// HMAC-SHA256) or asymmetric (scheme v1a, Ed25519):
//
//	whsec_...  24 to 64 random bytes; signs and verifies v1
//	whsk_...   an Ed25519 seed, with or without its public half; signs and verifies v1a
//	whpk_...   an Ed25519 public key; verifies v1a
//
// [Sign] signs with every key that is live, newest first, so that a receiver may hold
// any one of them while a secret is rotated. [Match] accepts a header as soon as one
// of its signatures fits one of the keys.
//
// The package imports the standard library only: a receiver that wants nothing else
// of the kit links nothing else. Receivers over HTTP want package receiver, which adds
// the checks of headers and time.
package signing
