package main

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/wsload/wsload/internal/proc"
	"github.com/wsload/wsload/internal/settings"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/value"
)

func (a *app) planCommand() *cobra.Command {
	var f planFlags
	var lifecycles int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "print what a run would do; open nothing",
		Long: "plan prints every key of the resolved plan with the place its value comes from, what this host\n" +
			"allows, and the first lifecycles. The output is itself a configuration file; secrets are masked.",
		Example: "  wsload plan\n" +
			"  wsload plan -c configs/mixed.yaml --connections 5000 --lifecycles 3\n" +
			"  wsload plan --seed 7 --shard 1/3 --json | jq .lifecycles",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if lifecycles < 0 {
				return usage(cmd, fmt.Errorf("--lifecycles must be 0 or more, got %d", lifecycles))
			}
			c, err := a.resolve(cmd, &f)
			if err != nil {
				return err
			}
			p := newPrintedPlan(c, lifecycles)
			if asJSON {
				return writeJSON(a.stdout, p)
			}
			text, err := p.text()
			if err == nil {
				_, err = a.stdout.Write(text)
			}
			return err
		},
	}
	f.register(cmd)
	cmd.Flags().IntVar(&lifecycles, "lifecycles", 10, "how many lifecycles to print")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// A printedPlan is what plan prints. Durations are nanoseconds.
type printedPlan struct {
	Plan       scenario.Plan      `json:"plan"`
	Shard      scenario.Shard     `json:"shard"`
	Sources    map[string]string  `json:"sources"` // by key: where the value comes from
	Preflight  hostFacts          `json:"preflight"`
	Figures    figures            `json:"figures"`
	Lifecycles []printedLifecycle `json:"lifecycles"`
}

// hostFacts are what this host allows. Numbers that it does not tell are null.
type hostFacts struct {
	Connections int      `json:"connections"` // of this shard, each with a descriptor and a port
	Processes   int      `json:"processes"`   // that share them
	Descriptors *int64   `json:"descriptors"` // this process may open
	Ports       *int     `json:"ports"`       // for each source address
	From        string   `json:"from"`        // source addresses
	Warnings    []string `json:"warnings"`
}

// figures follow from the plan. All but the ramp are estimates that leave out
// what the server takes.
type figures struct {
	Ramp            time.Duration `json:"ramp_ns"`                 // until the population is full
	Longest         time.Duration `json:"longest_ns"`              // the run is over then
	Connections     *uint64       `json:"connections_about"`       // null where only the server sets a limit
	ClosesPerSecond *float64      `json:"closes_per_second_about"` // while the population is held; null likewise
}

// A printedLifecycle is the script of one connection. Start and Close are from
// the beginning of the run, and known in generation 0 only.
type printedLifecycle struct {
	N          uint64         `json:"n"`
	Slot       int            `json:"slot"`
	Generation uint64         `json:"generation"`
	Start      *time.Duration `json:"start_ns"`
	Hold       time.Duration  `json:"hold_ns"`
	Close      *time.Duration `json:"close_ns"` // if it opens in no time
	Entry      string         `json:"entry"`
}

func newPrintedPlan(c *settings.Config, lifecycles int) *printedPlan {
	p := &printedPlan{Plan: c.Plan.Redacted(), Shard: c.Shard, Sources: c.Sources, Figures: newFigures(c), Lifecycles: []printedLifecycle{}}
	if len(c.Plan.Watch.Sources) > 0 {
		p.Figures.Longest += c.Plan.Watch.Settle
	}
	p.Preflight = hostFacts{Processes: c.Procs, Connections: c.Shard.Size(c.Plan.Load.Connections), From: "the kernel's choice", Warnings: append([]string{}, c.Warnings...)}
	if limit := proc.Self().SoftLimit; limit.OK {
		p.Preflight.Descriptors = &limit.N
	}
	if ports := proc.ReadHost().Ports.Count(); ports > 0 {
		p.Preflight.Ports = &ports
	}
	if addrs := c.Ready.Target.LocalAddrs; len(addrs) > 0 {
		p.Preflight.From = strings.Join(addrs, ", ")
	} else if c.Own {
		p.Preflight.From = "127.0.0.1 and the addresses after it, as many as the ports require"
	}
	for generation := uint64(0); len(p.Lifecycles) < lifecycles; generation++ {
		for slot := range c.Shard.Slots(c.Plan.Load.Connections) {
			if len(p.Lifecycles) < lifecycles {
				n := generation*uint64(c.Plan.Load.Connections) + uint64(slot)
				p.Lifecycles = append(p.Lifecycles, newPrintedLifecycle(&c.Plan, n))
			}
		}
		if c.Plan.Load.Duration == 0 {
			break // each slot lives once
		}
	}
	return p
}

