#!/usr/bin/env bash
# A cable that is pulled: wsload and its server in two network namespaces, and
# the veth between them goes down in mid-run. Nobody gets a FIN or an RST, and
# nothing is acknowledged any more, which no proxy can show.
#
#   whole      nothing happens, to compare
#   cut 1s     the link is down for a second: what was lost is sent again
#   cut        it goes down and stays down
#   netem      100 ms to either side and 1 % lost, where the kernel has netem
#
# Each run holds 200 connections for 8 s; the link goes down after 3. It prints
# how the connections ended. The namespaces go with the script. It needs root,
# iproute2 and jq; docs/faults.md says what to read in the figures.
#
# usage: scripts/netns-cut.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[ $# = 0 ] || {
	echo "usage: scripts/netns-cut.sh" >&2
	exit 2
}
[ "$(id -u)" = 0 ] || {
	echo "netns-cut: network namespaces need root" >&2
	exit 1
}
for tool in ip jq; do
	type -P "$tool" >/dev/null || {
		echo "netns-cut: $tool is missing; apt-get install iproute2 jq" >&2
		exit 1
	}
done

dir=$(mktemp -d "${TMPDIR:-/tmp}/wsload-netns.XXXXXX")
client=wsload-c-$$ server=wsload-s-$$ # the namespaces
near=wsc$$ far=wss$$                  # the ends of the link
serving='' switching=''
finish() {
	[ -z "$switching" ] || kill "$switching" 2>/dev/null || true
	[ -z "$serving" ] || kill "$serving" 2>/dev/null || true
	ip netns del "$client" 2>/dev/null || true # and with it the link
	ip netns del "$server" 2>/dev/null || true
	rm -rf "$dir"
}
trap finish EXIT

go build -o "$dir/wsload" ./cmd/wsload

# 192.0.2.0/24 is for documentation (RFC 5737) and is no real network.
ip netns add "$client"
ip netns add "$server"
ip link add "$near" netns "$client" type veth peer name "$far" netns "$server"
ip -n "$client" addr add 192.0.2.1/24 dev "$near"
ip -n "$server" addr add 192.0.2.2/24 dev "$far"
for ns in "$client" "$server"; do ip -n "$ns" link set lo up; done
ip -n "$client" link set "$near" up
ip -n "$server" link set "$far" up

ip netns exec "$server" "$dir/wsload" serve --listen 192.0.2.2:9000 --json >"$dir/ready" 2>"$dir/serve.log" &
serving=$!
for _ in $(seq 100); do
	[ -s "$dir/ready" ] && break
	sleep 0.1
done
[ -s "$dir/ready" ] || {
	echo "netns-cut: the server did not come up:" >&2
	cat "$dir/serve.log" >&2
	exit 1
}

# run holds the population and prints the classes. The server's end of the link
# is the one to go: the client's routes stay, so that it sends into the void.
run() { # name
	local status=0
	timeout 60 ip netns exec "$client" "$dir/wsload" run --target ws://192.0.2.2:9000/echo \
		--connections 200 --rate 200/s --duration 8s --hold 'uniform(1s,3s)' \
		--mix active=50,passive=30,abort=10,half_close=10 --seed 1 \
		--set traffic.every=500ms --set limits.dial=1s --set limits.close=3s --set limits.fin=1s --set limits.drain=10s \
		--json --quiet >"$dir/result.json" 2>"$dir/run.log" || status=$?
	printf '\n%s\n' "$1"
	jq -r '.total.outcomes[] | select(.count > 0)
		| [.count, .name, .class, ([.detail // {} | to_entries[] | "\(.key)=\(.value)"] | join(" ")), (if .expected then "" else "!" end)]
		| @tsv' "$dir/result.json" | awk -F '\t' '{ printf "  %6d  %-11s %-18s %s %s\n", $1, $2, $3, $5, $4 }' || {
		echo "netns-cut: the run ended with status $status and no result:" >&2
		cat "$dir/run.log" >&2
		return 1
	}
}

# pull takes the link down after 3 s, and up again after so many more.
pull() { # seconds, or nothing to leave it down
	(
		sleep 3
		ip -n "$server" link set "$far" down
		[ -z "${1-}" ] || {
			sleep "$1"
			ip -n "$server" link set "$far" up
		}
	) &
	switching=$!
}

run whole
if tc -n "$client" qdisc add dev "$near" root netem delay 100ms loss 1% 2>/dev/null &&
	tc -n "$server" qdisc add dev "$far" root netem delay 100ms loss 1% 2>/dev/null; then
	run netem
	tc -n "$client" qdisc del dev "$near" root
	tc -n "$server" qdisc del dev "$far" root
else
	tc -n "$client" qdisc del dev "$near" root 2>/dev/null || true
	printf '\nnetem\n  left out: this kernel has no sch_netem\n'
fi
pull 1
run 'cut 1s'
wait "$switching"
pull
run cut
wait "$switching"
switching=''
