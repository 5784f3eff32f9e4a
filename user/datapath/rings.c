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

/* The kernel's own errno for an operation that a map type lacks; no libc header has it. */
#define KERNEL_ENOTSUPP 524

void ring_set_free(struct ring_set *set)
{
	free(set->rings);
	free(set->tasks);
	free(set->slots);
	*set = (struct ring_set){};
}

static int reserve(void **items, size_t *capacity, size_t size, size_t wanted)
{
	size_t larger = wanted * 2 > 64 ? wanted * 2 : 64;
	void *grown;

	if (wanted <= *capacity)
		return 0;
	grown = reallocarray(*items, larger, size);
	if (!grown)
		return -ENOMEM;
	*items = grown;
	*capacity = larger;
	return 0;
}

static struct ring *ring_append(struct ring_set *set, uint32_t service_id)
{
	if (reserve((void **)&set->rings, &set->rings_capacity, sizeof(*set->rings),
		    set->n_rings + 1))
		return NULL;
	set->rings[set->n_rings] = (struct ring){.service_id = service_id};
	return &set->rings[set->n_rings++];
}

const struct skep_addr *ring_slots(struct ring_set *set, const struct ring *ring)
{
	if (!set->slots)
		set->slots = calloc(SKEP_RING_MAX, sizeof(*set->slots));
	if (!set->slots ||
	    ring_build(ring->policy, set->tasks + ring->first, ring->n_tasks, set->slots))
		return NULL;
	return set->slots;
}

/* Word by word, as it is taken of megabytes. Against chance, not against intent. */
static uint64_t digest_slots(const struct skep_addr *slots, uint32_t length)
{
	uint64_t digest = length;

	for (uint32_t i = 0; i < length; i++) {
		uint64_t words[2];

		memcpy(words, &slots[i], sizeof(words));
		digest = (digest ^ words[0]) * 0x9e3779b97f4a7c15ULL;
		digest ^= digest >> 32;
		digest = (digest ^ words[1]) * 0xd6e8feb86659fd93ULL;
		digest ^= digest >> 29;
	}
	return digest;
}

static int compare_id(const void *a, const void *b)
{
	uint32_t x = ((const struct ring *)a)->service_id, y = ((const struct ring *)b)->service_id;

	return x < y ? -1 : x > y;
}

static const struct ring *find_ring(const struct ring_set *set, uint32_t service_id)
{
	const struct ring wanted = {.service_id = service_id};

	if (!set || !set->n_rings)
		return NULL;
	return bsearch(&wanted, set->rings, set->n_rings, sizeof(wanted), compare_id);
}

int ring_set_add(struct ring_set *set, const struct ring_set *known, uint32_t service_id,
		 enum skep_policy policy, const struct ring_task *tasks, uint32_t n)
{
	const struct ring *before = find_ring(known, service_id);
	const struct skep_addr *slots;
	struct ring *ring;

	if (reserve((void **)&set->tasks, &set->tasks_capacity, sizeof(*set->tasks),
		    set->n_tasks + n))
		return -ENOMEM;
	ring = ring_append(set, service_id);
	if (!ring)
		return -ENOMEM;
	ring->policy = policy;
	ring->n_tasks = n;
	ring->first = set->n_tasks;
	memcpy(set->tasks + set->n_tasks, tasks, n * sizeof(*tasks));
	set->n_tasks += n;

	if (before && before->policy == policy && before->n_tasks == n &&
	    memcmp(known->tasks + before->first, tasks, n * sizeof(*tasks)) == 0) {
		ring->length = before->length;
		ring->digest = before->digest;
		return 0;
	}
	slots = ring_slots(set, ring);
	if (!slots)
		return -ENOMEM;
	ring->length = ring_length(policy, tasks, n);
	ring->digest = digest_slots(slots, ring->length);
	return 0;
}

static int ring_open(int rings, uint32_t service_id)
{
	__u32 id;
	int err = bpf_map_lookup_elem(rings, &service_id, &id);

	return err ? err : bpf_map_get_fd_by_id(id);
}

static bool has_no_batches(int err)
{
	return err == -EINVAL || err == -KERNEL_ENOTSUPP;
}

/* Elements 0 … n - 1 of a ring's array, by as few system calls as there can be: a Maglev ring has
 * 65538. */
static int array_read(int fd, __u32 n, union skep_ring_slot *elements, __u32 *keys)
{
	__u32 done = 0, last;
	int err = 0;

	while (done < n && !err) {
		__u32 count = n - done, from = done - 1;

		err = bpf_map_lookup_batch(fd, done ? &from : NULL, &last, keys, elements + done,
					   &count, NULL);
		if (err && err != -ENOENT)
			break;
		done += count;
	}
	if (done == n)
		return 0;
	if (err == -ENOENT) /* shorter than its header says */
		return -EINVAL;
	if (!has_no_batches(err))
		return err;
	for (err = 0; done < n && !err; done++)
		err = bpf_map_lookup_elem(fd, &done, &elements[done]);
	return err;
}

