package doctor

import (
	"fmt"
	"math/bits"
)

// sysctlFile is where settings that last are proposed.
const sysctlFile = "/etc/sysctl.d/90-wsload.conf"

// sysctl sets a value of the kernel, on the platforms that name it so.
func sysctl(key, value string) Remedy {
	return Remedy{Command: fmt.Sprintf("sudo sysctl -w %s=%q", key, value), File: sysctlFile, Line: key + " = " + value}
}

// sysctlOf sets a number.
func sysctlOf(key string, value int64) Remedy {
	r := sysctl(key, fmt.Sprint(value))
	r.Command = fmt.Sprintf("sudo sysctl -w %s=%d", key, value)
	return r
}

// do is a command with what is to be said of it.
func do(note, format string, args ...any) Remedy {
	return Remedy{Command: fmt.Sprintf(format, args...), Note: note}
}

// roomFor rounds up to a power of two, so that the next larger plan fits too.
func roomFor(n int64) int64 {
	if n <= 1024 {
		return 1024
	}
	return 1 << bits.Len64(uint64(n-1))
}

// raiseDescriptors gives the ways to n descriptors for a process.
func (e *exam) raiseDescriptors(n int64) []Remedy {
	n = roomFor(n)
	switch e.OS {
	case "linux":
		var all []Remedy
		if max := e.Bounds.DescriptorMax; max.OK && n > max.N {
			r := sysctlOf("fs.nr_open", n)
			r.Note = "first: the most that a limit can be"
			all = append(all, r)
		}
		return append(all,
			Remedy{
				Command: fmt.Sprintf("sudo prlimit --pid $$ --nofile=%d:%[1]d", n), Note: "this shell and what it starts",
				File: "/etc/security/limits.d/90-wsload.conf", Line: fmt.Sprintf("* - nofile %d", n),
			},
			Remedy{Note: "in a unit of systemd", File: "[Service] of the unit", Line: fmt.Sprintf("LimitNOFILE=%d", n)},
			do("in a container", "docker run --ulimit nofile=%d:%[1]d ...", n))
	case "darwin":
		return []Remedy{
			do("", "sudo sysctl -w kern.maxfilesperproc=%d", n),
			do("", "sudo launchctl limit maxfiles %d %[1]d", n),
			do("this shell and what it starts", "ulimit -n %d", n),
		}
	case "windows":
		return nil // sockets are bounded by memory alone
	}
	return []Remedy{do("this shell and what it starts", "ulimit -n %d", n)}
}

// widen gives the widest range of ports. Those below 1024 are for privileged
// servers (RFC 6335 section 6: system ports).
func (e *exam) widen() (r Remedy, ports int) {
	const low, high = 1024, 65535
	switch e.OS {
	case "linux":
		r = sysctl("net.ipv4.ip_local_port_range", fmt.Sprint(low, " ", high))
	case "darwin":
		r = do("", "sudo sysctl -w net.inet.ip.portrange.first=%d net.inet.ip.portrange.last=%d", low, high)
	case "windows":
		r = do("as administrator", "netsh int ipv4 set dynamicport tcp start=%d num=%d", low, high-low+1)
	}
	return r, high - low + 1
}

// tellPorts gives the command that tells the range where this process does not
// read it.
func (e *exam) tellPorts() []Remedy {
	switch e.OS {
	case "darwin":
		return []Remedy{do("tells them", "sysctl net.inet.ip.portrange.first net.inet.ip.portrange.last")}
	case "windows":
		return []Remedy{do("tells them", "netsh int ipv4 show dynamicport tcp")}
	}
	return nil
}
