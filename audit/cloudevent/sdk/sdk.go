// Package sdk converts events of the kit to and from the event type of
// github.com/cloudevents/sdk-go/v2, for hosts that publish and subscribe with it.
//
//	e, err := sdk.FromEvent(auditEvent) // e.Validate() is nil
//	...
//	auditEvent, err := sdk.ToEvent(e)
//
// The mapping is that of package cloudevent, one to one and without loss. Whoever only
// writes or reads JSON needs package cloudevent alone, which links none of the SDK.
package sdk

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/cloudevent"
	"github.com/lumelle/adminkit/storage"
)

// FromEvent returns e as an event of the SDK, valid and with all that e knows.
func FromEvent(e audit.Event) (event.Event, error) {
	v, err := cloudevent.FromEvent(e)
	if err != nil {
		return event.Event{}, err
	}
	return FromEnvelope(v)
}

// ToEvent is the inverse of [FromEvent]. For events of other producers see
// [cloudevent.Envelope.Event].
func ToEvent(e event.Event) (audit.Event, error) {
	v, err := ToEnvelope(e)
	if err != nil {
		return audit.Event{}, err
	}
	return v.Event()
}

// FromEnvelope returns the envelope as an event of the SDK.
func FromEnvelope(v cloudevent.Envelope) (event.Event, error) {
	// The context is filled directly: the SDK's setters trim blanks that belong to a
	// name, and keep their errors for Validate.
	c := event.EventContextV1{ID: v.ID, Type: v.Type, DataSchema: types.ParseURI(v.DataSchema)}
	if source := types.ParseURIRef(v.Source); source != nil {
		c.Source = *source
	}
	if v.Subject != "" {
		c.Subject = &v.Subject
	}
	if !v.Time.IsZero() {
		c.Time = &types.Timestamp{Time: v.Time}
	}
	for name, value := range v.Extensions {
		if err := c.SetExtension(name, value); err != nil {
			return event.Event{}, storage.Invalid("/"+name, "is no extension")
		}
	}
	e := event.Event{Context: &c}
	if v.Data != nil {
		contentType := v.DataContentType
		if contentType == "" {
			contentType = event.ApplicationJSON
		}
		if err := e.SetData(contentType, v.Data); err != nil {
			return event.Event{}, fmt.Errorf("cloudevent: set data: %w", err)
		}
	}
	if err := e.Validate(); err != nil {
		return event.Event{}, invalid(err)
	}
	return e, nil
}

// ToEnvelope returns an event of the SDK as an envelope. Events of version 0.3 are
// converted as the SDK does it.
func ToEnvelope(e event.Event) (cloudevent.Envelope, error) {
	if err := e.Validate(); err != nil {
		return cloudevent.Envelope{}, invalid(err)
	}
	v := cloudevent.Envelope{
		ID: e.ID(), Source: e.Source(), Type: e.Type(), Subject: e.Subject(), Time: e.Time(),
		DataSchema: e.DataSchema(), DataContentType: e.DataContentType(), Data: e.Data(),
		Extensions: map[string]string{},
	}
	for name, value := range e.Extensions() {
		text, err := types.Format(value)
		if err != nil {
			return cloudevent.Envelope{}, storage.Invalid("/"+name, "has a value that is no attribute")
		}
		v.Extensions[name] = text
	}
	return v, nil
}

// invalid returns an error of the SDK's validation in the words of the kit.
func invalid(err error) error {
	var fields event.ValidationError
	if !errors.As(err, &fields) {
		return fmt.Errorf("cloudevent: %w", err)
	}
	var bad *storage.InvalidError
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		bad = bad.Add("/"+name, "is not valid in a CloudEvent")
	}
	return bad.Err()
}
