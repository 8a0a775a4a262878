package watch

import (
	"fmt"
	"math"
	"strconv"

	"github.com/wsload/wsload/internal/proc"
)

// A Quantity is something a process holds, or sockets in a state: fds, rss,
// close_wait.
type Quantity struct {
	Name   string
	of     func(*Sample) proc.Fact
	bytes  bool
	noun   string // "descriptors"
	socket bool

	// grown is the least growth that is called a leak, kept what may stay
	// after a load without being missed. A share is of the level.
	grown, kept           float64
	grownShare, keptShare float64
}

// Floors of memory. Runtimes and allocators keep pages they have had: what
// counts as growth is 4 MiB and a twentieth of the level at least, and what
// counts as not come back 16 MiB and half of what the load had brought. Even
// that is told only, and no leak: see doc.go.
const (
	memoryGrown, memoryGrownShare = 4 << 20, 0.05
	memoryKept, memoryKeptShare   = 16 << 20, 0.5
)

// Quantities lists what is judged. Of sockets it is the states in which one can
// be forgotten; TIME_WAIT, which the kernel ends by itself, is told only.
func Quantities() []Quantity {
	list := []Quantity{
		{Name: "fds", noun: "descriptors", of: func(s *Sample) proc.Fact { return s.FDs }, grown: 4, kept: 4},
		{Name: "rss", noun: "memory", of: func(s *Sample) proc.Fact { return s.RSS }, bytes: true,
			grown: memoryGrown, grownShare: memoryGrownShare, kept: memoryKept, keptShare: memoryKeptShare},
		{Name: "heap", noun: "heap", of: func(s *Sample) proc.Fact { return s.Heap }, bytes: true,
			grown: memoryGrown, grownShare: memoryGrownShare, kept: memoryKept, keptShare: memoryKeptShare},
		// Runtimes hardly ever give a thread back.
		{Name: "threads", noun: "threads", of: func(s *Sample) proc.Fact { return s.Threads }, grown: 8, kept: 32},
		{Name: "goroutines", noun: "goroutines", of: func(s *Sample) proc.Fact { return s.Goroutines }, grown: 8, kept: 8},
	}
	for _, state := range []proc.State{proc.CloseWait, proc.FinWait1, proc.FinWait2, proc.LastAck, proc.Established} {
		list = append(list, Quantity{
			Name: state.String(), noun: "sockets in " + state.String(), socket: true,
			of:    func(s *Sample) proc.Fact { return s.Server.in(state) },
			grown: 4,
		})
	}
	return list
}

// spell writes an amount, of memory in the unit that fits.
func (q Quantity) spell(v float64) string {
	if math.IsInf(v, 0) {
		return "unbounded"
	}
	if !q.bytes {
		return number(v)
	}
	unit := "B"
	for _, larger := range []string{"KiB", "MiB", "GiB"} {
		if math.Abs(v) < 1023.5 {
			break
		}
		v, unit = v/1024, larger
	}
	return number(v) + " " + unit
}

// some writes an amount with what it is of: "312 descriptors", "12 MiB of
// memory".
func (q Quantity) some(v float64) string {
	if q.bytes {
		return q.spell(v) + " of " + q.noun
	}
	return q.spell(v) + " " + q.noun
}

// number writes three significant digits, and all of a whole number.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a >= 99.95 || v == math.Trunc(v):
		return separated(strconv.FormatFloat(v, 'f', 0, 64))
	case a >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a >= 0.9995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case a < 0.0005:
		return "0"
	}
	return strconv.FormatFloat(v, 'g', 2, 64)
}

// separated puts a comma between each three digits.
func separated(digits string) string {
	sign := ""
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return sign + digits
}

// String is the quantity's name.
func (q Quantity) String() string { return fmt.Sprint(q.Name) }
