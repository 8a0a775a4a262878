package books

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/wsload/wsload/internal/target"
)

const (
	pollEvery  = 200 * time.Millisecond // between two looks at the server's verdicts
	pollAnswer = 5 * time.Second        // for one answer
)

// A Follower takes the server's verdicts to a Matcher while a run goes on.
type Follower struct {
	m      *Matcher
	url    string
	client *http.Client
	next   target.Cursor
	stop   chan struct{}
	done   chan struct{}
	err    error // of the last look
}

// Follow begins to fetch the verdicts on m's run from url, the server's /ended.
func Follow(m *Matcher, url string) *Follower {
	f := &Follower{
		m: m, url: url, stop: make(chan struct{}), done: make(chan struct{}),
		client: &http.Client{Timeout: pollAnswer, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	go f.run()
	return f
}

// End ends the fetching when every verdict has its other half, or at the limit:
// a server may take a moment longer to see a connection's end. It returns the
// error of the last look: what the server said after it is missing.
func (f *Follower) End(limit time.Duration) error {
	for began := time.Now(); f.m.Waiting() && time.Since(began) < limit; {
		time.Sleep(pollEvery / 4)
	}
	close(f.stop)
	<-f.done
	return f.err
}

func (f *Follower) run() {
	defer close(f.done)
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for last := false; !last; {
		select {
		case <-ticker.C:
		case <-f.stop:
			last = true
		}
		f.err = f.catchUp()
	}
}

// catchUp takes all that there is now.
func (f *Follower) catchUp() error {
	for {
		page, err := f.page()
		if err != nil {
			return fmt.Errorf("fetch the server's verdicts: %w", err)
		}
		f.m.Missed(page.Dropped)
		for i := range page.Ends {
			f.m.Its(&page.Ends[i])
		}
		f.next = page.Next
		if len(page.Ends) == 0 {
			return nil
		}
	}
}

func (f *Follower) page() (page target.Ended, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), pollAnswer)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url+"?"+target.Inquiry{After: f.next, Run: &f.m.run}.Query(), nil)
	if err != nil {
		return page, err
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return page, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return page, errors.New(resp.Status)
	}
	return page, json.NewDecoder(resp.Body).Decode(&page)
}
