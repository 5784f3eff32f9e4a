/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/options.h"

#include <ctype.h>
#include <errno.h>
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
	char why[256];
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

/* One call for each element of a comma-separated list, white space around it taken off. */
static void read_list(const struct reader *reader, const char *value,
		      void (*element)(const struct reader *reader, const char *text))
{
	char text[ADDR_TEXT_SIZE + IF_NAMESIZE], quoted[QUOTE_SIZE];

	for (size_t n = 0;; n++) {
		size_t length;

		value += strspn(value, " \t");
		length = strcspn(value, ",");
		if (n == OPTIONS_LIST_MAX) {
			refuse(reader, "has more than %d elements; those beyond are left out",
			       OPTIONS_LIST_MAX);
			return;
		}
		if (length >= sizeof(text)) {
			refuse(reader, "%s is left out: it is too long",
			       check_quote(value, length, quoted));
		} else {
			size_t end = length;

			while (end && isblank((unsigned char)value[end - 1]))
				end--;
			memcpy(text, value, end);
			text[end] = '\0';
			element(reader, text);
		}
		if (!value[length])
			return;
		value += length + 1;
	}
}

static void add_allow(const struct reader *reader, const char *text)
{
	struct options *options = reader->options;
	struct addr_prefix prefix;
	char quoted[QUOTE_SIZE];

	if (addr_parse(text, &prefix.addr) == 0) {
		prefix.length = 128;
	} else if (addr_prefix_parse(text, &prefix)) {
		refuse(reader,
		       "%s is left out: it is not a network like 192.0.2.0/24 (no bits set after "
		       "the prefix) nor an address",
		       check_quote(text, strlen(text), quoted));
		return;
	}
	options->allow[options->n_allow++] = prefix;
}

static void read_allow(const struct reader *reader, const char *value)
{
	reader->options->has_allow = true;
	read_list(reader, value, add_allow);
}

static void add_bind(const struct reader *reader, const char *text)
{
	struct options *options = reader->options;
	struct options_bind bind = {0};
	char quoted[QUOTE_SIZE];
	size_t length = strlen(text);
	bool is_name = length > 0 && length < sizeof(bind.interface) && strcmp(text, ".") != 0 &&
		       strcmp(text, "..") != 0;

	if (addr_parse(text, &bind.addr) != 0) {
		/* As the kernel's dev_valid_name(). */
		for (size_t i = 0; i < length && is_name; i++)
			is_name =
				isgraph((unsigned char)text[i]) && text[i] != '/' && text[i] != ':';
		if (!is_name) {
			refuse(reader,
			       "%s is left out: it is neither an address nor an interface's name",
			       check_quote(text, length, quoted));
			return;
		}
		memcpy(bind.interface, text, length);
	} else if (skep_addr_is_zero(&bind.addr) || bind.addr.word[3] == 0) {
		refuse(reader, "%s is left out: it is no host's address",
		       check_quote(text, length, quoted));
		return;
	}
	options->bind[options->n_bind++] = bind;
}

static void read_bind(const struct reader *reader, const char *value)
{
	reader->options->has_bind = true;
	read_list(reader, value, add_bind);
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

void options_read(const struct model_service *service, struct options *options,
		  void (*problem)(void *context, const char *key, const char *why), void *context)
{
	struct reader reader = {options, NULL, problem, context};

	memset(options, 0, sizeof(*options));
	options->policy = SKEP_POLICY_ROUND_ROBIN;
	options->affinity_s = OPTIONS_AFFINITY_S;
	options->udp_idle_s = OPTIONS_UDP_IDLE_S;
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
