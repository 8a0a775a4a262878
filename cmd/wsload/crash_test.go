//go:build unix

package main

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/wsload/wsload/internal/result"
)

// endedShown is in the line of an interval: the connections that have ended.
var endedShown = regexp.MustCompile(`  ended (\d+)  `)

// readKilled reads a file and its tail.
func readKilled(ts *testscript.TestScript, name string) *result.Document {
	text, err := os.ReadFile(name)
	ts.Check(err)
	streams := []io.Reader{bytes.NewReader(text)}
	if tail, err := os.ReadFile(result.TailName(name)); err == nil {
		streams = append(streams, bytes.NewReader(tail))
	}
	doc, err := result.Read(streams...)
	ts.Check(err)
	return doc
}

// kills runs a command as often as it says, each time with --out FILE, and
// kills it at a moment of chance. What was shown as an interval before must be
// in the file then.
func kills(ts *testscript.TestScript, _ bool, args []string) {
	times, err := strconv.Atoi(args[0])
	ts.Check(err)
	name := ts.MkAbs(args[1])
	least, most := uint64(1<<30), uint64(0)
	for range times {
		_ = os.Remove(name)
		_ = os.Remove(result.TailName(name))
		cmd := exec.Command(args[2], append(args[3:], "--out", name)...)
		cmd.Dir = ts.MkAbs(".")
		for _, v := range []string{"HOME", "PATH", "TMPDIR"} {
			cmd.Env = append(cmd.Env, v+"="+ts.Getenv(v))
		}
		var said bytes.Buffer
		cmd.Stderr = &said
		ts.Check(cmd.Start())
		until(ts, "the stream begins", func() bool {
			text, err := os.ReadFile(name)
			return err == nil && bytes.Contains(text, []byte("\n"))
		})
		time.Sleep(time.Duration(rand.IntN(1000)) * time.Millisecond)
		ts.Check(cmd.Process.Kill())
		_ = cmd.Wait()
		doc := readKilled(ts, name)
		var shown uint64
		for _, found := range endedShown.FindAllStringSubmatch(said.String(), -1) {
			shown, err = strconv.ParseUint(found[1], 10, 64)
			ts.Check(err)
		}
		if doc.Complete || doc.Total.Connections.Ended < shown {
			ts.Fatalf("complete %v with %d ended connections in the file, %d were shown", doc.Complete, doc.Total.Connections.Ended, shown)
		}
		var started, ended uint64
		for _, span := range doc.Intervals {
			started, ended = started+span.Connections.Started, ended+span.Connections.Ended
		}
		if n := doc.Total.Connections; n.Started != started || n.Ended != ended || n.Ended > n.Started {
			ts.Fatalf("the total is %+v, the intervals have %d started and %d ended", n, started, ended)
		}
		least, most = min(least, ended), max(most, ended)
	}
	ts.Logf("killed %d times, after %d to %d connections", times, least, most)
	if most == least {
		ts.Fatalf("each of %d kills came after %d connections: that is no chance", times, most)
	}
}
