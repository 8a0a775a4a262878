package runner

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/proc"
	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/value"
)

// A nameServer answers every question for an address with the one it has, and
// says that it may be kept for a day.
type nameServer struct {
	net.PacketConn
	addr      atomic.Pointer[netip.Addr]
	questions atomic.Int64 // for an IPv4 address
}

// resolveBy makes every name resolve to what the server has, during the test.
func resolveBy(t *testing.T) *nameServer {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &nameServer{PacketConn: pc}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.serve()
	}()
	was := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = was
		pc.Close()
		<-done
	})
	return s
}

// serve answers until its socket is closed (RFC 1035 section 4.1).
func (s *nameServer) serve() {
	const header, typeA = 12, 1
	buf := make([]byte, 1500)
	for {
		n, from, err := s.ReadFrom(buf)
		if err != nil {
			return
		}
		end := header
		for end < n && buf[end] != 0 {
			end += 1 + int(buf[end])
		}
		end += 5 // the root, the type and the class
		if end > n {
			continue
		}
		answer := append([]byte{buf[0], buf[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, buf[header:end]...)
		if binary.BigEndian.Uint16(buf[end-4:]) == typeA {
			s.questions.Add(1)
			answer[7] = 1
			answer = append(answer, 0xc0, header, 0, typeA, 0, 1, 0, 1, 0x51, 0x80, 0, 4)
			answer = append(answer, s.addr.Load().AsSlice()...)
		}
		s.WriteTo(answer, from)
	}
}

// serveOn runs a server on ln until the function it returns is called.
func serveOn(t *testing.T, ln net.Listener) (server *target.Server, end func()) {
	t.Helper()
	server = new(target.Server)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- server.Serve(ctx, ln) }()
	return server, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// twoAddresses listens on one port of two addresses of loopback.
func twoAddresses(t *testing.T) (a, b net.Listener) {
	t.Helper()
	for range 20 {
		a, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(a.Addr().String())
		if b, err := net.Listen("tcp", "127.0.0.2:"+port); err == nil {
			return a, b
		}
		a.Close()
	}
	t.Fatal("no port is free on both 127.0.0.1 and 127.0.0.2")
	return nil, nil
}

func TestANewAddressOfANameIsUsedByTheNextConnections(t *testing.T) {
	names := resolveBy(t)
	a, b := twoAddresses(t)
	old, endOld := serveOn(t, a)
	defer endOld()
	fresh, endFresh := serveOn(t, b)
	defer endFresh()
	first, second := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")
	names.addr.Store(&first)

	const slots, enough = 20, 100
	plan := once(slots, active())
	_, port, _ := net.SplitHostPort(a.Addr().String())
	plan.Target.URL = "ws://server.wsload.test:" + port + "/echo"
	plan.Load.Rate, plan.Load.Duration, plan.Interval = 500, 30*time.Second, 100*time.Millisecond
	plan.Hold, _ = value.ParseDist("50ms")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var before uint64 // how many the old address had when the name got the new one
	res, err := Run(ctx, plan, Options{Tick: func(Tick) {
		if before == 0 && opened(old) >= enough {
			names.addr.Store(&second)
			before = opened(old)
		}
		if opened(fresh) >= enough {
			cancel()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	n, after := res.Total.Connections, opened(old)-before
	t.Logf("%d connections, the old address had %d and %d more, the new one %d; %d questions", n.Started, before, after, opened(fresh), names.questions.Load())
	if opened(fresh) < enough {
		t.Errorf("%d connections went to the new address, want %d and more", opened(fresh), enough)
	}
	if got := opened(old) + opened(fresh); got != n.Opened || n.Opened != n.Started {
		t.Errorf("%+v, the two addresses have %d", n, got)
	}
	// A slot may have been on its way to the old address, and its next connection
	// may share a question that was under way.
	if after > 2*slots {
		t.Errorf("%d connections went to the old address behind the change", after)
	}
}

// opened is how many connections a server has opened.
func opened(s *target.Server) (n uint64) {
	for _, mode := range s.Ledger().Modes {
		n += mode.Opened
	}
	return n
}

// footprint is what a process holds.
type footprint struct {
	goroutines  int
	descriptors int64
}

// churn carries a plan of every mode out against a server of its own.
func churn(t *testing.T) (ended uint64) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, end := serveOn(t, ln)
	defer end()
	plan := once(100, active())
	plan.Closes.Mix = nil
	for _, b := range bouts() {
		if b.path != "/echo" || b.entry.For > time.Second || b.entry.Mode == scenario.Mute {
			continue
		}
		b.entry.Name = strings.Join([]string{"entry", string(rune('a' + len(plan.Closes.Mix)))}, " ")
		b.entry.Weight = 1
		plan.Closes.Mix = append(plan.Closes.Mix, b.entry)
	}
	plan.Target.URL = "ws://" + ln.Addr().String() + "/echo"
	plan.Load.Rate, plan.Load.Duration = 1000, time.Second
	plan.Hold, _ = value.ParseDist("uniform(50ms,150ms)")
	plan.Limits.Close, plan.Limits.Fin = 3*time.Second, time.Second
	res, err := Run(t.Context(), plan, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return res.Total.Connections.Ended
}

func TestARunLeavesNeitherGoroutinesNorDescriptors(t *testing.T) {
	now := func() footprint { return footprint{runtime.NumGoroutine(), proc.Self().Descriptors.N} }
	churn(t) // the first opens what a process has once: the poller, the source of entropy
	// A goroutine that has said that it is done may take a moment to be gone.
	settled := func(enough func(footprint) bool) footprint {
		f := now()
		for range 100 {
			time.Sleep(10 * time.Millisecond)
			last := f
			if f = now(); f == last && enough(f) {
				break
			}
		}
		return f
	}
	before := settled(func(footprint) bool { return true })
	n := churn(t)
	more := func(f footprint) bool {
		return f.goroutines > before.goroutines || f.descriptors > before.descriptors
	}
	after := settled(func(f footprint) bool { return !more(f) })
	t.Logf("%d connections of every mode: %+v before, %+v after", n, before, after)
	if more(after) || n < 100 {
		t.Errorf("after %d connections the process holds %+v, before it %+v", n, after, before)
	}
}

func TestAStepOfTheWallClockIsTold(t *testing.T) {
	for _, c := range []struct {
		steps wire.Steps
		want  string
	}{
		{wire.Steps{N: 1, Largest: -2 * time.Second, Doubted: 17}, "was stepped by -2s; 17 arrivals have the user clock"},
		{wire.Steps{N: 3, Largest: time.Minute}, "was stepped 3 times, by up to 1m0s; 0 arrivals have the user clock"},
	} {
		if got := stepped(c.steps); !strings.Contains(got, c.want) {
			t.Errorf("told %q, want %q in it", got, c.want)
		}
	}
}
