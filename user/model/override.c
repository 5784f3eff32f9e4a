/* SPDX-License-Identifier: GPL-2.0-only */
/* An override's JSON form, and what it says to people. */
#include "model/override.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/addr.h"
#include "model/check.h"

/* Later than any date that makes sense, and far from overflow. */
#define TIME_MAX_MS 253402300800000LL /* the year 10000 */

enum {
	ID,
	KIND,
	TASK,
	TASK_NAME,
	NODE,
	NODE_NAME,
	SERVICE,
	SERVICE_NAME,
	PORT,
	WEIGHT,
	ADDRESS,
	ADDRESS_PORT,
	SINCE,
	UNTIL,
	REASON,
	FIELDS
};
static const char *const field_names[FIELDS] = {
	"id",	     "kind",	     "task",	     "task_name", "node",
	"node_name", "service",	     "service_name", "port",	  "weight",
	"address",   "address_port", "since_ms",     "until_ms",  "reason",
};

#define BIT(field) (1U << (field))
#define ALWAYS	   (BIT(ID) | BIT(KIND) | BIT(SINCE) | BIT(UNTIL) | BIT(REASON))
#define NAMED	   (BIT(TASK_NAME) | BIT(NODE_NAME) | BIT(SERVICE_NAME))

static const struct {
	const char *name;
	unsigned int needs, may;
} kinds[OVERRIDE_KINDS] = {
	/* A drain's subject is one of two: see check_subject(). */
	[OVERRIDE_DRAIN] = {"drain", 0, BIT(TASK) | BIT(NODE) | BIT(SERVICE)},
	[OVERRIDE_WEIGHT] = {"weight", BIT(TASK) | BIT(SERVICE) | BIT(WEIGHT), 0},
	[OVERRIDE_DISABLE] = {"disable", BIT(SERVICE), BIT(PORT)},
	[OVERRIDE_PIN] = {"pin", BIT(SERVICE) | BIT(TASK), BIT(PORT)},
	[OVERRIDE_ADD] = {"add", BIT(SERVICE) | BIT(PORT) | BIT(ADDRESS) | BIT(ADDRESS_PORT), 0},
};

const char *override_kind_name(enum override_kind kind)
{
	return kinds[kind].name;
}

bool override_id_is_valid(const char *id)
{
	size_t length = strlen(id);

	return length > 0 && length < OVERRIDE_ID_SIZE &&
	       strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == length;
}

static struct where field_where(unsigned int field)
{
	return (struct where){NULL, field_names[field], NO_INDEX};
}

static int read_name(json_t *const *fields, unsigned int field, char *result,
		     struct skep_error *error)
{
	const struct where where = field_where(field);
	const char *text;
	int err;

	if (!fields[field])
		return 0;
	err = check_text(&where, fields[field], &text, error);
	if (err)
		return err;
	if (!*text || strlen(text) >= OVERRIDE_NAME_SIZE)
		return check_fail(&where, error, "must have 1 to %d bytes", CHECK_NAME_MAX);
	for (const char *at = text; *at; at++)
		if (*at <= ' ' || *at > '~' || *at == '"' || *at == '\\')
			return check_fail(&where, error,
					  "must be printable ASCII without space, quote or "
					  "backslash");
	memcpy(result, text, strlen(text) + 1);
	return 0;
}

static int read_time(json_t *const *fields, unsigned int field, int64_t *result,
		     struct skep_error *error)
{
	const struct where where = field_where(field);
	json_int_t value = json_integer_value(fields[field]);

	if (!fields[field])
		return 0;
	if (!json_is_integer(fields[field]) || value < 0 || value > TIME_MAX_MS)
		return check_fail(&where, error, "must be milliseconds since 1970");
	*result = value;
	return 0;
}

