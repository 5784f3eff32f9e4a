/* SPDX-License-Identifier: GPL-2.0-only */
/* Tasks of the Engine API to the model's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"
#include "source/swarm_parts.h"

static bool parse_state(const char *text, enum model_task_state *state)
{
	for (unsigned int i = 0; i < MODEL_TASK_STATES; i++) {
		if (strcmp(text, model_task_state_name((enum model_task_state)i)) == 0) {
			*state = (enum model_task_state)i;
			return true;
		}
	}
	return false;
}

/*
 * Will it take another state soon, without an event of Swarm's to tell? A task that waits for a
 * node to fit may wait for ever, and a node that is down says nothing of its tasks.
 */
static bool is_changing(enum model_task_state desired, enum model_task_state state, bool ready)
{
	if (state > MODEL_TASK_RUNNING || state == MODEL_TASK_PENDING)
		return false;
	if (desired <= MODEL_TASK_RUNNING)
		return state != MODEL_TASK_RUNNING;
	return ready;
}

static void make_name(const json_t *task, const char *service, const char *node, char name[256])
{
	json_int_t slot = json_integer_value(json_object_get(task, "Slot"));

	if (slot > 0)
		snprintf(name, 256, "%s.%lld", service, (long long)slot);
	else if (*node)
		snprintf(name, 256, "%s.%s", service, node);
	else
		snprintf(name, 256, "%s", service);
}

static json_t *convert_addresses(struct parts *parts, const json_t *task)
{
	json_t *made = json_array();
	const json_t *attachment, *address;
	size_t i, j;

	json_array_foreach (json_object_get(task, "NetworksAttachments"), i, attachment) {
		const char *network = parts_text(json_object_get(attachment, "Network"), "ID");
		json_array_foreach (json_object_get(attachment, "Addresses"), j, address) {
			const char *text = json_string_value(address);
			parts_add_attachment(parts, made, network, text ? text : "");
		}
	}
	return made;
}

/* An address is one live task's; false if another has one of these. */
static bool claim_addresses(struct parts *parts, const char *id, const json_t *addresses)
{
	const json_t *address;
	char claim[512];
	size_t i;

	for (int pass = 0; pass < 2; pass++) {
		json_array_foreach (addresses, i, address) {
			snprintf(claim, sizeof(claim), "%s %s", parts_text(address, "network"),
				 parts_text(address, "address"));
			const char *owner = json_string_value(json_object_get(parts->taken, claim));
			if (pass == 1) {
				parts_set(parts, parts->taken, claim, json_string(id));
			} else if (owner) {
				parts_warn(parts, "task %s has address %s as task %s has: left out",
					   id, parts_text(address, "address"), owner);
				return false;
			}
		}
	}
	return true;
}

static void convert_task(struct parts *parts, const struct parts_object *object)
{
	const char *service_id = parts_text(object->json, "ServiceID");
	const char *service = json_string_value(json_object_get(parts->service_names, service_id));
	const char *node = parts_text(object->json, "NodeID");
	const json_t *ready = json_object_get(parts->node_ready, node);
	const char *desired_text = parts_text(object->json, "DesiredState");
	const char *state_text = parts_text(json_object_get(object->json, "Status"), "State");
	/* Asked of the model what it will be, so that both agree on who has an address. */
	const struct model_node any_node = {.ready = true};
	struct model_task level = {.node = &any_node};
	char name[256];

	if (!parse_state(desired_text, &level.desired) || !parse_state(state_text, &level.state)) {
		parts_warn(parts, "task %s: states \"%.32s\" and \"%.32s\" are not known: left out",
			   object->id, desired_text, state_text);
		return;
	}
	/* History: ended, and to stay so. */
	if (level.state > MODEL_TASK_RUNNING && level.desired > MODEL_TASK_RUNNING)
		return;
	if (is_changing(level.desired, level.state, json_is_true(ready)))
		parts->changing = true;
	/*
	 * The lists are not of one instant: what a task belongs to may be gone, or not listed yet.
	 * And a container attached to an overlay by hand is a task without a service.
	 */
	if (!service || (*node && !ready))
		return;

	json_t *addresses = convert_addresses(parts, object->json);
	if (model_task_level(&level) != MODEL_ABSENT &&
	    !claim_addresses(parts, object->id, addresses)) {
		json_decref(addresses);
		return;
	}
	make_name(object->json, service, node, name);
	json_t *made =
		json_pack("{sssssssssssO}", "id", object->id, "name",
			  parts_name_is_valid(name) ? name : object->id, "service", service_id,
			  "desired", desired_text, "state", state_text, "addresses", addresses);
	json_decref(addresses);
	if (*node)
		parts_set(parts, made, "node", json_string(node));
	parts_append(parts, parts->tasks, made);
}

void parts_add_tasks(struct parts *parts, const json_t *answer)
{
	size_t n;
	struct parts_object *tasks = parts_by_age(parts, answer, "task", &n);

	for (size_t i = 0; i < n; i++) {
		if (json_object_get(parts->taken, tasks[i].id))
			continue;
		parts_set(parts, parts->taken, tasks[i].id, json_string(tasks[i].id));
		if (json_array_size(parts->tasks) == MODEL_MAX_TASKS) {
			parts_warn(parts, "Docker lists more than %d tasks: the rest left out",
				   MODEL_MAX_TASKS);
			break;
		}
		convert_task(parts, &tasks[i]);
	}
	free(tasks);
}
