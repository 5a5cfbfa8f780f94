package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lumelle/adminkit/storage"
)

// translate gives an error of pgx its word of package storage, and keeps the cause
// for errors.As.
func translate(err error) error {
	var pg *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, pgx.ErrTxClosed):
		return fmt.Errorf("postgres: %w: %w", storage.ErrTxDone, err)
	case !errors.As(err, &pg):
		if inAnswer(err) {
			return fmt.Errorf("postgres: %w", err)
		}
		return unavailable(err)
	case pg.Code == "23505": // unique_violation
		return fmt.Errorf("postgres: %w: %w", storage.ErrConflict, err)
	case transient(pg.Code):
		return unavailable(err)
	}
	return fmt.Errorf("postgres: %w", err)
}

// inAnswer reports whether pgx found the error itself, in arguments or columns that
// do not fit, and the connection is well.
func inAnswer(err error) bool {
	var scan pgx.ScanArgError
	return errors.As(err, &scan) || strings.HasPrefix(err.Error(), "failed to encode args") ||
		strings.HasPrefix(err.Error(), "expected ") || strings.HasPrefix(err.Error(), "number of field descriptions")
}

// transient reports whether the same change may succeed when it is made again: lost
// connections (class 08), serialization failures and deadlocks (40), a server that is
// full (53), locks not got (55P03), and shutdown (57P01 to 57P05).
func transient(code string) bool {
	switch {
	case code == "40001", code == "40P01", code == "55P03", code == "57014":
		return true
	}
	return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "53") || strings.HasPrefix(code, "57P") ||
		strings.HasPrefix(code, "58")
}

func unavailable(cause error) error {
	return fmt.Errorf("postgres: %w: %w", storage.ErrUnavailable, cause)
}
