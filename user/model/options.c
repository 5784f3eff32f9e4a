/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/options.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/check.h"

struct reader {
	struct options *options;
	const char *key;
	void (*problem)(void *context, const char *key, const char *why);
	void *context;
};

__attribute__((format(printf, 2, 3))) static void refuse(const struct reader *reader,
							 const char *format, ...)
{
	char why[OPTIONS_WHY_SIZE];
	va_list arguments;

	if (!reader->problem)
		return;
	va_start(arguments, format);
	vsnprintf(why, sizeof(why), format, arguments);
	va_end(arguments);
	reader->problem(reader->context, reader->key, why);
}

bool options_dsr(const struct options *options, bool by_default)
{
	return options->return_mode == OPTIONS_RETURN_DEFAULT
		       ? by_default
		       : options->return_mode == OPTIONS_RETURN_DSR;
}

static const char *const policy_names[] = {
	[SKEP_POLICY_ROUND_ROBIN] = "round-robin",
	[SKEP_POLICY_SOURCE] = "source",
	[SKEP_POLICY_MAGLEV] = "maglev",
	[SKEP_POLICY_LEAST_FLOWS] = "least-flows",
};

const char *options_policy_name(enum skep_policy policy)
{
	return policy_names[policy];
}

const char *options_return_name(enum options_return mode)
{
	static const char *const names[] = {
		[OPTIONS_RETURN_DEFAULT] = NULL,
		[OPTIONS_RETURN_TUNNEL] = "tunnel",
		[OPTIONS_RETURN_DSR] = "dsr",
	};

	return names[mode];
}

static void read_policy(const struct reader *reader, const char *value)
{
	char quoted[QUOTE_SIZE];

	for (size_t i = 0; i < sizeof(policy_names) / sizeof(*policy_names); i++)
		if (strcmp(value, policy_names[i]) == 0) {
			reader->options->policy = (enum skep_policy)i;
			return;
		}
	refuse(reader,
	       "%s is none of round-robin, source, maglev, least-flows; round-robin is in force",
	       check_quote(value, strlen(value), quoted));
}

static void read_prefer(const struct reader *reader, const char *value)
{
	char quoted[QUOTE_SIZE];

	if (strcmp(value, "local") == 0)
		reader->options->prefer_local = true;
	else
		refuse(reader, "%s is not \"local\"; all tasks are used alike",
		       check_quote(value, strlen(value), quoted));
}

static void read_return(const struct reader *reader, const char *value)
{
	char quoted[QUOTE_SIZE];

	if (strcmp(value, "dsr") == 0)
		reader->options->return_mode = OPTIONS_RETURN_DSR;
	else if (strcmp(value, "tunnel") == 0)
		reader->options->return_mode = OPTIONS_RETURN_TUNNEL;
	else
		refuse(reader, "%s is neither dsr nor tunnel; the agent's --return is in force",
		       check_quote(value, strlen(value), quoted));
}

static void read_seconds(const struct reader *reader, const char *value, uint32_t least,
			 uint32_t *seconds)
{
	size_t digits = strspn(value, "0123456789");
	char quoted[QUOTE_SIZE];
	unsigned long number = digits ? strtoul(value, NULL, 10) : 0;

	if (!digits || digits > 9 || value[digits] || number < least ||
	    number > OPTIONS_SECONDS_MAX)
		refuse(reader, "%s is not a number of seconds from %u to %d; %u is in force",
		       check_quote(value, strlen(value), quoted), least, OPTIONS_SECONDS_MAX,
		       *seconds);
	else
		*seconds = (uint32_t)number;
}

static void read_affinity(const struct reader *reader, const char *value)
{
	read_seconds(reader, value, 1, &reader->options->affinity_s);
}

static void read_idle(const struct reader *reader, const char *value)
{
	read_seconds(reader, value, 0, &reader->options->idle_s);
}

static void read_udp_idle(const struct reader *reader, const char *value)
{
	read_seconds(reader, value, 1, &reader->options->udp_idle_s);
}

#define BLANKS " \t\r\n"

/* One element, without the white space around it; false: it is too long to be anything. */
static bool take_element(struct options *options, const char *from, size_t length,
			 bool (*take)(struct options *options, const char *text))
{
	char text[ADDR_TEXT_SIZE + IF_NAMESIZE];

	if (length >= sizeof(text))
		return false;
	memcpy(text, from, length);
	text[length] = '\0';
	return take(options, text);
}

/*
 * A comma-separated list. what: what its elements have to be; none: what it means that nothing is
 * left, by *taken. However much is wrong, it is told in one line.
 */
