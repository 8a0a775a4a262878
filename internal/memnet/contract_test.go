package memnet_test

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsload/wsload/internal/memnet"
)

// end is what the contract says of one end of a connection; a *memnet.Conn
// and, on Linux, a socket both are one.
type end interface {
	net.Conn
	CloseWrite() error
	SetLinger(sec int) error
	KernelState() (soErr syscall.Errno, state uint8, outq int)
	Unread() int
	tcpState() uint8 // as KernelState, without taking the error
}

// script runs one row of the contract over two connected ends.
type script struct {
	*testing.T
	a, b   end
	settle func(until func() bool) // lets what is under way arrive; nil: lets a goroutine block
}

var contract = []struct {
	name string
	run  func(s script)
}{
	{"data is followed by EOF when the peer closes", func(s script) {
		s.write(s.b, "abc")
		s.close(s.b)
		s.state(s.a, 8)
		s.read(s.a, "abc")
		s.readFails(s.a, io.EOF)
		s.readFails(s.a, io.EOF)
		s.pending(s.a, 0)
	}},
	{"what has arrived is unread until it is read, a FIN is no part of it", func(s script) {
		s.unread(s.a, 0)
		s.write(s.b, "abc")
		s.unread(s.a, 3)
		s.close(s.b)
		s.state(s.a, 8)
		s.unread(s.a, 3)
		s.read(s.a, "abc")
		s.unread(s.a, 0)
	}},
	{"an RST lets queued data be read, then fails one read, then reads as EOF", func(s script) {
		s.write(s.b, "abc")
		s.arrived(s.b)
		s.linger0(s.b)
		s.close(s.b)
		s.state(s.a, 7)
		s.read(s.a, "abc")
		s.readFails(s.a, syscall.ECONNRESET)
		s.readFails(s.a, io.EOF)
		s.pending(s.a, 0)
	}},
	{"an RST nobody has read yet is pending as ECONNRESET and taken once", func(s script) {
		s.linger0(s.b)
		s.close(s.b)
		s.state(s.a, 7)
		s.pending(s.a, syscall.ECONNRESET)
		s.pending(s.a, 0)
		s.readFails(s.a, io.EOF)
	}},
	{"a close with unread bytes sends RST", func(s script) {
		s.write(s.a, "never read")
		s.arrived(s.a)
		s.write(s.b, "bye")
		s.arrived(s.b)
		s.close(s.b)
		s.state(s.a, 7)
		s.read(s.a, "bye")
		s.readFails(s.a, syscall.ECONNRESET)
	}},
	{"an RST behind a FIN reads as EOF and is pending as EPIPE", func(s script) {
		s.close(s.b)
		s.state(s.a, 8)
		s.write(s.a, "nobody there") // succeeds, and is answered with RST
		s.state(s.a, 7)
		s.readFails(s.a, io.EOF)
		s.readFails(s.a, io.EOF)
		s.pending(s.a, syscall.EPIPE)
		s.pending(s.a, 0)
	}},
	{"the write after the one that was answered with RST fails with EPIPE and takes the error", func(s script) {
		s.close(s.b)
		s.state(s.a, 8)
		s.write(s.a, "one")
		s.state(s.a, 7)
		s.writeFails(s.a, syscall.EPIPE)
		s.pending(s.a, 0)
		s.writeFails(s.a, syscall.EPIPE)
	}},
	{"a write takes the pending ECONNRESET, later ones give EPIPE", func(s script) {
		s.linger0(s.b)
		s.close(s.b)
		s.state(s.a, 7)
		s.writeFails(s.a, syscall.ECONNRESET)
		s.writeFails(s.a, syscall.EPIPE)
		s.readFails(s.a, io.EOF)
	}},
	{"after a half close the end still reads and no longer writes", func(s script) {
		s.state(s.a, 1)
		s.closeWrite(s.a)
		s.state(s.a, 5)
		s.state(s.b, 8)
		s.writeFails(s.a, syscall.EPIPE)
		s.readFails(s.b, io.EOF)
		s.write(s.b, "still here")
		s.read(s.a, "still here")
		s.closeWrite(s.a) // again: no error, no second FIN
		s.closeWrite(s.b)
		s.readFails(s.a, io.EOF)
		s.state(s.a, 7)
		s.state(s.b, 7)
		s.pending(s.a, 0)
	}},
	{"a half close on a finished or reset connection gives ENOTCONN", func(s script) {
		s.linger0(s.b)
		s.close(s.b)
		s.state(s.a, 7)
		s.fails("shutdown", s.a.CloseWrite(), syscall.ENOTCONN)
	}},
	{"an RST after the own half close reads as ECONNRESET", func(s script) {
		s.closeWrite(s.a)
		s.state(s.a, 5)
		s.linger0(s.b)
		s.close(s.b)
		s.state(s.a, 7)
		s.readFails(s.a, syscall.ECONNRESET)
		s.readFails(s.a, io.EOF)
	}},
	{"every call on an own closed end gives net.ErrClosed", func(s script) {
		s.close(s.a)
		s.readFails(s.a, net.ErrClosed)
		s.writeFails(s.a, net.ErrClosed)
		s.fails("close", s.a.Close(), net.ErrClosed)
		s.fails("half close", s.a.CloseWrite(), net.ErrClosed)
		s.fails("linger", s.a.SetLinger(0), net.ErrClosed)
		s.fails("deadline", s.a.SetDeadline(time.Now()), net.ErrClosed)
	}},
	{"a close wakes a blocked read with net.ErrClosed", func(s script) {
		got := s.async(func() error { _, err := s.a.Read(make([]byte, 1)); return err })
		s.close(s.a)
		s.fails("blocked read", <-got, net.ErrClosed)
	}},
	{"a deadline in the past wakes a blocked read, and lifting it makes the end readable again", func(s script) {
		got := s.async(func() error { _, err := s.a.Read(make([]byte, 1)); return err })
		s.ok(s.a.SetReadDeadline(time.Unix(1, 0)))
		s.fails("blocked read", <-got, os.ErrDeadlineExceeded)
		s.write(s.b, "abc")
		s.arrived(s.b)
		s.readFails(s.a, os.ErrDeadlineExceeded) // also with bytes waiting
		s.ok(s.a.SetReadDeadline(time.Time{}))
		s.read(s.a, "abc")
	}},
	{"a deadline in the future wakes a blocked read when it passes", func(s script) {
		start := time.Now()
		s.ok(s.a.SetReadDeadline(start.Add(20 * time.Millisecond)))
		s.readFails(s.a, os.ErrDeadlineExceeded)
		if waited := time.Since(start); waited < 20*time.Millisecond {
			s.Errorf("read gave up after %v, before its deadline", waited)
		}
	}},
	{"a full window blocks a write until its deadline, which reports what was queued", func(s script) {
		n := s.fill(s.a)
		if n == 0 {
			s.Error("nothing was queued")
		}
		s.ok(s.a.SetWriteDeadline(time.Time{}))
		got := s.async(func() error { _, err := s.a.Write([]byte("x")); return err })
		s.drain(s.b, n)
		s.ok(<-got)
		s.read(s.b, "x")
	}},
	{"a close wakes a write blocked on a full window", func(s script) {
		got := s.stuckWrite()
		s.close(s.a)
		s.fails("blocked write", <-got, net.ErrClosed)
	}},
	{"an RST wakes a write blocked on a full window", func(s script) {
		got := s.stuckWrite()
		s.close(s.b) // with unread bytes
		s.fails("blocked write", <-got, syscall.ECONNRESET)
	}},
	{"a half close wakes the own write blocked on a full window", func(s script) {
		got := s.stuckWrite()
		s.closeWrite(s.a)
		s.fails("blocked write", <-got, syscall.EPIPE)
	}},
	{"a FIN behind a stuck queue stays unacknowledged and counts as one byte", func(s script) {
		s.fill(s.a)
		_, _, before := s.a.KernelState()
		s.closeWrite(s.a)
		_, state, after := s.a.KernelState()
		// With nothing else stuck the FIN itself arrives at once.
		if before > 0 && (state != 4 || after != before+1) {
			s.Errorf("state %d with %d unacknowledged, want 4 with %d", state, after, before+1)
		}
	}},
	{"an empty write is harmless while the connection lives and fails after an RST", func(s script) {
		s.write(s.a, "")
		s.linger0(s.b)
		s.close(s.b)
		s.state(s.a, 7)
		_, err := s.a.Write(nil)
		s.fails("empty write", err, syscall.ECONNRESET)
	}},
	{"an empty read returns nothing, even at EOF", func(s script) {
		s.close(s.b)
		s.state(s.a, 8)
		n, err := s.a.Read(nil)
		if n != 0 || err != nil {
			s.Errorf("read of no bytes = %d, %v", n, err)
		}
	}},
}

