package target_test

import (
	"net"
	"syscall"
	"testing"

	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/stats"
)

// withFIN sends bytes and a FIN in one segment: who reads the first has the
// second before it can act.
func (c *client) withFIN(p []byte) {
	c.t.Helper()
	c.hold()
	c.write(p)
	c.fin()
}

// hold keeps what is written until the FIN goes with it.
func (c *client) hold() {
	c.t.Helper()
	conn := c.conn.(*net.TCPConn)
	raw, err := conn.SyscallConn()
	if err != nil {
		c.t.Fatal(err)
	}
	if cerr := raw.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_CORK, 1)
	}); cerr != nil || err != nil {
		c.t.Fatal(cerr, err)
	}
}

func TestAnEndThatWasThereBeforeTheServersCountsAsTheClients(t *testing.T) {
	tests := map[string]struct {
		path string
		do   func(c *client)
		want string
		side stats.Side
	}{
		"a Close with a FIN": {"/echo", func(c *client) {
			c.withFIN(closeFrame(1000, ""))
			c.wantClose(1000, "")
			c.wantEnd()
		}, "by_client clean", stats.Client},
		"a Close, and nobody there for the answer": {"/echo", func(c *client) {
			c.hold()
			c.sendClose(1000, "")
			c.conn.Close() // the socket is gone: bytes that come are answered by an RST
		}, "by_client clean_rst", stats.Client},
		"an order to cut with a FIN": {"/echo", func(c *client) {
			c.withFIN(frame(wire.OpText, "abort fin"))
		}, "by_client premature_eof", stats.Client},
		"an order to reset with a FIN": {"/echo", func(c *client) {
			c.withFIN(frame(wire.OpText, "abort rst"))
		}, "by_client premature_eof", stats.Client},
		"an order to close with a Close": {"/echo", func(c *client) {
			c.write(append(frame(wire.OpText, "close 1001"), closeFrame(1000, "")...))
			c.wantClose(1001, "")
			c.wantEnd()
			c.fin()
		}, "by_client clean", stats.Server},
		"an order to close with a FIN": {"/echo", func(c *client) {
			c.withFIN(frame(wire.OpText, "close 1001"))
			c.wantClose(1001, "")
		}, "by_server unanswered_eof", stats.Client},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := measuring()
			c := newClient(t, onLoopback(t, s)(t))
			c.upgrade(tt.path)
			tt.do(c)
			wantEnded(t, s, 1)
			sum := wantVerdict(t, s, tt.want)
			if sum.ClosedFirst[tt.side] != 1 {
				t.Errorf("closed first: %v, want one of %s", sum.ClosedFirst, tt.side)
			}
			want := target.Endings{ClientFIN: 1}
			if tt.side == stats.Server {
				want = target.Endings{ServerFIN: 1}
			}
			if got := s.Ledger().Modes["none"].Ended; got != want {
				t.Errorf("the ledger has %+v, want %+v", got, want)
			}
		})
	}
}
