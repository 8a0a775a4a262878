package proc

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// SocketsOn counts the sockets whose own or whose peer's port is this one. It
// asks the kernel by sock_diag(7), which gives those alone, and where that is
// refused reads the tables of all sockets, which on a busy host takes tens of
// milliseconds.
func SocketsOn(port int) (Sockets, error) {
	var all Sockets
	err := scan(os.DirFS("/proc"), port, allStates, func(begin bool, one socket) {
		if begin {
			all = Sockets{}
			return
		}
		all.add(port, one)
	})
	if err != nil {
		return Sockets{}, fmt.Errorf("count sockets on port %d: %w", port, err)
	}
	return all, nil
}

// scan visits the sockets on a port that are in the states of the mask. Before
// the first, and once more where it has to begin anew, it calls visit with begin
// set.
func scan(procfs fs.FS, port int, mask uint32, visit func(begin bool, one socket)) error {
	if err := checkPort(port); err != nil {
		return err
	}
	visit(true, socket{})
	refused := dump(port, mask, func(one socket) { visit(false, one) })
	if refused == nil {
		return nil
	}
	visit(true, socket{})
	if err := readTables(procfs, port, mask, func(one socket) { visit(false, one) }); err != nil {
		return errors.Join(refused, err)
	}
	return nil
}

// readTables reads net/tcp and net/tcp6, which is not there without IPv6.
func readTables(procfs fs.FS, port int, mask uint32, visit func(socket)) error {
	for _, name := range []string{"net/tcp", "net/tcp6"} {
		file, err := procfs.Open(name)
		if errors.Is(err, fs.ErrNotExist) && name == "net/tcp6" {
			continue
		}
		if err != nil {
			return err
		}
		lines := bufio.NewScanner(file)
		for lines.Scan() {
			one, ok := parseRow(lines.Text())
			if ok && mask&(1<<one.state) != 0 && (one.local == port || one.remote == port) {
				visit(one)
			}
		}
		file.Close()
		if err := lines.Err(); err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
	}
	return nil
}

// parseRow reads a line like "0: 0100007F:2328 00000000:0000 0A … 0 0 4711 …":
// own address, peer's address, state, and the inode as the tenth field.
func parseRow(text string) (one socket, ok bool) {
	fields := strings.Fields(text)
	if len(fields) < 10 {
		return socket{}, false
	}
	local, okLocal := portOf(fields[1])
	remote, okRemote := portOf(fields[2])
	state, err := strconv.ParseUint(fields[3], 16, 8)
	if !okLocal || !okRemote || err != nil || state >= uint64(states) {
		return socket{}, false
	}
	inode, err := strconv.ParseUint(fields[9], 10, 64)
	return socket{state: State(state), local: local, remote: remote, inode: inode}, err == nil
}

// portOf reads the port behind the colon, in hexadecimal digits.
func portOf(address string) (int, bool) {
	_, digits, _ := strings.Cut(address, ":")
	port, err := strconv.ParseUint(digits, 16, 16)
	return int(port), err == nil
}
