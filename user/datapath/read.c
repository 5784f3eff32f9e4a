/* SPDX-License-Identifier: GPL-2.0-only */
#include "datapath/read.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "skep/table.h"

/* The kernel's own errno for an operation that a map type lacks; no libc header has it. */
#define KERNEL_ENOTSUPP 524

/* Entries in one batch: a hash map wants at least its fullest bucket, and says so with ENOSPC. */
#define BATCH_ENTRIES	  4096U
#define BATCH_ENTRIES_MAX (1U << 20)

/* Values larger than this come in smaller batches. */
#define BATCH_VALUE 128U

/* Bytes of per-CPU values read at once, however many CPUs there are. */
#define BATCH_BYTES (1U << 20)

/* A counter is so many words of 64 bits. */
#define COUNTER_WORDS (sizeof(struct skep_counter) / sizeof(__u64))

/* How often a ring may be replaced between looking it up and opening it before we give up. */
#define RING_ATTEMPTS 16

/* What each pin must be: buffers and casts below rely on it. */
static const struct map_form {
	const char *name;
	__u32 key_size;
	__u32 value_size;
} map_forms[] = {
	{"config", sizeof(__u32), sizeof(struct skep_config)},
	{"services", sizeof(struct skep_frontend), sizeof(struct skep_service)},
	{"service_names", sizeof(__u32), sizeof(struct skep_service_name)},
	{"rings", sizeof(__u32), sizeof(__u32)},
	{"tasks", sizeof(struct skep_addr), sizeof(struct skep_task)},
	{"nodes", sizeof(struct skep_addr), sizeof(struct skep_node)},
	{"flows", sizeof(__u32), sizeof(struct skep_flow_bucket)},
	{"returns", sizeof(__u32), sizeof(struct skep_return_bucket)},
	{"fragments", sizeof(struct skep_fragment_key), sizeof(struct skep_fragment)},
	{"affinity", sizeof(struct skep_affinity_key), sizeof(struct skep_affinity)},
	{"service_counters", sizeof(__u32), sizeof(struct skep_counter)},
	{"task_counters", sizeof(__u32), sizeof(struct skep_counter)},
	{"task_flows", sizeof(__u32), sizeof(__s32)},
	{"verdicts", sizeof(__u32), sizeof(__u64)},
	{"hooks", sizeof(__u32), sizeof(struct skep_hook)},
	{"wires", sizeof(__u32), sizeof(struct skep_wire)},
	{"xdp_counters", sizeof(__u32), sizeof(__u64)},
};

static const char *const verdict_names[SKEP_VERDICT_COUNT] = {
	[SKEP_PASS_NOT_IPV4] = "pass_not_ipv4",
	[SKEP_PASS_IP_OPTIONS] = "pass_ip_options",
	[SKEP_PASS_FRAGMENT] = "pass_fragment",
	[SKEP_PASS_PROTOCOL] = "pass_protocol",
	[SKEP_PASS_NO_FRONTEND] = "pass_no_frontend",
	[SKEP_PASS_NO_FLOW] = "pass_no_flow",
	[SKEP_PASS_NOT_FROM_TASK] = "pass_not_from_task",
	[SKEP_ANSWER_NO_TASK_RST] = "answer_no_task_rst",
	[SKEP_ANSWER_NO_TASK_ICMP] = "answer_no_task_icmp",
	[SKEP_ANSWER_TASK_GONE_RST] = "answer_task_gone_rst",
	[SKEP_ANSWER_IDLE_RST] = "answer_idle_rst",
	[SKEP_ANSWER_NOT_BOUND] = "answer_not_bound",
	[SKEP_ANSWER_TOO_BIG] = "answer_too_big",
	[SKEP_ICMP_ERROR] = "icmp_error",
	[SKEP_SECOND_CHANCE] = "second_chance",
	[SKEP_FLOW_EVICTED] = "flow_evicted",
	[SKEP_SOURCE_PORT_CHANGED] = "source_port_changed",
	[SKEP_RETURN_NOT_DIRECT] = "return_not_direct",
	[SKEP_PASS_MALFORMED] = "pass_malformed",
	[SKEP_DROP_TTL] = "drop_ttl",
	[SKEP_DROP_NOT_ALLOWED] = "drop_not_allowed",
	[SKEP_DROP_NOT_A_NODE] = "drop_not_a_node",
	[SKEP_DROP_BAD_FRAME] = "drop_bad_frame",
	[SKEP_DROP_FRAGMENT] = "drop_fragment",
	[SKEP_DROP_NO_TASK] = "drop_no_task",
	[SKEP_DROP_NO_ROUTE] = "drop_no_route",
	[SKEP_DROP_COLLISION] = "drop_collision",
	[SKEP_DROP_FORGED] = "drop_forged",
	[SKEP_DROP_ERROR] = "drop_error",
};

