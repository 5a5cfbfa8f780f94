package postgres

import (
	"context"
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
		if lost(err) {
			return unavailable(err)
		}
		return fmt.Errorf("postgres: %w", err)
	case pg.Code == "23505": // unique_violation
		return fmt.Errorf("postgres: %w: %w", storage.ErrConflict, err)
	case transient(pg.Code):
		return unavailable(err)
	}
	return fmt.Errorf("postgres: %w", err)
}

// lost reports whether err is that of a connection which cannot be made or has ended,
// and not of arguments or columns that do not fit.
func lost(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, pgconn.ErrConnClosed) || errors.Is(err, puddle.ErrClosedPool) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, syscall.ECONNRESET)
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

func unavailable(cause error) error {
	return fmt.Errorf("postgres: %w: %w", storage.ErrUnavailable, cause)
}
