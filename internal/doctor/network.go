package doctor

import (
	"fmt"
	"net/netip"

	"github.com/wsload/wsload/internal/need"
	"github.com/wsload/wsload/internal/proc"
)

// ports are the local ones, of all pairs of a source and a destination. The
// kernel has a range for each pair (ip_local_port_range, less
// ip_local_reserved_ports).
func (e *exam) ports() Finding {
	n := e.need
	has, needs := proc.Known(int64(n.Ports)*int64(n.Pairs)), proc.Known(int64(n.Busy))
	p := e.Host.Ports
	f := Finding{Key: "ports", Setting: "net.ipv4.ip_local_port_range", Has: has, Needs: needs, Verdict: weigh(has, needs, spacious)}
	if n.Sharing <= n.Ports*n.Pairs {
		f.Verdict = atMostTight(f.Verdict) // what rests in TIME_WAIT may be fewer
	}
	if !p.OK {
		f.Has, f.Setting = proc.Fact{}, "the range of ephemeral ports"
		if f.Verdict == OK {
			f.Verdict, f.Effect = Unknown, fmt.Sprintf("wsload run reckons with %s for each pair of addresses, as Linux has", digits(int64(n.Ports)))
			f.Remedies = e.tellPorts()
			return f
		}
		return f.withPorts(e)
	}
	f.Value = fmt.Sprintf("%s (%d to %d", digits(has.N), p.Low, p.High)
	if p.Reserved > 0 {
		f.Value += fmt.Sprintf(", %s of them reserved", digits(int64(p.Reserved)))
	}
	addresses := "address"
	if n.Pairs > 1 {
		addresses += "es"
	}
	f.Value += fmt.Sprintf(", for %d source %s%s)", n.Pairs, addresses, n.Whose)
	return f.withPorts(e)
}

// withPorts adds to a finding on ports what comes of too few, and what helps.
func (f Finding) withPorts(e *exam) Finding {
	n := e.need
	if f.Verdict == OK {
		return f
	}
	f.Effect = fmt.Sprintf("an open fails with EADDRNOTAVAIL after %s connections to one address: tool_error (eaddrnotavail)", digits(int64(n.Ports)*int64(n.Pairs)))
	if f.Verdict != Short && n.Busy > n.Sharing {
		f.Effect = fmt.Sprintf("what this end closes first keeps its port for %v, and %s are wanted at most: then an open fails with EADDRNOTAVAIL: tool_error (eaddrnotavail)",
			need.TimeWait, digits(int64(n.Busy)))
	}
	wide, ports := e.widen()
	if wide.Note == "" && e.OS == "linux" {
		wide.Note = "net.ipv4.ip_local_reserved_ports keeps out those of servers"
	}
	if ports*n.Pairs < n.Busy {
		wide.Note = "not enough by itself"
	}
	if wide.Command != "" {
		f.Remedies = append(f.Remedies, wide)
	}
	addresses := (n.Busy + n.Ports - 1) / n.Ports
	switch {
	case n.Whose != "":
		f.Remedies = append(f.Remedies, do("on several hosts", "wsload run --shard 1/%d ...", addresses))
	case need.Local(e.Plan):
		f.Remedies = append(f.Remedies, do(fmt.Sprintf("%d of 127.0.0.0/8, a range of ports for each", addresses), "wsload run --set 'target.local_addrs=[127.0.0.1, 127.0.0.2, ...]' ..."))
	default:
		f.Remedies = append(f.Remedies, do(fmt.Sprintf("%d addresses of this host, a range of ports for each", addresses), "wsload run --set 'target.local_addrs=[A, B, ...]' ..."))
		if e.OS == "linux" {
			f.Remedies = append(f.Remedies, do("a further address, that the network routes here", "sudo ip addr add 192.0.2.10/24 dev eth0"))
		}
	}
	if e.OS == "linux" && n.Busy > n.Sharing && !need.Reclaimed(e.Plan, e.Host) {
		reuse := sysctlOf("net.ipv4.tcp_tw_reuse", 1)
		reuse.Note = "a port that rests is taken again after a second"
		f.Remedies = append(f.Remedies, reuse)
		if e.Host.Timestamps.OK && e.Host.Timestamps.N == 0 {
			f.Remedies = append(f.Remedies, sysctlOf("net.ipv4.tcp_timestamps", 1))
		}
	}
	return f
}