const char *maps_verdict_name(enum skep_verdict verdict)
{
	const char *name = NULL;

	if ((unsigned int)verdict < SKEP_VERDICT_COUNT)
		name = verdict_names[verdict];
	return name ? name : "unknown";
}

/* Opens a pin and makes sure that it has the form that this build knows. Returns the descriptor. */
static int map_open(const char *bpffs, const char *name, struct bpf_map_info *info,
		    struct skep_error *error)
{
	const struct map_form *form = NULL;
	__u32 info_size = sizeof(*info);
	char path[PATH_MAX];
	int fd, err;

	for (size_t i = 0; i < sizeof(map_forms) / sizeof(*map_forms); i++)
		if (!strcmp(map_forms[i].name, name))
			form = &map_forms[i];
	if (!form)
		return error_set(error, -EINVAL, "skep has no map named %s", name);
	if (snprintf(path, sizeof(path), "%s/%s", bpffs, name) >= (int)sizeof(path))
		return error_set(error, -ENAMETOOLONG, "path of the map %s is too long", name);

	fd = bpf_obj_get(path);
	if (fd == -ENOENT)
		return error_set(error, fd,
				 "no map is pinned at %s: skep has not run here, or was unloaded",
				 path);
	if (fd < 0)
		return error_errno(error, fd, "cannot open the pinned map %s", path);

	memset(info, 0, sizeof(*info));
	err = bpf_obj_get_info_by_fd(fd, info, &info_size);
	if (err) {
		error_errno(error, err, "cannot read about the pinned map %s", path);
		goto cleanup;
	}
	if (info->key_size != form->key_size || info->value_size != form->value_size) {
		err = error_set(error, -EPROTO,
				"the map %s has another layout (key %u, value %u bytes; this skep "
				"knows %u, "
				"%u): it was made by another version of skep",
				path, info->key_size, info->value_size, form->key_size,
				form->value_size);
		goto cleanup;
	}
	return fd;

cleanup:
	close(fd);
	return err;
}

static bool batch_unsupported(int err)
{
	return err == -KERNEL_ENOTSUPP || err == -EOPNOTSUPP || err == -EINVAL;
}

/* Key by key: for kernels and map types that have no batches. */
static int walk_keys(int fd, const struct bpf_map_info *info,
		     const struct maps_entry_visitor *visitor)
{
	unsigned char *key = calloc(2, info->key_size), *next = key ? key + info->key_size : NULL;
	unsigned char *value = calloc(1, info->value_size);
	bool first = true;
	int err = 0;

	if (!key || !value) {
		err = -ENOMEM;
		goto cleanup;
	}

	/*
	 * If the key that we stand on is deleted meanwhile, the kernel starts over; with no more
	 * steps than the map has room for, this ends all the same.
	 */
	for (__u32 steps = 0; steps < info->max_entries; steps++) {
		err = bpf_map_get_next_key(fd, first ? NULL : key, next);
		if (err)
			break;
		memcpy(key, next, info->key_size);
		first = false;
		err = bpf_map_lookup_elem(fd, key, value);
		if (err == -ENOENT)
			err = 0;
		else if (err || visitor->entry(visitor->context, key, value))
			break;
	}
	if (err == -ENOENT)
		err = 0;
cleanup:
	free(key);
	free(value);
	return err;
}

