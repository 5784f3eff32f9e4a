# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The proxies that bench-http compares, each in front of the backend on $BACKEND_PORT of 127.0.0.1. Sourced after lib/lib.sh, lib/net.sh and lib/proxy.sh.
#
#   certificate_make            ECDSA P-256, for bench.example, in $RUN_DIR/tls/bench.pem: every proxy's.
#   system_start NAME WORKERS   NAME: skep, nginx, haproxy, or a variant of skep (RELAYS): copy, splice, … as --relay says them; hop: with --local-hop.
#   system_stop NAME
#   port_of NAME [tls]          Where it takes clients; "direct" is the backend.
#   cpus WORKERS                Of a proxy; others WORKERS: of client and backend.
#   variants                    Those that this build of skep knows.
#
# Equal for all: upstream connections are kept, sessions are resumed by stateless tickets and no session is cached, nothing is logged, X-Forwarded-For
# is added, Upgrade is passed on, TLS is 1.2 or 1.3 with records of up to 16 KiB, as many workers.

BACKEND_PORT=18080
SYSTEMS=(direct skep nginx haproxy auto copy splice sockmap hop)

start() { # start NAME COMMAND…
	spawn "$1" nsenter --net="/run/netns/$(netns bench)" "${@:2}"
}

cpus() {
	[ "$1" = 1 ] && echo 1 || echo 0,1
}

others() {
	[ "$1" = 1 ] && echo 0 || echo 0,1
}

port_of() {
	local i
	[ "$1" != direct ] || { echo $BACKEND_PORT && return; }
	for i in "${!SYSTEMS[@]}"; do [ "${SYSTEMS[i]}" != "$1" ] || echo $((${2:+100} + 8000 + i)); done
}

variants() {
	# The program's own word for what it would take.
	"$SKEP" proxy --relay '?' 2>&1 | sed -n 's/.* none of //p' | tr -d ,
	"$SKEP" proxy --local-hop '?' 2>&1 | grep -q 'no such setting' || echo hop
}

certificate_make() {
	mkdir "$RUN_DIR/tls" &&
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=bench.example \
			-addext subjectAltName=DNS:bench.example -keyout "$RUN_DIR/key.pem" -out "$RUN_DIR/certificate.pem" &&
		cat "$RUN_DIR/certificate.pem" "$RUN_DIR/key.pem" >"$RUN_DIR/tls/bench.pem"
}

skep_start() { # skep_start NAME WORKERS FLAG…
	mkdir -p "$RUN_DIR/$1"
	proxy_last_word bench $BACKEND_PORT >"$RUN_DIR/$1/last"
	start "$1" taskset -c "$(cpus "$2")" "$SKEP" proxy --http "127.0.0.1:$(port_of "$1")" --https "127.0.0.1:$(port_of "$1" tls)" \
		--tls-dir "$RUN_DIR/tls" --run-dir "$RUN_DIR/$1" --agent "$RUN_DIR/none.sock" --workers "$2" --max-connections 15000 \
		--idle-time 600 --log-level error "${@:3}"
}

nginx_start() { # nginx_start WORKERS
	mkdir -p "$RUN_DIR/nginx"
	cat >"$RUN_DIR/nginx/nginx.conf" <<-END
		worker_processes $1;
		daemon off;
		pid $RUN_DIR/nginx/pid;
		error_log stderr crit;
		events { worker_connections 15000; }
		http {
			access_log off;
			client_body_temp_path $RUN_DIR/nginx/body;
			proxy_temp_path $RUN_DIR/nginx/proxy;
			fastcgi_temp_path $RUN_DIR/nginx/fastcgi;
			uwsgi_temp_path $RUN_DIR/nginx/uwsgi;
			scgi_temp_path $RUN_DIR/nginx/scgi;
			tcp_nodelay on;
			keepalive_timeout 600s;
			keepalive_requests 1000000000;
			client_max_body_size 0;
			client_body_buffer_size 128k;
			map \$http_upgrade \$connection_upgrade {
				default upgrade;
				'' '';
			}
			upstream backend {
				server 127.0.0.1:$BACKEND_PORT;
				keepalive 256;
				keepalive_requests 1000000000;
			}
			server {
				listen 127.0.0.1:$(port_of nginx) reuseport backlog=4096;
				listen 127.0.0.1:$(port_of nginx tls) ssl reuseport backlog=4096;
				ssl_certificate $RUN_DIR/tls/bench.pem;
				ssl_certificate_key $RUN_DIR/tls/bench.pem;
				ssl_protocols TLSv1.2 TLSv1.3;
				ssl_session_cache none;
				ssl_session_tickets on;
				location / {
					proxy_pass http://backend;
					proxy_http_version 1.1;
					proxy_set_header Connection \$connection_upgrade;
					proxy_set_header Upgrade \$http_upgrade;
					proxy_set_header Host \$host;
					proxy_set_header X-Real-IP \$remote_addr;
					proxy_set_header X-Forwarded-For \$remote_addr;
					proxy_set_header X-Forwarded-Proto \$scheme;
					proxy_buffer_size 16k;
					proxy_buffers 8 32k;
					proxy_busy_buffers_size 128k;
					proxy_max_temp_file_size 0;
					proxy_request_buffering off;
				}
			}
		}
	END
	start nginx taskset -c "$(cpus "$1")" nginx -p "$RUN_DIR/nginx" -c "$RUN_DIR/nginx/nginx.conf"
}

haproxy_start() { # haproxy_start WORKERS
	cat >"$RUN_DIR/haproxy.cfg" <<-END
		global
			nbthread $1
			maxconn 15000
			no strict-limits
			tune.ssl.cachesize 0
			ssl-default-bind-options ssl-min-ver TLSv1.2
		defaults
			mode http
			timeout connect 5s
			timeout client 600s
			timeout server 60s
			timeout tunnel 600s
			timeout http-keep-alive 600s
			http-reuse always
			option forwardfor
			option splice-auto
		frontend clients
			bind 127.0.0.1:$(port_of haproxy) backlog 4096 shards by-thread
			bind 127.0.0.1:$(port_of haproxy tls) ssl crt $RUN_DIR/tls/bench.pem alpn http/1.1 backlog 4096 shards by-thread
			default_backend tasks
		backend tasks
			server one 127.0.0.1:$BACKEND_PORT pool-max-conn 256
	END
	start haproxy taskset -c "$(cpus "$1")" haproxy -db -q -f "$RUN_DIR/haproxy.cfg"
}

system_start() {
	case $1 in
	nginx | haproxy) "$1_start" "$2" ;;
	skep) skep_start "$1" "$2" ;;
	hop) skep_start "$1" "$2" --local-hop redirect ;;
	*) skep_start "$1" "$2" --relay "$1" ;;
	esac
	within 5 answers "$(port_of "$1")" >/dev/null || {
		show_logs
		bail_out "$1 does not answer"
	}
}

system_stop() {
	stop "$1"
}

answers() { # answers PORT
	CONNECTIONS=1 SECONDS_EACH=0.01 on bench "$RUN_DIR/http_load" "$1" /10
}
