// Package openfeature joins the kit and OpenFeature, in both directions.
//
// An application reads flags through OpenFeature's client and knows nothing of the kit:
//
//	provider, err := openfeature.New(flagProvider, openfeature.Config{})
//	err = sdk.SetProviderAndWait(provider)
//	client := sdk.NewClient("checkout")
//	on := client.Boolean(ctx, "new-checkout", false, sdk.NewEvaluationContext("m-1", attributes))
//
// [New] takes any [flags.FlagProvider]. The evaluation context becomes the subject:
// "targetingKey" and "tenant" are its key and its tenant, everything else an attribute
// (see [flags.ReadSubject]); a value that no attribute can have is INVALID_CONTEXT.
// Reasons and error codes are told as they are. Where a flag has no variant for the
// case, the caller's default is the value, with the reason that led there.
//
// # The fast path
//
// OpenFeature's client copies the evaluation context several times a read. A host that
// puts the subject into ctx once, and leaves the evaluation context empty, spares that:
//
//	ctx = flags.WithSubject(ctx, subject) // in a middleware
//	on := client.Boolean(ctx, "new-checkout", false, sdk.EvaluationContext{})
//
// Where both are there, the evaluation context adds to the subject of ctx and wins.
//
// # Events
//
// A provider that is a [flags.WatchProvider] is watched from Init to Shutdown, and Init
// waits until it is ready or the ctx of SetProviderAndWait ends: a flags.Provider has to
// run (Run) by then, or to have loaded a tenant (Load). Its
// status becomes PROVIDER_READY, PROVIDER_STALE and PROVIDER_ERROR, its changes
// PROVIDER_CONFIGURATION_CHANGED with the keys. Who does not read them holds nobody up:
// what is not read yet is put together, and only the newest status counts.
//
// # The other direction
//
// [From] makes a [flags.FlagProvider] of any OpenFeature provider, so that another
// system can stand behind the kit's reads.
package openfeature
