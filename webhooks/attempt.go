package webhooks

import (
	"context"
	"strings"

	"github.com/lumelle/adminkit/audit/correlation"
)

// attempt makes one attempt under its span. Its error is ours, not the receiver's.
func (s *Service) attempt(ctx context.Context, t try) (Result, correlation.Trace, error) {
	keys, err := s.keys(ctx, t.endpoint.Tenant, t.endpoint.ID)
	if err != nil {
		return Result{}, correlation.Trace{}, err
	}
	r := Request{
		Tenant: t.endpoint.Tenant, EndpointID: t.endpoint.ID, URL: t.endpoint.URL,
		MessageID: t.message.ID, DeliveryID: t.delivery.ID, EventType: t.message.EventType,
		ContentType: ContentType, Body: t.message.Body, N: t.delivery.Attempts + 1, At: t.began,
		Timeout: orDefault(t.endpoint.Timeout, s.cfg.Timeout), Keys: keys,
	}
	ctx, span := s.cfg.Tracer.Start(ctx, SpanDelivery, r.attributes(t.message)...)
	ctx, cancel := context.WithTimeout(ctx, r.Timeout+Grace)
	defer cancel()
	result := s.contain(ctx, r)
	span.Set(result.Attributes()...)
	span.End(result.Err())
	return result, correlation.From(ctx), nil
}

// contain calls the Deliverer and turns a panic of it into a failed attempt.
func (s *Service) contain(ctx context.Context, r Request) (result Result) {
	defer func() {
		if recover() != nil {
			result = Result{Class: ClassInternal, Error: "the attempt could not be made"}
		}
	}()
	result = s.deliverer.Deliver(ctx, r)
	if len(result.Response) > MaxResponse {
		result.Response = result.Response[:MaxResponse]
	}
	result.Class, result.Error = storable(result.Class), storable(result.Error)
	return result
}

// storable makes a text of a Deliverer fit for every store: valid UTF-8 without NUL, of
// at most [MaxError] bytes. One that did not fit would keep its attempt from being
// recorded, and so have it made again for ever.
func storable(s string) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
	if len(s) <= MaxError {
		return s
	}
	return strings.ToValidUTF8(s[:MaxError], "")
}
