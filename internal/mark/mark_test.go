package mark

import (
	"bytes"
	"math"
	"testing"
)

func TestAMarkIsReadBackFromTheBeginningOfItsMessage(t *testing.T) {
	for _, m := range []Mark{
		{},
		{Run: 1, N: 2, Seq: 3},
		{Run: 0xdeadbeef, N: 1 << 40, Seq: 999},
		{Run: math.MaxUint32, N: math.MaxUint64, Seq: math.MaxUint64},
	} {
		p := m.Append(nil)
		if len(p) > Size {
			t.Errorf("%q has %d bytes, Size is %d", p, len(p), Size)
		}
		for _, tail := range []string{"", "payload", "/", "0"} {
			got, rest, ok := Parse(append(p[:len(p):len(p)], tail...))
			if !ok || got != m || string(rest) != tail {
				t.Errorf("%q and %q: got %+v and %q, %t, want %+v", p, tail, got, rest, ok, m)
			}
		}
	}
}

func TestTheLongestMarkFillsSize(t *testing.T) {
	m := Mark{Run: math.MaxUint32, N: math.MaxUint64, Seq: math.MaxUint64}
	if n := len(m.Append(nil)); n != Size {
		t.Errorf("%d bytes, want %d", n, Size)
	}
}

func TestWhatIsNoMarkIsNotReadAsOne(t *testing.T) {
	for name, p := range map[string]string{
		"nothing":                       "",
		"another text":                  "hello",
		"the prefix alone":              "wsload/",
		"a prefix in capitals":          "WSLOAD/00000001/2/3/",
		"a run id that is cut":          "wsload/0000",
		"a run id without its slash":    "wsload/00000001",
		"a run id of capitals":          "wsload/0000000A/2/3/",
		"a run id that is no number":    "wsload/0000000g/2/3/",
		"a run id that is too long":     "wsload/000000001/2/3/",
		"no connection":                 "wsload/00000001//3/",
		"a connection that is cut":      "wsload/00000001/2",
		"a negative connection":         "wsload/00000001/-2/3/",
		"no sequence":                   "wsload/00000001/2//",
		"a sequence that is cut":        "wsload/00000001/2/3",
		"a sequence that is no number":  "wsload/00000001/2/3x/",
		"a sequence of 21 digits":       "wsload/00000001/2/000000000000000000003/",
		"a sequence beyond 64 bits":     "wsload/00000001/2/18446744073709551616/",
		"a connection far beyond it":    "wsload/00000001/99999999999999999999/3/",
		"a mark not at the beginning":   " wsload/00000001/2/3/",
		"a mark with a blank inside it": "wsload/00000001/ 2/3/",
	} {
		if m, _, ok := Parse([]byte(p)); ok {
			t.Errorf("%s: %q was read as %+v", name, p, m)
		}
	}
}

// FuzzMark checks that no bytes make Parse panic, and that what it reads as
// a mark says the same when written again.
func FuzzMark(f *testing.F) {
	f.Add(Mark{Run: 1, N: 2, Seq: 3}.Append(nil))
	f.Add([]byte("wsload/00000001/02/003/rest"))
	f.Add([]byte("wsload/0000000a/18446744073709551615/18446744073709551616/"))
	f.Fuzz(func(t *testing.T, p []byte) {
		m, rest, ok := Parse(p)
		if !ok {
			return
		}
		if again, _, ok := Parse(m.Append(nil)); !ok || again != m {
			t.Errorf("%q: read %+v, then %+v, %t", p, m, again, ok)
		}
		if !bytes.HasSuffix(p, rest) || len(p)-len(rest) < len(m.Append(nil)) {
			t.Errorf("%q: the rest behind %+v is %q", p, m, rest)
		}
	})
}
