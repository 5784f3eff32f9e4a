/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/config.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "lib/file.h"
#include "model/model.h"
#include "net/net.h"
#include "skep/tunnel.h"
#include "source/docker.h"

/* More than anyone writes by hand. */
#define CONFIG_FILE_LIMIT (64 * 1024)

/* What fits a unix socket's address, its final NUL left out. */
#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

struct setting {
	const char *name;
	int (*set)(struct agent_config *config, const struct setting *setting, const char *value,
		   struct skep_error *error);
	size_t offset; /* in struct agent_config, for the setters that many share */
	unsigned long least, most;
	bool repeatable;
};

static int parse_number(const struct setting *setting, const char *value, unsigned long *number,
			struct skep_error *error)
{
	size_t digits = strspn(value, "0123456789");

	if (!digits || value[digits] || digits > 10)
		goto refuse;
	*number = strtoul(value, NULL, 10);
	if (*number >= setting->least && *number <= setting->most)
		return 0;
refuse:
	return error_set(error, -EINVAL, "\"%s\" is not a number from %lu to %lu", value,
			 setting->least, setting->most);
}

static int set_u16(struct agent_config *config, const struct setting *setting, const char *value,
		   struct skep_error *error)
{
	uint16_t *field = (uint16_t *)((char *)config + setting->offset);
	unsigned long number = 0;
	int err = parse_number(setting, value, &number, error);

	if (!err)
		*field = (uint16_t)number;
	return err;
}

static int set_u32(struct agent_config *config, const struct setting *setting, const char *value,
		   struct skep_error *error)
{
	uint32_t *field = (uint32_t *)((char *)config + setting->offset);
	unsigned long number = 0;
	int err = parse_number(setting, value, &number, error);

	if (!err)
		*field = (uint32_t)number;
	return err;
}

static int set_path(struct agent_config *config, const struct setting *setting, const char *value,
		    struct skep_error *error)
{
	size_t length = strlen(value);

	if (value[0] != '/')
		return error_set(error, -EINVAL, "\"%s\" is not an absolute path", value);
	if (length > setting->most)
		return error_set(error, -EINVAL, "path is longer than %lu bytes", setting->most);
	memcpy((char *)config + setting->offset, value, length + 1);
	return 0;
}

static int set_docker(struct agent_config *config, const struct setting *setting, const char *value,
		      struct skep_error *error)
{
	const char *path = docker_socket_path(value);

	if (!path)
		return error_set(error, -EINVAL, "\"%s\" is not of the form unix:///path", value);
	return set_path(config, setting, path, error);
}

