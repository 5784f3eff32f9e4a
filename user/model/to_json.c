/* SPDX-License-Identifier: GPL-2.0-only */
/* The JSON form of a model: keys in docs/design.md's order, defaults left out. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "model/build.h"
#include "model/model.h"

/* Sets a key and takes value over. All that was checked when the model was built is not checked
 * again. */
static bool set(json_t *object, const char *key, json_t *value)
{
	return json_object_set_new_nocheck(object, key, value) == 0;
}

/* A model's texts came from JSON, so they are valid UTF-8. */
static bool set_text(json_t *object, const char *key, const char *text)
{
	return set(object, key, json_string_nocheck(text));
}

static bool set_address(json_t *object, const char *key, const struct skep_addr *address)
{
	char text[ADDR_TEXT_SIZE];

	return set_text(object, key, addr_text(address, text));
}

static bool set_id_and_name(json_t *object, const char *id, const char *name)
{
	return set_text(object, "id", id) &&
	       (strcmp(id, name) == 0 || set_text(object, "name", name));
}

/* object if complete, else nothing is left of it. */
static json_t *complete(json_t *object, bool ok)
{
	if (ok)
		return object;
	json_decref(object);
	return NULL;
}

static json_t *node_to_json(const struct model_node *node)
{
	json_t *object = json_object();
	bool ok = object && set_id_and_name(object, node->id, node->name) &&
		  (skep_addr_is_zero(&node->address) ||
		   set_address(object, "address", &node->address)) &&
		  (!node->manager || set(object, "manager", json_true())) &&
		  (node->ready || set(object, "ready", json_false()));

	return complete(object, ok);
}

static bool set_subnets(json_t *object, const struct model_network *network)
{
	json_t *array = json_array();
	char text[ADDR_TEXT_SIZE];
	bool ok = array != NULL;

	for (size_t i = 0; ok && i < network->n_subnets; i++) {
		const struct addr_prefix *subnet = &network->subnets[i];
		unsigned int before = skep_addr_is_v4(&subnet->addr) ? 96 : 0;
		ok = json_array_append_new(array,
					   json_sprintf("%s/%u", addr_text(&subnet->addr, text),
							subnet->length - before)) == 0;
	}
	array = complete(array, ok);
	return array && set(object, "subnets", array);
}

static json_t *network_to_json(const struct model_network *network)
{
	json_t *object = json_object();
	bool ok = object && set_id_and_name(object, network->id, network->name) &&
		  (!network->ingress || set(object, "ingress", json_true())) &&
		  (!network->n_subnets || set_subnets(object, network));

	return complete(object, ok);
}

static bool set_attachments(json_t *object, const char *key, const struct model_attachment *items,
			    size_t n)
{
	json_t *array;
	bool ok;

	if (n == 0)
		return true;
	array = json_array();
	ok = array != NULL;
	for (size_t i = 0; ok && i < n; i++) {
		json_t *entry = json_object();
		ok = entry && set_text(entry, "network", items[i].network->id) &&
		     set_address(entry, "address", &items[i].address);
		entry = complete(entry, ok);
		ok = ok && json_array_append_new(array, entry) == 0;
	}
	array = complete(array, ok);
	return array && set(object, key, array);
}

static bool set_labels(json_t *object, const struct model_service *service)
{
	json_t *labels;
	bool ok;

	if (service->n_labels == 0)
		return true;
	labels = json_object();
	ok = labels != NULL;
	for (size_t i = 0; ok && i < service->n_labels; i++)
		ok = set_text(labels, service->labels[i].key, service->labels[i].value);
	labels = complete(labels, ok);
	return labels && set(object, "labels", labels);
}

static bool set_ports(json_t *object, const struct model_service *service)
{
	json_t *array;
	bool ok;

	if (service->n_ports == 0)
		return true;
	array = json_array();
	ok = array != NULL;
	for (size_t i = 0; ok && i < service->n_ports; i++) {
		const struct model_port *port = &service->ports[i];
		json_t *entry = json_object();
		ok = entry && set(entry, "published", json_integer(port->published)) &&
		     set(entry, "target", json_integer(port->target)) &&
		     set_text(entry, "protocol", port->protocol == IPPROTO_TCP ? "tcp" : "udp");
		entry = complete(entry, ok);
		ok = ok && json_array_append_new(array, entry) == 0;
	}
	array = complete(array, ok);
	return array && set(object, "ports", array);
}

