/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading pinned maps, and what the command line makes of them without an agent: on real maps,
 * pinned on a bpffs that only this process sees. Needs root; without it the tests are skipped.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>

#include "cli/maps_view.h"
#include "datapath/read.h"
#include "lib/addr.h"
#include "skep/table.h"

#define N_FLOWS 20000

static char bpffs[] = "/tmp/skep-maps-XXXXXX";
static bool mounted;

static struct skep_addr addr(const char *text)
{
	struct skep_addr result;

	assert_int_equal(addr_parse(text, &result), 0);
	return result;
}

static int make_map(const char *name, enum bpf_map_type type, __u32 key, __u32 value, __u32 entries,
		    int inner)
{
	LIBBPF_OPTS(bpf_map_create_opts, options);
	char path[128];
	int fd;

	options.inner_map_fd = inner > 0 ? (__u32)inner : 0;
	fd = bpf_map_create(type, name, key, value, entries, &options);
	assert_true(fd >= 0);
	snprintf(path, sizeof(path), "%s/%s", bpffs, name);
	assert_int_equal(bpf_obj_pin(fd, path), 0);
	return fd;
}

static void put(int fd, const void *key, const void *value)
{
	assert_int_equal(bpf_map_update_elem(fd, key, value, BPF_ANY), 0);
}

static void put_service(int names, __u32 id, const char *text)
{
	struct skep_service_name name = {0};

	snprintf(name.id, sizeof(name.id), "id-%s", text);
	snprintf(name.name, sizeof(name.name), "%s", text);
	put(names, &id, &name);
}

static void put_frontend(int services, const char *at, uint16_t port, __u8 protocol, __u32 id)
{
	struct skep_frontend key = {addr(at), htons(port), protocol, 0};
	struct skep_service value = {.service_id = id,
				     .target_port = htons(80),
				     .flags = id == 3 ? SKEP_SERVICE_DSR : 0};

	/* The unspecified address is 16 zero bytes in either family. */
	if (!strcmp(at, "0.0.0.0"))
		memset(&key.addr, 0, sizeof(key.addr));
	put(services, &key, &value);
}

static int make_ring(const char *const *tasks, __u32 n, __u32 room)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_INNER_MAP);
	union skep_ring_slot slot = {.header = {.length = n}};
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "ring", 4, sizeof(slot), room, &options);
	__u32 index = 0;

	assert_true(fd >= 0);
	put(fd, &index, &slot);
	for (index = 1; index <= n; index++) {
		slot.task = addr(tasks[index - 1]);
		put(fd, &index, &slot);
	}
	return fd;
}

static void put_counter(int counters, __u32 index, __u64 packets)
{
	int cpus = libbpf_num_possible_cpus();
	struct skep_counter values[cpus];

	for (int cpu = 0; cpu < cpus; cpu++)
		values[cpu] = (struct skep_counter){packets, packets * 100, 1};
	put(counters, &index, values);
}

/* Flow n is in bucket n / 4. */
static void put_flows(int flows, __u64 first_seen_ns)
{
	for (__u32 n = 0; n < N_FLOWS; n += SKEP_WAYS) {
		struct skep_flow_bucket bucket = {0};
		__u32 index = n / SKEP_WAYS;

		for (__u32 way = 0; way < SKEP_WAYS; way++) {
			bucket.tag[way] = 1;
			/* The last ones a tick apart, so that they have an order. */
			bucket.last_seen[way] = SKEP_TICKS(first_seen_ns);
			if (n + way > N_FLOWS - 20)
				bucket.last_seen[way] += n + way - (N_FLOWS - 20);
			bucket.state[way] = (n + way) % 2 ? SKEP_FLOW_SYN : SKEP_FLOW_ESTABLISHED;
			bucket.way[way].key = (struct skep_flow_key){
				.client = skep_addr_v4(htonl(0x0a090000 + n + way)),
				.frontend = addr("10.1.0.1"),
				.client_port = htons(4242),
				.frontend_port = htons(8080),
				.protocol = IPPROTO_TCP,
			};
			bucket.way[way].value = (struct skep_flow_choice){
				.task = addr("10.0.0.6"),
				.service_id = 3,
				.target_port = htons(80),
			};
		}
		put(flows, &index, &bucket);
	}
}

static void put_task(int tasks, const char *text, const char *node, __u32 ifindex, __u32 counter,
		     __u8 state)
{
	struct skep_addr key = addr(text);
	struct skep_task task = {
		.node = addr(node),
		.ifindex = ifindex,
		.service_id = 3,
		.counter = counter,
		.state = state,
	};

	put(tasks, &key, &task);
}

