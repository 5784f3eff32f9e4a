/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/quick.h"

#include <string.h>

#include "model/check.h"
#include "model/fields.h"

struct quick {
	struct build *build;
	const char *at;
	const char *end;
};

struct string { /* in the document's text */
	const char *text;
	size_t length;
};

static bool take(struct quick *quick, const char *token)
{
	size_t length = strlen(token);

	if ((size_t)(quick->end - quick->at) < length || memcmp(quick->at, token, length) != 0)
		return false;
	quick->at += length;
	return true;
}

/* What check_name() takes needs no escape. */
static bool take_string(struct quick *quick, struct string *string)
{
	const char *at = quick->at;

	if (at == quick->end || *at++ != '"')
		return false;
	string->text = at;
	while (at<quick->end && * at> ' ' && *at < 0x7f && *at != '"' && *at != '\\')
		at++;
	string->length = (size_t)(at - string->text);
	if (at == quick->end || *at != '"' || !string->length || string->length > CHECK_NAME_MAX)
		return false;
	quick->at = at + 1;
	return true;
}

/* Keys come in one order, each once at most. False: something is wrong with it. */
static bool take_optional(struct quick *quick, const char *key, struct string *value)
{
	value->length = 0;
	return !take(quick, key) || take_string(quick, value);
}

static const char *terminated(const struct string *string, char buffer[CHECK_NAME_MAX + 1])
{
	memcpy(buffer, string->text, string->length);
	buffer[string->length] = '\0';
	return buffer;
}

static bool take_state(struct quick *quick, const char *key, enum model_task_state *state)
{
	char buffer[CHECK_NAME_MAX + 1];
	struct string name;

	*state = MODEL_TASK_RUNNING;
	if (!take_optional(quick, key, &name))
		return false;
	if (!name.length)
		return true;
	terminated(&name, buffer);
	for (unsigned int i = 0; i < MODEL_TASK_STATES; i++) {
		*state = (enum model_task_state)i;
		if (strcmp(buffer, model_task_state_name(*state)) == 0)
			return true;
	}
	return false;
}

static bool take_identity(struct quick *quick, struct model_task *task)
{
	struct string id, name, service, node;
	char buffer[CHECK_NAME_MAX + 1];
	struct build *build = quick->build;

	if (!take(quick, "{\"id\":") || !take_string(quick, &id) ||
	    !take_optional(quick, ",\"name\":", &name) || !take(quick, ",\"service\":") ||
	    !take_string(quick, &service) || !take_optional(quick, ",\"node\":", &node))
		return false;
	task->service = model_find_service(build->model, terminated(&service, buffer));
	if (node.length)
		task->node = model_find_node(build->model, terminated(&node, buffer));
	if (!task->service || (node.length && !task->node))
		return false;
	task->id = task->name = arena_string(build->arena, id.text, id.length);
	if (name.length)
		task->name = arena_string(build->arena, name.text, name.length);
	return task->id && task->name;
}

static bool take_attachment(struct quick *quick, struct model_attachment *item)
{
	char buffer[CHECK_NAME_MAX + 1];
	struct string network, address;

	if (!take(quick, "{\"network\":") || !take_string(quick, &network) ||
	    !take(quick, ",\"address\":") || !take_string(quick, &address) || !take(quick, "}"))
		return false;
	item->network = model_find_network(quick->build->model, terminated(&network, buffer));
	return item->network && addr_parse(terminated(&address, buffer), &item->address) == 0 &&
	       check_is_of_one_host(&item->address);
}

static bool take_attachments(struct quick *quick, struct model_task *task)
{
	struct model_attachment items[MODEL_MAX_ADDRESSES];
	size_t n = 0;

	if (!take(quick, ",\"addresses\":["))
		return true;
	do {
		if (n == MODEL_MAX_ADDRESSES || !take_attachment(quick, &items[n]))
			return false;
		for (size_t i = 0; i < n; i++)
			if (fields_compare_attachments(&items[i], &items[n]) == 0)
				return false;
		n++;
	} while (take(quick, ","));
	if (!take(quick, "]"))
		return false;
	task->addresses = arena_array(quick->build->arena, n, sizeof(*items));
	if (!task->addresses)
		return false;
	memcpy(task->addresses, items, n * sizeof(*items));
	task->n_addresses = n;
	return true;
}

bool quick_task(struct build *build, const char **at, const char *end)
{
	struct quick quick = {build, *at, end};
	size_t index = build->items.n, claims = build->claims.n;
	struct model_task *task;

	if (index >= MODEL_MAX_TASKS)
		return false;
	task = array_add(&build->items, sizeof(*task));
	if (!task)
		return false;
	/* "interface" and "weight" are not here: few tasks have them. */
	task->weight = 1;
	if (take_identity(&quick, task) && take_state(&quick, ",\"desired\":", &task->desired) &&
	    take_state(&quick, ",\"state\":", &task->state) && take_attachments(&quick, task) &&
	    take(&quick, "}") && build_task_end(build, index, task) == 0) {
		*at = quick.at;
		return true;
	}
	build->items.n = index;
	build->claims.n = claims;
	return false;
}