type memEnd struct{ *memnet.Conn }

func (e memEnd) tcpState() uint8 {
	return memnet.State(e.Conn)
}

func TestMemnetKeepsTheContractOfTCP(t *testing.T) {
	for name, opts := range map[string]memnet.Options{
		"at once":            {},
		"with a send buffer": {SendBuffer: 4096},
		"with a delay":       {ToServer: 3 * time.Millisecond, ToClient: 5 * time.Millisecond},
	} {
		for _, row := range contract {
			t.Run(name+"/"+row.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a, b := memnet.Pipe(opts)
					s := script{T: t, a: memEnd{a}, b: memEnd{b}, settle: func(func() bool) {
						time.Sleep(opts.ToServer + opts.ToClient)
						synctest.Wait()
					}}
					row.run(s)
					_ = a.Close()
					_ = b.Close()
				})
			})
		}
	}
}

func (s script) write(e end, data string) {
	s.Helper()
	if n, err := io.WriteString(e, data); n != len(data) || err != nil {
		s.Fatalf("write %q = %d, %v", data, n, err)
	}
}

func (s script) writeFails(e end, want error) {
	s.Helper()
	_, err := io.WriteString(e, "late")
	s.fails("write", err, want)
}

func (s script) read(e end, want string) {
	s.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(e, got); string(got) != want || err != nil {
		s.Fatalf("read %q, %v; want %q", got, err, want)
	}
}

