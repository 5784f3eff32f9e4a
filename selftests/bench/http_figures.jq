# SPDX-License-Identifier: GPL-2.0-only
#
# From the lines that http.sh measured (see measure()) to build/bench-http.json: medians over rounds. $idle: "PROXY BYTES KIB-BEFORE" a line.
#
# rows: of each table, number of workers, row and system. cpu_us: of the proxy for a request; all_us: of client, proxy, backend and kernel threads too.
# behind: by how much skep's own choice is behind the best of the others in a row: the median over rounds of the ratio within a round, so
# that what the machine does meanwhile hits both. Below 0: it is ahead.

def median: sort | if length % 2 == 1 then .[length / 2 | floor] else (.[length / 2] + .[length / 2 - 1]) / 2 end;

def figures: {
	requests_s: (map(.requests_s) | median),
	p50_us: (map(.p50_us) | median),
	p99_us: (map(.p99_us) | median),
	cpu_us: (map(.cpu_us) | median),
	all_us: (map(.all_us) | median)
};

# Of rows of one system to rows of another, round by round.
def against($others; figure): [., $others] | transpose | map((.[0] | figure) / (.[1] | figure)) | median;

def behind:
	group_by(.row)[]
	| (map(select(.system == "auto")) | sort_by(.round)) as $auto
	| [group_by(.system)[] | select(.[0].system | IN("auto", "hop") | not) | sort_by(.round)] as $others
	| select(($auto | length > 0) and ($others | length > 0))
	| ($others | max_by(map(.requests_s) | median)) as $fastest
	| ($others | min_by(map(.all_us) | median)) as $cheapest
	| {
		row: .[0].row,
		fastest: $fastest[0].system,
		requests_s: (1 - ($auto | against($fastest; .requests_s))),
		cheapest: $cheapest[0].system,
		all_us: (($auto | against($cheapest; .all_us)) - 1)
	};

[inputs | split(" ") | .[5:] as [$all, $requests, $seconds, $p50, $p99, $own, $client, $backend, $kernel]
	| ($all | tonumber) as $n | {
		table: .[0],
		round: .[1] | tonumber,
		workers: .[2] | tonumber,
		row: .[3],
		system: .[4],
		requests_s: (($requests | tonumber) / ($seconds | tonumber)),
		p50_us: ($p50 | tonumber),
		p99_us: ($p99 | tonumber),
		cpu_us: (($own | tonumber) / $n),
		all_us: ([$own, $client, $backend, $kernel] | map(tonumber) | add / $n)
	}]
| {
	date: $date,
	kernel: $kernel,
	cpus: $cpus,
	rounds: $rounds,
	seconds: $seconds,
	rows: [group_by([.table, .workers, .row, .system])[] | (.[0] | {table, workers, row, system}) + figures],
	behind: [map(select(.table == "relays")) | behind],
	idle: [$idle | split("\n")[] | select(. != "") | split(" ")
		| {system: .[0], bytes_per_client: (.[1] | tonumber), rss_kib_before: (.[2] | tonumber)}]
}
