#!/usr/bin/env bash
# What one lifecycle (dial, upgrade, Close, the peer's Close, its FIN) costs the
# client in CPU: wsload with all its measuring on, beside a bare Go loop and,
# where it is installed, k6. All talk to the same `wsload serve`.
#
# Absolute times differ from run to run on a shared machine. So the tools take
# turns within a round, and the table gives the median over the rounds of each
# figure and of its ratio to the bare loop in the same round.
#
# usage: scripts/bench.sh [ROUNDS [LIFECYCLES [CONCURRENCY]]]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rounds=${1:-7}
lifecycles=${2:-40000}
concurrency=${3:-200}

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

# Each tool prints: µs of CPU per lifecycle, lifecycles per second.
bareloop() {
	"$dir/bareloop" -addr "$addr" -n "$lifecycles" -c "$concurrency" |
		jq -r '"\(.cpu_us_per_lifecycle) \(.lifecycles_per_s)"'
}
wsload() {
	local cpu
	cpu=$(timed "$dir/wsload" run --target "ws://$addr/echo" --connections "$concurrency" --rate 0 \
		--duration "$duration" --hold 0s --mix active=1 --seed 1 --json --quiet)
	jq -r --argjson cpu "$cpu" --argjson seconds "${duration%s}" '.total.connections
		| "\($cpu / .ended) \(.ended / $seconds)"' "$dir/out"
}
k6() {
	local cpu
	cpu=$(timed command k6 run --quiet --no-usage-report -e URL="ws://$addr/echo" \
		-e VUS="$concurrency" -e ITERATIONS="$lifecycles" scripts/bench/k6.js)
	awk -v cpu="$cpu" -v n="$lifecycles" 'BEGIN { printf "%f 0\n", cpu / n }'
}

tools=(bareloop wsload)
if type -P k6 >/dev/null; then tools+=(k6); else echo "k6 is not on PATH and is left out" >&2; fi

# One round to warm up, and to learn how long as many lifecycles take.
duration=$(bareloop | awk -v n="$lifecycles" '{ d = int(n / $2) + 1; print (d < 3 ? 3 : d) "s" }')
for ((round = 1; round <= rounds; round++)); do
	for tool in "${tools[@]}"; do
		figures=$("$tool")
		echo "$round $tool $figures" | tee -a "$dir/figures" >&2
	done
done

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
	$2 == "bareloop" { base[$1] = $3 }
	{
		if (!($2 in cpu)) order[++count] = $2
		cpu[$2] = cpu[$2] " " $3
		per[$2] = per[$2] " " $4
		ratio[$2] = ratio[$2] " " $3 / base[$1]
	}
	END {
		printf "%-10s %22s %14s %12s\n", "client", "CPU us per lifecycle", "x bare loop", "lifecycles/s"
		for (i = 1; i <= count; i++) {
			t = order[i]
			rate = median(per[t])
			printf "%-10s %22.1f %14.2f %12s\n", t, median(cpu[t]), median(ratio[t]), rate ? sprintf("%.0f", rate) : "-"
		}
	}
' "$dir/figures"
printf '%s\n' "medians of $rounds interleaved rounds, about $lifecycles lifecycles each, $concurrency at once, $(nproc) cores; lower is better"
