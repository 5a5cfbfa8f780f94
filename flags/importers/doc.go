// Package importers turns the flags of other systems into the kit's definitions, and
// says what it could not keep.
//
//	result, err := importers.Unleash(document, importers.Options{Environments: []string{"prod"}})
//	for _, loss := range result.Lost {
//		fmt.Println(loss.Pointer, loss.Reason) // for whoever decides whether that will do
//	}
//	for _, audience := range result.Audiences {
//		_, err = service.SaveAudience(ctx, tenant, audience, 0, "imported")
//	}
//	for _, flag := range result.Flags {
//		_, err = service.Create(ctx, tenant, flag, "imported")
//	}
//
// Audiences come first, because flags refer to them.
//
// Nobody moves: rollouts and splits keep the hash, the salt, the order and the weights
// of where they come from, as the scheme of package targeting. Nothing is dropped
// silently: what has no counterpart is a [Loss] with its place in the document. Where
// a rule cannot be kept whole it is imported such that it holds of nobody, because a
// rule that holds of too many shows what should stay hidden.
//
// # OpenFeature's test kit
//
// [OpenFeature] reads the flags of OpenFeature's own test suite (test-flags.json). Their
// targeting is a CEL expression that answers the name of a variant. Read are a chain of
// conditions over comparisons of attributes with literals, with &&, || and !:
//
//	country == 'GB' && age >= 18 ? 'adult' : age < 18 ? 'minor' : ''
//
// # Unleash
//
// [Unleash] reads what Unleash gives its clients: features with segments, or the events
// of the delta API. A feature without variants is a boolean flag with the variants "on"
// and "off". One with variants has their payloads as values; where it is on for somebody
// without a variant it serves [VariantEnabled], and where it is off it serves nothing.
// The attributes are Unleash's: userId, sessionId, remoteAddress, environment, appName,
// currentTime and the properties by their names, all of them texts. A dependency on
// another feature becomes an audience of those for whom that is on.
package importers
