/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/override_orders.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model/check.h"

#define SECONDS_MAX (10 * 365 * 86400) /* ten years */

enum {
	ACTION,
	TARGET,
	TASK,
	SERVICE,
	PORT,
	WEIGHT,
	ADDRESS,
	ADDRESS_PORT,
	ID,
	FOR,
	REASON,
	CLUSTER,
	FIELDS
};
static const char *const field_names[FIELDS] = {"action", "target", "task",    "service",
						"port",	  "weight", "address", "address_port",
						"id",	  "for_s",  "reason",  "cluster"};

struct reading {
	const json_t *fields[FIELDS];
	const struct model *model;
	struct override_order *order;
	struct skep_error *error;
};

static int text_of(const struct reading *reading, unsigned int field, const char **text)
{
	const struct where where = {NULL, field_names[field], NO_INDEX};

	*text = "";
	return reading->fields[field]
		       ? check_text(&where, reading->fields[field], text, reading->error)
		       : check_fail(&where, reading->error, "is missing");
}

static void set_task(struct override *override, const struct model_task *task)
{
	snprintf(override->task, sizeof(override->task), "%s", task->id);
	snprintf(override->task_name, sizeof(override->task_name), "%s", task->name);
}

static void set_service(struct override *override, const struct model_service *service)
{
	snprintf(override->service, sizeof(override->service), "%s", service->id);
	snprintf(override->service_name, sizeof(override->service_name), "%s", service->name);
}

static int read_task(const struct reading *reading)
{
	struct override *override = &reading->order->override;
	const struct model_task *task;
	const char *text;
	int err = text_of(reading, TASK, &text);

	if (!err)
		err = override_find_task(reading->model, text, &task, reading->error);
	if (err)
		return err;
	if (*override->service && strcmp(task->service->id, override->service) != 0)
		return error_set(reading->error, -EINVAL,
				 "%.100s is a task of %.100s, not of %.100s", task->name,
				 task->service->name, override->service_name);
	set_task(override, task);
	set_service(override, task->service);
	return 0;
}

static void list_ports(const struct model_service *service, char *text, size_t size)
{
	uint16_t last = 0;

	*text = '\0';
	for (size_t i = 0; i < service->n_ports; i++) {
		size_t used = strlen(text);

		if (service->ports[i].published != last)
			snprintf(text + used, size - used, "%s%u", used ? ", " : "",
				 service->ports[i].published);
		last = service->ports[i].published;
	}
}

static int read_port(const struct reading *reading, const struct model_service *service)
{
	const struct where where = {NULL, field_names[PORT], NO_INDEX};
	struct override *override = &reading->order->override;
	char ports[200];
	int err;

	if (!reading->fields[PORT])
		return 0;
	err = check_number(&where, reading->fields[PORT], 1, UINT16_MAX, &override->port,
			   reading->error);
	for (size_t i = 0; !err && i < service->n_ports; i++)
		if (service->ports[i].published == override->port)
			return 0;
	if (err)
		return err;
	list_ports(service, ports, sizeof(ports));
	return error_set(reading->error, -ENOENT,
			 "%.100s does not publish port %u; it publishes %s", service->name,
			 override->port, *ports ? ports : "none");
}

static int read_service(const struct reading *reading)
{
	const struct model_service *service;
	const char *text;
	int err = text_of(reading, SERVICE, &text);

	if (!err)
		err = override_find_service(reading->model, text, &service, reading->error);
	if (err)
		return err;
	set_service(&reading->order->override, service);
	return read_port(reading, service);
}

static int read_drain(const struct reading *reading)
{
	struct override *override = &reading->order->override;
	const struct model_task *task;
	const struct model_node *node;
	const char *text;
	int err = text_of(reading, TARGET, &text);

	override->kind = OVERRIDE_DRAIN;
	if (!err)
		err = override_find_task_or_node(reading->model, text, &task, &node,
						 reading->error);
	if (err)
		return err;
	if (task) {
		set_task(override, task);
		set_service(override, task->service);
	} else {
		snprintf(override->node, sizeof(override->node), "%s", node->id);
		snprintf(override->node_name, sizeof(override->node_name), "%s", node->name);
	}
	return 0;
}

static int read_weight(const struct reading *reading)
{
	const struct where where = {NULL, field_names[WEIGHT], NO_INDEX};
	struct override *override = &reading->order->override;

	override->kind = OVERRIDE_WEIGHT;
	if (!reading->fields[WEIGHT])
		return check_fail(&where, reading->error, "is missing");
	if (check_number(&where, reading->fields[WEIGHT], 0, MODEL_MAX_WEIGHT, &override->weight,
			 reading->error))
		return -EINVAL;
	return read_task(reading);
}

static int read_disable(const struct reading *reading)
{
	reading->order->override.kind = OVERRIDE_DISABLE;
	return read_service(reading);
}

static int read_pin(const struct reading *reading)
{
	int err = read_service(reading);

	reading->order->override.kind = OVERRIDE_PIN;
	return err ? err : read_task(reading);
}

