package contest

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/wsload/wsload/internal/launch"
	"github.com/wsload/wsload/scenario"
)

func TestAPlanIsPointedAtTheServerOfASide(t *testing.T) {
	own := &host{server: &launch.Server{Addr: "127.0.0.1:4711"}}
	for _, row := range []struct {
		host            *host
		url, path, want string
		connectTo       string
	}{
		{own, "", "", "ws://127.0.0.1:4711/", ""},
		{own, "", "/chat?room=1", "ws://127.0.0.1:4711/chat?room=1", ""},
		{own, "ws:///chat", "", "ws://127.0.0.1:4711/chat", ""},
		{own, "ws:///chat?room=1", "/new", "ws://127.0.0.1:4711/new", ""},
		{own, "wss://localhost/chat", "", "wss://localhost/chat", "127.0.0.1:4711"},
		{own, "wss://localhost?room=1", "/new", "wss://localhost/new", "127.0.0.1:4711"},
		{&host{url: "ws://other:9000/x"}, "ws:///chat", "", "ws://other:9000/x", ""},
	} {
		target := scenario.Target{URL: row.url}
		(&Side{Path: row.path}).aim(&target, row.host)
		if target.URL != row.want || target.ConnectTo != row.connectTo {
			t.Errorf("%q with path %q: %q by %q, want %q by %q", row.url, row.path, target.URL, target.ConnectTo, row.want, row.connectTo)
		}
	}
}

func TestSlicesOnLoopbackComeFromDifferentAddresses(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has all of 127.0.0.0/8")
	}
	for _, row := range []struct {
		target scenario.Target
		slice  int
		want   string
	}{
		{scenario.Target{URL: "ws://127.0.0.1:1/"}, 0, "[127.0.0.1]"},
		{scenario.Target{URL: "ws://127.0.0.1:1/"}, 33, "[127.0.0.2]"},
		{scenario.Target{URL: "ws://127.0.0.1/{{n}}"}, 1, "[127.0.0.2]"},
		{scenario.Target{URL: "wss://example.com/", ConnectTo: "127.0.0.1:1"}, 1, "[127.0.0.2]"},
		{scenario.Target{URL: "ws://127.0.0.1:1/", LocalAddrs: []string{"127.0.0.9"}}, 1, "[127.0.0.9]"},
		{scenario.Target{URL: "ws://10.0.0.1:1/"}, 1, "[]"},
		{scenario.Target{URL: "ws://[::1]:1/"}, 1, "[]"},
		{scenario.Target{URL: "ws://localhost:1/"}, 1, "[]"},
	} {
		target := row.target
		spread(&target, row.slice)
		if got := fmt.Sprint(target.LocalAddrs); got != row.want {
			t.Errorf("slice %d to %s %s comes from %s, want %s", row.slice, target.URL, target.ConnectTo, got, row.want)
		}
	}
}
