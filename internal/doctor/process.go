package doctor

import (
	"fmt"

	"github.com/wsload/wsload/internal/need"
	"github.com/wsload/wsload/internal/proc"
	"github.com/wsload/wsload/scenario"
)

// mostProcs is how many processes are proposed in place of a higher limit: each
// costs memory of its own.
const mostProcs = 16

// descriptors are what this process may open: RLIMIT_NOFILE, which a run
// refuses to go beyond.
func (e *exam) descriptors() Finding {
	has, n := e.Process.SoftLimit, e.need
	f := Finding{
		Key: "descriptors", Setting: "RLIMIT_NOFILE of this process", Has: has, Needs: proc.Known(n.Descriptors),
		Verdict: weigh(has, proc.Known(n.Descriptors), 1), // need.Reserve is the room already
	}
	if f.Verdict != Short {
		return f
	}
	carried := max(0, has.N-need.Reserve) / n.Each
	f.Effect = fmt.Sprintf("after %s connections an open fails with EMFILE: tool_error (emfile)", digits(carried))
	if carried > 0 {
		if procs := (int64(n.Connections) + carried - 1) / carried; procs <= mostProcs {
			f.Remedies = append(f.Remedies, do("each process with descriptors of its own", "wsload run --procs %d ...", procs))
		}
	}
	f.Remedies = append(f.Remedies, e.raiseDescriptors(n.Descriptors)...)
	if carried > 0 {
		f.Remedies = append(f.Remedies, do("the most that fit", "wsload run --connections %d ...", carried*int64(max(1, e.Procs))))
	}
	return f
}

// files are those of all processes of the host.
func (e *exam) files() Finding {
	has := left(e.Bounds.FileMax, e.Bounds.Files)
	needs := proc.Known(e.need.Sockets + (2+e.more())*need.Reserve)
	f := Finding{Key: "files", Setting: "fs.file-max, less those that are open", Has: has, Needs: needs, Verdict: weigh(has, needs, spacious)}
	if f.Verdict == Short || f.Verdict == Tight {
		f.Effect = "opens fail with ENFILE, also those of other programs: tool_error, and a server that does not accept"
		f.Remedies = []Remedy{sysctlOf("fs.file-max", roomFor(e.Bounds.Files.N+needs.N))}
	}
	return f.onLinux(e)
}

// more is how many processes there are beside a run and its server: those of
// --procs, and as many of the server.
func (e *exam) more() int64 {
	switch {
	case e.need.Processes < 2:
		return 0
	case e.Own:
		return 2 * int64(e.need.Processes)
	}
	return int64(e.need.Processes)
}

// someTasks are the threads of a run with its server beside one for each CPU:
// those that wait in system calls, and the commands of triggers.
const someTasks = 64

// fewTasks are the threads of each further process beside one for each CPU.
const fewTasks = 8

// tasks are processes and threads, by the host and by control group.
func (e *exam) tasks() Finding {
	has := lesser(e.Bounds.GroupTasks, e.Bounds.Threads)
	needs := proc.Known(someTasks + 2*int64(e.Bounds.CPUs) + e.more()*int64(fewTasks+e.Bounds.CPUs))
	f := Finding{Key: "threads", Setting: "kernel.threads-max, pids.max of the control group", Has: has, Needs: needs, Verdict: weigh(has, needs, 1)}
	if f.Verdict == Short {
		f.Effect = `the run breaks off with "failed to create new OS thread"`
		f.Remedies = []Remedy{
			do("in a container", "docker run --pids-limit %d ...", roomFor(needs.N)),
			{Note: "in a unit of systemd", File: "[Service] of the unit", Line: fmt.Sprintf("TasksMax=%d", roomFor(needs.N))},
		}
		if !e.Bounds.GroupTasks.OK || e.Bounds.GroupTasks.N >= e.Bounds.Threads.N {
			f.Remedies = []Remedy{sysctlOf("kernel.threads-max", 4*roomFor(needs.N))}
		}
	}
	return f.onLinux(e)
}

// netAdmin is the capability that vanish needs, for TCP_REPAIR: a close that
// sends nothing.
func (e *exam) netAdmin() Finding {
	f := Finding{Key: "net_admin", Setting: "CAP_NET_ADMIN", Has: e.Bounds.NetAdmin, Value: yes(e.Bounds.NetAdmin)}
	for _, c := range e.Plan.Closes.Mix {
		if c.Mode == scenario.Vanish && c.Weight > 0 {
			f.Needs = proc.Known(1)
		}
	}
	if f.Verdict = weigh(f.Has, f.Needs, 1); f.Verdict == Short {
		f.Effect = "the mode vanish is refused: without the capability a close sends a FIN or an RST"
		f.Remedies = []Remedy{
			do("the capability goes with the file", `sudo setcap cap_net_admin+ep "$(command -v wsload)"`),
			do("in a container", "docker run --cap-add NET_ADMIN ..."),
		}
	}
	if e.OS != "linux" && f.Needs.OK {
		f.Verdict, f.Effect = Short, "the mode vanish is refused: Linux is needed"
	}
	return f
}

// onLinux makes a fact that only Linux has one that nobody misses elsewhere.
func (f Finding) onLinux(e *exam) Finding {
	if e.OS != "linux" && f.Verdict == Unknown {
		f.Needs = proc.Fact{}
	}
	return f
}

func yes(f proc.Fact) string {
	switch {
	case !f.OK:
		return ""
	case f.N != 0:
		return "yes"
	}
	return "no"
}
