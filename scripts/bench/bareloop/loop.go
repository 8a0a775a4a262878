package main

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wsload/wsload/internal/proc"
)

type loop struct {
	addr, path string
	rate       float64 // first starts per second; 0: all at once
	hold       time.Duration
	receive    bool
	sources    int       // loopback addresses to come from; 0: the kernel's choice
	schedule   *schedule // nil: each connection is held for its own time

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
	if l.schedule != nil {
		l.schedule.start = start
	}
	dialers := l.dialers()
	var wg sync.WaitGroup
	for w := range workers {
		dialer := &dialers[w%len(dialers)]
		if l.rate > 0 {
			time.Sleep(time.Until(start.Add(time.Duration(float64(w) / l.rate * float64(time.Second)))))
		}
		if l.receive {
			l.next(&wg, dialer, request)
		} else {
			wg.Go(func() { l.work(dialer, request) })
		}
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
	if l.schedule != nil {
		r.lateness = l.schedule.lateness()
	}
	return r
}

// dialers has one for each source address.
func (l *loop) dialers() []net.Dialer {
	all := make([]net.Dialer, max(1, l.sources))
	for i := range all {
		all[i].KeepAlive = -1 // a keepalive is four more system calls
		if l.receive {
			all[i].Timeout = limit
		}
		if l.sources > 0 {
			all[i].LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(1+i))}
			all[i].Control = latePort
		}
	}
	return all
}

// work does one lifecycle after the other.
func (l *loop) work(dialer *net.Dialer, request []byte) {
	buffer := make([]byte, 4096)
	for l.left.Add(-1) >= 0 {
		l.note(l.lifecycle(dialer, request, buffer))
	}
}

// next does a lifecycle in a goroutine of its own, and another one after it.
func (l *loop) next(wg *sync.WaitGroup, dialer *net.Dialer, request []byte) {
	if l.left.Add(-1) < 0 {
		return
	}
	wg.Go(func() {
		l.note(l.receiving(dialer, request))
		l.next(wg, dialer, request)
	})
}

func (l *loop) note(err error) {
	if err != nil {
		l.failures.Add(1)
		l.first.CompareAndSwap(nil, &err)
	}
}
