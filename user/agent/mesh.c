/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/mesh.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "skep/tunnel.h"

struct mesh {
	/* What the kernel was last brought to. */
	struct net_mesh device;
	int ifindex;
	uint64_t generation; /* of the network, then; 0: not yet, or it failed */
	struct skep_addr source;
	struct addr_prefix *prefixes;
	size_t n_prefixes;
	char left_out[512];
};

struct mesh *mesh_new(void)
{
	return calloc(1, sizeof(struct mesh));
}

void mesh_free(struct mesh *mesh)
{
	if (!mesh)
		return;
	free(mesh->prefixes);
	free(mesh);
}

int mesh_ifindex(const struct mesh *mesh)
{
	return mesh->ifindex;
}

void mesh_mac(const struct skep_addr *underlay, uint8_t mac[6])
{
	mac[0] = SKEP_MAC_MESH >> 8;
	mac[1] = SKEP_MAC_MESH & 0xff;
	memcpy(mac + 2, &underlay->word[3], 4);
}

static bool overlap(const struct addr_prefix *a, const struct addr_prefix *b)
{
	return addr_prefix_contains(a, &b->addr) || addr_prefix_contains(b, &a->addr);
}

static struct addr_prefix connected_prefix(const struct net_addr *addr)
{
	struct addr_prefix prefix = {.addr = addr->addr, .length = addr->prefix};

	for (unsigned int word = 0; word < 4; word++) {
		unsigned int bits = prefix.length > word * 32 ? prefix.length - word * 32 : 0;

		if (bits < 32)
			prefix.addr.word[word] &= bits ? htonl(~0U << (32 - bits)) : 0;
	}
	return prefix;
}

static int compare_addr(const void *a, const void *b)
{
	return addr_compare(a, b);
}

/* Addresses that the host must go on reaching by its own routes, sorted. */
static int list_kept(const struct mesh_facts *facts, struct skep_addr **kept, size_t *n)
{
	const struct model *model = facts->model;

	*n = 0;
	*kept = calloc(model->n_nodes + facts->n_vips + 1, sizeof(**kept));
	if (!*kept)
		return -ENOMEM;
	for (size_t i = 0; i < model->n_nodes; i++)
		if (!skep_addr_is_zero(&model->nodes[i].address))
			(*kept)[(*n)++] = model->nodes[i].address;
	for (size_t i = 0; i < facts->n_vips; i++)
		(*kept)[(*n)++] = facts->vips[i];
	(*kept)[(*n)++] = facts->underlay;
	qsort(*kept, *n, sizeof(**kept), compare_addr);
	return 0;
}

static bool holds_kept(const struct addr_prefix *prefix, const struct skep_addr *kept, size_t n)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (addr_compare(&kept[middle], &prefix->addr) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && addr_prefix_contains(prefix, &kept[low]);
}

static bool is_local(const struct mesh_facts *facts, const struct addr_prefix *prefix)
{
	const struct net_link *own = net_find_link_by_name(facts->net, NET_MESH_NAME);

	for (size_t i = 0; i < facts->net->n_addrs; i++) {
		struct addr_prefix local = connected_prefix(&facts->net->addrs[i]);

		if (own && facts->net->addrs[i].ifindex == own->ifindex)
			continue;
		if (overlap(&local, prefix))
			return true;
	}
	return false;
}

/*
 * Into the sorted list, unless it overlaps one there: of disjoint prefixes only the neighbours can.
 */