func newPrintedLifecycle(plan *scenario.Plan, n uint64) printedLifecycle {
	l := plan.Lifecycle(n)
	p := printedLifecycle{N: n, Slot: l.Slot, Generation: l.Generation, Hold: l.Hold, Entry: plan.Closes.Mix[l.Entry].Name}
	if l.Generation == 0 {
		at := plan.CloseAt(l.Start, l)
		p.Start, p.Close = &l.Start, &at
	}
	return p
}

// newFigures reckons with the lives of generation 0, which are drawn from the
// same distribution as all others.
func newFigures(c *settings.Config) figures {
	load := c.Plan.Load
	var f figures
	var lives, latest time.Duration
	n := 0
	for slot := range c.Shard.Slots(load.Connections) {
		l := c.Plan.Lifecycle(uint64(slot))
		at := c.Plan.CloseAt(l.Start, l)
		f.Ramp, latest = l.Start, max(latest, at)
		if n++; n <= 10_000 { // enough for a mean
			lives += (at - l.Start) / 10_000
		}
	}
	size := float64(n)
	share := size / float64(load.Connections)
	limits := c.Plan.Limits
	f.Longest = load.Duration + limits.Drain
	switch span := c.Plan.DrainSpan(); {
	case span > 0:
		f.Longest = span + limits.Drain
		if total := uint64(n); load.Duration == 0 {
			f.Connections = &total
		}
		return f // when connections end, and how many come back, is the server's doing
	case load.Duration == 0:
		f.Longest = latest + limits.Dial + limits.Upgrade + limits.Close + limits.Fin
		for _, step := range c.Plan.OnOpen {
			f.Longest += step.Within
		}
		if r := float64(c.Plan.Closes.Shape.Rate()) * share; r > 0 {
			f.Longest += time.Duration(size / r * float64(time.Second))
		}
	}

	life := lives.Seconds() * 10_000 / min(size, 10_000)
	closes := math.Inf(1) // per second
	for _, limit := range []float64{float64(load.Rate) * share, float64(c.Plan.Closes.Shape.Rate()) * share, size / life} {
		if limit > 0 { // 0 is unlimited
			closes = min(closes, limit)
		}
	}
	if c.Plan.Closes.Shape.Kind() == value.ShapeAtEnd {
		closes = 0
	}
	about := size
	if ends := load.Duration.Seconds(); ends > 0 {
		if load.Rate > 0 {
			about = min(about, 1+float64(load.Rate)*share*ends)
		}
		about += closes * max(0, ends-life)
	}
	if len(load.Stages) > 0 { // which seldom hold the whole population
		held, rises := heldBy(load.Stages)
		// The last life of a slot is cut short, by a half of it on average.
		about = min(about, max(size, (held/life+rises/2)*share))
	}
	if total := uint64(min(about, 1e18)); !math.IsInf(closes, 1) {
		f.Connections, f.ClosesPerSecond = &total, &closes
	}
	return f
}

// heldBy gives the sum of the seconds that the stages hold connections for, and
// how many they switch on.
func heldBy(stages []scenario.Stage) (seconds, rises float64) {
	before := 0.0
	for _, s := range stages {
		next := float64(s.Connections)
		seconds += (before + next) / 2 * s.For.Seconds()
		rises += max(0, next-before)
		before = next
	}
	return seconds, rises
}

// text writes the plan as YAML with the place of each value, and the rest as
// comments.
func (p *printedPlan) text() ([]byte, error) {
	written, err := p.Plan.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var root yaml.Node
	if err := yaml.Unmarshal(written, &root); err != nil {
		return nil, fmt.Errorf("write plan: %w", err)
	}
	var out bytes.Buffer
	columns := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	if err := p.section(columns, "", root.Content[0]); err != nil {
		return nil, err
	}
	columns.Flush()
	out.WriteString("\n")
	p.comments(&out)
	return out.Bytes(), nil
}

