/* SPDX-License-Identifier: GPL-2.0-only */
#include "source/swarm_convert.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"
#include "source/swarm_parts.h"

/*
 * A manager's own Status.Addr may be 0.0.0.0 or 127.0.0.1 (it dials itself), and ManagerStatus.Addr
 * 0.0.0.0 if it listens on all: whichever others can reach.
 */
static bool node_address(const json_t *node, char address[ADDR_TEXT_SIZE])
{
	const char *texts[] = {
		parts_text(json_object_get(node, "ManagerStatus"), "Addr"),
		parts_text(json_object_get(node, "Status"), "Addr"),
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (parts_address(texts[i], ':', address) && strncmp(address, "127.", 4) != 0)
			return true;
	return false;
}

void parts_add_nodes(struct parts *parts, const json_t *answer)
{
	size_t n, n_taken = 0;
	struct parts_object *nodes = parts_by_age(parts, answer, "node", &n);

	for (size_t i = 0; i < n; i++) {
		const json_t *node = nodes[i].json;
		const char *id = nodes[i].id;
		const char *name = parts_text(json_object_get(node, "Description"), "Hostname");
		const char *state = parts_text(json_object_get(node, "Status"), "State");
		/* "unknown" is what a manager that has just become leader says of a node until it
		 * hears of it. */
		bool ready = strcmp(state, "ready") == 0 || strcmp(state, "unknown") == 0;
		char address[ADDR_TEXT_SIZE];

		if (json_object_get(parts->node_ready, id))
			continue;
		if (n_taken++ == MODEL_MAX_NODES) {
			parts_warn(parts, "Docker lists more than %d nodes: the rest left out",
				   MODEL_MAX_NODES);
			break;
		}
		json_t *made = json_pack("{sssssbsb}", "id", id, "name",
					 parts_name_is_valid(name) ? name : id, "manager",
					 json_is_object(json_object_get(node, "ManagerStatus")),
					 "ready", ready);
		parts_set(parts, made, "labels",
			  parts_labels(parts, "node", id, "skep.",
				       json_object_get(json_object_get(node, "Spec"), "Labels")));
		if (node_address(node, address))
			parts_set(parts, made, "address", json_string(address));
		else if (ready)
			parts_warn(parts, "node %s has no IPv4 address that others can reach", id);
		parts_append(parts, parts->nodes, made);
		parts_set(parts, parts->node_ready, id, json_boolean(ready));
	}
	free(nodes);
}

/* Subnets may be given with host bits: --subnet 10.5.0.1/16. */
static void add_subnet(struct parts *parts, json_t *subnets, const char *text)
{
	const char *slash = strchr(text, '/');
	char address[ADDR_TEXT_SIZE], masked[ADDR_TEXT_SIZE + 4];
	struct addr_prefix prefix;
	struct skep_addr addr;
	const json_t *there;
	char *end;
	size_t i;

	if (!slash || (size_t)(slash - text) >= sizeof(address) ||
	    json_array_size(subnets) >= MODEL_MAX_ADDRESSES)
		return;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	unsigned long length = strtoul(slash + 1, &end, 10);
	if (*end || end == slash + 1 || length > 32 || addr_parse(address, &addr) ||
	    !skep_addr_is_v4(&addr))
		return;
	addr.word[3] &= length ? htonl(~0U << (32 - length)) : 0;
	snprintf(masked, sizeof(masked), "%s/%lu", addr_text(&addr, address), length);
	json_array_foreach (subnets, i, there)
		if (strcmp(json_string_value(there), masked) == 0)
			return;
	if (addr_prefix_parse(masked, &prefix) == 0)
		parts_append(parts, subnets, json_string(masked));
}

void parts_add_networks(struct parts *parts, const json_t *answer)
{
	const json_t *network, *config;
	size_t i, j;

	json_array_foreach (answer, i, network) {
		/* Unlike everything else of Swarm's, a network has an "Id". */
		const char *id = parts_text(network, "Id");
		const char *name = parts_text(network, "Name");

		if (strcmp(parts_text(network, "Driver"), "overlay") != 0 ||
		    strcmp(parts_text(network, "Scope"), "swarm") != 0 ||
		    json_object_get(parts->network_ids, id))
			continue;
		if (!parts_name_is_valid(id)) {
			parts_warn(parts, "Docker lists a network without a valid ID: left out");
			continue;
		}
		if (json_array_size(parts->networks) == MODEL_MAX_NETWORKS) {
			parts_warn(parts, "Docker lists more than %d networks: the rest left out",
				   MODEL_MAX_NETWORKS);
			return;
		}
		json_t *subnets = json_array();
		json_array_foreach (json_object_get(json_object_get(network, "IPAM"), "Config"), j,
				    config)
			add_subnet(parts, subnets, parts_text(config, "Subnet"));
		parts_append(parts, parts->networks,
			     json_pack("{sssssbso}", "id", id, "name",
				       parts_name_is_valid(name) ? name : id, "ingress",
				       json_is_true(json_object_get(network, "Ingress")), "subnets",
				       subnets));
		parts_set(parts, parts->network_ids, id, json_true());
	}
}

static json_t *keys(struct parts *parts, json_t *object)
{
	json_t *array = json_array(), *value;
	const char *key;

	json_object_foreach (object, key, value)
		parts_append(parts, array, json_string(key));
	if (!array)
		parts->no_memory = true;
	return array;
}

static int check_answers(const struct swarm_answers *answers, struct skep_error *error)
{
	const struct {
		const char *name;
		const json_t *answer;
	} arrays[] = {{"/nodes", answers->nodes},
		      {"/networks", answers->networks},
		      {"/services", answers->services},
		      {"/tasks", answers->tasks}};

	for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++)
		if (!json_is_array(arrays[i].answer))
			return error_set(error, -EINVAL, "Docker's answer to %s is not an array",
					 arrays[i].name);
	if (!parts_name_is_valid(parts_text(answers->swarm, "ID")))
		return error_set(error, -EINVAL, "Docker's answer to /swarm has no valid ID");
	return 0;
}

