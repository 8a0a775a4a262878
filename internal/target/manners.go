package target

import (
	"fmt"
	"net/url"
	"time"
)

// An answer is what a path does with the client's Close.
type answer uint8

const (
	answerAtOnce answer = iota
	answerLate          // after a delay
	answerNever         // and TCP stays open until the client ends it
	answerFIN           // TCP is ended instead
)

// manners say how a connection is ended. The zero value behaves well.
type manners struct {
	answer answer
	delay  time.Duration // of answerLate, from the end of the client's Close
	cut    cut           // end TCP unasked, without a Close
	after  time.Duration // of cut, from the 101
}

// A path is a WebSocket endpoint with its manners.
type path struct {
	name    string
	does    string // for the help page
	manners func(url.Values) (manners, error)
}

// paths lists the endpoints, the well-behaved one first.
func paths() []path {
	fixed := func(m manners) func(url.Values) (manners, error) {
		return func(url.Values) (manners, error) { return m, nil }
	}
	early := func(how cut) func(url.Values) (manners, error) {
		return func(q url.Values) (m manners, err error) {
			m.cut = how
			m.after, err = duration(q, "after", time.Second)
			return m, err
		}
	}
	return []path{
		{"/echo", "behaves well", fixed(manners{})},
		{"/slow-reply", "answers a Close late: ?delay=2s", func(q url.Values) (m manners, err error) {
			m.answer = answerLate
			m.delay, err = duration(q, "delay", 2*time.Second)
			return m, err
		}},
		{"/no-reply", "never answers a Close and keeps TCP open", fixed(manners{answer: answerNever})},
		{"/fin-no-reply", "answers a Close with a FIN alone", fixed(manners{answer: answerFIN})},
		{"/early-fin", "sends a FIN without a Close: ?after=1s from the 101", early(cutFIN)},
		{"/early-rst", "sends an RST: ?after=1s from the 101", early(cutRST)},
	}
}

// maxDuration is the longest delay a query may ask for.
const maxDuration = 24 * time.Hour

// duration reads a query's value. A key given twice counts once, by its first
// value; keys a path does not know are the client's own business.
func duration(q url.Values, key string, unset time.Duration) (time.Duration, error) {
	if !q.Has(key) {
		return unset, nil
	}
	text := q.Get(key)
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > maxDuration {
		return 0, fmt.Errorf("query: %s=%q is not a duration from 0s to 24h: write it like %s=%s", key, brief([]byte(text)), key, unset)
	}
	return d, nil
}