static int read_add(const struct reading *reading)
{
	const struct where address = {NULL, field_names[ADDRESS], NO_INDEX};
	const struct where port = {NULL, field_names[ADDRESS_PORT], NO_INDEX};
	struct override *override = &reading->order->override;
	int err;

	override->kind = OVERRIDE_ADD;
	if (!reading->fields[ADDRESS] || !reading->fields[ADDRESS_PORT] || !reading->fields[PORT])
		return error_set(reading->error, -EINVAL,
				 "a back end needs port, address and address_port");
	err = check_address(&address, reading->fields[ADDRESS], &override->address, reading->error);
	if (!err && !skep_addr_is_v4(&override->address))
		err = check_fail(&address, reading->error, "must be IPv4");
	if (!err)
		err = check_number(&port, reading->fields[ADDRESS_PORT], 1, UINT16_MAX,
				   &override->address_port, reading->error);
	return err ? err : read_service(reading);
}

static int read_remove(const struct reading *reading)
{
	reading->order->clear = true;
	return read_add(reading);
}

static int read_clear(const struct reading *reading)
{
	struct override_order *order = reading->order;
	const char *text;
	int err = text_of(reading, ID, &text);

	if (err)
		return err;
	order->clear = true;
	order->all = strcmp(text, "all") == 0;
	if (!order->all && !override_id_is_valid(text))
		return error_set(reading->error, -EINVAL,
				 "an override's id is letters, digits and -, or \"all\"");
	if (!order->all)
		snprintf(order->id, sizeof(order->id), "%s", text);
	return 0;
}

#define BIT(field) (1U << (field))
#define LASTS	   (BIT(FOR) | BIT(REASON))

static const struct {
	const char *name;
	unsigned int may; /* besides action and cluster */
	int (*read)(const struct reading *reading);
} actions[] = {
	{"drain", BIT(TARGET) | LASTS, read_drain},
	{"weight", BIT(TASK) | BIT(WEIGHT) | LASTS, read_weight},
	{"disable", BIT(SERVICE) | BIT(PORT) | LASTS, read_disable},
	{"pin", BIT(SERVICE) | BIT(PORT) | BIT(TASK) | LASTS, read_pin},
	{"add", BIT(SERVICE) | BIT(PORT) | BIT(ADDRESS) | BIT(ADDRESS_PORT) | LASTS, read_add},
	{"remove", BIT(SERVICE) | BIT(PORT) | BIT(ADDRESS) | BIT(ADDRESS_PORT), read_remove},
	{"clear", BIT(ID), read_clear},
};

static int read_duration(const struct reading *reading, int64_t now_ms)
{
	const json_t *value = reading->fields[FOR];
	json_int_t seconds = json_integer_value(value);

	if (!value)
		return 0;
	if (!json_is_integer(value) || seconds < 1 || seconds > SECONDS_MAX)
		return error_set(reading->error, -EINVAL,
				 "for_s is a number of seconds from 1 to %d", SECONDS_MAX);
	reading->order->override.until_ms = now_ms + seconds * 1000;
	return 0;
}

static int read_reason(const struct reading *reading)
{
	const struct where where = {NULL, field_names[REASON], NO_INDEX};
	struct override *override = &reading->order->override;
	const char *text;

	if (!reading->fields[REASON])
		return 0;
	if (text_of(reading, REASON, &text))
		return -EINVAL;
	if (strlen(text) >= sizeof(override->reason))
		return check_fail(&where, reading->error, "has more than %zu bytes",
				  sizeof(override->reason) - 1);
	for (const char *at = text; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return check_fail(&where, reading->error, "must be one line of text");
	snprintf(override->reason, sizeof(override->reason), "%s", text);
	return 0;
}

static int read_action(const struct reading *reading)
{
	const size_t n = sizeof(actions) / sizeof(*actions);
	const char *name;
	size_t i = 0;

	if (text_of(reading, ACTION, &name))
		return -EINVAL;
	while (i < n && strcmp(actions[i].name, name) != 0)
		i++;
	if (i == n)
		return error_set(
			reading->error, -EINVAL,
			"action is none of drain, weight, disable, pin, add, remove, clear");
	for (unsigned int field = TARGET; field < CLUSTER; field++)
		if (reading->fields[field] && !(actions[i].may & BIT(field)))
			return error_set(reading->error, -EINVAL, "%s takes no %s", name,
					 field_names[field]);
	return actions[i].read(reading);
}

int override_order_read(const json_t *request, const struct model *model, int64_t now_ms,
			struct override_order *order, struct skep_error *error)
{
	static const struct where where = {NULL, "order", NO_INDEX};
	struct reading reading = {.model = model, .order = order, .error = error};
	json_t *fields[FIELDS];
	int err = check_object(&where, request, field_names, fields, FIELDS, error);

	*order = (struct override_order){0};
	for (unsigned int i = 0; i < FIELDS; i++)
		reading.fields[i] = fields[i];
	if (!err && fields[CLUSTER])
		err = check_bool(&(struct where){NULL, field_names[CLUSTER], NO_INDEX},
				 fields[CLUSTER], &order->cluster, error);
	if (!err)
		err = read_action(&reading);
	if (!err)
		err = read_duration(&reading, now_ms);
	if (!err)
		err = read_reason(&reading);
	order->override.cluster = order->cluster;
	order->override.since_ms = now_ms;
	return err;
}

bool override_order_clears(const struct override_order *order, const struct override *override)
{
	if (order->all)
		return override->cluster == order->cluster;
	if (*order->id)
		return strcmp(override->id, order->id) == 0;
	return override_replaces(&order->override, override);
}
