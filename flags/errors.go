package flags

import (
	"fmt"
	"strings"

	"github.com/lumelle/adminkit/storage"
)

var (
	// ErrExists reports the creation of a flag under a key that is taken. It matches
	// storage.ErrConflict.
	ErrExists = fmt.Errorf("flags: the key is taken: %w", storage.ErrConflict)
	// ErrInUse reports the deletion of an audience that is used; [InUseError] names by
	// whom. It matches storage.ErrConflict.
	ErrInUse = fmt.Errorf("flags: the audience is in use: %w", storage.ErrConflict)
)

// An InUseError names who uses an audience that was to be deleted. It matches [ErrInUse].
type InUseError struct {
	// Audience is the key of the audience.
	Audience string
	// Users are at most a hundred who use it: "flag checkout", "audience beta", and
	// what [Config.InUse] names.
	Users []string
}

// Error implements error.
func (e *InUseError) Error() string {
	return ErrInUse.Error() + ": " + e.Audience + " by " + strings.Join(e.Users, ", ")
}

// Unwrap returns [ErrInUse].
func (e *InUseError) Unwrap() error { return ErrInUse }
