#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# skep proxy at the edge of HTTP: TLS, connections that are relayed as they are, the PROXY protocol. In one namespace, on its loopback; routes
# come from what a proxy keeps of the last ones.

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
# shellcheck source=../lib/lib.sh
. selftests/lib/lib.sh
. selftests/lib/net.sh

PEER=selftests/e2e/tls_peer.pl
TRUSTED=127.0.0.2 OTHER=127.0.0.3

certificate() { # certificate FILE HOST…: FILE.crt and FILE.key, from the CA; KEY: of which kind
	local file=$1 names
	shift
	names=$(printf ',DNS:%s' "$@")
	# shellcheck disable=SC2086 # two words
	openssl req -new -newkey ${KEY:-ec -pkeyopt ec_paramgen_curve:P-256} -nodes -subj "/CN=$1" -keyout "$file.key" 2>/dev/null |
		openssl x509 -req -CA "$RUN_DIR/ca.crt" -CAkey "$RUN_DIR/ca.key" -days "${DAYS:-30}" -out "$file.crt" \
			-extfile <(echo "subjectAltName=${names:1}") 2>/dev/null
}

authority() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=selftest" \
		-keyout "$RUN_DIR/ca.key" -out "$RUN_DIR/ca.crt" 2>/dev/null
}

service() { # service NAME PORT LABEL=VALUE…: and its task, on the loopback
	local name=$1 port=$2 label
	shift 2
	jq --arg name "$name" --arg port "$port" '.services += [{id: $name, name: $name, labels: {}}] |
		.tasks += [{id: "\($name).1", name: "\($name).1", service: $name, node: "n1",
			addresses: [{network: "app", address: "127.0.1.\(.tasks | length + 1)"}]}]' "$RUN_DIR/model" >"$RUN_DIR/model.new" || return 1
	for label; do
		jq --arg name "$name" --arg key "${label%%=*}" --arg value "${label#*=}" \
			'(.services[] | select(.id == $name) | .labels)[$key] = $value' "$RUN_DIR/model.new" >"$RUN_DIR/model.more" &&
			mv "$RUN_DIR/model.more" "$RUN_DIR/model.new" || return 1
	done
	mv "$RUN_DIR/model.new" "$RUN_DIR/model"
}

model() {
	echo '{"nodes": [{"id": "n1", "name": "n1", "address": "192.0.2.1", "ready": true}], "services": [], "tasks": [],
		"networks": [{"id": "app", "name": "app", "subnets": ["127.0.0.0/8"]}]}' >"$RUN_DIR/model"
	service web 18080 skep.http.port=18080 skep.http.path=/ &&
		service plain 18081 skep.http.port=18081 skep.http.host=plain.test &&
		service first 18081 skep.http.port=18081 skep.http.host=v1.test skep.http.proxy-protocol=v1 &&
		service second 18081 skep.http.port=18081 skep.http.host=v2.test skep.http.proxy-protocol=v2 &&
		service pass 18443 com.df.notify=true com.df.reqMode=sni com.df.srcPort=8443 com.df.serviceDomain=pass.test \
			com.df.port=18443 &&
		service echo 18081 com.df.notify=true com.df.reqMode=tcp com.df.srcPort=5000 com.df.port=18081 &&
		service greeted 18081 com.df.notify=true com.df.reqMode=tcp com.df.srcPort=5001 com.df.port=18081 \
			skep.http.proxy-protocol=v1 &&
		service short 18081 com.df.notify=true com.df.reqMode=tcp com.df.srcPort=5002 com.df.port=18081 com.df.timeoutTunnel=1 &&
		service taker 18081 com.df.notify=true com.df.reqMode=tcp com.df.srcPort=8080 com.df.port=18081 &&
		service nowhere 18081 com.df.notify=true com.df.reqMode=tcp com.df.srcPort=6000 com.df.port=18081 &&
		{
			echo '[]'
			jq -c . "$RUN_DIR/model"
		} >"$RUN_DIR/proxy/last"
}

start() { # start NAME COMMAND…
	spawn "$1" nsenter --net="/run/netns/$(netns edge)" "${@:2}"
}

proxy() { # proxy FLAG…
	start proxy "$SKEP" proxy --http 127.0.0.1:8080 --https 127.0.0.1:8443 --tls-dir "$RUN_DIR/tls" \
		--entry tcp=127.0.0.1:5000 --entry greeted=127.0.0.1:5001 --entry short=127.0.0.1:5002 --trust "$TRUSTED" \
		--run-dir "$RUN_DIR/proxy" --agent "$RUN_DIR/none.sock" --workers 2 --access-log "$RUN_DIR/access" "$@"
}

