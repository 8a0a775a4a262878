package runner

import "sync"

// A crew runs jobs, each on a goroutine of its own. A goroutine whose job has
// ended takes the next one: under churn the stacks that the client library
// needs are grown once and not once a connection.
type crew struct {
	hands chan func() // unbuffered: only who waits for a job gets one
	jobs  sync.WaitGroup
	all   sync.WaitGroup
}

func newCrew() *crew { return &crew{hands: make(chan func())} }

// do runs job. It never waits.
func (c *crew) do(job func()) {
	c.jobs.Add(1)
	select {
	case c.hands <- job:
	default:
		c.all.Go(func() { c.serve(job) })
	}
}

func (c *crew) serve(job func()) {
	for ok := true; ok; job, ok = <-c.hands {
		job()
		c.jobs.Done()
	}
}

// wait waits until every job has ended, those begun meanwhile included.
func (c *crew) wait() { c.jobs.Wait() }

// end sends everybody home. No job may be under way, and none may follow.
func (c *crew) end() {
	close(c.hands)
	c.all.Wait()
}
