/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/proxy_facts.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/array.h"
#include "lib/file.h"

#define NAME_SIZE 256

struct certificate_fact {
	char name[NAME_SIZE];
	long long expires;
};

struct facts {
	double clients_opened, clients_closed, tunnels, certificates;
	struct array expiring, broken; /* of struct certificate_fact */
	time_t now;
	bool failed; /* no memory */
};

/* What follows a metric's name: a label's value, and the metric's own. */
static bool read_fact(const char *rest, struct certificate_fact *fact)
{
	static const char label[] = "{certificate=\"";
	const char *end;
	size_t size;

	if (strncmp(rest, label, strlen(label)) != 0)
		return false;
	rest += strlen(label);
	end = strstr(rest, "\"} ");
	if (!end)
		return false;
	size = (size_t)(end - rest) < NAME_SIZE ? (size_t)(end - rest) : NAME_SIZE - 1;
	for (size_t i = 0; i < size; i++)
		fact->name[i] = rest[i] < ' ' || rest[i] > '~' ? '?' : rest[i];
	fact->name[size] = '\0';
	fact->expires = strtoll(end + 3, NULL, 10);
	return true;
}

static void add(struct facts *facts, struct array *list, const struct certificate_fact *fact)
{
	struct certificate_fact *place = array_add(list, sizeof(*place));

	if (place)
		*place = *fact;
	else
		facts->failed = true;
}

/* Does the line begin with the name? Then the rest of it. */
static const char *after(const char *line, const char *name)
{
	return strncmp(line, name, strlen(name)) == 0 ? line + strlen(name) : NULL;
}

static void read_line(struct facts *facts, const char *line)
{
	struct certificate_fact fact;
	const char *rest, *value;

	if (after(line, "skep_route_tunnels{")) {
		value = strrchr(line, ' ');
		facts->tunnels += value ? strtod(value, NULL) : 0;
	} else if ((rest = after(line, "skep_proxy_clients_opened_total "))) {
		facts->clients_opened = strtod(rest, NULL);
	} else if ((rest = after(line, "skep_proxy_clients_closed_total "))) {
		facts->clients_closed = strtod(rest, NULL);
	} else if ((rest = after(line, "skep_proxy_certificates "))) {
		facts->certificates = strtod(rest, NULL);
	} else if ((rest = after(line, "skep_proxy_certificate_broken"))) {
		if (read_fact(rest, &fact))
			add(facts, &facts->broken, &fact);
	} else if ((rest = after(line, "skep_proxy_certificate_expires_seconds"))) {
		if (read_fact(rest, &fact) && fact.expires - facts->now < PROXY_FACTS_EXPIRY_S)
			add(facts, &facts->expiring, &fact);
	}
}

static int sooner(const void *a, const void *b)
{
	const struct certificate_fact *first = a, *second = b;

	return first->expires < second->expires	  ? -1
	       : first->expires > second->expires ? 1
						  : strcmp(first->name, second->name);
}

static json_t *list_json(const struct facts *facts, const struct array *list, bool times)
{
	struct certificate_fact *items = list->items;
	json_t *rows = json_array();

	if (list->n)
		qsort(items, list->n, sizeof(*items), sooner);
	for (size_t i = 0; rows && i < list->n && i < PROXY_FACTS_NAMES; i++) {
		json_t *row = times ? json_pack("{s:s, s:I}", "name", items[i].name, "expires_in_s",
						(json_int_t)(items[i].expires - facts->now))
				    : json_string(items[i].name);

		if (!row || json_array_append_new(rows, row)) {
			json_decref(rows);
			rows = NULL;
		}
	}
	return rows;
}

/* A count is none below zero, and no more than a double has exactly. */
static json_int_t count(double value)
{
	return value > 0 && value < 9e15 ? (json_int_t)value : 0;
}

json_t *proxy_facts_of(const char *text, size_t size, time_t age_s, time_t now)
{
	struct facts facts = {.now = now};
	const char *line = text, *end = text + size;
	json_t *made = NULL;

	while (line < end && !facts.failed) {
		const char *next = memchr(line, '\n', (size_t)(end - line));
		char one[2 * NAME_SIZE];
		size_t length = (size_t)((next ? next : end) - line);

		/* None that is asked for here is longer. */
		if (length < sizeof(one)) {
			memcpy(one, line, length);
			one[length] = '\0';
			read_line(&facts, one);
		}
		line += length + 1;
	}
	if (!facts.failed)
		made = json_pack("{s:I, s:b, s:I, s:I, s:{s:I, s:o, s:o}}", "age_s",
				 (json_int_t)age_s, "current", age_s <= PROXY_FACTS_AGE_S,
				 "clients", count(facts.clients_opened - facts.clients_closed),
				 "tunnels", count(facts.tunnels), "certificates", "count",
				 count(facts.certificates), "expiring",
				 list_json(&facts, &facts.expiring, true), "broken",
				 list_json(&facts, &facts.broken, false));
	free(facts.expiring.items);
	free(facts.broken.items);
	return made;
}

json_t *proxy_facts(const char *path, time_t now)
{
	struct skep_error error;
	struct stat status;
	char *text = NULL;
	size_t size;
	json_t *made;

	if (stat(path, &status) || file_read(path, PROXY_FACTS_LIMIT, &text, &size, &error))
		return json_null();
	made = proxy_facts_of(text, size, now > status.st_mtime ? now - status.st_mtime : 0, now);
	free(text);
	return made;
}
