#!/usr/bin/env bash
# What wsload costs and how well it keeps time, beside other clients. All do the
# same lifecycle (dial, upgrade, hold, Close, the peer's Close, its FIN) with the
# same `wsload serve`, from the same source addresses:
#
#   epoll            C, one thread, system calls and nothing else
#   bare_worker      Go; workers do one lifecycle after the other, nobody reads
#                    while a connection is held, no wait has a limit: a lower bound
#   bare             Go; a goroutine with a receive loop per connection, a timer
#                    for its Close, limits on the waits: the least that a load
#                    generator in Go must do
#   wsload           the same with all its measuring on
#   k6_ws, k6_websockets, node_ws, tsung    where they are installed
#
# The parts:
#
#   busy       CPU per lifecycle, nothing held, as fast as it goes
#   held       CPU per lifecycle, a population whose members live about a second
#   open       CPU per lifecycle at 500 open and at 15,000 open, 2,000 a second
#   idle       memory per connection, 15,000 open
#   schedule   how late 3,000 Closes a second are
#   storm      10,000 Closes planned for one moment: from the first write to the last
#
# Absolute figures differ from run to run on a shared machine. So the tools take
# turns within a round, in the reverse order in every second one, and the table
# gives the median over the rounds of each figure and of its ratio to the
# reference in the same round. docs/performance.md tells how each is taken.
#
# The table is Markdown on standard output, with whether each bar is met behind
# it. The exit code is 1 where a bar that was measured is missed.
#
#   scripts/bench.sh [ROUNDS] [PART...] [-q] [-o FILE]
#   ROUNDS  7 unless told, which takes half an hour for all parts
#   PART    some of the above, all unless told
#   -q      a tenth of each load: tells whether the bench works, and no figures
#   -o      write what was measured to FILE, a line of JSON for each figure of a
#           round; jq -rsf scripts/bench/table.jq FILE gives the table of it again
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/bench/clients.sh
source scripts/bench/clients.sh

all_parts=(busy held open idle schedule storm)
rounds=7 parts=() scale=1 out=
while [ $# -gt 0 ]; do
	case $1 in
	-q) scale=10 ;;
	-o)
		out=${2:?-o wants a file}
		shift
		;;
	busy | held | open | idle | schedule | storm) parts+=("$1") ;;
	[1-9] | [1-9][0-9]) rounds=$1 ;;
	*)
		echo "usage: scripts/bench.sh [ROUNDS] [busy|held|open|idle|schedule|storm...] [-q] [-o FILE]" >&2
		exit 2
		;;
	esac
	shift
done
[ ${#parts[@]} -gt 0 ] || parts=("${all_parts[@]}")

for command in go jq curl; do
	type -P "$command" >/dev/null || {
		echo "bench: $command is not installed" >&2
		exit 1
	}
done
dir=$(mktemp -d "${TMPDIR:-/tmp}/wsload-bench.XXXXXX")
server= client=
finish() {
	[ -z "$client" ] || kill -KILL "$client" 2>/dev/null || true
	tsung_finish
	[ -z "$server" ] || kill "$server" 2>/dev/null || true
	rm -rf "$dir"
}
trap finish EXIT
figures=${out:-$dir/figures}

# prepare builds the clients and says which there are.
prepare() {
	go build -o "$dir/wsload" ./cmd/wsload
	go build -o "$dir/bareloop" ./scripts/bench/bareloop
	tools=(bare_worker bare wsload)
	if type -P cc >/dev/null; then
		cc -O2 -o "$dir/epoll" scripts/bench/epoll/epoll.c
		tools=(epoll "${tools[@]}")
	else
		absent epoll "there is no cc"
	fi
	if type -P k6 >/dev/null; then tools+=(k6_ws k6_websockets); else absent k6 "not on PATH"; fi
	if type -P node >/dev/null && [ -d scripts/lab/node-ws/node_modules/ws ]; then
		tools+=(node_ws)
	else
		absent "Node ws" "scripts/lab/lab.sh install brings it"
	fi
	if type -P tsung >/dev/null; then tools+=(tsung); else absent tsung "not on PATH"; fi
}

absent() { echo "$1 is left out: $2" >&2; } # what, why

# serve starts the server that all clients use and sets addr.
serve() {
	"$dir/wsload" serve --listen 127.0.0.1:0 --json >"$dir/ready" 2>"$dir/serve.log" &
	server=$!
	for _ in $(seq 100); do
		[ -s "$dir/ready" ] && break
		sleep 0.1
	done
	addr=$(jq -r .listen "$dir/ready")
}

# of says which tools take part in a part.
of() { # part
	case $1 in
	busy | held) echo "${tools[@]}" ;;
	idle) among epoll bare wsload k6_ws node_ws ;;
	*) among bare wsload ;;
	esac
}

# among names those of the given tools that there are.
among() {
	for tool in "$@"; do
		case " ${tools[*]} " in *" $tool "*) echo "$tool" ;; esac
	done
}

# reversed prints its arguments, the last one first.
reversed() {
	local i
	for ((i = $#; i > 0; i--)); do echo "${!i}"; done
}

# measure takes one figure of one tool. What fails is said and stored too.
measure() { # part, tool
	rm -f "$dir/err"
	: >"$dir/figure"
	"part_$1" "$2" || echo "$1: $2 failed" >&2
	halt
	if ! [ -s "$dir/figure" ] || ! jq -c --argjson round "$round" --arg part "$1" --arg tool "$2" \
		'{round: $round, part: $part, tool: $tool} + .' "$dir/figure" >"$dir/line" 2>/dev/null; then
		jq -nc --argjson round "$round" --arg part "$1" --arg tool "$2" --arg why "$(tail -n 3 "$dir/err" 2>/dev/null)" \
			'{round: $round, part: $part, tool: $tool, failed: $why}' >"$dir/line"
	fi
	tee -a "$figures" <"$dir/line" >&2
}

prepare
serve
jq -nc --arg date "$(date -u +%F)" --arg system "$(uname -sr)" --argjson cores "$(nproc)" --argjson rounds "$rounds" \
	--argjson scale "$scale" --arg go "$(go env GOVERSION)" --arg load "$(cut -d' ' -f1 /proc/loadavg 2>/dev/null)" --arg versions "$(versions)" \
	'{$date, $system, $cores, $rounds, $scale, $go, $load, $versions}' >"$figures"
part_busy bare # to warm up
for ((round = 1; round <= rounds; round++)); do
	for part in "${parts[@]}"; do
		mapfile -t turn < <(tr ' ' '\n' <<<"$(of "$part")")
		((round % 2)) || mapfile -t turn < <(reversed "${turn[@]}")
		for tool in "${turn[@]}"; do measure "$part" "$tool"; done
	done
done
jq -rsf scripts/bench/table.jq "$figures" | tee "$dir/table"
! grep -q '| missed' "$dir/table"
