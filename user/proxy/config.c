/* SPDX-License-Identifier: GPL-2.0-only */
#include "proxy/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/settings.h"

#define FIELD(field) offsetof(struct proxy_config, field)

static const struct proxy_entry *find_entry(const struct proxy_config *config, const char *name)
{
	for (size_t i = 0; i < config->n_entries; i++)
		if (strcmp(config->entries[i].name, name) == 0)
			return &config->entries[i];
	return NULL;
}

/* ADDR:PORT, [ADDR]:PORT or :PORT */
static int parse_endpoint(const char *text, struct proxy_entry *entry, struct skep_error *error)
{
	const char *colon = strrchr(text, ':');
	char addr[ADDR_TEXT_SIZE + 2];
	size_t length, digits;
	unsigned long port;

	if (!colon)
		goto refuse;
	digits = strspn(colon + 1, "0123456789");
	port = digits && digits < 6 && !colon[1 + digits] ? strtoul(colon + 1, NULL, 10) : 0;
	length = (size_t)(colon - text);
	if (!port || port > UINT16_MAX || length >= sizeof(addr))
		goto refuse;
	entry->port = (uint16_t)port;
	entry->addr = (struct skep_addr){{0}};
	if (!length)
		return 0;
	memcpy(addr, text, length);
	addr[length] = '\0';
	if (addr[0] == '[' && addr[length - 1] == ']' && strchr(addr, ':')) {
		addr[length - 1] = '\0';
		if (addr_parse(addr + 1, &entry->addr) == 0)
			return 0;
	} else if (!strchr(addr, ':') && addr_parse(addr, &entry->addr) == 0) {
		return 0;
	}
refuse:
	return error_set(error, -EINVAL,
			 "\"%s\" is not of the form ADDR:PORT, [ADDR]:PORT or :PORT", text);
}

static void remove_entry(struct proxy_config *config, const char *name)
{
	for (size_t i = 0; i < config->n_entries; i++)
		if (strcmp(config->entries[i].name, name) == 0) {
			memmove(&config->entries[i], &config->entries[i + 1],
				(config->n_entries - i - 1) * sizeof(*config->entries));
			config->n_entries--;
			return;
		}
}

static int add_entry(struct proxy_config *config, const char *name, const char *endpoint,
		     struct skep_error *error)
{
	struct proxy_entry entry = {0};
	int err = parse_endpoint(endpoint, &entry, error);

	if (err)
		return err;
	snprintf(entry.name, sizeof(entry.name), "%s", name);
	snprintf(entry.port_text, sizeof(entry.port_text), "%u", entry.port);
	if (config->n_entries == PROXY_MAX_ENTRIES)
		return error_set(error, -EINVAL, "more than %d entries", PROXY_MAX_ENTRIES);
	for (size_t i = 0; i < config->n_entries; i++)
		if (config->entries[i].port == entry.port &&
		    skep_addr_equal(&config->entries[i].addr, &entry.addr))
			return error_set(error, -EINVAL,
					 "entry %s has that address and port already",
					 config->entries[i].name);
	config->entries[config->n_entries++] = entry;
	return 0;
}

static int set_http(void *context, const struct setting *setting, const char *value,
		    struct skep_error *error)
{
	(void)setting;
	remove_entry(context, PROXY_HTTP);
	return strcmp(value, "off") == 0 ? 0 : add_entry(context, PROXY_HTTP, value, error);
}

static int set_https(void *context, const struct setting *setting, const char *value,
		     struct skep_error *error)
{
	struct proxy_config *config = context;
	int err;

	(void)setting;
	config->https_said = true;
	remove_entry(config, PROXY_HTTPS);
	if (strcmp(value, "off") == 0)
		return 0;
	err = add_entry(config, PROXY_HTTPS, value, error);
	if (!err)
		config->entries[config->n_entries - 1].tls = true;
	return err;
}

static int set_strict(void *context, const struct setting *setting, const char *value,
		      struct skep_error *error)
{
	(void)setting;
	if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
		return error_set(error, -EINVAL, "\"%s\" is neither on nor off", value);
	((struct proxy_config *)context)->tls_strict = strcmp(value, "on") == 0;
	return 0;
}

static int set_entry(void *context, const struct setting *setting, const char *value,
		     struct skep_error *error)
{
	const char *equals = strchr(value, '=');
	char name[PROXY_NAME_SIZE];
	size_t length = equals ? (size_t)(equals - value) : 0;

