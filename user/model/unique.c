/* SPDX-License-Identifier: GPL-2.0-only */
/* What only one may have: a published port among services, an address on a network among live
 * tasks. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "model/build.h"
#include "model/check.h"

struct claim {
	size_t owner; /* index of the service or task in the document */
	size_t entry; /* index in its ports or addresses */
	union {
		struct model_port port;
		struct model_attachment address;
	};
};

static struct claim *add_claim(struct build *build, size_t owner, size_t entry)
{
	struct claim *claim = array_add(&build->claims, sizeof(*claim));

	if (claim) {
		claim->owner = owner;
		claim->entry = entry;
	}
	return claim;
}

int build_claim_port(struct build *build, size_t service, size_t entry,
		     const struct model_port *port)
{
	struct claim *claim = add_claim(build, service, entry);

	if (!claim)
		return error_errno(build->error, -ENOMEM, "cannot build the model");
	claim->port = *port;
	return 0;
}

int build_claim_address(struct build *build, size_t task, size_t entry,
			const struct model_attachment *address)
{
	struct claim *claim = add_claim(build, task, entry);

	if (!claim)
		return error_errno(build->error, -ENOMEM, "cannot build the model");
	claim->address = *address;
	return 0;
}

static int compare_ports(const struct claim *first, const struct claim *second)
{
	if (first->port.published != second->port.published)
		return first->port.published < second->port.published ? -1 : 1;
	return first->port.protocol - second->port.protocol;
}

static int compare_addresses(const struct claim *first, const struct claim *second)
{
	if (first->address.network != second->address.network)
		return first->address.network < second->address.network ? -1 : 1;
	return addr_compare(&first->address.address, &second->address.address);
}

/* Of equal claims the document's first is the rightful one. */
static int compare_places(const struct claim *first, const struct claim *second)
{
	if (first->owner != second->owner)
		return first->owner < second->owner ? -1 : 1;
	return first->entry < second->entry ? -1 : first->entry > second->entry;
}

static int order_ports(const void *a, const void *b)
{
	int order = compare_ports(a, b);

	return order ? order : compare_places(a, b);
}

static int order_addresses(const void *a, const void *b)
{
	int order = compare_addresses(a, b);

	return order ? order : compare_places(a, b);
}

/* The first claim that was made before; *earlier is who made it. NULL: none. */
static const struct claim *find_second(struct build *build,
				       int (*order)(const void *, const void *),
				       int (*compare)(const struct claim *, const struct claim *),
				       const struct claim **earlier)
{
	struct claim *claims = build->claims.items;

	if (build->claims.n < 2)
		return NULL;
	qsort(claims, build->claims.n, sizeof(*claims), order);
	for (size_t i = 1; i < build->claims.n; i++) {
		if (compare(&claims[i - 1], &claims[i]) == 0) {
			*earlier = &claims[i - 1];
			return &claims[i];
		}
	}
	return NULL;
}

int build_check_ports(struct build *build)
{
	const struct model_service *services = build->items.items;
	const struct claim *earlier, *claim;

	claim = find_second(build, order_ports, compare_ports, &earlier);
	if (!claim)
		return 0;
	const struct where service = {NULL, build_kind_names[BUILD_SERVICES], claim->owner};
	return check_fail(&(struct where){&service, "ports", claim->entry}, build->error,
			  "%u/%s is already published by service \"%.64s\"", claim->port.published,
			  claim->port.protocol == IPPROTO_TCP ? "tcp" : "udp",
			  services[earlier->owner].name);
}

int build_check_addresses(struct build *build)
{
	const struct model_task *tasks = build->items.items;
	const struct claim *earlier, *claim;
	char text[ADDR_TEXT_SIZE];

	claim = find_second(build, order_addresses, compare_addresses, &earlier);
	if (!claim)
		return 0;
	const struct where task = {NULL, build_kind_names[BUILD_TASKS], claim->owner};
	return check_fail(&(struct where){&task, "addresses", claim->entry}, build->error,
			  "%s on network \"%.64s\" is already the address of task \"%.64s\"",
			  addr_text(&claim->address.address, text), claim->address.network->name,
			  tasks[earlier->owner].name);
}
