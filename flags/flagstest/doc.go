// Package flagstest holds implementations of flags.FlagProvider and of flags.Store to their
// contracts, and gives hosts a provider for their tests.
//
// # For hosts
//
// A [Provider] answers each flag with what the test set, and remembers who asked:
//
//	p := flagstest.NewProvider(t, map[string]any{"instant-payouts": false})
//	p.SetFor("m-7", "instant-payouts", true)
//	... run the code that reads flags ...
//	if len(p.Asked()) == 0 { t.Error("the flag was not read") }
//
// # Writing a FlagProvider
//
// A provider puts a system of flags behind the reads of package flags. It is one
// method, which answers from memory:
//
//	func (p *Provider) Evaluate(ctx context.Context, key string, s *flags.Subject) flags.Evaluation {
//		set := p.current.Load() // an immutable set of definitions
//		f, ok := set.flags[key]
//		if !ok {
//			return failed(flags.CodeFlagNotFound, "there is no such flag")
//		}
//		return f.evaluate(s)
//	}
//
// The contract:
//
//   - What a flag is depends on the definition and the subject alone. The variant is
//     that of the first rule that holds (FP-001), the value that of the variant, with
//     its kind (FP-002), and the reason OpenFeature's word for why (FP-003). Where no
//     variant is configured there is no value, and the reader's own default holds
//     (FP-004). Conditions compare texts whole and byte for byte (FP-032).
//   - What cannot be evaluated is an Err with a code of OpenFeature's list, and comes
//     without a value (FP-006, FP-007).
//   - It answers every key and every subject without a panic (FP-008, FP-009), also nil
//     for a subject, and tells no value of a subject in a message (FP-010).
//   - It leaves the subject as it is and keeps nothing of it (FP-011, FP-012).
//   - A split is by the first of its attributes that is there and not empty, the same in
//     every process (FP-013, FP-015, FP-016), and TARGETING_KEY_MISSING where none is
//     (FP-017).
//   - Tenants have flags of their own (FP-014). For a tenant that has none, and for
//     nobody, the answer is an Err.
//   - It answers promptly, whatever became of ctx, be it with an Err (FP-018), from many goroutines at
//     once (FP-019), and ends what it started when it is closed (FP-020).
//   - A change is served without a restart (FP-021). Where the source is away the last
//     known definitions answer, with reason STALE (FP-022).
//
// Three powers are optional and found by type assertion: flags.BulkProvider (FP-023 to
// FP-026), flags.WatchProvider (FP-027 to FP-029), flags.ExplainProvider (FP-030,
// FP-031). The rules about a power hold for who has it.
//
// Checklist:
//
//   - Load and refresh definitions beside the reads, never in them, but for the first
//     read of a tenant, which waits under its ctx.
//   - Replace the whole set of definitions at once: an atomic pointer to something that
//     nobody changes.
//   - Map the reasons and codes of your system one by one; what fits none is
//     flags.ReasonUnknown and flags.CodeGeneral.
//   - Put the revision of the definition into Version, where there is one.
//   - Run the suite with -race too.
//
// Common mistakes:
//
//   - To decode values into any and encode them again as text: 1.0 becomes 1, large
//     integers lose their last digits, null goes missing. targeting.Of keeps them.
//   - To answer the zero value with an error, or where nothing is configured. The
//     reader cannot tell it from a flag that is false.
//   - To cache answers by the subject's key. Its plan changes and the answer does not.
//   - To add attributes to the subject, such as the environment.
//   - To split by chance where the key is missing.
//   - To ask the backend in Evaluate. A slow backend is then a slow host.
//   - To send the watcher a change before it can be read, or one for many.
//   - To use the caller's tenant as a filter in a list of all tenants' flags, and to
//     forget it in the bulk.
//
// Reference: flags.Provider, over the kit's own store. In examples/customprovider a file
// of flags is one, in a module that knows the public API only.
//
// # Writing a Store
//
// A flags.Store keeps every version of every document, and a number for each tenant that
// counts its changes. [RunStore] holds one to the rules FS; storagetest.Run does so beside
// all other stores of a backend.
//
// The contract: that of every method stands in the documentation of flags.Store. A document
// is a kind and a key: a flag and an audience of one key are two. What readers rest on is
// that changes become visible in the order of their numbers.
//
// Checklist:
//
//   - Save takes revision 1 of a key that was never there, else the one behind the current
//     one (FS-008, FS-009); it sets Change itself, to one more than the tenant's last
//     (FS-021). Whatever it refuses takes no number (FS-023).
//   - A deletion is a version like others. Get, Versions and Changes show it; List, Count
//     and Users do not (FS-013, FS-032, FS-040, FS-051).
//   - Where transactions run side by side, Save locks the tenant's number before it reads
//     it, and keeps it locked until the transaction ends (FS-062). So does Lock, also for a
//     tenant that has none yet (FS-028).
//   - Changes has each key once, at its current version (FS-060).
//
// Common mistakes:
//
//   - To number changes by a sequence. A transaction that took a number early and commits
//     late is never seen by who reads behind a number.
//   - To leave the audiences of an earlier version standing.
//   - To keep the body in a type that writes JSON anew.
//
// Reference: storage/memory, and storage/sqlite and storage/postgres over one body of SQL.
//
// # Running the suite
//
// [Options].New returns a provider that knows [Definitions], two tenants with a dozen
// flags in all, in the environment [Environment]. A provider whose backend speaks the
// kit's definitions loads them as they are; any other translates them, by hand or from
// the JSON of [Document]. [Answers] lists what each flag has to be for whom.
//
//	func TestProvider(t *testing.T) {
//		flagstest.Run(t, flagstest.Options{New: func(t testing.TB) flagstest.Harness {
//			backend := start(t, flagstest.Definitions())
//			p := myprovider.New(backend.URL())
//			t.Cleanup(p.Close)
//			return flagstest.Harness{Provider: p, Publish: backend.publish, Cut: backend.cut}
//		}})
//	}
//
// Each rule is a subtest with an id, and says what it is for when it fails. Rules about
// powers that the provider or the harness does not have are left out, and the log says
// which. Every rule is itself shown to find a provider that breaks it, and nothing else
// about that provider.
package flagstest
