package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// A File is a place for a result. It comes from Stream, Whole or Borrow. It is
// not safe for concurrent use.
type File struct {
	w      io.Writer
	file   *os.File // nil for a borrowed writer
	place  string   // where a Whole goes; "" for a Stream
	force  bool     // what is at the place is written over
	made   bool     // the file was not there before
	empty  bool     // a Stream that was there before is to be emptied
	broken bool     // a write failed
	wrote  bool
	closed error // what Close said; errOpen before it
}

// errOpen stands for a file that is not closed yet.
var errOpen = errors.New("not closed")

// Borrow is a File for a writer of somebody else's: Close leaves it open.
func Borrow(w io.Writer) *File { return &File{w: w, closed: errOpen} }

// Stream opens a file that is written as it goes. One that exists is opened
// with force only, and else the error is fs.ErrExist; it keeps what it holds
// until Begin.
func Stream(name string, force bool) (*File, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err == nil {
		return &File{w: f, file: f, made: true, closed: errOpen}, nil
	}
	if !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	info, missing := os.Stat(name)
	regular := missing != nil || info.Mode().IsRegular()
	if regular && !force {
		return nil, err
	}
	if f, err = os.OpenFile(name, os.O_WRONLY, 0); err != nil {
		return nil, err
	}
	return &File{w: f, file: f, empty: regular, closed: errOpen}, nil
}

// Whole opens a file that is nothing until all of it is written. Where the name
// exists it needs force, and else the error is fs.ErrExist; the file there
// stays until Close, and its mode beyond.
func Whole(name string, force bool) (*File, error) {
	info, err := os.Stat(name)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return Stream(name, force)
	case err == nil && !force:
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	case err == nil:
		if name, err = filepath.EvalSymlinks(name); err != nil { // else the link would be replaced
			return nil, err
		}
	}
	file, err := beside(name)
	if err != nil {
		return nil, err
	}
	f := &File{w: file, file: file, place: name, force: force, made: true, closed: errOpen}
	if info != nil {
		if err := file.Chmod(info.Mode().Perm()); err != nil {
			f.Discard()
			return nil, err
		}
	}
	return f, nil
}

// beside makes a file next to a place, under a name that nothing has. The error
// names the place.
func beside(place string) (*os.File, error) {
	for n := 0; ; n++ {
		f, err := os.OpenFile(fmt.Sprintf("%s.%d-%d.tmp", place, os.Getpid(), n), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, fs.ErrExist) {
			continue // of a process that was killed
		}
		if wrong, ok := errors.AsType[*fs.PathError](err); ok {
			wrong.Path = place
		}
		return f, err
	}
}

// Begin empties a Stream that was there before. Call it when every file is open
// and there is something to write.
func (f *File) Begin() error {
	if !f.empty {
		return nil
	}
	f.empty = false
	return f.file.Truncate(0)
}

// Stat describes the file; a borrowed writer is none.
func (f *File) Stat() (fs.FileInfo, error) {
	if f.file == nil {
		return nil, fs.ErrInvalid
	}
	return f.file.Stat()
}

// Write writes to the file.
func (f *File) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	f.wrote = true
	f.broken = f.broken || err != nil
	return n, err
}

// Close closes the file. A Whole goes to its place, if something was written
// and all of it could be. Where another file has come to be there meanwhile,
// the error is fs.ErrExist and names the file that has what was written. A
// second Close gives what the first did.
func (f *File) Close() error {
	if f.closed != errOpen {
		return f.closed
	}
	f.closed = nil
	if f.file == nil {
		return nil
	}
	f.closed = f.file.Close()
	if f.place == "" {
		return f.closed
	}
	if f.closed != nil || f.broken || !f.wrote {
		f.closed = errors.Join(f.closed, os.Remove(f.file.Name()))
	} else {
		f.closed = f.put()
	}
	return f.closed
}

// put moves a Whole to its place. A link does not replace a file that is there;
// where there are no links the file is moved all the same.
func (f *File) put() error {
	if !f.force {
		switch err := os.Link(f.file.Name(), f.place); {
		case err == nil:
			return os.Remove(f.file.Name())
		case errors.Is(err, fs.ErrExist):
			return fmt.Errorf("%s was made by another process meanwhile, so what was written is in %s: %w", f.place, f.file.Name(), fs.ErrExist)
		}
	}
	return os.Rename(f.file.Name(), f.place)
}

// Discard closes the file and removes what it made, so that it is as before
// Stream or Whole. A Whole that is in its place stays there.
func (f *File) Discard() {
	if f.file == nil {
		return
	}
	f.file.Close() // a second time after Close, which does no harm
	if f.made && (f.place == "" || f.closed == errOpen) {
		os.Remove(f.file.Name())
	}
	if f.closed == errOpen {
		f.closed = nil
	}
}
