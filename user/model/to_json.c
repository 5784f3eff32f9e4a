/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The JSON form of a model: keys in docs/design.md's order, defaults left out. Written as text
 * straight away, for it is written on each change, and through the JSON library's values that takes
 * ten times as long.
 */
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/build.h"
#include "model/model.h"

struct text {
	char *data;
	size_t size;
	size_t room; /* always more than size, for the NUL */
	bool failed;
};

static bool make_room(struct text *text, size_t size)
{
	size_t room = text->room;

	if (text->failed)
		return false;
	if (size < room - text->size)
		return true;
	while (size >= room - text->size)
		room = room ? room * 2 : 4096;
	char *grown = realloc(text->data, room);
	if (!grown) {
		text->failed = true;
		return false;
	}
	text->data = grown;
	text->room = room;
	return true;
}

static void put(struct text *text, const char *data, size_t size)
{
	if (!make_room(text, size))
		return;
	memcpy(text->data + text->size, data, size);
	text->size += size;
}

static void put_plain(struct text *text, const char *plain)
{
	put(text, plain, strlen(plain));
}

static void put_escape(struct text *text, unsigned char character)
{
	static const char named[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* what, and the letter for it */
	char escape[7] = {'\\'};

	for (size_t i = 0; i + 1 < sizeof(named); i += 2) {
		if ((unsigned char)named[i] == character) {
			escape[1] = named[i + 1];
			put(text, escape, 2);
			return;
		}
	}
	snprintf(escape, sizeof(escape), "\\u%04X", character);
	put(text, escape, 6);
}

/* Labels' keys and values: any text that JSON can carry, valid UTF-8 as it came from there. */
static void put_escaping(struct text *text, const char *string)
{
	put(text, "\"", 1);
	while (*string) {
		size_t plain = 0;

		while ((unsigned char)string[plain] >= ' ' && string[plain] != '"' &&
		       string[plain] != '\\')
			plain++;
		put(text, string, plain);
		string += plain;
		if (*string)
			put_escape(text, (unsigned char)*string++);
	}
	put(text, "\"", 1);
}

/* All else was checked to be printable and without quote or backslash when the model was built. */
static void put_string(struct text *text, const char *string)
{
	size_t length = strlen(string);

	if (!make_room(text, length + 2))
		return;
	text->data[text->size++] = '"';
	memcpy(text->data + text->size, string, length);
	text->size += length;
	text->data[text->size++] = '"';
}

/* Before each entry of an object or array; a string would end with its quote. */
static void put_comma(struct text *text)
{
	char last = text->size ? text->data[text->size - 1] : '{';

	if (last != '{' && last != '[')
		put(text, ",", 1);
}

static void put_key(struct text *text, const char *key)
{
	put_comma(text);
	put_string(text, key);
	put(text, ":", 1);
}

static void put_text(struct text *text, const char *key, const char *value)
{
	put_key(text, key);
	put_string(text, value);
}

static void put_bool(struct text *text, const char *key, bool value)
{
	put_key(text, key);
	put_plain(text, value ? "true" : "false");
}

static void put_number(struct text *text, const char *key, uint64_t value)
{
	char digits[24];

	put_key(text, key);
	snprintf(digits, sizeof(digits), "%" PRIu64, value);
	put_plain(text, digits);
}

static void put_address(struct text *text, const char *key, const struct skep_addr *address)
{
	char buffer[ADDR_TEXT_SIZE];

	put_text(text, key, addr_text(address, buffer));
}

static void open_list(struct text *text, const char *key)
{
	put_key(text, key);
	put(text, "[", 1);
}

static void open_entry(struct text *text)
{
	put_comma(text);
	put(text, "{", 1);
}

static void put_id_and_name(struct text *text, const char *id, const char *name)
{
	put_text(text, "id", id);
	if (strcmp(id, name) != 0)
		put_text(text, "name", name);
}

static void put_attachments(struct text *text, const char *key,
			    const struct model_attachment *items, size_t n)
{
	if (n == 0)
		return;
	open_list(text, key);
	for (size_t i = 0; i < n; i++) {
		open_entry(text);
		put_text(text, "network", items[i].network->id);
		put_address(text, "address", &items[i].address);
		put(text, "}", 1);
	}
	put(text, "]", 1);
}

static void put_labels(struct text *text, const struct model_label *labels, size_t n)
{
	if (n == 0)
		return;
	put_key(text, "labels");
	put(text, "{", 1);
	for (size_t i = 0; i < n; i++) {
		put_comma(text);
		put_escaping(text, labels[i].key);
		put(text, ":", 1);
		put_escaping(text, labels[i].value);
	}
	put(text, "}", 1);
}

static void put_node(struct text *text, const struct model_node *node)
{
	put_id_and_name(text, node->id, node->name);
	if (!skep_addr_is_zero(&node->address))
		put_address(text, "address", &node->address);
	if (node->manager)
		put_bool(text, "manager", true);
	if (!node->ready)
		put_bool(text, "ready", false);
	put_labels(text, node->labels, node->n_labels);
}

static void put_subnet(struct text *text, const struct addr_prefix *subnet)
{
	unsigned int before = skep_addr_is_v4(&subnet->addr) ? 96 : 0;
	char addr[ADDR_TEXT_SIZE], prefix[ADDR_TEXT_SIZE + 16];

	snprintf(prefix, sizeof(prefix), "%s/%u", addr_text(&subnet->addr, addr),
		 subnet->length - before);
	put_comma(text);
	put_string(text, prefix);
}

static void put_network(struct text *text, const struct model_network *network)
{
	put_id_and_name(text, network->id, network->name);
	if (network->ingress)
		put_bool(text, "ingress", true);
	if (network->n_subnets == 0)
		return;
	open_list(text, "subnets");
	for (size_t i = 0; i < network->n_subnets; i++)
		put_subnet(text, &network->subnets[i]);
	put(text, "]", 1);
}

static void put_ports(struct text *text, const struct model_service *service)
{
	if (service->n_ports == 0)
		return;
	open_list(text, "ports");
	for (size_t i = 0; i < service->n_ports; i++) {
		const struct model_port *port = &service->ports[i];

		open_entry(text);
		put_number(text, "published", port->published);
		put_number(text, "target", port->target);
		put_text(text, "protocol", port->protocol == IPPROTO_TCP ? "tcp" : "udp");
		put(text, "}", 1);
	}
	put(text, "]", 1);
}

static void put_service(struct text *text, const struct model_service *service)
{
	put_id_and_name(text, service->id, service->name);
	put_labels(text, service->labels, service->n_labels);
	put_ports(text, service);
	put_attachments(text, "vips", service->vips, service->n_vips);
	if (service->created_ms)
		put_number(text, "created_ms", (uint64_t)service->created_ms);
}

static void put_state(struct text *text, const char *key, enum model_task_state state)
{
	if (state != MODEL_TASK_RUNNING)
		put_text(text, key, model_task_state_name(state));
}

static void put_task(struct text *text, const struct model_task *task)
{
	put_id_and_name(text, task->id, task->name);
	put_text(text, "service", task->service->id);
	if (task->node)
		put_text(text, "node", task->node->id);
	put_state(text, "desired", task->desired);
	put_state(text, "state", task->state);
	put_attachments(text, "addresses", task->addresses, task->n_addresses);
	if (task->interface)
		put_text(text, "interface", task->interface);
	if (task->weight != 1)
		put_number(text, "weight", task->weight);
}

static size_t count(const struct model *model, enum build_kind kind)
{
	const size_t counts[BUILD_KINDS] = {model->n_nodes, model->n_networks, model->n_services,
					    model->n_tasks};

	return counts[kind];
}

static void put_element(struct text *text, const struct model *model, enum build_kind kind,
			size_t index)
{
	open_entry(text);
	switch (kind) {
	case BUILD_NODES:
		put_node(text, &model->nodes[index]);
		break;
	case BUILD_NETWORKS:
		put_network(text, &model->networks[index]);
		break;
	case BUILD_SERVICES:
		put_service(text, &model->services[index]);
		break;
	default:
		put_task(text, &model->tasks[index]);
		break;
	}
	put(text, "}", 1);
}

char *model_to_text(const struct model *model, size_t *size)
{
	struct text text = {0};

	put(&text, "{", 1);
	if (*model->cluster)
		put_text(&text, "cluster", model->cluster);
	for (unsigned int kind = 0; kind < BUILD_KINDS; kind++) {
		if (count(model, kind) == 0)
			continue;
		open_list(&text, build_kind_names[kind]);
		for (size_t i = 0; !text.failed && i < count(model, kind); i++)
			put_element(&text, model, kind, i);
		put(&text, "]", 1);
	}
	put(&text, "}", 1);
	if (text.failed) {
		free(text.data);
		return NULL;
	}
	text.data[text.size] = '\0';
	*size = text.size;
	return text.data;
}

json_t *model_to_json(const struct model *model)
{
	json_error_t unused; /* what was written here is valid: only memory can be short */
	size_t size;
	char *text = model_to_text(model, &size);
	json_t *root = text ? json_loadb(text, size, 0, &unused) : NULL;

	free(text);
	return root;
}
