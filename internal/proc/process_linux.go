package proc

import (
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// Of reads the facts of a process as they are now. All are unknown when there
// is no such process or it has ended; single ones are where its user is another
// one and the kernel keeps them to itself.
func Of(pid int) Process { return processOf(os.DirFS("/proc"), strconv.Itoa(pid)) }

// self reads of this process what /proc tells best.
func self() Process { return processOf(os.DirFS("/proc"), "self") }

func processOf(procfs fs.FS, pid string) Process {
	text, err := fs.ReadFile(procfs, pid+"/stat")
	if err != nil {
		return Process{}
	}
	s, ok := parseStat(string(text))
	if !ok || s.ended {
		return Process{}
	}
	p := Process{
		Descriptors: descriptorsOf(procfs, pid),
		RSS:         residentOf(procfs, pid),
		Threads:     s.threads,
		CPU:         Known(s.own),
		Started:     s.started,
	}
	p.SoftLimit, p.HardLimit = noFileOf(procfs, pid)
	return p
}

// descriptorsOf counts a process's open descriptors.
func descriptorsOf(procfs fs.FS, pid string) Fact {
	// Since Linux 6.2 the size of the directory is the count.
	if info, err := fs.Stat(procfs, pid+"/fd"); err == nil && info.Size() > 0 {
		return Known(info.Size())
	}
	entries, err := fs.ReadDir(procfs, pid+"/fd")
	if err != nil {
		return Fact{}
	}
	n := int64(len(entries))
	if pid == "self" || pid == strconv.Itoa(os.Getpid()) {
		n-- // the listing has one open itself
	}
	return Known(n)
}

// noFileOf reads the line of a process's limits that looks like
// "Max open files   1024   4096   files".
func noFileOf(procfs fs.FS, pid string) (soft, hard Fact) {
	text, _ := fs.ReadFile(procfs, pid+"/limits")
	for line := range strings.Lines(string(text)) {
		rest, ok := strings.CutPrefix(line, "Max open files")
		if fields := strings.Fields(rest); ok && len(fields) >= 2 {
			return limitText(fields[0]), limitText(fields[1])
		}
	}
	return Fact{}, Fact{}
}

func limitText(text string) Fact {
	if text == "unlimited" {
		return Known(Unlimited)
	}
	return parse(text)
}