static void read_list(const struct reader *reader, const char *value,
		      bool (*take)(struct options *options, const char *text), const size_t *taken,
		      const char *what, const char *none)
{
	char first[QUOTE_SIZE], more[40] = "", why[OPTIONS_WHY_SIZE] = "";
	size_t n = 0, wrong = 0;
	bool too_many = false;

	for (;;) {
		size_t length, end;

		value += strspn(value, BLANKS);
		length = end = strcspn(value, ",");
		while (end && strchr(BLANKS, value[end - 1]))
			end--;
		too_many = n++ == OPTIONS_LIST_MAX;
		if (too_many)
			break;
		if (!take_element(reader->options, value, end, take) && !wrong++)
			check_quote(value, end, first);
		if (!value[length])
			break;
		value += length + 1;
	}
	if (wrong > 1)
		snprintf(more, sizeof(more), ", like %zu more", wrong - 1);
	if (wrong)
		snprintf(why, sizeof(why), "%s is left out%s: it is %s", first, more, what);
	if (wrong || too_many)
		refuse(reader, "%s%s%s%s", why, wrong && too_many ? "; " : "",
		       too_many ? "only the first 64 elements are used" : "", *taken ? "" : none);
}
_Static_assert(OPTIONS_LIST_MAX == 64, "as read_list() says");

static bool take_allow(struct options *options, const char *text)
{
	struct addr_prefix *prefix = &options->allow[options->n_allow];

	if (addr_parse(text, &prefix->addr) == 0)
		prefix->length = 128;
	else if (addr_prefix_parse(text, prefix))
		return false;
	options->n_allow++;
	return true;
}

static void read_allow(const struct reader *reader, const char *value)
{
	reader->options->has_allow = true;
	read_list(
		reader, value, take_allow, &reader->options->n_allow,
		"neither an address nor a network like 192.0.2.0/24 (no bits set after the prefix)",
		"; no client is let in");
}

/* As the kernel's dev_valid_name(). */
static bool is_interface(const char *text)
{
	if (!*text || strlen(text) >= IF_NAMESIZE || !strcmp(text, ".") || !strcmp(text, ".."))
		return false;
	for (; *text; text++)
		if (!isgraph((unsigned char)*text) || *text == '/' || *text == ':')
			return false;
	return true;
}

/* What begins like an address is meant for one: 192.0.2.300 is a mistake, if a possible name. */
static bool take_bind(struct options *options, const char *text)
{
	struct options_bind *bind = &options->bind[options->n_bind];

	memset(bind, 0, sizeof(*bind));
	if (addr_parse(text, &bind->addr) == 0) {
		if (!check_is_of_one_host(&bind->addr))
			return false;
	} else {
		if (!is_interface(text) || !text[strcspn(text, "abcdefghijklmnopqrstuvwxyz"
							       "ABCDEFGHIJKLMNOPQRSTUVWXYZ")])
			return false;
		memcpy(bind->interface, text, strlen(text) + 1);
	}
	options->n_bind++;
	return true;
}

static void read_bind(const struct reader *reader, const char *value)
{
	reader->options->has_bind = true;
	read_list(reader, value, take_bind, &reader->options->n_bind,
		  "neither a host's address nor an interface's name",
		  "; the service answers nowhere");
}

static const struct {
	const char *key;
	void (*read)(const struct reader *reader, const char *value);
} labels[] = {
	{"skep.affinity-time", read_affinity},
	{"skep.allow", read_allow},
	{"skep.bind", read_bind},
	{"skep.idle", read_idle},
	{"skep.policy", read_policy},
	{"skep.prefer", read_prefer},
	{"skep.return", read_return},
	{"skep.udp-idle", read_udp_idle},
};

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* Not the lists, which are large, and empty. */
static void set_defaults(struct options *options)
{
	options->policy = SKEP_POLICY_ROUND_ROBIN;
	options->prefer_local = false;
	options->return_mode = OPTIONS_RETURN_DEFAULT;
	options->affinity_s = OPTIONS_AFFINITY_S;
	options->idle_s = 0;
	options->udp_idle_s = OPTIONS_UDP_IDLE_S;
	options->has_allow = options->has_bind = false;
	options->n_allow = options->n_bind = 0;
}

void options_read(const struct model_service *service, struct options *options,
		  void (*problem)(void *context, const char *key, const char *why), void *context)
{
	struct reader reader = {options, NULL, problem, context};

	set_defaults(options);
	for (size_t i = 0; i < service->n_labels; i++) {
		const struct model_label *label = &service->labels[i];
		size_t known = 0;

		if (!begins(label->key, "skep.") || begins(label->key, "skep.http.") ||
		    begins(label->key, "skep.override."))
			continue;
		reader.key = label->key;
		while (known < sizeof(labels) / sizeof(*labels) &&
		       strcmp(labels[known].key, label->key) != 0)
			known++;
		if (known < sizeof(labels) / sizeof(*labels))
			labels[known].read(&reader, label->value);
		else
			refuse(&reader, "no such label; skep(8) lists them");
	}
}
