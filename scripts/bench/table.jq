# The table of scripts/bench.sh, and its bars, from the lines that it stored:
#
#   jq -rsf scripts/bench/table.jq FILE

def median: sort | if length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;

# to writes a number with so many decimals.
def to($decimals):
	if . == null then "-" else
		pow(10; $decimals) as $p | (. * $p | round) as $n
		| if $decimals == 0 then "\($n)"
			else ($n % $p | fabs | tostring) as $rest
				| "\($n / $p | trunc).\("0" * ($decimals - ($rest | length)) // "")\($rest)" end
	end;

.[0] as $head
| [.[1:][] | select(.failed | not)] as $figures
| [.[1:][] | select(.failed)] as $failed

# values are a tool's figures of one kind by round.
| def values($part; $tool; $key):
	[$figures[] | select(.part == $part and .tool == $tool and .[$key] != null) | {key: "\(.round)", value: .[$key]}] | from_entries;
def figure($part; $tool; $key): values($part; $tool; $key) | if . == {} then null else [.[]] | median end;
# ratios are those to a reference in the same round.
def ratios($values; $reference):
	[$values | to_entries[] | select(($reference[.key] // 0) > 0) | .value / $reference[.key]];
def against($part; $tool; $base; $key):
	if $tool == $base then [] else ratios(values($part; $tool; $key); values($part; $base; $key)) end;
# better gives the values of whichever of two tools has the lower median.
def better($part; $one; $other; $key):
	[values($part; $one; $key), values($part; $other; $key)] | map(select(. != {})) | if . == [] then {} else min_by([.[]] | median) end;

def spread: if length == 0 then "-" else "\(median | to(2)) (\(min | to(2))–\(max | to(2)))" end;

def columns: [
	{part: "busy", head: "busy: CPU, µs", cell: (. as $t | figure("busy"; $t; "cpu_us") | to(1))},
	{part: "busy", head: "× bare", cell: (. as $t | against("busy"; $t; "bare"; "cpu_us") | spread)},
	{part: "busy", head: "× epoll", cell: (. as $t | against("busy"; $t; "epoll"; "cpu_us") | spread)},
	{part: "busy", head: "closes/s", cell: (. as $t | figure("busy"; $t; "per_s") | to(0))},
	{part: "held", head: "held: CPU, µs", cell: (. as $t | figure("held"; $t; "cpu_us") | to(1))},
	{part: "held", head: "× bare", cell: (. as $t | against("held"; $t; "bare"; "cpu_us") | spread)},
	{part: "held", head: "× epoll", cell: (. as $t | against("held"; $t; "epoll"; "cpu_us") | spread)},
	{part: "open", head: "500 open: CPU, µs", cell: (. as $t | figure("open"; $t; "cpu_us_500") | to(1))},
	{part: "open", head: "15,000 open: CPU, µs", cell: (. as $t | figure("open"; $t; "cpu_us_15000") | to(1))},
	{part: "open", head: "× 500 open", cell: (. as $t | ratios(values("open"; $t; "cpu_us_15000"); values("open"; $t; "cpu_us_500")) | spread)},
	{part: "idle", head: "RSS per connection, KB", cell: (. as $t | figure("idle"; $t; "rss_kb") | to(1))},
	{part: "idle", head: "× bare", cell: (. as $t | against("idle"; $t; "bare"; "rss_kb") | spread)},
	{part: "schedule", head: "lag p50, µs", cell: (. as $t | figure("schedule"; $t; "lag_p50_us") | to(0))},
	{part: "schedule", head: "lag p99, µs", cell: (. as $t | figure("schedule"; $t; "lag_p99_us") | to(0))},
	{part: "schedule", head: "× bare", cell: (. as $t | against("schedule"; $t; "bare"; "lag_p99_us") | spread)},
	{part: "storm", head: "storm, ms", cell: (. as $t | figure("storm"; $t; "storm_ms") | to(0))},
	{part: "storm", head: "× bare", cell: (. as $t | against("storm"; $t; "bare"; "storm_ms") | spread)}
];

# A bar is met where the median is at most the limit.
def bar($name; $values; $limit):
	{name: $name, limit: $limit, values: $values};
def bars: [
	(("busy", "held") as $load
		|
		bar("CPU per lifecycle, \($load), × bare"; against($load; "wsload"; "bare"; "cpu_us"); 1.2),
		bar("CPU per lifecycle, \($load), × epoll"; against($load; "wsload"; "epoll"; "cpu_us"); 1.6),
		bar("CPU per lifecycle, \($load), × the better of k6's two";
			ratios(values($load; "wsload"; "cpu_us"); better($load; "k6_ws"; "k6_websockets"; "cpu_us")); 0.5)),
	bar("RSS per connection, KB, 15,000 idle"; [values("idle"; "wsload"; "rss_kb")[]]; 18),
	bar("CPU per lifecycle, 15,000 open × 500 open"; ratios(values("open"; "wsload"; "cpu_us_15000"); values("open"; "wsload"; "cpu_us_500")); 1.3),
	bar("lag p99 at 3,000 closes/s, × bare"; against("schedule"; "wsload"; "bare"; "lag_p99_us"); 1.5),
	bar("storm of 10,000, first to last write, × bare"; against("storm"; "wsload"; "bare"; "storm_ms"); 1.2)
];

def row: "| \(join(" | ")) |";

([$figures[].part] | unique) as $parts
| ["epoll", "bare_worker", "bare", "wsload", "k6_ws", "k6_websockets", "node_ws", "tsung"] as $order
| [$order[] | select(. as $t | any($figures[]; .tool == $t and .round > 0))] as $tools
| [$tools[] as $t | $t | columns | map(select(.part | IN($parts[])))] as $rows
| (if $head.scale == 1 then empty else "A quick look with 1/\($head.scale) of each load: no figures to keep.", "" end),
	"\($head.date), \($head.system), \($head.cores) cores shared by client and server, load \($head.load) at the start, \($head.go),",
	"medians of \($head.rounds) interleaved rounds; a ratio is the median of those within the rounds (least–greatest).",
	"",
	(["client"] + ($rows[0] | map(.head)) | row),
	(["---"] + ($rows[0] | map("--:")) | row),
	(range($tools | length) as $i | [$tools[$i]] + ($rows[$i] | map(.cell)) | row),
	"",
	"| bar of wsload | at most | median (least–greatest) | |",
	"|---|--:|--:|---|",
	(bars[] | select(.values | length > 0)
		| [.name, "\(.limit)", (.values | spread), (if (.values | median) <= .limit then "met" else "missed" end)] | row),
	"",
	([$figures[] | select(.round > 0 and (.failures // 0) > 0)] | group_by([.part, .tool])[]
		| "\(.[0].part): \(.[0].tool): \(map(.failures) | add) of \(map(.lifecycles) | add) lifecycles failed"),
	($failed | group_by([.part, .tool])[] | "\(.[0].part): \(.[0].tool) failed in \(length) of \($head.rounds) rounds: \(.[0].failed)"),
	($head.versions | split("\n")[] | select(. != ""))
