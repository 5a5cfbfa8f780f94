//go:build !linux

package postgres_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
)

type tmpfs struct{}

func smallDisk(*testing.T, *pgxpool.Pool) *tmpfs { return nil }

func (*tmpfs) resize(*testing.T, int) {}
