#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# skep proxy with the file source: real agents, real sockets, tasks in namespaces on two nodes, of which each proxy reaches
# the other's through skep0. What needs Swarm itself is in proxy_swarm.t.
#
# app: two tasks that answer as the path asks them to (tools/http_task.pl), under many rules.  dfp: another vocabulary.
# flaky: one task that dies of each request, one that does not.  empty: no task.  web: the test backend, for load.

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
# shellcheck source=../lib/lib.sh
. selftests/lib/lib.sh
. selftests/lib/net.sh
. selftests/lib/agent.sh
. selftests/lib/model.sh
. selftests/lib/proxy.sh

NODES=(n1 n2)
SCRIPTED=$ROOT/selftests/lib/tools/http_task.pl

labels() { # labels SERVICE KEY=VALUE…: all it has
	local service=$1 label object='{}'
	shift
	for label; do
		object=$(jq -c --arg key "${label%%=*}" --arg value "${label#*=}" '.[$key] = $value' <<<"$object") || return 1
	done
	model_set '(.services[] | select(.id == $service)).labels = $labels' --arg service "$service" --argjson labels "$object"
}

task() { # task NODE SERVICE.SLOT ADDRESS ARGUMENT…: its namespace, its process, its place in the model
	local node=$1 task=$2 address=$3
	shift 3
	net_task "$node" "$task" "$address" "$@" && model_task "${task%.*}" "${task##*.}" "$node" "$address"
}

scripted() { # as task, of http_task.pl
	BACKEND=$SCRIPTED task "$@"
}

task_kill() { # with all its connections, which are processes of their own
	local pid
	for pid in $(cat "$RUN_DIR/cgroup/$RUN/$1/cgroup.procs"); do kill -KILL "$pid"; done
	within 5 eval '[ -z "$(cat "$RUN_DIR/cgroup/$RUN/'"$1"'/cgroup.procs")" ]'
	stop "$1"
}

listens() {
	[ -n "$(on "$1" ss -Hltn 'sport = :80')" ]
}

task_again() { # task_again TASK ARGUMENT…: its process
	local task=$1
	shift
	spawn "$task" nsenter --net="/run/netns/$RUN-$task" "$SCRIPTED" --name "$task" --port 80 "$@" && within 5 listens "$task"
}

ended() { # ended PATH: curl fails as the answer breaks off
	local status
	as n1 "$1" >/dev/null
	status=$?
	[ $status -eq 18 ] || [ $status -eq 56 ] || { echo "status $status"; return 1; }
}

sum_of() { # what /sum says of a file
	echo "$(stat -c %s "$1") $(sha256sum "$1" | cut -d' ' -f1)"
}

came_down() { # came_down PATH N CURL-ARGUMENT…: the N bytes of the pattern
	local path=$1 n=$2
	shift 2
	as n1 "$path" "$@" | cmp - <(head -c "$n" "$RUN_DIR/pattern")
}

fields_of() { # the head that came to the task
	as "$@" | sed '/^\r$/q'
}

has_field() { # has_field TEXT AS-ARGUMENT…
	local text=$1
	shift
	fields_of "$@" | tr -d '\r' | grep -Fx -- "$text" || { fields_of "$@"; return 1; }
}

has_no_field() { # has_no_field NAME AS-ARGUMENT…
	local name=$1
	shift
	! fields_of "$@" | grep -i "^$name:"
}

answer_has() { # answer_has TEXT AS-ARGUMENT…: a line of the answer's head
	local text=$1
	shift
	as "$@" -o /dev/null -D - | tr -d '\r' | grep -Fx -- "$text" || { as "$@" -o /dev/null -D -; return 1; }
}

tasks_of() { # tasks_of N AS-ARGUMENT…: how often each task answered, as "NAME COUNT"
	local n=$1 i
	shift
	for ((i = 0; i < n; i++)); do as "$@"; done | cut -d' ' -f1 | sort | uniq -c | awk '{ print $2, $1 }'
}

answers() { # answers STATUS…: what comes back over raw has these statuses, in order
	local got
	got=$(raw n1 12 | grep -a '^HTTP/1' | cut -d' ' -f2 | paste -sd' ')
	[ "$got" = "$*" ] || { echo "$got"; return 1; }
}