static bool insert_prefix(struct addr_prefix *list, size_t *n, const struct addr_prefix *prefix)
{
	size_t low = 0, high = *n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (addr_compare(&list[middle].addr, &prefix->addr) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if ((low && overlap(&list[low - 1], prefix)) || (low < *n && overlap(&list[low], prefix)))
		return false;
	memmove(&list[low + 1], &list[low], (*n - low) * sizeof(*list));
	list[low] = *prefix;
	(*n)++;
	return true;
}

static void append_text(char *text, size_t size, const struct model_network *network,
			const struct addr_prefix *prefix, const char *why)
{
	size_t used = strlen(text);
	char addr[ADDR_TEXT_SIZE];

	snprintf(text + used, size - used, "%s%s %s/%u %s", used ? ", " : "", network->name,
		 addr_text(&prefix->addr, addr), prefix->length - 96, why);
}

int mesh_prefixes(const struct mesh_facts *facts, struct addr_prefix **prefixes, size_t *n,
		  char *left_out, size_t left_out_size)
{
	const struct model *model = facts->model;
	struct skep_addr *kept = NULL;
	size_t n_kept, n_subnets = 0;
	int err;

	*n = 0;
	*left_out = '\0';
	for (size_t i = 0; i < model->n_networks; i++)
		n_subnets += model->networks[i].n_subnets;
	*prefixes = calloc(n_subnets + 1, sizeof(**prefixes));
	err = *prefixes ? list_kept(facts, &kept, &n_kept) : -ENOMEM;
	if (err)
		goto cleanup;

	/* The ingress network's turn is the first. */
	for (size_t i = 0; i < 2 * model->n_networks; i++) {
		const struct model_network *network = &model->networks[i % model->n_networks];

		if (network->ingress != (i < model->n_networks))
			continue;
		for (size_t j = 0; j < network->n_subnets; j++) {
			const struct addr_prefix *prefix = &network->subnets[j];
			const char *why = NULL;

			if (!skep_addr_is_v4(&prefix->addr) || prefix->length < 96)
				continue;
			if (is_local(facts, prefix))
				why = "(is this machine's too)";
			else if (holds_kept(prefix, kept, n_kept))
				why = "(holds a node's address or a VIP)";
			else if (!insert_prefix(*prefixes, n, prefix))
				why = "(overlaps another network)";
			if (why)
				append_text(left_out, left_out_size, network, prefix, why);
		}
	}
cleanup:
	free(kept);
	if (err) {
		free(*prefixes);
		*prefixes = NULL;
	}
	return err;
}

static int update_device(struct mesh *mesh, const struct mesh_facts *facts, bool *made,
			 struct skep_error *error)
{
	struct net_mesh device = {.port = facts->port, .mtu = facts->tunnel_mtu};
	bool changed;
	int old = mesh->ifindex, err;

	mesh_mac(&facts->underlay, device.mac);
	if (mesh->generation == facts->net_generation &&
	    memcmp(&mesh->device, &device, sizeof(device)) == 0)
		return 0;
	mesh->generation = 0;
	err = net_mesh_ensure(&device, &mesh->ifindex, &changed, error);
	if (err) {
		mesh->ifindex = 0;
		return err;
	}
	*made = mesh->ifindex != old;
	mesh->device = device;
	if (*made || changed)
		log_info("%s is up: tunnel on UDP port %u, MTU %u", NET_MESH_NAME, device.port,
			 device.mtu);
	return 0;
}

static int update_routes(struct mesh *mesh, const struct mesh_facts *facts, bool must,
			 struct skep_error *error)
{
	struct addr_prefix *prefixes;
	char left_out[sizeof(mesh->left_out)];
	bool changed;
	size_t n;
	int err = mesh_prefixes(facts, &prefixes, &n, left_out, sizeof(left_out));

	if (err)
		return error_errno(error, err, "cannot choose the networks to route to %s",
				   NET_MESH_NAME);
	if (strcmp(left_out, mesh->left_out) != 0) {
		if (*left_out)
			log_warning("this host's own processes cannot reach tasks on: %s",
				    left_out);
		memcpy(mesh->left_out, left_out, sizeof(left_out));
	}
	if (!must && n == mesh->n_prefixes && skep_addr_equal(&mesh->source, &facts->underlay) &&
	    (!n || memcmp(prefixes, mesh->prefixes, n * sizeof(*prefixes)) == 0))
		goto cleanup;
	/* Until it has gone well, the next call must try again. */
	mesh->generation = 0;
	err = net_mesh_routes_ensure(mesh->ifindex, &facts->underlay, prefixes, n, &changed, error);
	if (err)
		goto cleanup;
	free(mesh->prefixes);
	mesh->prefixes = prefixes;
	mesh->n_prefixes = n;
	mesh->source = facts->underlay;
	return 0;

cleanup:
	free(prefixes);
	return err;
}

int mesh_update(struct mesh *mesh, const struct mesh_facts *facts, struct skep_error *error)
{
	bool made = false, must = mesh->generation != facts->net_generation;
	int err = update_device(mesh, facts, &made, error);

	if (!err && facts->model)
		err = update_routes(mesh, facts, must || made, error);
	if (!err)
		mesh->generation = facts->net_generation;
	return err;
}