int swarm_convert(const struct swarm_answers *answers, struct swarm_conversion *conversion,
		  struct skep_error *error)
{
	struct parts parts = {
		.nodes = json_array(),
		.networks = json_array(),
		.services = json_array(),
		.tasks = json_array(),
		.node_ready = json_object(),
		.network_ids = json_object(),
		.service_names = json_object(),
		.taken = json_object(),
		.warnings = json_object(),
	};
	int err = check_answers(answers, error);

	*conversion = (struct swarm_conversion){0};
	if (err)
		goto cleanup;
	parts_add_nodes(&parts, answers->nodes);
	parts_add_networks(&parts, answers->networks);
	parts_add_services(&parts, answers->services);
	parts_add_tasks(&parts, answers->tasks);

	conversion->model = json_pack("{sssOsOsOsO}", "cluster", parts_text(answers->swarm, "ID"),
				      "nodes", parts.nodes, "networks", parts.networks, "services",
				      parts.services, "tasks", parts.tasks);
	conversion->warnings = keys(&parts, parts.warnings);
	conversion->changing = parts.changing;
	if (!conversion->model || parts.no_memory) {
		swarm_conversion_free(conversion);
		err = error_errno(error, -ENOMEM, "cannot convert Docker's answers");
	}
cleanup:
	json_decref(parts.nodes);
	json_decref(parts.networks);
	json_decref(parts.services);
	json_decref(parts.tasks);
	json_decref(parts.node_ready);
	json_decref(parts.network_ids);
	json_decref(parts.service_names);
	json_decref(parts.taken);
	json_decref(parts.warnings);
	return err;
}

void swarm_conversion_free(struct swarm_conversion *conversion)
{
	json_decref(conversion->model);
	json_decref(conversion->warnings);
	*conversion = (struct swarm_conversion){0};
}