alike() { # alike N AS-ARGUMENT…: two tasks answer; each of the two workers takes turns of its own
	local got
	got=$(tasks_of "$@")
	awk -v n="$1" '$2 < n / 2 - 2 { exit 1 } END { exit NR != 2 }' <<<"$got" || { echo "$got"; return 1; }
}

request() { # request LINE…: each with CR LF, and the empty line
	printf '%s\r\n' "$@" ''
}

grown() { # grown NODE METRIC BEFORE
	[ "$(proxy_count "$1" "$2")" -gt "$3" ]
}

one_process() {
	[ "$(proxy_pids "$1" | wc -l)" = 1 ]
}

another_process() { # another_process NODE PID: it alone is left
	[ "$(proxy_pids "$1" | wc -l)" = 1 ] && [ "$(proxy_pids "$1")" != "$2" ]
}

capabilities() { # in force, of every thread
	sed -n 's/^CapEff:\t//p' "/proc/$(proxy_pids "$1")"/task/*/status | sort -u
}

run_begin
need curl jq openssl perl
chmod 711 "$RUN_DIR" # the proxy is another user
mkdir "$RUN_DIR/bin" && cp "$SKEP" "$RUN_DIR/bin/skep"
PROXY_SKEP=$RUN_DIR/bin/skep
perl -e 'print "0123456789abcdefghijklmnopqrstuvwxyz" x 300000' >"$RUN_DIR/pattern"
head -c 5000000 /dev/urandom >"$RUN_DIR/blob"

must net_begin 2
must model_begin 2
must model_service app 9001:80
must model_service dfp 9002:80
must model_service flaky 9003:80
must model_service empty 9004:80
must model_service web 9005:80
hash=$(printf 'secret' | perl -ne 'print crypt($_, q($6$selftest$))')
must labels app skep.http.main.port=80 skep.http.main.path=/app skep.http.main.strip=true \
	skep.http.exact.port=80 skep.http.exact.path='=/where' \
	skep.http.site.port=80 skep.http.site.host='books.example,*.books.example' \
	skep.http.quick.port=80 skep.http.quick.path=/quick skep.http.quick.strip=true skep.http.quick.timeout=1s \
	skep.http.auth.port=80 skep.http.auth.path=/auth skep.http.auth.strip=true skep.http.auth.users="ann:$hash" \
	skep.http.moved.port=80 skep.http.moved.path=/moved skep.http.moved.redirect=https \
	skep.http.former.port=80 skep.http.former.path=/old skep.http.former.rewrite='^/old/(.*),/$1' \
	skep.http.stuck.port=80 skep.http.stuck.path=/sticky skep.http.stuck.strip=true skep.http.stuck.sticky=cookie:SELF \
	skep.http.post.port=80 skep.http.post.path=/post skep.http.post.strip=true skep.http.post.method=POST \
	skep.http.admin.port=80 skep.http.admin.path=/admin skep.http.admin.entry=admin
must labels dfp com.df.notify=true com.df.servicePath=/shop com.df.port=80 'com.df.reqPathSearchReplace=^/shop/,/'
must labels flaky skep.http.port=80 skep.http.path=/flaky skep.http.strip=true
must labels empty skep.http.port=80 skep.http.path=/empty
must labels web skep.http.port=80 skep.http.path=/web skep.http.strip=true
must scripted n1 app.1 10.0.0.11 --port 80
must scripted n2 app.2 10.0.0.12 --port 80
must scripted n1 dfp.1 10.0.0.21 --port 80
must task n1 web.1 10.0.0.41
must task n2 web.2 10.0.0.42

for node in "${NODES[@]}"; do must agent_start "$node" --source "file:$MODEL" --socket-group nogroup \
	--proxy-metrics "$RUN_DIR/$node/proxy/metrics.prom"; done
for node in "${NODES[@]}"; do must within 30 agent_ready "$node"; done
must proxy_start n1 --user nobody --entry admin=:8001 --access-log "$RUN_DIR/access.log" --access-format json --answer-time 5 \
	--connect-time 1 --head-time 2 --head-bytes 8192 --head-fields 32 --max-connections 1000 --drain-time 10 --body-rate 1000
must mkdir "$RUN_DIR/tls"
must openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=soon.test \
	-keyout "$RUN_DIR/tls/soon.key" -out "$RUN_DIR/tls/soon.crt"
echo nonsense >"$RUN_DIR/tls/bad.pem"
must proxy_start n2 --trust 192.0.2.100 --https :8443 --tls-dir "$RUN_DIR/tls" --access-log "$RUN_DIR/access2.log" --max-connections 1000
for node in "${NODES[@]}"; do must within 10 is 200 status_of "$node" /app/where; done

# Routing, on both nodes, to tasks on both.
for node in "${NODES[@]}"; do
	check "$node gives requests to both tasks alike" alike 20 "$node" /app/where
	check "$node routes by an exact path" is 200 status_of "$node" /where
	check "but not what is under it" is 404 status_of "$node" /where/else
	check "$node routes by host" is 200 status_of "$node/www.books.example:8000" /where
	check "$node routes by Docker Flow Proxy's labels, and rewrites" contains "dfp.1" as "$node" /shop/where
done
check "a path's prefix ends between elements" is 404 status_of n1 /apples
check "dot segments do not lead out of a route" is 404 status_of n1 /app/../where/else
check "a rule of one method takes no other" is 404 status_of n1 /post/where
check "and takes that one" is 200 status_of n1 /post/where --data x
check "a rule of another entry takes nothing here" is 404 status_of n1 /admin
check "what is stripped is gone" has_field "GET /echo?q=1 HTTP/1.1" n1 "/app/echo?q=1"
check "a path is rewritten" is 200 status_of n1 /old/where
check "no route: 404" is 404 status_of n1 /nothing
check "no serving task: 503" is 503 status_of n1 /empty
check "with Retry-After" answer_has "Retry-After: 1" n1 /empty
check "a redirection to https" answer_has "Location: https://192.0.2.1/moved/x?y=1" n1 "/moved/x?y=1"
check "without a password: 401" is 401 status_of n1 /auth/where
check "with a wrong one" is 401 status_of n1 /auth/where -u ann:wrong
check "with the right one: 200" is 200 status_of n1 /auth/where -u ann:secret
guesses() { # 600 of them, in one go: which answers there are
	for i in {1..600}; do
		request 'GET /auth/where HTTP/1.1' 'Host: a' "Authorization: Basic $(printf 'ann:guess %d' "$i" | base64)"
	done | raw n1 5 >"$RUN_DIR/guesses"
	grep -a '^HTTP/1' "$RUN_DIR/guesses" | cut -d' ' -f2 | sort -u | paste -sd' '
}
check "and the task does not see it" has_no_field Authorization n1 /auth/echo -u ann:secret
check "of many guesses the later ones are not looked at: 429" is "401 429" guesses
check "with Retry-After" contains "Retry-After: 1" tr -d '\r' <"$RUN_DIR/guesses"
check "who is known already gets in all the same" is 200 status_of n1 /auth/where -u ann:secret
check "they are counted" within 3 grown n1 skep_proxy_passwords_put_off_total 0

# What the task is told.
check "the task is told who asks" has_field "X-Forwarded-For: 192.0.2.100" n1 /app/echo -H 'X-Forwarded-For: 6.6.6.6'
check "in X-Real-IP, too" has_field "X-Real-IP: 192.0.2.100" n1 /app/echo
check "and how: X-Forwarded-Proto" has_field "X-Forwarded-Proto: http" n1 /app/echo -H 'X-Forwarded-Proto: https'
check "X-Forwarded-Host" has_field "X-Forwarded-Host: 192.0.2.1:8000" n1 /app/echo -H 'X-Forwarded-Host: evil'
check "X-Forwarded-Port" has_field "X-Forwarded-Port: 8000" n1 /app/echo
check "a request is numbered" contains "X-Request-Id: " fields_of n1 /app/echo
check "unless it is already" has_field "X-Request-Id: mine" n1 /app/echo -H 'X-Request-Id: mine'
check "a trusted proxy's word is kept, and added to" \
	has_field "X-Forwarded-For: 6.6.6.6, 192.0.2.100" n2 /app/echo -H 'X-Forwarded-For: 6.6.6.6'
check "hop-by-hop fields do not go on" has_no_field X-Mine n1 /app/echo -H 'Connection: X-Mine' -H 'X-Mine: 1'
check "nor come back" fails answer_has "X-Hop: 1" n1 /app/echo

# Framing, both ways.
check "a body of known length goes up intact" is "$(sum_of "$RUN_DIR/blob")" as n1 /app/sum --data-binary "@$RUN_DIR/blob"
check "in chunks, too" is "$(sum_of "$RUN_DIR/blob")" as n1 /app/sum --data-binary "@$RUN_DIR/blob" -H 'Transfer-Encoding: chunked'
check "by PUT, too" is "$(sum_of "$RUN_DIR/blob")" as n1 /app/sum -T "$RUN_DIR/blob"
check "10 MB come down intact" came_down /app/bytes/10000000 10000000
check "in chunks" came_down /app/chunked/3000000 3000000
check "in chunks for HTTP/1.0" came_down /app/chunked/300000 300000 --http1.0
check "until the task closes" came_down /app/close/3000000 3000000
check "until the task closes, for HTTP/1.0" came_down /app/close/300000 300000 --http1.0
check "from a task of HTTP/1.0" came_down /app/old/300000 300000
check "the trailers of a request's chunks go on" contains "[trailer X-Sum: 7]" raw n1 1 < <(
	request 'POST /app/echo HTTP/1.1' 'Host: a' 'Transfer-Encoding: chunked' 'Trailer: X-Sum' && printf '3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n')
check "HEAD has a length and no body" answer_has "Content-Length: 100" n1 /app/bytes/100 -I
for status in 204 304; do
	check "$status has no body, and the connection goes on" answers $status 200 < <(
		request "GET /app/status/$status HTTP/1.1" 'Host: a' && request 'GET /app/where HTTP/1.1' 'Host: a' 'Connection: close')
done
check "an answer that breaks off is no answer: with a length" ended /app/half

# Connections.
check "requests in one go are answered in order" is "0 01 012 0123 01234" eval "
	{ for i in 1 2 3 4; do request 'GET /app/bytes/'\$i' HTTP/1.1' 'Host: a'; done
	request 'GET /app/bytes/5 HTTP/1.1' 'Host: a' 'Connection: close'; } | raw n1 | tr -d '\r' | grep -a '^0[01234]*\(HTTP.*\)\?\$' | sed 's/HTTP.*//' | paste -sd' '"
check "HTTP/1.1 goes on by default, HTTP/1.0 when asked to" answers 200 200 200 < <(
	request 'GET /app/where HTTP/1.1' 'Host: a' && request 'GET /app/where HTTP/1.0' 'Host: a' 'Connection: keep-alive' &&
		request 'GET /app/where HTTP/1.0' 'Host: a')
check "a client that has said its last is answered yet" answers 200 < <(request 'GET /app/slow/300 HTTP/1.1' 'Host: a' 'Connection: close')
check "100 comes before the body is asked for" answers 100 200 < <(
	request 'POST /app/continue HTTP/1.1' 'Host: a' 'Expect: 100-continue' 'Content-Length: 2' 'Connection: close' && printf hi)
check "other 1xx go on, all of them" answers 103 103 200 < <(request 'GET /app/hints HTTP/1.1' 'Host: a' 'Connection: close')
check "but not to HTTP/1.0" answers 200 < <(request 'GET /app/hints HTTP/1.0' 'Host: a')
check "a task that answers before the body is there is heard" is 413 status_of n1 /app/early --data-binary "@$RUN_DIR/blob"
check "101 makes a tunnel, and its end is seen at the other end" contains "HELLO" raw n1 1 < <(
	request 'GET /app/upgrade HTTP/1.1' 'Host: a' 'Connection: upgrade' 'Upgrade: test' && printf hello)
half_closed() {
	on client perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(PeerAddr => "192.0.2.1:8000") or die;
		syswrite $s, "GET /app/upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: test\r\n\r\nlast words";
		sysread $s, my $head, 4096; shutdown $s, 1; local $/; print <$s>'
}
check "half-closed it still carries the other way" contains "bye" half_closed

# Reads for longer than --answer-time, little at a time: the result is looked at below.
must spawn leisure nsenter --net="/run/netns/$RUN-client" perl -MIO::Socket::INET -MTime::HiRes=sleep,time -e '
	my $socket = IO::Socket::INET->new(PeerAddr => "192.0.2.1:8000"); my ($sum, $start) = (0, time);
	syswrite $socket, "GET /web/bytes/50000000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
	while (my $n = sysread $socket, my $bytes, 65536) { $sum += $n; sleep 0.8 if time < $start + 14 }
	print $sum > 50000000 ? "whole\n" : "broke off after $sum\n"'

# Limits and refusals.
check "a head that is too large: 431" is 431 status_of n1 /app/where -H "X: $(printf 'a%.0s' {1..9000})"
check "of too many fields: 431" answers 431 < <({ printf 'GET /app/where HTTP/1.1\r\nHost: a\r\n' && for i in {1..40}; do printf 'A%d: 1\r\n' "$i"; done && printf '\r\n'; })
check "that takes too long: 408" answers 408 < <(printf 'GET /app/where HTTP/1.1\r\nHost:')
check "a body that trickles: 408" answers 408 < <(request 'POST /app/sum HTTP/1.1' 'Host: a' 'Content-Length: 100' && printf x)
check "two lengths: 400" answers 400 < <(request 'POST /app/sum HTTP/1.1' 'Host: a' 'Content-Length: 1' 'Content-Length: 2' && printf ab)
check "a length and chunks: 400" answers 400 < <(request 'POST /app/sum HTTP/1.1' 'Host: a' 'Content-Length: 1' 'Transfer-Encoding: chunked' && printf '0\r\n\r\n')
check "chunks that are none: 400, and the connection ends" answers 400 < <(
	request 'POST /app/sum HTTP/1.1' 'Host: a' 'Transfer-Encoding: chunked' && printf 'zz\r\n' && request 'GET /app/where HTTP/1.1' 'Host: a')
check "CONNECT: 405" answers 405 < <(request 'CONNECT a:80 HTTP/1.1' 'Host: a:80')
check "a task that is silent: 504, after the route's own time" is 504 status_of n1 /quick/hang
for bad in two-lengths length-and-chunks length coding fold bare-lf nul space-colon large line; do
	check "an answer with $bad is 502" is 502 status_of n1 "/app/bad/$bad"
done
check "what comes after an answer is never another's" is "ok" as n1 /app/bad/extra
check "nor is that connection used again" fails eval 'for i in {1..20}; do as n1 /app/bad/extra; as n1 /app/where; done | grep evil'

# Pools, failures.
before=$(proxy_count n1 skep_proxy_task_connections_reused_total)
for _ in {1..20}; do as n1 /app/where >/dev/null; done
check "connections to tasks are used again" within 3 grown n1 skep_proxy_task_connections_reused_total "$before"
must scripted n1 flaky.1 10.0.0.31 --port 80
must scripted n2 flaky.2 10.0.0.32 --port 80 # dies, below
must within 3 contains flaky.2 tasks_of 4 n1 /flaky/where
task_kill flaky.2 2>/dev/null
check "with a dead task among them no request fails" is "flaky.1 20" tasks_of 20 n1 /flaky/where
check "and it is left out after three failures" within 3 grown n1 skep_proxy_ejections_total 0
must task_again flaky.2
check "until it is there again" within 5 contains flaky.2 tasks_of 4 n1 /flaky/where
check "a GET that a task dies of is tried on others, then 502" is 502 status_of n1 /flaky/die
task_kill flaky.1 2>/dev/null
must task_again flaky.1 --dies
check "a GET that one task dies of is served by the other" is "flaky.2 10" tasks_of 10 n1 /flaky/where
posts() {
	local i lost=0
	for i in {1..10}; do [ "$(status_of n2 /flaky/where --data x)" = 200 ] || lost=$((lost + 1)); done
	echo $lost
}
# n2's proxy has not met it: two workers, three failures each at most before it is left out.
lost=$(posts)
check "a POST is not sent twice: those that the task died of are lost" test "$lost" -ge 1
check "and no more than it takes to leave it out" test "$lost" -le 6
must model_set '(.tasks[] | select(.name == "flaky.1")).desired = "shutdown"'
check "a task that is to end gets no more" within 2 is "flaky.2 10" tasks_of 10 n2 /flaky/where
must labels flaky skep.http.port=80 skep.http.path=/flaky skep.http.strip=true skep.http.check=/status/500
check "a task that fails its check is no worse than none" within 3 is 200 status_of n1 /flaky/where

# Affinity.
sticks() {
	local first
	first=$(as n1 /sticky/where -D "$RUN_DIR/sticky" | cut -d' ' -f1)
	COOKIE=$(sed -n 's/^Set-Cookie: \(SELF=[0-9a-f]*\);.*/\1/p' "$RUN_DIR/sticky")
	[ -n "$COOKIE" ] && is "$first 10" tasks_of 10 n1 /sticky/where -b "$COOKIE" && is "$first 10" tasks_of 10 n2 /sticky/where -b "$COOKIE"
}
check "a cookie keeps a client with its task, through every node" sticks
check "one with the cookie gets no other" fails eval 'as n1 /sticky/where -b "$COOKIE" -D - | grep -i set-cookie'
cp "$MODEL" "$RUN_DIR/model.kept"
must model_set '(.services[] | select(.id == "app")).labels["skep.policy"] = "source"'
check "policy source keeps a client with its task" within 2 eval '[ "$(tasks_of 10 n1 /app/where | wc -l)" = 1 ]'
must mv "$RUN_DIR/model.kept" "$MODEL"

# Changes.
must labels empty skep.http.port=80 skep.http.path=/new
check "new labels are in force within a second" within 1 is 503 status_of n1 /new
check "old ones no more" is 404 status_of n1 /empty

# Readers that are slow, or do not read.
check "a client that takes its answer slowly, but does, has all of it" within 30 contains whole cat "$RUN_DIR/log/leisure.log"
memory() { awk '/^VmRSS/ { print $2 }' "/proc/$(proxy_pids n1)/status"; }
before=$(memory)
must spawn slow nsenter --net="/run/netns/$RUN-client" perl -MIO::Socket::INET -e 'my @s = map { my $s = IO::Socket::INET->new(PeerAddr => "192.0.2.1:8000");
	syswrite $s, "GET /web/bytes/1000000000 HTTP/1.1\r\nHost: a\r\n\r\n"; $s } 1 .. 40; $| = 1; print "asked\n"; sleep 60'
