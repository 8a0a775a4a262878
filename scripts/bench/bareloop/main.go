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
// With -at and -receive the Closes follow a schedule in place of each
// connection's own hold, and the result says how late they were.
//
// The result is one JSON object on the standard output.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"
)

type result struct {
	Lifecycles        int64   `json:"lifecycles"` // complete ones
	Seconds           float64 `json:"seconds"`
	CPUPerLifecycle   float64 `json:"cpu_us_per_lifecycle,omitempty"` // user and system time; none where unknown
	LifecyclesPerSec  float64 `json:"lifecycles_per_s"`
	Failures          int64   `json:"failures"`
	FirstFailure      string  `json:"first_failure,omitempty"`
	ConcurrentWorkers int     `json:"concurrency"`
	*lateness                 // nil without a schedule
}

func main() {
	addr := flag.String("addr", "127.0.0.1:9000", "server, as host:port")
	path := flag.String("path", "/echo", "request path")
	n := flag.Int64("n", 10000, "lifecycles")
	concurrency := flag.Int("c", 100, "lifecycles at once")
	rate := flag.Float64("rate", 0, "first -c starts per second; 0 is all at once. Later ones follow an end at once")
	sources := flag.Int("sources", 0, "come from so many addresses of 127.0.0.0/8 in turn; 0 leaves the address to the kernel")
	hold := flag.Duration("hold", 0, "mean time from the 101 to the Close, spread evenly from half of it to one and a half")
	receive := flag.Bool("receive", false, "keep a receive loop on each connection, and limits on each wait")
	at := flag.Duration("at", 0, "time from the start to the first planned Close: Closes follow a schedule, the oldest connection's first, and -hold is not looked at")
	closes := flag.Float64("closes", 0, "with -at: planned Closes per second; 0 is all at the same moment")
	timeout := flag.Duration("timeout", 5*time.Minute, "longest run; without -receive no connection has a limit of its own")
	flag.Parse()
	if flag.NArg() > 0 || *n < 1 || *concurrency < 1 || *rate < 0 || *closes < 0 || *sources < 0 || *sources > 250 {
		fmt.Fprintln(os.Stderr, "bareloop: -n and -c must be at least 1, -rate and -closes at least 0, -sources 0 to 250, and there are no arguments")
		os.Exit(2)
	}
	if *at > 0 && !*receive {
		fmt.Fprintln(os.Stderr, "bareloop: -at is for connections with -receive")
		os.Exit(2)
	}
	time.AfterFunc(*timeout, func() {
		fmt.Fprintf(os.Stderr, "bareloop: not done after %v: the server leaves connections open\n", *timeout)
		os.Exit(1)
	})
	loop := loop{addr: *addr, path: *path, rate: *rate, hold: *hold, receive: *receive, sources: *sources}
	if *at > 0 {
		loop.schedule = newSchedule(*n, *at, *closes)
	}
	if err := json.NewEncoder(os.Stdout).Encode(loop.run(*n, *concurrency)); err != nil {
		fmt.Fprintln(os.Stderr, "bareloop: write the result:", err)
		os.Exit(1)
	}
	if loop.failures.Load() > 0 {
		os.Exit(1)
	}
}
