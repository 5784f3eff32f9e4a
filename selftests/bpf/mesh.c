/* SPDX-License-Identifier: GPL-2.0-only */
#include "mesh.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "forms.h"
#include "harness.skel.h"
#include "skep/table.h"
#include "xdp.h"

/* Of the tables of flows and returns, and how many buckets each has. */
#define MESH_SEED 0x5eedULL
#define BUCKETS	  256U
#define AFFINITY  1024U /* clients remembered */

#define check(condition, what)                                                                     \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s: %s\n", what, strerror(errno));                        \
			_fail(__FILE__, __LINE__);                                                 \
		}                                                                                  \
	} while (0)

/* In the form of IPv6, too, as which inet_ntop() writes one that stands for something outside. */
struct skep_addr addr_of(const char *addr)
{
	struct skep_addr v6;

	if (strchr(addr, ':') && inet_pton(AF_INET6, addr, &v6) == 1)
		return v6;
	return skep_addr_v4(ipv4(addr));
}

static void map_set(struct bpf_map *map, const void *key, const void *value)
{
	check(!bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY), bpf_map__name(map));
}

static void map_empty(struct bpf_map *map)
{
	uint8_t key[64];

	while (!bpf_map_get_next_key(bpf_map__fd(map), NULL, key))
		check(!bpf_map_delete_elem(bpf_map__fd(map), key), bpf_map__name(map));
}

/* A per-CPU array's element, summed or set to zero. Values are arrays of 64-bit numbers. */
static void percpu_sum(struct bpf_map *map, uint32_t index, uint64_t *sums, size_t n)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t *values = calloc((size_t)cpus * n, sizeof(*values));

	check(values && !bpf_map_lookup_elem(bpf_map__fd(map), &index, values), bpf_map__name(map));
	memset(sums, 0, n * sizeof(*sums));
	for (size_t i = 0; i < (size_t)cpus * n; i++)
		sums[i % n] += values[i];
	free(values);
}

static void percpu_clear(struct bpf_map *map, size_t n)
{
	uint64_t *zeros = calloc((size_t)libbpf_num_possible_cpus() * n, sizeof(*zeros));

	check(zeros, "memory");
	for (uint32_t i = 0; i < bpf_map__max_entries(map); i++)
		map_set(map, &i, zeros);
	free(zeros);
}

void mesh_tick(struct mesh *mesh)
{
	struct bpf_map *kept[] = {mesh->programs->maps.next_hops, mesh->programs->maps.known_wires};

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		percpu_clear(kept[i], bpf_map__value_size(kept[i]) / 8);
}

void mesh_config(struct mesh *mesh, const struct skep_config *config)
{
	uint32_t zero = 0;

	map_set(mesh->programs->maps.config, &zero, config);
}

struct skep_config mesh_usual_config(const struct mesh *mesh)
{
	struct skep_config config = {
		.underlay = addr_of(HERE),
		.seed = MESH_SEED,
		.mesh_ifindex = (uint32_t)mesh->mesh,
		.tunnel_mtu = TUNNEL_MTU,
		.tunnel_port = htons(SKEP_TUNNEL_PORT),
	};

	mac_parse(MESH_MAC, config.mesh_mac);
	return config;
}

static struct skep_frontend frontend_of(const char *endpoint, uint8_t protocol)
{
	uint32_t addr = ipv4_of(endpoint);

	return (struct skep_frontend){
		.addr = addr ? skep_addr_v4(addr) : (struct skep_addr){},
		.port = htons(port_of(endpoint)),
		.protocol = protocol,
	};
}

void mesh_frontend(struct mesh *mesh, const char *endpoint, uint8_t protocol, uint32_t service,
		   uint16_t target_port)
{
	struct skep_frontend key = frontend_of(endpoint, protocol);
	struct skep_service value = {
		.service_id = service,
		.target_port = htons(target_port),
		.flags = mesh->dsr ? SKEP_SERVICE_DSR : 0,
		.idle_ticks = protocol == IPPROTO_UDP ? SKEP_TICKS(30000000000ULL) : 0,
	};

	map_set(mesh->programs->maps.services, &key, &value);
}