	(void)setting;
	if (!length || length >= sizeof(name))
		return error_set(error, -EINVAL, "\"%s\" is not of the form NAME=ADDR:PORT", value);
	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)value[i]) && !strchr("-_.", value[i]))
			return error_set(
				error, -EINVAL,
				"an entry's name has letters, digits, '-', '_' and '.' only");
	memcpy(name, value, length);
	name[length] = '\0';
	if (find_entry(context, name))
		return error_set(error, -EINVAL, "entry %s is given twice", name);
	return add_entry(context, name, equals + 1, error);
}

static void clear_entries(void *context)
{
	struct proxy_config *config = context;
	size_t kept = 0;

	for (size_t i = 0; i < config->n_entries; i++)
		if (strcmp(config->entries[i].name, PROXY_HTTP) == 0 ||
		    strcmp(config->entries[i].name, PROXY_HTTPS) == 0)
			config->entries[kept++] = config->entries[i];
	config->n_entries = kept;
}

static int add_trusted(void *context, const struct setting *setting, const char *value,
		       struct skep_error *error)
{
	struct proxy_config *config = context;
	struct addr_prefix prefix;

	(void)setting;
	if (addr_parse(value, &prefix.addr) == 0)
		prefix.length = 128;
	else if (addr_prefix_parse(value, &prefix))
		return error_set(error, -EINVAL, "\"%s\" is not a network like 192.0.2.0/24",
				 value);
	if (config->n_trusted == PROXY_MAX_TRUSTED)
		return error_set(error, -EINVAL, "more than %d networks", PROXY_MAX_TRUSTED);
	config->trusted[config->n_trusted++] = prefix;
	return 0;
}

static void clear_trusted(void *context)
{
	((struct proxy_config *)context)->n_trusted = 0;
}

/* Seconds, kept as milliseconds. */
static int set_seconds(void *context, const struct setting *setting, const char *value,
		       struct skep_error *error)
{
	uint32_t *field = (uint32_t *)((char *)context + setting->offset);
	int err = settings_u32(context, setting, value, error);

	if (!err)
		*field *= 1000;
	return err;
}

static int set_user(void *context, const struct setting *setting, const char *value,
		    struct skep_error *error)
{
	struct proxy_config *config = context;

	(void)setting;
	if (!*value || strlen(value) >= sizeof(config->user))
		return error_set(error, -EINVAL, "\"%s\" is not a user's name", value);
	memcpy(config->user, value, strlen(value) + 1);
	return 0;
}

static int set_relay(void *context, const struct setting *setting, const char *value,
		     struct skep_error *error)
{
	static const char *const names[] = {
		[PROXY_RELAY_AUTO] = "auto",
		[PROXY_RELAY_COPY] = "copy",
		[PROXY_RELAY_SPLICE] = "splice",
	};

	(void)setting;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (strcmp(value, names[i]) == 0) {
			((struct proxy_config *)context)->relay = (enum proxy_relay)i;
			return 0;
		}
	return error_set(error, -EINVAL, "\"%s\" is none of auto, copy, splice", value);
}

static int set_access_log(void *context, const struct setting *setting, const char *value,
			  struct skep_error *error)
{
	struct proxy_config *config = context;

	if (strcmp(value, "off") == 0 || strcmp(value, "-") == 0) {
		snprintf(config->access_log, sizeof(config->access_log), "%s",
			 strcmp(value, "-") == 0 ? "-" : "");
		return 0;
	}
	return settings_path(context, setting, value, error);
}

static int set_access_format(void *context, const struct setting *setting, const char *value,
			     struct skep_error *error)
{
	struct proxy_config *config = context;

	(void)setting;
	if (strcmp(value, "combined") != 0 && strcmp(value, "json") != 0)
		return error_set(error, -EINVAL, "\"%s\" is neither combined nor json", value);
	config->access_format = *value == 'j' ? PROXY_LOG_JSON : PROXY_LOG_COMBINED;
	return 0;
}

static int set_log_level(void *context, const struct setting *setting, const char *value,
			 struct skep_error *error)
{
	(void)setting;
	if (log_level_parse(value, &((struct proxy_config *)context)->log_level))
		return error_set(error, -EINVAL, "\"%s\" is none of error, warning, info, debug",
				 value);
	return 0;
}

