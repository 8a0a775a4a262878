package wire

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsload/wsload/internal/mark"
	"github.com/wsload/wsload/internal/memnet"
)

// holdStamps keeps the kernel's stamps on during the test and waits until they
// are: the kernel switches them on behind the caller's back.
func holdStamps(t *testing.T) {
	t.Helper()
	held, err := HoldStamps()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { held.Close() })
	near, far := tcpPair(t)
	defer near.Close()
	defer far.Close()
	sock := newSocket(near, NewTimebase())
	var b [1]byte
	eventually(t, "reads are stamped by the kernel", func() bool {
		if _, err := far.Write(b[:]); err != nil {
			t.Fatal(err)
		}
		if _, err := sock.Read(b[:]); err != nil {
			t.Fatal(err)
		}
		return sock.last.Source == Kernel
	})
}

// delay is how late the reads below are.
const delay = 30 * time.Millisecond

// wantDated sends p and reads it late: it must be dated by the kernel, at the
// time it was sent. The bounds are those of a busy machine.
func (c *client) wantDated(p []byte) {
	c.Helper()
	before := c.tb.Now()
	c.peer.send(p)
	after := c.tb.Now()
	time.Sleep(delay)
	if err := c.next(time.Second); err != nil {
		c.Fatal(err)
	}
	tr := c.wantTrace(CloseReceived, None)
	if tr.PeerClose.Source != Kernel {
		c.Fatalf("the Close is dated by the clock %q", tr.PeerClose.Source)
	}
	if at := tr.PeerClose.At; at < before-time.Millisecond || at > after+10*time.Millisecond {
		c.Errorf("the Close is dated %v, it was written between %v and %v", at, before, after)
	}
	if d := tr.PeerCloseSeen - tr.PeerClose.At; d < delay-5*time.Millisecond {
		c.Errorf("the Close was seen %v after it arrived, want %v and more", d, delay)
	}
}

func TestAFrameIsDatedByItsArrivalAndNotByItsRead(t *testing.T) {
	holdStamps(t)
	openTCP(t, opening{}).wantDated(closing(1000, ""))
}

func TestAStampBelongsToTheLastByteOfARead(t *testing.T) {
	holdStamps(t)
	c := openTCP(t, opening{})
	c.peer.send(closing(1000, "")[:1])
	time.Sleep(delay)
	c.wantDated(closing(1000, "")[1:])
}

// With TLS the frames are read above and the stamps taken below.
func TestAFrameOverTLSIsDatedByTheKernel(t *testing.T) {
	holdStamps(t)
	openTCP(t, openTLS(t)).wantDated(closing(1000, ""))
}

func TestTheAnswerToTheHandshakeIsDatedByTheKernel(t *testing.T) {
	holdStamps(t)
	c := openTCP(t, opening{})
	if c.hs.Answered.Source != Kernel || c.hs.Answered.At < c.hs.Asked.At-time.Millisecond {
		t.Errorf("asked %v, answered %v by %q", c.hs.Asked.At, c.hs.Answered.At, c.hs.Answered.Source)
	}
}

func TestWithoutAKernelTheClockIsTheUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := openMem(t, memnet.Options{}, opening{})
		c.peer.send(closing(1000, ""))
		time.Sleep(30 * time.Millisecond)
		if err := c.next(time.Second); err != nil {
			t.Fatal(err)
		}
		tr := c.wantTrace(CloseReceived, None)
		if want := (Instant{At: c.tb.Now(), Source: User}); tr.PeerClose != want || c.hs.Answered.Source != User {
			t.Errorf("dated %+v, want %+v", tr.PeerClose, want)
		}
	})
}

// The hot path of a run: a read allocates nothing, at every level.
func TestAReadAllocatesNothing(t *testing.T) {
	message := frames(text(string(mark.Mark{Run: 1, N: 2, Seq: 3}.Append(nil))), serverFrame(OpPing, ""))
	near, far := tcpPair(t)
	defer near.Close()
	defer far.Close()
	tap := NewTap(near, NewTimebase(), TapOptions{Withhold: true})
	tap.ExpectEcho(1, 2)
	buf := make([]byte, 1024)
	wantNoAllocs(t, "stamper.read", far, message, func() (int, error) {
		n, _, err := tap.sock.stamp.read(buf)
		return n, err
	})
	wantNoAllocs(t, "Tap.Read", far, message, func() (int, error) { return tap.Read(buf) })
	// Last: it ends the library's reads.
	wantNoAllocs(t, "Tap.Next", far, message, func() (int, error) { return len(message), tap.Next(buf, time.Hour) })
}

func wantNoAllocs(t *testing.T, name string, far net.Conn, message []byte, read func() (int, error)) {
	t.Helper()
	allocs := testing.AllocsPerRun(200, func() {
		if _, err := far.Write(message); err != nil {
			t.Fatal(err)
		}
		if n, err := read(); n != len(message) || err != nil {
			t.Fatalf("%s: %d, %v", name, n, err)
		}
	})
	if allocs != 0 {
		t.Errorf("%s allocates %v times", name, allocs)
	}
}

func TestAStampOfThisHostIsMeasured(t *testing.T) {
	late, err := ProbeStamps()
	if err != nil || late <= 0 || late > 2*time.Second {
		t.Errorf("a read is %v behind its stamp, %v", late, err)
	}
}
