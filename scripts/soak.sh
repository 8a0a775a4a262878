#!/usr/bin/env bash
# A soak of wsload itself: churn in every mode (configs/soak.yaml) against its
# own server, while it watches itself as it watches a target. It fails where a
# bar is missed:
#
#   - at least 1,000 connections end per second
#   - conservation: every connection that began has one class
#   - double entry: both ends agree on every connection
#   - the stream is at most 50 MB and reads back as the run
#   - nothing leaks, of wsload and of its server, as docs/soak.md tells a leak
#     from noise: no steady growth under load, and descriptors, goroutines and
#     sockets come back to what they were before it
#   - a run of half an hour found wsload's own descriptors and memory level: a
#     shorter one may leave open what swings
#
# vanish is among the modes where this host allows it (CAP_NET_ADMIN).
#
#   scripts/soak.sh [MINUTES] [-o DIR]
#   MINUTES  how long, 60 unless told; 0.5 is half a minute
#   -o       where to keep the stream and the report (default: nowhere)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

minutes=60 out=
while [ $# -gt 0 ]; do
	case $1 in
	-o)
		out=${2:?-o wants a directory}
		shift
		;;
	[0-9]*) minutes=$1 ;;
	*)
		echo "usage: scripts/soak.sh [MINUTES] [-o DIR]" >&2
		exit 2
		;;
	esac
	shift
done
seconds=$(awk -v m="$minutes" 'BEGIN { printf "%d", m * 60 }')
[ "$seconds" -ge 30 ] || {
	echo "soak: less than half a minute tells nothing of a slope" >&2
	exit 2
}

dir=$(mktemp -d "${TMPDIR:-/tmp}/wsload-soak.XXXXXX")
run=
finish() {
	[ -z "$run" ] || kill "$run" 2>/dev/null || true
	if [ -n "$out" ]; then
		mkdir -p "$out"
		cp "$dir"/soak.json* "$dir"/soak.err "$out/" 2>/dev/null || true
	fi
	rm -rf "$dir"
}
trap finish EXIT
status=0

# miss tells of a bar that was missed.
miss() {
	echo "MISSED: $*"
	status=1
}

# held tells how a side's quantities grew and what did not come back.
held() { # side
	jq -r --arg side "$1" '
		def scaled: if . == null then "-" elif fabs >= 1048576 then "\(. / 1048576 * 10 | round / 10)M"
			else . * 10 | round / 10 end;
		.watch[$side] | (.returns | map({(.what): .}) | add) as $back | .trends[]
			| select(.what | IN("fds", "rss", "heap", "threads", "goroutines", "close_wait", "established")) | select(.per_hour)
			| "  \($side)\t\(.what)\tper hour \(.per_hour.value | scaled) (\(.per_hour.low | scaled) to \(.per_hour.high | scaled))"
				+ "\t\(.verdict): \(.reason)\tbefore \($back[.what].before | scaled), after \($back[.what].after | scaled)"' \
		"$dir/soak.json"
	# What grew and came back was the load's: the population swings.
	jq -e --arg side "$1" '.watch[$side] | (.returns | map({(.what): .verdict}) | add) as $back
		| [.returns[] | select(.verdict == "leak")] + [.trends[] | select(.verdict == "leak" and $back[.what] != "none")] == []' \
		"$dir/soak.json" >/dev/null || miss "$1 leaks"
}

go build -o "$dir/wsload" ./cmd/wsload
# Vanished connections stay with the server until its keep-alive asks, after 15 s.
config=$dir/soak.yaml
sed 's/settle: [0-9]*s/settle: 30s/' configs/soak.yaml >"$config"
if (((16#$(sed -n 's/^CapEff:\t//p' /proc/self/status) >> 12) & 1)); then # bit 12: CAP_NET_ADMIN
	sed -i 's/{mode: vanish, weight: 0}/{mode: vanish, weight: 1}/' "$config"
fi
"$dir/wsload" run -c "$config" --duration "${seconds}s" --out "$dir/soak.jsonl" --json \
	>"$dir/soak.json" 2>"$dir/soak.err" &
run=$!
code=0
wait "$run" || code=$?
run=
[ "$code" = 0 ] || miss "the run: exit code $code: $(tail -3 "$dir/soak.err")"

printf 'soak of %d s on %s cores, %s\n' "$seconds" "$(nproc)" "$(uname -sr)"
jq -r '"  connections: \(.total.connections.ended) ended of \(.total.connections.started)",
	"  double entry: \(if .ledger.matched then "agrees" else "differs" end), \(.ledger.pairs | {compared, raced, mismatched, missing})",
	(.warnings[] | "  warning: \(.)")' "$dir/soak.json"
jq -e '.complete and (.total | .connections.ended == .connections.started
	and ([.outcomes[].count] | add) == .connections.started
	and .errors.invalid_state.unexplained == 0 and .errors.probe_accepted == 0)' "$dir/soak.json" >/dev/null ||
	miss "conservation"
jq -e '.ledger.matched and .ledger.pairs.mismatched == 0' "$dir/soak.json" >/dev/null || miss "double entry"
jq -e --argjson s "$seconds" '.total.connections.ended >= 1000 * $s' "$dir/soak.json" >/dev/null ||
	miss "less than 1,000 connections ended per second"
size=$(wc -c <"$dir/soak.jsonl")
printf '  stream: %d lines, %d bytes\n' "$(wc -l <"$dir/soak.jsonl")" "$size"
[ "$size" -le 50000000 ] || miss "the stream has more than 50 MB"
"$dir/wsload" report --format json "$dir/soak.jsonl" >"$dir/read.json" || miss "the stream cannot be read"
cmp "$dir/soak.json" "$dir/read.json" || miss "the stream does not read back as the run"
rm -f "$dir/read.json"

held self
held target
if [ "$seconds" -ge 1800 ]; then
	jq -e '.watch.self.trends | map(select(.what | IN("fds", "rss")) | .verdict) == ["none", "none"]' "$dir/soak.json" >/dev/null ||
		miss "wsload's own descriptors and memory were not found level"
fi
if [ "$status" = 0 ]; then echo "soak: passed"; else echo "soak: FAILED" >&2; fi
exit "$status"
