package trigger_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/trigger"
)

// admin is a server with this answer. It returns its host:port.
func admin(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// speaker is a server that sends these bytes to who sends it something, and
// then nothing. It returns its host:port.
func speaker(t *testing.T, says string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Read(make([]byte, 1<<10))
			io.WriteString(conn, says)
			io.Copy(io.Discard, conn)
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

func TestARequestArrivesAsItIsWritten(t *testing.T) {
	var got *http.Request
	host := admin(t, func(w http.ResponseWriter, r *http.Request) { got = r; w.WriteHeader(http.StatusNoContent) })
	err := fire(t.Context(), t, trigger.Request{Method: "POST", URL: "http://ann:secret@" + host + "/kick%2F1?user=7", Limit: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	user, password, _ := got.BasicAuth()
	if got.Method != "POST" || got.RequestURI != "/kick%2F1?user=7" || user != "ann" || password != "secret" {
		t.Errorf("it arrived as %s %s of %q, %q", got.Method, got.RequestURI, user, password)
	}
	if !got.Close || got.Header.Get("Accept-Encoding") != "" {
		t.Errorf("it arrived with close = %v and %v", got.Close, got.Header)
	}
	if err := fire(t.Context(), t, trigger.Request{URL: "http://" + host}); err != nil {
		t.Fatal(err)
	}
	if got.Method != "GET" || got.RequestURI != "/" {
		t.Errorf("it arrived as %s %s, want a GET of the root", got.Method, got.RequestURI)
	}
}

func TestTheLaunchIsBeforeTheRequestIsWritten(t *testing.T) {
	var arrived atomic.Bool
	host := admin(t, func(http.ResponseWriter, *http.Request) { arrived.Store(true) })
	err := trigger.Request{URL: "http://" + host}.Fire(t.Context(), func() {
		time.Sleep(50 * time.Millisecond) // in which it could have arrived
		if arrived.Load() {
			t.Error("the request was written before the launch")
		}
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAStatusOf2xxOr3xxIsSuccessAndNoRedirectIsFollowed(t *testing.T) {
	var asked atomic.Int32
	status := http.StatusOK
	host := admin(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Location", "/again%zz") // followed or read, it is an error
		w.WriteHeader(status)
	})
	for want, statuses := range map[bool][]int{true: {200, 202, 299, 301, 307, 399}, false: {400, 404, 500, 503}} {
		for _, status = range statuses {
			err := fire(t.Context(), t, trigger.Request{URL: "http://" + host})
			if (err == nil) != want {
				t.Errorf("status %d: %v", status, err)
			}
		}
	}
	if got := asked.Load(); got != 10 {
		t.Errorf("%d requests arrived, want 10", got)
	}
}

func TestTheErrorOfARequestNamesItWithoutItsSecrets(t *testing.T) {
	host := admin(t, func(w http.ResponseWriter, r *http.Request) { http.Error(w, r.RequestURI, http.StatusForbidden) })
	wantError(t, fire(t.Context(), t, trigger.Request{Method: "POST", URL: "http://ann:secret@" + host + "/kick?token=secret#secret"}),
		"http POST "+host+"/kick: status 403 Forbidden", true)
	for _, url := range []string{"http://ann:sec#ret@" + host, "http://ann:%zz@" + host, "http:///kick?secret", "secret", "http://h:port/?secret"} {
		wantError(t, fire(t.Context(), t, trigger.Request{URL: url}),
			"http GET: not launched: the url is not valid (write http://host/path)", false)
	}
	wantError(t, fire(t.Context(), t, trigger.Request{URL: "ftp://" + host + "/?secret"}),
		"http GET "+host+"/: not launched: unsupported protocol scheme \"ftp\"", false)
	wantError(t, fire(t.Context(), t, trigger.Request{Method: "A\nB", URL: "http://" + host + "/?secret"}),
		"http A B "+host+`/: not launched: net/http: invalid method "A\nB"`, false)
}

func TestARequestToWhereNothingListensIsNotLaunched(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := l.Addr().String()
	l.Close()
	err = fire(t.Context(), t, trigger.Request{URL: "http://" + host + "/kick?secret"})
	if _, dialed := errors.AsType[*net.OpError](err); !dialed || !errors.Is(err, trigger.ErrNotLaunched) || strings.Contains(err.Error(), "secret") {
		t.Errorf("the error is %v", err)
	}
}

func TestTheTextOfAServerInAnErrorIsCut(t *testing.T) {
	host := speaker(t, strings.Repeat("no-http-", 100)+"\r\n\r\n")
	err := fire(t.Context(), t, trigger.Request{URL: "http://" + host})
	if err == nil || len(err.Error()) > 300 || errors.Is(err, trigger.ErrNotLaunched) {
		t.Errorf("the error is %v", err)
	}
	err = fire(t.Context(), t, trigger.Request{Method: strings.Repeat("\n", 1000), URL: "http://" + host})
	if err == nil || len(err.Error()) > 500 {
		t.Errorf("the error is %v", err)
	}
}

func TestTheBodyOfARefusalIsNeitherAwaitedNorShown(t *testing.T) {
	host := speaker(t, "HTTP/1.1 599 Own Words\r\nContent-Length: 9\r\n\r\nbye")
	wantError(t, fire(t.Context(), t, trigger.Request{URL: "http://" + host}),
		"http GET "+host+": status 599", true)
}

func TestARequestEndsAtItsLimit(t *testing.T) {
	const limit = 500 * time.Millisecond
	for name, test := range map[string]struct {
		scheme, says, want string
		launched           bool
	}{
		"no answer":        {"http", "", "given up: it did not end within 500ms", true},
		"half an answer":   {"http", "HTTP/1.1 200 OK\r\nContent-Le", "given up: it did not end within 500ms", true},
		"half a body":      {"http", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbye", "status 200 OK, but its answer broke off: given up: it did not end within 500ms", true},
		"no TLS of a peer": {"https", "", "not launched: given up: it did not end within 500ms", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host := speaker(t, test.says)
			wantError(t, fire(t.Context(), t, trigger.Request{URL: test.scheme + "://" + host, Limit: limit}),
				"http GET "+host+": "+test.want, test.launched)
		})
	}
}

func TestARequestEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := make(chan struct{})
	host := admin(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel(errors.New("signal"))
		<-r.Context().Done() // the connection has ended
		close(gone)
	})
	wantError(t, fire(ctx, t, trigger.Request{URL: "http://" + host, Limit: time.Hour}), "http GET "+host+": given up: signal", true)
	<-gone
	wantError(t, fire(ctx, t, trigger.Request{URL: "http://" + host}), "http GET "+host+": not launched: given up: signal", false)
}

func TestTheEndOfALongBodyIsNotAwaited(t *testing.T) {
	gone := make(chan struct{})
	host := admin(t, func(w http.ResponseWriter, _ *http.Request) {
		defer close(gone)
		for line := make([]byte, 4<<10); ; {
			if _, err := w.Write(line); err != nil {
				return
			}
		}
	})
	if err := fire(t.Context(), t, trigger.Request{URL: "http://" + host}); err != nil {
		t.Error(err)
	}
	<-gone
}
