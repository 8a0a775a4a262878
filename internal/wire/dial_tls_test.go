package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/wsload/wsload/internal/memnet"
)

// openingTLS opens wss://peer.test/ over memory and gives the peer its side of
// the TLS handshake.
func openingTLS(t *testing.T, o opening) (*call, *peer, error) {
	t.Helper()
	near, far := memnet.Pipe(memnet.Options{})
	h := &Handshake{Dialer: dialer()}
	h.Dialer.TLS = o.client
	h.Dialer.Dial = func(context.Context, string, netip.Addr) (net.Conn, error) { return near, nil }
	k := h.opening(t, context.Background(), "wss://peer.test/")
	p := newPeer(t, far)
	err := p.secure(o.server)
	return k, p, err
}

// state is what the peer's TLS session agreed on.
func (p *peer) state() tls.ConnectionState { return p.conn.(*tls.Conn).ConnectionState() }

func TestACertificateThatIsNotTrustedIsARefusalOfTLS(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(t *testing.T, o *opening)
		text   string
	}{
		"another CA": {func(t *testing.T, o *opening) { _, o.client.RootCAs = identity(t, "peer.test") }, "certificate"},
		"no CA":      {func(_ *testing.T, o *opening) { o.client.RootCAs = x509.NewCertPool() }, "unknown authority"},
		"another name": {func(t *testing.T, o *opening) {
			o.server.Certificates[0], o.client.RootCAs = identity(t, "elsewhere.test")
		}, "elsewhere.test"},
		"another name asked for": {func(_ *testing.T, o *opening) { o.client.ServerName = "elsewhere.test" }, "elsewhere.test"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := openTLS(t)
				tc.change(t, &o)
				k, _, err := openingTLS(t, o)
				if err == nil {
					t.Error("the peer's handshake succeeded")
				}
				k.wantRefusal("tls", false, tc.text)
			})
		})
	}
}

func TestAPeerThatSpeaksNoTLSIsARefusalOfTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memnet.Pipe(memnet.Options{})
		h := &Handshake{Dialer: dialer()}
		h.Dialer.Dial = func(context.Context, string, netip.Addr) (net.Conn, error) { return near, nil }
		k := h.opening(t, context.Background(), "wss://peer.test/")
		newPeer(t, far).send([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
		k.wantRefusal("tls", false, "first record does not look like a TLS handshake")
	})
}

func TestTheNameOfTheURLIsAskedFor(t *testing.T) {
	for name, tc := range map[string]struct{ cert, serverName, want string }{
		"by default":        {"peer.test", "", "peer.test"},
		"unless one is set": {"inner.test", "inner.test", "inner.test"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := openTLS(t)
				o.server.Certificates[0], o.client.RootCAs = identity(t, tc.cert)
				o.client.ServerName = tc.serverName
				k, p, err := openingTLS(t, o)
				if err != nil {
					t.Fatal(err)
				}
				if req := p.upgrade(nil); req.Host != "peer.test" {
					t.Errorf("the request was for %q", req.Host)
				}
				if err := k.wait(); err != nil {
					t.Error(err)
				}
				if got := p.state().ServerName; got != tc.want {
					t.Errorf("asked for %q, want %q", got, tc.want)
				}
				if o.client.ServerName != tc.serverName {
					t.Error("the shared configuration was changed")
				}
			})
		})
	}
}

func TestAClientCertificateIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := openTLS(t)
		cert, clients := identity(t, "client.test")
		o.client.Certificates = []tls.Certificate{cert}
		o.server.ClientAuth, o.server.ClientCAs = tls.RequireAndVerifyClientCert, clients
		k, p, err := openingTLS(t, o)
		if err != nil {
			t.Fatal(err)
		}
		p.upgrade(nil)
		if err := k.wait(); err != nil {
			t.Error(err)
		}
		if got := p.state().PeerCertificates[0].Subject.CommonName; got != "client.test" {
			t.Errorf("the peer saw the certificate of %q", got)
		}
	})
}

// The server says so only when the client's side of the handshake is done.
func TestAClientCertificateThatIsMissingIsARefusalOfTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := openTLS(t)
		_, clients := identity(t, "client.test")
		o.server.ClientAuth, o.server.ClientCAs = tls.RequireAndVerifyClientCert, clients
		k, p, err := openingTLS(t, o)
		if err == nil {
			t.Error("the peer's handshake succeeded")
		}
		k.wantRefusal("tls", false, "certificate required")
		io.Copy(io.Discard, p.tcp)
	})
}

func TestWithoutAConfigurationTheDefaultsOfTLSHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := openTLS(t)
		o.client = nil
		k, _, _ := openingTLS(t, o)
		k.wantRefusal("tls", false, "certificate")
	})
}

// A server that refuses ends the session right behind its answer.
func TestOverTLSAnAnswerIsReadAlsoWhenACloseNotifyCameWithIt(t *testing.T) {
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := openTLS(t)
				o.client.MaxVersion = version
				k, p, err := openingTLS(t, o)
				if err != nil {
					t.Fatal(err)
				}
				p.request()
				all := p.hold(func() {
					p.send([]byte("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone"))
					p.notify()
				})
				if _, err := p.tcp.Write(all); err != nil {
					t.Fatal(err)
				}
				p.fin()
				k.wantRefusal("status-404", false, `"none"`)
			})
		})
	}
}
