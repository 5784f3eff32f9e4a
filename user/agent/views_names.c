/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/views_names.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

json_t *views_names(const struct datapath *datapath)
{
	const char *cgroup = datapath_names_cgroup(datapath);
	const char *problem = datapath_names_problem(datapath);

	return json_pack("{s:s?, s:s?}", "cgroup", *cgroup ? cgroup : NULL, "problem",
			 *problem ? problem : NULL);
}

static bool is_port_of(const struct datapath_listener *listener, const json_t *port)
{
	const char *protocol = json_string_value(json_object_get(port, "protocol"));

	return ntohs(listener->place.port) ==
		       json_integer_value(json_object_get(port, "published")) &&
	       protocol &&
	       strcmp(protocol, listener->place.protocol == IPPROTO_TCP ? "tcp" : "udp") == 0;
}

static json_t *conflict_text(const struct listeners *listeners,
			     const struct datapath_listener *listener)
{
	const struct skep_frontend *place = &listener->place;
	char addr[ADDR_TEXT_SIZE];

	return json_sprintf("port %u/%s of %s is taken by %s (process %u)", ntohs(place->port),
			    place->protocol == IPPROTO_TCP ? "tcp" : "udp",
			    skep_addr_is_zero(&place->addr) ? "any address"
							    : addr_text(&place->addr, addr),
			    listeners_name(listeners, listener), listener->pid);
}

int views_add_conflicts(json_t *services, const struct listeners *listeners)
{
	const struct datapath_listener *list;
	json_t *service, *port;
	size_t n, s, p;

	list = listeners_list(listeners, &n);
	json_array_foreach (services, s, service) {
		json_t *lines = json_array();

		if (json_object_set_new(service, "conflicts", lines))
			return -ENOMEM;
		json_array_foreach (json_object_get(service, "ports"), p, port)
			for (size_t i = 0; i < n; i++)
				if (is_port_of(&list[i], port) &&
				    json_array_append_new(lines,
							  conflict_text(listeners, &list[i])))
					return -ENOMEM;
	}
	return 0;
}