static struct skep_service service_of(struct mesh *mesh, const struct skep_frontend *key)
{
	struct skep_service value;

	check(!bpf_map_lookup_elem(bpf_map__fd(mesh->programs->maps.services), key, &value),
	      "frontend");
	return value;
}

void mesh_frontend_flags(struct mesh *mesh, const char *endpoint, uint8_t protocol, uint8_t flags)
{
	struct skep_frontend key = frontend_of(endpoint, protocol);
	struct skep_service value = service_of(mesh, &key);

	value.flags = flags | (mesh->dsr ? SKEP_SERVICE_DSR : 0);
	map_set(mesh->programs->maps.services, &key, &value);
}

void mesh_frontend_ring(struct mesh *mesh, const char *endpoint, uint8_t protocol, uint32_t ring)
{
	struct skep_frontend key = frontend_of(endpoint, protocol);
	struct skep_service value = service_of(mesh, &key);

	value.ring = ring;
	map_set(mesh->programs->maps.services, &key, &value);
}

void mesh_frontend_idle(struct mesh *mesh, const char *endpoint, uint8_t protocol, uint32_t seconds)
{
	struct skep_frontend key = frontend_of(endpoint, protocol);
	struct skep_service value = service_of(mesh, &key);

	value.idle_ticks = SKEP_TICKS(seconds * 1000000000ULL);
	map_set(mesh->programs->maps.services, &key, &value);
}

void mesh_allow(struct mesh *mesh, uint32_t service, const char *network, uint32_t length)
{
	struct skep_allow_key key = {
		.prefix_length = 32 + 96 + length,
		.service_id = service,
		.client = addr_of(network),
	};
	struct skep_allow value = {1};

	map_set(mesh->programs->maps.allow, &key, &value);
}

void mesh_frontend_policy(struct mesh *mesh, const char *endpoint, uint8_t protocol,
			  enum skep_policy policy, uint32_t affinity_s)
{
	struct skep_frontend key = frontend_of(endpoint, protocol);
	struct skep_service value = service_of(mesh, &key);

	value.policy = (uint8_t)policy;
	value.affinity_ticks = SKEP_TICKS(affinity_s * 1000000000ULL);
	map_set(mesh->programs->maps.services, &key, &value);
}

void mesh_no_frontend(struct mesh *mesh, const char *endpoint, uint8_t protocol)
{
	struct skep_frontend key = frontend_of(endpoint, protocol);

	check(!bpf_map_delete_elem(bpf_map__fd(mesh->programs->maps.services), &key), endpoint);
}

void mesh_task(struct mesh *mesh, uint32_t service, const char *addr, const char *node,
	       uint32_t ifindex)
{
	struct skep_addr key = addr_of(addr);
	struct skep_task value = {
		.node = addr_of(node),
		.ifindex = ifindex,
		.service_id = service,
		.counter = ntohl(key.word[3]) & 0xff,
		.state = SKEP_TASK_SERVING,
		.weight = 1,
	};

	map_set(mesh->programs->maps.tasks, &key, &value);
}

void mesh_task_state(struct mesh *mesh, const char *addr, enum skep_task_state state)
{
	int map = bpf_map__fd(mesh->programs->maps.tasks);
	struct skep_addr key = addr_of(addr);
	struct skep_task value;

	check(!bpf_map_lookup_elem(map, &key, &value), addr);
	value.state = (uint8_t)state;
	check(!bpf_map_update_elem(map, &key, &value, BPF_EXIST), addr);
}

void mesh_task_weight(struct mesh *mesh, const char *addr, uint16_t weight)
{
	int map = bpf_map__fd(mesh->programs->maps.tasks);
	struct skep_addr key = addr_of(addr);
	struct skep_task value;

	check(!bpf_map_lookup_elem(map, &key, &value), addr);
	value.weight = weight;
	check(!bpf_map_update_elem(map, &key, &value, BPF_EXIST), addr);
}

void mesh_task_gone(struct mesh *mesh, const char *addr)
{
	struct skep_addr key = addr_of(addr);

	check(!bpf_map_delete_elem(bpf_map__fd(mesh->programs->maps.tasks), &key), addr);
}

