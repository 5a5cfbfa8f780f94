package httpapitest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/httpapi"
)

// Identify is an httpapi.Identify for tests. Who sends "Bearer sam@acme" is the user sam
// of the tenant acme.
func Identify(r *http.Request) (httpapi.Identity, error) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	person, tenant, _ := strings.Cut(token, "@")
	if !ok {
		return httpapi.Identity{}, httpapi.ErrUnauthenticated
	}
	return httpapi.Identity{Tenant: tenant, Actor: audit.Actor{Type: audit.User, ID: person}}, nil
}

// A Client asks a surface as the people that [Identify] knows.
type Client struct {
	// URL stands before the path of every request of Do.
	URL  string
	t    testing.TB
	http *http.Client
}

// Serve serves h on loopback, behind httpapi.Edge, until the test ends. prefix stands before
// every path that the client asks for, and every answer is held to document, nil for none.
func Serve(t testing.TB, h http.Handler, prefix string, document []byte) *Client {
	t.Helper()
	server := httptest.NewServer(httpapi.Edge(nil, h))
	t.Cleanup(func() {
		server.Close()
		server.Client().CloseIdleConnections()
	})
	c := &Client{URL: server.URL + prefix, t: t, http: server.Client()}
	if document != nil {
		c.http = &http.Client{Transport: Load(t, document).Transport(t, server.Client().Transport)}
	}
	return c
}

// As returns what sends a request to any URL as who, as [ListUnderTest] wants it.
func (c *Client) As(who string) func(r *http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		r.Header.Set("Authorization", "Bearer "+who)
		return c.http.Do(r)
	}
}

// An Answer is one with its body read: as text, and decoded where it is a JSON object.
type Answer struct {
	Status int
	Header http.Header
	Body   map[string]any
	Text   string
}

// At follows a path such as "steps/0/attempts" into the body.
func (a Answer) At(t testing.TB, path string) any {
	t.Helper()
	var v any = a.Body
	for name := range strings.SplitSeq(path, "/") {
		switch inside := v.(type) {
		case map[string]any:
			v = inside[name]
		case []any:
			var i int
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(inside) {
				t.Fatalf("%s leads nowhere in %s", path, a.Text)
			}
			v = inside[i]
		default:
			t.Fatalf("%s leads nowhere in %s", path, a.Text)
		}
	}
	return v
}

// Do sends a request as who, "" for nobody, with header lines "Name: value". A body is sent
// as JSON, and so has to be what comes back, if anything does.
func (c *Client) Do(who, method, path, body string, header ...string) Answer {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.URL+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	send := c.http.Do
	if who != "" {
		send = c.As(who)
	}
	resp, err := send(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	a := Answer{Status: resp.StatusCode, Header: resp.Header, Text: string(text)}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &a.Body); err != nil {
			c.t.Fatalf("%s %s: %v in %s", method, path, err, text)
		}
	}
	return a
}

// Want returns an answer that has a status, and ends the test where it has another.
func (c *Client) Want(a Answer, status int) Answer {
	c.t.Helper()
	if a.Status != status {
		c.t.Fatalf("got %d %s, want %d", a.Status, a.Text, status)
	}
	return a
}
