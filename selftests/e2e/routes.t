#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Routes from services' labels, as the agent tells them: skep routes, skep route explain, its log.

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
# shellcheck source=../lib/lib.sh
. selftests/lib/lib.sh
. selftests/lib/net.sh
. selftests/lib/agent.sh
. selftests/lib/model.sh

label() { # label SERVICE KEY VALUE
	model_set '(.services[] | select(.id == $id) | .labels)[$key] = $value' --arg id "$1" --arg key "$2" --arg value "$3"
}

rules() { # the rules in order, a word each
	skep n1 routes --json | jq -er '[.rules[] | "\(.service):\(.port)\(.path // "")"] | join(" ")'
}

problems() {
	skep n1 routes --json | jq -er '.problems | length'
}

explain() {
	skep n1 route explain "$@"
}

taken_by() { # taken_by METHOD URL …
	explain "$@" --json | jq -er '.rule // {service: "nobody"} | .service'
}

refused_with() { # refused_with TEXT COMMAND…: it fails and says so
	local text=$1 output
	shift
	if output=$("$@" 2>&1) || [[ $output != *"$text"* ]]; then
		echo "$output"
		return 1
	fi
}

lines_between() { # lines_between LEAST MOST COMMAND…
	local least=$1 most=$2 output
	shift 2
	output=$("$@") && [ "$(wc -l <<<"$output")" -ge "$least" ] && [ "$(wc -l <<<"$output")" -le "$most" ]
}

logged() { # logged N TEXT: so many lines of the log have it
	is "$1" grep -c -F "$2" "$RUN_DIR/log/agent-n1.log"
}

run_begin
must net_begin 1
must model_begin 1
must model_service books
must model_service shop
must model_service canary
must label books skep.http.port 8080
must label books skep.http.path '/api/v1/books,=/health'
must label shop com.df.notify true
must label shop com.df.port 80
must label shop com.df.servicePath /
must label canary skep.http.port 81
must label canary skep.http.path /
must label canary skep.http.host '*.shop.example'
must label canary skep.http.header X-Canary:1
must agent_start n1 --source "file:$MODEL" --datapath tc
must within 30 agent_ready n1

check "rules of both vocabularies stand in one order" \
	is "books:8080=/health books:8080/api/v1/books canary:81/ shop:80/…" rules
check "none has a problem" is 0 problems
check "people read the same" contains 'header X-Canary: 1' skep n1 routes
check "the longest prefix takes a request" is books taken_by GET http://any/api/v1/books/7
check "the path is normalised as the proxy does it" is books taken_by GET 'http://any/api/%761/x/../books'
check "others fall to the next rule" is shop taken_by GET http://any/api/v1/bookshelf
check "a header and a host decide" is canary taken_by GET http://www.shop.example/ -H 'X-Canary: 1'
check "without the header the rule is not for it" contains 'wants header X-Canary: 1' \
	explain GET http://www.shop.example/
check "it says what becomes of the request" contains 'sent to a task as /api/v1/books' \
	explain GET http://any/api/v1/books
check "a URL that is none is refused" refused_with "begins with neither http:// nor https://" explain GET /books
check "a method that is none likewise" refused_with 'the method is missing, or no token' explain 'GE T' http://any/

must label canary skep.http.timeout never
check "a bad label costs its rule" within 5 is 1 problems
check "and that rule alone" is "books:8080=/health books:8080/api/v1/books shop:80/…" rules
check "the log says so once" within 2 logged 1 'service canary, skep.http.timeout: "never" is not a time'
must label books skep.http.method GET
check "a label that changes is followed" within 5 contains 'method GET' skep n1 routes
check "the log does not say it again" logged 1 'service canary, skep.http.timeout: "never" is not a time'
must label canary skep.http.timeout 30s
check "mended, the rule is back" within 5 is 0 problems
check "and the log says that" within 2 logged 1 'no longer: service canary, skep.http.timeout'

many='[range(300) | {id: "s\(.)", name: "s\(.)", labels: {"skep.http.port": "80", "skep.http.path": "/s\(.)"}}]'
must model_set ".services += $many"
check "300 more services are followed" within 5 is 304 sh -c "'$SKEP' routes --json --run-dir '$RUN_DIR/n1/run' | jq '.rules | length'"
check "one screen tells why, even of many rules" lines_between 12 24 explain GET http://any/s17
check "unless all are asked for" lines_between 304 320 explain GET http://any/s17 --all

agent_stop n1
must agent_unload n1
