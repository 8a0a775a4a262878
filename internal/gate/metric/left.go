package metric

import "github.com/wsload/wsload/stats"

// leftOut counts the connections of an entry that were to be measured in a
// phase and neither were nor ran out of time: a reset or a kick ended them
// before. row and late are what was measured of the phase. Those closed forward
// are no samples of any phase, so they are not missing.
//
// What the mode allows in place of the phase's end leaves nothing out: a cut
// that was planned or asked for.
func leftOut(p stats.Phase, mode string, classes *[stats.NumClasses]stats.Count, row *stats.Latency, late uint64) uint64 {
	measured := row.Hist.Count() + row.Crossed + late
	tried := func(but ...stats.Class) (n uint64) {
		for c := range classes {
			n += classes[c].N - classes[c].Forward
		}
		for _, c := range append(but, stats.ToolError, stats.Interrupted) {
			n -= classes[c].N - classes[c].Forward
		}
		return n - min(n, measured)
	}
	switch p {
	case stats.Connect, stats.TLS, stats.Upgrade:
		if measured > 0 { // else the run has no such phase
			return tried()
		}
	case stats.CloseHandshake:
		if mode == "simultaneous" { // where the peer was first there is no handshake of its own
			return unanswered(classes)
		}
		if closesItself(mode) {
			return tried(stats.OpenFailed, stats.Cut)
		}
	case stats.CloseScheduled, stats.Notice:
		switch {
		case p == stats.CloseScheduled && closesItself(mode):
			return tried(stats.OpenFailed, stats.Cut)
		case measured == 0: // there is none where the server closes by itself
		case mode == "mute":
			return tried(stats.OpenFailed) // its cut comes behind the peer's Close
		default:
			return tried(stats.OpenFailed, stats.Cut)
		}
	case stats.Reply:
		return classes[stats.ReplyFailed].N - classes[stats.ReplyFailed].Forward
	case stats.FIN:
		return classes[stats.CleanRST].N - classes[stats.CleanRST].Forward
	}
	return 0
}

// unanswered counts the connections that ended without a Close of the peer.
func unanswered(classes *[stats.NumClasses]stats.Count) (n uint64) {
	for c := range stats.Class(stats.NumClasses) {
		if c.Premature() && c != stats.ReplyFailed { // which answered one
			n += classes[c].N - classes[c].Forward
		}
	}
	return n
}

// closesItself tells whether connections of the mode send a Close of their own
// and wait for that of the peer.
func closesItself(mode string) bool {
	switch mode {
	case "active", "output", "simultaneous", "stall", "bad_close":
		return true
	}
	return false
}