void mesh_ring(struct mesh *mesh, uint32_t service, uint32_t cursor, const char *const *tasks)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_INNER_MAP);
	union skep_ring_slot slot = {.header = {.cursor = cursor}};
	uint32_t index = 0;
	int ring;

	while (tasks[slot.header.length])
		slot.header.length++;
	ring = bpf_map_create(BPF_MAP_TYPE_ARRAY, "ring", sizeof(index), sizeof(slot),
			      slot.header.length + 1, &options);
	check(ring >= 0, "ring");
	check(!bpf_map_update_elem(ring, &index, &slot, BPF_ANY), "ring header");
	while (tasks[index]) {
		slot.task = addr_of(tasks[index++]);
		check(!bpf_map_update_elem(ring, &index, &slot, BPF_ANY), "ring slot");
	}
	map_set(mesh->programs->maps.rings, &service, &ring);
	close(ring);
}

uint32_t mesh_ring_cursor(struct mesh *mesh, uint32_t service)
{
	union skep_ring_slot slot;
	uint32_t id, zero = 0;
	int ring;

	check(!bpf_map_lookup_elem(bpf_map__fd(mesh->programs->maps.rings), &service, &id),
	      "rings");
	ring = bpf_map_get_fd_by_id(id);
	check(ring >= 0 && !bpf_map_lookup_elem(ring, &zero, &slot), "ring");
	close(ring);
	return slot.header.cursor;
}

void mesh_node_gone(struct mesh *mesh, const char *addr)
{
	struct skep_addr key = addr_of(addr);

	check(!bpf_map_delete_elem(bpf_map__fd(mesh->programs->maps.nodes), &key), addr);
}

static struct skep_flow_key flow_key(const char *client, const char *frontend, uint8_t protocol)
{
	return (struct skep_flow_key){
		.client = skep_addr_v4(ipv4_of(client)),
		.frontend = skep_addr_v4(ipv4_of(frontend)),
		.client_port = htons(port_of(client)),
		.frontend_port = htons(port_of(frontend)),
		.protocol = protocol,
	};
}

/* Either table's bucket and the way that the key has in it, or a free one. */
static bool table_find(struct bpf_map *map, const void *key, uint32_t *index, void *bucket,
		       int *way)
{
	__u64 words[SKEP_KEY_WORDS], hash;
	uint32_t places[2], mask = bpf_map__max_entries(map) - 1;

	memcpy(words, key, sizeof(words));
	hash = table_hash(words, MESH_SEED);
	places[0] = table_first(hash, mask);
	places[1] = table_second(hash, mask);
	for (int place = 1; place >= 0; place--) {
		const struct skep_flow_bucket *read = bucket;

		*index = places[place];
		check(!bpf_map_lookup_elem(bpf_map__fd(map), index, bucket), "bucket");
		for (*way = 0; *way < SKEP_WAYS; (*way)++)
			if (read->tag[*way] == table_tag(hash) &&
			    !memcmp(&read->way[*way].key, key, sizeof(words)))
				return true;
	}
	for (*way = 0; *way < SKEP_WAYS; (*way)++)
		if (!((struct skep_flow_bucket *)bucket)->tag[*way])
			return false;
	check(false, "room in the table");
	return false;
}

/* state and time are in the bucket, at the same place for both tables. */
static void table_write(struct bpf_map *map, uint32_t index, struct skep_flow_bucket *bucket,
			int way, const void *key, uint64_t last_seen_ns, uint8_t state)
{
	__u64 words[SKEP_KEY_WORDS], value[SKEP_VALUE_WORDS], hash;

	memcpy(words, key, sizeof(words));
	memcpy(value, &bucket->way[way].value, sizeof(value));
	hash = table_hash(words, MESH_SEED);
	memcpy(&bucket->way[way].key, key, sizeof(words));
	bucket->way[way].guard = table_guard(hash, value);
	bucket->tag[way] = table_tag(hash);
	bucket->last_seen[way] = SKEP_TICKS(last_seen_ns);
	bucket->state[way] = state;
	map_set(map, &index, bucket);
}

