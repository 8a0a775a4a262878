//go:build unix

package proc

import (
	"math"
	"syscall"
)

// descriptorLimits reads RLIMIT_NOFILE.
func descriptorLimits() (soft, hard Fact) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return Fact{}, Fact{}
	}
	return limitOf(uint64(limit.Cur)), limitOf(uint64(limit.Max))
}

// limitOf gives every platform's infinity (2^63-1 or 2^64-1) as Unlimited.
func limitOf(n uint64) Fact { return Known(int64(min(n, math.MaxInt64))) }

// cpu reads what all threads of the process have used, in ns.
func cpu() Fact {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return Fact{}
	}
	return Known(usage.Utime.Nano() + usage.Stime.Nano())
}
