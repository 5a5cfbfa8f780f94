package jobstest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/lumelle/adminkit/storage/jobs/jobstest"
	"github.com/lumelle/adminkit/storage/memory"
)

// An author of a backend proves its store with one call.
func ExampleRun() {
	_ = func(t *testing.T) { // TestJobs
		jobstest.Run(t, jobstest.Options{New: func(t *testing.T) jobstest.Backend {
			b, err := memory.New(memory.Config{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { b.Close(context.Background()) })
			return b
		}})
	}
}

// The rules by their ids, which failures and reviews cite.
func ExampleRules() {
	for _, r := range jobstest.Rules() {
		fmt.Println(r)
	}
	// Output:
	// JS-001 a job comes back as it was enqueued
	// JS-002 a job without payload has none
	// JS-003 jobs get rising ids in the order they were given
	// JS-004 an id is not given again after its job ended
	// JS-005 a rolled back enqueueing leaves nothing
	// JS-006 identifiers are kept byte for byte
	// JS-007 the same lane of two tenants is two lanes
	// JS-008 a lane's jobs are fetched by due time and id
	// JS-009 a job is fetched when it is due and not before
	// JS-010 a fetch goes on behind its position and up to its limit, lane by lane
	// JS-011 a lane's cap is kept whether set before its first job or after
	// JS-012 setting a cap leaves the lane with its owner
	// JS-013 a lane's jobs are fetched by priority before they are by due time
	// JS-014 each priority is read behind its own position and up to its own limit
	// JS-015 all of how a lane is worked is kept
	// JS-020 every enrolment gets an id of its own, also after others left
	// JS-021 every beat raises the count that others see
	// JS-022 a worker that was ended is fenced when it beats
	// JS-023 a worker that beat meanwhile is not ended
	// JS-024 lanes of an ended worker are free and suspect
	// JS-025 lanes of a worker that leaves are free and not suspect
	// JS-026 leaving twice is no error
	// JS-027 a suspicion is told once
	// JS-028 a worker that rests says so to the others until it does not
	// JS-030 a claim takes free lanes with due jobs and no others
	// JS-031 a lane has one owner
	// JS-032 a claim takes no more lanes than it asks for
	// JS-033 a released lane is free for others
	// JS-034 nobody releases another's lane
	// JS-035 a sync tells all lanes of a worker, with their caps, and how many lanes there are to share
	// JS-036 a worker that was ended is fenced when it claims
	// JS-037 claims at the same time share no lane
	// JS-038 a lane whose work is due ahead is taken when its time has come
	// JS-039 work that comes to a lane without an owner is found whatever came before
	// JS-070 a paused lane is not taken until it is resumed
	// JS-071 a pause leaves the lane with its owner, who is told
	// JS-072 a resumption is counted and ends what holds the lane
	// JS-099 a lane is not held for what its config has no more
	// JS-100 an outcome does not hold a lane for what its config has not
	// JS-079 a lane that a resumption made was not resumed
	// JS-073 a held lane is not taken before its time, and its owner is told why
	// JS-074 a hold counts with its outcome and for the owner of the lane alone
	// JS-075 lanes that a claim names are taken first
	// JS-076 a sweep goes over all lanes piece by piece
	// JS-077 a lane tells how it is worked, who works it and what waits in it
	// JS-078 lanes are listed by name behind a name, those of the tenant alone
	// JS-040 a completed job is gone and its attempt recorded
	// JS-041 a retried job is due again with one attempt more
	// JS-042 a buried job is a dead letter with everything it had
	// JS-043 an announced start is counted and records no attempt
	// JS-044 an announcement may be repeated
	// JS-045 a worker that was ended settles nothing
	// JS-046 a job that is gone is missed, and the rest of its batch counts
	// JS-047 an outcome of an earlier attempt is missed
	// JS-048 an outcome under another tenant's name is missed
	// JS-049 a rolled back settlement leaves the job
	// JS-050 a worker is not ended under an open settlement that commits
	// JS-060 dead letters are listed from the latest death on
	// JS-061 a list of dead letters goes on behind its position
	// JS-062 dead letters and attempts of another tenant do not exist
	// JS-063 a requeued dead letter is the same job with no attempts
	// JS-064 attempts are pruned by age and only so many at a time
	// JS-065 no more attempts are answered than asked for
	// JS-080 a job whose key is taken is left out
	// JS-097 a job that is left out makes its lane
	// JS-081 a key is its job's until that ends
	// JS-082 a key is its tenant's, byte for byte
	// JS-083 a rolled back enqueueing takes no key
	// JS-084 a key that was given up in a transaction is free in it
	// JS-085 a job is found by its id and by its key
	// JS-086 the jobs of a lane are listed by due time and id, in pages
	// JS-087 a list of jobs keeps to the kind that is asked for
	// JS-088 jobs of another tenant do not exist
	// JS-089 a cancelled job is gone, and its attempts say so
	// JS-090 what a handler settles after its job was cancelled is missed
	// JS-091 a rolled back cancelling leaves the job
	// JS-098 cancelling the job whose retry a lane waits for ends the wait
	// JS-092 dead letters are listed by lane, by kind and by both
	// JS-093 a dead letter holds no key, and comes back only to a free one
	// JS-094 dead letters are requeued in bulk, those that died first before others
	// JS-095 requeueing in bulk leaves those whose key is taken
	// JS-096 a discarded dead letter is gone and its attempts are not
}