static void fill(void)
{
	static const char *const ring_tasks[] = {"10.0.0.6", "10.0.0.7", "10.0.0.6"};
	int names = make_map("service_names", BPF_MAP_TYPE_HASH, 4,
			     sizeof(struct skep_service_name), 16, 0);
	int services = make_map("services", BPF_MAP_TYPE_HASH, sizeof(struct skep_frontend),
				sizeof(struct skep_service), 64, 0);
	int tasks = make_map("tasks", BPF_MAP_TYPE_HASH, sizeof(struct skep_addr),
			     sizeof(struct skep_task), 64, 0);
	int flows = make_map("flows", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct skep_flow_bucket),
			     N_FLOWS, 0);
	int service_counters = make_map("service_counters", BPF_MAP_TYPE_PERCPU_ARRAY, 4,
					sizeof(struct skep_counter), 100000, 0);
	int task_counters = make_map("task_counters", BPF_MAP_TYPE_PERCPU_ARRAY, 4,
				     sizeof(struct skep_counter), 64, 0);
	int task_flows = make_map("task_flows", BPF_MAP_TYPE_ARRAY, 4, sizeof(__s32), 64, 0);
	int verdicts = make_map("verdicts", BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, SKEP_VERDICT_COUNT, 0);
	int ring = make_ring(ring_tasks, 3, 9), broken = make_ring(ring_tasks, 3, 4);
	int rings, devices;
	union skep_ring_slot header = {.header = {.length = 4}};
	__u64 words[libbpf_num_possible_cpus()];
	__u32 key = 0, verdict = SKEP_DROP_TTL, counter = 8;
	__s32 live = 12;
	struct timespec now;

	put_service(names, 3, "web");
	put_service(names, 1, "api");
	put_frontend(services, "0.0.0.0", 8080, IPPROTO_TCP, 3);
	put_frontend(services, "0.0.0.0", 53, IPPROTO_UDP, 3);
	put_frontend(services, "10.1.0.1", 8080, IPPROTO_TCP, 3);
	put_frontend(services, "0.0.0.0", 81, IPPROTO_TCP, 1);
	put_task(tasks, "10.0.0.7", "10.1.0.2", 0, 9, SKEP_TASK_DRAINING);
	put_task(tasks, "10.0.0.6", "10.1.0.1", 1, 8, SKEP_TASK_SERVING);
	put_counter(service_counters, 3, 10);
	put_counter(service_counters, 99999, 1);
	put_counter(task_counters, 8, 5);
	put(task_flows, &counter, &live);
	counter = 9; /* a program is between two steps */
	live = -1;
	put(task_flows, &counter, &live);
	for (int cpu = 0; cpu < libbpf_num_possible_cpus(); cpu++)
		words[cpu] = 7;
	put(verdicts, &verdict, words);

	rings = make_map("rings", BPF_MAP_TYPE_HASH_OF_MAPS, 4, 4, 16, ring);
	key = 3;
	put(rings, &key, &ring);
	/* A ring that claims more than it can hold. */
	key = 0;
	put(broken, &key, &header);
	key = 2;
	put(rings, &key, &broken);

	clock_gettime(CLOCK_MONOTONIC, &now);
	put_flows(flows, ((__u64)now.tv_sec - 4) * 1000000000ULL);

	/* A type that has no batches, in the form of `hooks`. */
	devices = make_map("hooks", BPF_MAP_TYPE_DEVMAP_HASH, 4, 8, 16, 0);
	for (key = 1; key <= 9; key++)
		put(devices, &key, &(struct bpf_devmap_val){.ifindex = 1});

	/* Another version's layout. */
	close(make_map("nodes", BPF_MAP_TYPE_HASH, sizeof(struct skep_addr),
		       2 * sizeof(struct skep_node), 16, 0));
	close(names);
	close(services);
	close(tasks);
	close(flows);
	close(service_counters);
	close(task_counters);
	close(task_flows);
	close(verdicts);
	close(rings);
	close(ring);
	close(broken);
	close(devices);
}

static int setup(void **state)
{
	(void)state;
	if (geteuid() != 0 || unshare(CLONE_NEWNS) ||
	    mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL))
		return 0;
	if (!mkdtemp(bpffs))
		return -1;
	if (mount("bpf", bpffs, "bpf", 0, NULL)) {
		rmdir(bpffs);
		return 0;
	}
	mounted = true;
	fill();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (mounted && (umount(bpffs) || rmdir(bpffs)))
		return -1;
	return 0;
}

#define NEEDS_BPF                                                                                  \
	do {                                                                                       \
		(void)state;                                                                       \
		if (!mounted)                                                                      \
			skip();                                                                    \
	} while (0)

static int count(void *context, const void *key, const void *value)
{
	size_t *seen = context;

	(void)key;
	(void)value;
	return ++*seen == N_FLOWS + 1;
}

