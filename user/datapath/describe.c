/* SPDX-License-Identifier: GPL-2.0-only */
#include "datapath/describe.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "lib/addr.h"
#include "skep/maps.h"

void describe_service(const struct table *names, uint32_t service_id, struct describe_text *text)
{
	const struct skep_service_name *name = table_find(names, &service_id);

	if (name)
		snprintf(text->text, sizeof(text->text), "service %.*s (id %u)", SKEP_NAME_SIZE,
			 name->name, service_id);
	else
		snprintf(text->text, sizeof(text->text), "service id %u", service_id);
}

void describe_name(const struct table *names, const void *key, const void *value,
		   struct describe_text *text)
{
	const struct skep_service_name *name = value;
	uint32_t service_id;

	(void)names;
	memcpy(&service_id, key, sizeof(service_id));
	snprintf(text->text, sizeof(text->text), "id %u is %.*s (%.*s)", service_id, SKEP_NAME_SIZE,
		 name->name, SKEP_ID_SIZE, name->id);
}

void describe_frontend(const struct table *names, const void *key, const void *value,
		       struct describe_text *text)
{
	const struct skep_frontend *frontend = key;
	const struct skep_service *service = value;
	struct describe_text whose;
	char addr[ADDR_TEXT_SIZE];

	describe_service(names, service->service_id, &whose);
	snprintf(text->text, sizeof(text->text), "%s:%u/%s to %.100s, port %u%s%s, idle %u",
		 addr_text(&frontend->addr, addr), ntohs(frontend->port),
		 frontend->protocol == IPPROTO_TCP ? "tcp" : "udp", whose.text,
		 ntohs(service->target_port),
		 service->flags & SKEP_SERVICE_ALLOW ? ", for clients in allow" : "",
		 service->flags & SKEP_SERVICE_CLOSED ? ", closed" : "", service->idle_ticks);
}

void describe_allow(const struct table *names, const void *key, const void *value,
		    struct describe_text *text)
{
	const struct skep_allow_key *allow = key;
	unsigned int length = allow->prefix_length - 8 * sizeof(allow->service_id);
	struct describe_text whose;
	char addr[ADDR_TEXT_SIZE];

	(void)value;
	describe_service(names, allow->service_id, &whose);
	snprintf(text->text, sizeof(text->text), "%s/%u to %.100s", addr_text(&allow->client, addr),
		 skep_addr_is_v4(&allow->client) ? length - 96 : length, whose.text);
}

void describe_task(const struct table *names, const void *key, const void *value,
		   struct describe_text *text)
{
	const struct skep_task *task = value;
	struct describe_text whose;
	char addr[ADDR_TEXT_SIZE], node[ADDR_TEXT_SIZE];

	describe_service(names, task->service_id, &whose);
	snprintf(text->text, sizeof(text->text), "%s of %.100s on %s, interface %u, %s",
		 addr_text(key, addr), whose.text, addr_text(&task->node, node), task->ifindex,
		 task->state == SKEP_TASK_SERVING ? "serving" : "draining");
}

void describe_node(const struct table *names, const void *key, const void *value,
		   struct describe_text *text)
{
	const struct skep_node *node = value;
	char addr[ADDR_TEXT_SIZE];

	(void)names;
	snprintf(text->text, sizeof(text->text), "%s%s%s", addr_text(key, addr),
		 node->flags & SKEP_NODE_MANAGER ? ", manager" : "",
		 node->flags & SKEP_NODE_SELF ? ", this node" : "");
}