// backlog is the queue of connections that a server has not accepted. Only what
// opens at one moment is weighed: a rate lets a server that runs accept.
func (e *exam) backlog() Finding {
	n := int64(e.need.Burst)
	f := Finding{Key: "backlog", Setting: "net.core.somaxconn", Has: e.Host.Somaxconn}
	if n > 0 {
		f.Needs = proc.Known(n)
	}
	// SYNs are sent again after a second, so the run is late and goes on.
	if f.Verdict = atMostTight(weigh(f.Has, f.Needs, 1)); f.Verdict == Tight {
		f.Effect = "the SYNs of what does not fit are dropped and sent again after 1 s, 3 s, 7 s (RFC 6298): connect has peaks there, or open_failed (timeout) by limits.dial"
		f.Remedies = []Remedy{do("opens are paced", "wsload run --rate 500/s ..."), sysctlOf("net.core.somaxconn", roomFor(n))}
		f.Remedies[1].Note = "before the server starts, which must ask for as many (listen)"
		if !need.Local(e.Plan) {
			f.Remedies[1].Note = "on the server's host, " + f.Remedies[1].Note
		}
	}
	return f.onLinux(e)
}

// synBacklog counts only where the kernel does not answer with cookies, which
// need no memory (tcp_syncookies), and only for a server on this host.
func (e *exam) synBacklog() Finding {
	f := Finding{Key: "syn_backlog", Setting: "net.ipv4.tcp_max_syn_backlog", Has: e.Bounds.SynBacklog}
	if f.Value = number(f.Has); f.Has.OK && e.Bounds.SynCookies.N > 0 {
		f.Value += ", and cookies beyond"
	}
	if e.need.Burst > 0 && need.Local(e.Plan) && e.Bounds.SynCookies.OK && e.Bounds.SynCookies.N == 0 {
		f.Needs = proc.Known(int64(e.need.Burst))
	}
	if f.Verdict = atMostTight(weigh(f.Has, f.Needs, 0.75)); f.Verdict == Tight { // a quarter is kept for known peers
		f.Effect = "SYNs are dropped: connect has peaks at 1 s, 3 s, 7 s"
		f.Remedies = []Remedy{sysctlOf("net.ipv4.tcp_syncookies", 1), sysctlOf("net.ipv4.tcp_max_syn_backlog", 2*roomFor(f.Needs.N))}
	}
	return f
}

// tracked is the table of a firewall that remembers connections. Nothing is
// tracked in a network namespace without a rule that asks for it.
func (e *exam) tracked() Finding {
	f := Finding{Key: "conntrack", Setting: "net.netfilter.nf_conntrack_max, less what is tracked", Has: left(e.Bounds.MaxTracked, e.Bounds.Tracked)}
	if !e.Bounds.MaxTracked.OK {
		if e.OS == "linux" {
			f.Value = "not loaded"
		}
		f.Verdict = OK
		return f
	}
	f.Needs = proc.Known(e.need.Tracked)
	f.Verdict = weigh(f.Has, f.Needs, spacious)
	if idle := e.Bounds.Tracked.OK && e.Bounds.Tracked.N == 0; idle && f.Verdict != OK {
		f.Verdict = Tight
		f.Value = number(f.Has) + " (none is tracked now: perhaps no rule asks for it)"
	}
	if f.Verdict != OK {
		f.Effect = `SYNs are dropped ("nf_conntrack: table full" in the kernel's log): connect has peaks at 1 s and 3 s, then open_failed (timeout)`
		f.Remedies = []Remedy{
			sysctlOf("net.netfilter.nf_conntrack_max", roomFor(e.Bounds.Tracked.N+f.Needs.N)),
			do("or the load is not tracked, with the port of the server", "sudo iptables -t raw -A OUTPUT -p tcp --dport 9000 -j NOTRACK"),
		}
	}
	return f
}

// timeWait is the table of sockets that wait for late packets. The kernel
// documentation on tcp_max_tw_buckets: a socket too many is destroyed at once.
func (e *exam) timeWait() Finding {
	f := Finding{Key: "time_wait", Setting: "net.ipv4.tcp_max_tw_buckets, less those that wait", Has: left(e.Host.MaxTimeWait, e.Host.TimeWait)}
	if n := e.need.TimeWait; n > 0 {
		f.Needs = proc.Known(n)
	}
	if f.Verdict = atMostTight(weigh(f.Has, f.Needs, spacious)); f.Verdict == Tight {
		f.Effect = "sockets too many are gone at once, and a late packet for one is answered by an RST: a clean_rst that is this host's doing"
		f.Remedies = []Remedy{sysctlOf("net.ipv4.tcp_max_tw_buckets", roomFor(e.Host.TimeWait.N+f.Needs.N))}
	}
	return f.onLinux(e)
}

