package watch

import (
	"fmt"
	"io"
	"net"
	"os"
	"sync"
)

// What a leaky server does.
const (
	leakNothing   = "nothing"
	leakFDs       = "fds"        // opens a file with each hundredth connection that ends
	leakMemory    = "memory"     // keeps 1 KiB of each
	leakCloseWait = "close_wait" // forgets to close each hundredth
)

// serveLeaky is a server in a process of its own. It reads each connection to
// its end, and closes it. It prints its port, and ends with its standard input.
func serveLeaky(leak, addr string) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(ln.Addr().(*net.TCPAddr).Port)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	l := leaky{kind: leak}
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		go l.serve(conn)
	}
}

type leaky struct {
	kind   string
	mu     sync.Mutex
	ended  int
	files  []*os.File
	conns  []net.Conn
	memory []byte // mapped, not from the heap, whose collector would blur the figure
}

func (l *leaky) serve(conn net.Conn) {
	_, _ = io.Copy(io.Discard, conn)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended++
	switch hundredth := l.ended%100 == 0; {
	case l.kind == leakCloseWait && hundredth:
		l.conns = append(l.conns, conn)
		return
	case l.kind == leakFDs && hundredth:
		if file, err := os.Open(os.DevNull); err == nil {
			l.files = append(l.files, file)
		}
	case l.kind == leakMemory:
		l.keep(1024)
	}
	conn.Close()
}
