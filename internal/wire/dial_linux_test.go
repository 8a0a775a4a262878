package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"
)

func TestADialComesFromTheChosenAddress(t *testing.T) {
	l, accept := listen(t)
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{"127.0.0.1": "127.0.0.5", "localhost": "127.0.0.6"} {
		h := &Handshake{Dialer: dialer(), Local: netip.MustParseAddr(want)}
		k := h.opening(t, t.Context(), "ws://"+net.JoinHostPort(host, port))
		p := accept()
		p.upgrade(nil)
		if err := k.wait(); err != nil {
			t.Fatal(err)
		}
		if got := p.tcp.RemoteAddr().(*net.TCPAddr).IP.String(); got != want {
			t.Errorf("the dial came from %s, want %s", got, want)
		}
	}
}

func TestAnAddressThatIsNotOfThisHostIsTheToolsFault(t *testing.T) {
	l, _ := listen(t)
	h := &Handshake{Dialer: dialer(), Local: netip.MustParseAddr("192.0.2.1")} // RFC 5737: documentation
	h.opening(t, t.Context(), "ws://"+l.Addr().String()).
		wantRefusal("eaddrnotavail", true, "cannot assign requested address")
}

// The limit is that of a whole process, so it is met in a process of its own.
func TestADialBeyondTheDescriptorLimitIsTheToolsFault(t *testing.T) {
	const child = "WIRE_TEST_FEW_DESCRIPTORS"
	l, _ := listen(t)
	if os.Getenv(child) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), child+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 32, Max: 32}); err != nil {
		t.Fatal(err)
	}
	for range 32 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		defer f.Close()
	}
	h := &Handshake{Dialer: dialer()}
	h.opening(t, t.Context(), "ws://"+l.Addr().String()).wantRefusal("emfile", true, "too many open files")
}

// dialled is a connection as the Dialer opens it by itself, and its other end.
func dialled(t *testing.T, addr string) (*fileConn, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h := &Handshake{Dialer: dialer()}
	conn, err := h.dial(t.Context(), l.Addr().String(), time.Now().Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		far.Close()
	})
	return conn.(*fileConn), far.(*net.TCPConn)
}

func TestADialledSocketKnowsItsAddresses(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		near, far := dialled(t, addr)
		if got, want := near.LocalAddr().String(), far.RemoteAddr().String(); got != want {
			t.Errorf("the own address is %s, the other end says %s", got, want)
		}
		if got, want := near.RemoteAddr().String(), far.LocalAddr().String(); got != want {
			t.Errorf("the peer's address is %s, the other end says %s", got, want)
		}
	}
}

func TestADialledSocketDelaysAndProbesNothing(t *testing.T) {
	near, _ := dialled(t, "127.0.0.1:0")
	for _, tc := range []struct {
		name               string
		level, opt, expect int
	}{
		{"TCP_NODELAY", syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1},
		{"SO_KEEPALIVE", syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 0},
	} {
		near.raw.Control(func(fd uintptr) {
			if got, err := syscall.GetsockoptInt(int(fd), tc.level, tc.opt); err != nil || got != tc.expect {
				t.Errorf("%s is %d, %v, want %d", tc.name, got, err, tc.expect)
			}
		})
	}
}

func TestADialledSocketIsANetConn(t *testing.T) {
	near, far := dialled(t, "127.0.0.1:0")
	var b [8]byte
	if _, err := near.Write([]byte("ping")); err != nil {
		t.Fatal(err)
	}
	if n, err := far.Read(b[:]); string(b[:n]) != "ping" || err != nil {
		t.Errorf("the other end read %q, %v", b[:n], err)
	}
	near.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := near.Read(b[:]); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a read at its deadline: %v", err)
	}
	near.SetReadDeadline(time.Time{})
	far.CloseWrite()
	if _, err := near.Read(b[:]); err != io.EOF {
		t.Errorf("a read at the FIN: %v", err)
	}
}

func TestADialledSocketEndsAsItsLingerSays(t *testing.T) {
	for _, tc := range []struct {
		linger []int
		want   error
	}{
		{nil, io.EOF},
		{[]int{0}, syscall.ECONNRESET},
		{[]int{0, -1}, io.EOF},
		{[]int{1}, io.EOF},
	} {
		near, far := dialled(t, "127.0.0.1:0")
		for _, sec := range tc.linger {
			if err := near.SetLinger(sec); err != nil {
				t.Fatal(err)
			}
		}
		if err := near.Close(); err != nil {
			t.Error(err)
		}
		if _, err := far.Read(make([]byte, 1)); !errors.Is(err, tc.want) {
			t.Errorf("linger %v: the other end read %v, want %v", tc.linger, err, tc.want)
		}
	}
}

// The own close of a socket is no ending of the peer's making, whoever is
// inside it.
func TestAnOwnCloseIsNotTakenForThePeersEnd(t *testing.T) {
	c := openTCP(t, opening{})
	reader, writer := c.reading(), c.writing(make([]byte, 64<<20))
	time.Sleep(20 * time.Millisecond) // both are inside, as good as always
	if err := c.tap.sock.Close(); err != nil {
		t.Error(err)
	}
	if err := reader.wait(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the library's Read ended with %v", err)
	}
	if err := writer.wait(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the library's Write ended with %v", err)
	}
	c.wantTrace(Open, None)
}

// full listens with a queue of one and fills it: what is dialled next waits in
// the dark, as behind a path that drops packets.
func full(t *testing.T) (addr string, accept func()) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	sa := &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	if err := errors.Join(syscall.Bind(fd, sa), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port := name.(*syscall.SockaddrInet4).Port
	addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	filler, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { filler.Close() })
	return addr, func() {
		for range 2 {
			conn, _, err := syscall.Accept(fd)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { syscall.Close(conn) })
		}
	}
}

func TestADialWithoutAnAnswerWaits(t *testing.T) {
	for name, tc := range map[string]struct {
		limit  time.Duration
		stop   time.Duration
		reason string
	}{
		"until its limit":    {100 * time.Millisecond, time.Hour, "timeout"},
		"until the run ends": {time.Minute, 100 * time.Millisecond, "interrupted"},
	} {
		t.Run(name, func(t *testing.T) {
			addr, _ := full(t)
			h := &Handshake{Dialer: dialer()}
			h.Dialer.Connect = tc.limit
			defer time.AfterFunc(tc.stop, h.Interrupt).Stop()
			k := h.opening(t, context.Background(), "ws://"+addr)
			k.wantRefusal(tc.reason, false, "")
			if k.took < 100*time.Millisecond || k.took > 5*time.Second {
				t.Errorf("it took %v", k.took)
			}
		})
	}
}

func TestADialWhoseAnswerIsLateIsConnected(t *testing.T) {
	addr, accept := full(t)
	h := &Handshake{Dialer: dialer()}
	k := beside(t, func() error {
		conn, err := h.dial(context.Background(), addr, time.Now().Add(time.Minute))
		if err != nil {
			return err
		}
		defer conn.Close()
		return conn.SetDeadline(time.Time{})
	})
	time.Sleep(50 * time.Millisecond)
	accept() // the kernel asks again after a second
	if err := k.wait(); err != nil {
		t.Error(err)
	}
	if k.took < 50*time.Millisecond {
		t.Errorf("it took %v: nothing was late", k.took)
	}
}
