// Package flags rolls features and configuration out to subjects, under governance.
//
// A [Flag] is a definition: variants, and for each environment the rules that choose
// one. It is changed through a [Service], where every change passes the gates, is one
// audit event and one immutable version, and read as an [Evaluation] from a
// [FlagProvider]. The [Provider] of the kit answers from memory:
//
//	service, err := flags.New(governor, db.Flags(), queue, flags.Config{})
//	_, err = service.Create(ctx, "acme", flag, "the new checkout")
//
//	provider, err := flags.NewProvider(db.Flags(), "prod", flags.ProviderConfig{Used: service.RecordUse})
//	go provider.Run(ctx)
//	client, err := flags.NewClient(provider)
//
//	checkout := flags.NewBool(client, "checkout-v2", false)
//	if checkout.Get(ctx, subject) { ... }
//
// Applications that want to depend on no vendor read through OpenFeature, for which
// package flags/openfeature has the provider. [Client] and [Handle] are the fast way
// beside it.
//
// # Subjects
//
// A [Subject] is who or what a flag is evaluated for: a tenant, which owns the flags, a
// targeting key, and attributes. What a flag requires has to be there, and of the kind
// that the environment declares ([Attributes]); otherwise the evaluation is an error
// that names it, TARGETING_KEY_MISSING or INVALID_CONTEXT. A subject is handed to each
// read, or put into ctx once at the edge ([WithSubject]).
//
// # What decides
//
// In this order: the kill switch; whether the flag is on; overrides for QA, which end;
// overrides for tenants; the rules, of which the first that holds serves; the default.
// A rule holds where its condition does and serves a variant or a split of several, see
// package flags/targeting. Instead it may name a [Strategy]: one of [Strategies] or one
// that the host registered. A rule whose strategy is not known does not hold.
//
// # Changing flags
//
// A change of a [Service] is checked, asked about at the gates, saved as a new version and
// recorded as one event, in one transaction; the revision that it was made for has to be
// the current one. A change that would make no difference is asked about as well, and is
// neither a version nor an event. [Service.Versions], [Service.Version] and
// [Service.Diff] look back, [Service.Preview] and [Service.Evaluate] ahead.
//
// The payload of the event says what would change, so that a policy can go by it and an
// approval binds to it: the type of the flag at /payload/type, the environments in which
// it makes a difference at /payload/environments, and the whole new definition. A change
// that was approved is made by [Service.Apply], exactly as it was asked for or not at
// all.
//
// [Service.Kill] switches a flag off in one environment, above everything else, and
// needs nothing of the flag to be in order. Only [Service.Restore] takes that back, and
// an update never does. [Service.SetOverride] forces a variant on a subject; one for QA
// ends by itself, which is a job: run a worker with [Service.Handlers].
//
// An audience is defined once ([Service.SaveAudience]) and used by any flag. Who changes
// it changes all of them: they are compiled with it first, and one that is used cannot be
// deleted.
//
// # Reasons and errors
//
// Every evaluation has a [Reason], and one without a value for the caller has an
// [Error]. Both use the words of OpenFeature:
//
//	one value, nothing to choose                STATIC
//	rules or overrides, none for the subject    DEFAULT
//	no value is configured                      DEFAULT, without a variant
//	a rule or an override with a fixed variant  TARGETING_MATCH
//	the subject's bucket decided                SPLIT
//	off or killed                               DISABLED, the off variant if there is one
//	the store is down, the last known answers   STALE
//	no such flag                                ERROR, FLAG_NOT_FOUND
//	read as another type                        ERROR, TYPE_MISMATCH
//	nothing to go by                            ERROR, TARGETING_KEY_MISSING
//	a required attribute is missing or wrong    ERROR, INVALID_CONTEXT
//	no version of the definition can be read    ERROR, PARSE_ERROR
//	the tenant could never be loaded            ERROR, PROVIDER_NOT_READY
//	anything else, a panic included             ERROR, GENERAL
//
// A read through a [Client] always has a value: with an error, and where none is
// configured, it is the caller's own default. An integer is read as a float too; no
// other type is converted.
//
// # When the store is away
//
// A [Provider] answers from what it last knew, at the same cost, for as long as it
// takes, and tells those who [Provider.Watch] that it is stale. A newest definition
// that cannot be read, or that a host without its strategies cannot compile, does not
// take the last one's place either. Changes of other processes are seen within a poll
// (250 milliseconds), at once where the store carries signals.
//
// # Cost
//
// Definitions are compiled when they are loaded. An evaluation takes no lock and
// allocates nothing; reading JSON copies it, so that no reader changes it for others.
package flags