bool proxy_config_has_port(const struct proxy_config *config, uint16_t port)
{
	for (size_t i = 0; i < config->n_entries; i++)
		if (config->entries[i].port == port)
			return true;
	return false;
}

bool proxy_config_trusts(const struct proxy_config *config, const struct skep_addr *addr)
{
	for (size_t i = 0; i < config->n_trusted; i++)
		if (addr_prefix_contains(&config->trusted[i], addr))
			return true;
	return false;
}

#define PATH_MOST (PROXY_PATH_SIZE - 1)

/* http and https before entry: clear_entries() keeps what they said. */
static const struct setting settings[] = {
	{"http", set_http, 0, 0, 0, NULL},
	{"https", set_https, 0, 0, 0, NULL},
	{"entry", set_entry, 0, 0, 0, clear_entries},
	{"workers", settings_u32, FIELD(workers), 1, PROXY_MAX_WORKERS, NULL},
	{"agent", settings_path, FIELD(agent_socket), 0, 107, NULL},
	{"run-dir", settings_path, FIELD(run_dir), 0, PATH_MOST - 32, NULL},
	{"user", set_user, 0, 0, 0, NULL},
	{"tls-dir", settings_path, FIELD(tls_dir), 0, PATH_MOST, NULL},
	{"tls-strict", set_strict, 0, 0, 0, NULL},
	{"trust", add_trusted, 0, 0, 0, clear_trusted},
	{"head-bytes", settings_u32, FIELD(head_bytes), 1024, 1024 * 1024, NULL},
	{"head-fields", settings_u32, FIELD(head_fields), 8, 128, NULL},
	{"head-time", set_seconds, FIELD(head_time_ms), 1, 3600, NULL},
	{"body-rate", settings_u32, FIELD(body_rate), 0, 1U << 30, NULL},
	{"idle-time", set_seconds, FIELD(idle_time_ms), 1, 86400, NULL},
	{"connect-time", set_seconds, FIELD(connect_time_ms), 1, 3600, NULL},
	{"answer-time", set_seconds, FIELD(answer_time_ms), 1, 86400, NULL},
	{"pool", settings_u32, FIELD(pool), 0, 65536, NULL},
	{"pool-time", set_seconds, FIELD(pool_time_ms), 1, 86400, NULL},
	{"max-connections", settings_u32, FIELD(max_connections), 16, 1U << 24, NULL},
	{"drain-time", set_seconds, FIELD(drain_time_ms), 0, 86400, NULL},
	{"relay", set_relay, 0, 0, 0, NULL},
	{"splice-from", settings_u32, FIELD(splice_from), 0, 1U << 30, NULL},
	{"access-log", set_access_log, FIELD(access_log), 0, PATH_MOST, NULL},
	{"access-format", set_access_format, 0, 0, 0, NULL},
	{"log-level", set_log_level, 0, 0, 0, NULL},
};

static const struct proxy_config defaults = {
	.entries = {{.name = PROXY_HTTP, .port = 80, .port_text = "80"}},
	.n_entries = 1,
	.agent_socket = "/run/skep/skep.sock",
	.run_dir = PROXY_RUN_DIR,
	.log_level = LOG_LEVEL_INFO,
	.head_bytes = 65536,
	.head_fields = 128,
	.head_time_ms = 10000,
	.body_rate = 240,
	.idle_time_ms = 60000,
	.connect_time_ms = 5000,
	.answer_time_ms = 60000,
	.pool = 256,
	.pool_time_ms = 30000,
	.max_connections = 65536,
	.drain_time_ms = 30000,
	.splice_from = 16384,
};

int proxy_config_read(struct proxy_config *config, int argc, char *const argv[],
		      struct skep_error *error)
{
	int err;

	*config = defaults;
	err = settings_read(settings, sizeof(settings) / sizeof(*settings), config,
			    PROXY_CONFIG_FILE, argc, argv, error);
	if (!err && *config->tls_dir && !config->https_said)
		err = set_https(config, NULL, ":443", error);
	if (!err && find_entry(config, PROXY_HTTPS) && !*config->tls_dir)
		err = error_set(error, -EINVAL,
				"--https needs certificates: give their directory by --tls-dir");
	if (!err && !config->n_entries)
		err = error_set(error, -EINVAL, "no entry: give --http or --entry");
	return err;
}
