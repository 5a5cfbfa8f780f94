package egress

import (
	"context"
	"net/http"
)

// Do makes a request that is no delivery, to an address that a stranger wrote: a step of
// an automation for one. It goes only where attempts may go, follows no redirect and
// keeps the caller's ctx as its deadline. The caller reads and closes the answer's body,
// as with http.Client.
//
// A destination that may not be reached is [ErrBlocked], which no repetition mends.
func (d *Deliverer) Do(r *http.Request) (*http.Response, error) {
	u, problem := d.parse(r.URL.String())
	if problem != "" {
		return nil, ErrBlocked
	}
	if u.Scheme == "http" {
		r = r.WithContext(context.WithValue(r.Context(), plainKey{}, true))
	}
	client := http.Client{
		Transport:     d.transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return client.Do(r)
}
