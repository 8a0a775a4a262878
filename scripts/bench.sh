#!/usr/bin/env bash
# What one lifecycle (dial, upgrade, hold, Close, the peer's Close, its FIN) costs
# the client in CPU: wsload with all its measuring on, beside bare Go loops and,
# where it is installed, k6. All talk to the same `wsload serve`.
#
#   bare-worker   workers do one lifecycle after the other; nobody reads while a
#                 connection is held, no wait has a limit: a lower bound
#   bare          a goroutine with a receive loop per connection, a timer for its
#                 Close, limits on the waits: the least a load generator must do
#   wsload        the same, and measured
#
# Two loads: "busy" holds nothing and goes as fast as it can; "held" keeps a
# population whose members live half a second to one and a half.
#
# Absolute times differ from run to run on a shared machine. So the tools take
# turns within a round, and the tables give the median over the rounds of each
# figure and of its ratio to "bare" in the same round.
#
# usage: scripts/bench.sh [ROUNDS]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rounds=${1:-7}

dir=$(mktemp -d "${TMPDIR:-/tmp}/wsload-bench.XXXXXX")
server=
finish() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || true
	rm -rf "$dir"
}
trap finish EXIT

go build -o "$dir/wsload" ./cmd/wsload
go build -o "$dir/bareloop" ./scripts/bench/bareloop

"$dir/wsload" serve --listen 127.0.0.1:0 --json >"$dir/ready" 2>"$dir/serve.log" &
server=$!
for _ in $(seq 100); do
	[ -s "$dir/ready" ] && break
	sleep 0.1
done
addr=$(jq -r .listen "$dir/ready")

# timed runs a command and prints the CPU time it took, user and system, in µs.
timed() {
	local TIMEFORMAT='%3U %3S'
	{ time "$@" >"$dir/out" 2>"$dir/err"; } 2>"$dir/time"
	awk '{ printf "%d", ($1 + $2) * 1e6 }' "$dir/time"
}

# Each tool prints, for the load set by load(): µs of CPU per lifecycle,
# lifecycles per second.
load() { # name, concurrency, lifecycles, mean hold, seconds
	load=$1 concurrency=$2 lifecycles=$3 hold=$4 seconds=$5
}
bareloop() {
	"$dir/bareloop" -addr "$addr" -n "$lifecycles" -c "$concurrency" -hold "${hold}ms" "$@" |
		jq -r '"\(.cpu_us_per_lifecycle) \(.lifecycles_per_s)"'
}
bare_worker() { bareloop; }
bare() { bareloop -receive; }
wsload() {
	local cpu
	cpu=$(timed "$dir/wsload" run --target "ws://$addr/echo" --connections "$concurrency" --rate 0 \
		--duration "${seconds}s" --hold "uniform($((hold / 2))ms,$((hold * 3 / 2))ms)" --mix active=1 --seed 1 --json)
	jq -r --argjson cpu "$cpu" --argjson seconds "$seconds" '.total.connections
		| "\($cpu / .ended) \(.ended / $seconds)"' "$dir/out"
}
k6() {
	local cpu
	cpu=$(timed command k6 run --quiet --no-usage-report -e URL="ws://$addr/echo" -e HOLD="$hold" \
		-e C="$concurrency" -e N="$lifecycles" scripts/bench/k6.js)
	awk -v cpu="$cpu" -v n="$lifecycles" 'BEGIN { printf "%f 0\n", cpu / n }'
}

tools=(bare_worker bare wsload)
if type -P k6 >/dev/null; then tools+=(k6); else echo "k6 is not on PATH and is left out" >&2; fi

measure() {
	load "$@"
	: >"$dir/figures"
	bare >/dev/null # to warm up
	for ((round = 1; round <= rounds; round++)); do
		for tool in "${tools[@]}"; do
			figures=$("$tool")
			echo "$load $round $tool $figures" >&2
			echo "$round $tool $figures" >>"$dir/figures"
		done
	done
	printf '\n%s: %s at once, mean hold %s ms; medians of %s interleaved rounds\n' "$load" "$concurrency" "$hold" "$rounds"
	table
}

table() {
	awk '
	function median(list, n,    v, i) {
		n = split(list, v, " ")
		asort_numeric(v, n)
		return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
	}
	function asort_numeric(v, n,    i, j, x) {
		for (i = 2; i <= n; i++) {
			x = v[i] + 0
			for (j = i - 1; j >= 1 && v[j] + 0 > x; j--) v[j + 1] = v[j]
			v[j + 1] = x
		}
	}
	$2 == "bare" { base[$1] = $3 }
	{
		if (!($2 in cpu)) order[++count] = $2
		cpu[$2] = cpu[$2] " " $3
		per[$2] = per[$2] " " $4
		figure[$2, $1] = $3
	}
	END {
		printf "%-10s %22s %14s %12s\n", "client", "CPU us per lifecycle", "x bare", "lifecycles/s"
		for (i = 1; i <= count; i++) {
			t = order[i]
			rate = median(per[t])
			ratio = ""
			for (round in base) ratio = ratio " " figure[t, round] / base[round]
			printf "%-10s %22.1f %14.2f %12s\n", t, median(cpu[t]), median(ratio), rate ? sprintf("%.0f", rate) : "-"
		}
	}
' "$dir/figures"
}

measure busy 200 40000 0 4
measure held 1000 10000 1000 8
printf '\n%s cores; lower is better\n' "$(nproc)"
