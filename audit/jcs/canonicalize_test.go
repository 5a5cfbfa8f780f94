package jcs_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/lumelle/adminkit/audit/jcs"
)

func TestCanonicalForm(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"blanks go", " { \"a\" :\t[ 1 ,\r\n2 ] } ", `{"a":[1,2]}`},
		{"empty containers stay", `[{},[], {} ]`, `[{},[],{}]`},
		{"a scalar is a document", ` true `, `true`},
		{"members are ordered at every level", `{"b":{"d":1,"c":2},"a":0}`, `{"a":0,"b":{"c":2,"d":1}}`},
		{"a prefix comes before what it begins", `{"aa":1,"a":2,"":3}`, `{"":3,"a":2,"aa":1}`},
		{"keys differ by case", `{"amount":1,"Amount":2}`, `{"Amount":2,"amount":1}`},
		{"keys are compared unescaped", `{"\u0062":1,"a":2}`, `{"a":2,"b":1}`},
		{"surrogates come before U+E000", `{"\ufb33":6,"😀":5,"é":1}`, `{"é":1,"😀":5,"` + "\ufb33" + `":6}`},
		{"characters beyond U+FFFF keep their own order", `{"😁":2,"😀":1}`, `{"😀":1,"😁":2}`},
		{"what need not be escaped is not", `"\u0041\/\u20ac\u007f"`, "\"A/€\u007f\""},
		{"what must be escaped is", `"\u0008\u0009\u000a\u000c\u000d\u0022\u005c\u0000\u001F"`, `"\b\t\n\f\r\"\\\u0000\u001f"`},
		{"a surrogate pair is one character", `"\uD83D\uDE00"`, `"😀"`},
		{"texts are not normalised", `{"e\u0301":3,"\u00e9":1}`, `{"e` + "\u0301" + `":3,"é":1}`},
		{"minus zero is zero", `[-0,-0.0,0e5]`, `[0,0,0]`},
		{"a fraction that is none goes", `[1.0,4.50,56.0e0]`, `[1,4.5,56]`},
		{"exponents are written as ECMAScript does", `[1e21,1e-6,1e-7,1E+2]`, `[1e+21,0.000001,1e-7,100]`},
		{"the largest integer", `[9007199254740991,-9007199254740991]`, `[9007199254740991,-9007199254740991]`},
		{"what rounds to zero is zero", `1e-400`, `0`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := jcs.Canonicalize([]byte(c.in))
			if err != nil || string(got) != c.want {
				t.Fatalf("Canonicalize(%s) = %s, %v; want %s", c.in, got, err, c.want)
			}
			again, err := jcs.Canonicalize(got)
			if err != nil || string(again) != c.want {
				t.Errorf("Canonicalize of the canonical form = %s, %v; want it unchanged", again, err)
			}
		})
	}
}

