/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/node.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/listeners.h"
#include "agent/local_tasks.h"
#include "agent/mesh.h"
#include "skep/tunnel.h"

/*
 * What is assumed of an underlay whose interface is not known (an address that is translated, say).
 */
#define DEFAULT_MTU 1500U

int node_open(struct node *node, const struct agent_config *config, struct skep_error *error)
{
	int err;

	memset(node, 0, sizeof(*node));
	node->config = config;
	node->mesh = mesh_new();
	node->tasks = local_tasks_new();
	node->listeners = listeners_new();
	if (!node->mesh || !node->tasks || !node->listeners) {
		node_close(node);
		return error_errno(error, -ENOMEM, "cannot keep this node's state");
	}
	err = net_namespace_ask(0, &node->cookie, NULL, NULL, 0, error);
	return err ? err : node_read_network(node, error);
}

void node_close(struct node *node)
{
	mesh_free(node->mesh);
	local_tasks_free(node->tasks);
	net_state_free(&node->net);
	listeners_free(node->listeners);
	free(node->addresses);
	free(node->bridges);
	memset(node, 0, sizeof(*node));
}

int node_read_network(struct node *node, struct skep_error *error)
{
	struct net_state net;
	int err = net_state_read(&net, error);

	if (err)
		return err;
	net_state_free(&node->net);
	node->net = net;
	node->net_generation++;
	return 0;
}

static bool is_loopback(const struct skep_addr *addr)
{
	return skep_addr_is_v4(addr) && ntohl(addr->word[3]) >> 24 == 127;
}

static const struct model_node *find_by_address(const struct node *node, const struct model *model)
{
	for (size_t i = 0; i < model->n_nodes; i++) {
		const struct skep_addr *addr = &model->nodes[i].address;

		if (skep_addr_is_v4(addr) && !is_loopback(addr) && net_find_addr(&node->net, addr))
			return &model->nodes[i];
	}
	return NULL;
}

/* The first thing that is wrong is the one to mend first. */
static void set_problem(struct node *node, const char *text)
{
	if (!*node->problem)
		snprintf(node->problem, sizeof(node->problem), "%s", text);
}

/* A daemon that is stopping says that it is in no Swarm; the node stays who it was. */
static void remember_docker(struct node *node, const struct node_facts *facts)
{
	const struct docker_node *docker = facts->docker;

	node->known |= facts->docker_complete;
	if (!*docker->id)
		return;
	memcpy(node->id, docker->id, sizeof(node->id));
	if (!skep_addr_is_zero(&docker->address))
		node->docker_address = docker->address;
}

static void identify(struct node *node, const struct node_facts *facts)
{
	struct datapath_node *datapath = &node->datapath;

	if (!facts->docker) {
		node->known = facts->model != NULL;
		node->self = facts->model ? find_by_address(node, facts->model) : NULL;
	} else {
		remember_docker(node, facts);
		node->self =
			facts->model && *node->id ? model_find_node(facts->model, node->id) : NULL;
	}
	/* The address that all nodes know this one by: frames from any other are dropped. */
	if (node->self)
		datapath->underlay = node->self->address;
	if (skep_addr_is_zero(&datapath->underlay) && facts->docker)
		datapath->underlay = node->docker_address;
	if (!node->known)
		return;
	if (!facts->docker && !node->self)
		set_problem(node, "no node of the model has an address of this machine");
	else if (facts->model && !node->self)
		set_problem(node, "this node is not in the model");
	else if (skep_addr_is_zero(&datapath->underlay))
		set_problem(node, "this node's own address is not known");
	else if (!skep_addr_is_v4(&datapath->underlay))
		set_problem(node, "this node's address is IPv6, which the tunnel cannot use");
	if (!skep_addr_is_v4(&datapath->underlay))
		memset(&datapath->underlay, 0, sizeof(datapath->underlay));
}

static const struct net_link *underlay_link(const struct node *node)
{
	const struct net_addr *addr = net_find_addr(&node->net, &node->datapath.underlay);

	return addr ? net_find_link(&node->net, addr->ifindex) : NULL;
}

static int compare_int(const void *a, const void *b)
{
	int left = *(const int *)a, right = *(const int *)b;

	return (left > right) - (left < right);
}

static void choose_wires(struct node *node)
{
	const struct agent_config *config = node->config;
	const struct net_link *link = underlay_link(node);
	char addr[ADDR_TEXT_SIZE], text[sizeof(node->problem)];
	size_t n = 0;

	for (size_t i = 0; i < config->n_interfaces; i++) {
		const struct net_link *named =
			net_find_link_by_name(&node->net, config->interfaces[i]);

		if (named) {
			node->wires[n++] = named->ifindex;
			continue;
		}
		snprintf(text, sizeof(text), "there is no interface %s (as yet)",
			 config->interfaces[i]);
		set_problem(node, text);
	}
	if (!config->n_interfaces && link) {
		node->wires[n++] = link->ifindex;
	} else if (!config->n_interfaces && !skep_addr_is_zero(&node->datapath.underlay)) {
		snprintf(text, sizeof(text),
			 "no interface carries this node's address %s: name one with --interface",
			 addr_text(&node->datapath.underlay, addr));
		set_problem(node, text);
	}
	qsort(node->wires, n, sizeof(*node->wires), compare_int);
	node->datapath.wires = node->wires;
	node->datapath.n_wires = n;
	node->datapath.net = &node->net;
}

