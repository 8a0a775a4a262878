// Command fidelity compares what wsload says of its closes with a packet
// capture of the same run, connection by connection.
//
// It reads a trace (wsload run --trace) and a capture (tcpdump -w, stamps in
// nanoseconds), matches them by the four addresses and ports and the time of
// the SYN, and prints how far wsload's close_handshake is from the interval
// between the same two frames in the capture: by the kernel's receive stamp,
// which wsload reports, and by the clock of its process, which it does not.
//
// usage: fidelity [-name TEXT] [-p999 DURATION] TRACE CAPTURE
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/wsload/wsload/internal/trace"
)

func main() {
	name := flag.String("name", "run", "what the comparison is headed with")
	p999 := flag.Duration("p999", 0, "the bar for the error's p99.9, 0 for none")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "usage: fidelity [-name TEXT] [-p999 DURATION] TRACE CAPTURE")
		os.Exit(2)
	}
	if err := run(os.Stdout, *name, *p999, flag.Arg(0), flag.Arg(1)); err != nil {
		fmt.Fprintln(os.Stderr, "fidelity:", err)
		os.Exit(1)
	}
}

// errDiffers ends a comparison in which a class differs.
var errDiffers = errors.New("wsload and the capture do not agree on how connections ended")

func run(w io.Writer, name string, p999 time.Duration, traceFile, captureFile string) error {
	capture, err := os.Open(captureFile)
	if err != nil {
		return err
	}
	defer capture.Close()
	all := flows{}
	if err := readPcap(capture, all.add); err != nil {
		return err
	}
	traced, err := os.Open(traceFile)
	if err != nil {
		return err
	}
	defer traced.Close()
	c := comparison{bars: []bar{{"p50", 0.5, 5_000}, {"p99", 0.99, 40_000}}}
	if p999 > 0 {
		c.bars = append(c.bars, bar{"p99.9", 0.999, int64(p999)})
	}
	if err := c.read(traced, all); err != nil {
		return err
	}
	return c.print(w, name)
}

// A comparison is a trace beside a capture. Times are in ns.
type comparison struct {
	bars                      []bar // for the error by the kernel clock
	lines, matched, unstamped int
	captured                  []int64 // the interval between the Closes in the capture
	kernel, user              []int64 // errors of wsload's interval, by the clock of its end
	apart                     []int64 // those of kernel whose stamp is not the FIN's
	departure, arrival        []int64 // errors of either end of it, the arrival by the kernel's stamp
	write                     []int64 // own Close to the end of its write: what the departure can be late at most
	differ                    []string
}

// read takes the lines of a trace, each with its flow.
func (c *comparison) read(r io.Reader, all flows) error {
	d := json.NewDecoder(bufio.NewReaderSize(r, 1<<20))
	var head trace.Header
	if err := d.Decode(&head); err != nil {
		return fmt.Errorf("read trace's header: %w", err)
	}
	if head.Schema != trace.Schema {
		return fmt.Errorf("read trace: its version is %d, want %d", head.Schema, trace.Schema)
	}
	for {
		var l trace.Line
		if err := d.Decode(&l); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read trace: line %d: %w", c.lines+2, err)
		}
		if err := c.add(&l, head.Wall, all); err != nil {
			return fmt.Errorf("read trace: connection %d: %w", l.N, err)
		}
	}
}

