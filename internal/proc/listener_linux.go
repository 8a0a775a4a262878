package proc

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
)

// Holders finds the processes that hold a socket listening on a port, in
// ascending order: several where they inherited it or share the port by
// SO_REUSEPORT. It looks at the descriptors of every process of the host, which
// takes milliseconds to tenths of a second.
func Holders(port int) ([]int, error) { return holders(os.DirFS("/proc"), port) }

// Listener finds the one of the Holders that the others come from: a master,
// and not its workers. It fails where several hold the port that have nothing to
// do with each other.
func Listener(port int) (pid int, err error) { return listener(os.DirFS("/proc"), port) }

func listener(procfs fs.FS, port int) (pid int, err error) {
	pids, err := holders(procfs, port)
	if err != nil {
		return 0, err
	}
	tops := slices.DeleteFunc(slices.Clone(pids), func(pid int) bool { return slices.Contains(pids, parentOf(procfs, pid)) })
	if len(tops) != 1 {
		return 0, fmt.Errorf("%d processes listen on port %d, apart from each other: name one by its pid", len(tops), port)
	}
	return tops[0], nil
}

func holders(procfs fs.FS, port int) ([]int, error) {
	wanted := map[string]bool{}
	err := scan(procfs, port, 1<<Listen, func(begin bool, one socket) {
		switch {
		case begin:
			clear(wanted)
		case one.local == port:
			wanted["socket:["+strconv.FormatUint(one.inode, 10)+"]"] = true
		}
	})
	if err != nil {
		return nil, fmt.Errorf("find who listens on port %d: %w", port, err)
	}
	if len(wanted) == 0 {
		return nil, fmt.Errorf("nothing listens on port %d in this network namespace (start the server first, or name it by its pid)", port)
	}
	entries, err := fs.ReadDir(procfs, ".")
	if err != nil {
		return nil, fmt.Errorf("find who listens on port %d: %w", port, err)
	}
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && holdsOne(procfs, e.Name(), wanted) {
			pids = append(pids, pid)
		}
	}
	if pids == nil {
		return nil, fmt.Errorf("the process that listens on port %d is not visible to this user (run as its user or as root, or name it by its pid)", port)
	}
	slices.Sort(pids)
	return pids, nil
}

// holdsOne says whether a process has a descriptor that links to one of the
// wanted. A process that has ended or may not be looked at has none.
func holdsOne(procfs fs.FS, pid string, wanted map[string]bool) bool {
	entries, err := fs.ReadDir(procfs, pid+"/fd")
	if err != nil {
		return false
	}
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		link, err := fs.ReadLink(procfs, pid+"/fd/"+e.Name())
		return err == nil && wanted[link]
	})
}

// parentOf is the parent of a process, 0 where that is not to be had.
func parentOf(procfs fs.FS, pid int) int {
	text, _ := fs.ReadFile(procfs, strconv.Itoa(pid)+"/stat")
	s, _ := parseStat(string(text))
	return s.parent
}