static int stop_at_ten(void *context, const void *key, const void *value)
{
	size_t *seen = context;

	(void)key;
	(void)value;
	return ++*seen == 10;
}

static void a_walk_sees_every_entry_once_and_ends_when_told(void **state)
{
	struct skep_error error;
	size_t seen = 0;

	NEEDS_BPF;
	assert_int_equal(
		maps_walk(bpffs, "flows", &(struct maps_entry_visitor){count, &seen}, &error), 0);
	assert_int_equal(seen, N_FLOWS);
	seen = 0;
	assert_int_equal(
		maps_walk(bpffs, "flows", &(struct maps_entry_visitor){stop_at_ten, &seen}, &error),
		0);
	assert_int_equal(seen, 10);
	seen = 0;
	assert_int_equal(
		maps_walk(bpffs, "rings", &(struct maps_entry_visitor){count, &seen}, &error), 0);
	assert_int_equal(seen, 2);
}

static void a_map_without_batches_is_walked_key_by_key(void **state)
{
	struct skep_error error;
	size_t seen = 0;

	NEEDS_BPF;
	assert_int_equal(
		maps_walk(bpffs, "hooks", &(struct maps_entry_visitor){count, &seen}, &error), 0);
	assert_int_equal(seen, 9);
}

static void what_cannot_be_read_is_said(void **state)
{
	struct skep_error error;
	size_t seen = 0;
	struct maps_entry_visitor visitor = {count, &seen};

	NEEDS_BPF;
	assert_int_equal(maps_walk(bpffs, "returns", &visitor, &error), -ENOENT);
	assert_non_null(strstr(error.text, "skep has not run here"));
	assert_int_equal(maps_walk(bpffs, "nodes", &visitor, &error), -EPROTO);
	assert_non_null(strstr(error.text, "another version of skep"));
	assert_int_equal(maps_walk(bpffs, "nonsense", &visitor, &error), -EINVAL);
	assert_int_equal(seen, 0);
}

static void a_ring_is_read_in_order(void **state)
{
	struct skep_addr *tasks, expected;
	struct skep_error error;
	size_t n;

	NEEDS_BPF;
	assert_int_equal(maps_ring(bpffs, 3, &tasks, &n, &error), 0);
	assert_int_equal(n, 3);
	expected = addr("10.0.0.7");
	assert_memory_equal(&tasks[1], &expected, sizeof(expected));
	expected = addr("10.0.0.6");
	assert_memory_equal(&tasks[2], &expected, sizeof(expected));
	free(tasks);
	assert_int_equal(maps_ring(bpffs, 1, &tasks, &n, &error), -ENOENT);
	assert_null(tasks);
}

static void a_ring_longer_than_its_map_is_not_believed(void **state)
{
	struct skep_error error;
	struct skep_addr *tasks;
	size_t n;

	NEEDS_BPF;
	assert_int_equal(maps_ring(bpffs, 2, &tasks, &n, &error), -EPROTO);
	assert_null(tasks);
}

static void counters_are_summed_over_cpus(void **state)
{
	__u64 cpus = (__u64)libbpf_num_possible_cpus();
	uint64_t packets[SKEP_VERDICT_COUNT];
	struct skep_counter *counters;
	struct skep_error error;

	NEEDS_BPF;
	counters = calloc(100000, sizeof(*counters));
	assert_non_null(counters);
	assert_int_equal(maps_counters(bpffs, "service_counters", 0, 100000, counters, &error), 0);
	assert_int_equal(counters[0].packets, 0);
	assert_int_equal(counters[3].packets, 10 * cpus);
	assert_int_equal(counters[3].bytes, 1000 * cpus);
	assert_int_equal(counters[3].new_flows, cpus);
	assert_int_equal(counters[99999].packets, cpus);
	assert_int_equal(maps_counters(bpffs, "service_counters", 3, 1, counters, &error), 0);
	assert_int_equal(counters[0].packets, 10 * cpus);
	assert_int_equal(maps_counters(bpffs, "service_counters", 99999, 2, counters, &error),
			 -ERANGE);
	assert_int_equal(maps_counters(bpffs, "flows", 0, 1, counters, &error), -EINVAL);
	assert_int_equal(maps_verdicts(bpffs, packets, &error), 0);
	assert_int_equal(packets[SKEP_DROP_TTL], 7 * cpus);
	assert_int_equal(packets[SKEP_DROP_ERROR], 0);
	free(counters);
}

static struct options options(unsigned int limit)
{
	return (struct options){.bpffs = bpffs, .maps = true, .limit = limit};
}

static void expect_row(json_t *rows, size_t n, const char *expected)
{
	char *text = json_dumps(json_array_get(rows, n), JSON_COMPACT);

	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
}