peer() {
	on edge "$PEER" "$@"
}

http() { # http URL [CURL ARGUMENT…]
	on edge curl -sf --max-time 10 --cacert "$RUN_DIR/ca.crt" --connect-to ::127.0.0.1: "$@"
}

s_client() { # s_client ARGUMENT…: what it says of the connection
	on edge timeout 10 openssl s_client -connect 127.0.0.1:8443 "$@" </dev/null 2>&1
}

refused_with() { # refused_with TEXT-OF-ALERT ARGUMENT…
	local output
	output=$(s_client "${@:2}")
	[[ $output == *"$1"* && $output == *"SSL alert number"* ]] || {
		echo "$output"
		return 1
	}
}

agreed() { # agreed ARGUMENT…: version and cipher, if there is an agreement
	s_client "$@" | sed -n 's/^New, \([^(]*\), Cipher is \([^(]*\)$/\1 \2/p'
}

versions() { # which are spoken of all that there are
	local version
	for version in tls1 tls1_1 tls1_2 tls1_3; do
		[ -z "$(agreed "-$version" -servername a.test -cipher ALL:@SECLEVEL=0)" ] || echo $version
	done
	[ "$(ssl3_answer)" = "an alert" ] || echo ssl3
}

ssl3_answer() { # to a ClientHello of SSL 3.0, as no program writes it any more
	on edge perl -MIO::Socket::INET -e '
		my $hello = pack("n", 0x0300) . "r" x 32 . "\0" . pack("n4", 6, 0x000a, 0x002f, 0x0035) . "\1\0";
		my $message = "\1" . substr(pack("N", length $hello), 1) . $hello;
		my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1:8443", Timeout => 5) or die;
		syswrite $socket, "\x16\3\0" . pack("n", length $message) . $message;
		sysread $socket, my $answer, 7;
		print $answer =~ /\A\x15..\x00\x02\x02/s ? "an alert" : "something else", "\n"'
}

suites_1_2() { # suites_1_2 HOST: those of TLS 1.2 that are taken when they are all that a client offers, of all that there are
	local suite
	for suite in $(openssl ciphers -s -tls1_2 ALL:COMPLEMENTOFALL:@SECLEVEL=0 | tr : ' '); do
		[ -z "$(agreed -tls1_2 -servername "$1" -cipher "$suite:@SECLEVEL=0" -sigalgs 'ECDSA+SHA256:RSA+SHA256:RSA-PSS+SHA256')" ] || echo "$suite"
	done | sort
}

suites_1_3() {
	local suite
	for suite in TLS_AES_128_GCM_SHA256 TLS_AES_256_GCM_SHA384 TLS_CHACHA20_POLY1305_SHA256 TLS_AES_128_CCM_SHA256 TLS_AES_128_CCM_8_SHA256; do
		[ -z "$(agreed -tls1_3 -servername a.test -ciphersuites $suite)" ] || echo $suite
	done
}

groups_taken() { # groups_taken VERSION: in which keys are agreed on
	local group
	for group in X25519 P-256 P-384 P-521 X448 brainpoolP256r1 ffdhe2048 ffdhe3072; do
		[ -z "$(agreed "-$1" -servername rsa.test -groups $group)" ] || echo $group
	done
}

subject() { # subject HOST: of the certificate that a client who names it gets; "": that names none
	local name=(-noservername)
	[ -z "$1" ] || name=(-servername "$1")
	s_client "${name[@]}" | sed -n 's/^subject=CN = //p'
}

metric() {
	sed -n "s/^$1 //p" "$RUN_DIR/proxy/metrics.prom"
}

logged() {
	grep -F -- "$1" "$RUN_DIR/log/proxy.log"
}

run_begin
need openssl gnutls-cli curl perl jq
mkdir -p "$RUN_DIR/tls" "$RUN_DIR/proxy" "$RUN_DIR/own"
must net_namespace edge
must authority
must certificate "$RUN_DIR/tls/a" a.test shared.test
must certificate "$RUN_DIR/tls/b" b.test '*.b.test' shared.test
must certificate "$RUN_DIR/own/pass" pass.test
must certificate "$RUN_DIR/tls/c" c.test
KEY=rsa:2048 must certificate "$RUN_DIR/tls/rsa" rsa.test
cat "$RUN_DIR/tls/c.key" "$RUN_DIR/tls/c.crt" >"$RUN_DIR/tls/c.pem"
rm "$RUN_DIR/tls/c.key" "$RUN_DIR/tls/c.crt"
must model
must start backend "$BACKEND" --name web --port 18080 --udp-port 18080
must start peer "$PEER" serve 18081
must start own openssl s_server -quiet -www -accept 18443 -cert "$RUN_DIR/own/pass.crt" -key "$RUN_DIR/own/pass.key"
must proxy
must within 5 http -k https://a.test:8443/