bool mesh_flow(struct mesh *mesh, const char *client, const char *frontend, uint8_t protocol,
	       struct skep_flow *flow)
{
	struct skep_flow_key key = flow_key(client, frontend, protocol);
	struct skep_flow_bucket bucket;
	uint32_t index;
	int way;

	if (!table_find(mesh->programs->maps.flows, &key, &index, &bucket, &way))
		return false;
	*flow = (struct skep_flow){
		.task = bucket.way[way].value.task,
		.last_seen_ns = (uint64_t)bucket.last_seen[way] << SKEP_TICK_SHIFT,
		.service_id = bucket.way[way].value.service_id,
		.target_port = bucket.way[way].value.target_port,
		.source_port = bucket.way[way].source_port,
		.state = bucket.state[way],
	};
	return true;
}

void mesh_flow_set(struct mesh *mesh, const char *client, const char *frontend, uint8_t protocol,
		   const struct skep_flow *flow)
{
	struct skep_flow_key key = flow_key(client, frontend, protocol);
	struct skep_flow_bucket bucket;
	uint32_t index;
	int way;

	table_find(mesh->programs->maps.flows, &key, &index, &bucket, &way);
	bucket.way[way].value = (struct skep_flow_choice){
		.task = flow->task,
		.service_id = flow->service_id,
		.counter = ntohl(flow->task.word[3]) & 0xff,
		.target_port = flow->target_port,
	};
	bucket.way[way].source_port = flow->source_port;
	table_write(mesh->programs->maps.flows, index, &bucket, way, &key, flow->last_seen_ns,
		    flow->state);
}

void mesh_flow_age(struct mesh *mesh, const char *client, const char *frontend, uint8_t protocol,
		   uint32_t seconds)
{
	struct skep_flow flow;

	check(mesh_flow(mesh, client, frontend, protocol, &flow), client);
	flow.last_seen_ns -= seconds * 1000000000ULL;
	mesh_flow_set(mesh, client, frontend, protocol, &flow);
}

static uint32_t ticks_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return SKEP_TICKS((uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec);
}

bool mesh_affinity(struct mesh *mesh, uint32_t service, const char *client, struct skep_addr *task,
		   uint32_t *age_s)
{
	struct skep_affinity_key key = {service, skep_addr_v4(ipv4_of(client))};
	struct skep_affinity value;

	if (bpf_map_lookup_elem(bpf_map__fd(mesh->programs->maps.affinity), &key, &value))
		return false;
	*task = value.task;
	if (age_s)
		*age_s = (uint32_t)(((uint64_t)(ticks_now() - value.last_seen) << SKEP_TICK_SHIFT) /
				    1000000000U);
	return true;
}

void mesh_affinity_age(struct mesh *mesh, uint32_t seconds)
{
	static struct skep_affinity_key keys[AFFINITY];
	int map = bpf_map__fd(mesh->programs->maps.affinity);
	struct skep_affinity value;
	size_t n = 0;

	/* An update puts an entry elsewhere, so the walk comes first. */
	while (n < AFFINITY && !bpf_map_get_next_key(map, n ? &keys[n - 1] : NULL, &keys[n]))
		n++;
	for (size_t i = 0; i < n; i++) {
		check(!bpf_map_lookup_elem(map, &keys[i], &value), "affinity");
		value.last_seen -= SKEP_TICKS(seconds * 1000000000ULL);
		check(!bpf_map_update_elem(map, &keys[i], &value, BPF_EXIST), "affinity");
	}
}

int32_t mesh_task_flows(struct mesh *mesh, const char *task)
{
	uint32_t counter = ntohl(ipv4(task)) & 0xff;
	int32_t live;

	check(!bpf_map_lookup_elem(bpf_map__fd(mesh->programs->maps.task_flows), &counter, &live),
	      task);
	return live;
}

int32_t mesh_task_flows_found(struct mesh *mesh, const char *task)
{
	struct skep_flow_bucket bucket;
	int32_t live = 0;

	for (uint32_t index = 0; index < BUCKETS; index++) {
		check(!bpf_map_lookup_elem(bpf_map__fd(mesh->programs->maps.flows), &index,
					   &bucket),
		      "bucket");
		for (int way = 0; way < SKEP_WAYS; way++)
			live += bucket.tag[way] && bucket.state[way] != SKEP_FLOW_CLOSING &&
				bucket.way[way].value.counter == (ntohl(ipv4(task)) & 0xff);
	}
	return live;
}

