// Command bareloop is the reference for what one WebSocket lifecycle costs a
// client in Go: package net and nothing else. It measures nothing on the wire.
//
// A lifecycle is: dial, upgrade, hold, Close 1000, the peer's Close, its FIN,
// close. There are two ways to it:
//
//   - By default a few workers do one lifecycle after the other, one buffer
//     each, no limit on any wait, and nobody reads while a connection is held.
//     That is a lower bound, and not a client.
//   - With -receive each connection has a goroutine of its own that reads from
//     the 101 to the end, its Close is written when it is due by somebody else,
//     and the dial, the upgrade and the close have their limits. That is the
//     least that a load generator must do.
//
// The result is one JSON object on the standard output.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsload/wsload/internal/proc"
)

type result struct {
	Lifecycles        int64   `json:"lifecycles"` // complete ones
	Seconds           float64 `json:"seconds"`
	CPUPerLifecycle   float64 `json:"cpu_us_per_lifecycle,omitempty"` // user and system time; none where unknown
	LifecyclesPerSec  float64 `json:"lifecycles_per_s"`
	Failures          int64   `json:"failures"`
	FirstFailure      string  `json:"first_failure,omitempty"`
	ConcurrentWorkers int     `json:"concurrency"`
}

func main() {
	addr := flag.String("addr", "127.0.0.1:9000", "server, as host:port")
	path := flag.String("path", "/echo", "request path")
	n := flag.Int64("n", 10000, "lifecycles")
	concurrency := flag.Int("c", 100, "lifecycles at once")
	hold := flag.Duration("hold", 0, "mean time from the 101 to the Close, spread evenly from half of it to one and a half")
	receive := flag.Bool("receive", false, "keep a receive loop on each connection, and limits on each wait")
	timeout := flag.Duration("timeout", 5*time.Minute, "longest run; no connection has a limit of its own")
	flag.Parse()
	if flag.NArg() > 0 || *n < 1 || *concurrency < 1 {
		fmt.Fprintln(os.Stderr, "bareloop: -n and -c must be at least 1, and there are no arguments")
		os.Exit(2)
	}
	time.AfterFunc(*timeout, func() {
		fmt.Fprintf(os.Stderr, "bareloop: not done after %v: the server leaves connections open\n", *timeout)
		os.Exit(1)
	})
	loop := loop{addr: *addr, path: *path, hold: *hold, receive: *receive}
	if err := json.NewEncoder(os.Stdout).Encode(loop.run(*n, *concurrency)); err != nil {
		fmt.Fprintln(os.Stderr, "bareloop: write the result:", err)
		os.Exit(1)
	}
	if loop.failures.Load() > 0 {
		os.Exit(1)
	}
}

type loop struct {
	addr, path string
	hold       time.Duration
	receive    bool

	left     atomic.Int64
	failures atomic.Int64
	first    atomic.Pointer[error]
}

// run does n lifecycles on a number of workers and returns when all ended.
func (l *loop) run(n int64, workers int) result {
	request := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: d3Nsb2FkIGJhcmVsb29wIQ==\r\n\r\n", l.path, l.addr)
	l.left.Store(n)
	start, cpu := time.Now(), proc.Self().CPU
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() { l.work(request) })
	}
	wg.Wait()
	seconds, cpuAfter := time.Since(start).Seconds(), proc.Self().CPU

	failures := l.failures.Load()
	r := result{
		Lifecycles: n - failures, Seconds: seconds,
		LifecyclesPerSec: float64(n-failures) / seconds,
		Failures:         failures, ConcurrentWorkers: workers,
	}
	if cpuAfter.OK && r.Lifecycles > 0 {
		r.CPUPerLifecycle = float64(cpuAfter.N-cpu.N) / 1e3 / float64(r.Lifecycles)
	}
	if first := l.first.Load(); first != nil {
		r.FirstFailure = (*first).Error()
	}
	return r
}