/* locked: with each entry's spin lock held while the kernel copies it. */
static int walk_batches(int fd, const struct bpf_map_info *info, bool locked,
			const struct maps_entry_visitor *visitor)
{
	LIBBPF_OPTS(bpf_map_batch_opts, options, .elem_flags = locked ? BPF_F_LOCK : 0);
	/* Zeroed, for memcheck does not know what the kernel fills in. */
	__u32 room = info->value_size > BATCH_VALUE ? BATCH_ENTRIES / 16 : BATCH_ENTRIES;
	__u32 count, key_size = info->key_size;
	unsigned char *keys = calloc(room, key_size);
	unsigned char *values = calloc(room, info->value_size);
	/* An opaque position: 4 bytes for hash maps, a key for others. */
	unsigned char *position = calloc(1, key_size > 8 ? key_size : 8);
	bool first = true, stop = false;
	int err = 0;

	if (!keys || !values || !position) {
		err = -ENOMEM;
		goto cleanup;
	}
	while (!stop) {
		count = room;
		err = bpf_map_lookup_batch(fd, first ? NULL : position, position, keys, values,
					   &count, &options);
		if (err == -ENOSPC && room < BATCH_ENTRIES_MAX) {
			/* A bucket holds more than a batch. Nothing was consumed. */
			free(keys);
			free(values);
			room *= 2;
			keys = calloc(room, key_size);
			values = calloc(room, info->value_size);
			if (!keys || !values) {
				err = -ENOMEM;
				goto cleanup;
			}
			continue;
		}
		if (err && err != -ENOENT) {
			/* After the first batch it is not that there are no batches. */
			if (!first && batch_unsupported(err))
				err = -EIO;
			goto cleanup;
		}
		first = false;
		for (__u32 i = 0; i < count && !stop; i++)
			stop = visitor->entry(visitor->context, keys + (size_t)i * key_size,
					      values + (size_t)i * info->value_size) != 0;
		if (err == -ENOENT)
			break;
	}
	err = 0;
cleanup:
	free(keys);
	free(values);
	free(position);
	return err;
}

static const char *const flow_states[] = {
	[SKEP_FLOW_SYN] = "syn",
	[SKEP_FLOW_CLOSING] = "closing",
	[SKEP_FLOW_DATAGRAM] = "datagram",
	[SKEP_FLOW_ESTABLISHED] = "established",
};

const char *maps_flow_state_name(__u8 state)
{
	return state < sizeof(flow_states) / sizeof(*flow_states) ? flow_states[state] : NULL;
}

/* Shows each flow in a bucket to the visitor behind. */
static int visit_bucket(void *context, const void *key, const void *value)
{
	const struct maps_entry_visitor *visitor = context;
	const struct skep_flow_bucket *bucket = value;
	int stop = 0;

	(void)key;
	for (int way = 0; way < SKEP_WAYS && !stop; way++) {
		const struct skep_flow_way *entry = &bucket->way[way];
		const struct skep_flow flow = {
			.task = entry->value.task,
			.last_seen_ns = (__u64)bucket->last_seen[way] << SKEP_TICK_SHIFT,
			.service_id = entry->value.service_id,
			.target_port = entry->value.target_port,
			.source_port = entry->source_port,
			.state = bucket->state[way],
		};

		if (bucket->tag[way])
			stop = visitor->entry(visitor->context, &entry->key, &flow);
	}
	return stop;
}

int maps_walk(const char *bpffs, const char *name, const struct maps_entry_visitor *visitor,
	      struct skep_error *error)
{
	struct maps_entry_visitor flows = {.entry = visit_bucket, .context = (void *)visitor};
	bool buckets = !strcmp(name, "flows");
	struct bpf_map_info info;
	int fd, err;

	fd = map_open(bpffs, name, &info, error);
	if (fd < 0)
		return fd;
	if (buckets)
		visitor = &flows;
	err = walk_batches(fd, &info, buckets, visitor);
	if (batch_unsupported(err))
		err = walk_keys(fd, &info, visitor);
	if (err)
		error_errno(error, err, "cannot read the map %s/%s", bpffs, name);
	close(fd);
	return err;
}

