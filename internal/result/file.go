package result

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// A File is the place of a stream. It never stops the run: what goes wrong is
// told at once, once for each kind, and Err returns it. A file on a disk has a
// tail beside it, TailName, as long as the Thinner holds something back.
//
// What the process has written stays when it is killed. Nothing is asked of the
// disk: where the machine loses its power, what the system had not stored yet
// is gone.
type File struct {
	name    string
	to      io.WriteCloser
	regular fs.FileInfo       // of a file on a disk, nil of any other place
	say     func(text string) // tells the user at once
	broken  error             // why there is nothing behind a certain line
	lost    error             // why it is not found by its name
	tail    bool              // there may be a tail
	risky   bool              // that the tail cannot be written has been told
}

// NewFile takes over what is open for writing under a name.
func NewFile(name string, to io.WriteCloser, say func(text string)) *File {
	f := &File{name: name, to: to, say: say}
	if file, ok := to.(interface{ Stat() (fs.FileInfo, error) }); ok {
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
			f.regular = info
		}
	}
	return f
}

// TailName is the file of the tail of the stream in a file.
func TailName(name string) string { return name + ".tail" }

// Write writes a line. Behind a failure it writes no more: the file ends with
// that line, whole or torn, and can be read up to it. The error is always nil.
func (f *File) Write(p []byte) (int, error) {
	if f.broken != nil {
		return len(p), nil
	}
	if _, err := f.to.Write(p); err != nil {
		f.broken = fmt.Errorf("write result to %s: %w", f.name, err)
		f.say("warning: the run goes on without its result file: " + err.Error())
		return len(p), nil
	}
	if f.regular != nil && f.lost == nil && !f.there() {
		f.lost = fmt.Errorf("write result to %s: the file was removed or moved", f.name)
		f.say(fmt.Sprintf("warning: %s was removed or moved; the run goes on and writes to what was %s", f.name, f.name))
	}
	return len(p), nil
}

// there reports whether the file is still the one of its name.
func (f *File) there() bool {
	info, err := os.Stat(f.name)
	return err == nil && os.SameFile(info, f.regular)
}

// Keep puts a line in the place of all that the tail holds. Where the stream is
// broken the tail stays as it is: it has what the stream has not.
func (f *File) Keep(line []byte) {
	if f.regular == nil || f.broken != nil || f.lost != nil {
		return
	}
	f.tail = true
	fresh := f.fresh()
	err := os.WriteFile(fresh, line, 0o644)
	if err == nil {
		err = os.Rename(fresh, TailName(f.name)) // a kill leaves the old tail or the new one
	}
	if err != nil {
		os.Remove(fresh)
		if !f.risky {
			f.risky = true
			f.say(fmt.Sprintf("warning: a run that is killed now loses what is not in %s yet: %v", f.name, err))
		}
	}
}

// fresh is where a tail is written before it takes the place of the old one.
func (f *File) fresh() string { return TailName(f.name) + ".new" }

// End closes the file and, where the stream is whole, removes the tail. It
// returns what Err returns then.
func (f *File) End() error {
	if err := f.to.Close(); err != nil && f.broken == nil {
		f.broken = fmt.Errorf("write result to %s: %w", f.name, err)
	}
	if f.tail && f.broken == nil {
		os.Remove(TailName(f.name))
	}
	return f.Err()
}

// Err is why not all that was written can be found under the file's name, nil
// where it can.
func (f *File) Err() error { return errors.Join(f.broken, f.lost) }

// Close closes the file of a run that has nothing to say. A second time, or
// after End, it does no harm.
func (f *File) Close() error { return f.to.Close() }
