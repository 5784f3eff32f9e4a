/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The agent's configuration: flags, and lines `name value` of a file; flags win. A value: nothing
 * in it is allocated.
 */
#ifndef SKEP_AGENT_CONFIG_H
#define SKEP_AGENT_CONFIG_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "datapath/datapath.h"
#include "lib/addr.h"
#include "lib/error.h"
#include "lib/log.h"

#define CONFIG_FILE	      "/etc/skep/skep.conf"
#define CONFIG_RUN_DIR	      "/run/skep"
#define CONFIG_BPFFS	      "/sys/fs/bpf/skep"
#define CONFIG_SOCKET	      "skep.sock" /* of the local API, in the run directory */
#define CONFIG_PATH_SIZE      256
#define CONFIG_GROUP_SIZE     33
#define CONFIG_MAX_INTERFACES 32
#define CONFIG_MAX_VIPS	      64

enum config_source {
	CONFIG_SOURCE_AUTO,
	CONFIG_SOURCE_SWARM,
	CONFIG_SOURCE_FEED,
	CONFIG_SOURCE_FILE
};

struct agent_config {
	char interfaces[CONFIG_MAX_INTERFACES][IF_NAMESIZE];
	size_t n_interfaces;			/* 0: the one that carries the underlay address */
	struct skep_addr vips[CONFIG_MAX_VIPS]; /* sorted, each once, IPv4 */
	bool vip_hold[CONFIG_MAX_VIPS];		/* this node is to hold it, unless told otherwise */
	size_t n_vips;
	enum config_source source;
	char source_path[CONFIG_PATH_SIZE];   /* of CONFIG_SOURCE_FILE */
	char docker_socket[CONFIG_PATH_SIZE]; /* path */
	char docker_root[CONFIG_PATH_SIZE];
	uint16_t feed_port;   /* host order */
	uint16_t tunnel_port; /* host order */
	char bpffs[CONFIG_PATH_SIZE];
	char state_dir[CONFIG_PATH_SIZE];
	char run_dir[CONFIG_PATH_SIZE];
	char cgroup[CONFIG_PATH_SIZE]; /* "": the root of cgroup2; "off": names are not served */
	struct skep_addr metrics_addr; /* IPv4; with metrics_port 0: none are served */
	uint16_t metrics_port;	       /* host order */
	char proxy_metrics[CONFIG_PATH_SIZE]; /* the proxy's file, which goes along */
	char socket_group[CONFIG_GROUP_SIZE]; /* who else may read from the local API; "": root only
					       */
	enum log_level log_level;
	uint32_t max_flows; /* entries of each map */
	uint32_t max_tasks;
	uint32_t max_services;
	uint32_t max_frontends;
	uint32_t max_nodes;
	enum datapath_mode datapath;
	bool dsr; /* --return */
};

/*
 * Defaults, then the file (CONFIG_FILE if it is there, or `--config PATH`, which must be), then the
 * flags in argv[0..argc-1] (without the program's and the subcommand's name), as `--name value` or
 * `--name=value`. -EINVAL: usage; error names the flag, or file and line. Other errors: the file
 * could not be read.
 */
int agent_config_read(struct agent_config *config, int argc, char *const argv[],
		      struct skep_error *error);

#endif
