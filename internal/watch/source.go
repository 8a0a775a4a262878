package watch

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/wsload/wsload/scenario/problem"
)

// kind is how a source is asked.
type kind string

const (
	ofSelf    kind = "self"
	ofPID     kind = "pid"
	ofPIDFile kind = "pidfile"
	ofPort    kind = "port"
	ofPage    kind = "page"
)

// A Source is where facts about a process come from. It comes from ParseSource
// only.
type Source struct {
	kind   kind
	number int      // the pid or the port
	file   string   // with the pid in it
	page   *url.URL // may hold secrets
	with   []int    // processes that are added to this one
}

// Self is the source that tells of this process, and of those that work for it
// with it, added up as long as each lasts.
func Self(with ...int) Source { return Source{kind: ofSelf, with: with} }

const sourceHint = "write pid:1234, pidfile:/run/server.pid, port:9000 or the URL of a page with metrics, as http://host:9000/metrics"

// ParseSource reads a source:
//
//	self                    this process
//	pid:1234                a process of this host
//	pidfile:/run/server.pid the same; the file is read again for each sample
//	port:9000               the processes of this host that listen there
//	http://host/metrics     a page that tells facts: Prometheus text, expvar,
//	                        a goroutine profile (?debug=1) or wsload's /statz
//
// The error is a *problem.TextError. It shows no password of a URL.
func ParseSource(text string) (Source, error) {
	s, msg, hint := parseSource(strings.TrimSpace(text))
	if msg != "" {
		return Source{}, &problem.TextError{What: "watch source", Text: hidePassword(text), Msg: msg, Hint: hint}
	}
	return s, nil
}

func parseSource(text string) (s Source, msg, hint string) {
	if text == string(ofSelf) {
		return Self(), "", ""
	}
	name, rest, _ := strings.Cut(text, ":")
	switch kind(name) {
	case ofPID:
		pid, err := strconv.Atoi(rest)
		if err != nil || pid < 1 {
			return s, "not a process id", "write pid: and a number from 1, as pid:1234"
		}
		return Source{kind: ofPID, number: pid}, "", ""
	case ofPIDFile:
		if rest == "" {
			return s, "no file", "write pidfile: and the file's path, as pidfile:/run/server.pid"
		}
		return Source{kind: ofPIDFile, file: rest}, "", ""
	case ofPort:
		port, err := strconv.Atoi(rest)
		if err != nil || port < 1 || port > 65535 {
			return s, "not a port", "write port: and a number from 1 to 65535, as port:9000"
		}
		return Source{kind: ofPort, number: port}, "", ""
	case "http", "https":
		page, err := url.Parse(text)
		if err != nil || page.Host == "" || page.Opaque != "" {
			return s, "not the URL of a page", "write it with its host, as http://host:9000/metrics"
		}
		page.Fragment = ""
		return Source{kind: ofPage, page: page}, "", ""
	case "ws", "wss":
		return s, "a WebSocket URL tells no facts", "give the page with the metrics, as http://host:9000/metrics"
	}
	hint = sourceHint
	if near := problem.Nearest(name, []string{"self", "pid", "pidfile", "port", "http", "https"}); near != "" {
		hint = "did you mean " + near + "? " + hint
	}
	return s, "unknown kind of source", hint
}

// hidePassword masks what stands between "//" and "@" in a text that may be no
// URL, and its query, in which tokens are found.
func hidePassword(text string) string {
	text, query, asks := strings.Cut(text, "?")
	if head, rest, ok := strings.Cut(text, "//"); ok {
		if at := strings.LastIndexByte(rest, '@'); at >= 0 {
			text = head + "//xxxxx" + rest[at:]
		}
	}
	if asks && query != "" {
		text += "?…"
	}
	return text
}

// String is the source as it was written, but without a URL's credentials and
// query.
func (s Source) String() string {
	switch s.kind {
	case ofPID, ofPort:
		return fmt.Sprintf("%s:%d", s.kind, s.number)
	case ofPIDFile:
		return "pidfile:" + s.file
	case ofPage:
		return hidePassword(s.page.String())
	}
	return string(s.kind)
}

// Port is the port whose listeners the source is about, 0 for none.
func (s Source) Port() int {
	if s.kind != ofPort {
		return 0
	}
	return s.number
}
