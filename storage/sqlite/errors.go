package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"github.com/lumelle/adminkit/storage"
)

// Primary result codes of SQLite, the low byte of what drivers report.
const (
	codeBusy       = 5
	codeLocked     = 6
	codeNoMem      = 7
	codeReadOnly   = 8
	codeInterrupt  = 9
	codeIOErr      = 10
	codeFull       = 13
	codeCantOpen   = 14
	codeProtocol   = 15
	codeConstraint = 19
)

// Extended codes of a taken key.
const (
	codePrimaryKey = codeConstraint | 6<<8
	codeUnique     = codeConstraint | 8<<8
	codeRowID      = codeConstraint | 10<<8
)

// code returns the result code that a driver reports, extended where it does so, and
// 0 where there is none. Drivers with an error type of their own shape are read by
// the text that SQLite itself gives to its results.
func code(err error) int {
	var coded interface{ Code() int }
	if errors.As(err, &coded) {
		return coded.Code()
	}
	if err == nil {
		return 0
	}
	text := err.Error()
	for _, known := range []struct {
		text string
		code int
	}{
		{"UNIQUE constraint failed", codeUnique},
		{"constraint failed", codeConstraint},
		{"database is locked", codeBusy},
		{"database table is locked", codeLocked},
		{"database or disk is full", codeFull},
		{"disk I/O error", codeIOErr},
		{"attempt to write a readonly database", codeReadOnly},
		{"unable to open database file", codeCantOpen},
		{"interrupted", codeInterrupt},
	} {
		if strings.Contains(text, known.text) {
			return known.code
		}
	}
	return 0
}

// locked reports whether another connection has the lock that a statement needs.
func locked(err error) bool {
	primary := code(err) & 0xff
	return primary == codeBusy || primary == codeLocked
}

// translate gives a driver's error its word of package storage, and keeps the cause
// for errors.As.
func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, sql.ErrTxDone):
		return fmt.Errorf("sqlite: %w", storage.ErrTxDone)
	case errors.Is(err, sql.ErrConnDone), errors.Is(err, driver.ErrBadConn), errors.Is(err, errClosed),
		strings.Contains(err.Error(), "sql: database is closed"):
		return unavailable(err)
	}
	switch c := code(err); c {
	case codePrimaryKey, codeUnique, codeRowID:
		return fmt.Errorf("sqlite: %w: %w", storage.ErrConflict, err)
	default:
		switch c & 0xff {
		case codeBusy, codeLocked, codeNoMem, codeReadOnly, codeInterrupt, codeIOErr, codeFull, codeCantOpen, codeProtocol:
			return unavailable(err)
		}
	}
	return fmt.Errorf("sqlite: %w", err)
}

func unavailable(cause error) error {
	if code(cause)&0xff == codeFull {
		return fmt.Errorf("sqlite: %w: %w: %w", storage.ErrUnavailable, storage.ErrNoSpace, cause)
	}
	return fmt.Errorf("sqlite: %w: %w", storage.ErrUnavailable, cause)
}

// errClosed is the cause of storage.ErrUnavailable after Close.
var errClosed = errors.New("the backend was closed")
