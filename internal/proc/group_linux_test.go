package proc

import (
	"os"
	"syscall"
	"testing"
	"testing/fstest"
)

func TestAGroupIsTheSumOfItsProcesses(t *testing.T) {
	page := int64(os.Getpagesize())
	procfs := fstest.MapFS{
		"7/stat":    file("7 (sh) S 1 7 7 0 -1 0 0 0 0 0 1 2 30 40 20 0 1 0 0"),
		"7/statm":   file("100 10 0"),
		"9/stat":    file("9 (a) name) 8 9) R 7 7 7 0 -1 0 0 0 0 0 100 200 0 0 20 0 1 0 0"),
		"9/statm":   file("100 5 0"),
		"10/stat":   file("10 (done) Z 7 7 7 0 -1 0 0 0 0 0 4 0 0 0 20 0 1 0 0"),
		"11/stat":   file("11 (other) S 1 11 11 0 -1 0 0 0 0 0 1000 0 0 0 20 0 1 0 0"),
		"12/stat":   file("12 (short) S 7 7"),
		"self/stat": file("7 (sh) S 1 7 7 0 -1 0 0 0 0 0 1 2 30 40 20 0 1 0 0"),
	}
	want := Group{Alive: Known(2), RSS: Known(15 * page), CPU: Known((73 + 300 + 4) * 10_000_000)}
	if got := groupOf(procfs, 7); got != want {
		t.Errorf("group %+v, want %+v", got, want)
	}
	if got := groupOf(procfs, 8); got != (Group{Alive: Known(0), RSS: Known(0), CPU: Known(0)}) {
		t.Errorf("a group without processes is %+v", got)
	}
	if got := groupOf(fstest.MapFS{".": file("")}, 7); got != (Group{}) {
		t.Errorf("without processes to look at the group is %+v, want unknown", got)
	}
}

func TestThisProcessIsInItsGroup(t *testing.T) {
	got := ReadGroup(syscall.Getpgrp())
	if got.Alive.N < 1 || got.RSS.N < int64(os.Getpagesize()) || !got.CPU.OK {
		t.Errorf("the own group is %+v", got)
	}
}
