package metric

import "github.com/wsload/wsload/stats"

// A Tally is how often something happened.
type Tally struct {
	N  uint64
	Of uint64 // attempts, in which it could have happened: 0 means that N says nothing
}

// Tally measures a metric that is a count or a rate.
func (m Metric) Tally(s *stats.Summary) Tally {
	switch m.part {
	case figure:
		panic("metric: " + m.text + " is a figure and counts no connections")
	case phase:
		n := m.Sample(s).Hist.Count()
		return Tally{n, s.Connections.Ended}
	case cause:
		return Tally{s.InvalidState[m.index], s.OpenedEnded()}
	case probeAccepted:
		return Tally{s.ProbeAccepted, s.InvalidState[stats.Probe] + s.ProbeAccepted}
	case message:
		return m.messages(s)
	case connection:
		return m.connections(s)
	}
	var t Tally
	for e, entry := range s.Entries {
		if !m.covers(entry) {
			continue
		}
		for c := range stats.Class(stats.NumClasses) {
			count := &s.Outcomes[e][c]
			t.N += m.counts(entry.Mode, c, count)
			if m.ofStarted() || opened(c) {
				t.Of += count.N
			}
		}
	}
	if m.entry == "" && !m.ofStarted() {
		t.Of = s.OpenedEnded() // exact: an interrupted connection may have opened or not
	}
	return t
}

// counts returns how many connections of one class the metric counts.
func (m Metric) counts(mode string, c stats.Class, count *stats.Count) uint64 {
	counted := false
	switch m.part {
	case flag:
		return count.Flags[m.index]
	case class:
		counted = c == stats.Class(m.index)
	case premature:
		counted = c.Premature()
	case unexpected:
		expected := stats.Expected(mode, c)
		counted = expected != nil && !*expected
	}
	if counted {
		return count.N
	}
	return 0
}

// ofStarted tells whether the metric may count connections that did not open.
func (m Metric) ofStarted() bool {
	switch m.part {
	case unexpected:
		return true
	case class:
		c := stats.Class(m.index)
		return !opened(c) || c == stats.Interrupted
	}
	return false
}

// opened tells whether a connection of the class may have opened.
func opened(c stats.Class) bool { return c != stats.OpenFailed && c != stats.ToolError }

// messageFields are the fields of stats.Messages in results and rules.
func messageFields() []string {
	return []string{"sent", "received", "skipped", "lost", "after_close"}
}

func (m Metric) messages(s *stats.Summary) Tally {
	n := s.Messages
	switch messageFields()[m.index] {
	case "sent":
		return Tally{n.Sent, s.OpenedEnded()}
	case "received":
		return Tally{n.Received, s.OpenedEnded()}
	case "skipped":
		return Tally{n.Skipped, n.Sent + n.Skipped}
	case "lost":
		return Tally{n.Lost, n.Sent}
	}
	return Tally{n.AfterClose, s.OpenedEnded()}
}

// connectionFields are the fields of stats.Connections in results and rules.
func connectionFields() []string { return []string{"started", "opened", "ended", "peak"} }

func (m Metric) connections(s *stats.Summary) Tally {
	n := s.Connections
	switch connectionFields()[m.index] {
	case "started":
		return Tally{n.Started, n.Started}
	case "opened":
		return Tally{n.Opened, n.Started}
	case "ended":
		return Tally{n.Ended, n.Started}
	}
	return Tally{s.PeakOpen(), n.Started}
}
