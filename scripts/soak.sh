#!/usr/bin/env bash
# A soak of wsload itself: churn in every mode (configs/soak.yaml) against its
# own server, while its memory and its descriptors are read each second. It fails
# where a bar is missed:
#
#   - at least 1,000 connections end per second
#   - conservation: every connection that began has one class
#   - double entry: both ends agree on every connection
#   - the stream is at most 50 MB and reads back as the run
#   - memory and descriptors do not grow: the interval of the slope holds 0, or
#     what it adds in the time that was looked at is less than 2 % of the level
#
# The slope is the median of the slopes between medians of 40 spans of time
# (Theil-Sen), with its interval at 95 % by Kendall's statistic. The first tenth
# of the run, 150 s at least, is warm-up and left out, and so is the drain: the
# heap finds its size, and takes a step when lines of the stream begin to cover
# more time, since their histograms are new. Where less than two minutes are
# left, slopes are shown and not judged. That nothing is left behind a run, goroutines
# included, is a test of runner.
#
#   scripts/soak.sh [MINUTES] [-o DIR]
#   MINUTES  how long, 60 unless told; 0.5 is half a minute
#   -o       where to keep the stream, the report and the samples (default: nowhere)
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
		cp "$dir"/*.json* "$dir"/*.tsv "$dir"/*.err "$out/" 2>/dev/null || true
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

# samples writes seconds, kB of memory, descriptors and threads of the run, a
# line each second as long as it lives.
samples() {
	local began=$EPOCHREALTIME rss threads fds
	while kill -0 "$run" 2>/dev/null; do
		rss=$(awk '/^VmRSS:/ { r = $2 } /^Threads:/ { t = $2 } END { print r, t }' "/proc/$run/status" 2>/dev/null) || break
		threads=${rss#* } rss=${rss% *}
		fds=("/proc/$run/fd/"*)
		[ -z "$rss" ] || awk -v a="$began" -v b="$EPOCHREALTIME" -v r="$rss" -v f="${#fds[@]}" -v t="$threads" \
			'BEGIN { printf "%.1f\t%d\t%d\t%d\n", b - a, r, f, t }'
		sleep 1
	done
}

# slope reads times and values, and writes the level, the slope per hour, its
# interval per hour, the time covered in hours and the verdict.
slope() {
	awk '
	function sort(a, n,   i, j, v) {
		for (i = 2; i <= n; i++) {
			v = a[i]
			for (j = i - 1; j > 0 && a[j] > v; j--) a[j + 1] = a[j]
			a[j + 1] = v
		}
	}
	function median(a, n) { return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2 }
	{ t[NR] = $1; v[NR] = $2 }
	END {
		if (NR < 8) { print "0 0 0 0 0 short"; exit }
		spans = NR < 40 ? NR : 40
		for (k = 1; k <= spans; k++) {
			n = 0; sum = 0
			for (i = int((k - 1) * NR / spans) + 1; i <= int(k * NR / spans); i++) { part[++n] = v[i]; sum += t[i] }
			sort(part, n)
			x[k] = sum / n; y[k] = level[k] = median(part, n)
		}
		sort(level, spans)
		for (i = 1; i < spans; i++) for (j = i + 1; j <= spans; j++) s[++m] = (y[j] - y[i]) / (x[j] - x[i]) * 3600
		sort(s, m)
		c = 1.96 * sqrt(spans * (spans - 1) * (2 * spans + 5) / 18)
		low = int((m - c) / 2); high = int((m + c) / 2) + 2
		if (low < 1) low = 1
		if (high > m) high = m
		hours = (x[spans] - x[1]) / 3600
		grows = s[low] > 0 && median(s, m) * hours > 0.02 * median(level, spans)
		printf "%.0f %.1f %.1f %.1f %.4f %s\n", median(level, spans), median(s, m), s[low], s[high], hours, grows ? "grows" : "level"
	}'
}

# level tells of a column of the samples, and misses where it grows.
level() { # what, column
	local median slope low high hours verdict
	read -r median slope low high hours verdict < <(awk -F '\t' -v c="$2" -v from="$warm" -v to="$seconds" \
		'$1 >= from && $1 <= to { print $1, $c }' "$dir/samples.tsv" | slope)
	printf '  %s: level %s, slope %s per hour, interval %s to %s, over %s h: %s\n' "$1" "$median" "$slope" "$low" "$high" "$hours" "$verdict"
	[ "$judged" = no ] || [ "$verdict" = level ] || miss "$1: $verdict"
}

go build -o "$dir/wsload" ./cmd/wsload
"$dir/wsload" run -c configs/soak.yaml --duration "${seconds}s" --out "$dir/soak.jsonl" --json \
	>"$dir/soak.json" 2>"$dir/soak.err" &
run=$!
samples >"$dir/samples.tsv"
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

warm=$((seconds / 10 > 150 ? seconds / 10 : 150)) judged=yes
if [ $((seconds - warm)) -lt 120 ]; then
	warm=$((seconds / 2)) judged=no
	echo "  too short to judge a slope; the second half:"
fi
level "memory (kB)" 2
level descriptors 3
level threads 4
if [ "$status" = 0 ]; then echo "soak: passed"; else echo "soak: FAILED" >&2; fi
exit "$status"
