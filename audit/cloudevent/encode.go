package cloudevent

import (
	"encoding/base64"
	"encoding/json"
	"mime"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/lumelle/adminkit/audit"
	"github.com/lumelle/adminkit/audit/internal/text"
	"github.com/lumelle/adminkit/audit/jcs"
	"github.com/lumelle/adminkit/storage"
)

// Marshal returns e as a structured CloudEvent with all that e knows. [Parse] and
// [Envelope.Event] give e back.
//
// An event that package audit accepted always encodes. Otherwise the error is a
// *storage.InvalidError.
func Marshal(e audit.Event) ([]byte, error) {
	return Append(make([]byte, 0, 512+len(e.Payload)), e)
}

// MarshalPublic returns e as a structured CloudEvent for readers outside: its
// attributes, its payload and who acted, without [ExtContext]. So nobody learns from
// where somebody acted, what an object looked like before, or who agreed.
func MarshalPublic(e audit.Event) ([]byte, error) {
	return AppendPublic(make([]byte, 0, 512+len(e.Payload)), e)
}

// Append appends what [Marshal] returns to dst.
func Append(dst []byte, e audit.Event) ([]byte, error) { return appendEvent(dst, &e, false) }

// AppendPublic appends what [MarshalPublic] returns to dst.
func AppendPublic(dst []byte, e audit.Event) ([]byte, error) { return appendEvent(dst, &e, true) }

func appendEvent(dst []byte, e *audit.Event, public bool) ([]byte, error) {
	start := len(dst)
	dst = append(dst, '{')
	var bad *storage.InvalidError
	err := attributes(e, public, func(name, value string) {
		if message := checkAttribute(name, value); message != "" {
			bad = bad.Add("/"+name, message)
		}
		dst = appendMember(dst, name, value)
	})
	if err != nil {
		return dst[:start], err
	}
	if e.Schema != "" && len(e.Payload) > 0 {
		dst = appendMember(dst, attrDataSchema, schemaURI(e.Schema))
	}
	if len(e.Payload) > 0 {
		if !json.Valid(e.Payload) {
			bad = bad.Add("/payload", "must be JSON")
		}
		dst = appendMember(dst, attrDataContentType, jsonType)
		dst = append(dst, `,"data":`...)
		dst = append(dst, e.Payload...)
	}
	if err := bad.Err(); err != nil {
		return dst[:start], err
	}
	return append(dst, '}'), nil
}

func appendMember(dst []byte, name, value string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(dst, '"')
	dst = append(dst, name...)
	dst = append(dst, '"', ':')
	return jcs.AppendString(dst, value)
}

// checkAttribute says what keeps value from being an attribute.
func checkAttribute(name, value string) string {
	if message := text.Printable(value); message != "" {
		return message
	}
	if name == attrSource && !text.URIReference(value) {
		return "must be a URI reference"
	}
	return ""
}

// utf16Units returns r as one or two UTF-16 code units.
func utf16Units(r rune) []rune {
	if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
		return []rune{high, low}
	}
	return []rune{r}
}

// isText reports whether data of a type other than JSON is written as text.
func isText(contentType string, data []byte) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && utf8.Valid(data) &&
		(strings.HasPrefix(media, "text/") || media == "application/xml" || strings.HasSuffix(media, "+xml"))
}

func appendBase64(dst, data []byte) []byte {
	dst = append(dst, `,"data_base64":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, data)
	return append(dst, '"')
}
