package proc

import (
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// ticks is how many of a stat file's units of time there are in a second. The
// kernel's own clock may have another; this is what it promises to programs.
const ticks = 100

// ReadGroup reads the facts of a process group. It is a look at every process
// of the host: some milliseconds.
func ReadGroup(group int) Group { return groupOf(os.DirFS("/proc"), group) }

func groupOf(procfs fs.FS, group int) Group {
	entries, err := fs.ReadDir(procfs, ".")
	if err != nil {
		return Group{}
	}
	all := Group{Alive: Known(0), RSS: Known(0), CPU: Known(0)}
	for _, e := range entries {
		pid := e.Name()
		if pid[0] < '0' || pid[0] > '9' {
			continue
		}
		// A process may end between two looks, and is none of the group then.
		text, err := fs.ReadFile(procfs, pid+"/stat")
		if err != nil {
			continue
		}
		s, ok := parseStat(string(text))
		if !ok || s.group != int64(group) {
			continue
		}
		all.CPU.N += s.cpu
		if s.ended {
			continue
		}
		all.Alive.N++
		all.RSS.N += residentOf(procfs, pid).N
	}
	return all
}

// A stat is what matters here of the line of a process.
type stat struct {
	parent   int
	group    int64
	ended    bool  // its parent has not taken notice yet
	own, cpu int64 // of it alone, and with its children that were waited for, in ns
	threads  Fact
	started  Fact // in ticks from boot
}

// parseStat reads a line like "7 (a name) S 1 7 …". The name may hold anything,
// so the rest begins behind the last bracket.
func parseStat(text string) (stat, bool) {
	rest := text[strings.LastIndexByte(text, ')')+1:]
	fields := strings.Fields(rest) // from the third of proc_pid_stat(5) on
	if len(fields) < 15 {
		return stat{}, false
	}
	group, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil {
		return stat{}, false
	}
	s := stat{parent: int(parse(fields[1]).N), group: group, ended: fields[0] == "Z" || fields[0] == "X"}
	for i, field := range fields[11:15] { // utime, stime, cutime, cstime
		s.cpu += parse(field).N * (1e9 / ticks)
		if i == 1 {
			s.own = s.cpu
		}
	}
	if len(fields) > 19 {
		s.threads, s.started = parse(fields[17]), parse(fields[19])
	}
	return s, true
}
