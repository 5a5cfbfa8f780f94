package credentials_test

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/lumelle/adminkit/storage"
	"github.com/lumelle/adminkit/storage/secrets/credentials"
	"github.com/lumelle/adminkit/storage/storagetest/eachtest"
)

// Every store answers what a map does, whatever is done to it in which order.
func TestStoresAnswerAsAMapDoes(t *testing.T) {
	eachtest.Run(t, func(t *testing.T, b eachtest.Backend) {
		s := b.Credentials()
		rapid.Check(t, func(t *rapid.T) {
			ctx := t.Context()
			tenant := "acme-" + storage.NewID() // fresh rows for each run
			model := map[string]credentials.Record{}
			names := rapid.SampledFrom([]string{"a", "a/b", "b", "c-1"})
			revisions := rapid.Int64Range(1, 4)
			sealed := rapid.SampledFrom([]string{"one", "two", "three"})
			record := func(name string) credentials.Record {
				return credentials.Record{
					Credential: credentials.Credential{Name: name, Tenant: tenant, Kind: "k", Revision: revisions.Draw(t, "revision"), CreatedAt: noon, UpdatedAt: noon},
					Sealed:     []byte(sealed.Draw(t, "sealed")),
				}
			}
			// want is what a write for a revision has to answer.
			want := func(name string, revision int64) error {
				switch old, ok := model[name]; {
				case !ok:
					return storage.ErrNotFound
				case old.Revision != revision:
					return storage.ErrConflict
				}
				return nil
			}
			check := func(what string, err, want error) {
				if !errors.Is(err, want) {
					t.Fatalf("%s: got %v, want %v", what, err, want)
				}
			}
			t.Repeat(map[string]func(*rapid.T){
				"insert": func(t *rapid.T) {
					r := record(names.Draw(t, "name"))
					var taken error
					if _, ok := model[r.Name]; ok {
						taken = storage.ErrConflict
					} else {
						model[r.Name] = r
					}
					check("insert", s.Insert(ctx, tenant, r, storage.Unlimited), taken)
				},
				"update": func(t *rapid.T) {
					r, revision := record(names.Draw(t, "name")), revisions.Draw(t, "of")
					err := want(r.Name, revision)
					check("update", s.Update(ctx, tenant, r, revision), err)
					if err == nil {
						r.LastUsedAt = model[r.Name].LastUsedAt
						model[r.Name] = r
					}
				},
				"delete": func(t *rapid.T) {
					name, revision := names.Draw(t, "name"), revisions.Draw(t, "of")
					err := want(name, revision)
					check("delete", s.Delete(ctx, tenant, name, revision), err)
					if err == nil {
						delete(model, name)
					}
				},
				"seal again": func(t *rapid.T) {
					r := record(names.Draw(t, "name"))
					old, ok := model[r.Name]
					ok = ok && string(old.Sealed) == string(r.Sealed)
					fresh := []byte(sealed.Draw(t, "fresh"))
					got, err := s.ReplaceSealed(ctx, tenant, r, fresh, "key")
					check("seal again", err, nil)
					if got != ok {
						t.Fatalf("seal again: got %t, want %t", got, ok)
					}
					if ok {
						old.Sealed, old.KeyID = fresh, "key"
						model[r.Name] = old
					}
				},
				"": func(t *rapid.T) {
					page, err := s.List(ctx, tenant, credentials.Query{})
					check("list", err, nil)
					keys := slices.Sorted(maps.Keys(model))
					if len(page.Items) != len(keys) {
						t.Fatalf("got %+v, want %q", page.Items, keys)
					}
					for i, r := range page.Items {
						m := model[keys[i]]
						if r.Credential != m.Credential || string(r.Sealed) != string(m.Sealed) {
							t.Fatalf("got %+v, want %+v", r, m)
						}
					}
				},
			})
		})
	})
}
