/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The proxy's configuration: flags, and lines `name value` of a file; flags win. A value: nothing
 * in it is allocated.
 */
#ifndef SKEP_PROXY_CONFIG_H
#define SKEP_PROXY_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/error.h"
#include "lib/log.h"

#define PROXY_CONFIG_FILE "/etc/skep/proxy.conf"
#define PROXY_RUN_DIR	  "/run/skep-proxy"
#define PROXY_PATH_SIZE	  256
#define PROXY_NAME_SIZE	  32
#define PROXY_MAX_ENTRIES 16
#define PROXY_MAX_TRUSTED 64
#define PROXY_MAX_WORKERS 64
#define PROXY_HTTP	  "http"  /* the entry of --http */
#define PROXY_HTTPS	  "https" /* of --https */

struct proxy_entry { /* where clients come in */
	char name[PROXY_NAME_SIZE];
	struct skep_addr addr; /* zero: any */
	uint16_t port;	       /* host order */
	char port_text[6];     /* the same */
	bool tls;	       /* clients speak TLS, which ends here */
};

enum proxy_log_format {
	PROXY_LOG_COMBINED,
	PROXY_LOG_JSON
};

/* By what means payload is moved. */
enum proxy_relay {
	PROXY_RELAY_AUTO, /* by the cheaper one, as measured */
	PROXY_RELAY_COPY,
	PROXY_RELAY_SPLICE, /* whatever is not framed anew, which only copying can do */
};

struct proxy_config {
	struct proxy_entry entries[PROXY_MAX_ENTRIES];
	size_t n_entries;
	bool https_said;  /* by a flag or the file: else it is there if there are certificates */
	uint32_t workers; /* threads; 0: as many as CPUs this process may use */
	char agent_socket[PROXY_PATH_SIZE]; /* of the local API */
	char run_dir[PROXY_PATH_SIZE];
	char user[PROXY_NAME_SIZE]; /* to become; "": stay who it is */
	enum log_level log_level;

	char tls_dir[PROXY_PATH_SIZE]; /* of certificates; "": none */
	bool tls_strict;	       /* refuses clients that name no host that has one */

	/* Clients whose X-Forwarded-* are believed and added to, and who may begin with a header of
	 * the PROXY protocol. */
	struct addr_prefix trusted[PROXY_MAX_TRUSTED];
	size_t n_trusted;

	uint32_t head_bytes; /* of a request's or an answer's head */
	uint32_t head_fields;
	uint32_t head_time_ms; /* from a request's first byte to its head's last */
	uint32_t body_rate;    /* bytes/s below which, over 10 s, a request's body is too slow; 0:
				  any */
	uint32_t idle_time_ms; /* of a client between requests */
	uint32_t connect_time_ms; /* to a task */
	uint32_t answer_time_ms;  /* a task's silence, where the route does not say */
	uint32_t pool;		  /* idle connections kept for each task, by each worker */
	uint32_t pool_time_ms;	  /* and for how long */
	uint32_t max_connections; /* of clients, all workers together */
	uint32_t drain_time_ms;	  /* for requests in flight when it ends */
	enum proxy_relay relay;
	uint32_t splice_from; /* PROXY_RELAY_AUTO: bytes of payload from which splice(2)
				 moves it; 0: never */

	char access_log[PROXY_PATH_SIZE]; /* "": none; "-": standard output */
	enum proxy_log_format access_format;
};

bool proxy_config_has_port(const struct proxy_config *config, uint16_t port);
bool proxy_config_trusts(const struct proxy_config *config, const struct skep_addr *addr);

/* Defaults, file, flags: see settings_read(). */
int proxy_config_read(struct proxy_config *config, int argc, char *const argv[],
		      struct skep_error *error);

#endif
