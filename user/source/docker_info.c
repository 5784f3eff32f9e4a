/* SPDX-License-Identifier: GPL-2.0-only */
#include "source/docker_info.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Swarm advises seven. */
#define MAX_MANAGERS 100

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "10.1.0.1:2377" */
static bool read_manager(const char *text, char address[INET_ADDRSTRLEN])
{
	size_t length = strcspn(text, ":");
	struct in_addr addr;

	if (length >= INET_ADDRSTRLEN)
		return false;
	memcpy(address, text, length);
	address[length] = '\0';
	return inet_pton(AF_INET, address, &addr) == 1 && addr.s_addr != INADDR_ANY;
}

static int read_managers(const json_t *array, struct docker_node *node, struct skep_error *error)
{
	size_t size = json_array_size(array), i, n = 0;
	char address[INET_ADDRSTRLEN];
	const json_t *manager;

	if (size > MAX_MANAGERS)
		size = MAX_MANAGERS;
	node->managers = calloc(size + 1, sizeof(*node->managers));
	if (!node->managers)
		return error_errno(error, -ENOMEM, "cannot keep the managers' addresses");
	json_array_foreach (array, i, manager) {
		const char *text = json_string_value(json_object_get(manager, "Addr"));
		if (node->n_managers == size)
			break;
		if (!text || !read_manager(text, address))
			continue;
		node->managers[node->n_managers] = strdup(address);
		if (!node->managers[node->n_managers])
			return error_errno(error, -ENOMEM, "cannot keep the managers' addresses");
		node->n_managers++;
	}
	/* The Engine tells them in any order; a change of that is none. */
	qsort(node->managers, node->n_managers, sizeof(*node->managers), compare_texts);
	for (i = 0; i < node->n_managers; i++) {
		if (n > 0 && strcmp(node->managers[n - 1], node->managers[i]) == 0)
			free(node->managers[i]);
		else
			node->managers[n++] = node->managers[i];
	}
	node->n_managers = n;
	return 0;
}

int docker_info_read(const json_t *info, struct docker_node *node, struct skep_error *error)
{
	const json_t *swarm = json_object_get(info, "Swarm");
	const char *state = json_string_value(json_object_get(swarm, "LocalNodeState"));
	const char *id = json_string_value(json_object_get(swarm, "NodeID"));
	const char *address = json_string_value(json_object_get(swarm, "NodeAddr"));
	const char *why = json_string_value(json_object_get(swarm, "Error"));
	int err;

	*node = (struct docker_node){0};
	if (!state)
		return error_set(error, -EINVAL, "GET /info tells nothing of a Swarm");
	if (strcmp(state, "inactive") == 0)
		return 0;
	if (strcmp(state, "active") != 0)
		return error_set(error, -EAGAIN,
				 "this node's state in its Swarm is \"%.32s\"%s%s%s", state,
				 why && *why ? ": " : "", why ? why : "",
				 strcmp(state, "locked") == 0 ? " (docker swarm unlock)" : "");
	if (!id || !*id || strlen(id) >= sizeof(node->id))
		return error_set(error, -EINVAL, "GET /info has no valid NodeID");
	node->active = true;
	memcpy(node->id, id, strlen(id) + 1);
	if (address && *address && addr_parse(address, &node->address))
		return error_set(error, -EINVAL, "GET /info: NodeAddr is not an IP address");
	node->manager = json_is_true(json_object_get(swarm, "ControlAvailable"));
	err = read_managers(json_object_get(swarm, "RemoteManagers"), node, error);
	if (err)
		docker_info_free(node);
	return err;
}

bool docker_info_equal(const struct docker_node *a, const struct docker_node *b)
{
	if (strcmp(a->id, b->id) != 0 || !skep_addr_equal(&a->address, &b->address) ||
	    a->active != b->active || a->manager != b->manager || a->n_managers != b->n_managers)
		return false;
	for (size_t i = 0; i < a->n_managers; i++)
		if (strcmp(a->managers[i], b->managers[i]) != 0)
			return false;
	return true;
}

void docker_info_free(struct docker_node *node)
{
	for (size_t i = 0; i < node->n_managers; i++)
		free(node->managers[i]);
	free(node->managers);
	*node = (struct docker_node){0};
}
