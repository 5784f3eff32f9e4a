/* SPDX-License-Identifier: GPL-2.0-only */
/* One node, network or task from its JSON. */
#include <stdlib.h>
#include <string.h>

#include "model/build.h"
#include "model/check.h"
#include "model/fields.h"

int build_node(struct build *build, const json_t *element, size_t index, struct model_node *item)
{
	enum {
		ID,
		NAME,
		ADDRESS,
		MANAGER,
		READY,
		LABELS,
		COUNT
	};
	static const char *const names[] = {"id", "name", "address", "manager", "ready", "labels"};
	const struct where where = {NULL, build_kind_names[BUILD_NODES], index};
	json_t *fields[COUNT];
	int err = check_object(&where, element, names, fields, COUNT, build->error);

	if (err)
		return err;
	err = fields_id_and_name(build, &where, fields[ID], fields[NAME], &item->id, &item->name);
	if (err)
		return err;
	/* Not unique: a machine that left and joined again is two nodes, one of them down. */
	if (fields[ADDRESS]) {
		err = check_address(&(struct where){&where, "address", NO_INDEX}, fields[ADDRESS],
				    &item->address, build->error);
		if (err)
			return err;
	}
	item->ready = true;
	err = fields_optional_bool(build, &where, "manager", fields[MANAGER], &item->manager);
	if (!err)
		err = fields_optional_bool(build, &where, "ready", fields[READY], &item->ready);
	return err ? err
		   : fields_labels(build, &where, fields[LABELS], &item->labels, &item->n_labels);
}

static int compare_prefixes(const void *a, const void *b)
{
	const struct addr_prefix *first = a, *second = b;
	int order = addr_compare(&first->addr, &second->addr);

	return order ? order : (first->length > second->length) - (first->length < second->length);
}

static int read_subnets(struct build *build, const struct where *up, const json_t *array,
			struct model_network *item)
{
	char quoted[QUOTE_SIZE];
	const char *text;
	int err = fields_array(build, up, "subnets", array, MODEL_MAX_ADDRESSES,
			       sizeof(*item->subnets), &item->subnets, &item->n_subnets);

	for (size_t i = 0; !err && i < item->n_subnets; i++) {
		const struct where where = {up, "subnets", i};
		err = check_text(&where, json_array_get(array, i), &text, build->error);
		if (!err && addr_prefix_parse(text, &item->subnets[i]))
			err = check_fail(&where, build->error,
					 "%s is not a prefix (ADDRESS/LENGTH, host bits zero)",
					 check_quote(text, strlen(text), quoted));
		for (size_t j = 0; !err && j < i; j++)
			if (compare_prefixes(&item->subnets[i], &item->subnets[j]) == 0)
				err = check_fail(&where, build->error, "%s is there twice", text);
	}
	if (err)
		return err;
	if (item->n_subnets)
		qsort(item->subnets, item->n_subnets, sizeof(*item->subnets), compare_prefixes);
	return 0;
}

int build_network(struct build *build, const json_t *element, size_t index,
		  struct model_network *item)
{
	enum {
		ID,
		NAME,
		INGRESS,
		SUBNETS,
		COUNT
	};
	static const char *const names[] = {"id", "name", "ingress", "subnets"};
	const struct where where = {NULL, build_kind_names[BUILD_NETWORKS], index};
	json_t *fields[COUNT];
	int err = check_object(&where, element, names, fields, COUNT, build->error);

	if (err)
		return err;
	err = fields_id_and_name(build, &where, fields[ID], fields[NAME], &item->id, &item->name);
	if (!err)
		err = fields_optional_bool(build, &where, "ingress", fields[INGRESS],
					   &item->ingress);
	return err ? err : read_subnets(build, &where, fields[SUBNETS], item);
}

static int read_state(struct build *build, const struct where *up, const char *name,
		      const json_t *value, enum model_task_state *state)
{
	const struct where where = {up, name, NO_INDEX};
	char quoted[QUOTE_SIZE];
	const char *text;
	int err;

	*state = MODEL_TASK_RUNNING;
	if (!value)
		return 0;
	err = check_text(&where, value, &text, build->error);
	if (err)
		return err;
	for (unsigned int i = 0; i < MODEL_TASK_STATES; i++) {
		if (strcmp(text, model_task_state_name((enum model_task_state)i)) == 0) {
			*state = (enum model_task_state)i;
			return 0;
		}
	}
	return check_fail(&where, build->error, "%s is not a task state",
			  check_quote(text, strlen(text), quoted));
}

/* The service must be there; no node is a task that Swarm has not placed yet. */
static int read_owners(struct build *build, const struct where *up, const json_t *service,
		       const json_t *node, struct model_task *item)
{
	const struct where service_where = {up, "service", NO_INDEX};
	const struct where node_where = {up, "node", NO_INDEX};
	char quoted[QUOTE_SIZE];
	const char *id;
	int err = check_required(up, service, "service", build->error);

	if (!err)
		err = check_text(&service_where, service, &id, build->error);
	if (err)
		return err;
	item->service = model_find_service(build->model, id);
	if (!item->service)
		return check_fail(&service_where, build->error, "there is no service %s",
				  check_quote(id, strlen(id), quoted));
	if (!node)
		return 0;
	err = check_text(&node_where, node, &id, build->error);
	if (err)
		return err;
	item->node = model_find_node(build->model, id);
	if (!item->node)
		return check_fail(&node_where, build->error, "there is no node %s",
				  check_quote(id, strlen(id), quoted));
	return 0;
}

int build_task_end(struct build *build, size_t index, struct model_task *item)
{
	int err = 0;

	/* Swarm gives an ended task's address to the next one while both are still listed. */
	if (model_task_level(item) != MODEL_ABSENT)
		for (size_t i = 0; !err && i < item->n_addresses; i++)
			err = build_claim_address(build, index, i, &item->addresses[i]);
	if (!err)
		fields_sort_attachments(item->addresses, item->n_addresses);
	return err;
}

int build_task(struct build *build, const json_t *element, size_t index, struct model_task *item)
{
	enum {
		ID,
		NAME,
		SERVICE,
		NODE,
		DESIRED,
		STATE,
		ADDRESSES,
		INTERFACE,
		WEIGHT,
		COUNT
	};
	static const char *const names[] = {"id",    "name",	  "service",   "node",	"desired",
					    "state", "addresses", "interface", "weight"};
	const struct where where = {NULL, build_kind_names[BUILD_TASKS], index};
	json_t *fields[COUNT];
	int err = check_object(&where, element, names, fields, COUNT, build->error);

	if (err)
		return err;
	err = fields_id_and_name(build, &where, fields[ID], fields[NAME], &item->id, &item->name);
	if (!err)
		err = read_owners(build, &where, fields[SERVICE], fields[NODE], item);
	if (!err)
		err = read_state(build, &where, "desired", fields[DESIRED], &item->desired);
	if (!err)
		err = read_state(build, &where, "state", fields[STATE], &item->state);
	if (!err)
		err = fields_attachments(build, &where, "addresses", fields[ADDRESSES],
					 &item->addresses, &item->n_addresses);
	if (!err && fields[INTERFACE])
		err = check_interface(&(struct where){&where, "interface", NO_INDEX},
				      fields[INTERFACE], build->arena, &item->interface,
				      build->error);
	item->weight = 1;
	if (!err && fields[WEIGHT])
		err = check_number(&(struct where){&where, "weight", NO_INDEX}, fields[WEIGHT], 0,
				   MODEL_MAX_WEIGHT, &item->weight, build->error);
	return err ? err : build_task_end(build, index, item);
}
