//go:build unix

package main

import (
	"encoding/json"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/wsload/wsload/internal/result"
)

// addsUp holds the counts of a result document against each other: no
// connection is lost or counted twice, and the server's ledger agrees where
// there is one.
func addsUp(ts *testscript.TestScript, _ bool, args []string) {
	var doc result.Document
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &doc))
	equal := func(what string, got, want uint64) {
		if got != want {
			ts.Fatalf("%s: %d, want %d", what, got, want)
		}
	}
	n := doc.Total.Connections
	if !doc.Complete || n.Started == 0 {
		ts.Fatalf("complete %v, %d connections started", doc.Complete, n.Started)
	}
	var classes, sent, received, started uint64
	for _, o := range doc.Total.Outcomes {
		classes += o.Count
	}
	for _, count := range doc.Total.Codes.Sent {
		sent += count
	}
	for _, count := range doc.Total.Codes.Received {
		received += count
	}
	for _, span := range doc.Intervals {
		started += span.Connections.Started
	}
	equal("ended of started", n.Ended, n.Started)
	equal("classes of started", classes, n.Started)
	equal("codes sent of opened", sent, n.Opened)
	equal("codes received of opened", received, n.Opened)
	equal("started in all intervals", started, n.Started)
	equal("unexplained", doc.Total.Errors.InvalidState.Unexplained, 0)
	equal("probes accepted", doc.Total.Errors.ProbeAccepted, 0)
	summary, err := doc.Summary()
	ts.Check(err)
	ts.Check(summary.Conserved())
	if doc.Ledger == nil || len(doc.Ledger.Modes) == 0 {
		return
	}
	if !doc.Ledger.Matched {
		ts.Fatalf("the server's ledger differs: %+v", doc.Ledger.Modes)
	}
	equal("opened in the ledger", doc.Ledger.Count("opened"), n.Opened)
}
