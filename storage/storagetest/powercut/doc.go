// Package powercut finds out what a program has on disk when the power fails.
//
// A killed process loses nothing that it handed to the system, so killing does not test
// durability. Here a child process is recorded by strace while it works: each write and
// sync of the files in one directory, and each line by which it acknowledges something.
// Afterwards power cuts are simulated at random moments of the recording: what was
// synced is there, and of what was written since, some may be there, some not, some torn.
// The test restores the files of a cut into a directory, opens them and looks:
//
//	trace, err := powercut.Record(dir, process.Config{Role: "writer", Args: []string{path}}, 500)
//	...
//	for cut := range trace.Cuts(200, seed) {
//		copy := t.TempDir()
//		if err := cut.Restore(copy); err != nil {
//			...
//		}
//		// Open the copy. Is it sound? Is everything there that cut.Said acknowledged?
//	}
//
// A test that finds nothing should be shown to find something: record the same program
// with its syncs turned off, and see that rows are lost.
//
// # The model
//
// Content becomes durable when fsync or fdatasync of its file returns, as far as it was
// written before the call began. Half of the cuts have durable content only. In the other
// half each later write and truncation has happened with a probability of one half, in
// any combination, and a fifth of those writes ends at a multiple of 512 bytes, a sector.
// Cuts fall between two calls, so a line is acknowledged from the moment at which the
// child began to say it.
//
// Not modelled are directory entries that are lost (a file exists once it is created and
// is gone once it is removed) and disks that lie about their syncs. A file that is mapped
// for writing is left out, because nobody sees what is written to it; SQLite's -shm is
// such a file and is made anew. Calls that the package does not know how to replay, such
// as a rename in the directory, are an error of Record, never ignored.
//
// Recording needs Linux, the program strace (a package of that name in every
// distribution) and the right to trace own children; [Available] tells. Reading a
// recording with [Parse] and replaying it works everywhere.
package powercut