void mesh_sweep(struct mesh *mesh)
{
	static const uint8_t packet[64];
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet, .data_size_in = sizeof(packet),
		    .repeat = BUCKETS);

	check(!bpf_prog_test_run_opts(bpf_program__fd(mesh->programs->progs.sweep), &run), "sweep");
}

/* The two keys have one layout: see parse.h. */
static struct skep_return_key return_key(const char *task, const char *client, uint8_t protocol)
{
	struct skep_flow_key key = flow_key(task, client, protocol);
	struct skep_return_key reply;

	_Static_assert(sizeof(key) == sizeof(reply), "one layout");
	memcpy(&reply, &key, sizeof(reply));
	return reply;
}

bool mesh_return(struct mesh *mesh, const char *task, const char *client, uint8_t protocol,
		 struct skep_return *value)
{
	struct skep_return_key key = return_key(task, client, protocol);
	struct skep_return_bucket bucket;
	uint32_t index;
	int way;

	if (!table_find(mesh->programs->maps.returns, &key, &index, &bucket, &way))
		return false;
	*value = (struct skep_return){
		.frontend = bucket.way[way].value.frontend,
		.ingress = bucket.way[way].value.ingress,
		.last_seen_ns = (uint64_t)bucket.last_seen[way] << SKEP_TICK_SHIFT,
		.frontend_port = bucket.way[way].value.frontend_port,
		.client_port = bucket.way[way].value.client_port,
		.mode = bucket.way[way].value.mode,
		.state = bucket.state[way],
	};
	return true;
}

void mesh_return_set(struct mesh *mesh, const char *task, const char *client, uint8_t protocol,
		     const struct skep_return *value)
{
	struct skep_return_key key = return_key(task, client, protocol);
	struct skep_return_bucket bucket;
	uint32_t index;
	int way;

	table_find(mesh->programs->maps.returns, &key, &index, &bucket, &way);
	bucket.way[way].value = (struct skep_return_path){
		.frontend = value->frontend,
		.ingress = value->ingress,
		.frontend_port = value->frontend_port,
		.client_port = value->client_port,
		.mode = value->mode,
	};
	table_write(mesh->programs->maps.returns, index, (struct skep_flow_bucket *)&bucket, way,
		    &key, value->last_seen_ns, value->state);
}

void mesh_return_gone(struct mesh *mesh, const char *task, const char *client, uint8_t protocol)
{
	struct skep_return_key key = return_key(task, client, protocol);
	struct skep_return_bucket bucket;
	uint32_t index;
	int way;

	check(table_find(mesh->programs->maps.returns, &key, &index, &bucket, &way), task);
	bucket.tag[way] = 0;
	map_set(mesh->programs->maps.returns, &index, &bucket);
}

void mesh_fragments_age(struct mesh *mesh, uint64_t seconds)
{
	int map = bpf_map__fd(mesh->programs->maps.fragments);
	struct skep_fragment_key key;
	struct skep_fragment value;
	void *last = NULL;

	while (!bpf_map_get_next_key(map, last, &key)) {
		check(!bpf_map_lookup_elem(map, &key, &value), "fragments");
		value.first_seen_ns -= seconds * 1000000000U;
		check(!bpf_map_update_elem(map, &key, &value, BPF_EXIST), "fragments");
		last = &key;
	}
}

uint64_t mesh_verdict(struct mesh *mesh, enum skep_verdict verdict)
{
	uint64_t packets;

	percpu_sum(mesh->programs->maps.verdicts, verdict, &packets, 1);
	return packets;
}

uint64_t mesh_xdp_counter(struct mesh *mesh, enum skep_xdp_way way)
{
	uint64_t packets;

	percpu_sum(mesh->programs->maps.xdp_counters, way, &packets, 1);
	return packets;
}

static struct skep_counter counter(struct bpf_map *map, uint32_t index)
{
	uint64_t sums[3];

