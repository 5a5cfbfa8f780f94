// Package flags rolls features and configuration out to subjects, under governance.
//
// A [Flag] is a definition: variants, and for each environment the rules that choose
// one. It is changed through a Service, versioned, and read as an [Evaluation] from a
// [FlagProvider], which answers from memory.
package flags
