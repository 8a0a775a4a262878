package target_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsload/wsload/internal/memnet"
	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/internal/wire"
)

// secured returns a Server for wss and a client's configuration for it.
func secured(t *testing.T) (*target.Server, *tls.Config) {
	t.Helper()
	cert, ca, err := target.SelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatalf("the CA is no PEM certificate: %s", ca)
	}
	// In TLS 1.2 an alert shows as one on the wire.
	return &target.Server{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}},
		&tls.Config{RootCAs: roots, ServerName: "localhost", MaxVersion: tls.VersionTLS12}
}

// recorder remembers the last record type that the server sent.
type recorder struct {
	*memnet.Conn
	header []byte
	left   int
	last   byte
}

const recordAlert = 21 // RFC 5246 section 6.2.1

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	for _, b := range p[:n] {
		if r.left > 0 {
			r.left--
			continue
		}
		if r.header = append(r.header, b); len(r.header) == 5 {
			r.last, r.left = r.header[0], int(r.header[3])<<8|int(r.header[4])
			r.header = nil
		}
	}
	return n, err
}

// openTLS opens a WebSocket over TLS and returns it with what is below.
func (h *host) openTLS(t *testing.T, cfg *tls.Config, path string) (*client, *recorder) {
	t.Helper()
	below := &recorder{Conn: h.dial(t).conn.(*memnet.Conn)}
	c := newClient(t, tls.Client(below, cfg))
	c.upgrade(path)
	return c, below
}

func TestOverTLSACleanCloseEndsWithCloseNotifyAndFIN(t *testing.T) {
	for _, path := range []string{"/echo", "/slow-reply?delay=3s", "/echo?measured", "/slow-reply?delay=3s&measured"} {
		s, cfg := secured(t)
		if strings.HasSuffix(path, "measured") {
			s.Record = measuring().Record
		}
		serveTLS(t, s, cfg, func(t *testing.T, h *host) {
			c, below := h.openTLS(t, cfg, path)
			c.text("hello")
			c.want(wire.OpText, "hello")
			c.sendClose(1000, "")
			c.wantClose(1000, "")
			c.wantEOF()
			if below.last != recordAlert {
				t.Errorf("%s: the last record before the FIN has type %d, want an alert", path, below.last)
			}
			below.CloseWrite()
			h.wantCounts(t, one(target.Counts{CloseSent: 1, CloseReceived: 1, Ended: target.Endings{ServerFIN: 1}}))
		})
	}
}

func TestOverTLSACutSendsNoCloseNotify(t *testing.T) {
	for path, ended := range map[string]target.Endings{
		"/early-fin":    {ServerFIN: 1},
		"/fin-no-reply": {ServerFIN: 1},
		"/early-rst":    {ServerRST: 1},
	} {
		s, cfg := secured(t)
		serveTLS(t, s, cfg, func(t *testing.T, h *host) {
			c, below := h.openTLS(t, cfg, path)
			var counts target.Counts
			if path == "/fin-no-reply" {
				c.sendClose(1000, "")
				counts.CloseReceived = 1
			}
			if path == "/early-rst" {
				c.wantReset()
			} else {
				c.wantEOF()
			}
			if below.last == recordAlert {
				t.Errorf("%s: an alert came before the end", path)
			}
			counts.Ended = ended
			h.wantCounts(t, one(counts))
		})
	}
}

func TestOverTLSTheEndOfTCPCountsAndNotTheEndOfTLS(t *testing.T) {
	s, cfg := secured(t)
	tests := []struct {
		name string
		end  func(*client, *recorder)
		took time.Duration
		want target.Endings
	}{
		{"FIN without close_notify", func(_ *client, r *recorder) { r.CloseWrite() }, 0, target.Endings{ClientFIN: 1}},
		{"RST", func(_ *client, r *recorder) { r.SetLinger(0); r.Close() }, 0, target.Endings{ClientRST: 1}},
		{"close_notify and FIN", func(c *client, _ *recorder) { c.conn.Close() }, 0, target.Endings{ClientFIN: 1}},
		{"close_notify and FIN a second later", func(c *client, r *recorder) {
			c.conn.(*tls.Conn).CloseWrite()
			time.Sleep(time.Second)
			r.CloseWrite()
		}, time.Second, target.Endings{ClientFIN: 1}},
		{"close_notify and RST a second later", func(c *client, r *recorder) {
			c.conn.(*tls.Conn).CloseWrite()
			time.Sleep(time.Second)
			r.SetLinger(0)
			r.Close()
		}, time.Second, target.Endings{ClientRST: 1}},
		// Where a close_notify comes alone, the Tap looks for a FIN for 1 ms.
		{"close_notify alone", func(c *client, r *recorder) {
			c.conn.(*tls.Conn).CloseWrite()
			r.Conn.Read(make([]byte, 1))
		}, 5001 * time.Millisecond, target.Endings{ServerFIN: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &target.Server{TLS: s.TLS}
			serveTLS(t, s, cfg, func(t *testing.T, h *host) {
				c, below := h.openTLS(t, cfg, "/echo")
				start := time.Now()
				tt.end(c, below)
				wantElapsed(t, start, tt.took)
				h.wantCounts(t, one(target.Counts{Ended: tt.want}))
			})
		})
	}
}

