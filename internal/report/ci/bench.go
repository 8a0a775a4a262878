package ci

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/wsload/wsload/internal/gate/metric"
	"github.com/wsload/wsload/internal/gate/trial"
	"github.com/wsload/wsload/internal/result"
	"github.com/wsload/wsload/stats"
)

// Bench writes a run in the format of Go's benchmarks, for benchstat and its
// kin: a line for each phase of each entry of the mix, as in
//
//	BenchmarkCloseHandshake/active-2  2013  95310 ns/op  81300 p50-ns  484000 p99-ns
//
// with the samples as iterations, their mean as ns/op, and the quantiles that
// they support. The whole run is one line: what varies from run to run does not
// show within one, so a comparison wants several runs of each side. Quantiles
// are of all attempts, also of those that ran out of time; where one is among
// these, and where the mean lacks them, it is left out.
//
// It fails where the document's numbers cannot be read, or w fails.
func Bench(w io.Writer, doc *result.Document) error {
	sum, err := doc.Summary()
	if err != nil {
		return fmt.Errorf("write benchmarks: %w", err)
	}
	b := bench{mix: doc.Mix}
	b.key("goos", doc.Env.OS)
	b.key("goarch", doc.Env.Arch)
	b.key("wsload", doc.Env.Version)
	b.lines(sum, fmt.Sprintf("-%d", max(doc.Env.GOMAXPROCS, 1)))
	return b.flush(w)
}

// TrialBench writes a trial in the same format: for each pair a line of either
// side, told apart by /side=a and /side=b. benchstat -col /side compares them.
// It fails where the file's numbers cannot be read, or w fails.
func TrialBench(w io.Writer, f *trial.File) error {
	b := bench{mix: f.Mix}
	b.key("wsload", f.Wsload)
	for i := range f.Pairs {
		p := &f.Pairs[i]
		for _, side := range []struct {
			name string
			arm  *trial.Arm
		}{{"a", &p.A}, {"b", &p.B}} {
			sum := stats.NewSummary(f.Mix)
			if err := side.arm.Span.AddTo(sum); err != nil {
				return fmt.Errorf("write benchmarks: pair %d: %s: %w", i+1, side.name, err)
			}
			b.lines(sum, "/side="+side.name)
		}
	}
	return b.flush(w)
}

// bench is such a text in the making.
type bench struct {
	mix []stats.Entry
	out strings.Builder
	err error // the first metric that could not be read
}

// key writes a line of configuration.
func (b *bench) key(name, value string) { fmt.Fprintf(&b.out, "%s: %s\n", name, named(value)) }

// quantiles are those of a line, by the ends of their metrics.
func quantiles() []string { return []string{"p50", "p90", "p99", "p99.9"} }

// lines writes what was measured of each entry.
func (b *bench) lines(sum *stats.Summary, suffix string) {
	names := make([]string, len(b.mix))
	for e, entry := range b.mix {
		names[e] = entry.Name
	}
	for e, entry := range b.mix {
		for p := range stats.Phase(stats.NumPhases) {
			row := &sum.Latency[e][p]
			if row.Hist.Count() == 0 || p.OwnLag() {
				continue
			}
			fmt.Fprintf(&b.out, "Benchmark%s/%s%s\t%d", camel(p.String()), word(entry.Name), suffix, row.Hist.Count())
			for i, q := range quantiles() {
				m, err := metric.Parse(entry.Name+"."+p.String()+"."+q, names)
				if err != nil {
					b.err = err
					return
				}
				s := m.Sample(sum)
				if i == 0 && s.Late == 0 {
					fmt.Fprintf(&b.out, "\t%d ns/op", row.Hist.Mean())
				}
				if d, ok := s.At(m.Quant().Rank(s.N())); ok && m.Quant().Beyond(s.N()) >= 1 {
					fmt.Fprintf(&b.out, "\t%d %s-ns", d, q)
				}
			}
			b.out.WriteByte('\n')
		}
	}
}

func (b *bench) flush(w io.Writer) error {
	if b.err == nil {
		_, b.err = io.WriteString(w, b.out.String())
	}
	if b.err != nil {
		return fmt.Errorf("write benchmarks: %w", b.err)
	}
	return nil
}

// camel writes close_handshake as CloseHandshake.
func camel(name string) string {
	var out strings.Builder
	for part := range strings.SplitSeq(name, "_") {
		out.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return out.String()
}

// word writes a name so that it is one word and one part of a benchmark's name.
func word(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || !strconv.IsPrint(r) || r == '/' || r == '=' {
			return '_'
		}
		return r
	}, name)
}
