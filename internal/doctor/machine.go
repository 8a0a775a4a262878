package doctor

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/wsload/wsload/internal/proc"
)

// memory is what is available without swapping, or less by control group.
func (e *exam) memory() Finding {
	needs := e.need.Memory
	if e.Own {
		needs += e.need.OfServer()
	}
	f := Finding{
		Key: "memory", Setting: "MemAvailable", Unit: "bytes",
		Has: lesser(e.Bounds.Memory, e.Bounds.GroupSpare), Needs: proc.Known(needs),
	}
	group := e.Bounds.GroupSpare.OK && (!e.Bounds.Memory.OK || e.Bounds.GroupSpare.N < e.Bounds.Memory.N)
	if group {
		f.Setting = "memory.max of the control group, less what is used"
	}
	// A heap swings between two collections, and messages come on top.
	if f.Verdict = weigh(f.Has, f.Needs, 0.75); f.Verdict != Short && f.Verdict != Tight {
		return f
	}
	f.Effect = "the host swaps, which makes the tool late (open_lag, close_lag), or the kernel kills what holds most: the run or its server ends without a word"
	if group {
		f.Effect = "the kernel kills the run or its server at the limit of the control group: it ends without a word (exit code 137)"
		most := roomFor(2 * needs >> 20)
		f.Remedies = []Remedy{
			do("in a container", "docker run --memory %dm ...", most),
			{Note: "in a unit of systemd", File: "[Service] of the unit", Line: fmt.Sprintf("MemoryMax=%dM", most)},
		}
	}
	f.Remedies = append(f.Remedies, do("memory in exchange for CPU", "GOGC=100 wsload run ..."), do("on two hosts", "wsload run --shard 1/2 --seed 1 ..."))
	return f
}

// half of the CPUs' time: above it what is due waits as long as it takes, on
// average, where it comes at random (a queue of utilisation u is 1/(1-u) long).
const half = 0.5

// cpus are those this process may use, or the part of them by control group.
func (e *exam) cpus() Finding {
	f := Finding{Key: "cpu", Setting: "CPUs of this process", Unit: "thousandths of a CPU"}
	if n := e.Bounds.CPUs; n > 0 {
		f.Has = proc.Known(int64(n) * 1000)
	}
	if q := e.Bounds.Quota; q.OK && q.N < f.Has.N {
		f.Has, f.Setting = q, "quota of the control group"
	}
	if n := e.need.CPU; n > 0 {
		if e.Own {
			n *= 2 // about as much again
		}
		f.Needs = proc.Known(n)
	}
	if f.Has.OK {
		f.Value = thousandths(f.Has.N)
	}
	if f.Verdict = weigh(f.Has, f.Needs, half); f.Verdict == Short || f.Verdict == Tight {
		f.Effect = "opens and closes come late: open_lag and close_lag grow, and rows of latency are marked with ~; messages come on top"
		fits := max(1, int64(float64(e.Plan.Load.Rate)*half*float64(f.Has.N)/float64(f.Needs.N)))
		f.Remedies = []Remedy{do("", "wsload run --rate %d/s ...", fits), do("on two hosts", "wsload run --shard 1/2 --seed 1 ...")}
		if e.Own {
			f.Remedies = append(f.Remedies, do("the server on a host of its own", "wsload run --target ws://HOST:9000/echo ..."))
		}
		if f.Setting != "CPUs of this process" {
			f.Remedies = append(f.Remedies, do("in a container", "docker run --cpus %d ...", e.Bounds.CPUs))
		}
	}
	return f
}

// stamps are the kernel's, of what is received. Without them latencies contain
// the tool's own queue.
func (e *exam) stamps() Finding {
	f := Finding{Key: "stamps", Setting: "SO_TIMESTAMPNS", Has: proc.Known(1), Needs: proc.Known(1), Verdict: OK}
	f.Value = fmt.Sprintf("yes, one was %v before its read", e.Late.Round(100*time.Nanosecond))
	if e.Stamps != nil {
		f.Has, f.Value, f.Verdict = proc.Known(0), "none", Tight
		f.Effect = "all latencies have the clock user, and contain wsload's own queue"
		f.Remedies = []Remedy{{Note: "kernel receive stamps are to be had on Linux alone"}}
		if e.OS == "linux" {
			f.Remedies[0].Note = e.Stamps.Error()
		}
	}
	return f
}

func (e *exam) swap() Finding {
	return Finding{Key: "swap", Setting: "SwapTotal", Has: e.Bounds.Swap, Unit: "bytes", Verdict: OK}
}

// fastClocks are those that are read without a system call (vdso(7)), on the
// platforms and hypervisors that have one.
func fastClocks() []string {
	return []string{"tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter", "timebase", "riscv_clocksource", "tod"}
}

// clock is what the kernel reads the time from.
func (e *exam) clock() Finding {
	f := Finding{Key: "clock", Setting: "clocksource", Value: e.Bounds.Clock, Verdict: OK}
	if f.Value != "" && !slices.Contains(fastClocks(), f.Value) {
		f.Verdict = Tight
		f.Effect = "each look at the time is a system call of about a microsecond, several for each connection"
		f.Remedies = []Remedy{do("where the host has it", "echo tsc | sudo tee /sys/devices/system/clocksource/clocksource0/current_clocksource")}
	}
	return f
}

// governor decides on the frequency of a CPU.
func (e *exam) governor() Finding {
	f := Finding{Key: "governor", Setting: "scaling_governor", Value: e.Bounds.Governor, Verdict: OK}
	if f.Value == "powersave" {
		f.Verdict = Tight
		f.Effect = "a CPU that was idle is slow at first: latencies at low rates are longer than at high ones"
		f.Remedies = []Remedy{do("", "sudo cpupower frequency-set -g performance")}
	}
	return f
}

func (e *exam) hugePages() Finding {
	f := Finding{Key: "huge_pages", Setting: "transparent_hugepage", Value: e.Bounds.HugePages, Verdict: OK}
	if f.Value == "always" {
		f.Value += ", which makes memory look larger than it is used"
	}
	return f
}

// thousandths writes parts of a CPU: 1500 is 1.5.
func thousandths(n int64) string {
	return fmt.Sprint(math.Round(float64(n)/10) / 100)
}
