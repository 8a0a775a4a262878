package watch

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/wsload/wsload/internal/proc"
	"github.com/wsload/wsload/scenario/problem"
)

// A reading is what one source told at one moment.
type reading struct {
	Facts
	members []string // an identity of each process that it is of, none for unknown
	unread  string   // what of the source could not be read, the first of it; "" for nothing
	rising  float64  // never falls within the life of a process: CPU time, say
}

// processes reads facts of processes of this host, added up.
func processes(pids []int) (reading, error) {
	var r reading
	for i, pid := range pids {
		p := proc.Of(pid)
		if p == (proc.Process{}) {
			return reading{}, fmt.Errorf("process %d is not there, or this system tells nothing of it", pid)
		}
		one := Facts{FDs: p.Descriptors, RSS: p.RSS, Threads: p.Threads, CPU: p.CPU}
		if i == 0 {
			r.Facts = one
		} else {
			r.FDs, r.RSS = sum(r.FDs, one.FDs), sum(r.RSS, one.RSS)
			r.Threads, r.CPU = sum(r.Threads, one.Threads), sum(r.CPU, one.CPU)
		}
		r.members = append(r.members, fmt.Sprintf("%d since %d", pid, p.Started.N))
	}
	r.rising = float64(r.CPU.N)
	return r, nil
}

// sum is unknown where a part of it is.
func sum(a, b proc.Fact) proc.Fact {
	if !a.OK || !b.OK {
		return proc.Fact{}
	}
	return proc.Known(a.N + b.N)
}

// pidIn reads the number in a file that a server wrote when it started.
func pidIn(path string) (int, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("read pid file: %w", err)
	}
	defer file.Close()
	buf := make([]byte, 64) // more is no pid
	n, err := file.Read(buf)
	if n == 0 && err != nil {
		return 0, fmt.Errorf("read pid file %s: %w", path, err)
	}
	line, _, _ := strings.Cut(string(buf[:n]), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || pid < 1 {
		return 0, fmt.Errorf("read pid file %s: %s is no process id", path, problem.Quote(line))
	}
	return pid, nil
}

// A holder finds the processes that listen on a port. To look for them costs
// more than a sample, so it does that again only when one of them has gone, and
// each searchEvery samples, since one may have been added.
type holder struct {
	port int
	pids []int
	uses int
}

const searchEvery = 30

func (h *holder) read() (reading, error) {
	if h.uses%searchEvery != 0 && h.pids != nil {
		if r, err := processes(h.pids); err == nil {
			h.uses++
			return r, nil
		}
	}
	pids, err := proc.Holders(h.port)
	if err != nil {
		h.pids = nil
		return reading{}, err
	}
	h.pids, h.uses = slices.Clone(pids), 1
	return processes(h.pids)
}

// ofThisProcess reads the facts of this process and of those that work for it.
// What only a process itself can tell is unknown where there are any.
func ofThisProcess(with []int) reading {
	p := proc.Self()
	r := reading{
		Facts: Facts{
			FDs: p.Descriptors, RSS: p.RSS, Heap: proc.Heap(), Threads: p.Threads, CPU: p.CPU,
			// The runtime's metric of that name counts its own goroutines too.
			Goroutines: proc.Known(int64(runtime.NumGoroutine())),
		},
		members: []string{"self"},
	}
	if len(with) > 0 {
		r.Heap, r.Goroutines = proc.Fact{}, proc.Fact{}
	}
	for _, pid := range with {
		if one, err := processes([]int{pid}); err == nil { // else it has ended
			r.FDs, r.RSS = sum(r.FDs, one.FDs), sum(r.RSS, one.RSS)
			r.Threads, r.CPU = sum(r.Threads, one.Threads), sum(r.CPU, one.CPU)
		}
	}
	return r
}
