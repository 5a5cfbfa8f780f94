// Package egress delivers webhooks over HTTP, and only to where they may go.
//
//	deliverer, err := egress.New(egress.Config{})
//	service, err := webhooks.New(governor, store, queue, vault, deliverer, webhooks.Config{})
//
// One attempt is one POST: signed with every live secret (package signing), with the
// message id, the time of the attempt and the caller's traceparent. A redirect is an
// answer like any other and is not followed. The receiver has [webhooks.Request.Timeout]
// for the head of its answer; of the body a little is kept, and nobody waits longer
// than [webhooks.Grace] for it.
//
// # Where attempts may go
//
// URLs of endpoints are written by strangers, and a server that posts to any of them
// is a door into its own network. So every address is checked when it is dialled,
// after the name was resolved and for every attempt anew:
//
//   - addresses that are not public are refused, in whatever notation they came;
//   - one bad address among the answers of a name refuses the name;
//   - ports other than 443 and 80, and plain http, are refused unless configured;
//   - proxies of the environment are not used.
//
// Two guards have to agree, this package's table and that of code.dny.dev/ssrf, and
// both look again at the final address of the socket. A refusal is
// [webhooks.Blocked] and is not tried again. [Deliverer.CheckURL] says early what can
// be said early.
//
// [Config.Allow] opens prefixes by name, for receivers inside the host's own network
// and for tests. To them plain http and any port are allowed.
//
// # What an owner of an endpoint sees
//
// A class and a short sentence. They never tell an address, a certificate or a port
// that is open from one that is closed behind a name, which would map the network for
// whoever may register an endpoint.
package egress
