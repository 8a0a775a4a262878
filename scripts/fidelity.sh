#!/usr/bin/env bash
# How true wsload's close_handshake is: its trace against a packet capture of the
# same run, connection by connection, in three settings:
#
#   saturated       200 in flight, nothing held, as fast as it goes
#   steady          1,000 closes per second
#   steady, hogs    the same, with two processes beside it that only burn CPU
#
# The capture is tcpdump's on lo with stamps in nanoseconds, so this needs root.
# docs/fidelity.md says what the figures mean.
#
# usage: scripts/fidelity.sh [SECONDS]    of each steady setting; 22 make 20,000 closes
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${1:-22}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || {
	echo "usage: scripts/fidelity.sh [SECONDS], a whole number above 0" >&2
	exit 2
}
[ "$(id -u)" = 0 ] || {
	echo "fidelity: capturing packets needs root" >&2
	exit 1
}
type -P tcpdump >/dev/null || apt-get install -y tcpdump >&2

dir=$(mktemp -d "${TMPDIR:-/tmp}/wsload-fidelity.XXXXXX")
server= capture= hogs=()
finish() {
	[ "${#hogs[@]}" = 0 ] || kill "${hogs[@]}" 2>/dev/null || true
	[ -z "$capture" ] || kill "$capture" 2>/dev/null || true
	[ -z "$server" ] || kill "$server" 2>/dev/null || true
	rm -rf "$dir"
}
trap finish EXIT

go build -o "$dir/wsload" ./cmd/wsload
go build -o "$dir/fidelity" ./scripts/fidelity

"$dir/wsload" serve --listen 127.0.0.1:0 --json >"$dir/ready" 2>"$dir/serve.log" &
server=$!
for _ in $(seq 100); do
	[ -s "$dir/ready" ] && break
	sleep 0.1
done
addr=$(jq -r .listen "$dir/ready")

# await waits until a file holds a text.
await() {
	for _ in $(seq 100); do
		grep -qs "$2" "$1" && return
		sleep 0.1
	done
	echo "fidelity: $1 does not say \"$2\":" >&2
	cat "$1" >&2
	return 1
}

status=0
compare() { # name, bar for the p99.9, flags of the run
	local name=$1 p999=$2 before=-1 size
	shift 2
	tcpdump -i lo -n -s 0 -B 131072 --time-stamp-precision=nano -Z root -w "$dir/capture.pcap" \
		"tcp port ${addr##*:}" 2>"$dir/tcpdump.log" &
	capture=$!
	await "$dir/tcpdump.log" "listening on"
	"$dir/wsload" run --target "ws://$addr/echo" --mix active=1 --trace "$dir/trace.jsonl" --force --quiet "$@"
	# The kernel hands over what it has for tcpdump within a second, if there is
	# a CPU for it.
	while size=$(stat -c %s "$dir/capture.pcap") && [ "$size" != "$before" ]; do
		before=$size
		sleep 2
	done
	kill -INT "$capture"
	wait "$capture" || true
	capture=
	"$dir/fidelity" -name "$name" -p999 "$p999" "$dir/trace.jsonl" "$dir/capture.pcap" || status=1
	grep "dropped by kernel" "$dir/tcpdump.log" | sed 's/^/  capture: /'
	rm "$dir/capture.pcap"
}

steady=(--connections 1200 --rate 1000/s --hold "uniform(500ms,1500ms)" --duration "${seconds}s")

compare "saturated" 250us --connections 200 --rate 0 --hold 0s --duration "$(((seconds + 4) / 5))s"
compare "steady, 1,000/s" 250us "${steady[@]}"
for _ in 1 2; do
	(while :; do :; done) &
	hogs+=($!)
done
compare "steady, 1,000/s, two CPU hogs" 0 "${steady[@]}"
printf '\n%s cores, %s\n' "$(nproc)" "$(uname -sr)"
exit "$status"
