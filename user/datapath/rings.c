/* SPDX-License-Identifier: GPL-2.0-only */
#include "datapath/rings.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "skep/maps.h"

/* New rings to one system call: each holds a file descriptor until then. */
#define BATCH 128

void ring_set_free(struct ring_set *set)
{
	free(set->rings);
	free(set->slots);
	*set = (struct ring_set){};
}

int ring_set_add(struct ring_set *set, uint32_t service_id, const struct skep_addr *tasks,
		 uint32_t length)
{
	if (set->n_rings == set->rings_capacity) {
		size_t capacity = set->rings_capacity ? set->rings_capacity * 2 : 64;
		struct ring *rings = reallocarray(set->rings, capacity, sizeof(*rings));

		if (!rings)
			return -ENOMEM;
		set->rings = rings;
		set->rings_capacity = capacity;
	}
	if (set->n_slots + length > set->slots_capacity) {
		size_t capacity = (set->n_slots + length) * 2;
		struct skep_addr *slots = reallocarray(set->slots, capacity, sizeof(*slots));

		if (!slots)
			return -ENOMEM;
		set->slots = slots;
		set->slots_capacity = capacity;
	}
	set->rings[set->n_rings++] = (struct ring){service_id, length, set->n_slots};
	if (length)
		memcpy(set->slots + set->n_slots, tasks, length * sizeof(*tasks));
	set->n_slots += length;
	return 0;
}

const struct skep_addr *ring_slots(const struct ring_set *set, const struct ring *ring)
{
	return set->slots + ring->first;
}

static int ring_open(int rings, uint32_t service_id)
{
	__u32 id;
	int err = bpf_map_lookup_elem(rings, &service_id, &id);

	return err ? err : bpf_map_get_fd_by_id(id);
}

static int ring_read(int fd, uint32_t service_id, struct ring_set *set)
{
	struct skep_addr *tasks = NULL;
	union skep_ring_slot slot;
	uint32_t length;
	__u32 index = 0;
	int err = bpf_map_lookup_elem(fd, &index, &slot);

	if (err)
		return err;
	length = slot.header.length;
	if (length > SKEP_RING_MAX)
		return -EINVAL;
	tasks = calloc(length + 1, sizeof(*tasks));
	if (!tasks)
		return -ENOMEM;
	for (index = 1; index <= length && !err; index++)
		err = bpf_map_lookup_elem(fd, &index, &tasks[index - 1]);
	if (!err)
		err = ring_set_add(set, service_id, tasks, length);
	free(tasks);
	return err;
}

static int compare_id(const void *a, const void *b)
{
	uint32_t x = ((const struct ring *)a)->service_id, y = ((const struct ring *)b)->service_id;

	return x < y ? -1 : x > y;
}

int rings_read(int rings, struct ring_set *set, struct skep_error *error)
{
	__u32 key, next;
	void *from = NULL;
	int err;

	while (!(err = bpf_map_get_next_key(rings, from, &next))) {
		int fd = ring_open(rings, next);

		key = next;
		from = &key;
		if (fd == -ENOENT) /* deleted meanwhile */
			continue;
		if (fd < 0) {
			err = fd;
			break;
		}
		err = ring_read(fd, next, set);
		close(fd);
		if (err)
			break;
	}
	if (err != -ENOENT)
		return error_errno(error, err, "cannot read map rings");
	if (set->n_rings)
		qsort(set->rings, set->n_rings, sizeof(*set->rings), compare_id);
	return 0;
}

void rings_compare(const struct ring_set *actual, const struct ring_set *desired,
		   void (*differs)(void *context, const struct ring *actual,
				   const struct ring *desired),
		   void *context)
{
	size_t a = 0, d = 0;

	while (a < actual->n_rings || d < desired->n_rings) {
		const struct ring *old = a < actual->n_rings ? &actual->rings[a] : NULL;
		const struct ring *new = d < desired->n_rings ? &desired->rings[d] : NULL;

		if (!new || (old && old->service_id < new->service_id)) {
			differs(context, old, NULL);
			a++;
		} else if (!old || new->service_id < old->service_id) {
			differs(context, NULL, new);
			d++;
		} else {
			if (old->length != new->length ||
			    memcmp(ring_slots(actual, old), ring_slots(desired, new),
				   new->length * sizeof(struct skep_addr)) != 0)
				differs(context, old, new);
			a++;
			d++;
		}
	}
}

