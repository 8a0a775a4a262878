# shellcheck shell=bash
# The clients of scripts/bench.sh, which sources this: how each is started, and
# how each part takes its figure. A part leaves one JSON object in $dir/figure.
# Of the caller it needs dir, addr and scale.

# All clients in Go run with this, which is wsload's own default.
gogc=400

# The CPU time of a population that stands is taken from so many seconds after
# its first Close on, and for how many.
settle=1 window=8

versions() {
	cc --version 2>/dev/null | head -n 1
	if type -P k6 >/dev/null; then k6 version; fi
	if type -P node >/dev/null; then
		echo "node $(node --version), ws $(jq -r .version scripts/lab/node-ws/node_modules/ws/package.json 2>/dev/null)"
	fi
	if type -P tsung >/dev/null; then tsung -v 2>&1 | head -n 1; fi
}

# own runs a client that counts its own CPU time, and takes its figure.
own() {
	GOGC=$gogc "$@" >"$dir/out" 2>"$dir/err" || {
		cat "$dir/out" >>"$dir/err"
		return 1
	}
	jq '{cpu_us: .cpu_us_per_lifecycle, per_s: .lifecycles_per_s, lifecycles, failures}' "$dir/out" >"$dir/figure"
}

# timed runs a command and sets cpu to the CPU time it took, user and system, in
# µs, its start and its report included.
timed() {
	local TIMEFORMAT='%3U %3S'
	{ time GOGC=$gogc "$@" >"$dir/out" 2>"$dir/err"; } 2>"$dir/time" || return
	cpu=$(awk '{ printf "%d", ($1 + $2) * 1e6 }' "$dir/time")
}

# beginning sets start to the CPU time that a client takes to begin and to
# report, in µs: the least of three runs of a command that does next to nothing
# else. It is taken once for each name. Clients that count for themselves leave it
# out, and a run is as long as one likes, so it is subtracted from the others'.
beginning() { # name, command
	local file="$dir/start-$1" least= i
	shift
	if [ ! -s "$file" ]; then
		for i in 1 2 3; do
			timed "$@" || return
			[ -n "$least" ] && [ "$least" -lt "$cpu" ] || least=$cpu
		done
		echo "$least" >"$file"
	fi
	start=$(cat "$file")
}

# How many connections have ended, of what the server tells.
ended='[.modes[].ended | add] | add'

# The parts of CPU per lifecycle.

part_busy() { lifecycles "$1" $((25000 / scale)) 200 0; }
part_held() { lifecycles "$1" $((8000 / scale)) $((1000 / scale)) 1000; }

lifecycles() { # tool, lifecycles, at once, mean hold in ms
	local tool=$1 n=$2 c=$3 hold=$4
	case $tool in
	epoll) own "$dir/epoll" "${addr%:*}" "${addr##*:}" "$n" "$c" "$hold" ;;
	bare_worker) own "$dir/bareloop" -addr "$addr" -n "$n" -c "$c" -hold "${hold}ms" ;;
	bare)
		own "$dir/bareloop" -addr "$addr" -n "$n" -c "$c" -hold "${hold}ms" -receive
		[ "$hold" != 0 ] || bare_rate=$(jq .per_s "$dir/figure")
		;;
	node_ws) own node scripts/bench/node.js "ws://$addr/echo" "$n" "$c" "$hold" ;;
	wsload) wsload_lifecycles "$n" "$c" "$hold" ;;
	k6_*) k6_lifecycles "${tool#k6_}" "$n" "$c" "$hold" ;;
	tsung) tsung_lifecycles "$n" "$c" "$hold" ;;
	esac
}