/* Elements first..first+n-1 of an array; stride is the size of one as the kernel copies it. */
static int array_read(int fd, __u32 first, __u32 n, void *values, size_t stride)
{
	__u32 *keys, position = first - 1, last, done = 0;
	int err = 0;

	if (!n)
		return 0;
	keys = malloc(n * sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	while (done < n) {
		__u32 count = n - done;

		/* For arrays the position is the key before the first one wanted. */
		err = bpf_map_lookup_batch(fd, first + done ? &position : NULL, &last, keys,
					   (char *)values + done * stride, &count, NULL);
		if ((err && err != -ENOENT) || !count)
			break;
		done += count;
		position = first + done - 1;
	}
	free(keys);
	if (done == n)
		return 0;
	if (err && !batch_unsupported(err) && err != -ENOENT)
		return err;
	for (; done < n; done++) {
		__u32 key = first + done;

		err = bpf_map_lookup_elem(fd, &key, (char *)values + done * stride);
		if (err)
			return err;
	}
	return 0;
}

static int inner_open(int rings, __u32 service_id)
{
	__u32 id;
	int fd = -ENOENT, err;

	/* A ring that was replaced since the look-up is gone: then the next look-up finds the new
	 * one. */
	for (int i = 0; i < RING_ATTEMPTS && fd == -ENOENT; i++) {
		err = bpf_map_lookup_elem(rings, &service_id, &id);
		if (err)
			return err;
		fd = bpf_map_get_fd_by_id(id);
	}
	return fd == -ENOENT ? -EAGAIN : fd;
}

int maps_ring(const char *bpffs, uint32_t service_id, struct skep_addr **tasks, size_t *n,
	      struct skep_error *error)
{
	struct bpf_map_info info;
	__u32 info_size = sizeof(info);
	union skep_ring_slot header = {0};
	struct skep_addr *slots = NULL;
	int rings, inner = -1, err;

	if (tasks)
		*tasks = NULL;
	*n = 0;
	rings = map_open(bpffs, "rings", &info, error);
	if (rings < 0)
		return rings;
	inner = inner_open(rings, service_id);
	if (inner < 0) {
		err = inner;
		if (err == -ENOENT)
			error_set(error, err, "service %u has no ring", service_id);
		else
			error_errno(error, err, "cannot open the ring of service %u", service_id);
		goto cleanup;
	}
	memset(&info, 0, sizeof(info));
	err = bpf_obj_get_info_by_fd(inner, &info, &info_size);
	if (!err)
		err = array_read(inner, 0, 1, &header, sizeof(header));
	if (err) {
		error_errno(error, err, "cannot read the ring of service %u", service_id);
		goto cleanup;
	}
	if (info.value_size != sizeof(header) || header.header.length >= info.max_entries) {
		err = error_set(error, -EPROTO,
				"the ring of service %u says it has %u tasks, with room for %u",
				service_id, header.header.length, info.max_entries - 1);
		goto cleanup;
	}
	*n = header.header.length;
	if (!tasks)
		goto cleanup;
	slots = calloc(header.header.length ? header.header.length : 1, sizeof(*slots));
	err = slots ? array_read(inner, 1, header.header.length, slots, sizeof(*slots)) : -ENOMEM;
	if (err) {
		error_errno(error, err, "cannot read the ring of service %u", service_id);
		goto cleanup;
	}
	*tasks = slots;
	slots = NULL;
cleanup:
	free(slots);
	if (inner >= 0)
		close(inner);
	close(rings);
	return err;
}

/*
 * Reads n elements of a per-CPU array and sums them over CPUs. An element is the 64-bit words that
 * struct skep_counter or a verdict is made of; so are the sums.
 */
static int percpu_sum(const char *bpffs, const char *name, __u32 first, size_t n, __u64 *sums,
		      struct skep_error *error)
{
	struct bpf_map_info info;
	__u64 *values = NULL;
	size_t words, chunk, stride;
	int fd, cpus, err = 0;

	fd = map_open(bpffs, name, &info, error);
	if (fd < 0)
		return fd;
	if (first > info.max_entries || n > info.max_entries - first) {
		err = error_set(error, -ERANGE, "the map %s/%s has %u entries, not %zu from %u on",
				bpffs, name, info.max_entries, n, first);
		goto cleanup;
	}
	cpus = libbpf_num_possible_cpus();
	if (cpus < 0) {
		err = error_errno(error, cpus, "cannot tell how many CPUs this machine may have");
		goto cleanup;
	}
	words = info.value_size / sizeof(__u64);
	stride = words * sizeof(__u64) * (size_t)cpus;
	chunk = BATCH_BYTES / stride ? BATCH_BYTES / stride : 1;
	if (chunk > n)
		chunk = n;
	values = calloc(chunk ? chunk : 1, stride);
	if (!values) {
		err = error_errno(error, -ENOMEM, "cannot read the map %s/%s", bpffs, name);
		goto cleanup;
	}
	memset(sums, 0, n * words * sizeof(*sums));
	for (size_t done = 0; done < n; done += chunk) {
		if (chunk > n - done)
			chunk = n - done;
		err = array_read(fd, first + (__u32)done, (__u32)chunk, values, stride);
		if (err) {
			error_errno(error, err, "cannot read the map %s/%s", bpffs, name);
			goto cleanup;
		}
		for (size_t i = 0; i < chunk; i++)
			for (size_t j = 0; j < words * (size_t)cpus; j++)
				sums[(done + i) * words + j % words] +=
					values[i * words * (size_t)cpus + j];
	}
cleanup:
	free(values);
	close(fd);
	return err;
}

int maps_counters(const char *bpffs, const char *name, uint32_t first, size_t n,
		  struct skep_counter *counters, struct skep_error *error)
{
	__u64 *sums;
	int err;

	if (strcmp(name, "service_counters") != 0 && strcmp(name, "task_counters") != 0)
		return error_set(error, -EINVAL, "%s is no map of counters", name);
	sums = calloc(n ? n : 1, COUNTER_WORDS * sizeof(*sums));
	if (!sums)
		return error_errno(error, -ENOMEM, "cannot read the map %s/%s", bpffs, name);
	err = percpu_sum(bpffs, name, first, n, sums, error);
	for (size_t i = 0; !err && i < n; i++)
		counters[i] = (struct skep_counter){
			.packets = sums[COUNTER_WORDS * i],
			.bytes = sums[COUNTER_WORDS * i + 1],
			.new_flows = sums[COUNTER_WORDS * i + 2],
		};
	free(sums);
	return err;
}

int maps_task_flows(const char *bpffs, size_t n, uint32_t **flows, struct skep_error *error)
{
	struct bpf_map_info info;
	__s32 *live = NULL;
	int err, fd = map_open(bpffs, "task_flows", &info, error);

	*flows = NULL;
	if (fd < 0)
		return fd;
	if (n > info.max_entries) {
		err = error_set(error, -ERANGE, "the map %s/task_flows has %u entries, not %zu",
				bpffs, info.max_entries, n);
		goto cleanup;
	}
	live = calloc(n + 1, sizeof(*live));
	err = live ? array_read(fd, 0, (__u32)n, live, sizeof(*live)) : -ENOMEM;
	if (err) {
		error_errno(error, err, "cannot read the map %s/task_flows", bpffs);
		goto cleanup;
	}
	for (size_t i = 0; i < n; i++)
		if (live[i] < 0)
			live[i] = 0;
	*flows = (uint32_t *)live;
	live = NULL;
cleanup:
	free(live);
	close(fd);
	return err;
}

int maps_verdicts(const char *bpffs, uint64_t packets[SKEP_VERDICT_COUNT], struct skep_error *error)
{
	__u64 sums[SKEP_VERDICT_COUNT] = {0};
	int err = percpu_sum(bpffs, "verdicts", 0, SKEP_VERDICT_COUNT, sums, error);

	for (size_t i = 0; !err && i < SKEP_VERDICT_COUNT; i++)
		packets[i] = sums[i];
	return err;
}

int maps_xdp_counters(const char *bpffs, uint64_t packets[SKEP_XDP_WAY_COUNT],
		      struct skep_error *error)
{
	__u64 sums[SKEP_XDP_WAY_COUNT] = {0};
	int err = percpu_sum(bpffs, "xdp_counters", 0, SKEP_XDP_WAY_COUNT, sums, error);

	for (size_t i = 0; !err && i < SKEP_XDP_WAY_COUNT; i++)
		packets[i] = sums[i];
	return err;
}
