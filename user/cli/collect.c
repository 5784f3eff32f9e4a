/* SPDX-License-Identifier: GPL-2.0-only */
#include "cli/collect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct collector {
	struct collection collection;
	size_t room;
	size_t entry_size, key_size, value_size; /* entry: key, then value */
	int (*order)(const void *, const void *);
	size_t limit;			  /* 0: none; else only the first in order are kept */
	int (*wanted)(const void *entry); /* NULL: all are */
	int err;
};

static int by_addr(const void *left, const void *right)
{
	return memcmp(left, right, sizeof(struct skep_addr));
}

static int by_id(const void *left, const void *right)
{
	__u32 a = *(const __u32 *)left, b = *(const __u32 *)right;

	return (a > b) - (a < b);
}

static int by_port(const void *left, const void *right)
{
	const struct collect_frontend *a = left, *b = right;
	int order = by_id(&a->service.service_id, &b->service.service_id);

	if (!order)
		order = ntohs(a->frontend.port) - ntohs(b->frontend.port);
	return order ? order : a->frontend.protocol - b->frontend.protocol;
}

static int by_last_seen(const void *left, const void *right)
{
	const struct collect_flow *a = left, *b = right;

	return (a->flow.last_seen_ns < b->flow.last_seen_ns) -
	       (a->flow.last_seen_ns > b->flow.last_seen_ns);
}

static int on_any_address(const void *entry)
{
	const struct collect_frontend *frontend = entry;

	return skep_addr_is_zero(&frontend->frontend.addr);
}

static void sort(struct collector *collector)
{
	struct collection *collection = &collector->collection;

	if (collection->n)
		qsort(collection->entries, collection->n, collector->entry_size, collector->order);
	if (collector->limit && collection->n > collector->limit)
		collection->n = collector->limit;
}

static int grow(struct collector *collector)
{
	size_t room = collector->room ? collector->room * 2 : 1024;
	void *entries;

	/* With a limit, twice as many is enough: then the better half stays, and there is room
	 * again. */
	if (collector->limit && collector->collection.n >= 2 * collector->limit) {
		sort(collector);
		return 0;
	}
	entries = reallocarray(collector->collection.entries, room, collector->entry_size);
	if (!entries)
		return -ENOMEM;
	collector->collection.entries = entries;
	collector->room = room;
	return 0;
}

static int take(void *context, const void *key, const void *value)
{
	struct collector *collector = context;
	struct collection *collection = &collector->collection;
	char *entry;

	if (collection->n == collector->room ||
	    (collector->limit && collection->n >= 2 * collector->limit))
		collector->err = grow(collector);
	if (collector->err)
		return 1;
	entry = (char *)collection->entries + collection->n * collector->entry_size;
	/* Both ends: between them there may be padding, which nobody reads. */
	memcpy(entry, key, collector->key_size);
	memcpy(entry + collector->entry_size - collector->value_size, value, collector->value_size);
	if (!collector->wanted || collector->wanted(entry))
		collection->n++;
	return 0;
}

static int collect(struct collector *collector, const char *bpffs, const char *name,
		   struct collection *collection, struct skep_error *error)
{
	const struct maps_entry_visitor visitor = {take, collector};
	int err;

	*collection = (struct collection){0};
	err = maps_walk(bpffs, name, &visitor, error);
	if (!err && collector->err)
		err = error_errno(error, collector->err, "cannot keep the map %s/%s", bpffs, name);
	if (err) {
		free(collector->collection.entries);
		return err;
	}
	sort(collector);
	*collection = collector->collection;
	return 0;
}

#define ENTRY(type, key, value)                                                                    \
	.entry_size = sizeof(struct type), .key_size = sizeof(((struct type *)0)->key),            \
	.value_size = sizeof(((struct type *)0)->value)

/* take() puts the value at the end of an entry. */
#define VALUE_ENDS(type, value)                                                                    \
	_Static_assert(offsetof(struct type, value) + sizeof(((struct type *)0)->value) ==         \
			       sizeof(struct type),                                                \
		       "a value ends its entry")
VALUE_ENDS(collect_task, task);
VALUE_ENDS(collect_name, name);
VALUE_ENDS(collect_frontend, service);
VALUE_ENDS(collect_flow, flow);

int collect_tasks(const char *bpffs, struct collection *tasks, struct skep_error *error)
{
	struct collector collector = {ENTRY(collect_task, addr, task), .order = by_addr};

	return collect(&collector, bpffs, "tasks", tasks, error);
}

int collect_names(const char *bpffs, struct collection *names, struct skep_error *error)
{
	struct collector collector = {ENTRY(collect_name, service_id, name), .order = by_id};
	int err = collect(&collector, bpffs, "service_names", names, error);
	struct collect_name *entries = names->entries;

	for (size_t i = 0; !err && i < names->n; i++) {
		entries[i].name.id[SKEP_ID_SIZE - 1] = '\0';
		entries[i].name.name[SKEP_NAME_SIZE - 1] = '\0';
	}
	return err;
}

int collect_frontends(const char *bpffs, struct collection *frontends, struct skep_error *error)
{
	struct collector collector = {ENTRY(collect_frontend, frontend, service), .order = by_port,
				      .wanted = on_any_address};

	return collect(&collector, bpffs, "services", frontends, error);
}

int collect_flows(const char *bpffs, size_t limit, struct collection *flows,
		  struct skep_error *error)
{
	struct collector collector = {ENTRY(collect_flow, key, flow), .order = by_last_seen,
				      .limit = limit};

	return collect(&collector, bpffs, "flows", flows, error);
}

void collection_free(struct collection *collection)
{
	free(collection->entries);
	*collection = (struct collection){0};
}

const struct collect_task *collect_find_task(const struct collection *tasks,
					     const struct skep_addr *addr)
{
	return tasks->n ? bsearch(addr, tasks->entries, tasks->n, sizeof(struct collect_task),
				  by_addr)
			: NULL;
}

const char *collect_find_name(const struct collection *names, __u32 service_id)
{
	const struct collect_name *found = NULL;

	if (names->n)
		found = bsearch(&service_id, names->entries, names->n, sizeof(*found), by_id);
	return found ? found->name.name : NULL;
}
