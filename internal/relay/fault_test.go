package relay

import (
	"bytes"
	"io"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsload/wsload/internal/memnet"
	"github.com/wsload/wsload/scenario"
)

func TestLatencyDelaysBytesAndTheirEndOfItsLegAlone(t *testing.T) {
	up := step(func(f *scenario.Fault) { f.Latency, f.Leg = 100*time.Millisecond, scenario.LegUp })
	inBench(t, []scenario.Fault{up}, func(t *testing.T, b *bench) {
		client, server := b.open(t)
		begin := time.Now()
		mustWrite(t, client, "one")
		time.Sleep(30 * time.Millisecond)
		mustWrite(t, client, "two")
		mustWrite(t, server, "down")
		client.CloseWrite()
		wantRead(t, client, "down")
		wantSince(t, begin, 30*time.Millisecond)
		wantRead(t, server, "one")
		wantSince(t, begin, 100*time.Millisecond)
		wantRead(t, server, "two")
		wantEnd(t, server, io.EOF)
		wantSince(t, begin, 130*time.Millisecond)
		if s := b.Stats().Steps[0]; s != (Step{Connections: 1, Bytes: 6}) {
			t.Errorf("the step counts %+v, want 6 bytes of 1 connection", s)
		}
	})
}

func TestLatenciesAddUpAndEndWithTheirSteps(t *testing.T) {
	steps := []scenario.Fault{
		step(func(f *scenario.Fault) { f.Latency, f.At, f.For = 100*time.Millisecond, time.Second, 2*time.Second }),
		step(func(f *scenario.Fault) { f.Latency, f.At, f.For = 50*time.Millisecond, 2*time.Second, 2*time.Second }),
	}
	inBench(t, steps, func(t *testing.T, b *bench) {
		client, server := b.open(t)
		for _, want := range []time.Duration{0, 100, 150, 50, 0} { // at 0.5 s, 1.5 s, ...
			time.Sleep(500*time.Millisecond - time.Since(b.path.begin)%time.Second)
			begin := time.Now()
			mustWrite(t, client, "x")
			wantRead(t, server, "x")
			wantSince(t, begin, want*time.Millisecond)
			time.Sleep(time.Second - time.Since(b.path.begin)%time.Second)
		}
	})
}

func TestNothingOvertakesWhateverTheJitter(t *testing.T) {
	const latency, jitter = 50 * time.Millisecond, 40 * time.Millisecond
	jumpy := step(func(f *scenario.Fault) { f.Latency, f.Jitter, f.For = latency, jitter, time.Second })
	inBench(t, []scenario.Fault{jumpy}, func(t *testing.T, b *bench) {
		client, server := b.open(t)
		begin := time.Now()
		go func() {
			for i := range 250 { // the last 50 behind the step
				client.Write([]byte{byte(i)})
				time.Sleep(5 * time.Millisecond)
			}
		}()
		least, most := time.Hour, time.Duration(0)
		for i := range 250 {
			wantRead(t, server, string([]byte{byte(i)}))
			if took := time.Since(begin) - time.Duration(i)*5*time.Millisecond; i < 200 {
				least, most = min(least, took), max(most, took)
			}
		}
		if least < latency-jitter || most > latency+jitter || most-least < jitter {
			t.Errorf("bytes took %v to %v, want them spread over %v ± %v", least, most, latency, jitter)
		}
	})
}

func TestMoreUnderWayThanTheQueueHoldsIsNotTaken(t *testing.T) {
	slow := step(func(f *scenario.Fault) { f.Latency, f.Leg = time.Second, scenario.LegUp })
	inBench(t, []scenario.Fault{slow}, func(t *testing.T, b *bench) {
		client, server := b.open(t)
		text := bytes.Repeat([]byte("0123456789abcdef"), 5000)
		begin := time.Now()
		go client.Write(text)
		got := make([]byte, len(text))
		if _, err := io.ReadFull(server, got); err != nil || !bytes.Equal(got, text) {
			t.Fatalf("the bytes have changed, %v", err)
		}
		wantSince(t, begin, 3*time.Second) // 80,000 bytes, 28 KiB under way
	})
}

func TestBandwidthLimitsEachConnectionAndDirection(t *testing.T) {
	steps := []scenario.Fault{
		step(func(f *scenario.Fault) { f.Bandwidth, f.Leg = 10_000, scenario.LegDown }),
		step(func(f *scenario.Fault) { f.Bandwidth, f.Leg = 64_000, scenario.LegBoth }), // the least counts
	}
	inBench(t, steps, func(t *testing.T, b *bench) {
		for range 2 {
			client, server := b.open(t)
			begin := time.Now()
			go server.Write(make([]byte, 20_000))
			if _, err := io.ReadFull(client, make([]byte, 20_000)); err != nil {
				t.Fatal(err)
			}
			wantSince(t, begin, 2*time.Second-quantum) // the first 20 ms' worth is not waited for
		}
		if s := b.Stats().Steps[0]; s != (Step{Connections: 2, Bytes: 40_000}) {
			t.Errorf("the step counts %+v, want 40,000 bytes of 2 connections", s)
		}
	})
}