# wsload's runs end by time, so it gets as much as the lifecycles take: by the
# pace of bare, which came before, or by the population and its hold.
wsload_lifecycles() { # lifecycles, at once, mean hold in ms
	local n=$1 c=$2 hold=$3 ms
	if [ "$hold" = 0 ]; then
		ms=$(awk -v n="$n" -v rate="$bare_rate" 'BEGIN { printf "%d", 1000 * n / rate }')
	else
		ms=$(((n - c) * hold / c))
	fi
	local run=("$dir/wsload" run --target "ws://$addr/echo" --rate 0 --mix active=1 --seed 1 --json)
	beginning wsload "${run[@]}" --connections 1 --duration 0s --hold 0s || return
	timed "${run[@]}" --connections "$c" --duration "${ms}ms" --hold "uniform($((hold / 2))ms,$((hold * 3 / 2))ms)" || return
	jq --argjson cpu "$((cpu - start))" --argjson ms "$ms" '.total | .connections.ended as $n | {
		cpu_us: ($cpu / $n), per_s: ($n / $ms * 1000), lifecycles: $n,
		failures: ([.outcomes[] | select(.class != "clean") | .count] | add // 0)}' "$dir/out" >"$dir/figure"
}

# k6 begins with its users, one JavaScript engine each.
k6_lifecycles() { # module, lifecycles, at once, mean hold in ms
	beginning "k6-$3" k6_run none "$3" "$3" 0 0 || return
	timed k6_run "$1" "$2" "$3" "$4" 0 || return
	jq --argjson cpu "$((cpu - start))" '{
		cpu_us: ($cpu / .lifecycles), per_s: .lifecycles_per_s, lifecycles, failures}' "$dir/out" >"$dir/figure"
}

k6_run() { # module, lifecycles, at once, mean hold in ms, starts per second
	k6 run --quiet --no-usage-report -e URL="ws://$addr/echo" -e MODULE="$1" -e N="$2" -e C="$3" -e HOLD="$4" \
		-e RATE="$5" scripts/bench/k6.js
}

# tsung's users are many in one process, each of which does its share of the
# lifecycles. A hold is its mean, since it knows no spread finer than whole
# seconds, and it closes TCP when the peer's Close has come. Its lifecycles are
# the server's to count.
tsung_lifecycles() { # lifecycles, at once, mean hold in ms
	local n
	beginning tsung tsung_run 1 1 0 || return
	n=$(count "$ended")
	timed tsung_run "$@" || return
	n=$(($(count "$ended") - n))
	[ "$n" -gt 0 ] || return 1
	jq -n --argjson cpu "$((cpu - start))" --argjson n "$n" --argjson want "$(($1 / $2 * $2))" \
		'{cpu_us: ($cpu / $n), lifecycles: $n, failures: ($want - $n)}' >"$dir/figure"
}

# tsung_dtd prints where tsung's document type is, without which it reads no file.
tsung_dtd() { echo "$(dirname "$(type -P tsung)")/../share/tsung/tsung-1.0.dtd"; }

# The port mapper that Erlang starts and leaves behind is this bench's own.
epmd_port=14369

tsung_run() { # lifecycles, at once, mean hold in ms
	local think=
	[ "$3" = 0 ] || think=$(awk -v ms="$3" 'BEGIN { printf "<thinktime value=\"%.3f\" random=\"false\"/>", ms / 1000 }')
	cat >"$dir/tsung.xml" <<-XML
		<?xml version="1.0"?>
		<!DOCTYPE tsung SYSTEM "$(tsung_dtd)">
		<tsung loglevel="error">
		  <clients><client host="localhost" use_controller_vm="true" maxusers="30000"/></clients>
		  <servers><server host="${addr%:*}" port="${addr##*:}" type="tcp"/></servers>
		  <load>
		    <arrivalphase phase="1" duration="300" unit="second"><users arrivalrate="1000" maxnumber="$2" unit="second"/></arrivalphase>
		  </load>
		  <sessions>
		    <session name="lifecycles" probability="100" type="ts_websocket">
		      <for from="1" to="$(($1 / $2))" var="i">
		        <request><websocket type="connect" path="/echo"/></request>
		        $think
		        <request><websocket type="close"/></request>
		      </for>
		    </session>
		  </sessions>
		</tsung>
	XML
	env HOME="$dir" ERL_EPMD_PORT=$epmd_port tsung -n -f "$dir/tsung.xml" -l "$dir/tsung" start </dev/null
}

