package cloudevent

import (
	"maps"
	"mime"
	"net/url"
	"slices"
	"strings"

	"github.com/lumelle/adminkit/audit/jcs"
	"github.com/lumelle/adminkit/storage"
)

// The media types of the HTTP binding.
const (
	// StructuredType is the content type of one event in JSON.
	StructuredType = "application/cloudevents+json"
	// BatchType is the content type of a batch in JSON.
	BatchType = "application/cloudevents-batch+json"
)

// headerPrefix begins the names of attributes in the binary mode.
const headerPrefix = "ce-"

// Read reads the events of an HTTP message in any of the three modes: structured,
// batch, and binary, where attributes stand in headers and the body is the data. What
// is wrong is a *storage.InvalidError; the header ce-type is "/type" in it.
func Read(header map[string][]string, body []byte) ([]Envelope, error) {
	h, err := messageHeader(header)
	if err != nil {
		return nil, err
	}
	media, params, err := mime.ParseMediaType(h["content-type"])
	if err != nil && h["content-type"] != "" {
		return nil, storage.Invalid("/datacontenttype", "must be a media type")
	}
	if charset := strings.ToLower(params["charset"]); strings.HasPrefix(media, "application/cloudevents") &&
		charset != "" && charset != "utf-8" {
		return nil, storage.Invalid("", "must be encoded in UTF-8")
	}
	switch {
	case media == StructuredType:
		v, err := Parse(body)
		return []Envelope{v}, err
	case media == BatchType:
		return ParseBatch(body)
	case strings.HasPrefix(media, "application/cloudevents"):
		return nil, storage.Invalid("", "is in a format other than JSON")
	}
	v, err := readBinary(h, body)
	return []Envelope{v}, err
}

// messageHeader returns the headers that concern an event, by lower-case name. One
// that stands twice is refused: readers would differ in which they take.
func messageHeader(header map[string][]string) (map[string]string, error) {
	h := map[string]string{}
	for name, values := range header {
		name = strings.ToLower(name)
		if name != "content-type" && !strings.HasPrefix(name, headerPrefix) {
			continue
		}
		if _, twice := h[name]; twice || len(values) != 1 {
			return nil, storage.Invalid(headerPointer(name), "must stand once in the headers")
		}
		h[name] = strings.Trim(values[0], " \t")
	}
	return h, nil
}

func headerPointer(name string) string {
	if name == "content-type" {
		return "/datacontenttype"
	}
	return "/" + strings.TrimPrefix(name, headerPrefix)
}

func readBinary(h map[string]string, body []byte) (Envelope, error) {
	v := Envelope{DataContentType: h["content-type"], Extensions: map[string]string{}}
	var bad *storage.InvalidError
	attribute := func(name string) string {
		value, ok := decodeHeader(h[headerPrefix+name])
		if !ok {
			bad = bad.Add("/"+name, "must be percent-encoded UTF-8")
		}
		delete(h, headerPrefix+name)
		return value
	}
	switch attribute(attrSpecVersion) {
	case specVersion:
	case "":
		bad = bad.Add("/specversion", "is required")
	default:
		bad = bad.Add("/specversion", "must be 1.0")
	}
	v.ID, v.Source, v.Type = attribute(attrID), attribute(attrSource), attribute(attrType)
	v.Subject, v.DataSchema = attribute(attrSubject), attribute(attrDataSchema)
	if at := attribute(attrTime); at != "" {
		var err error
		if v.Time, err = parseTime(at); err != nil {
			bad = bad.Add("/time", "must be a time of RFC 3339")
		}
	}
	delete(h, "content-type")
	if _, ok := h[headerPrefix+attrDataContentType]; ok {
		bad = bad.Add("/datacontenttype", "is told by the header Content-Type")
		delete(h, headerPrefix+attrDataContentType)
	}
	if len(h) > maxExtensions {
		bad = bad.Add("", "has too many attributes")
		clear(h)
	}
	for _, name := range slices.Sorted(maps.Keys(h)) {
		name = strings.TrimPrefix(name, headerPrefix)
		if value := attribute(name); value != "" {
			v.Extensions[name] = value
		}
	}
	if len(body) > 0 {
		v.Data = body
	}
	if err := bad.Err(); err != nil {
		return Envelope{}, err
	}
	if err := v.check(); err != nil {
		return Envelope{}, err
	}
	return v, nil
}

// decodeHeader undoes the encoding of the HTTP binding: percent-encoded UTF-8, with
// whatever is in double quotes unquoted first.
func decodeHeader(value string) (string, bool) {
	if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
		unquoted := make([]byte, 0, len(value))
		for i := 1; i < len(value)-1; i++ {
			if value[i] == '\\' && i+2 < len(value) {
				i++
			}
			unquoted = append(unquoted, value[i])
		}
		value = string(unquoted)
	}
	decoded, err := url.PathUnescape(value)
	if err != nil {
		// A percent sign that encodes nothing stands for itself.
		decoded = value
	}
	return decoded, strings.ToValidUTF8(decoded, "") == decoded
}

// Binary returns the headers and the body of the envelope in the binary mode.
func (v Envelope) Binary() (header map[string]string, body []byte) {
	header = map[string]string{}
	v.each(func(name, value string) {
		if name == attrDataContentType {
			header["Content-Type"] = value
		} else {
			header[headerPrefix+name] = encodeHeader(value)
		}
	})
	return header, v.Data
}

// encodeHeader percent-encodes what may not stand in a header: blanks, double quotes,
// percent signs and what is not printable ASCII.
func encodeHeader(value string) string {
	var b strings.Builder
	for _, c := range []byte(value) {
		if c <= ' ' || c == '"' || c == '%' || c >= 0x7f {
			b.WriteString("%" + string("0123456789ABCDEF"[c>>4]) + string("0123456789ABCDEF"[c&15]))
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// each yields the attributes of the envelope, the extensions in order of name.
func (v *Envelope) each(yield func(name, value string)) {
	yield(attrSpecVersion, specVersion)
	yield(attrID, v.ID)
	yield(attrSource, v.Source)
	yield(attrType, v.Type)
	for _, a := range []struct{ name, value string }{
		{attrSubject, v.Subject}, {attrTime, formatTimestamp(v)},
		{attrDataSchema, v.DataSchema}, {attrDataContentType, v.DataContentType},
	} {
		if a.value != "" {
			yield(a.name, a.value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v.Extensions)) {
		yield(name, v.Extensions[name])
	}
}

func formatTimestamp(v *Envelope) string {
	if v.Time.IsZero() {
		return ""
	}
	return v.Time.UTC().Format("2006-01-02T15:04:05.999999999Z07:00")
}

// Append appends the envelope in the structured mode to dst. Data that is neither
// JSON nor text stands in base64. The error is a *storage.InvalidError.
func (v Envelope) Append(dst []byte) ([]byte, error) {
	if err := v.check(); err != nil {
		return dst, err
	}
	dst = append(dst, '{')
	v.each(func(name, value string) { dst = appendMember(dst, name, value) })
	switch {
	case v.Data == nil:
	case isJSON(v.DataContentType):
		dst = append(dst, `,"data":`...)
		dst = append(dst, v.Data...)
	case isText(v.DataContentType, v.Data):
		dst = append(dst, `,"data":`...)
		dst = jcs.AppendString(dst, string(v.Data))
	default:
		dst = appendBase64(dst, v.Data)
	}
	return append(dst, '}'), nil
}
