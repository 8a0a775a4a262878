package watch

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/proc"
)

// keep writes to n bytes more that were never written to.
func (l *leaky) keep(n int) {
	if len(l.memory) < n {
		memory, err := syscall.Mmap(-1, 0, 64*mib, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
		if err != nil {
			return
		}
		l.memory = memory
	}
	for i := range l.memory[:n] {
		l.memory[i] = 1
	}
	l.memory = l.memory[n:]
}

// startLeaky starts such a server on a port, 0 for any, until it is stopped or
// the test ends.
func startLeaky(t *testing.T, leak string, on int) (pid, port int, stop func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), leakyEnv+"="+leak, fmt.Sprintf("%s=127.0.0.1:%d", leakyAddr, on))
	cmd.Stderr = t.Output()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(line, &port); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid, port, stop
}

// A campaign loads a leaky server with plain TCP connections.
type campaign struct {
	port   int
	phase  atomic.Value
	closes atomic.Uint64
}

func (c *campaign) state() (Phase, uint64) { return c.phase.Load().(Phase), c.closes.Load() }

// load opens and ends connections, by RST or FIN, until ctx ends.
func (c *campaign) load(ctx context.Context, t *testing.T, rst bool) {
	for ctx.Err() == nil {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", c.port))
		if err != nil {
			t.Error(err)
			return
		}
		if rst {
			err = conn.(*net.TCPConn).SetLinger(0)
		}
		if conn.Close(); err != nil {
			t.Error(err)
			return
		}
		c.closes.Add(1)
		time.Sleep(time.Millisecond)
	}
}

// watchLeaky samples a leaky server before, under and after a load of so many
// connections at least, and returns how many there were.
func watchLeaky(t *testing.T, leak string, closes uint64, rst bool, sourceOf func(pid, port int) string) (report Report, all uint64) {
	t.Helper()
	pid, port, _ := startLeaky(t, leak, 0)
	c := &campaign{port: port}
	c.phase.Store(Before)
	s := &Sampler{Sources: []Source{source(t, sourceOf(pid, port))}, Port: port, Epoch: time.Now(), State: c.state}
	defer s.Close()
	var series Series
	take := func() Sample {
		sample := s.Sample(t.Context(), 5*time.Second)
		if sample.Failed > 0 || sample.Restarted {
			t.Errorf("sample %+v", sample)
		}
		series.Add(sample)
		time.Sleep(20 * time.Millisecond)
		return sample
	}
	for range 5 {
		take()
	}
	ctx, cancel := context.WithCancel(t.Context())
	var workers sync.WaitGroup
	c.phase.Store(Ramp)
	for range 3 {
		workers.Go(func() { c.load(ctx, t, rst) })
	}
	for n := 0; (n < 20 || c.closes.Load() < closes/3) && !t.Failed(); n++ {
		take() // a young heap grows to its first size
	}
	c.phase.Store(Load)
	for n := 0; (n < 100 || c.closes.Load() < closes) && !t.Failed(); n++ {
		take()
	}
	cancel()
	workers.Wait()
	c.phase.Store(Settle)
	for range 500 {
		if take().Server.in(proc.Established) == proc.Known(0) {
			break
		}
	}
	take() // what had just been closed is freed meanwhile
	c.phase.Store(After)
	for range 5 {
		take()
	}
	report = series.Report()
	t.Log(strings.Join(report.Lines(110), "\n"))
	return report, c.closes.Load()
}

func TestLeaksOfARealServerAreFoundWithTheirFigures(t *testing.T) {
	if testing.Short() {
		t.Skip("three loads of some seconds")
	}
	byPort := func(_, port int) string { return fmt.Sprintf("port:%d", port) }
	byPID := func(pid, _ int) string { return fmt.Sprintf("pid:%d", pid) }
	for _, row := range []struct {
		leak, what string
		rst        bool
		source     func(pid, port int) string
		closes     uint64
		per1000    float64
		others     []string // quantities in which it leaks nothing
	}{
		{leakFDs, "fds", true, byPort, 4000, 10, []string{"rss", "close_wait", "threads"}},
		{leakMemory, "rss", true, byPID, 18000, 1000 * 1024, []string{"fds", "close_wait"}},
		{leakCloseWait, "close_wait", false, byPID, 4000, 10, []string{"rss", "established"}},
	} {
		t.Run(row.leak, func(t *testing.T) {
			report, all := watchLeaky(t, row.leak, row.closes, row.rst, row.source)
			trend := report.trend(t, row.what)
			if trend.Verdict != Leak || math.Abs(trend.Per1000.Value/row.per1000-1) > 0.2 {
				t.Errorf("%s: %s, %+v, want a leak of %v per 1,000", row.what, trend.Verdict, trend.Per1000, row.per1000)
			}
			if back := report.back(t, row.what); row.leak != leakMemory && // 12 MiB may stay
				(back.Verdict != Leak || math.Abs(back.Missing/float64(all)*1000/row.per1000-1) > 0.2) {
				t.Errorf("after the load: %+v, want a hundredth of %d closes", back, all)
			}
			for _, name := range row.others {
				if other := report.trend(t, name); other.Verdict == Leak {
					t.Errorf("%s: %s, %s", name, other.Verdict, other.Reason)
				}
				if back := report.back(t, name); back.Verdict == Leak {
					t.Errorf("%s: %+v", name, back)
				}
			}
		})
	}
}

