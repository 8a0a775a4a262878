package proc

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Listener finds the process that listens on a TCP port of this host. Where
// several share the socket, as workers do, it is the one that the others come
// from. The error says that there is none, that it belongs to another user, or
// that several listen there which have nothing to do with each other.
func Listener(port int) (pid int, err error) {
	inodes := make(map[string]bool)
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, _ := os.ReadFile(table) // a host without IPv6 has no second one
		for line := range strings.Lines(string(text)) {
			if inode := listening(line, port); inode != "" {
				inodes["socket:["+inode+"]"] = true
			}
		}
	}
	if len(inodes) == 0 {
		return 0, fmt.Errorf("nothing listens on port %d of this host", port)
	}
	holders := holdersOf(inodes)
	var tops []int
	for pid := range holders {
		if !holders[parentOf(pid)] {
			tops = append(tops, pid)
		}
	}
	switch len(tops) {
	case 0:
		return 0, fmt.Errorf("the process that listens on port %d is not to be seen: another user's, or in another namespace", port)
	case 1:
		return tops[0], nil
	}
	return 0, fmt.Errorf("%d processes listen on port %d, apart from each other: name one by its pid", len(tops), port)
}

// listening gives the inode of a line of a socket table where that is of a
// socket that listens on the port, and "" otherwise. 0A is TCP_LISTEN.
func listening(line string, port int) (inode string) {
	fields := strings.Fields(line)
	if len(fields) < 10 || fields[3] != "0A" {
		return ""
	}
	_, local, _ := strings.Cut(fields[1], ":")
	if n, err := strconv.ParseUint(local, 16, 16); err != nil || int(n) != port {
		return ""
	}
	return fields[9]
}

// holdersOf gives the processes that have one of the sockets open.
func holdersOf(sockets map[string]bool) map[int]bool {
	holders := make(map[int]bool)
	open, _ := filepath.Glob("/proc/[0-9]*/fd/*") // the pattern is a good one
	for _, fd := range open {
		if to, err := os.Readlink(fd); err == nil && sockets[to] {
			if pid, err := strconv.Atoi(strings.Split(fd, "/")[2]); err == nil {
				holders[pid] = true
			}
		}
	}
	return holders
}

// parentOf is the parent of a process, 0 where that is not to be had. Its place
// in stat is behind the command's name, which may have anything in it.
func parentOf(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(text[strings.LastIndexByte(string(text), ')')+1:]), " ")
	fields := strings.Fields(rest)
	if len(fields) < 2 {
		return 0
	}
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		return 0
	}
	return parent
}