// add compares one connection. Other modes than active have no close_handshake.
func (c *comparison) add(l *trace.Line, wall int64, all flows) error {
	if l.Mode != "active" || l.Local == "" || len(l.Events) == 0 {
		return nil
	}
	c.lines++
	client, err := netip.ParseAddrPort(l.Local)
	if err != nil {
		return err
	}
	server, err := netip.ParseAddrPort(l.Remote)
	if err != nil {
		return err
	}
	f := all.find(pair{client, server}, wall+int64(l.Events[0].At))
	if f == nil {
		return nil
	}
	c.matched++
	if class := f.class(); class != l.Class {
		c.differ = append(c.differ, fmt.Sprintf("connection %d, %s: wsload says %s, the capture %s", l.N, l.Local, l.Class, class))
	}
	own, done, peer := moment(l, "out", "close"), moment(l, "out", "close_done"), moment(l, "in", "close")
	if own == nil || done == nil || peer == nil || f.out.close == 0 || f.in.close == 0 || !f.out.masked {
		return nil
	}
	if peer.Clock != "kernel" {
		c.unstamped++
		return nil
	}
	interval := f.in.close - f.out.close
	c.captured = append(c.captured, interval)
	arrived, off := wall+int64(peer.At), distance(int64(peer.At-own.At), interval)
	c.kernel = append(c.kernel, off)
	if f.in.fin == 0 || distance(arrived, f.in.close) <= distance(arrived, f.in.fin) {
		c.apart = append(c.apart, off)
	}
	c.user = append(c.user, distance(int64(peer.Seen-own.At), interval))
	c.departure = append(c.departure, distance(wall+int64(own.At), f.out.close))
	c.arrival = append(c.arrival, distance(arrived, f.in.close))
	c.write = append(c.write, int64(done.At-own.At))
	return nil
}

// moment is the first event of its kind.
func moment(l *trace.Line, dir, kind string) *trace.Event {
	i := slices.IndexFunc(l.Events, func(e trace.Event) bool { return e.Dir == dir && e.Kind == kind })
	if i < 0 {
		return nil
	}
	return &l.Events[i]
}

// A bar is the most that a quantile of the error of close_handshake may be, in ns.
type bar struct {
	name string
	q    float64
	most int64
}

// verdict says of sorted errors whether they are within the bars.
func verdict(bars []bar, sorted []int64) string {
	var names []string
	met := "met"
	for _, b := range bars {
		names = append(names, fmt.Sprintf("%s %.0f µs", b.name, float64(b.most)/1e3))
		if quantile(sorted, b.q) > b.most {
			met = "not met"
		}
	}
	return fmt.Sprintf("bar (%s): %s", strings.Join(names, ", "), met)
}

// print writes the comparison as a table, and what is wrong with it.
func (c *comparison) print(w io.Writer, name string) error {
	compared := len(c.captured)
	fmt.Fprintf(w, "\n%s: %d active closes traced, matched %d, unmatched %d, compared %d, without a kernel stamp %d\n",
		name, c.lines, c.matched, c.lines-c.matched, compared, c.unstamped)
	if compared == 0 {
		return errors.New("no close is both in the trace and in the capture; do they belong to the same run?")
	}
	fmt.Fprintf(w, "  %-52s %9s %9s %9s\n", "µs", "p50", "p99", "p99.9")
	rows := []struct {
		name   string
		values []int64
	}{
		{"close_handshake in the capture", c.captured},
		{"error of close_handshake, kernel clock (reported)", c.kernel},
		{"error of close_handshake, user clock (for comparison)", c.user},
		{"  of this: arrival of the peer's Close, kernel clock", c.arrival},
		{"  of this: departure of the own Close", c.departure},
		{"  own Close handed to write until write returned", c.write},
		{"error without the stamps that are the FIN's", c.apart},
	}
	for _, row := range rows {
		if len(row.values) == 0 {
			fmt.Fprintf(w, "  %-52s %9s %9s %9s\n", row.name, "-", "-", "-")
			continue
		}
		slices.Sort(row.values)
		fmt.Fprintf(w, "  %-52s %9.1f %9.1f %9.1f\n", row.name, us(row.values, 0.5), us(row.values, 0.99), us(row.values, 0.999))
	}
	fmt.Fprintf(w, "  stamps that are those of the FIN right behind the Close: %d of %d\n", compared-len(c.apart), compared)
	fmt.Fprintf(w, "  %s; classes that differ from the capture's: %d\n", verdict(c.bars, c.kernel), len(c.differ))
	for _, text := range c.differ[:min(10, len(c.differ))] {
		fmt.Fprintln(w, "  !", text)
	}
	if len(c.differ) > 0 {
		return errDiffers
	}
	return nil
}

func us(sorted []int64, q float64) float64 { return float64(quantile(sorted, q)) / 1e3 }

// quantile is the smallest value that at least the part q of all do not exceed.
func quantile(sorted []int64, q float64) int64 {
	n := len(sorted)
	i := int(q * float64(n))
	if float64(i) == q*float64(n) && i > 0 {
		i--
	}
	return sorted[min(i, n-1)]
}