static int read_reason(json_t *const *fields, char *result, struct skep_error *error)
{
	const struct where where = field_where(REASON);
	const char *text;
	int err;

	if (!fields[REASON])
		return 0;
	err = check_text(&where, fields[REASON], &text, error);
	if (err)
		return err;
	if (strlen(text) >= OVERRIDE_REASON_SIZE)
		return check_fail(&where, error, "must have at most %d bytes",
				  OVERRIDE_REASON_SIZE - 1);
	for (const char *at = text; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return check_fail(&where, error, "must be one line of text");
	memcpy(result, text, strlen(text) + 1);
	return 0;
}

static int read_id(json_t *const *fields, char *result, struct skep_error *error)
{
	const struct where where = field_where(ID);
	const char *text;
	int err;

	if (!fields[ID])
		return 0;
	err = check_text(&where, fields[ID], &text, error);
	if (err)
		return err;
	if (!override_id_is_valid(text))
		return check_fail(&where, error, "must be 1 to %d of a-z, 0-9 and -",
				  OVERRIDE_ID_SIZE - 1);
	memcpy(result, text, strlen(text) + 1);
	return 0;
}

static int read_address(json_t *const *fields, struct override *override, struct skep_error *error)
{
	const struct where where = field_where(ADDRESS);
	int err;

	if (!fields[ADDRESS])
		return 0;
	err = check_address(&where, fields[ADDRESS], &override->address, error);
	if (!err && !skep_addr_is_v4(&override->address))
		err = check_fail(&where, error, "must be IPv4");
	return err;
}

static int read_number(json_t *const *fields, unsigned int field, uint16_t least, uint16_t most,
		       uint16_t *result, struct skep_error *error)
{
	const struct where where = field_where(field);

	return fields[field] ? check_number(&where, fields[field], least, most, result, error) : 0;
}

static int read_kind(json_t *const *fields, enum override_kind *kind, struct skep_error *error)
{
	const struct where where = field_where(KIND);
	char quoted[QUOTE_SIZE];
	const char *text;
	int err = check_required(&(struct where){NULL, "override", NO_INDEX}, fields[KIND], "kind",
				 error);

	if (!err)
		err = check_text(&where, fields[KIND], &text, error);
	if (err)
		return err;
	for (unsigned int i = 0; i < OVERRIDE_KINDS; i++)
		if (strcmp(text, kinds[i].name) == 0) {
			*kind = (enum override_kind)i;
			return 0;
		}
	return check_fail(&where, error, "%s is none of drain, weight, disable, pin, add",
			  check_quote(text, strlen(text), quoted));
}

/* Exactly the fields that the kind has. given: those that are there, an owner's included. */
static int check_subject(enum override_kind kind, unsigned int given, struct skep_error *error)
{
	unsigned int allowed = ALWAYS | NAMED | kinds[kind].needs | kinds[kind].may;

	for (unsigned int field = 0; field < FIELDS; field++) {
		if ((kinds[kind].needs & ~given) & BIT(field))
			return error_set(error, -EINVAL, "%s needs the field %s", kinds[kind].name,
					 field_names[field]);
		if ((given & ~allowed) & BIT(field))
			return error_set(error, -EINVAL, "%s has no field %s", kinds[kind].name,
					 field_names[field]);
	}
	if (kind == OVERRIDE_DRAIN && !(given & BIT(TASK)) == !(given & BIT(NODE)))
		return error_set(error, -EINVAL, "drain needs either task or node");
	return 0;
}

static void take_owner(const struct override_owner *owner, struct override *override,
		       unsigned int *given)
{
	if (owner->service) {
		snprintf(override->service, sizeof(override->service), "%s", owner->service->id);
		snprintf(override->service_name, sizeof(override->service_name), "%s",
			 owner->service->name);
		*given |= BIT(SERVICE);
	} else {
		snprintf(override->node, sizeof(override->node), "%s", owner->node->id);
		snprintf(override->node_name, sizeof(override->node_name), "%s", owner->node->name);
		*given |= BIT(NODE);
	}
}

int override_from_json(const json_t *object, const struct override_owner *owner,
		       struct override *override, struct skep_error *error)
{
	static const struct where where = {NULL, "override", NO_INDEX};
	json_t *fields[FIELDS];
	unsigned int given = 0;
	int err = check_object(&where, object, field_names, fields, FIELDS, error);

	*override = (struct override){0};
	if (!err)
		err = read_kind(fields, &override->kind, error);
	if (!err)
		err = read_id(fields, override->id, error);
	if (!err)
		err = read_name(fields, TASK, override->task, error);
	if (!err)
		err = read_name(fields, TASK_NAME, override->task_name, error);
	if (!err)
		err = read_name(fields, NODE, override->node, error);
	if (!err)
		err = read_name(fields, NODE_NAME, override->node_name, error);
	if (!err)
		err = read_name(fields, SERVICE, override->service, error);
	if (!err)
		err = read_name(fields, SERVICE_NAME, override->service_name, error);
	if (!err)
		err = read_number(fields, PORT, 1, UINT16_MAX, &override->port, error);
	if (!err)
		err = read_number(fields, WEIGHT, 0, MODEL_MAX_WEIGHT, &override->weight, error);
	if (!err)
		err = read_address(fields, override, error);
	if (!err)
		err = read_number(fields, ADDRESS_PORT, 1, UINT16_MAX, &override->address_port,
				  error);
	if (!err)
		err = read_time(fields, SINCE, &override->since_ms, error);
	if (!err)
		err = read_time(fields, UNTIL, &override->until_ms, error);
	if (!err)
		err = read_reason(fields, override->reason, error);
	if (err)
		return err;
	for (unsigned int field = 0; field < FIELDS; field++)
		given |= fields[field] ? BIT(field) : 0;
	if (owner && given & (BIT(ID) | BIT(NODE) | BIT(SERVICE)))
		return error_set(error, -EINVAL,
				 "a label's override has no id, node or service: it is about what "
				 "has the label");
	if (owner)
		take_owner(owner, override, &given);
	if (owner && owner->service && override->kind == OVERRIDE_DRAIN && !fields[TASK])
		return error_set(error, -EINVAL, "drain needs the field task");
	return check_subject(override->kind, given, error);
}

static int put_text(json_t *object, unsigned int field, const char *text)
{
	return *text ? json_object_set_new(object, field_names[field], json_string(text)) : 0;
}

static int put_number(json_t *object, unsigned int field, int64_t number)
{
	return number ? json_object_set_new(object, field_names[field], json_integer(number)) : 0;
}

json_t *override_to_json(const struct override *override, bool label)
{
	char address[ADDR_TEXT_SIZE];
	json_t *object = json_object();
	int err = object ? 0 : -1;

	if (!err && !label)
		err = put_text(object, ID, override->id);
	if (!err)
		err = put_text(object, KIND, kinds[override->kind].name);
	if (!err)
		err = put_text(object, TASK, override->task);
	if (!err)
		err = put_text(object, TASK_NAME, override->task_name);
	if (!err && !label)
		err = put_text(object, NODE, override->node) ||
		      put_text(object, NODE_NAME, override->node_name) ||
		      put_text(object, SERVICE, override->service) ||
		      put_text(object, SERVICE_NAME, override->service_name);
	if (!err)
		err = put_number(object, PORT, override->port);
	if (!err && override->kind == OVERRIDE_WEIGHT)
		err = json_object_set_new(object, field_names[WEIGHT],
					  json_integer(override->weight));
	if (!err && override->kind == OVERRIDE_ADD)
		err = put_text(object, ADDRESS, addr_text(&override->address, address));
	if (!err)
		err = put_number(object, ADDRESS_PORT, override->address_port);
	if (!err)
		err = put_number(object, SINCE, override->since_ms);
	if (!err)
		err = put_number(object, UNTIL, override->until_ms);
	if (!err)
		err = put_text(object, REASON, override->reason);
	if (!err)
		return object;
	json_decref(object);
	return NULL;
}

static const char *or_id(const char *name, const char *id)
{
	return *name ? name : id;
}

const char *override_text(const struct override *override, char buffer[OVERRIDE_TEXT_SIZE])
{
	const char *task = or_id(override->task_name, override->task);
	char service[OVERRIDE_NAME_SIZE + 8], address[ADDR_TEXT_SIZE];

	snprintf(service, sizeof(service), "%s", or_id(override->service_name, override->service));
	if (override->port)
		snprintf(service + strlen(service), sizeof(service) - strlen(service), ":%u",
			 override->port);
	switch (override->kind) {
	case OVERRIDE_DRAIN:
		snprintf(buffer, OVERRIDE_TEXT_SIZE, "drain %s%s", *task ? "" : "node ",
			 *task ? task : or_id(override->node_name, override->node));
		break;
	case OVERRIDE_WEIGHT:
		snprintf(buffer, OVERRIDE_TEXT_SIZE, "weight %s %u", task, override->weight);
		break;
	case OVERRIDE_DISABLE:
		snprintf(buffer, OVERRIDE_TEXT_SIZE, "disable %s", service);
		break;
	case OVERRIDE_PIN:
		snprintf(buffer, OVERRIDE_TEXT_SIZE, "pin %s to %s", service, task);
		break;
	default:
		snprintf(buffer, OVERRIDE_TEXT_SIZE, "add %s:%u to %s",
			 addr_text(&override->address, address), override->address_port, service);
		break;
	}
	return buffer;
}

static bool weighs(const struct override *override)
{
	return override->kind == OVERRIDE_WEIGHT ||
	       (override->kind == OVERRIDE_DRAIN && *override->task);
}

bool override_replaces(const struct override *newer, const struct override *older)
{
	if (newer->cluster != older->cluster)
		return false;
	if (weighs(newer) && weighs(older))
		return strcmp(newer->task, older->task) == 0;
	return newer->kind == older->kind && !weighs(newer) && !weighs(older) &&
	       strcmp(newer->node, older->node) == 0 &&
	       strcmp(newer->service, older->service) == 0 && newer->port == older->port &&
	       skep_addr_equal(&newer->address, &older->address) &&
	       newer->address_port == older->address_port;
}