	percpu_sum(map, index, sums, 3);
	return (struct skep_counter){.packets = sums[0], .bytes = sums[1], .new_flows = sums[2]};
}

struct skep_counter mesh_service_counter(struct mesh *mesh, uint32_t service)
{
	return counter(mesh->programs->maps.service_counters, service);
}

struct skep_counter mesh_task_counter(struct mesh *mesh, const char *task)
{
	return counter(mesh->programs->maps.task_counters, ntohl(ipv4(task)) & 0xff);
}

struct outcome mesh_run_tc(struct mesh *mesh, enum program program, const struct frame *frame)
{
	struct bpf_program *programs[] = {
		[FROM_WIRE] = mesh->programs->progs.from_wire,
		[FROM_MESH] = mesh->programs->progs.from_mesh,
		[TO_MESH] = mesh->programs->progs.to_mesh,
		[FROM_TASK] = mesh->programs->progs.from_task,
		[FROM_BRIDGE] = mesh->programs->progs.from_bridge,
	};
	bool of_mesh = program == FROM_MESH || program == TO_MESH;
	struct __sk_buff context = {
		.ifindex = (uint32_t)(of_mesh ? mesh->mesh : mesh->wire),
		.gso_size = mesh->gso_size,
		.gso_segs = mesh->gso_size ? 2 : 0,
	};
	struct outcome outcome = {};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame->data, .data_size_in = frame->length,
		    .data_out = outcome.frame.data, .data_size_out = sizeof(outcome.frame.data),
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = 1,
		    .flags = mesh->run_flags);

	memset(&mesh->programs->bss->record, 0, sizeof(outcome.record));
	check(!bpf_prog_test_run_opts(bpf_program__fd(programs[program]), &run),
	      bpf_program__name(programs[program]));
	outcome.result = (int)run.retval;
	outcome.frame.length = run.data_size_out;
	outcome.record = mesh->programs->bss->record;
	if (frame_checksums_right(frame) && !frame_checksums_right(&outcome.frame)) {
		frames_equal(frame, &outcome.frame);
		fail_msg("a checksum is wrong after %s", bpf_program__name(programs[program]));
	}
	return outcome;
}

struct outcome mesh_run_framed_tc(struct mesh *mesh, const char *node, uint32_t vni,
				  const struct frame *frame)
{
	struct outcome outcome;

	mesh->stimulus->framed = 1;
	mesh->stimulus->vni = vni;
	mesh->stimulus->node_ipv4 = ntohl(ipv4(node));
	outcome = mesh_run_tc(mesh, FROM_MESH, frame);
	mesh->stimulus->framed = 0;
	return outcome;
}

static void buckets_clear(struct bpf_map *map)
{
	static const struct skep_flow_bucket empty;

	for (uint32_t index = 0; index < BUCKETS; index++)
		map_set(map, &index, &empty);
}

/* Of all tests. Not the group's state, which would hide a test's own. */
static struct mesh *the_mesh;

static int mesh_fresh(void **state)
{
	static const char *const nodes[] = {HERE, NODE_2, NODE_3};
	const enum form *form = *state;
	struct mesh *mesh = the_mesh;
	struct skep_config config = mesh_usual_config(mesh);
	int32_t none = 0;

	*state = mesh;
	mesh->xdp = form && *form & FORM_XDP;
	mesh->dsr = form && *form & FORM_DSR;

	map_empty(mesh->programs->maps.services);
	map_empty(mesh->programs->maps.allow);
	map_empty(mesh->programs->maps.rings);
	map_empty(mesh->programs->maps.tasks);
	map_empty(mesh->programs->maps.nodes);
	buckets_clear(mesh->programs->maps.flows);
	buckets_clear(mesh->programs->maps.returns);
	map_empty(mesh->programs->maps.wires);
	map_empty(mesh->programs->maps.fragments);
	mesh_tick(mesh);
	map_empty(mesh->programs->maps.affinity);
	for (uint32_t i = 0; i < bpf_map__max_entries(mesh->programs->maps.task_flows); i++)
		map_set(mesh->programs->maps.task_flows, &i, &none);
	percpu_clear(mesh->programs->maps.verdicts, 1);
	percpu_clear(mesh->programs->maps.xdp_counters, 1);
	percpu_clear(mesh->programs->maps.service_counters, 3);
	percpu_clear(mesh->programs->maps.task_counters, 3);
	memset(mesh->stimulus, 0, sizeof(*mesh->stimulus));
	mesh->run_flags = 0;
	mesh->gso_size = 0;

	mesh_config(mesh, &config);
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		struct skep_addr key = addr_of(nodes[i]);
		struct skep_node value = {};

		map_set(mesh->programs->maps.nodes, &key, &value);
	}
	mesh_frontend(mesh, WEB_AT, IPPROTO_TCP, WEB, 80);
	mesh_frontend(mesh, "0.0.0.0:8080", IPPROTO_TCP, WEB, 80);
	mesh_frontend(mesh, DNS_AT, IPPROTO_UDP, DNS, 53);
	mesh_frontend(mesh, "0.0.0.0:5353", IPPROTO_UDP, DNS, 53);
	mesh_ring(mesh, WEB, 0, NO_TASKS);
	mesh_ring(mesh, DNS, 0, NO_TASKS);
	if (mesh->xdp)
		xdp_links(mesh);
	return 0;
}