static json_t *service_to_json(const struct model_service *service)
{
	json_t *object = json_object();
	bool ok = object && set_id_and_name(object, service->id, service->name) &&
		  set_labels(object, service) && set_ports(object, service) &&
		  set_attachments(object, "vips", service->vips, service->n_vips);

	return complete(object, ok);
}

static bool set_state(json_t *object, const char *key, enum model_task_state state)
{
	return state == MODEL_TASK_RUNNING || set_text(object, key, model_task_state_name(state));
}

static json_t *task_to_json(const struct model_task *task)
{
	json_t *object = json_object();
	bool ok = object && set_id_and_name(object, task->id, task->name) &&
		  set_text(object, "service", task->service->id) &&
		  (!task->node || set_text(object, "node", task->node->id)) &&
		  set_state(object, "desired", task->desired) &&
		  set_state(object, "state", task->state) &&
		  set_attachments(object, "addresses", task->addresses, task->n_addresses) &&
		  (!task->interface || set_text(object, "interface", task->interface));

	return complete(object, ok);
}

static size_t count(const struct model *model, enum build_kind kind)
{
	const size_t counts[BUILD_KINDS] = {model->n_nodes, model->n_networks, model->n_services,
					    model->n_tasks};

	return counts[kind];
}

static json_t *element_to_json(const struct model *model, enum build_kind kind, size_t index)
{
	switch (kind) {
	case BUILD_NODES:
		return node_to_json(&model->nodes[index]);
	case BUILD_NETWORKS:
		return network_to_json(&model->networks[index]);
	case BUILD_SERVICES:
		return service_to_json(&model->services[index]);
	default:
		return task_to_json(&model->tasks[index]);
	}
}

json_t *model_to_json(const struct model *model)
{
	json_t *root = json_object();
	bool ok = root && (!*model->cluster || set_text(root, "cluster", model->cluster));

	for (unsigned int kind = 0; ok && kind < BUILD_KINDS; kind++) {
		if (count(model, kind) == 0)
			continue;
		json_t *array = json_array();
		ok = array != NULL;
		for (size_t i = 0; ok && i < count(model, kind); i++)
			ok = json_array_append_new(array, element_to_json(model, kind, i)) == 0;
		array = complete(array, ok);
		ok = array && set(root, build_kind_names[kind], array);
	}
	return complete(root, ok);
}

struct text {
	char *data;
	size_t size;
	size_t room;
};

static int append(const char *data, size_t size, void *context)
{
	struct text *text = context;

	if (size >= text->room - text->size) {
		size_t room = text->room;
		while (size >= room - text->size)
			room = room ? room * 2 : 4096;
		char *grown = realloc(text->data, room);
		if (!grown)
			return -1;
		text->data = grown;
		text->room = room;
	}
	memcpy(text->data + text->size, data, size);
	text->size += size;
	text->data[text->size] = '\0';
	return 0;
}

/* Takes value over, which may be NULL: memory was short. */
static bool append_value(struct text *text, json_t *value)
{
	bool ok = value &&
		  json_dump_callback(value, append, text, JSON_COMPACT | JSON_ENCODE_ANY) == 0;

	json_decref(value);
	return ok;
}

static bool append_plain(struct text *text, const char *plain)
{
	return append(plain, strlen(plain), text) == 0;
}

static bool append_key(struct text *text, const char *key)
{
	return append_plain(text, text->size > 1 ? ",\"" : "\"") && append_plain(text, key) &&
	       append_plain(text, "\":");
}

char *model_to_text(const struct model *model, size_t *size)
{
	struct text text = {0};
	bool ok = append_plain(&text, "{");

	if (*model->cluster)
		ok = ok && append_key(&text, "cluster") &&
		     append_value(&text, json_string_nocheck(model->cluster));
	for (unsigned int kind = 0; ok && kind < BUILD_KINDS; kind++) {
		if (count(model, kind) == 0)
			continue;
		ok = append_key(&text, build_kind_names[kind]);
		for (size_t i = 0; ok && i < count(model, kind); i++)
			ok = append_plain(&text, i ? "," : "[") &&
			     append_value(&text, element_to_json(model, kind, i));
		ok = ok && append_plain(&text, "]");
	}
	if (!ok || !append_plain(&text, "}")) {
		free(text.data);
		return NULL;
	}
	*size = text.size;
	return text.data;
}