must within 5 contains asked cat "$RUN_DIR/log/slow.log"
check "others are served meanwhile" is 200 status_of n1 /app/where
check "40 clients that ask for 1 GB each and read nothing take little memory" test $(($(memory) - before)) -lt 8192
stop slow KILL

# The logs and the counters.
logged() { # logged NODE-LOG TEXT
	grep -qF -- "$2" "$1" || { tail -3 "$1"; return 1; }
}
as n1 '/app/where?a=b' -A 'tester "x"' >/dev/null
check "the access log has each request, as JSON" within 3 \
	jq -es 'any(.[]; .target == "/app/where?a=b" and .status == 200 and .service == "app" and (.task | startswith("app.")) and .user_agent == "tester \"x\"")' "$RUN_DIR/access.log"
as n2 /app/where -A tester >/dev/null
check "or in combined format" within 3 grep -Eq '^192\.0\.2\.100 - - \[[^]]+\] "GET /app/where HTTP/1\.1" 200 [0-9]+ "-" "tester"$' "$RUN_DIR/access2.log"
refused() { # refused STATUS TARGET: n1's log has it
	jq -es --argjson status "$1" --arg target "$2" 'any(.[]; .status == $status and .method == "-" and .target == $target and .service == "")' \
		"$RUN_DIR/access.log"
}
answers 505 < <(request 'GET /app/where HTTP/2.0' 'Host: a')
check "and what is refused: of another version" within 3 refused 505 "GET /app/where HTTP/2.0"
check "with two lengths" refused 400 "POST /app/sum HTTP/1.1"
check "of too many fields" refused 431 "GET /app/where HTTP/1.1"
check "not there in time" refused 408 "GET /app/where HTTP/1.1"
printf '\x16\x03\x01"\\\r\n\r\n' | raw n2 >"$RUN_DIR/no-http"
check "in combined format, too, however odd it is" within 3 grep -Eq '^192\.0\.2\.100 - - \[[^]]+\] "\\x16\\x03\\x01\\"\\\\" 400 0 "-" "-"$' "$RUN_DIR/access2.log"
mv "$RUN_DIR/access2.log" "$RUN_DIR/access2.old"
must proxy_signal n2 USR1
check "SIGUSR1 opens it anew" within 3 test -e "$RUN_DIR/access2.log"
check "the metrics have routes" grown n1 'skep_route_requests_total{route="app.main",code="2xx"}' 0
check "tasks" grown n1 'skep_http_task_requests_total{task="app.1",code="2xx"}' 0
check "times" grown n1 'skep_route_duration_seconds_count{route="app.main"}' 0
check "refusals" grown n1 skep_proxy_refused_requests_total 0
check "retries" grown n1 skep_proxy_retries_total 0
check "what splice moved" grown n1 skep_proxy_spliced_bytes_total 0