func TestOverTLSACloseNotifyInPlaceOfAnAnswerLeavesTimeForTheFIN(t *testing.T) {
	s, cfg := secured(t)
	serveTLS(t, s, cfg, func(t *testing.T, h *host) {
		c, below := h.openTLS(t, cfg, "/echo")
		c.text("close 1000")
		c.wantClose(1000, "")
		time.Sleep(time.Second)
		c.conn.(*tls.Conn).CloseWrite()
		time.Sleep(time.Second)
		below.CloseWrite()
		h.wantCounts(t, one(target.Counts{CloseSent: 1, Ended: target.Endings{ClientFIN: 1}}))
	})
}

func TestOverTLSAnEndingServerSaysGoingAway(t *testing.T) {
	s, cfg := secured(t)
	serveTLS(t, s, cfg, func(t *testing.T, h *host) {
		c, _ := h.openTLS(t, cfg, "/echo")
		start := time.Now()
		h.end()
		c.wantClose(1001, "going away")
		c.sendClose(1001, "")
		c.wantEOF()
		h.wantServed(t, start, 0)
	})
}

func TestAClientThatNeverBeginsTLSDoesNotHoldTheServer(t *testing.T) {
	s, cfg := secured(t)
	serveTLS(t, s, cfg, func(t *testing.T, h *host) {
		c := h.dial(t)
		c.wantSilence(time.Second)
		h.stop(t, 0)
		c.wantEOF()
	})
}

func TestHTTP2IsNeverChosen(t *testing.T) {
	s, cfg := secured(t)
	s.TLS.NextProtos = []string{"h2"}
	cfg.NextProtos = []string{"h2", "http/1.1"}
	serveTLS(t, s, cfg, func(t *testing.T, h *host) {
		c, _ := h.openTLS(t, cfg, "/echo")
		if got := c.conn.(*tls.Conn).ConnectionState().NegotiatedProtocol; got != "http/1.1" {
			t.Errorf("the protocol is %q, want http/1.1", got)
		}
	})
}

func TestTheLogHearsOfAFailedHandshake(t *testing.T) {
	s, cfg := secured(t)
	var log bytes.Buffer
	s.Log = slog.New(slog.NewTextHandler(&log, nil))
	serveTLS(t, s, cfg, func(t *testing.T, h *host) {
		c := h.dial(t)
		c.write([]byte("GET /echo HTTP/1.1\r\n\r\n"))
		if resp := c.response(); resp.StatusCode != 400 {
			t.Errorf("plain HTTP was answered %s, want 400", resp.Status)
		}
		synctest.Wait()
		if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "TLS handshake") {
			t.Errorf("the log has %q", log.String())
		}
	})
}

// serveTLS is serve with both clocks of TLS moved to the time outside of the
// bubble, where the certificate was made.
func serveTLS(t *testing.T, s *target.Server, cfg *tls.Config, f func(t *testing.T, h *host)) {
	t.Helper()
	now := time.Now()
	cfg.Time = func() time.Time { return now }
	serve(t, s, f)
}

func TestTheCertificateIsGoodForTheLoopbackNamesForMoreThanADay(t *testing.T) {
	cert, ca, err := target.SelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	for _, at := range []time.Time{time.Now(), time.Now().Add(48 * time.Hour)} {
		for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
			_, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: at})
			if err != nil {
				t.Errorf("at %s for %s: %v", at.Format(time.DateOnly), name, err)
			}
		}
	}
	if err := leaf.VerifyHostname("example.com"); err == nil {
		t.Error("the certificate is good for example.com")
	}
	again, _, err := target.SelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	if string(again.Certificate[0]) == string(cert.Certificate[0]) {
		t.Error("two certificates are the same")
	}
}