static int array_write(int fd, __u32 n, const union skep_ring_slot *elements, const __u32 *keys)
{
	__u32 count = n;
	int err = bpf_map_update_batch(fd, keys, elements, &count, NULL);

	if (!has_no_batches(err))
		return err;
	err = 0;
	for (__u32 i = 0; i < n && !err; i++)
		err = bpf_map_update_elem(fd, &i, &elements[i], BPF_ANY);
	return err;
}

/* An array's elements on their way from or to the kernel. */
struct transfer {
	union skep_ring_slot *elements;
	__u32 *keys; /* 0, 1, 2, … */
};

static int transfer_begin(struct transfer *transfer)
{
	transfer->elements = calloc(SKEP_RING_MAX + 1, sizeof(*transfer->elements));
	transfer->keys = calloc(SKEP_RING_MAX + 1, sizeof(*transfer->keys));
	if (!transfer->elements || !transfer->keys)
		return -ENOMEM;
	for (__u32 i = 0; i <= SKEP_RING_MAX; i++)
		transfer->keys[i] = i;
	return 0;
}

static void transfer_end(struct transfer *transfer)
{
	free(transfer->elements);
	free(transfer->keys);
}

static int ring_read(int fd, uint32_t service_id, struct ring_set *set, struct transfer *transfer)
{
	union skep_ring_slot header;
	struct ring *ring;
	uint32_t length;
	__u32 zero = 0;
	int err = bpf_map_lookup_elem(fd, &zero, &header);

	if (err)
		return err;
	length = header.header.length;
	if (length > SKEP_RING_MAX)
		return -EINVAL;
	err = array_read(fd, length + 1, transfer->elements, transfer->keys);
	if (err)
		return err;
	ring = ring_append(set, service_id);
	if (!ring)
		return -ENOMEM;
	ring->length = length;
	ring->digest = digest_slots(&transfer->elements[1].task, length);
	return 0;
}

int rings_read(int rings, struct ring_set *set, struct skep_error *error)
{
	struct transfer transfer;
	__u32 key, next;
	void *from = NULL;
	int err = transfer_begin(&transfer);

	while (!err && !(err = bpf_map_get_next_key(rings, from, &next))) {
		int fd = ring_open(rings, next);

		key = next;
		from = &key;
		if (fd == -ENOENT) /* deleted meanwhile */
			continue;
		if (fd < 0) {
			err = fd;
			break;
		}
		err = ring_read(fd, next, set, &transfer);
		close(fd);
	}
	transfer_end(&transfer);
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
			if (old->length != new->length || old->digest != new->digest)
				differs(context, old, new);
			a++;
			d++;
		}
	}
}

struct writer {
	int rings;
	struct ring_set *desired;
	struct transfer transfer;
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
	if (has_no_batches(err)) { /* for maps in maps before 5.18 */
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
	union skep_ring_slot *elements;
	const struct skep_addr *slots;
	int fd, err;

	if (!writer->transfer.elements && transfer_begin(&writer->transfer))
		return -ENOMEM;
	elements = writer->transfer.elements;
	slots = ring_slots(writer->desired, ring);
	if (!slots)
		return -ENOMEM;
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "ring", sizeof(__u32), sizeof(*elements),
			    ring->length + 1, &options);
	if (fd < 0)
		return fd;
	elements[0] = (union skep_ring_slot){.header.length = ring->length};
	if (replaces)
		elements[0].header.cursor = old_cursor(writer->rings, ring->service_id);
	memcpy(&elements[1], slots, ring->length * sizeof(*slots));
	err = array_write(fd, ring->length + 1, elements, writer->transfer.keys);
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

int rings_write(int rings, const struct ring_set *actual, struct ring_set *desired,
		struct datapath_changes *changes, struct skep_error *error)
{
	struct writer writer = {
		.rings = rings, .desired = desired, .changes = changes, .error = error};

	rings_compare(actual, desired, on_write, &writer);
	flush(&writer);
	transfer_end(&writer.transfer);
	/* Not to be held until the next change. */
	free(desired->slots);
	desired->slots = NULL;
	return writer.err;
}

int rings_delete(int rings, const struct ring_set *actual, const struct ring_set *desired,
		 struct datapath_changes *changes, struct skep_error *error)
{
	struct writer writer = {.rings = rings, .changes = changes, .error = error};

	rings_compare(actual, desired, on_delete, &writer);
	return writer.err;
}