// orphans are sockets in teardown that no process holds any more. The kernel
// documentation on tcp_max_orphans: those too many are reset at once.
func (e *exam) orphans() Finding {
	f := Finding{Key: "orphans", Setting: "net.ipv4.tcp_max_orphans, less those there are", Has: left(e.Bounds.MaxOrphans, e.Host.Orphans)}
	if n := e.need.Orphans; n > 0 {
		f.Needs = proc.Known(n)
	}
	if f.Verdict = atMostTight(weigh(f.Has, f.Needs, spacious)); f.Verdict == Tight {
		f.Effect = "the kernel resets what it should close: RSTs where a FIN was meant, as clean_rst or at the server"
		f.Remedies = []Remedy{
			do("fewer close at one moment", "wsload run --set 'closes.shape=rate(1000/s)' ..."),
			sysctlOf("net.ipv4.tcp_max_orphans", roomFor(e.Host.Orphans.N+f.Needs.N)),
		}
	}
	return f.onLinux(e)
}

// tcpPages is what all of TCP may hold of memory, in pages. From the second
// number of tcp_mem on it saves, at the third it drops.
func (e *exam) tcpPages() Finding {
	b := e.Bounds
	f := Finding{
		Key: "tcp_memory", Setting: "net.ipv4.tcp_mem, less what is held", Unit: "pages",
		Has: left(b.TCPMaxPages, b.TCPPages), Needs: proc.Known(e.need.Pages),
	}
	f.Verdict = weigh(f.Has, f.Needs, spacious)
	if f.Verdict == OK && b.TCPPressure.OK && f.Needs.N > left(b.TCPPressure, b.TCPPages).N {
		f.Verdict = Tight
	}
	if f.Verdict == Short || f.Verdict == Tight {
		f.Effect = `windows shrink, then packets are dropped and sockets reset ("TCP: out of memory" in the kernel's log): premature_rst, peaks of close_handshake at 200 ms and more`
		most := roomFor(2 * (b.TCPPages.N + f.Needs.N))
		f.Remedies = []Remedy{sysctl("net.ipv4.tcp_mem", fmt.Sprint(most/4*2, " ", most/4*3, " ", most))}
	}
	return f.onLinux(e)
}

// loopback6 is needed by a target at ::1.
func (e *exam) loopback6() Finding {
	f := Finding{Key: "ipv6_loopback", Setting: "::1", Has: e.Bounds.Loopback6, Value: yes(e.Bounds.Loopback6)}
	if a, err := netip.ParseAddr(need.Host(e.Plan)); err == nil && a == netip.IPv6Loopback() {
		f.Needs = proc.Known(1)
	}
	if f.Verdict = weigh(f.Has, f.Needs, 1); f.Verdict == Short {
		f.Effect = "nothing opens: open_failed (unreachable)"
		f.Remedies = []Remedy{sysctlOf("net.ipv6.conf.lo.disable_ipv6", 0), do("over IPv4", "wsload run --set target.connect_to=127.0.0.1:PORT ...")}
	}
	return f.onLinux(e)
}

// reuse says when the kernel takes a port from TIME_WAIT again (tcp_tw_reuse).
func (e *exam) reuse() Finding {
	f := Finding{Key: "tw_reuse", Setting: "net.ipv4.tcp_tw_reuse", Has: e.Host.TimeWaitReuse, Verdict: OK}
	if words := []string{"never", "always", "on loopback"}; f.Has.OK && f.Has.N >= 0 && f.Has.N < int64(len(words)) {
		f.Value = fmt.Sprintf("%d, %s", f.Has.N, words[f.Has.N])
	}
	if e.Host.Timestamps.OK && e.Host.Timestamps.N == 0 {
		f.Value += ", and not without net.ipv4.tcp_timestamps"
	}
	return f
}

func (e *exam) finTimeout() Finding {
	return Finding{Key: "fin_timeout", Setting: "net.ipv4.tcp_fin_timeout", Has: e.Bounds.FinTimeout, Unit: "s", Verdict: OK}
}

func (e *exam) buffers() Finding {
	f := Finding{Key: "buffers", Setting: "net.ipv4.tcp_rmem, tcp_wmem", Verdict: OK}
	if r, w := e.Bounds.ReadBuffer, e.Bounds.WriteBuffer; r.OK && w.OK {
		f.Value = fmt.Sprintf("%s to read, %s to write, to begin with", size(r.N), size(w.N))
	}
	return f
}