func TestACleanServerRaisesNoAlarm(t *testing.T) {
	if testing.Short() {
		t.Skip("a load of some seconds")
	}
	report, _ := watchLeaky(t, leakNothing, 4000, true, func(_, port int) string { return fmt.Sprintf("port:%d", port) })
	if verdict := report.Verdict(); verdict != None {
		t.Errorf("%s", verdict)
	}
}

func TestAPortIsFollowedFromOneServerToTheNext(t *testing.T) {
	first, port, stop := startLeaky(t, leakNothing, 0)
	s := &Sampler{Sources: []Source{source(t, fmt.Sprintf("port:%d", port))}, Epoch: time.Now(), State: underLoad}
	for range 2 {
		sample := s.Sample(t.Context(), time.Second)
		if sample.Failed != 0 || sample.Restarted || sample.FDs != proc.Of(first).Descriptors || sample.Server.in(proc.Listen) != proc.Known(1) {
			t.Errorf("sample %+v, want the descriptors of the child, %+v", sample, proc.Of(first))
		}
	}
	stop()
	if sample := s.Sample(t.Context(), time.Second); sample.Failed != 1 || sample.FDs.OK || sample.Restarted ||
		sample.Server.in(proc.Listen) != proc.Known(0) {
		t.Errorf("between the servers: %+v", sample)
	}
	second, _, _ := startLeaky(t, leakNothing, port)
	if sample := s.Sample(t.Context(), time.Second); sample.Failed != 0 || !sample.Restarted || sample.CPU.OK != proc.Of(second).CPU.OK {
		t.Errorf("the next server: %+v", sample)
	}
	if sample := s.Sample(t.Context(), time.Second); sample.Restarted {
		t.Errorf("a restart is told twice: %+v", sample)
	}
}

func TestThisProcessTellsOfItself(t *testing.T) {
	runtime.GC() // its heap is known from the first collection on
	r := ofThisProcess(nil)
	if n := int64(runtime.NumGoroutine()); r.Goroutines.N < 2 || r.Goroutines.N > n+5 || r.Heap.N < 1<<14 || r.Heap.N > r.RSS.N {
		t.Errorf("%+v, %d goroutines", r, n)
	}
	held := make([]byte, 32*mib)
	runtime.GC()
	if now := ofThisProcess(nil); now.Heap.N < r.Heap.N+int64(len(held))-mib {
		t.Errorf("heap %d, then %d with 32 MiB more", r.Heap.N, now.Heap.N)
	}
	runtime.KeepAlive(held)
}

func TestProcessesThatWorkForThisOneAreAddedToIt(t *testing.T) {
	helper := exec.CommandContext(t.Context(), "sleep", "1000")
	if err := helper.Start(); err != nil {
		t.Fatal(err)
	}
	end := sync.OnceFunc(func() { _ = helper.Process.Kill(); _ = helper.Wait() })
	defer end()
	alone, both := ofThisProcess(nil), ofThisProcess([]int{helper.Process.Pid})
	if more := both.FDs.N - alone.FDs.N; more < 3 {
		t.Errorf("with another process there are %d more descriptors", more)
	}
	if both.Heap.OK || both.Goroutines.OK || !alone.Goroutines.OK {
		t.Errorf("what only a process knows of itself is told of two: %+v, and of one %+v", both.Facts, alone.Facts)
	}
	end()
	if after := ofThisProcess([]int{helper.Process.Pid}); !after.FDs.OK || after.FDs.N >= both.FDs.N || !slices.Equal(after.members, both.members) {
		t.Errorf("when it has ended: %+v, before %+v", after, both)
	}
}
