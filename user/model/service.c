/* SPDX-License-Identifier: GPL-2.0-only */
/* One service from its JSON. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "model/build.h"
#include "model/check.h"
#include "model/fields.h"

static int read_port(struct build *build, const struct where *where, const json_t *value,
		     struct model_port *port)
{
	enum {
		PUBLISHED,
		TARGET,
		PROTOCOL,
		COUNT
	};
	static const char *const names[] = {"published", "target", "protocol"};
	const struct where protocol = {where, names[PROTOCOL], NO_INDEX};
	char quoted[QUOTE_SIZE];
	json_t *fields[COUNT];
	const char *text;
	int err = check_object(where, value, names, fields, COUNT, build->error);

	for (size_t i = 0; !err && i < COUNT; i++)
		err = check_required(where, fields[i], names[i], build->error);
	if (!err)
		err = check_number(&(struct where){where, names[PUBLISHED], NO_INDEX},
				   fields[PUBLISHED], 1, UINT16_MAX, &port->published,
				   build->error);
	if (!err)
		err = check_number(&(struct where){where, names[TARGET], NO_INDEX}, fields[TARGET],
				   1, UINT16_MAX, &port->target, build->error);
	if (!err)
		err = check_text(&protocol, fields[PROTOCOL], &text, build->error);
	if (err)
		return err;
	if (strcmp(text, "tcp") == 0)
		port->protocol = IPPROTO_TCP;
	else if (strcmp(text, "udp") == 0)
		port->protocol = IPPROTO_UDP;
	else
		return check_fail(&protocol, build->error, "must be \"tcp\" or \"udp\", not %s",
				  check_quote(text, strlen(text), quoted));
	return 0;
}

static int compare_ports(const void *a, const void *b)
{
	const struct model_port *first = a, *second = b;

	if (first->published != second->published)
		return first->published < second->published ? -1 : 1;
	return first->protocol - second->protocol;
}

static int read_ports(struct build *build, const struct where *up, const json_t *array,
		      struct model_service *item)
{
	int err = fields_array(build, up, "ports", array, MODEL_MAX_PORTS, sizeof(*item->ports),
			       &item->ports, &item->n_ports);

	for (size_t i = 0; !err && i < item->n_ports; i++) {
		err = read_port(build, &(struct where){up, "ports", i}, json_array_get(array, i),
				&item->ports[i]);
		if (!err)
			err = build_claim_port(build, up->index, i, &item->ports[i]);
	}
	if (err)
		return err;
	if (item->n_ports)
		qsort(item->ports, item->n_ports, sizeof(*item->ports), compare_ports);
	return 0;
}

int build_service(struct build *build, const json_t *element, size_t index,
		  struct model_service *item)
{
	enum {
		ID,
		NAME,
		LABELS,
		PORTS,
		VIPS,
		CREATED,
		COUNT
	};
	static const char *const names[] = {"id", "name", "labels", "ports", "vips", "created_ms"};
	const struct where where = {NULL, build_kind_names[BUILD_SERVICES], index};
	json_t *fields[COUNT];
	int err = check_object(&where, element, names, fields, COUNT, build->error);

	if (err)
		return err;
	err = fields_id_and_name(build, &where, fields[ID], fields[NAME], &item->id, &item->name);
	if (!err)
		err = fields_labels(build, &where, fields[LABELS], &item->labels, &item->n_labels);
	if (!err)
		err = read_ports(build, &where, fields[PORTS], item);
	if (!err)
		err = fields_attachments(build, &where, "vips", fields[VIPS], &item->vips,
					 &item->n_vips);
	if (!err && fields[CREATED])
		err = check_time(&(struct where){&where, names[CREATED], NO_INDEX}, fields[CREATED],
				 &item->created_ms, build->error);
	if (!err)
		fields_sort_attachments(item->vips, item->n_vips);
	return err;
}