static int set_source(struct agent_config *config, const struct setting *setting, const char *value,
		      struct skep_error *error)
{
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

static int set_datapath(struct agent_config *config, const struct setting *setting,
			const char *value, struct skep_error *error)
{
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

/* ADDR:PORT, :PORT, or off */
static int set_metrics(struct agent_config *config, const struct setting *setting,
		       const char *value, struct skep_error *error)
{
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
	err = set_u16(config, setting, colon + 1, error);
	return err ? error_prefix(error, err, "port") : 0;
refuse:
	return error_set(error, -EINVAL, "\"%s\" is none of ADDR:PORT, :PORT, off", value);
}

static int set_socket_group(struct agent_config *config, const struct setting *setting,
			    const char *value, struct skep_error *error)
{
	(void)setting;
	if (!*value || strlen(value) >= sizeof(config->socket_group))
		return error_set(error, -EINVAL, "\"%s\" is not a group's name", value);
	memcpy(config->socket_group, value, strlen(value) + 1);
	return 0;
}

static int set_log_level(struct agent_config *config, const struct setting *setting,
			 const char *value, struct skep_error *error)
{
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

static int set_interface(struct agent_config *config, const struct setting *setting,
			 const char *value, struct skep_error *error)
{
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
static int add_vip(struct agent_config *config, const struct setting *setting, const char *value,
		   struct skep_error *error)
{
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

#define FIELD(field) offsetof(struct agent_config, field)
#define PATH(name, field)                                                                          \
	{                                                                                          \
		name, set_path, FIELD(field), 0, CONFIG_PATH_SIZE - 1, false                       \
	}

static const struct setting settings[] = {
	{"interface", set_interface, 0, 0, 0, false},
	{"vip", add_vip, 0, 0, 0, true},
	{"source", set_source, 0, 0, CONFIG_PATH_SIZE - 1, false},
	{"docker", set_docker, FIELD(docker_socket), 0, SOCKET_PATH_MAX, false},
	PATH("docker-root", docker_root),
	{"feed-port", set_u16, FIELD(feed_port), 1, 65535, false},
	{"tunnel-port", set_u16, FIELD(tunnel_port), 1, 65535, false},
	PATH("bpffs", bpffs),
	PATH("state-dir", state_dir),
	{"run-dir", set_path, FIELD(run_dir), 0, SOCKET_PATH_MAX - sizeof(CONFIG_SOCKET), false},
	PATH("cgroup", cgroup),
	{"datapath", set_datapath, 0, 0, 0, false},
	{"metrics", set_metrics, FIELD(metrics_port), 1, 65535, false},
	PATH("proxy-metrics", proxy_metrics),
	{"socket-group", set_socket_group, 0, 0, 0, false},
	{"log-level", set_log_level, 0, 0, 0, false},
	{"max-flows", set_u32, FIELD(max_flows), 1024, 1U << 26, false},
	{"max-tasks", set_u32, FIELD(max_tasks), 16, MODEL_MAX_TASKS, false},
	{"max-services", set_u32, FIELD(max_services), 16, MODEL_MAX_SERVICES, false},
	{"max-frontends", set_u32, FIELD(max_frontends), 16, 1U << 24, false},
	{"max-nodes", set_u32, FIELD(max_nodes), 2, MODEL_MAX_NODES, false},
};
#define N_SETTINGS (sizeof(settings) / sizeof(*settings))

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

/*
 * One setting from one place (the file, or the flags); seen is a bit for each that this place gave.
 */
static int set(struct agent_config *config, const char *name, const char *value, uint32_t *seen,
	       struct skep_error *error)
{
	for (size_t i = 0; i < N_SETTINGS; i++) {
		if (strcmp(settings[i].name, name) != 0)
			continue;
		if (*seen & (1U << i) && !settings[i].repeatable)
			return error_set(error, -EINVAL, "given twice");
		/* The flags' list replaces the file's. */
		if (!(*seen & (1U << i)) && settings[i].set == add_vip)
			config->n_vips = 0;
		*seen |= 1U << i;
		return settings[i].set(config, &settings[i], value, error);
	}
	return error_set(error, -EINVAL, "there is no such setting");
}

/* Cuts a comment and the space around, in place. */
static char *trim(char *line)
{
	size_t length;

	for (char *hash = strchr(line, '#'); hash; hash = strchr(hash + 1, '#'))
		if (hash == line || isspace((unsigned char)hash[-1])) {
			*hash = '\0';
			break;
		}
	line += strspn(line, " \t\r");
	length = strlen(line);
	while (length && isspace((unsigned char)line[length - 1]))
		length--;
	line[length] = '\0';
	return line;
}

static int read_lines(struct agent_config *config, const char *path, char *text, size_t size,
		      struct skep_error *error)
{
	unsigned int number = 0;
	uint32_t seen = 0;

	if (memchr(text, '\0', size))
		return error_set(error, -EINVAL, "%s: is not a text file", path);
	for (char *next = text; next;) {
		char *line = strsep(&next, "\n"), *value;
		int err;

		number++;
		line = trim(line);
		if (!*line)
			continue;
		value = line + strcspn(line, " \t");
		if (!*value)
			return error_set(error, -EINVAL, "%s:%u: %s: a value is missing", path,
					 number, line);
		*value++ = '\0';
		value += strspn(value, " \t");
		err = set(config, line, value, &seen, error);
		if (err)
			return error_prefix(error, err, "%s:%u: %s", path, number, line);
	}
	return 0;
}

static int read_file(struct agent_config *config, const char *named, struct skep_error *error)
{
	const char *path = named ? named : CONFIG_FILE;
	char *text = NULL;
	size_t size;
	int err = file_read(path, CONFIG_FILE_LIMIT, &text, &size, error);

	if (err == -ENOENT && !named)
		return 0;
	if (!err)
		err = read_lines(config, path, text, size, error);
	free(text);
	return err;
}

struct flag {
	char name[32];
	const char *value;
};

/* The flag at argv[*at], which then stands past it. */
static int next_flag(int argc, char *const argv[], int *at, struct flag *flag,
		     struct skep_error *error)
{
	const char *text = argv[(*at)++], *equals;
	size_t length;

	if (strncmp(text, "--", 2) != 0 || !text[2])
		return error_set(error, -EINVAL, "%s: is not a flag", text);
	equals = strchr(text, '=');
	length = equals ? (size_t)(equals - text) - 2 : strlen(text) - 2;
	if (length >= sizeof(flag->name))
		return error_set(error, -EINVAL, "%s: there is no such flag", text);
	memcpy(flag->name, text + 2, length);
	flag->name[length] = '\0';
	if (equals)
		flag->value = equals + 1;
	else if (*at < argc)
		flag->value = argv[(*at)++];
	else
		return error_set(error, -EINVAL, "%s: a value is missing", text);
	return 0;
}

int agent_config_read(struct agent_config *config, int argc, char *const argv[],
		      struct skep_error *error)
{
	const char *file = NULL;
	uint32_t seen = 0;
	struct flag flag = {.value = NULL};
	int err;

	*config = defaults;
	for (int at = 0; at < argc;) {
		err = next_flag(argc, argv, &at, &flag, error);
		if (err)
			return err;
		if (strcmp(flag.name, "config") != 0)
			continue;
		if (file)
			return error_set(error, -EINVAL, "--config: given twice");
		file = flag.value;
	}
	err = read_file(config, file, error);
	if (err)
		return err;
	for (int at = 0; at < argc;) {
		err = next_flag(argc, argv, &at, &flag, error);
		if (err)
			return err;
		if (strcmp(flag.name, "config") == 0)
			continue;
		err = set(config, flag.name, flag.value, &seen, error);
		if (err)
			return error_prefix(error, err, "--%s", flag.name);
	}
	return 0;
}
