# SPDX-License-Identifier: GPL-2.0-only
#
# build/bench-http.json as tables in Markdown, those of docs/performance.md: jq -r -f selftests/bench/http_tables.jq build/bench-http.json

def titles: {
	"1k": "1 KiB", "16k": "16 KiB", "100k": "100 KiB", "1m": "1 MiB", "10m": "10 MiB",
	"post": "POST, 100 KiB", "close": "1 KiB, closed",
	"tls-full": "TLS, full handshake, 1 KiB, closed", "tls-resumed": "TLS, resumed, 1 KiB, closed",
	"tls-1k": "TLS, 1 KiB", "tls-100k": "TLS, 100 KiB",
	"tunnel": "tunnel, 1 KiB there and back", "stream": "tunnel, 10 MiB one way"
};
def title: titles[.] // "\(.) bytes";

# Of these, in the titles' order.
def rows: (map(.row) | unique) as $there | (titles | keys_unsorted | map(select(IN($there[])))) + ($there - (titles | keys) | sort_by(tonumber));

def systems: ["skep", "nginx", "haproxy", "direct", "copy", "splice", "sockmap", "auto", "hop"];
def system_titles: {"skep": "skep", "nginx": "nginx", "haproxy": "HAProxy", "direct": "direct", "hop": "auto, local hop"};

# 1234567 as 1,234,567; 12.34 as 12.3: three digits say all that these figures can.
def commas: tostring | if length > 3 then (.[:-3] | commas) + "," + .[-3:] else . end;
def rounded($digits): . * pow(10; $digits) | round / pow(10; $digits);
def number: if . >= 100 then round | commas elif . >= 10 then rounded(1) | tostring else rounded(2) | tostring end;
def percent: . * 100 | rounded(1) | tostring + " %";
def ratio($of): if $of then " (\(. / $of | rounded(2)))" else "" end;

def line: "| " + join(" | ") + " |";
def header: line, ("|" + (map("---|") | add));

def names($systems): $systems | map(system_titles[.] // .);

# A row's lines: what of each system; in brackets, of what that is which share.
def cells($systems; $rows; figure): $systems | map(. as $name | $rows | map(select(.system == $name)) | .[0] | if . then figure else "" end);
def of($rows; $name; figure): $rows | map(select(.system == $name)) | .[0] | if . then figure else null end;

def proxies_table($workers):
	[.rows[] | select(.table == "proxies" and .workers == $workers)] as $all
	| [$all[].system] as $there
	| (systems | map(select(IN($there[])))) as $systems
	| (["\($workers) worker\(if $workers > 1 then "s" else "" end)", ""] + names($systems) | header),
	(($all | rows[]) as $row
		| [$all[] | select(.row == $row)] | select(length > 0) | . as $rows
		| of($rows; "direct"; .requests_s) as $direct
		| of($rows; "nginx"; .cpu_us) as $nginx
		| ([$row | title, "per s"] + cells($systems; $rows; .requests_s | number + ratio($direct)) | line),
		(["", "CPU s per 100,000"] + cells($systems; $rows; if .system == "direct" then "" else .cpu_us | (. / 10 | number) + ratio($nginx) end) | line),
		(["", "p50 / p99, ms"] + cells($systems; $rows; [.p50_us, .p99_us] | map(. / 1000 | number) | join(" / ")) | line));

def behind($row; $means; share): [.behind[] | select(.row == $row)] | if length == 0 then "" else .[0] | "\(share | percent) (\(.[$means]))" end;

def relays_table($caption; figure; $means; share):
	. as $figures
	| [.rows[] | select(.table == "relays")] as $all
	| [$all[].system] as $there
	| (systems | map(select(IN($there[])))) as $systems
	| ([$caption] + names($systems) + ["auto is behind the best by"] | header),
	(($all | rows[]) as $row
		| [$all[] | select(.row == $row)] | select(length > 0) | . as $rows
		| [$row | title] + cells($systems; $rows; figure | number) + [$figures | behind($row; $means; share)] | line);

def worst(share): [.behind[] | share] | max;

def aim($what; $is; $wanted): if $is then "- \($what): \($is | rounded(2)); aim \($wanted)" else empty end;
def skep_of($rows; $row; figure; $of):
	[$rows[] | select(.table == "proxies" and .workers == 1 and .row == $row)] as $row_s
	| of($row_s; "skep"; figure) as $is | of($row_s; $of; figure) as $than
	| if $is and $than then $is / $than else null end;

"\(.date), kernel \(.kernel), \(.cpus) CPUs, medians of \(.rounds) rounds of \(.seconds) s",
(([.rows[] | select(.table == "proxies") | .workers] | unique[]) as $workers | "", proxies_table($workers)),
(if any(.rows[]; .table == "relays") then
	"", relays_table("answers or messages, per s"; .requests_s; "fastest"; .requests_s),
	"", relays_table("µs of CPU for each, of all"; .all_us; "cheapest"; .all_us)
else empty end),
(if .idle != [] then "", (["idle client", "bytes"] | header), (.idle[] | [(.system | system_titles[.]), (.bytes_per_client | commas)] | line) else empty end),
"",
aim("CPU at 1 KiB, of nginx's"; skep_of(.rows; "1k"; .cpu_us; "nginx"); "0.5"),
aim("CPU at 100 KiB, of nginx's"; skep_of(.rows; "100k"; .cpu_us; "nginx"); "0.5"),
aim("requests/s at 1 KiB, of direct"; skep_of(.rows; "1k"; .requests_s; "direct"); "0.85"),
(if .behind != [] then "- auto is behind the best relay by at most \(worst(.requests_s) | percent) in answers/s, \(worst(.all_us) | percent) in CPU; aim 5 %" else empty end)
