package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"

	"github.com/lumelle/adminkit/storage"
)

// errHidden is what a commit answers after a failed statement: Postgres has rolled
// back.
var errHidden = errors.New("a statement had failed and the function did not return its error")

// translate gives an error of pgx its word of package storage, and keeps the cause
// for errors.As.
func translate(err error) error {
	state := sqlState(err)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, pgx.ErrTxClosed), errors.Is(err, sql.ErrTxDone):
		return fmt.Errorf("postgres: %w: %w", storage.ErrTxDone, err)
	case state == "23505": // unique_violation
		return fmt.Errorf("postgres: %w: %w", storage.ErrConflict, err)
	case transient(state), state == "" && lost(err):
		return unavailable(err)
	}
	return fmt.Errorf("postgres: %w", err)
}

// sqlState returns the code that the server gave to an error, and "" where the error
// is not the server's. The drivers agree on this method.
func sqlState(err error) string {
	var coded interface{ SQLState() string }
	if errors.As(err, &coded) {
		return coded.SQLState()
	}
	return ""
}

// rolledBack reports whether the error of a commit is that of a server which has
// rolled back and is well: a deferred constraint or trigger, a serialization failure.
func rolledBack(err error) bool {
	state := sqlState(err)
	if len(state) != 5 {
		return false
	}
	switch state[:2] {
	case "23", "25", "40", "P0":
		return true
	}
	return false
}

// lost reports whether err is that of a connection which cannot be made or has ended,
// and not of arguments or columns that do not fit.
func lost(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, pgconn.ErrConnClosed) || errors.Is(err, puddle.ErrClosedPool) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) ||
		strings.Contains(err.Error(), "sql: database is closed")
}

// transient reports whether the same change may succeed when it is made again.
func transient(code string) bool {
	switch code {
	case "40001", "40P01", "55P03", "57014": // serialization failure, deadlock, lock not available, query cancelled
		return true
	}
	for _, class := range []string{"08", "53", "57P", "58"} { // connection, resources, shutdown, I/O
		if strings.HasPrefix(code, class) {
			return true
		}
	}
	return false
}

// diskFull is the code by which the server tells that it cannot write for want of space.
const diskFull = "53100"

func unavailable(cause error) error {
	if sqlState(cause) == diskFull {
		return fmt.Errorf("postgres: %w: %w: %w", storage.ErrUnavailable, storage.ErrNoSpace, cause)
	}
	return fmt.Errorf("postgres: %w: %w", storage.ErrUnavailable, cause)
}