static void command(const char *line)
{
	int status = system(line);

	if (status)
		fail_msg("status %d of: %s", status, line);
}

/* The namespace goes with the process. */
static void make_links(struct mesh *mesh)
{
	check(!unshare(CLONE_NEWNET), "unshare (are you root?)");
	command("ip link set lo up");
	command("ip link add wire0 address " WIRE_MAC
		" type veth peer name client0 address " CLIENT_MAC);
	command("ip link add mesh0 address " MESH_MAC " type veth peer name mesh1");
	command("ip link set wire0 up && ip link set client0 up");
	command("ip link set mesh0 up && ip link set mesh1 up");
	command("ip address add 192.0.2.1/24 dev wire0");
	command("ip route add 198.51.100.0/24 via " GATEWAY);
	command("echo 1 > /proc/sys/net/ipv4/ip_forward");
	mesh->wire = (int)if_nametoindex("wire0");
	mesh->mesh = (int)if_nametoindex("mesh0");
}

static int mesh_load(void **state)
{
	struct mesh *mesh = calloc(1, sizeof(*mesh));

	check(mesh, "memory");
	(void)state;
	the_mesh = mesh;
	make_links(mesh);
	mesh->programs = harness_bpf__open();
	check(mesh->programs, "open the programs");
	bpf_map__set_autocreate(mesh->programs->maps.ring, false);
	bpf_map__set_max_entries(mesh->programs->maps.services, 64);
	bpf_map__set_max_entries(mesh->programs->maps.allow, 64);
	bpf_map__set_max_entries(mesh->programs->maps.rings, SERVICE_IDS);
	bpf_map__set_max_entries(mesh->programs->maps.tasks, 64);
	bpf_map__set_max_entries(mesh->programs->maps.nodes, 16);
	bpf_map__set_max_entries(mesh->programs->maps.flows, BUCKETS);
	bpf_map__set_max_entries(mesh->programs->maps.returns, BUCKETS);
	mesh->programs->rodata->bucket_mask = BUCKETS - 1;
	bpf_map__set_max_entries(mesh->programs->maps.service_counters, SERVICE_IDS);
	bpf_map__set_max_entries(mesh->programs->maps.task_counters, 256);
	bpf_map__set_max_entries(mesh->programs->maps.task_flows, 256);
	bpf_map__set_max_entries(mesh->programs->maps.affinity, AFFINITY);
	check(!harness_bpf__load(mesh->programs), "load the programs");
	mesh->stimulus = &mesh->programs->bss->stimulus;
	return 0;
}

static int mesh_unload(void **state)
{
	(void)state;
	harness_bpf__destroy(the_mesh->programs);
	free(the_mesh);
	return 0;
}

int mesh_run_tests(const char *name, struct CMUnitTest *tests, size_t n)
{
	for (size_t i = 0; i < n; i++)
		tests[i].setup_func = mesh_fresh;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return _cmocka_run_group_tests(name, tests, n, mesh_load, mesh_unload);
}