// section writes the keys of a mapping. A list of mappings has one line for
// each, everything else below a section has one line for its key.
func (p *printedPlan) section(out *tabwriter.Writer, prefix string, n *yaml.Node) error {
	indent := strings.Repeat("  ", strings.Count(prefix, "."))
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i].Value, n.Content[i+1]
		if value.Kind == yaml.MappingNode {
			fmt.Fprintf(out, "%s%s:\n", indent, key)
			if err := p.section(out, prefix+key+".", value); err != nil {
				return err
			}
			continue
		}
		lines := []*yaml.Node{value}
		if value.Kind == yaml.SequenceNode && len(value.Content) > 0 && value.Content[0].Kind == yaml.MappingNode {
			fmt.Fprintf(out, "%s%s:\t# %s\n", indent, key, p.Sources[prefix+key])
			lines = value.Content
		}
		for _, line := range lines {
			text, err := flow(line)
			if err != nil {
				return err
			}
			if line == value {
				fmt.Fprintf(out, "%s%s: %s\t# %s\n", indent, key, text, p.Sources[prefix+key])
			} else {
				fmt.Fprintf(out, "%s  - %s\n", indent, text)
			}
		}
	}
	return nil
}

// flow writes a value in one line, with quotes only where YAML needs them.
func flow(n *yaml.Node) (string, error) {
	var plain func(n *yaml.Node)
	plain = func(n *yaml.Node) {
		n.Style = yaml.FlowStyle
		if n.Kind == yaml.ScalarNode {
			n.Style = 0
		}
		if strings.ContainsAny(n.Value, "\n\t") {
			n.Style = yaml.DoubleQuotedStyle
		}
		for _, child := range n.Content {
			plain(child)
		}
	}
	plain(n)
	text, err := yaml.Marshal(n)
	if err != nil {
		return "", fmt.Errorf("write plan: %w", err)
	}
	return strings.TrimSuffix(string(text), "\n"), nil
}

func (p *printedPlan) comments(w *bytes.Buffer) {
	about := func(format string, known bool, value func() any) string {
		if !known {
			return "not known before"
		}
		return fmt.Sprintf(format, value())
	}
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(out, "# this host\n#   shard\t%s, %d connections\n", p.Shard, p.Preflight.Connections)
	if n := p.Preflight.Processes; n > 1 {
		part := p.Shard.Split(1, n)
		fmt.Fprintf(out, "#   processes\t%d, at most %d connections in each\n", n, part.Size(p.Plan.Load.Connections))
	}
	fmt.Fprintf(out, "#   descriptors\t%s\n", about("a process may open %d", p.Preflight.Descriptors != nil, func() any { return *p.Preflight.Descriptors }))
	fmt.Fprintf(out, "#   ports\t%s\n", about("%d for each source address", p.Preflight.Ports != nil, func() any { return *p.Preflight.Ports }))
	fmt.Fprintf(out, "#   sources\t%s\n", p.Preflight.From)
	for _, warning := range p.Preflight.Warnings {
		fmt.Fprintf(out, "#   WARNING\t%s\n", warning)
	}
	fmt.Fprintf(out, "# figures\n#   ramp\t%v\n#   over after\t%v at most\n", p.Figures.Ramp, p.Figures.Longest)
	fmt.Fprintf(out, "#   connections\t%s\n", about("about %d", p.Figures.Connections != nil, func() any { return *p.Figures.Connections }))
	fmt.Fprintf(out, "#   closes\t%s\n", about("about %.4g/s while the population is held", p.Figures.ClosesPerSecond != nil, func() any { return *p.Figures.ClosesPerSecond }))
	out.Flush()
	if len(p.Lifecycles) == 0 {
		return
	}
	when := func(d *time.Duration) string {
		if d == nil {
			return "-"
		}
		return d.Round(time.Millisecond).String()
	}
	fmt.Fprint(out, "# lifecycles\n#   n\tslot\tgeneration\tstart\thold\tclose\tentry\n")
	for _, l := range p.Lifecycles {
		fmt.Fprintf(out, "#   %d\t%d\t%d\t%s\t%s\t%s\t%s\n", l.N, l.Slot, l.Generation, when(l.Start), when(&l.Hold), when(l.Close), l.Entry)
	}
	out.Flush()
}
