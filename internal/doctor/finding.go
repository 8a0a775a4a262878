package doctor

import (
	"runtime"
	"strings"
	"time"

	"github.com/wsload/wsload/internal/need"
	"github.com/wsload/wsload/internal/proc"
	"github.com/wsload/wsload/internal/wire"
	"github.com/wsload/wsload/scenario"
	"github.com/wsload/wsload/scenario/problem"
)

// A Verdict holds a fact against what the plan needs.
type Verdict string

const (
	OK      Verdict = "ok"      // there is enough, or the plan needs none
	Tight   Verdict = "tight"   // the run is possible and may be distorted
	Short   Verdict = "short"   // there is less than the plan needs
	Unknown Verdict = "unknown" // the plan needs it and the host does not tell
)

// A Finding is one fact about the host.
type Finding struct {
	Key      string    `json:"key"`
	Setting  string    `json:"setting"` // where the fact is from, as its name is in documentation
	Value    string    `json:"value"`   // as a person reads it
	Has      proc.Fact `json:"has"`     // the same as a number, null where it is none or not known
	Needs    proc.Fact `json:"needs"`   // by the plan; null where it needs none
	Unit     string    `json:"unit,omitempty"`
	Verdict  Verdict   `json:"verdict"`
	Effect   string    `json:"effect,omitempty"` // what would be seen in a run
	Remedies []Remedy  `json:"remedies"`
}

// A Remedy is one way to get more. A line of a file makes it last beyond the next
// start of the host.
type Remedy struct {
	Command string `json:"command,omitempty"`
	Note    string `json:"note,omitempty"`
	File    string `json:"file,omitempty"`
	Line    string `json:"line,omitempty"`
}

// Facts are what a host tells of itself.
type Facts struct {
	OS      string // as in runtime.GOOS
	Host    proc.Host
	Process proc.Process
	Bounds  proc.Bounds
	Late    time.Duration // from one stamp of the kernel to the read's return
	Stamps  error         // why there are no stamps, nil where there are
}

// Examine reads the facts of this host. It takes some milliseconds, and two
// seconds at most where stamps do not come.
func Examine() Facts {
	f := Facts{OS: runtime.GOOS, Host: proc.ReadHost(), Process: proc.Self(), Bounds: proc.ReadBounds()}
	f.Late, f.Stamps = wire.ProbeStamps()
	return f
}

// Ask is what the facts are held against.
type Ask struct {
	Plan    *scenario.Plan // with variables replaced; where Own, with the URL of a server on loopback
	Shard   scenario.Shard
	Procs   int          // processes that carry the plan out; 0 is 1
	Own     bool         // the tool's own server is started beside the run
	Refused problem.List // why a run refuses the plan on this host, none where it does not
}

// A Report is what the doctor says.
type Report struct {
	Plan     string    `json:"plan"` // in a line
	Host     string    `json:"host"` // likewise
	Fits     bool      `json:"fits"` // a run does not refuse the plan here
	Refused  []string  `json:"refused"`
	Findings []Finding `json:"findings"` // those that the plan needs first
}

// An exam is one diagnosis under way.
type exam struct {
	Facts
	Ask
	need need.Need
}

// Diagnose holds the facts against the plan. The error names an entry of
// target.local_addrs that is no address.
func Diagnose(f Facts, ask Ask) (Report, error) {
	of, err := need.Of(ask.Plan, ask.Shard, max(1, ask.Procs), f.Host)
	if err != nil {
		return Report{}, err
	}
	e := &exam{Facts: f, Ask: ask, need: of}
	r := Report{Plan: e.plan(), Host: e.host(), Fits: len(ask.Refused) == 0, Refused: []string{}}
	for _, p := range ask.Refused {
		if p.Key == "load.connections" {
			p.Hint = "" // the remedies stand beside descriptors and ports
		}
		r.Refused = append(r.Refused, p.Error())
	}
	all := e.findings()
	for i := range all {
		all[i].settle(f.OS)
	}
	for _, first := range []bool{true, false} {
		for _, f := range all {
			if f.matters() == first {
				r.Findings = append(r.Findings, f)
			}
		}
	}
	return r, nil
}

// settle fills in what a finding leaves to its numbers.
func (f *Finding) settle(os string) {
	if name, _, _ := strings.Cut(f.Setting, ","); f.Verdict == Unknown && os == "linux" && strings.HasPrefix(name, "net.") {
		f.Effect = "a network namespace, as of a container, does not tell it; on the host: sysctl " + name
	}
	if f.Value == "" {
		f.Value = f.spell(f.Has)
	}
	if f.Remedies == nil {
		f.Remedies = []Remedy{} // a list in JSON too
	}
}

// matters reports whether the plan needs the fact, or suffers from it.
func (f *Finding) matters() bool { return f.Needs.OK || f.Verdict != OK }

// findings are all facts, in the order in which a run meets them.
func (e *exam) findings() []Finding {
	return []Finding{
		e.descriptors(), e.files(), e.tasks(), e.ports(), e.backlog(), e.synBacklog(), e.tracked(),
		e.timeWait(), e.orphans(), e.tcpPages(), e.memory(), e.cpus(), e.stamps(), e.netAdmin(), e.loopback6(),
		e.reuse(), e.finTimeout(), e.buffers(), e.swap(), e.clock(), e.governor(), e.hugePages(),
	}
}

// spacious is the part of what there is that a plan may need without being
// tight: what it needs is an estimate, good to about a tenth.
const spacious = 0.9

// weigh gives the verdict by the numbers: short where the plan needs more than
// there is, and tight near it.
func weigh(has, needs proc.Fact, room float64) Verdict {
	switch {
	case !needs.OK:
		return OK
	case !has.OK:
		return Unknown
	case needs.N > has.N:
		return Short
	case float64(needs.N) > room*float64(has.N):
		return Tight
	}
	return OK
}

// atMostTight is for what distorts a run and does not prevent it.
func atMostTight(v Verdict) Verdict {
	if v == Short {
		return Tight
	}
	return v
}

// left is what remains of a limit. Unlimited stays so, and what is used counts as
// nothing where it is not known.
func left(limit, used proc.Fact) proc.Fact {
	if !limit.OK || limit.N == proc.Unlimited {
		return limit
	}
	return proc.Known(max(0, limit.N-used.N))
}

// lesser is the lesser of two limits, of those that are known.
func lesser(a, b proc.Fact) proc.Fact {
	if !a.OK || b.OK && b.N < a.N {
		return b
	}
	return a
}
