/* SPDX-License-Identifier: GPL-2.0-only */
#include "source/swarm_parts.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"

#define NAME_MAX_BYTES	255
#define LABEL_KEY_MAX	1024
#define LABEL_VALUE_MAX 65536
#define MAX_WARNINGS	1000

void parts_warn(struct parts *parts, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	/* Quotes what Docker said, perhaps cut within a character: JSON and a log take ASCII. */
	for (char *c = text; *c; c++)
		if (*c < 0x20 || *c >= 0x7f)
			*c = '?';
	if (json_object_size(parts->warnings) < MAX_WARNINGS)
		parts_set(parts, parts->warnings, text, json_true());
}

void parts_set(struct parts *parts, json_t *object, const char *key, json_t *value)
{
	if (!value || json_object_set_new(object, key, value))
		parts->no_memory = true;
}

void parts_append(struct parts *parts, json_t *array, json_t *value)
{
	if (!value || json_array_append_new(array, value))
		parts->no_memory = true;
}

const char *parts_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

bool parts_name_is_valid(const char *name)
{
	size_t length = 0;

	for (; name[length]; length++)
		if (length == NAME_MAX_BYTES || name[length] <= 0x20 || name[length] >= 0x7f ||
		    name[length] == '"' || name[length] == '\\')
			return false;
	return length > 0;
}

/* As the model has it: not of 0.0.0.0/8, multicast, reserved or broadcast. */
static bool is_host(const struct in_addr *addr)
{
	uint32_t host = ntohl(addr->s_addr);

	return host >> 24 != 0 && host >> 28 < 0xe;
}

bool parts_address(const char *text, char sign, char address[ADDR_TEXT_SIZE])
{
	size_t length = strcspn(text, (char[]){sign, '\0'});
	struct in_addr addr;

	if (length >= INET_ADDRSTRLEN)
		return false;
	memcpy(address, text, length);
	address[length] = '\0';
	return inet_pton(AF_INET, address, &addr) == 1 && is_host(&addr);
}

void parts_add_attachment(struct parts *parts, json_t *array, const char *network, const char *text)
{
	char address[ADDR_TEXT_SIZE];
	const json_t *there;
	size_t i;

	if (!json_object_get(parts->network_ids, network) || !parts_address(text, '/', address) ||
	    json_array_size(array) >= MODEL_MAX_ADDRESSES)
		return;
	json_array_foreach (array, i, there)
		if (strcmp(parts_text(there, "network"), network) == 0 &&
		    strcmp(parts_text(there, "address"), address) == 0)
			return;
	parts_append(parts, array, json_pack("{ssss}", "network", network, "address", address));
}

/* RFC 3339 in UTC with trailing zeros left out, so "05Z" is before "05.1Z". */
static int compare_times(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return (*a == 'Z' ? 0 : *a) - (*b == 'Z' ? 0 : *b);
}

static int compare_age(const void *a, const void *b)
{
	const struct parts_object *first = a, *second = b;
	int order = compare_times(first->created, second->created);

	return order ? order : strcmp(first->id, second->id);
}

struct parts_object *parts_by_age(struct parts *parts, const json_t *array, const char *kind,
				  size_t *n)
{
	size_t size = json_array_size(array), i;
	struct parts_object *objects = calloc(size + 1, sizeof(*objects));
	const json_t *json;

	*n = 0;
	if (!objects) {
		parts->no_memory = true;
		return NULL;
	}
	json_array_foreach (array, i, json) {
		const char *id = parts_text(json, "ID");
		if (!parts_name_is_valid(id))
			parts_warn(parts, "Docker lists a %s without a valid ID: left out", kind);
		else
			objects[(*n)++] =
				(struct parts_object){json, id, parts_text(json, "CreatedAt")};
	}
	qsort(objects, *n, sizeof(*objects), compare_age);
	return objects;
}

json_t *parts_labels(struct parts *parts, const char *what, const char *name, const char *prefix,
		     const json_t *labels)
{
	json_t *made = json_object(), *value;
	const char *key;

	json_object_foreach ((json_t *)labels, key, value) {
		size_t length = strlen(key);

		if (strncmp(key, prefix, strlen(prefix)) != 0)
			continue;
		if (length == 0 || length > LABEL_KEY_MAX || !json_is_string(value) ||
		    json_string_length(value) > LABEL_VALUE_MAX ||
		    strlen(json_string_value(value)) != json_string_length(value))
			parts_warn(parts, "%s %s: label %.64s is not usable: left out", what, name,
				   key);
		else if (json_object_size(made) == MODEL_MAX_LABELS)
			parts_warn(parts, "%s %s has more than %d labels: the rest left out", what,
				   name, MODEL_MAX_LABELS);
		else
			parts_set(parts, made, key, json_incref(value));
	}
	return made;
}
