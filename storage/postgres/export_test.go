package postgres

import (
	"github.com/lumelle/adminkit/storage/internal/migrate"
)

// Engine is what the migration runner sees of a Backend.
func Engine(b *Backend) migrate.Engine { return engine{b} }
