/* SPDX-License-Identifier: GPL-2.0-only */
#include "datapath/frontends.h"

#include <arpa/inet.h>
#include <string.h>

#include "net/net.h"
#include "skep/table.h"

/* By skep.bind: that very address, or one of an interface so named. */
static bool is_bound(const struct options *options, const struct skep_addr *addr,
		     const struct net_state *net)
{
	for (size_t i = 0; i < options->n_bind; i++) {
		const struct options_bind *bind = &options->bind[i];

		if (skep_addr_equal(&bind->addr, addr))
			return true;
		for (size_t a = 0; *bind->interface && net && a < net->n_addrs; a++) {
			const struct net_link *link;

			if (!skep_addr_equal(&net->addrs[a].addr, addr))
				continue;
			link = net_find_link(net, net->addrs[a].ifindex);
			if (link && strcmp(link->name, bind->interface) == 0)
				return true;
		}
	}
	return false;
}

/* Rounded up: a flow may be silent for as long as its label says. 0 stays 0. */
static uint32_t ticks_of(uint32_t seconds)
{
	return SKEP_TICKS(seconds * 1000000000ULL + (1ULL << SKEP_TICK_SHIFT) - 1);
}

/* What every packet to the port is to meet, where the service answers. */
static struct skep_service service_value(uint32_t service_id, const struct model_port *port,
					 const struct options *options, bool dsr)
{
	return (struct skep_service){
		.service_id = service_id,
		.target_port = htons(port->target),
		.policy = (uint8_t)options->policy,
		.flags = (options->has_allow ? SKEP_SERVICE_ALLOW : 0) |
			 (options_dsr(options, dsr) ? SKEP_SERVICE_DSR : 0),
		.idle_ticks = ticks_of(port->protocol == IPPROTO_TCP ? options->idle_s
								     : options->udp_idle_s),
		.affinity_ticks =
			options->policy == SKEP_POLICY_SOURCE ? ticks_of(options->affinity_s) : 0,
	};
}

/* port_rings NULL: overrides do not count there. */
static int add_at(struct table *services, const struct model_service *service, uint32_t service_id,
		  const struct options *options, const struct port_rings *port_rings,
		  const struct skep_addr *addr, bool closed, bool dsr)
{
	int err = 0;

	for (size_t i = 0; i < service->n_ports && !err; i++) {
		const struct model_port *port = &service->ports[i];
		struct skep_service value = service_value(service_id, port, options, dsr);
		struct skep_frontend frontend = {
			.addr = *addr,
			.port = htons(port->published),
			.protocol = port->protocol,
		};

		if (port_rings)
			port_rings_value(port_rings, port, &value);
		if (closed || (port_rings && port->disabled))
			value.flags |= SKEP_SERVICE_CLOSED;
		err = table_add(services, &frontend, &value);
	}
	return err;
}

/*
 * IPv4 alone, as the programs know nothing else: in a trie ::/0 would hold the IPv4 clients, too,
 * which nobody means by it.
 */
static int add_allowed(struct table *allow, uint32_t service_id, const struct options *options)
{
	struct skep_allow value = {.allowed = 1};
	int err = 0;

	for (size_t i = 0; i < options->n_allow && !err; i++) {
		const struct addr_prefix *prefix = &options->allow[i];
		struct skep_allow_key key = {
			.prefix_length = 8 * sizeof(key.service_id) + prefix->length,
			.service_id = service_id,
			.client = prefix->addr,
		};

		if (skep_addr_is_v4(&prefix->addr))
			err = table_add(allow, &key, &value);
	}
	return err;
}

int frontends_add(struct table *services, struct table *allow, const struct model_service *service,
		  const struct options *options, uint32_t service_id,
		  const struct port_rings *port_rings, const struct datapath_node *node)
{
	static const struct skep_addr any;
	int err;

	if (!service->n_ports)
		return 0;
	err = add_allowed(allow, service_id, options);
	if (!err)
		err = add_at(services, service, service_id, options, NULL, &any, false, node->dsr);
	for (size_t i = 0; i < node->n_addresses && !err; i++) {
		const struct skep_addr *addr = &node->addresses[i];
		bool closed = options->has_bind && !is_bound(options, addr, node->net);

		err = add_at(services, service, service_id, options, port_rings, addr, closed,
			     node->dsr);
	}
	return err;
}