func (s script) readFails(e end, want error) {
	s.Helper()
	n, err := e.Read(make([]byte, 16))
	if n != 0 {
		s.Fatalf("read %d bytes, want the error %v", n, want)
	}
	s.fails("read", err, want)
}

func (s script) fails(op string, err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Errorf("%s: error %v, want %v", op, err, want)
	}
	if opErr, ok := errors.AsType[*net.OpError](err); ok != (want != io.EOF) {
		s.Errorf("%s: error %#v, want a *net.OpError for all but EOF", op, opErr)
	}
}

func (s script) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s script) close(e end)      { s.Helper(); s.ok(e.Close()) }
func (s script) closeWrite(e end) { s.Helper(); s.ok(e.CloseWrite()) }
func (s script) linger0(e end)    { s.Helper(); s.ok(e.SetLinger(0)) }

// state lets what is under way arrive and checks where the end then stands.
func (s script) state(e end, want uint8) {
	s.Helper()
	s.settle(func() bool { return e.tcpState() == want })
	if got := e.tcpState(); got != want {
		s.Fatalf("state %d, want %d", got, want)
	}
}

// arrived waits until the peer has all that e has written.
func (s script) arrived(e end) {
	s.Helper()
	outq := func() int { _, _, n := e.KernelState(); return n }
	s.settle(func() bool { return outq() == 0 })
	if n := outq(); n != 0 {
		s.Fatalf("%d bytes have not arrived", n)
	}
}

func (s script) unread(e end, want int) {
	s.Helper()
	s.settle(func() bool { return e.Unread() == want })
	if got := e.Unread(); got != want {
		s.Errorf("%d bytes are unread, want %d", got, want)
	}
}

func (s script) pending(e end, want syscall.Errno) {
	s.Helper()
	if got, _, _ := e.KernelState(); got != want {
		s.Errorf("pending error %v, want %v", got, want)
	}
}

// fill writes until nothing more fits and returns how much did.
func (s script) fill(e end) (total int) {
	s.Helper()
	chunk := []byte(strings.Repeat("f", 1<<16))
	s.ok(e.SetWriteDeadline(time.Now().Add(50 * time.Millisecond)))
	for {
		n, err := e.Write(chunk)
		total += n
		if err != nil {
			s.fails("write into a full window", err, os.ErrDeadlineExceeded)
			return total
		}
	}
}

// stuckWrite starts a write on a that the window cannot hold.
func (s script) stuckWrite() <-chan error {
	s.Helper()
	s.fill(s.a)
	s.ok(s.a.SetWriteDeadline(time.Time{}))
	return s.async(func() error { _, err := s.a.Write(make([]byte, 16<<20)); return err })
}

func (s script) drain(e end, n int) {
	s.Helper()
	if got, err := io.CopyN(io.Discard, e, int64(n)); err != nil {
		s.Fatalf("drained %d of %d bytes: %v", got, n, err)
	}
}

// async starts f, lets it block, and gives its error when it ends.
func (s script) async(f func() error) <-chan error {
	got := make(chan error, 1)
	go func() { got <- f() }()
	s.settle(nil)
	return got
}