func (l *loop) work(request []byte) {
	dialer := net.Dialer{KeepAlive: -1} // a keepalive is four more system calls
	if l.receive {
		dialer.Timeout = limit
	}
	buffer := make([]byte, 4096)
	for l.left.Add(-1) >= 0 {
		var err error
		if l.receive {
			done := make(chan error)
			go func() { done <- l.receiving(&dialer, request) }()
			err = <-done
		} else {
			err = l.lifecycle(&dialer, request, buffer)
		}
		if err != nil {
			l.failures.Add(1)
			l.first.CompareAndSwap(nil, &err)
		}
	}
}

// limit bounds each wait of a connection with a receive loop.
const limit = 5 * time.Second

// buffers are those of connections with a receive loop.
var buffers = sync.Pool{New: func() any { return new([4096]byte) }}

// receiving is the lifecycle with a receive loop: the goroutine reads, and the
// Close is a timer's to write.
func (l *loop) receiving(dialer *net.Dialer, request []byte) error {
	conn, err := dialer.Dial("tcp", l.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	buffer := buffers.Get().(*[4096]byte)
	defer buffers.Put(buffer)
	conn.SetDeadline(time.Now().Add(limit))
	if _, err := conn.Write(request); err != nil {
		return err
	}
	rest, err := readUpgrade(conn, buffer[:])
	if err != nil {
		return err
	}
	conn.SetDeadline(time.Time{})
	closer := time.AfterFunc(l.held(), func() {
		conn.SetReadDeadline(time.Now().Add(limit))
		conn.Write(maskedClose) // a failure shows in the read
	})
	defer closer.Stop()
	return readClose(conn, buffer[:], rest)
}

// held draws how long a connection is held.
func (l *loop) held() time.Duration {
	if l.hold == 0 {
		return 0
	}
	return l.hold/2 + rand.N(l.hold)
}

// maskedClose is a client's Close frame with code 1000. The mask is zero, which
// RFC 6455 section 5.3 frowns upon and every server accepts.
var maskedClose = []byte{0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8}

func (l *loop) lifecycle(dialer *net.Dialer, request, buffer []byte) error {
	conn, err := dialer.Dial("tcp", l.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write(request); err != nil {
		return err
	}
	rest, err := readUpgrade(conn, buffer)
	if err != nil {
		return err
	}
	if hold := l.held(); hold > 0 {
		time.Sleep(hold)
	}
	if _, err := conn.Write(maskedClose); err != nil {
		return err
	}
	return readClose(conn, buffer, rest)
}

// readUpgrade reads the 101 and returns how many bytes behind it are already
// at the start of buffer.
func readUpgrade(conn net.Conn, buffer []byte) (rest int, err error) {
	have := 0
	for have < len(buffer) {
		n, err := conn.Read(buffer[have:])
		if err != nil {
			return 0, fmt.Errorf("upgrade: %w", err)
		}
		have += n
		head, behind, complete := bytes.Cut(buffer[:have], []byte("\r\n\r\n"))
		if !complete {
			continue
		}
		if !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) {
			line, _, _ := bytes.Cut(head, []byte("\r\n"))
			return 0, fmt.Errorf("upgrade: the server answered %q", line)
		}
		return copy(buffer, behind), nil
	}
	return 0, errors.New("upgrade: the response header is longer than 4096 bytes")
}

// readClose reads frames until the peer's Close, then until its FIN.
func readClose(conn net.Conn, buffer []byte, have int) error {
	for closed := false; ; {
		for !closed && have >= 2 {
			// A frame from a server, RFC 6455 section 5.2: short and unmasked.
			size := 2 + int(buffer[1])
			if buffer[1] > 125 {
				return fmt.Errorf("close: a frame of more than 125 bytes, or masked (%#x)", buffer[:2])
			}
			if have < size {
				break
			}
			closed = buffer[0] == 0x88
			have = copy(buffer, buffer[size:have])
		}
		if closed {
			have = 0 // what follows a Close is not looked at
		}
		n, err := conn.Read(buffer[have:])
		switch {
		case err == io.EOF && closed:
			return nil
		case err != nil:
			return fmt.Errorf("close: peer's Close seen: %v: %w", closed, err)
		}
		have += n
	}
}
