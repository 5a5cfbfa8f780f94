package sqlstore

// Stores makes the Store of every domain over one engine. The backends embed it, so
// that a domain adds its store to both with one method, in the domain's own file:
//
//	func (s *Stores) Audit() audit.Store { return &auditStore{db: s.db} }
type Stores struct{ db DB }

// NewStores returns the stores over db.
func NewStores(db DB) *Stores { return &Stores{db: db} }