check "skep status tells of the proxy" grep -Ex 'proxy      [0-9]+ clients connected, 0 tunnels open' <("$SKEP" status --run-dir "$RUN_DIR/n1/run")
check "that a certificate of its ends soon" contains "PROBLEM certificate: soon expires in 1 d 23 h" "$SKEP" status --run-dir "$RUN_DIR/n2/run"
check "and that one is broken" contains "PROBLEM certificate: bad cannot be used" "$SKEP" status --run-dir "$RUN_DIR/n2/run"

# Privileges.
check "it is another user" is nobody stat -c %U "/proc/$(proxy_pids n1)"
check "with one capability, in every thread: CAP_NET_BIND_SERVICE" is 0000000000000400 capabilities n1

# Another process takes over.
must load_start short --rate 100 --path /web/ 192.0.2.1:8000
must load_start keep --rate 100 --keep-alive --path /web/ 192.0.2.1:8000
must within 3 grown n1 'skep_route_requests_total{route="web",code="2xx"}' 50
for i in 1 2; do
	pid=$(proxy_pids n1)
	must kill -HUP "$pid"
	check "SIGHUP: another process takes over, and the old one ends" within 12 another_process n1 "$pid"
done
pid=$(proxy_pids n1)
cp "$SKEP" "$RUN_DIR/bin/skep.new" && mv "$RUN_DIR/bin/skep.new" "$RUN_DIR/bin/skep"
must kill -HUP "$pid"
check "of the program file that is there now" within 12 another_process n1 "$pid"
check "which is the new one" is "$(stat -Lc %i "$RUN_DIR/bin/skep")" stat -Lc %i "/proc/$(proxy_pids n1)/exe"
check "it is the same user, and has the same capability" is 0000000000000400 capabilities n1
printf '#!/bin/sh\nexit 1\n' >"$RUN_DIR/bin/skep.new" && chmod 755 "$RUN_DIR/bin/skep.new"
mv "$RUN_DIR/bin/skep" "$RUN_DIR/bin/skep.good" && mv "$RUN_DIR/bin/skep.new" "$RUN_DIR/bin/skep"
pid=$(proxy_pids n1)
must kill -HUP "$pid"
check "a program that does not start takes nothing over" within 5 contains "has ended" cat "$RUN_DIR/log/proxy-n1.log"
check "and the old one goes on" is "$pid" proxy_pids n1
mv "$RUN_DIR/bin/skep.good" "$RUN_DIR/bin/skep"
check "no short request failed meanwhile" load_stop short
check "no request on a kept connection failed meanwhile" load_stop keep

# The end.
must spawn last nsenter --net="/run/netns/$RUN-client" curl -sS --max-time 10 http://192.0.2.1:8000/app/slow/1500
must within 3 eval '[ "$(on n1 ss -Htn state established "( sport = :8000 )" | wc -l)" -ge 1 ]'
before=$(proxy_count n1 'skep_route_requests_total{route="app.main",code="2xx"}')
check "SIGTERM: it ends" proxy_stop n1
check "when the request that it had is answered" contains "app." cat "$RUN_DIR/log/last.log"
check "which is counted yet" grown n1 'skep_route_requests_total{route="app.main",code="2xx"}' "$before"
check "as is that the last client has gone" is "$(proxy_count n1 skep_proxy_clients_opened_total)" proxy_count n1 skep_proxy_clients_closed_total
agent_kill n2
check "a proxy goes on without its agent" is 200 status_of n2 /app/where
check "also a new one: by what was kept" eval 'proxy_stop n2 && proxy_start n2 && within 5 is 200 status_of n2 /app/where'
