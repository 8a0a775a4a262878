#!/usr/bin/env bash
# What the gate finds and what it raises a false alarm about, on this host, with
# two servers of its own:
#
#   waiting    answers a Close after 2 ms on a timer
#   busy       answers it after computing for about 200 µs
#
# Each is gated against itself (wsload qualify), whose pairs are then drawn anew
# for thousands of trials: equal, +10 %, +20 %, +20 % in one metric alone, one
# new failure in a thousand. Then the same server with 20 % more to do is gated
# live, one that resets a connection in a thousand, and servers that die or
# never listen. It fails where a bar is missed: a false alarm or a pass that
# should not be.
#
# usage: scripts/gate-power.sh [-g GATES] [-r REGRESSIONS] [-o DIR]
#   -g  gates of each server against itself (default 40, which take an hour)
#   -r  gates of each server against a slower one (default 10)
#   -o  where to keep what was found (default: nowhere)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

gates=40 regressions=10 out=
while getopts g:r:o: flag; do
	case $flag in
	g) gates=$OPTARG ;;
	r) regressions=$OPTARG ;;
	o) out=$OPTARG ;;
	*)
		echo "usage: scripts/gate-power.sh [-g GATES] [-r REGRESSIONS] [-o DIR]" >&2
		exit 2
		;;
	esac
done
dir=$(mktemp -d "${TMPDIR:-/tmp}/wsload-gate-power.XXXXXX")
finish() { rm -rf "$dir"; }
trap finish EXIT
[ -z "$out" ] || mkdir -p "$out"

go build -o "$dir/wsload" ./cmd/wsload
serve="$dir/wsload serve --quiet --listen 127.0.0.1:{port}"
status=0

# miss tells of a bar that was missed.
miss() {
	echo "MISSED: $*"
	status=1
}

# gate runs one gate and wants an exit code. Its verdict is in $dir/verdict.json.
gate() { # what, exit code, flags
	local what=$1 want=$2 got=0 began=$SECONDS
	shift 2
	"$dir/wsload" gate --quiet --out "$dir/verdict.json" --force "$@" 2>"$dir/gate.err" || got=$?
	printf '  %s: exit %d after %d pairs, %d s\n' "$what" "$got" "$(jq '.verdict.pairs // 0' "$dir/verdict.json")" $((SECONDS - began))
	[ "$got" = "$want" ] || miss "$what: exit code $got, want $want: $(tail -1 "$dir/gate.err")"
}

# series gates one server against itself, and against a slower one.
series() { # name, path, path of the slower one
	local name=$1 path=$2 slower=$3 found="$dir/$1.json"
	printf '\n== %s: %s against itself, %d gates\n' "$name" "$path" "$gates"
	if ! "$dir/wsload" qualify --quiet --a "$serve" --a-path "$path" --gates "$gates" --out "$found" --seed 1; then
		miss "$name: no gate compared"
		return
	fi
	[ -z "$out" ] || cp "$found" "$out/"
	jq -e '.counts.fail == 0' "$found" >/dev/null || miss "$name: a false alarm"
	jq -e '.contracts[0].exercises[0] | .fail <= .trials / 100' "$found" >/dev/null ||
		miss "$name: more than 1% of equal trials fail"
	jq -e '.contracts[0].exercises[1] | .fail >= .trials * 0.95' "$found" >/dev/null ||
		miss "$name: +10% is found in less than 95% of the trials"
	jq -e '.contracts[0].exercises[2] | .fail >= .trials * 0.99' "$found" >/dev/null ||
		miss "$name: +20% is found in less than 99% of the trials"
	jq -e '.contracts[0].exercises[] | select(.change == "close_handshake.p99 alone +20%") |
		.fail >= .trials * 0.8 and .pass <= .trials * 0.05' "$found" >/dev/null ||
		miss "$name: +20% of the tail alone is found in less than 80% of the trials, or passes in more than 5%"
	jq -e '.contracts[0].exercises[] | select(.change | startswith("unexpected.rate +1 in 1,000")) | .fail >= .trials * 0.99' "$found" >/dev/null ||
		miss "$name: one new failure in a thousand is found in less than 99% of the trials within 20 pairs"
	jq -e '.counts | .pass > 0 and .pass >= 0.9 * (.pass + .fail + .inconclusive + .not_comparable)' "$found" >/dev/null ||
		miss "$name: less than 90% of the gates pass"
	jq -e '.counts | .median_ns > 0 and .median_ns <= 90e9 and .p95_ns <= 300e9' "$found" >/dev/null ||
		miss "$name: a verdict takes more than 90 s in the median, or 300 s in 95%"
	printf '\n== %s: %s against %s, %d gates\n' "$name" "$path" "$slower" "$regressions"
	for ((i = 1; i <= regressions; i++)); do
		gate "$name +20%, gate $i" 3 --a "$serve" --b "$serve" --a-path "$path" --b-path "$slower" --seed "$i"
	done
}

series waiting '/slow-reply?delay=2ms' '/slow-reply?delay=2400us'
series busy '/busy-reply?rounds=2000' '/busy-reply?rounds=2400'

printf '\n== one connection in a thousand is reset by b, %d gates\n' "$regressions"
for ((i = 1; i <= regressions; i++)); do
	gate "early-rst:0.1, gate $i" 3 --a "$serve" --b "$serve" --a-path /echo --b-path '/echo?fault=early-rst:0.1&after=5ms' --pairs 20 --seed "$i"
done

printf '\n== what cannot be compared\n'
gate "b dies at once" 5 --a "$serve" --b 'exit 3 # {port}' --a-path /echo
gate "b never listens" 5 --a "$serve" --b 'sleep 60 # {port}' --a-path /echo --ready 1s
gate "b dies under load" 5 --a "$serve" --b "$serve & sleep 2; kill \$!; wait; exit 9" --target ws:///echo
gate "b opens nothing" 5 --a "$serve" --b "$serve" --a-path /echo --b-path /nowhere

printf '\n%s cores, %s\n' "$(nproc)" "$(uname -sr)"
exit "$status"
