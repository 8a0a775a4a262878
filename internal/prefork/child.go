package prefork

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/wsload/wsload/internal/fleet"
	"github.com/wsload/wsload/internal/target"
)

// goneLimit is how long a worker that no longer answers may take to be gone.
const goneLimit = 500 * time.Millisecond

// A child is a worker as the Server knows it.
type child struct {
	*fleet.Child
	name  string // "2/3"
	index int    // from 0
	way   http.RoundTripper

	mu    sync.Mutex
	file  *os.File // its listening socket; nil once it accepts no more
	asked int      // ticks it has not answered
	open  uint64   // connections, when it answered last
	last  *target.Ledger
	late  error // why it was killed, nil where this process did not
}

// startWorker starts a worker on a socket, which is the child's from then on.
func (s *Server) startWorker(i int, f *os.File, o order) (*child, error) {
	c := &child{name: fmt.Sprintf("%d/%d", i+1, s.opt.Procs), index: i, file: f}
	o.Name = c.name
	line, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	cmd := fleet.Command{
		Name: "process " + c.name + " of the server", Args: s.opt.Args, Env: s.opt.Env, Files: []*os.File{f}, Log: s.opt.Log,
		Line: func(line []byte) { s.take(c, line) },
	}
	if c.Child, err = cmd.Start(); err != nil {
		return nil, err
	}
	_ = c.Send(append(line, '\n')) // await says of one that is gone why it is
	return c, nil
}

// await waits until it serves.
func (c *child) await(ctx context.Context) error {
	var r report
	line, err := c.First(ctx, readyLimit)
	if err == nil && (json.Unmarshal(line, &r) != nil || r.Desk == "") {
		err = fmt.Errorf("it does not serve%s", c.LastWords())
	}
	if err != nil {
		return fmt.Errorf("process %s: %w", c.name, err)
	}
	c.way = over(r.Desk)
	return nil
}

// isGone reports whether it has ended.
func (c *child) isGone() bool {
	select {
	case <-c.Gone():
		return true
	default:
		return false
	}
}

// goneSoon is isGone for one that has just failed to answer: a process that is
// killed is deaf a moment before it is gone.
func (c *child) goneSoon() bool {
	limit := time.NewTimer(goneLimit)
	defer limit.Stop()
	select {
	case <-c.Gone():
		return true
	case <-limit.C:
		return false
	}
}

// overdue notes why it is about to be killed.
func (c *child) overdue(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.late = why
}

// howItEnded is never nil.
func (c *child) howItEnded() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return cmp.Or(c.late, c.Err(), errors.New("by itself, or by a signal to it alone"))
}

// letGo closes the listening socket on this side.
func (c *child) letGo() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file != nil {
		_ = c.file.Close()
		c.file = nil
	}
}

// ask has it hand over what it has recorded.
func (c *child) ask() {
	if c.isGone() {
		return
	}
	c.mu.Lock()
	c.asked++
	c.mu.Unlock()
	_ = c.Send([]byte(wordTick + "\n")) // one that is just going owes nothing
}

// answered notes that it has handed over, with so many connections open.
func (c *child) answered(open uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked--
	c.open = open
}

// owes says whether it has yet to hand over something.
func (c *child) owes() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked > 0 && !c.isGone()
}

// openNow is how many connections it holds, by what it said last.
func (c *child) openNow() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isGone() {
		return 0
	}
	return c.open
}

// leave keeps its last ledger.
func (c *child) leave(last *target.Ledger) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = last
}

// past is what it had counted, once it is gone.
func (c *child) past() target.Ledger {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil {
		return target.Ledger{Lost: 1}
	}
	return *c.last
}
