package text_test

import (
	"testing"

	"github.com/lumelle/adminkit/audit/internal/text"
)

func TestPrintable(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"a", " a ", "é", "e\u0301", "😀", "\u00a0", "\u2028"} {
		if message := text.Printable(s); message != "" {
			t.Errorf("Printable(%q) = %q, want fit", s, message)
		}
	}
	for _, s := range []string{"", "  ", "a\n", "\x00", "\x7f", "\u0085", "\u009f", "\ufffe", "\U0001ffff", "\ufdd0", "\xff", "a\xc3"} {
		if text.Printable(s) == "" {
			t.Errorf("Printable(%q) is fit, want a reason against", s)
		}
	}
	if message := text.Printable("\ufffd"); message != "" {
		t.Errorf("Printable of the replacement character = %q, want fit: it is a character like others", message)
	}
}

func TestURIReference(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]struct{ reference, absolute bool }{
		"/orders":              {true, false},
		"orders":               {true, false},
		"//example.com/a?b#c":  {true, false},
		"https://example.com/": {true, true},
		"urn:uuid:1234":        {true, true},
		"mailto:a@example.com": {true, true},
		"":                     {false, false},
		"/a b":                 {false, false},
		"/ä":                   {false, false},
		"/a%2":                 {false, false},
		":a":                   {false, false},
		"/{id}":                {false, false},
		"/a\n":                 {false, false},
	} {
		if got := text.URIReference(s); got != want.reference {
			t.Errorf("URIReference(%q) = %t", s, got)
		}
		if got := text.URI(s); got != want.absolute {
			t.Errorf("URI(%q) = %t", s, got)
		}
	}
}
