package sqlstore_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/internal/sqlstore"
)

// printed is an engine that prints the statements it is given.
type printed struct{}

func (printed) Exec(_ context.Context, query string, _ []any) (int64, error) {
	fmt.Println(query)
	return 1, nil
}

func (printed) Query(context.Context, string, []any) (storage.Rows, error) {
	return nil, errors.ErrUnsupported
}

func (printed) Script(context.Context, string) error { return errors.ErrUnsupported }

// An engine brings the statements, Tx the rules: what fails inside is undone by itself,
// and a level that has ended writes nothing.
func ExampleTx() {
	var savepoint *sqlstore.Tx
	tx := sqlstore.NewTx("engine", printed{})
	err := tx.Run(context.Background(), func(ctx context.Context) error {
		if _, err := tx.Exec(ctx, "INSERT INTO a"); err != nil {
			return err
		}
		err := tx.Nest(ctx, func(ctx context.Context) error {
			level, err := storage.TxFor(ctx, "engine")
			if err != nil {
				return err
			}
			savepoint = level.(*sqlstore.Tx)
			if _, err := savepoint.Exec(ctx, "INSERT INTO a"); err != nil {
				return err
			}
			return errors.New("declined")
		})
		fmt.Println(err)
		return nil
	})
	fmt.Println(err)
	for _, ended := range []*sqlstore.Tx{savepoint, tx} {
		_, err := ended.Exec(context.Background(), "INSERT INTO b")
		fmt.Println(errors.Is(err, storage.ErrTxDone))
	}
	// Output:
	// INSERT INTO a
	// SAVEPOINT adminkit_1
	// INSERT INTO a
	// ROLLBACK TO SAVEPOINT adminkit_1
	// RELEASE SAVEPOINT adminkit_1
	// declined
	// <nil>
	// true
	// true
}
