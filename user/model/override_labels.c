/* SPDX-License-Identifier: GPL-2.0-only */
/* Overrides of the whole cluster, out of the labels of services and nodes. */
#include <stdio.h>
#include <string.h>

#include "model/override.h"

struct walk {
	const struct override_visitor *visitor;
	size_t left; /* of OVERRIDES_MAX */
};

static int visit_label(struct walk *walk, const struct override_owner *owner,
		       const struct model_label *label)
{
	const char *id = label->key + strlen(OVERRIDE_LABEL);
	const struct override_visitor *visitor = walk->visitor;
	struct skep_error error, why;
	struct override override;
	json_error_t position;
	json_t *object;
	int err;

	walk->left--;
	object = json_loads(label->value, JSON_REJECT_DUPLICATES, &position);
	if (!override_id_is_valid(id))
		err = error_set(&error, -1, "after %s must come 1 to %d of a-z, 0-9 and -",
				OVERRIDE_LABEL, OVERRIDE_ID_SIZE - 1);
	else if (!object)
		err = error_set(&error, -1, "no JSON: %s", position.text);
	else
		err = override_from_json(object, owner, &override, &error);
	json_decref(object);
	if (err) {
		error_set(&why, err, "label %.80s of %s %.80s: %.300s", label->key,
			  owner->service ? "service" : "node",
			  owner->service ? owner->service->name : owner->node->name, error.text);
		return visitor->problem(visitor->context, id, why.text);
	}
	override.cluster = true;
	memcpy(override.id, id, strlen(id) + 1);
	return visitor->add(visitor->context, &override);
}

static bool is_override(const struct model_label *label)
{
	return strncmp(label->key, OVERRIDE_LABEL, strlen(OVERRIDE_LABEL)) == 0;
}

/* The first label that is not before those of overrides. */
static size_t first_label(const struct model_label *labels, size_t n)
{
	size_t from = 0, to = n;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (strcmp(labels[middle].key, OVERRIDE_LABEL) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static int visit_labels(struct walk *walk, const struct override_owner *owner,
			const struct model_label *labels, size_t n)
{
	int err = 0;

	for (size_t i = first_label(labels, n);
	     i < n && is_override(&labels[i]) && walk->left && !err; i++)
		err = visit_label(walk, owner, &labels[i]);
	return err;
}

int override_labels(const struct model *model, const struct override_visitor *visitor)
{
	struct walk walk = {visitor, OVERRIDES_MAX};
	int err = 0;

	for (size_t i = 0; i < model->n_nodes && !err; i++) {
		const struct model_node *node = &model->nodes[i];

		if (node->n_labels)
			err = visit_labels(&walk, &(struct override_owner){.node = node},
					   node->labels, node->n_labels);
	}
	for (size_t i = 0; i < model->n_services && !err; i++) {
		const struct model_service *service = &model->services[i];

		if (service->n_labels)
			err = visit_labels(&walk, &(struct override_owner){.service = service},
					   service->labels, service->n_labels);
	}
	return err;
}
