package storage

// Signals is what a backend offers beside its stores where it can tell processes that
// something was committed. Stores of such a backend implement it too; services find it
// by type assertion and poll where it is missing.
//
// A signal is a hint. It may be lost (a connection breaks, a host commits a transaction
// of its own), come twice, or come for nothing. So whoever listens reads the store to see
// what is true, and polls as well, more slowly than it would without.
type Signals interface {
	// Signal tells those who listen to topic, in this process and in others on the
	// same database, that something changed: what the signals name, or anything of the
	// topic where there are none. Call it through [AfterCommit]. It never waits for
	// other processes and reports no error. Signals that come close together travel
	// together, and many at once become one that names nothing.
	//
	// origin is who signals. Those who listen under an equal origin are not told.
	// It must be comparable; a pointer to the service is a good one.
	//
	// Names are readable for whoever may connect to the database: put ids in them, no
	// secrets.
	Signal(topic string, origin any, signals ...Signal)

	// Listen has fn called for the signals of a topic, until the function it returns is
	// called. fn gets no signals where anything of the topic may have changed: once this
	// listener hears of other processes, and again after each interruption. Where there
	// are no other processes to hear of, that call does not come. Calls come one at a time;
	// fn must return soon, and must neither keep the slice nor call stop.
	//
	// stop waits for a call of fn that runs. Calling it again does nothing. A backend
	// that is closed calls nobody any more.
	Listen(topic string, origin any, fn func(signals []Signal)) (stop func())
}

// A Signal names something that changed.
type Signal struct {
	// Tenant is whose it is.
	Tenant string
	// Name is what the topic's domain gives it: a lane, an environment.
	Name string
}
