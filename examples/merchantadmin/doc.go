// Command merchantadmin is a whole admin on the kit: merchants' orders and their
// refunds, their stock and payouts, and around them what the kit gives a host. A refund is decided by a
// policy, agreed to by a second person when it is large, applied once, recorded,
// and told to the merchant's own systems.
//
//	go run ./examples/merchantadmin
//
// prints one line, "merchant admin ready at http://ADDR", and serves pages and a
// JSON API with demo data from a SQLite file in the working directory. The flags
// are listed by -h.
//
// # How it is put together
//
// Package shop is the business: its own tables, no governance. [app] is where the
// domains of the kit meet it and each other; the files beside it hold one subject
// each, with the handlers of its API and of its pages. Handlers parse, call a
// Service, and show what it answered. The pages are html/template, work without
// JavaScript, and let htmx swap parts of themselves where it is there.
//
// # Who is there
//
// The demo signs people in by name. It does so on loopback only: a request must
// come from this machine and be meant for it. Scripts send "Authorization: Bearer
// demo-<person>" and "X-Tenant: <merchant>".
package main
