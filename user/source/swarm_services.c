/* SPDX-License-Identifier: GPL-2.0-only */
/* Services of the Engine API to the model's. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/model.h"
#include "source/swarm_parts.h"

static bool is_port(json_int_t port)
{
	return port >= 1 && port <= UINT16_MAX;
}

static void convert_port(struct parts *parts, const char *service, const json_t *port,
			 json_t *ports)
{
	const char *mode = parts_text(port, "PublishMode");
	const char *protocol = parts_text(port, "Protocol");
	json_int_t published = json_integer_value(json_object_get(port, "PublishedPort"));
	json_int_t target = json_integer_value(json_object_get(port, "TargetPort"));
	char claim[32];

	/* Docker's defaults are empty in what it tells. Nothing published yet: Swarm is still to
	 * choose the port. */
	if ((*mode && strcmp(mode, "ingress") != 0) || strcmp(protocol, "sctp") == 0 ||
	    published == 0)
		return;
	if (!*protocol)
		protocol = "tcp";
	if (!is_port(published) || !is_port(target) ||
	    (strcmp(protocol, "tcp") != 0 && strcmp(protocol, "udp") != 0)) {
		parts_warn(parts, "service %s: a published port makes no sense: left out", service);
		return;
	}
	if (json_array_size(ports) == MODEL_MAX_PORTS) {
		parts_warn(parts, "service %s publishes more than %d ports: the rest left out",
			   service, MODEL_MAX_PORTS);
		return;
	}
	snprintf(claim, sizeof(claim), "%d/%s", (int)published, protocol);
	const char *owner = json_string_value(json_object_get(parts->taken, claim));
	if (owner) {
		parts_warn(parts,
			   "service %s: port %s is already published by service %s: left out",
			   service, claim, owner);
		return;
	}
	parts_set(parts, parts->taken, claim, json_string(service));
	parts_append(parts, ports,
		     json_pack("{sIsIss}", "published", published, "target", target, "protocol",
			       protocol));
}

/*
 * RFC 3339 in UTC, as Docker writes it. What cannot be read is left out: only the order of age is
 * poorer for it.
 */
static int64_t parse_time(const char *text)
{
	struct tm tm = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	int64_t ms = 0, scale = 100;

	if (!rest)
		return 0;
	if (*rest == '.')
		for (rest++; *rest >= '0' && *rest <= '9'; rest++, scale /= 10)
			ms += scale * (*rest - '0');
	return strcmp(rest, "Z") == 0 && tm.tm_year >= 70 ? timegm(&tm) * 1000 + ms : 0;
}

/* To the service added last. */
static void add_created(struct parts *parts, const char *created)
{
	size_t n = json_array_size(parts->services);
	json_t *service = json_array_get(parts->services, n ? n - 1 : 0);
	int64_t ms = parse_time(created);

	if (service && ms > 0)
		parts_set(parts, service, "created_ms", json_integer(ms));
}

void parts_add_services(struct parts *parts, const json_t *answer)
{
	size_t n, j;
	struct parts_object *services = parts_by_age(parts, answer, "service", &n);

	for (size_t i = 0; i < n; i++) {
		const json_t *spec = json_object_get(services[i].json, "Spec");
		const json_t *endpoint = json_object_get(services[i].json, "Endpoint");
		const char *id = services[i].id, *name = parts_text(spec, "Name");
		const json_t *port, *vip;

		if (json_object_get(parts->service_names, id))
			continue;
		if (!parts_name_is_valid(name)) {
			parts_warn(parts, "service %s has no valid name: left out", id);
			continue;
		}
		if (json_array_size(parts->services) == MODEL_MAX_SERVICES) {
			parts_warn(parts, "Docker lists more than %d services: the rest left out",
				   MODEL_MAX_SERVICES);
			break;
		}
		json_t *ports = json_array(), *vips = json_array();
		json_array_foreach (json_object_get(endpoint, "Ports"), j, port)
			convert_port(parts, name, port, ports);
		json_array_foreach (json_object_get(endpoint, "VirtualIPs"), j, vip)
			parts_add_attachment(parts, vips, parts_text(vip, "NetworkID"),
					     parts_text(vip, "Addr"));
		parts_append(parts, parts->services,
			     json_pack("{sssssososo}", "id", id, "name", name, "labels",
				       parts_labels(parts, "service", name, "",
						    json_object_get(spec, "Labels")),
				       "ports", ports, "vips", vips));
		add_created(parts, services[i].created);
		parts_set(parts, parts->service_names, id, json_string(name));
	}
	free(services);
}