func TestAStallFillsTheWindowAndLosesNothing(t *testing.T) {
	stall := step(func(f *scenario.Fault) {
		f.Stall, f.Leg, f.At, f.For = true, scenario.LegUp, time.Second, 5*time.Second
	})
	inBench(t, []scenario.Fault{stall}, func(t *testing.T, b *bench) {
		client, server := b.open(t)
		mustWrite(t, client, "before")
		wantRead(t, server, "before")
		time.Sleep(time.Second + time.Millisecond)
		var sent atomic.Int64
		go func() {
			for range 3 * memnet.DefaultWindow / 1024 {
				n, _ := client.Write(make([]byte, 1024))
				sent.Add(int64(n))
			}
			client.CloseWrite()
		}()
		synctest.Wait()
		if n := sent.Load(); n != memnet.DefaultWindow {
			t.Errorf("%d bytes could be sent, want one window of %d", n, memnet.DefaultWindow)
		}
		mustWrite(t, server, "the other leg is well")
		wantRead(t, client, "the other leg is well")
		wantSilence(t, server, 4*time.Second)
		if n, err := io.Copy(io.Discard, server); n != 3*memnet.DefaultWindow || err != nil {
			t.Errorf("behind the stall %d bytes came, %v; want %d", n, err, 3*memnet.DefaultWindow)
		}
		wantSince(t, b.path.begin, 6*time.Second)
		if s := b.Stats().Steps[0]; s != (Step{Connections: 1, Bytes: memnet.DefaultWindow}) {
			t.Errorf("the step counts %+v, want the window of 1 connection", s)
		}
	})
}

// A cutting is what each end sees of a cut: an error of its next read, or nil
// for silence.
type cutting struct {
	name           string
	cut            scenario.Cut
	leg            scenario.Leg
	client, server error
}

func TestACutEndsItsLegAndTheOtherHearsNothing(t *testing.T) {
	for _, c := range []cutting{
		{"an RST to the client", scenario.CutRST, scenario.LegClient, syscall.ECONNRESET, nil},
		{"an RST to the server", scenario.CutRST, scenario.LegServer, nil, syscall.ECONNRESET},
		{"an RST to both", scenario.CutRST, scenario.LegBoth, syscall.ECONNRESET, syscall.ECONNRESET},
		{"a FIN to the client", scenario.CutFIN, scenario.LegClient, io.EOF, nil},
		{"a FIN to both", scenario.CutFIN, scenario.LegBoth, io.EOF, io.EOF},
		{"silence for the client", scenario.CutSilent, scenario.LegClient, nil, nil},
		{"silence for both", scenario.CutSilent, scenario.LegBoth, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			cut := step(func(f *scenario.Fault) { f.Cut, f.Leg, f.At = c.cut, c.leg, time.Second })
			inBench(t, []scenario.Fault{cut}, func(t *testing.T, b *bench) {
				client, server := b.open(t)
				mustWrite(t, client, "up")
				wantRead(t, server, "up")
				time.Sleep(time.Second + time.Millisecond)
				later, its := b.open(t)
				for conn, want := range map[*memnet.Conn]error{client: c.client, server: c.server} {
					if want != nil {
						wantEnd(t, conn, want)
						continue
					}
					mustWrite(t, conn, "nobody hears it")
					wantSilence(t, conn, time.Minute)
				}
				mustWrite(t, later, "opened behind the cut")
				wantRead(t, its, "opened behind the cut")
				if s := b.Stats().Steps[0]; s != (Step{Connections: 1}) {
					t.Errorf("the step counts %+v, want 1 connection", s)
				}
			})
		})
	}
}

func TestACutTakesWhatWasHeldBackWithIt(t *testing.T) {
	steps := []scenario.Fault{
		step(func(f *scenario.Fault) { f.Latency = 10 * time.Second }),
		step(func(f *scenario.Fault) { f.Cut, f.At = scenario.CutFIN, time.Second }),
	}
	inBench(t, steps, func(t *testing.T, b *bench) {
		client, server := b.open(t)
		mustWrite(t, client, "lost")
		wantEnd(t, server, io.EOF)
		wantSince(t, b.path.begin, time.Second)
	})
}

func TestASilentLegIsLetGoWhenItsPeerHasGone(t *testing.T) {
	cut := step(func(f *scenario.Fault) { f.Cut, f.At = scenario.CutSilent, time.Second })
	inBench(t, []scenario.Fault{cut}, func(t *testing.T, b *bench) {
		client, server := b.open(t)
		time.Sleep(2 * time.Second)
		client.SetLinger(0)
		client.Close()
		server.CloseWrite()
		wantSilence(t, server, silence-time.Second) // a FIN is not answered
		b.wantOpen(t, 1)
		wantEnd(t, server, io.EOF)
		b.wantOpen(t, 0)
	})
}

func TestAShareIsThatOfTheConnectionsByTheirNumbers(t *testing.T) {
	half := step(func(f *scenario.Fault) { f.Cut, f.At, f.Share = scenario.CutRST, time.Second, 50 })
	inBench(t, []scenario.Fault{half}, func(t *testing.T, b *bench) {
		var clients []*memnet.Conn
		for range 40 {
			client, _ := b.open(t)
			clients = append(clients, client)
		}
		time.Sleep(2 * time.Second)
		cut := 0
		for n, client := range clients {
			if half.Hits(3, 0, uint64(n)) {
				cut++
				wantEnd(t, client, syscall.ECONNRESET)
			} else {
				wantSilence(t, client, time.Second)
			}
		}
		if s := b.Stats().Steps[0]; cut == 0 || cut == len(clients) || s.Connections != uint64(cut) {
			t.Errorf("%d of %d were cut and %d counted, want some", cut, len(clients), s.Connections)
		}
	})
}
