package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

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
	closer := l.closer(conn)
	defer closer.Stop()
	return readClose(conn, buffer[:], rest)
}

// closer writes the Close when it is due. A failure shows in the read.
func (l *loop) closer(conn net.Conn) *time.Timer {
	if l.schedule == nil {
		return time.AfterFunc(l.held(), func() {
			conn.SetReadDeadline(time.Now().Add(limit))
			conn.Write(maskedClose)
		})
	}
	s := l.schedule
	k, due := s.next()
	return time.AfterFunc(due-time.Since(s.start), func() {
		conn.SetReadDeadline(time.Now().Add(limit))
		s.wrote[k].Store(int64(time.Since(s.start)))
		conn.Write(maskedClose)
	})
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
