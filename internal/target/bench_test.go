package target_test

import (
	"context"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/wsload/wsload/internal/target"
	"github.com/wsload/wsload/internal/wire"
)

// serveTCP serves a benchmark over loopback and returns the address.
func serveTCP(b *testing.B) (*target.Server, string) {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	s := new(target.Server)
	go func() { served <- s.Serve(ctx, ln) }()
	b.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			b.Error(err)
		}
	})
	return s, ln.Addr().String()
}

// dialBare opens a WebSocket that costs this process little beside the socket.
func dialBare(b *testing.B, addr string, buf []byte) net.Conn {
	b.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := conn.Write(request("/echo")); err != nil {
		b.Fatal(err)
	}
	n, err := conn.Read(buf)
	if err != nil || n < 12 || string(buf[9:12]) != "101" {
		b.Fatalf("the answer is %q, %v", buf[:n], err)
	}
	return conn
}

// BenchmarkOpenConnection says what an idle connection costs in memory, client
// socket included.
func BenchmarkOpenConnection(b *testing.B) {
	const connections = 2000
	s, addr := serveTCP(b)
	buf := make([]byte, 1024)
	used := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	for b.Loop() {
		before := used()
		conns := make([]net.Conn, connections)
		for i := range conns {
			conns[i] = dialBare(b, addr, buf)
		}
		b.ReportMetric(float64(used()-before)/connections, "B/conn")
		for _, conn := range conns {
			conn.Close()
		}
		for s.Ledger().Open > 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

// BenchmarkLifecycle says what a connection costs from its dial to its FIN,
// both ends together.
func BenchmarkLifecycle(b *testing.B) {
	_, addr := serveTCP(b)
	buf := make([]byte, 1024)
	bye := closeFrame(wire.CodeNormal, "done")
	b.ReportAllocs()
	for b.Loop() {
		conn := dialBare(b, addr, buf)
		if _, err := conn.Write(bye); err != nil {
			b.Fatal(err)
		}
		for {
			if _, err := conn.Read(buf); err != nil {
				break
			}
		}
		conn.Close()
	}
}
