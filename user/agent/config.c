/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/config.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "lib/settings.h"
#include "model/model.h"
#include "net/net.h"
#include "skep/tunnel.h"
#include "source/docker.h"

/* What fits a unix socket's address, its final NUL left out. */
#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

static int set_docker(void *context, const struct setting *setting, const char *value,
		      struct skep_error *error)
{
	struct agent_config *config = context;
	const char *path = docker_socket_path(value);

	if (!path)
		return error_set(error, -EINVAL, "\"%s\" is not of the form unix:///path", value);
	return settings_path(config, setting, path, error);
}

static int set_source(void *context, const struct setting *setting, const char *value,
		      struct skep_error *error)
{
	struct agent_config *config = context;
	static const char *const names[] = {
		[CONFIG_SOURCE_AUTO] = "auto",
		[CONFIG_SOURCE_SWARM] = "swarm",
		[CONFIG_SOURCE_FEED] = "feed",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(value, names[i]) == 0) {
			config->source = (enum config_source)i;
			return 0;
		}
	if (strncmp(value, "file:", 5) != 0)
		return error_set(error, -EINVAL, "\"%s\" is none of auto, swarm, feed, file:PATH",
				 value);
	if (!value[5] || strlen(value + 5) > setting->most)
		return error_set(error, -EINVAL, "file: needs a path of 1 to %lu bytes",
				 setting->most);
	config->source = CONFIG_SOURCE_FILE;
	memcpy(config->source_path, value + 5, strlen(value + 5) + 1);
	return 0;
}

static int set_datapath(void *context, const struct setting *setting, const char *value,
			struct skep_error *error)
{
	struct agent_config *config = context;
	static const char *const names[] = {
		[DATAPATH_AUTO] = "auto",
		[DATAPATH_XDP] = "xdp",
		[DATAPATH_TC] = "tc",
	};

	(void)setting;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(value, names[i]) == 0) {
			config->datapath = (enum datapath_mode)i;
			return 0;
		}
	return error_set(error, -EINVAL, "\"%s\" is none of auto, xdp, tc", value);
}

/* A directory, or off */
static int set_cgroup(void *context, const struct setting *setting, const char *value,
		      struct skep_error *error)
{
	struct agent_config *config = context;

	if (strcmp(value, "off") != 0)
		return settings_path(context, setting, value, error);
	memcpy(config->cgroup, value, strlen(value) + 1);
	return 0;
}

/* ADDR:PORT, :PORT, or off */
static int set_metrics(void *context, const struct setting *setting, const char *value,
		       struct skep_error *error)
{
	struct agent_config *config = context;
	const char *colon = strrchr(value, ':');
	size_t length = colon ? (size_t)(colon - value) : 0;
	char addr[ADDR_TEXT_SIZE];
	int err;

	config->metrics_port = 0;
	config->metrics_addr = skep_addr_v4(0);
	if (strcmp(value, "off") == 0)
		return 0;
	if (!colon || length >= sizeof(addr))
		goto refuse;
	memcpy(addr, value, length);
	addr[length] = '\0';
	if (length &&
	    (addr_parse(addr, &config->metrics_addr) || !skep_addr_is_v4(&config->metrics_addr)))
		goto refuse;
	err = settings_u16(config, setting, colon + 1, error);
	return err ? error_prefix(error, err, "port") : 0;
refuse:
	return error_set(error, -EINVAL, "\"%s\" is none of ADDR:PORT, :PORT, off", value);
}

static int set_socket_group(void *context, const struct setting *setting, const char *value,
			    struct skep_error *error)
{
	struct agent_config *config = context;
	(void)setting;
	if (!*value || strlen(value) >= sizeof(config->socket_group))
		return error_set(error, -EINVAL, "\"%s\" is not a group's name", value);
	memcpy(config->socket_group, value, strlen(value) + 1);
	return 0;
}

static int set_return(void *context, const struct setting *setting, const char *value,
		      struct skep_error *error)
{
	struct agent_config *config = context;
	(void)setting;
	config->dsr = strcmp(value, "dsr") == 0;
	if (!config->dsr && strcmp(value, "tunnel") != 0)
		return error_set(error, -EINVAL, "\"%s\" is neither tunnel nor dsr", value);
	return 0;
}

static int set_log_level(void *context, const struct setting *setting, const char *value,
			 struct skep_error *error)
{
	struct agent_config *config = context;
	(void)setting;
	if (log_level_parse(value, &config->log_level))
		return error_set(error, -EINVAL, "\"%s\" is none of error, warning, info, debug",
				 value);
	return 0;
}

static int add_interface(struct agent_config *config, const char *name, size_t length,
			 struct skep_error *error)
{
	if (!length || length >= IF_NAMESIZE || memchr(name, '/', length))
		return error_set(error, -EINVAL, "\"%.*s\" is not an interface's name", (int)length,
				 name);
	for (size_t i = 0; i < length; i++)
		if (!isgraph((unsigned char)name[i]))
			return error_set(error, -EINVAL,
					 "interface names have no space or control character");
	if (length == strlen(NET_MESH_NAME) && memcmp(name, NET_MESH_NAME, length) == 0)
		return error_set(error, -EINVAL, "%s is skep's own, clients do not come in by it",
				 NET_MESH_NAME);
	for (size_t i = 0; i < config->n_interfaces; i++)
		if (strncmp(config->interfaces[i], name, length) == 0 &&
		    !config->interfaces[i][length])
			return error_set(error, -EINVAL, "%s is named twice",
					 config->interfaces[i]);
	if (config->n_interfaces == CONFIG_MAX_INTERFACES)
		return error_set(error, -EINVAL, "more than %d interfaces", CONFIG_MAX_INTERFACES);
	memcpy(config->interfaces[config->n_interfaces], name, length);
	config->interfaces[config->n_interfaces++][length] = '\0';
	return 0;
}

