package shop

import (
	"context"
	"encoding/base64"

	"github.com/lumelle/adminkit/storage"
)

// Setting returns the value that the shop keeps under a name, and keeps fresh there
// where it has none. Processes that start at once agree on one value.
func (s *Store) Setting(ctx context.Context, name string, fresh []byte) ([]byte, error) {
	var text string
	err := s.db.InTx(ctx, func(ctx context.Context) error {
		c, err := s.db.Conn(ctx)
		if err != nil {
			return err
		}
		_, err = c.Exec(ctx, `INSERT INTO shop_setting (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
			name, base64.StdEncoding.EncodeToString(fresh))
		if err != nil {
			return err
		}
		return storage.QueryRow(ctx, c, `SELECT value FROM shop_setting WHERE name = $1`, []any{name}, &text)
	})
	if err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(text)
}