# tsung_finish ends that port mapper.
tsung_finish() {
	[ ! -s "$dir/tsung.xml" ] || epmd -port $epmd_port -kill >/dev/null 2>&1 || true
}

# The parts of a population that stands.

# begin starts a client that is ended by halt.
begin() {
	GOGC=$gogc "$@" >"$dir/out" 2>"$dir/err" &
	client=$!
}

# halt cuts the client, if there is one, and waits until the server is done too.
halt() {
	[ -n "$client" ] || return 0
	kill -KILL "$client" 2>/dev/null || true
	wait "$client" 2>/dev/null || true
	client=
	for ((tries = 0; tries < 300; tries++)); do
		[ "$(count .open)" != 0 ] || return 0
		sleep 0.1
	done
	echo "the server still has $(count .open) connections open" >&2
}

# count reads one number of the server's own count.
count() { curl -sf --max-time 10 "http://$addr/statz" | jq "$1"; }

# await waits for a population.
await() { # connections
	local tries
	for ((tries = 0; tries < 600; tries++)); do
		[ "$(count .open)" -lt "$1" ] || return 0
		kill -0 "$client" 2>/dev/null || return 1
		sleep 0.2
	done
	echo "only $(count .open) of $1 connections are open" >>"$dir/err"
	return 1
}

# Where many are open wsload comes from several addresses of loopback, since
# connect searches long for a port where there are few. bare comes from as many.
sources() { # connections
	echo "$(($1 > 3500 ? ($1 + 3499) / 3500 : 0))"
}

# begin_schedule starts a population whose oldest members close at a fixed pace,
# from the moment on that is given, and are replaced.
begin_schedule() { # tool, population, starts per second, closes per second, ms
	case $1 in
	bare) begin "$dir/bareloop" -addr "$addr" -sources "$(sources "$2")" -n 1000000 -c "$2" -rate "$3" -receive -at "${5}ms" -closes "$4" ;;
	wsload) begin "$dir/wsload" run --target "ws://$addr/echo" --connections "$2" --rate "$3/s" --duration 5m \
		--hold "${5}ms" --set closes.shape="rate($4/s)" --mix active=1 --seed 1 --quiet ;;
	esac
}

# cost sets cost to the µs of CPU per lifecycle of the client that runs, and
# pace to its lifecycles per second, over the window.
cost() {
	local ticks n began
	ticks=$(ticks) n=$(count "$ended") began=$(date +%s%N)
	sleep "$window"
	ticks=$(($(ticks) - ticks)) n=$(($(count "$ended") - n)) began=$(($(date +%s%N) - began))
	[ "$n" -gt 0 ] || return 1
	cost=$(awk -v t="$ticks" -v hz="$(getconf CLK_TCK)" -v n="$n" 'BEGIN { printf "%.2f", t / hz * 1e6 / n }')
	pace=$(awk -v n="$n" -v ns="$began" 'BEGIN { printf "%.0f", n / ns * 1e9 }')
}

# ticks prints the CPU time that the client used so far, user and system.
ticks() { awk '{ print $14 + $15 }' "/proc/$client/stat"; }

part_open() {
	local few=$((500 / scale)) many=$((15000 / scale)) starts=$((3000 / scale)) closes=$((2000 / scale)) c fill few_cost few_pace
	for c in "$few" "$many"; do
		fill=$((c * 1000 / starts))
		begin_schedule "$1" "$c" "$starts" "$closes" "$fill"
		sleep "$((fill / 1000 + settle)).$(printf %03d $((fill % 1000)))"
		cost || return
		[ "$c" = "$many" ] || few_cost=$cost few_pace=$pace
		[ "$(count .open)" -ge $((c * 2 / 3)) ] || {
			echo "only $(count .open) of $c connections are open" >>"$dir/err"
			return 1
		}
		halt
	done
	jq -n --argjson few "$few_cost" --argjson many "$cost" --argjson few_pace "$few_pace" --argjson pace "$pace" \
		'{cpu_us_500: $few, cpu_us_15000: $many, per_s_500: $few_pace, per_s_15000: $pace}' >"$dir/figure"
}

