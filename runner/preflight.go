package runner

import (
	"fmt"
	"strconv"
	"time"

	"github.com/wsload/wsload/internal/proc"
	"github.com/wsload/wsload/scenario"
)

// reserve is the descriptors kept for everything that is no connection: the
// program's own files, the poller, a result file, a child's pipes.
const reserve = 64

// timeWait is how long Linux keeps the port of a connection that this end
// closed first.
const timeWait = 60 * time.Second

// defaultPorts is the size of Linux's default range of ephemeral ports, for
// hosts that do not tell theirs.
const defaultPorts = 28232

// Preflight says whether this host can carry out the shard of the plan. The
// error lists every impossibility with its remedy; the warnings are what may
// distort the measurement.
func Preflight(plan *scenario.Plan, shard scenario.Shard) (warnings []string, err error) {
	return preflight(plan, shard, proc.ReadHost(), proc.Self().SoftLimit)
}

func preflight(plan *scenario.Plan, shard scenario.Shard, host proc.Host, limit proc.Fact) (warnings []string, err error) {
	var problems scenario.Problems
	n := shard.Size(plan.Load.Connections)
	refuse := func(msg, hint string) {
		problems = append(problems, scenario.Problem{
			Key: "load.connections", Value: strconv.Itoa(plan.Load.Connections), Msg: msg, Hint: hint,
		})
	}
	if limit.OK && int64(n)+reserve > limit.N {
		refuse(fmt.Sprintf("%d connections need about %d descriptors and this process may open %d", n, n+reserve, limit.N),
			fmt.Sprintf("use at most %d, split the run with --shard, or raise the limit (ulimit -Hn)", max(0, limit.N-reserve)))
	}
	ports := portsOf(host)
	from, err := sources(plan, shard, ports)
	if err != nil {
		return nil, err
	}
	pairs := max(1, len(from))
	if n > ports*pairs {
		refuse(fmt.Sprintf("%d connections need as many ports and %d source address(es) have %d", n, pairs, ports*pairs),
			"name more source addresses in target.local_addrs, or widen net.ipv4.ip_local_port_range")
	}
	if busy := n + portsInTimeWait(plan, shard); len(problems) == 0 && busy > ports*pairs {
		warnings = append(warnings, fmt.Sprintf(
			"connections that this end closes first keep their port for %v: at this rate up to %d ports are wanted and %d source address(es) have %d; "+
				"name more in target.local_addrs, or expect eaddrnotavail", timeWait, busy, pairs, ports*pairs))
	}
	if backlog := host.Somaxconn; backlog.OK && plan.Load.Rate == 0 && int64(n) > backlog.N {
		warnings = append(warnings, fmt.Sprintf(
			"load.rate is unlimited: %d connections arrive at once and a listen backlog holds at most %d here (net.core.somaxconn); "+
				"what does not fit retries after a second", n, backlog.N))
	}
	if len(problems) > 0 {
		return warnings, problems
	}
	return warnings, nil
}

func portsOf(host proc.Host) int {
	if n := host.Ports.Count(); n > 0 {
		return n
	}
	return defaultPorts
}

func ephemeralPorts() int { return portsOf(proc.ReadHost()) }

// portsInTimeWait estimates how many ports closed connections still hold: of
// the entries whose end is this tool's doing, a minute's worth at the full
// rate. An abort by RST holds none.
func portsInTimeWait(plan *scenario.Plan, shard scenario.Shard) int {
	first, all := 0, 0
	for _, c := range plan.Closes.Mix {
		all += c.Weight
		if c.Eager || c.Mode == scenario.Abort && c.How == scenario.FIN {
			first += c.Weight
		}
	}
	n := shard.Size(plan.Load.Connections)
	if first == 0 || plan.Load.Duration == 0 {
		return 0
	}
	life := min(plan.Load.Duration, timeWait).Seconds()
	closes := float64(plan.Load.Rate) * life
	if plan.Load.Rate == 0 {
		closes = float64(n) * life
	}
	return int(closes * float64(first) / float64(all) * float64(n) / float64(plan.Load.Connections))
}
