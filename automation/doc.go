// Package automation does by itself what a tenant has written down once: when
// something happens, under conditions, in steps.
//
// A [Rule] is data. Its versions are documents that never change, and a [Run] of one is
// a row that a worker of storage/jobs moves from step to step. So nothing is lost when
// a process dies, and a run that waits for a decision or a date costs a row and no
// goroutine.
package automation
