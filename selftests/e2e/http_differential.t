#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What skep's HTTP takes and sends on is read by nginx and HAProxy as the same requests: method, target, host, a field, the
# body's length, and how many requests there are. In a network namespace of its own.
. "$(dirname "$0")/../lib/lib.sh"
. "$(dirname "$0")/../lib/net.sh"
run_begin
need nginx haproxy
must build build/selftests/http_differential
CASES=1500

must net_namespace peer
mkdir "$RUN_DIR/nginx"

# The server in front reads bodies whole and sends them on with their length to the one behind it, which says it.
cat >"$RUN_DIR/nginx/nginx.conf" <<EOF
daemon off;
master_process off;
pid $RUN_DIR/nginx/pid;
error_log stderr crit;
events { worker_connections 512; }
http {
	access_log off;
	keepalive_requests 100000;
	client_body_temp_path $RUN_DIR/nginx/body;
	proxy_temp_path $RUN_DIR/nginx/proxy;
	fastcgi_temp_path $RUN_DIR/nginx/fastcgi;
	uwsgi_temp_path $RUN_DIR/nginx/uwsgi;
	scgi_temp_path $RUN_DIR/nginx/scgi;
	upstream behind { server 127.0.0.1:8001; keepalive 8; }
	server {
		listen 127.0.0.1:8000;
		location / {
			proxy_pass http://behind;
			proxy_http_version 1.1;
			proxy_set_header Host \$http_host;
			proxy_set_header Connection "";
		}
	}
	map \$content_length \$body_length { default \$content_length; "" 0; }
	server {
		listen 127.0.0.1:8001;
		location / { return 200 "\$request_method|\$request_uri|\$http_host|\$http_x_probe|\$body_length"; }
	}
}
EOF

cat >"$RUN_DIR/haproxy.cfg" <<EOF
defaults
	mode http
	timeout client 10s
	timeout http-request 10s
	timeout server 10s
	timeout connect 10s
frontend peer
	bind 127.0.0.1:8002
	http-request wait-for-body time 10s
	http-request return status 200 content-type text/plain lf-string "%[method]|%[url]|%[req.fhdr(host)]|%[req.fhdr(x-probe)]|%[req.body_size]"
EOF

must spawn nginx nsenter --net="/run/netns/$(netns peer)" nginx -p "$RUN_DIR/nginx" -c "$RUN_DIR/nginx/nginx.conf"
must spawn haproxy nsenter --net="/run/netns/$(netns peer)" haproxy -db -f "$RUN_DIR/haproxy.cfg"

listens() {
	on peer bash -c "exec 3<>/dev/tcp/127.0.0.1/$1" 2>/dev/null
}
must within 10 listens 8000
must within 10 listens 8001
must within 10 listens 8002

# Nothing is read differently; many were sent; few are refused (nginx takes no asterisk), so that this compares something.
agrees() {
	local counts
	counts=$(on peer "$ROOT/build/selftests/http_differential" "127.0.0.1:$1" "$2" $CASES) || { echo "$counts"; return 1; }
	diag "$counts"
	eval "$counts"
	# shellcheck disable=SC2154 # set by that line
	[ "$requests" -ge $CASES ] && [ "$((refused_by_them * 20))" -le "$cases" ] && [ "$refused_by_us" -ge $((CASES / 10)) ]
}
check "nginx reads what skep sends on as skep does" agrees 8000 1
check "and with other requests" agrees 8000 2
check "HAProxy reads what skep sends on as skep does" agrees 8002 1
check "and with other requests" agrees 8002 2