/*
 * All bridges but those that clients or other nodes come in by: what a container sends to the host,
 * or through it, comes out of one.
 */
static int choose_bridges(struct node *node)
{
	const struct net_link *underlay = underlay_link(node);
	size_t n = 0;

	if (node->net.n_links > node->bridges_capacity) {
		int *grown = reallocarray(node->bridges, node->net.n_links, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		node->bridges = grown;
		node->bridges_capacity = node->net.n_links;
	}
	for (size_t i = 0; i < node->net.n_links; i++) {
		const struct net_link *link = &node->net.links[i];
		const int *wires = node->wires;
		size_t n_wires = node->datapath.n_wires;

		if (strcmp(link->kind, "bridge") == 0 && link != underlay &&
		    !(n_wires &&
		      bsearch(&link->ifindex, wires, n_wires, sizeof(*wires), compare_int)))
			node->bridges[n++] = link->ifindex;
	}
	node->datapath.bridges = node->bridges;
	node->datapath.n_bridges = n;
	return 0;
}

static int compare_addr(const void *a, const void *b)
{
	return addr_compare(a, b);
}

/*
 * All of this machine's addresses but the loopback's and skep0's, and the VIPs; sorted, each once.
 */
static int list_addresses(struct node *node)
{
	const struct agent_config *config = node->config;
	const struct net_link *mesh = net_find_link_by_name(&node->net, NET_MESH_NAME);
	size_t most = node->net.n_addrs + config->n_vips, n = 0, kept = 0;

	if (most > node->addresses_capacity) {
		struct skep_addr *grown = reallocarray(node->addresses, most, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		node->addresses = grown;
		node->addresses_capacity = most;
	}
	for (size_t i = 0; i < node->net.n_addrs; i++) {
		const struct net_addr *addr = &node->net.addrs[i];

		if (!is_loopback(&addr->addr) && !(mesh && addr->ifindex == mesh->ifindex))
			node->addresses[n++] = addr->addr;
	}
	for (size_t i = 0; i < config->n_vips; i++)
		node->addresses[n++] = config->vips[i];
	if (n)
		qsort(node->addresses, n, sizeof(*node->addresses), compare_addr);
	for (size_t i = 0; i < n; i++)
		if (!kept || !skep_addr_equal(&node->addresses[kept - 1], &node->addresses[i]))
			node->addresses[kept++] = node->addresses[i];
	node->datapath.addresses = node->addresses;
	node->datapath.n_addresses = kept;
	return 0;
}

static int update_mesh(struct node *node, const struct node_facts *facts, struct skep_error *error)
{
	const struct net_link *link = underlay_link(node);
	uint32_t mtu = link ? link->mtu : DEFAULT_MTU;
	struct datapath_node *datapath = &node->datapath;
	int err;

	if (skep_addr_is_zero(&datapath->underlay))
		return 0;
	/* RFC 791: every IPv4 link carries 68 bytes. */
	if (mtu < SKEP_TUNNEL_OVERHEAD + 68)
		return error_set(error, -EINVAL, "MTU %u of %s leaves no room for the tunnel", mtu,
				 link ? link->name : "the underlay");
	datapath->tunnel_mtu = mtu - SKEP_TUNNEL_OVERHEAD;
	mesh_mac(&datapath->underlay, datapath->mesh_mac);
	err = mesh_update(node->mesh,
			  &(struct mesh_facts){
				  .net = &node->net,
				  .net_generation = node->net_generation,
				  .model = facts->model,
				  .underlay = datapath->underlay,
				  .tunnel_mtu = datapath->tunnel_mtu,
				  .port = node->config->tunnel_port,
				  .vips = node->config->vips,
				  .n_vips = node->config->n_vips,
			  },
			  error);
	datapath->mesh_ifindex = mesh_ifindex(node->mesh);
	return err;
}

int node_update(struct node *node, const struct node_facts *facts, struct skep_error *error)
{
	struct datapath_node *datapath = &node->datapath;
	struct skep_error other;
	int err, failed;

	memset(datapath, 0, sizeof(*datapath));
	datapath->dsr = node->config->dsr;
	*node->problem = '\0';
	node->self = NULL;
	datapath->tunnel_port = node->config->tunnel_port;
	datapath->cookie = node->cookie;
	identify(node, facts);
	choose_wires(node);

	failed = update_mesh(node, facts, error);
	err = list_addresses(node);
	if (!err)
		err = choose_bridges(node);
	if (err && !failed)
		failed =
			error_errno(error, err, "cannot list this machine's addresses and bridges");
	err = local_tasks_update(node->tasks,
				 &(struct local_tasks_facts){
					 .model = facts->model,
					 .self = node->self,
					 .containers = facts->containers,
					 .n_containers = facts->n_containers,
					 .file = !facts->docker,
					 .net = &node->net,
					 .net_generation = node->net_generation,
				 },
				 datapath, &node->retry, &other);
	if (err && !failed) {
		*error = other;
		failed = err;
	}
	datapath->listeners = listeners_list(node->listeners, &datapath->n_listeners);
	return failed;
}
