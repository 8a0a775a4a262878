package trigger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsload/wsload/internal/launch"
)

// mostBody is how much of an answer's body is read, in bytes. A server that
// streams on has done what it was asked for.
const mostBody = 64 << 10

// A Request is an HTTP request without a body that makes the server close. A
// user and a password in the URL are sent as basic authentication.
//
// It goes over a connection of its own, past any proxy of the environment, as
// the connections under test do.
type Request struct {
	Method string        // GET if empty
	URL    string        // http or https, with a host
	Limit  time.Duration // from the dial to the answer's end; no limit if 0
}

// Fire sends the request and reads the answer. A status 2xx or 3xx is success;
// redirects are not followed. At most 64 KiB of the body are awaited.
//
// The launch is the moment before the first byte of the request, after dial and
// TLS handshake.
func (r Request) Fire(ctx context.Context, launched func()) error {
	once := sync.OnceFunc(launched)
	defer once()
	ctx, cancel := bounded(ctx, r.Limit)
	defer cancel()

	name := "http " + r.method()
	// The parser's own error repeats the URL or parts of a password.
	u, err := url.Parse(r.URL)
	if err != nil || u.Host == "" {
		return fmt.Errorf("%s: %w: the url is not valid (write http://host/path)", launch.Brief(name), ErrNotLaunched)
	}
	name = launch.Brief(name + " " + u.Host + u.EscapedPath())
	var sent atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { once(); sent.Store(true) },
	})
	req, err := http.NewRequestWithContext(traced, r.Method, r.URL, nil)
	if err != nil {
		return fmt.Errorf("%s: %w: %w", name, ErrNotLaunched, short{err})
	}
	if u.User != nil {
		password, _ := u.User.Password()
		req.SetBasicAuth(u.User.Username(), password)
	}
	err = roundTrip(ctx, req)
	if err != nil && !sent.Load() {
		err = fmt.Errorf("%w: %w", ErrNotLaunched, err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, short{err})
	}
	return nil
}

func (r Request) method() string {
	if r.Method == "" {
		return http.MethodGet
	}
	return r.Method
}

// roundTrip returns nil after a good answer. It uses a transport without a
// client: that follows no redirect, and puts no URL into its errors.
func roundTrip(ctx context.Context, req *http.Request) error {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true) // in HTTP/2 a request may be sent again
	transport := &http.Transport{Protocols: protocols, DisableKeepAlives: true, DisableCompression: true}
	defer transport.CloseIdleConnections() // ends a dial or a TLS handshake that nobody awaits any more
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return causeOf(ctx, err)
	}
	defer resp.Body.Close()
	status := strings.TrimSpace(fmt.Sprintf("status %d %s", resp.StatusCode, http.StatusText(resp.StatusCode)))
	if resp.StatusCode < 200 || resp.StatusCode > 399 {
		return errors.New(status)
	}
	if _, err := io.CopyN(io.Discard, resp.Body, mostBody); err != nil && err != io.EOF {
		return fmt.Errorf("%s, but its answer broke off: %w", status, causeOf(ctx, err))
	}
	return nil
}

// A short is an error whose text is brief: a peer may have written it.
type short struct {
	err error
}

func (s short) Error() string { return launch.Brief(s.err.Error()) }
func (s short) Unwrap() error { return s.err }