struct writer {
	int rings;
	const struct ring_set *desired;
	struct datapath_changes *changes;
	struct skep_error *error;
	int err;
	__u32 ids[BATCH];
	__u32 fds[BATCH];
	__u32 n;
};

static void fail(struct writer *writer, int err, const char *what, uint32_t service_id)
{
	if (writer->err)
		return;
	writer->err = err;
	if (err == -E2BIG)
		error_set(writer->error, err,
			  "map rings is full; run `skep unload` and start the agent with a larger "
			  "--max-services");
	else
		error_errno(writer->error, err, "cannot %s the ring of service id %u", what,
			    service_id);
}

/* One system call for many: the kernel waits only once until no program uses an old ring any more.
 */
static void flush(struct writer *writer)
{
	__u32 count = writer->n;
	int err;

	if (!writer->n)
		return;
	err = bpf_map_update_batch(writer->rings, writer->ids, writer->fds, &count, NULL);
	if (err == -EINVAL || err == -524 /* ENOTSUPP: no batches for maps in maps before 5.18 */) {
		err = 0;
		for (__u32 i = 0; i < writer->n && !err; i++)
			err = bpf_map_update_elem(writer->rings, &writer->ids[i], &writer->fds[i],
						  BPF_ANY);
	}
	if (err)
		fail(writer, err, "write", writer->ids[0]);
	for (__u32 i = 0; i < writer->n; i++)
		close((int)writer->fds[i]);
	writer->n = 0;
}

static uint32_t old_cursor(int rings, uint32_t service_id)
{
	union skep_ring_slot header;
	__u32 index = 0;
	int fd = ring_open(rings, service_id);
	int err;

	if (fd < 0)
		return 0;
	err = bpf_map_lookup_elem(fd, &index, &header);
	close(fd);
	return err ? 0 : header.header.cursor;
}

static int ring_make(struct writer *writer, const struct ring *ring, bool replaces)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_INNER_MAP);
	union skep_ring_slot header = {.header.length = ring->length};
	const struct skep_addr *slots = ring_slots(writer->desired, ring);
	int fd, err;
	__u32 index = 0;

	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "ring", sizeof(index), sizeof(header),
			    ring->length + 1, &options);
	if (fd < 0)
		return fd;
	if (replaces)
		header.header.cursor = old_cursor(writer->rings, ring->service_id);
	err = bpf_map_update_elem(fd, &index, &header, BPF_ANY);
	for (index = 1; index <= ring->length && !err; index++)
		err = bpf_map_update_elem(fd, &index, &slots[index - 1], BPF_ANY);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

static void on_write(void *context, const struct ring *actual, const struct ring *desired)
{
	struct writer *writer = context;
	int fd;

	if (!desired)
		return;
	fd = ring_make(writer, desired, actual != NULL);
	if (fd < 0) {
		fail(writer, fd, "make", desired->service_id);
		return;
	}
	if (actual)
		writer->changes->replaced++;
	else
		writer->changes->inserted++;
	writer->ids[writer->n] = desired->service_id;
	writer->fds[writer->n++] = (__u32)fd;
	if (writer->n == BATCH)
		flush(writer);
}

static void on_delete(void *context, const struct ring *actual, const struct ring *desired)
{
	struct writer *writer = context;
	int err;

	if (desired || !actual)
		return;
	err = bpf_map_delete_elem(writer->rings, &actual->service_id);
	if (err && err != -ENOENT)
		fail(writer, err, "delete", actual->service_id);
	writer->changes->deleted++;
}

int rings_write(int rings, const struct ring_set *actual, const struct ring_set *desired,
		struct datapath_changes *changes, struct skep_error *error)
{
	struct writer writer = {
		.rings = rings, .desired = desired, .changes = changes, .error = error};

	rings_compare(actual, desired, on_write, &writer);
	flush(&writer);
	return writer.err;
}

int rings_delete(int rings, const struct ring_set *actual, const struct ring_set *desired,
		 struct datapath_changes *changes, struct skep_error *error)
{
	struct writer writer = {
		.rings = rings, .desired = desired, .changes = changes, .error = error};

	rings_compare(actual, desired, on_delete, &writer);
	return writer.err;
}