static int set_interface(void *context, const struct setting *setting, const char *value,
			 struct skep_error *error)
{
	struct agent_config *config = context;
	(void)setting;
	config->n_interfaces = 0;
	for (;;) {
		size_t length = strcspn(value, ",");
		int err = add_interface(config, value, length, error);

		if (err || !value[length])
			return err;
		value += length + 1;
	}
}

/* An address of one host: one that others may send to and that may be put on an interface. */
static bool is_host(const struct skep_addr *addr)
{
	uint32_t first = ntohl(addr->word[3]) >> 24;

	return first != 0 && first != 127 && first < 224;
}

/* ADDR, or ADDR,hold */
static int add_vip(void *context, const struct setting *setting, const char *value,
		   struct skep_error *error)
{
	struct agent_config *config = context;
	const char *comma = strchrnul(value, ',');
	char text[ADDR_TEXT_SIZE];
	struct skep_addr addr;
	size_t at = 0, left;

	(void)setting;
	snprintf(text, sizeof(text), "%.*s", (int)(comma - value), value);
	if (comma - value >= ADDR_TEXT_SIZE || addr_parse(text, &addr) || !skep_addr_is_v4(&addr) ||
	    !addr.word[3])
		return error_set(error, -EINVAL, "\"%s\" is not an IPv4 address", value);
	if (*comma && strcmp(comma, ",hold") != 0)
		return error_set(error, -EINVAL,
				 "only \",hold\" may follow the address, not \"%s\"", comma);
	if (!is_host(&addr))
		return error_set(error, -EINVAL, "%s is not the address of a host", text);
	while (at < config->n_vips && addr_compare(&config->vips[at], &addr) < 0)
		at++;
	if (at < config->n_vips && skep_addr_equal(&config->vips[at], &addr))
		return error_set(error, -EINVAL, "%s is given twice", text);
	if (config->n_vips == CONFIG_MAX_VIPS)
		return error_set(error, -EINVAL, "more than %d addresses", CONFIG_MAX_VIPS);
	left = config->n_vips - at;
	memmove(&config->vips[at + 1], &config->vips[at], left * sizeof(addr));
	memmove(&config->vip_hold[at + 1], &config->vip_hold[at], left * sizeof(bool));
	config->vips[at] = addr;
	config->vip_hold[at] = *comma != '\0';
	config->n_vips++;
	return 0;
}

static void clear_vips(void *context)
{
	((struct agent_config *)context)->n_vips = 0;
}

#define FIELD(field) offsetof(struct agent_config, field)
#define PATH(name, field)                                                                          \
	{                                                                                          \
		name, settings_path, FIELD(field), 0, CONFIG_PATH_SIZE - 1, NULL                   \
	}

static const struct setting settings[] = {
	{"interface", set_interface, 0, 0, 0, NULL},
	{"vip", add_vip, 0, 0, 0, clear_vips},
	{"source", set_source, 0, 0, CONFIG_PATH_SIZE - 1, NULL},
	{"docker", set_docker, FIELD(docker_socket), 0, SOCKET_PATH_MAX, NULL},
	PATH("docker-root", docker_root),
	{"feed-port", settings_u16, FIELD(feed_port), 1, 65535, NULL},
	{"tunnel-port", settings_u16, FIELD(tunnel_port), 1, 65535, NULL},
	PATH("bpffs", bpffs),
	PATH("state-dir", state_dir),
	{"run-dir", settings_path, FIELD(run_dir), 0, SOCKET_PATH_MAX - sizeof(CONFIG_SOCKET),
	 NULL},
	{"cgroup", set_cgroup, FIELD(cgroup), 0, CONFIG_PATH_SIZE - 1, NULL},
	{"datapath", set_datapath, 0, 0, 0, NULL},
	{"metrics", set_metrics, FIELD(metrics_port), 1, 65535, NULL},
	PATH("proxy-metrics", proxy_metrics),
	{"socket-group", set_socket_group, 0, 0, 0, NULL},
	{"return", set_return, 0, 0, 0, NULL},
	{"log-level", set_log_level, 0, 0, 0, NULL},
	{"max-flows", settings_u32, FIELD(max_flows), 1024, 1U << 26, NULL},
	{"max-tasks", settings_u32, FIELD(max_tasks), 16, MODEL_MAX_TASKS, NULL},
	{"max-services", settings_u32, FIELD(max_services), 16, MODEL_MAX_SERVICES, NULL},
	{"max-frontends", settings_u32, FIELD(max_frontends), 16, 1U << 24, NULL},
	{"max-nodes", settings_u32, FIELD(max_nodes), 2, MODEL_MAX_NODES, NULL},
};

static const struct agent_config defaults = {
	.source = CONFIG_SOURCE_AUTO,
	.docker_socket = "/var/run/docker.sock",
	.docker_root = "/var/lib/docker",
	.feed_port = 2378,
	.tunnel_port = SKEP_TUNNEL_PORT,
	.bpffs = CONFIG_BPFFS,
	.state_dir = "/var/lib/skep",
	.run_dir = CONFIG_RUN_DIR,
	.datapath = DATAPATH_AUTO,
	.proxy_metrics = "/run/skep-proxy/metrics.prom",
	.log_level = LOG_LEVEL_INFO,
	.max_flows = 262144,
	.max_tasks = 65536,
	.max_services = 16384,
	.max_frontends = 131072,
	.max_nodes = 4096,
};

int agent_config_read(struct agent_config *config, int argc, char *const argv[],
		      struct skep_error *error)
{
	*config = defaults;
	return settings_read(settings, sizeof(settings) / sizeof(*settings), config, CONFIG_FILE,
			     argc, argv, error);
}