part_idle() {
	local n=$((15000 / scale)) starts=$((3000 / scale)) hold=240000 # ms: longer than this takes
	case $1 in
	epoll) begin "$dir/epoll" "${addr%:*}" "${addr##*:}" "$n" "$n" "$hold" "$starts" ;;
	bare) begin "$dir/bareloop" -addr "$addr" -sources "$(sources "$n")" -n "$n" -c "$n" -rate "$starts" -hold "${hold}ms" -receive ;;
	wsload) begin "$dir/wsload" run --target "ws://$addr/echo" --connections "$n" --rate "$starts/s" --hold "${hold}ms" \
		--duration 5m --mix active=1 --seed 1 --quiet ;;
	k6_ws) begin k6 run --quiet --no-usage-report -e URL="ws://$addr/echo" -e MODULE=ws -e N="$n" -e C="$n" \
		-e HOLD="$hold" -e RATE="$starts" scripts/bench/k6.js ;;
	node_ws) begin node scripts/bench/node.js "ws://$addr/echo" "$n" "$n" "$hold" "$starts" ;;
	esac
	await "$n" || return
	sleep 2 # what opened last, and the garbage of it
	awk -v n="$n" '/^VmRSS:/ { printf "{\"rss_kb\": %.2f, \"open\": %d}\n", $2 / n, n }' "/proc/$client/status" >"$dir/figure"
}

# The parts of keeping time. wsload's lag is its close_lag, which has the same
# two ends as bare's: the planned moment, and just before the write.

# Each connection lives once, so that all Closes are the schedule's. More open
# than close, so that the next Close always has a connection.
part_schedule() {
	local n=$((18000 / scale)) starts=$((4000 / scale)) closes=$((3000 / scale))
	case $1 in
	bare) bare_lag -sources "$(sources "$n")" -n "$n" -c "$n" -rate "$starts" -at 500ms -closes "$closes" ;;
	wsload) wsload_lag --connections "$n" --rate "$starts/s" --duration 0s --hold 500ms --set closes.shape="rate($closes/s)" ;;
	esac || return
	jq --argjson n "$n" 'select(.closes >= 0.99 * $n) | {lag_p50_us, lag_p99_us, closes}' "$dir/lag" >"$dir/figure"
}

part_storm() {
	local n=$((10000 / scale)) starts=$((4000 / scale))
	case $1 in
	bare) bare_lag -sources "$(sources "$n")" -n "$n" -c "$n" -rate "$starts" -at 4s -closes 0 ;;
	wsload) wsload_lag --connections "$n" --rate "$starts/s" --duration 4s --hold 1s --set closes.shape=at_end ;;
	esac || return
	jq --argjson n "$n" 'select(.closes >= 0.99 * $n) | {storm_ms, closes}' "$dir/lag" >"$dir/figure"
}

bare_lag() {
	GOGC=$gogc "$dir/bareloop" -addr "$addr" -receive "$@" >"$dir/out" 2>"$dir/err" || {
		cat "$dir/out" >>"$dir/err"
		return 1
	}
	jq '{lag_p50_us, lag_p99_us, storm_ms: .first_to_last_ms, closes}' "$dir/out" >"$dir/lag"
}

# In a storm all Closes are planned for one moment, so that the difference of
# the latest and the earliest lag is the time from the first write to the last.
wsload_lag() {
	GOGC=$gogc "$dir/wsload" run --target "ws://$addr/echo" --mix active=1 --seed 1 --json "$@" >"$dir/out" 2>"$dir/err" || return
	jq '.total.latency[] | select(.phase == "close_lag") | {
		lag_p50_us: (.p50_ns / 1e3), lag_p99_us: (.p99_ns / 1e3), storm_ms: ((.max_ns - .min_ns) / 1e6), closes: .count}' \
		"$dir/out" >"$dir/lag"
}
