package store

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// has is a folder by the names and texts of its files.
func has(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		name, _, temporary := strings.Cut(e.Name(), ".json.")
		if temporary {
			name += ".tmp"
		}
		all = append(all, name+"="+string(text))
	}
	return strings.Join(all, " ")
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// must is a File that could be opened, with a text written to it.
func must(t *testing.T, text string) func(f *File, err error) *File {
	return func(f *File, err error) *File {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(f.Discard)
		if _, err := f.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		return f
	}
}

func TestAWholeFileIsNothingUntilItIsClosed(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "v.json")
	f := must(t, "half")(Whole(name, false))
	if got := has(t, dir); got != "v.tmp=half" {
		t.Errorf("before its end: %s", got) // what a process that is killed leaves
	}
	if err := errors.Join(f.Close(), f.Close()); err != nil {
		t.Error(err)
	}
	f.Discard()
	if got := has(t, dir); got != "v.json=half" {
		t.Errorf("behind its end: %s", got)
	}
}

func TestAWholeFileThatIsWrittenOverStaysUntilThereIsAnother(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "v.json")
	write(t, name, "old")
	before, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Whole(name, false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("without force: %v", err)
	}
	must(t, "n")(Whole(name, true)).Discard()
	unwritten, err := Whole(name, true)
	if err != nil || unwritten.Close() != nil {
		t.Error(err)
	}
	if got := has(t, dir); got != "v.json=old" {
		t.Errorf("nothing has come in its place: %s", got)
	}
	if err := must(t, "new")(Whole(name, true)).Close(); err != nil {
		t.Error(err)
	}
	if got := has(t, dir); got != "v.json=new" {
		t.Errorf("written over: %s", got)
	}
	if info, err := os.Stat(name); err != nil || info.Mode() != before.Mode() {
		t.Errorf("its mode is another: %v, %v", info.Mode(), err)
	}
}

func TestAWholeFileDoesNotReplaceOneThatCameMeanwhile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "v.json")
	f := must(t, "mine")(Whole(name, false))
	write(t, name, "theirs")
	if err := f.Close(); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), ".tmp") {
		t.Error(err)
	}
	if got := has(t, dir); got != "v.json=theirs v.tmp=mine" {
		t.Errorf("something is lost: %s", got)
	}
}

func TestALinkIsKeptWhereItsFileIsWrittenOver(t *testing.T) {
	dir := t.TempDir()
	name, link := filepath.Join(dir, "v.json"), filepath.Join(dir, "latest")
	write(t, name, "old")
	if err := os.Symlink(name, link); err != nil {
		t.Skip(err)
	}
	if err := must(t, "new")(Whole(link, true)).Close(); err != nil {
		t.Error(err)
	}
	if got := has(t, dir); got != "latest=new v.json=new" {
		t.Error(got)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is none any more: %v", err)
	}
}

func TestAStreamIsReadWhileItGrowsAndEmptiedOnlyWhenItBegins(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "s.json")
	must(t, "one")(Stream(name, false))
	if got := has(t, dir); got != "s.json=one" {
		t.Errorf("as it goes: %s", got)
	}
	if _, err := Stream(name, false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("without force: %v", err)
	}
	again, err := Stream(name, true)
	if err != nil {
		t.Fatal(err)
	}
	if got := has(t, dir); got != "s.json=one" {
		t.Errorf("opened: %s", got)
	}
	again.Discard()
	if got := has(t, dir); got != "s.json=one" {
		t.Errorf("discarded: %s", got)
	}
	if again, err = Stream(name, true); err != nil {
		t.Fatal(err)
	}
	err = again.Begin()
	if got := has(t, dir); got != "s.json=" || err != nil {
		t.Errorf("begun: %s, %v", got, err)
	}
	_, err = again.Write([]byte("2"))
	if err := errors.Join(err, again.Begin(), again.Close()); err != nil {
		t.Error(err)
	}
	if got := has(t, dir); got != "s.json=2" {
		t.Errorf("written: %s", got)
	}
}

func TestAStreamForNothingIsRemoved(t *testing.T) {
	dir := t.TempDir()
	f := must(t, "header")(Stream(filepath.Join(dir, "s.json"), false))
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	f.Discard()
	if got := has(t, dir); got != "" {
		t.Errorf("left behind: %s", got)
	}
}

func TestAPlaceThatCannotBeWrittenToIsAnErrorAtOnce(t *testing.T) {
	name := filepath.Join(t.TempDir(), "nowhere", "v.json")
	for what, open := range map[string]func(string, bool) (*File, error){"stream": Stream, "whole": Whole} {
		if _, err := open(name, false); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), name+":") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestABorrowedWriterIsNotClosed(t *testing.T) {
	var out bytes.Buffer
	f := must(t, "text")(Borrow(&out), nil)
	if err := errors.Join(f.Begin(), f.Close()); err != nil || out.String() != "text" {
		t.Errorf("%v, %q", err, out.String())
	}
}

func TestADeviceIsWrittenToAsItIs(t *testing.T) {
	if _, err := os.Stat(os.DevNull); err != nil {
		t.Skip(err)
	}
	f := must(t, "text")(Whole(os.DevNull, false))
	if err := errors.Join(f.Begin(), f.Close()); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Errorf("it is a device no more: %v", err)
	}
}