# TLS

check "a request over TLS is answered" contains web http https://a.test:8443/
check "its task is told of it, and of the client" is "https 127.0.0.1" \
	bash -c 'set -- $("$@") && echo "${*: -1} ${*: -2:1}"' _ nsenter --net="/run/netns/$(netns edge)" curl -sf \
	--cacert "$RUN_DIR/ca.crt" --connect-to ::127.0.0.1: -k https://plain.test:8443/
check "a large answer and a large request arrive whole" bash -c '
	cmp <("${@}" https://a.test:8443/bytes/20000000) <("${@}" http://a.test:8080/bytes/20000000) &&
	"${@}" https://a.test:8443/bytes/3000000 >'"$RUN_DIR"'/big &&
	[ "$("${@}" --data-binary @'"$RUN_DIR"'/big https://a.test:8443/upload)" = "$("${@}" --data-binary @'"$RUN_DIR"'/big http://a.test:8080/upload)" ]' \
	_ nsenter --net="/run/netns/$(netns edge)" curl -sf --cacert "$RUN_DIR/ca.crt" --connect-to ::127.0.0.1:
check "the certificate is that of the name" is b.test subject b.test
check "a wildcard is for one label" is b.test subject x.b.test
check "names have no case" is b.test subject X.B.TEST
check "of two for one name it is the first" is a.test subject shared.test
check "a pair may be one file" is c.test subject c.test
check "an unknown name gets the first" is a.test subject y.x.b.test
check "no name gets the first" is a.test subject ""
check "TLS 1.3 is spoken" contains "TLSv1.3" s_client -servername a.test -tls1_3
check "TLS 1.2 is spoken" contains "Protocol  : TLSv1.2" s_client -servername a.test -tls1_2
check "TLS 1.1 is refused" refused_with "protocol version" -servername a.test -tls1_1 -cipher ALL:@SECLEVEL=0
check "TLS 1.0 is refused" refused_with "protocol version" -servername a.test -tls1 -cipher ALL:@SECLEVEL=0
check "ciphers without forward secrecy are refused" refused_with "handshake failure" -servername a.test -tls1_2 \
	-cipher AES128-GCM-SHA256:AES256-SHA:AES128-SHA256:@SECLEVEL=0
check "ciphers without authentication of data are refused" refused_with "handshake failure" -servername a.test -tls1_2 \
	-cipher ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384:@SECLEVEL=0
check "of all versions only 1.2 and 1.3 are spoken" is $'tls1_2\ntls1_3' versions
check "of all suites of TLS 1.2 those with forward secrecy and authenticated encryption are taken" is \
	$'ECDHE-ECDSA-AES128-GCM-SHA256\nECDHE-ECDSA-AES256-GCM-SHA384\nECDHE-ECDSA-CHACHA20-POLY1305' suites_1_2 a.test
check "by a certificate of RSA, too" is \
	$'ECDHE-RSA-AES128-GCM-SHA256\nECDHE-RSA-AES256-GCM-SHA384\nECDHE-RSA-CHACHA20-POLY1305' suites_1_2 rsa.test
check "of TLS 1.3 its three" is $'TLS_AES_128_GCM_SHA256\nTLS_AES_256_GCM_SHA384\nTLS_CHACHA20_POLY1305_SHA256' suites_1_3
check "keys are agreed on in three groups" is $'X25519\nP-256\nP-384' groups_taken tls1_3
check "in TLS 1.2, too" is $'X25519\nP-256\nP-384' groups_taken tls1_2
check "nothing is compressed" contains "Compression: NONE" s_client -servername a.test -tls1_2
check "the secret of TLS 1.2 is bound to its handshake" contains "Extended master secret: yes" s_client -servername a.test -tls1_2
check "GnuTLS agrees" contains "Handshake was completed" on edge timeout 10 gnutls-cli --x509cafile "$RUN_DIR/ca.crt" \
	--sni-hostname a.test --verify-hostname a.test --port 8443 127.0.0.1
check "HTTP/1.1 is agreed on" contains "ALPN protocol: http/1.1" s_client -servername a.test -alpn h2,http/1.1
check "who speaks nothing that the proxy does is told" refused_with "no application protocol" -servername a.test -alpn h2
check "a client is not renegotiated with" bash -c '{ echo R; sleep 0.3; } | nsenter --net="$1" timeout 10 openssl s_client -tls1_2 \
	-connect 127.0.0.1:8443 -servername a.test 2>&1 | grep -i "no renegotiation"' _ "/run/netns/$(netns edge)"
check "a session is resumed" bash -c 'for i in 1 2; do
	printf "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n" | nsenter --net="$1" timeout 10 openssl s_client -ign_eof \
		-connect 127.0.0.1:8443 -servername a.test $([ $i = 2 ] && echo -sess_in || echo -sess_out) "$2/session" 2>&1
	done | grep ^Reused' _ "/run/netns/$(netns edge)" "$RUN_DIR"
check "plain HTTP to TLS brings nothing" fails http http://a.test:8443/

# certificates change

rate() { # rate NAME FLAG…: 5 s of requests
	start "$1" curl -s --cacert "$RUN_DIR/ca.crt" --connect-to ::127.0.0.1: --rate 50/s -o /dev/null -w '%{http_code} %{num_connects}\n' \
		"${@:2}" 'https://a.test:8443/bytes/[1-250]'
}
all_well() { # all_well NAME: all answered
	[ "$(grep -c '^200 ' "$RUN_DIR/log/$1.log")" = 250 ] || sort "$RUN_DIR/log/$1.log" | uniq -c | (! cat)
}
must rate fresh -H 'Connection: close'
must rate more -H 'Connection: close'
must rate kept
swaps=0
while running fresh && running more; do
	# As renewals do it: the two files one after another, each whole.
	certificate "$RUN_DIR/own/new" a.test shared.test || break
	mv "$RUN_DIR/own/new.crt" "$RUN_DIR/tls/a.crt"
	mv "$RUN_DIR/own/new.key" "$RUN_DIR/tls/a.key"
	swaps=$((swaps + 1))
done
must within 10 not_running fresh
must within 10 not_running more
must within 10 not_running kept
check "certificates are swapped meanwhile" [ "$swaps" -ge 10 ]
check "no request on a new connection fails under it" all_well fresh
check "nor one of the others" all_well more
check "nor one on a connection that stays" all_well kept
serial() {
	openssl x509 -noout -serial -in "$1"
}
served_serial() {
	s_client -servername a.test | openssl x509 -noout -serial
}
served_is() { # served_is FILE
	is "$(serial "$1")" served_serial
}
check "the last one is served" within 5 served_is "$RUN_DIR/tls/a.crt"
cp "$RUN_DIR/tls/a.crt" "$RUN_DIR/own/good.crt"
echo nonsense >"$RUN_DIR/own/bad" && mv "$RUN_DIR/own/bad" "$RUN_DIR/tls/a.crt"
check "what is broken is told" within 5 logged "certificate $RUN_DIR/tls/a.crt is not used: there is no certificate in $RUN_DIR/tls/a.crt; the one before stays"
check "and is in the metrics" within 10 contains 'skep_proxy_certificate_broken{certificate="a"} 1' cat "$RUN_DIR/proxy/metrics.prom"
check "and the last good one stays" served_is "$RUN_DIR/own/good.crt"
mv "$RUN_DIR/own/good.crt" "$RUN_DIR/tls/a.crt"
DAYS=2 must certificate "$RUN_DIR/tls/default" default.test
check "a new one named default is for unknown names" within 5 is default.test subject nobody.test
check "that it expires soon is told" within 5 logged "warning: certificate default expires in 4"
rm "$RUN_DIR/tls/default.crt" "$RUN_DIR/tls/default.key"
check "one that is removed goes" within 5 is a.test subject nobody.test
check "until when each is valid is in the metrics" is "$(date -d "$(openssl x509 -noout -enddate -in "$RUN_DIR/tls/b.crt" | cut -d= -f2)" +%s)" \
	metric 'skep_proxy_certificate_expires_seconds{certificate="b"}'
check "none is broken any more" within 10 is 0 metric skep_proxy_certificates_broken

# connections as they are

check "TLS is passed through to whom its name is" is pass.test subject pass.test
check "and a request in it is the task's own" contains "s_server" http https://pass.test:8443/
check "beside it TLS ends at the same port" is b.test subject b.test
check "an entry's connections go to a service" is $'echo this\nend' peer send 127.0.0.1 5000 127.0.0.1 'echo this\n'
check "the end of one way leaves the other open" is $'echo\nend' peer send 127.0.0.1 5000 127.0.0.1 'echo\n'
check "a task is told whose connection it is" contains "PROXY TCP4 127.0.0.4 127.0.0.1 " \
	peer send 127.0.0.1 5001 127.0.0.4 'GET / HTTP/1.1\r\n\r\n'
check "an idle one ends when its label says" within 10 is "echo" peer stay 127.0.0.1 5002 127.0.0.1 'echo\n'
check "no service takes HTTP's own port" contains web http http://a.test:8080/
check "a port that is no entry's is told of" within 5 logged "service nowhere: no entry has port 6000"
check "they are counted with their routes" within 15 contains 'skep_route_requests_total{route="echo",code="1xx"} 2' \
	cat "$RUN_DIR/proxy/metrics.prom"
check "and logged" contains '"- - TCP" 101' cat "$RUN_DIR/access"

# the PROXY protocol

request='GET / HTTP/1.1\r\nHost: plain.test\r\nConnection: close\r\n\r\n'
tell_of() { # tell_of FROM HEADER: what a task hears of the client
	peer send 127.0.0.1 8080 "$1" "$2$request" | tail -n 1 | cut -d ' ' -f 3-
}
signature='\r\n\r\n\x00\r\nQUIT\n'
check "version 1 of a trusted proxy is believed" is "198.51.100.7 http" tell_of "$TRUSTED" \
	'PROXY TCP4 198.51.100.7 203.0.113.1 4711 80\r\n'
check "version 1 tells of IPv6" is "2001:db8::7 http" tell_of "$TRUSTED" 'PROXY TCP6 2001:db8::7 2001:db8::1 4711 80\r\n'
check "version 2, too" is "198.51.100.8 http" tell_of "$TRUSTED" \
	"$signature"'\x21\x11\x00\x0c\xc6\x33\x64\x08\xcb\x00\x71\x01\x12\x67\x00\x50'
check "a proxy that speaks for itself is the client" is "$TRUSTED http" tell_of "$TRUSTED" "$signature"'\x20\x00\x00\x00'
check "who is trusted need not speak it" is "$TRUSTED http" tell_of "$TRUSTED" ''
check "a wrong header closes the connection" is "" tell_of "$TRUSTED" 'PROXY TCP4 198.51.100.7 nowhere 4711 80\r\n'
check "who is not trusted is not believed" contains "400 Bad Request" peer send 127.0.0.1 8080 "$OTHER" \
	'PROXY TCP4 198.51.100.7 203.0.113.1 4711 80\r\n'"$request"
check "it comes before TLS, too" contains "127.0.0.2 https" on edge curl -sf --cacert "$RUN_DIR/ca.crt" --interface "$TRUSTED" \
	--haproxy-protocol --connect-to ::127.0.0.1: -k https://plain.test:8443/
check "and before a connection that is relayed" is $'echo\nend' peer send 127.0.0.1 5000 "$TRUSTED" \
	'PROXY TCP4 198.51.100.7 203.0.113.1 4711 80\r\necho\n'
check "whoever is silent there is not waited for long" is $'end' bash -c 'nsenter --net="$1" "$2" stay 127.0.0.1 5002 "$3" "" || true; echo end' _ \
	"/run/netns/$(netns edge)" "$PEER" "$TRUSTED"
heard() { # heard HOST FROM: what came before the request, and on which connection
	http -H "Host: $1" --interface "$2" http://any.test:8080/
}
check "a task with the label hears of the client, in version 1" contains "PROXY TCP4 127.0.0.5 127.0.0.1 " heard v1.test 127.0.0.5
check "and in version 2" contains '\x0d\x0a\x0d\x0a\x00\x0d\x0aQUIT\x0a!\x11\x00\x0c\x7f\x00\x00\x06\x7f\x00\x00\x01' heard v2.test 127.0.0.6
check "no connection that told of a client serves another" bash -c '[ "$(nsenter --net="$1" curl -sf -H "Host: v1.test" --connect-to ::127.0.0.1: \
	"http://any.test:8080/?[1-5]" | cut -d " " -f 1 | sort -u | wc -l)" = 5 ]' _ "/run/netns/$(netns edge)"
check "what a trusted proxy told is told on" contains "PROXY TCP4 198.51.100.7 203.0.113.1 4711 80" \
	peer send 127.0.0.1 5001 "$TRUSTED" 'PROXY TCP4 198.51.100.7 203.0.113.1 4711 80\r\nGET / HTTP/1.1\r\n\r\n'

# strict

stop proxy
must proxy --tls-strict on
must within 5 http https://a.test:8443/
check "strict, an unknown name is refused" refused_with "unrecognized name" -servername nobody.test
check "strict, a missing name is refused" refused_with "unrecognized name" -noservername
check "strict, a known name is not" is b.test subject b.test
stop proxy
mv "$RUN_DIR/tls" "$RUN_DIR/gone"
must proxy
check "without its directory it does not start, and says why" within 5 logged "cannot watch $RUN_DIR/tls for changes: No such file or directory"
