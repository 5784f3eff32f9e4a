/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/fields.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/check.h"

#define LABEL_KEY_MAX	1024
#define LABEL_VALUE_MAX 65536

int fields_short_of_memory(struct build *build)
{
	return error_errno(build->error, -ENOMEM, "cannot build the model");
}

int fields_id_and_name(struct build *build, const struct where *where, const json_t *id,
		       const json_t *name, const char **id_result, const char **name_result)
{
	int err = check_required(where, id, "id", build->error);

	if (!err)
		err = check_name(&(struct where){where, "id", NO_INDEX}, id, build->arena,
				 id_result, build->error);
	if (err)
		return err;
	*name_result = *id_result;
	return name ? check_name(&(struct where){where, "name", NO_INDEX}, name, build->arena,
				 name_result, build->error)
		    : 0;
}

int fields_optional_bool(struct build *build, const struct where *where, const char *name,
			 const json_t *value, bool *result)
{
	return value ? check_bool(&(struct where){where, name, NO_INDEX}, value, result,
				  build->error)
		     : 0;
}

int fields_array(struct build *build, const struct where *where, const char *name,
		 const json_t *array, size_t most, size_t item_size, void *items, size_t *n)
{
	int err;

	*n = 0;
	if (!array)
		return 0;
	err = check_array(&(struct where){where, name, NO_INDEX}, array, most, build->error);
	if (err || json_array_size(array) == 0)
		return err;
	void *room = arena_array(build->arena, json_array_size(array), item_size);
	if (!room)
		return fields_short_of_memory(build);
	memcpy(items, &room, sizeof(room));
	*n = json_array_size(array);
	return 0;
}

int fields_compare_attachments(const void *a, const void *b)
{
	const struct model_attachment *first = a, *second = b;

	if (first->network == second->network)
		return addr_compare(&first->address, &second->address);
	if (first->network->ingress != second->network->ingress)
		return first->network->ingress ? -1 : 1;
	/* Networks are sorted by id. */
	return first->network < second->network ? -1 : 1;
}

static int read_attachment(struct build *build, const struct where *where, const json_t *value,
			   struct model_attachment *item)
{
	enum {
		NETWORK,
		ADDRESS,
		COUNT
	};
	static const char *const names[] = {"network", "address"};
	const struct where network = {where, names[NETWORK], NO_INDEX};
	const struct where address = {where, names[ADDRESS], NO_INDEX};
	char quoted[QUOTE_SIZE];
	json_t *fields[COUNT];
	const char *id;
	int err = check_object(where, value, names, fields, COUNT, build->error);

	for (size_t i = 0; !err && i < COUNT; i++)
		err = check_required(where, fields[i], names[i], build->error);
	if (!err)
		err = check_text(&network, fields[NETWORK], &id, build->error);
	if (err)
		return err;
	item->network = model_find_network(build->model, id);
	if (!item->network)
		return check_fail(&network, build->error, "there is no network %s",
				  check_quote(id, strlen(id), quoted));
	return check_address(&address, fields[ADDRESS], &item->address, build->error);
}

int fields_attachments(struct build *build, const struct where *up, const char *name,
		       const json_t *array, struct model_attachment **items, size_t *n)
{
	char text[ADDR_TEXT_SIZE];
	int err = fields_array(build, up, name, array, MODEL_MAX_ADDRESSES, sizeof(**items), items,
			       n);

	for (size_t i = 0; !err && i < *n; i++) {
		const struct where where = {up, name, i};
		err = read_attachment(build, &where, json_array_get(array, i), &(*items)[i]);
		for (size_t j = 0; !err && j < i; j++)
			if (fields_compare_attachments(&(*items)[i], &(*items)[j]) == 0)
				err = check_fail(&where, build->error,
						 "%s on network \"%s\" is there twice",
						 addr_text(&(*items)[i].address, text),
						 (*items)[i].network->name);
	}
	return err;
}

void fields_sort_attachments(struct model_attachment *items, size_t n)
{
	if (n > 1)
		qsort(items, n, sizeof(*items), fields_compare_attachments);
}

static int compare_labels(const void *a, const void *b)
{
	const struct model_label *first = a, *second = b;

	return strcmp(first->key, second->key);
}

/* Docker takes any text as a label, so only its size is bounded. */
int fields_labels(struct build *build, const struct where *up, const json_t *object,
		  struct model_label **labels, size_t *n)
{
	const struct where where = {up, "labels", NO_INDEX};
	char quoted[QUOTE_SIZE];
	const char *key, *text;
	json_t *value;
	int err;

	if (!object)
		return 0;
	if (!json_is_object(object))
		return check_fail(&where, build->error, "must be an object of strings");
	if (json_object_size(object) > MODEL_MAX_LABELS)
		return check_fail(&where, build->error, "has %zu entries, more than %d",
				  json_object_size(object), MODEL_MAX_LABELS);
	*labels = arena_array(build->arena, json_object_size(object), sizeof(**labels));
	if (!*labels)
		return fields_short_of_memory(build);

	json_object_foreach ((json_t *)object, key, value) {
		struct model_label *label = &(*labels)[*n];
		size_t length = strlen(key);
		const struct where entry = {&where, check_quote(key, length, quoted), NO_INDEX};

		if (length == 0 || length > LABEL_KEY_MAX)
			return check_fail(&entry, build->error, "the key must have 1 to %d bytes",
					  LABEL_KEY_MAX);
		err = check_text(&entry, value, &text, build->error);
		if (err)
			return err;
		if (json_string_length(value) > LABEL_VALUE_MAX)
			return check_fail(&entry, build->error, "has %zu bytes, more than %d",
					  json_string_length(value), LABEL_VALUE_MAX);
		label->key = arena_string(build->arena, key, length);
		label->value = arena_string(build->arena, text, json_string_length(value));
		if (!label->key || !label->value)
			return fields_short_of_memory(build);
		(*n)++;
	}
	if (*n)
		qsort(*labels, *n, sizeof(**labels), compare_labels);
	return 0;
}