static void services_are_seen_without_an_agent(void **state)
{
	struct options asked = options(0);
	int cpus = libbpf_num_possible_cpus();
	struct skep_error error;
	char expected[512];
	json_t *rows;

	NEEDS_BPF;
	assert_int_equal(maps_view_services(&asked, &rows, &error), 0);
	assert_int_equal(json_array_size(rows), 2);
	expect_row(
		rows, 0,
		"{\"id\":\"id-api\",\"name\":\"api\",\"service_id\":1,\"ports\":[{\"published\":81,"
		"\"target\":80,\"protocol\":\"tcp\"}],\"tasks\":{\"serving\":0,\"draining\":0},"
		"\"ring\":null,\"return\":\"tunnel\",\"options\":null,\"problems\":null,"
		"\"packets\":0,\"bytes\":0,"
		"\"new_flows\":0}");
	snprintf(
		expected, sizeof(expected),
		"{\"id\":\"id-web\",\"name\":\"web\",\"service_id\":3,\"ports\":[{\"published\":53,"
		"\"target\":80,\"protocol\":\"udp\"},{\"published\":8080,\"target\":80,"
		"\"protocol\":"
		"\"tcp\"}],\"tasks\":{\"serving\":1,\"draining\":1},\"ring\":3,\"return\":\"dsr\","
		"\"options\":null,"
		"\"problems\":null,\"packets\":%d,"
		"\"bytes\":%d,\"new_flows\":%d}",
		10 * cpus, 1000 * cpus, cpus);
	expect_row(rows, 1, expected);
	json_decref(rows);
}

static void tasks_are_seen_without_an_agent(void **state)
{
	struct options asked = options(0);
	int cpus = libbpf_num_possible_cpus();
	struct skep_error error;
	char expected[512];
	json_t *rows;

	NEEDS_BPF;
	assert_int_equal(maps_view_tasks(&asked, &rows, &error), 0);
	assert_int_equal(json_array_size(rows), 2);
	snprintf(expected, sizeof(expected),
		 "{\"id\":null,\"name\":null,\"service\":\"web\",\"node\":null,\"node_address\":"
		 "\"10.1.0.1\",\"address\":\"10.0.0.6\",\"level\":\"serving\",\"desired\":null,"
		 "\"state\":null,\"local\":true,\"interface\":\"lo\",\"flows\":12,\"packets\":%d,"
		 "\"bytes\":%d,"
		 "\"new_flows\":%d}",
		 5 * cpus, 500 * cpus, cpus);
	expect_row(rows, 0, expected);
	expect_row(rows, 1,
		   "{\"id\":null,\"name\":null,\"service\":\"web\",\"node\":null,\"node_address\":"
		   "\"10.1.0.2\",\"address\":\"10.0.0.7\",\"level\":\"draining\",\"desired\":null,"
		   "\"state\":null,\"local\":false,\"interface\":null,\"flows\":0,\"packets\":0,"
		   "\"bytes\":0,"
		   "\"new_flows\":0}");
	json_decref(rows);
}

static void the_flows_used_last_are_seen_without_an_agent(void **state)
{
	struct options asked = options(7);
	struct skep_error error;
	json_int_t idle, before = 0;
	json_t *rows;

	NEEDS_BPF;
	assert_int_equal(maps_view_flows(&asked, &rows, &error), 0);
	assert_int_equal(json_array_size(rows), 7);
	for (size_t i = 0; i < 7; i++) {
		char client[ADDR_TEXT_SIZE];
		const json_t *row = json_array_get(rows, i);
		struct skep_addr expected =
			skep_addr_v4(htonl(0x0a090000 + N_FLOWS - 1 - (__u32)i));

		assert_string_equal(json_string_value(json_object_get(row, "client")),
				    addr_text(&expected, client));
		idle = json_integer_value(json_object_get(row, "idle_ms"));
		assert_true(idle >= 1000 && idle >= before);
		before = idle;
	}
	assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 0), "state")),
			    "syn");
	assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 1), "state")),
			    "established");
	json_decref(rows);
	asked.limit = 1000000;
	assert_int_equal(maps_view_flows(&asked, &rows, &error), 0);
	assert_int_equal(json_array_size(rows), N_FLOWS);
	json_decref(rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_walk_sees_every_entry_once_and_ends_when_told),
		cmocka_unit_test(a_map_without_batches_is_walked_key_by_key),
		cmocka_unit_test(what_cannot_be_read_is_said),
		cmocka_unit_test(a_ring_is_read_in_order),
		cmocka_unit_test(a_ring_longer_than_its_map_is_not_believed),
		cmocka_unit_test(counters_are_summed_over_cpus),
		cmocka_unit_test(services_are_seen_without_an_agent),
		cmocka_unit_test(tasks_are_seen_without_an_agent),
		cmocka_unit_test(the_flows_used_last_are_seen_without_an_agent),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