func TestVectors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want, leaf string }{
		{
			"numbers and escapes",
			`{"b":2,"a":1.0,"\u20ac":"\u000f","z":[1e21,1e-7,333333333.33333329,4.50,2e-3,-0]}`,
			`{"a":1,"b":2,"z":[1e+21,1e-7,333333333.3333333,4.5,0.002,0],"€":"\u000f"}`,
			"cefac62a6e8ca349c491f1cb8c78bff9da269ac19bd39f36807e1611eac57812",
		},
		{
			"six keys in the order of UTF-16",
			"{\"é\":1,\"e\u0301\":2,\"A\":3,\"a\":4,\"\U0001F600\":5,\"\uFB33\":6}",
			"{\"A\":3,\"a\":4,\"e\u0301\":2,\"é\":1,\"\U0001F600\":5,\"\uFB33\":6}",
			"165fec3137e1d57a423378b285e8ccff467298888a3fad40ae6e89300b23ee00",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := jcs.Canonicalize([]byte(c.in))
			if err != nil || string(got) != c.want {
				t.Fatalf("Canonicalize = %s, %v; want %s", got, err, c.want)
			}
			if sum := sha256.Sum256(append([]byte{0}, got...)); hex.EncodeToString(sum[:]) != c.leaf {
				t.Errorf("leaf = %x, want %s", sum, c.leaf)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, pointer, message string }{
		{"nothing", ``, "", "is cut off"},
		{"blanks only", " \n", "", "is cut off"},
		{"two documents", `{} {}`, "", "followed by more"},
		{"a word that is none", `[nul]`, "/0", "not JSON"},
		{"NaN", `{"a":NaN}`, "/a", "not JSON"},
		{"a key twice", `{"a":{"b":1,"c":2,"b":3}}`, "/a/b", "stands twice"},
		{"a key twice in a row", `{"b":1,"b":2}`, "/b", "stands twice"},
		{"a key twice, once escaped", `{"a":1,"\u0061":2}`, "/a", "stands twice"},
		{"the pointer is escaped", `{"a/b~c":[1,tru]}`, "/a~1b~0c/1", "not JSON"},
		{"half a surrogate pair", `["\ud800"]`, "/0", "surrogate"},
		{"the other half", `["\udc00\ud800"]`, "/0", "surrogate"},
		{"a surrogate and something else", `["\ud800\u0041"]`, "/0", "surrogate"},
		{"a surrogate encoded in UTF-8", "[\"\xed\xa0\x80\"]", "/0", "UTF-8"},
		{"bytes that are not UTF-8", "[\"\xff\"]", "/0", "UTF-8"},
		{"a key that is not UTF-8", "{\"\xc3\":1}", "", "UTF-8"},
		{"an overlong encoding", "[\"\xc0\xaf\"]", "/0", "UTF-8"},
		{"a control character", "[\"a\nb\"]", "/0", "control character"},
		{"an escape that is none", `["\x41"]`, "/0", "bad escape"},
		{"a short escape", `["\u12"]`, "/0", "bad escape"},
		{"a string cut off", `["abc`, "/0", "cut off"},
		{"a string cut off in an escape", `["abc\`, "/0", "cut off"},
		{"an array cut off", `[1,2`, "", "missing"},
		{"a comma too many", `[1,]`, "/1", "not JSON"},
		{"a key without a value", `{"a"}`, "", "colon"},
		{"a key that is no string", `{a:1}`, "", "key"},
		{"a leading zero", `[01]`, "", "missing"},
		{"a leading plus", `+1`, "", "not JSON"},
		{"a point without digits", `1.`, "", "bad number"},
		{"an exponent without digits", `[1e]`, "/0", "bad number"},
		{"a lone minus", `-`, "", "bad number"},
		{"a number beyond a double", `[1e400]`, "/0", "beyond the range"},
		{"an integer beyond 2^53", `{"n":9007199254740993}`, "/n", "beyond 2^53"},
		{"2^53 itself", `9007199254740992`, "", "beyond 2^53"},
		{"a negative one", `-9007199254740993`, "", "beyond 2^53"},
		{"one that is written with an exponent", `9007199254740993e0`, "", "beyond 2^53"},
		{"a very long one", "1" + strings.Repeat("0", 30), "", "beyond 2^53"},
		{"65 levels", strings.Repeat("[", 65) + strings.Repeat("]", 65), strings.Repeat("/0", 64), "too deep"},
		{"a byte order mark", "\ufeff{}", "", "not JSON"},
		{"a comment", `{}//`, "", "followed by more"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := jcs.Canonicalize([]byte(c.in))
			var bad *jcs.Error
			if !errors.As(err, &bad) {
				t.Fatalf("Canonicalize(%q) = %q, %v; want an error", c.in, got, err)
			}
			if bad.Pointer != c.pointer || !strings.Contains(bad.Message, c.message) {
				t.Errorf("error = %q, %q; want pointer %q and %q", bad.Pointer, bad.Message, c.pointer, c.message)
			}
		})
	}
}

func TestDepthOf64IsAccepted(t *testing.T) {
	t.Parallel()
	in := strings.Repeat(`{"a":`, 64) + "1" + strings.Repeat("}", 64)
	if got, err := jcs.Canonicalize([]byte(in)); err != nil || string(got) != in {
		t.Fatalf("Canonicalize = %s, %v", got, err)
	}
}

func TestAppendKeepsWhatStandsBefore(t *testing.T) {
	t.Parallel()
	got, err := jcs.Append([]byte("x="), []byte(`{"b":1,"a":2}`))
	if err != nil || string(got) != `x={"a":2,"b":1}` {
		t.Fatalf("Append = %s, %v", got, err)
	}
	got, err = jcs.Append([]byte("x="), []byte(`{"b":1,`))
	if err == nil || string(got) != "x=" {
		t.Fatalf("Append of bad input = %s, %v; want what was given", got, err)
	}
}

func TestAppendString(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		{"", `""`},
		{"a\"b\\c/d", `"a\"b\\c/d"`},
		{"\x00\x1f\x7f\u2028😀", "\"\\u0000\\u001f\x7f\u2028😀\""},
		{"a\xffb", "\"a\ufffdb\""},
		{"\ufffd", "\"\ufffd\""},
	} {
		if got := string(jcs.AppendString(nil, c.in)); got != c.want {
			t.Errorf("AppendString(%q) = %s, want %s", c.in, got, c.want)
		}
	}
}
