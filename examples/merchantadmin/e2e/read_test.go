package e2e

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// call asks the API as a person and decodes the answer, also while the test is cleaned up.
func call(t *testing.T, person, method, path, body string, into any) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, site+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer demo-"+person)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		t.Fatalf("%s %s answers %d: %s", method, path, resp.StatusCode, answer)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
}

// reads wants the API to tell at path what was done on the pages: the JSON of each value
// by its place in the answer, such as "steps/0/output".
func (b *tab) reads(path string, want map[string]string) {
	b.t.Helper()
	b.says("GET", path, "", want)
}

func (b *tab) says(method, path, body string, want map[string]string) {
	b.t.Helper()
	var answer any
	call(b.t, "dana", method, path, body, &answer)
	for place, text := range want {
		var value any
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			b.t.Fatalf("%s: %v", text, err)
		}
		if got := at(answer, place); !reflect.DeepEqual(got, value) {
			said, err := json.Marshal(got)
			b.t.Errorf("%s of %s is %s %v, want %s", place, path, said, err, text)
		}
	}
}

// at finds the value at a place, nil where there is none.
func at(value any, place string) any {
	for name := range strings.SplitSeq(place, "/") {
		switch within := value.(type) {
		case map[string]any:
			value = within[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(within) {
				return nil
			}
			value = within[i]
		default:
			return nil
		}
	}
	return value
}

// took wants a task to be done by so many clicks since its first page was opened.
func (b *tab) took(clicks int, task string) {
	b.t.Helper()
	if b.clicks != clicks {
		b.t.Errorf("to %s took %d clicks, want %d", task, b.clicks, clicks)
	}
	b.clicks = 0
}
