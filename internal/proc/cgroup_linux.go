package proc

import (
	"io/fs"
	"path"
	"slices"
	"strings"
)

// groups are the control groups this process is in, by controller, each as the
// directories from its own up to the one that is the top of what can be seen. A
// limit of any of them counts. The controller of version 2 is "".
type groups struct {
	root fs.FS
	dirs map[string][]string
}

// groupsOf finds them by /proc/self/cgroup, lines like "4:memory:/a/b" and
// "0::/a/b", and by where the trees of such names are mounted.
func groupsOf(root fs.FS) groups {
	g := groups{root: root, dirs: map[string][]string{}}
	for text := range strings.Lines(line(root, "proc/self/cgroup")) {
		parts := strings.SplitN(strings.TrimSpace(text), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for name := range strings.SplitSeq(parts[1], ",") {
			g.dirs[name] = below(root, name, parts[2])
		}
	}
	return g
}

// below lists the directories of a group and of those around it. In a container
// the mount shows a part of the tree only, from its field "root" on; where the
// group is not in it, its top is.
func below(root fs.FS, controller, group string) []string {
	for text := range strings.Lines(line(root, "proc/self/mountinfo")) {
		left, right, _ := strings.Cut(text, " - ")
		mount, system := strings.Fields(left), strings.Fields(right)
		if len(mount) < 5 || len(system) < 3 {
			continue
		}
		v2 := controller == "" && system[0] == "cgroup2"
		v1 := controller != "" && system[0] == "cgroup" && slices.Contains(strings.Split(system[2], ","), controller)
		if !v2 && !v1 {
			continue
		}
		top := strings.TrimPrefix(path.Clean(mount[4]), "/")
		rest := "/"
		if within, ok := strings.CutPrefix(group, strings.TrimSuffix(mount[3], "/")); ok && (within == "" || within[0] == '/') {
			rest = path.Clean("/" + within)
		}
		dirs := []string{path.Join(top, rest)}
		for ; rest != "/"; dirs = append(dirs, path.Join(top, rest)) {
			rest = path.Dir(rest)
		}
		return dirs
	}
	return nil
}

// least is the smallest of what look finds in the groups of a controller.
// Without any that tells it is unknown.
func (g groups) least(controller string, look func(dir string) Fact) Fact {
	least := Fact{}
	for _, dir := range g.dirs[controller] {
		if f := look(dir); f.OK && (!least.OK || f.N < least.N) {
			least = f
		}
	}
	return least
}

// either prefers version 2, whose tree has no such file where version 1 has the
// controller.
func either(v2, v1 Fact) Fact {
	switch {
	case v2.OK && v1.OK:
		return Known(min(v2.N, v1.N))
	case v2.OK:
		return v2
	}
	return v1
}

// limit reads a file that holds a number, or "max" for none.
func (g groups) limit(name string) Fact {
	if line(g.root, name) == "max" {
		return Known(Unlimited)
	}
	return unlimited(number(g.root, name))
}

// spare is what is left of a limit.
func spare(limit, used Fact) Fact {
	if !limit.OK || limit.N == Unlimited {
		return limit
	}
	return Known(max(0, limit.N-used.N))
}

// memory is what may still be taken. Pages of files that nobody used of late do
// not count as used: the kernel gives them back before it refuses.
func (g groups) memory() Fact {
	look := func(limit, used, idle string) func(dir string) Fact {
		return func(dir string) Fact {
			taken := number(g.root, dir+"/"+used)
			taken.N -= g.stat(dir, idle).N
			return spare(g.limit(dir+"/"+limit), taken)
		}
	}
	return either(g.least("", look("memory.max", "memory.current", "inactive_file")),
		g.least("memory", look("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")))
}

// stat reads a number from a line of memory.stat like "inactive_file 4096".
func (g groups) stat(dir, name string) Fact {
	for text := range strings.Lines(line(g.root, dir+"/memory.stat")) {
		if number, ok := strings.CutPrefix(text, name+" "); ok {
			return parse(strings.TrimSpace(number))
		}
	}
	return Fact{}
}

func (g groups) tasks() Fact {
	look := func(dir string) Fact {
		return spare(g.limit(dir+"/pids.max"), number(g.root, dir+"/pids.current"))
	}
	return either(g.least("", look), g.least("pids", look))
}

// quota is the time of CPUs in thousandths. Version 2 has "50000 100000" in one
// file, quota and period; version 1 has two, and -1 for none.
func (g groups) quota() Fact {
	share := func(quota, period Fact) Fact {
		switch {
		case !quota.OK || !period.OK || period.N <= 0:
			return Fact{}
		case quota.N < 0:
			return Known(Unlimited)
		}
		return Known(quota.N * 1000 / period.N)
	}
	v2 := func(dir string) Fact {
		if strings.HasPrefix(line(g.root, dir+"/cpu.max"), "max") {
			return Known(Unlimited)
		}
		return share(field(g.root, dir+"/cpu.max", 0), field(g.root, dir+"/cpu.max", 1))
	}
	v1 := func(dir string) Fact {
		return share(number(g.root, dir+"/cpu.cfs_quota_us"), number(g.root, dir+"/cpu.cfs_period_us"))
	}
	return either(g.least("", v2), g.least("cpu", v1))
}
