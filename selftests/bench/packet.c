/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * packet [--rounds N] [--repeat N] [--only TEXT]: nanoseconds per packet, of programs that
 * well-known things are done by and of skep's XDP program, by BPF_PROG_TEST_RUN on 64-byte TCP
 * packets. Prints JSON: an array of {row, least, median, most, gross, baseline}.
 *
 * Each number is net of the packet's restoring (packet.bpf.c), which is measured beside it in the
 * same round. Rounds are interleaved: every row once, then every row again. What a row's name says
 * is verified by counters after each run; a row that did something else ends it all.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "packet_plan.h"
#include "packets.h"
#include "skep/table.h"
#include "skep/tunnel.h"

#include "bench.skel.h"
#include "xdp.skel.h"

#define HERE	  "10.1.0.1"
#define NODE_2	  "10.1.0.2"
#define CLIENT	  "192.0.2.100:40000"
#define FIRST	  "10.64.0.0"  /* of the clients that restore makes */
#define FRONTEND  HERE ":8080" /* its task is on node 2 */
#define LOCAL	  HERE ":8081" /* its task is here */
#define NOT_MESH  HERE ":22"
#define TASK	  "10.0.0.12"
#define TASK_HERE "10.0.0.11"
#define TASK_MAC  "02:42:0a:00:00:0b"
#define HERE_MAC  "02:42:0a:01:00:01"
#define NODE_MAC  "02:42:0a:01:00:02"
#define NEXT_MAC  "02:00:00:00:01:02"
#define PAYLOAD	  "ten bytes!"

#define MANY_FLOWS  65536U
#define MAX_FLOWS   262144U /* the agent's --max-flows, and the LRU hash's size */
#define BUCKETS	    (MAX_FLOWS / SKEP_WAYS)
#define ROOM_FLOWS  65536U /* new ones in an empty table: then it is a quarter full */
#define SERVICE_IDS 4
#define MAX_ROUNDS  101

enum {
	WEB = 1,
	WEB_HERE = 2
};

static struct bench_bpf *bench;
static struct xdp_bpf *skep;
static int wire, mesh;

static void fail(const char *what)
{
	fprintf(stderr, "packet: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void command(const char *line)
{
	if (system(line)) {
		fprintf(stderr, "packet: failed: %s\n", line);
		exit(1);
	}
}

static void map_set(struct bpf_map *map, const void *key, const void *value)
{
	if (bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY))
		fail(bpf_map__name(map));
}

static uint64_t percpu_sum(struct bpf_map *map, uint32_t index, size_t word, size_t words)
{
	static uint64_t values[1024 * 4];
	int cpus = libbpf_num_possible_cpus();
	uint64_t sum = 0;

	if (cpus > 1024 || bpf_map_lookup_elem(bpf_map__fd(map), &index, values))
		fail(bpf_map__name(map));
	for (int i = 0; i < cpus; i++)
		sum += values[(size_t)i * words + word];
	return sum;
}

/* The node, as the agent sets it up. The namespace goes with the process. */
static void make_links(void)
{
	if (unshare(CLONE_NEWNET))
		fail("unshare (are you root?)");
	command("ip link set lo up");
	command("ip link add wire0 address " WIRE_MAC
		" type veth peer name client0 address " CLIENT_MAC);
	command("ip link add mesh0 type veth peer name mesh1");
	command("ip link set wire0 up && ip link set client0 up");
	command("ip link set mesh0 up && ip link set mesh1 up");
	command("ip address add 192.0.2.1/24 dev wire0");
	command("ip route add default via 192.0.2.254");
	command("ip route add " NODE_2 " via 192.0.2.2");
	command("ip neigh add 192.0.2.2 lladdr " NEXT_MAC " dev wire0");
	command("ip neigh add 192.0.2.100 lladdr " CLIENT_MAC " dev wire0");
	/* The host's own routes to tasks: a rule, after which no look-up is as short as without. */
	command("ip rule add iif lo lookup 4799 && ip route add 10.0.0.0/24 dev mesh0 table 4799");
	command("echo 1 > /proc/sys/net/ipv4/ip_forward");
	wire = (int)if_nametoindex("wire0");
	mesh = (int)if_nametoindex("mesh0");
	/* A test run takes an interface by number only where some XDP program is in force. */
	if (bpf_xdp_attach(wire, bpf_program__fd(bench->progs.nothing), XDP_FLAGS_DRV_MODE, NULL))
		fail("attach to wire0");
}

static void make_service(uint32_t id, const char *endpoint, const char *task, const char *node,
			 int ifindex)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_INNER_MAP);
	struct skep_frontend frontend = {
		.addr = skep_addr_v4(ipv4_of(endpoint)),
		.port = htons(port_of(endpoint)),
		.protocol = IPPROTO_TCP,
	};
	struct skep_service service = {.service_id = id, .target_port = htons(80)};
	union skep_ring_slot slots[] = {{.header = {.length = 1}},
					{.task = skep_addr_v4(ipv4(task))}};
	struct skep_task value = {
		.node = skep_addr_v4(ipv4(node)),
		.ifindex = (uint32_t)ifindex,
		.service_id = id,
		.counter = id,
		.state = SKEP_TASK_SERVING,
	};
	int ring = bpf_map_create(BPF_MAP_TYPE_ARRAY, "ring", sizeof(uint32_t), sizeof(slots[0]), 2,
				  &options);

	if (ring < 0)
		fail("ring");
	for (uint32_t i = 0; i < 2; i++)
		if (bpf_map_update_elem(ring, &i, &slots[i], BPF_ANY))
			fail("ring");
	map_set(skep->maps.rings, &id, &ring);
	map_set(skep->maps.tasks, &slots[1].task, &value);
	map_set(skep->maps.services, &frontend, &service);
	map_set(bench->maps.frontends, &frontend, &service);
	close(ring);
}

static void make_maps(void)
{
	const char *nodes[] = {HERE, NODE_2};
	struct skep_config config = {
		.underlay = skep_addr_v4(ipv4(HERE)),
		.seed = 0x5eed5eed5eed5eedULL,
		.mesh_ifindex = (uint32_t)mesh,
		.tunnel_mtu = 1450,
	};
	struct skep_wire value = {.hint_key = {1, 2}};
	uint32_t zero = 0;

	mac_parse("02:53:0a:01:00:01", config.mesh_mac);
	mac_parse(WIRE_MAC, value.mac);
	map_set(skep->maps.config, &zero, &config);
	map_set(skep->maps.wires, &wire, &value);
	for (size_t i = 0; i < 2; i++) {
		struct skep_addr key = skep_addr_v4(ipv4(nodes[i]));
		struct skep_node node = {};

		map_set(skep->maps.nodes, &key, &node);
	}
	bench->bss->plan.route_from = (uint32_t)mesh;
	bench->bss->plan.here = ipv4(HERE);
	bench->bss->plan.node = ipv4(NODE_2);
	make_service(WEB, FRONTEND, TASK, NODE_2, 0);
	make_service(WEB_HERE, LOCAL, TASK_HERE, HERE, mesh);
}

static void load(void)
{
	bench = bench_bpf__open();
	skep = xdp_bpf__open();
	if (!bench || !skep)
		fail("open the programs");
	bpf_map__set_autocreate(skep->maps.ring, false);
	bpf_map__set_max_entries(skep->maps.services, 64);
	bpf_map__set_max_entries(skep->maps.rings, SERVICE_IDS);
	bpf_map__set_max_entries(skep->maps.tasks, 64);
	bpf_map__set_max_entries(skep->maps.nodes, 16);
	bpf_map__set_max_entries(skep->maps.flows, BUCKETS);
	bpf_map__set_max_entries(skep->maps.returns, BUCKETS);
	skep->rodata->bucket_mask = BUCKETS - 1;
	bpf_map__set_max_entries(skep->maps.service_counters, SERVICE_IDS);
	bpf_map__set_max_entries(skep->maps.task_counters, SERVICE_IDS);
	bpf_map__set_max_entries(bench->maps.lru, MAX_FLOWS);
	if (bench_bpf__load(bench) || xdp_bpf__load(skep))
		fail("load the programs");
}

/* ---- tables, before a row */

static void flows_clear(void)
{
	static const struct skep_flow_bucket empty;

	for (uint32_t i = 0; i < BUCKETS; i++)
		map_set(skep->maps.flows, &i, &empty);
}

static void lru_clear(void)
{
	int map = bpf_map__fd(bench->maps.lru);
	static struct skep_flow_key keys[MAX_FLOWS];
	static struct skep_flow_choice values[MAX_FLOWS];
	uint32_t batch, n = MAX_FLOWS;

	if (bpf_map_lookup_and_delete_batch(map, NULL, &batch, keys, values, &n, NULL) &&
	    errno != ENOENT)
		fail("lru");
}

/* ---- runs */

struct subject {
	struct bpf_program **program;
	struct frame frame;
	uint32_t mask; /* flows - 1 */
};

/* ns of this thread's time per run: what else goes on on the machine is not in it. *result: of the
 * last one. */
static double measure(const struct subject *subject, struct bpf_program *program, uint32_t first,
		      uint32_t repeat, uint32_t *result)
{
	const struct frame *frame = &subject->frame;
	uint8_t out[FRAME_SIZE + 256];
	struct xdp_md context = {.data_end = (uint32_t)frame->length,
				 .ingress_ifindex = (uint32_t)wire};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame->data,
		    .data_size_in = (uint32_t)frame->length, .data_out = out,
		    .data_size_out = sizeof(out), .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = (int)repeat);
	struct plan *plan = &bench->bss->plan;
	int fd = bpf_program__fd(program);
	struct timespec from, to;
	uint32_t zero = 0;

	memcpy(plan->words, frame->data, sizeof(plan->words));
	plan->length = (uint32_t)frame->length;
	plan->long_frame = frame->length >= sizeof(plan->words);
	plan->client = ntohl(ipv4(FIRST));
	plan->next = first;
	plan->mask = subject->mask;
	if (bpf_map_update_elem(bpf_map__fd(bench->maps.subject), &zero, &fd, BPF_ANY))
		fail("subject");
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	if (bpf_prog_test_run_opts(bpf_program__fd(bench->progs.restore), &run))
		fail("test run");
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	*result = run.retval;
	return ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) /
	       repeat;
}

struct counts {
	uint64_t forwarded, returned, hinted, new_flows, evicted, misses;
};

static struct counts counts_now(void)
{
	return (struct counts){
		.forwarded = percpu_sum(skep->maps.xdp_counters, SKEP_XDP_FORWARDED, 0, 1),
		.returned = percpu_sum(skep->maps.xdp_counters, SKEP_XDP_RETURNED, 0, 1),
		.hinted = percpu_sum(skep->maps.xdp_counters, SKEP_XDP_HINTED, 0, 1),
		.new_flows = percpu_sum(skep->maps.service_counters, WEB, 2, 3),
		.evicted = percpu_sum(skep->maps.verdicts, SKEP_FLOW_EVICTED, 0, 1),
		.misses = bench->bss->misses,
	};
}

/* What each packet of a row is to be counted as. */
enum deed {
	PASSES, /* as nothing */
	SENDS,	/* a program to compare with: XDP_TX, and it missed nothing */
	FORWARDS,
	FORWARDS_NEW,
	RETURNS,
	HINTS,
};

static bool did(enum deed deed, uint64_t packets, const struct counts *before, uint32_t result)
{
	struct counts now = counts_now();
	struct counts want = *before;

	if (deed == FORWARDS || deed == FORWARDS_NEW)
		want.forwarded += packets;
	if (deed == FORWARDS_NEW)
		want.new_flows += packets;
	if (deed == RETURNS)
		want.returned += packets;
	if (deed == HINTS)
		want.hinted += packets;
	return memcmp(&now, &want, sizeof(now)) == 0 &&
	       result == (deed == PASSES || deed == HINTS ? XDP_PASS : XDP_TX);
}

/* ---- rows */

enum table {
	AS_IT_IS,
	KNOWN, /* has the row's flows, established */
	EMPTY, /* for ROOM_FLOWS packets at a time */
	FULL,  /* of flows that never were answered */
	LRU_KNOWN,
	LRU_EMPTY,
	LRU_FULL,
};

struct row {
	const char *name;
	struct subject subject;
	enum deed deed;
	enum table table;
	bool optional; /* left out if the program leaves it to others */
	bool absent;   /* not to be measured */
	double net[MAX_ROUNDS], gross[MAX_ROUNDS], baseline[MAX_ROUNDS];
};

static struct frame framed(const struct frame *inner, uint32_t vni)
{
	uint32_t from = ipv4(NODE_2), to = ipv4(HERE);
	struct frame frame = {.length = SKEP_TUNNEL_OVERHEAD + inner->length};
	uint8_t *ip = frame.data + IPV4_HDR;

	mac_parse(WIRE_MAC, frame.data);
	mac_parse(NEXT_MAC, frame.data + 6);
	frame_set_u16(&frame, 12, 0x0800);
	ip[0] = 0x45;
	frame_set_u16(&frame, IPV4_HDR + 2, (uint16_t)(frame.length - IPV4_HDR));
	ip[8] = 64;
	ip[9] = IPPROTO_UDP;
	memcpy(ip + 12, &from, sizeof(from));
	memcpy(ip + 16, &to, sizeof(to));
	frame_set_u16(&frame, L4_HDR, 50000);
	frame_set_u16(&frame, L4_HDR + 2, SKEP_TUNNEL_PORT);
	frame_set_u16(&frame, L4_HDR + 4, (uint16_t)(frame.length - L4_HDR));
	frame.data[L4_HDR + 8] = 0x08;
	frame_set_u16(&frame, L4_HDR + 12, (uint16_t)(vni >> 8));
	frame.data[L4_HDR + 14] = (uint8_t)vni;
	frame_fix_ip_checksum(&frame);
	memcpy(frame.data + SKEP_TUNNEL_OVERHEAD, inner->data, inner->length);
	return frame;
}

#define NO_LIMIT   UINT32_MAX
#define FIRST_PORT FIRST ":1024"

#define ROW(name_, program_, frame_, mask_, deed_, ...)                                            \
	{                                                                                          \
		.name = name_, .subject = {program_, frame_, mask_}, .deed = deed_, __VA_ARGS__    \
	}

static struct row *rows_make(size_t *n)
{
	static struct row rows[32];
	struct frame ack = tcp4(FIRST_PORT, FRONTEND, ACK, .payload = PAYLOAD);
	struct frame syn = tcp4(FIRST_PORT, FRONTEND, SYN, .payload = PAYLOAD);
	struct frame local = tcp4(FIRST_PORT, LOCAL, ACK, .payload = PAYLOAD);
	struct frame other = tcp4(FIRST_PORT, NOT_MESH, ACK, .payload = PAYLOAD);
	struct frame reply = tcp4(FRONTEND, CLIENT, ACK, .payload = PAYLOAD, .mac_from = NODE_MAC,
				  .mac_to = HERE_MAC);
	struct frame carried = tcp4(CLIENT, NODE_2 ":8080", ACK, .payload = PAYLOAD,
				    .mac_from = NODE_MAC, .mac_to = TASK_MAC);
	struct bpf_program **fast_path = &skep->progs.fast_path;
	uint32_t many = MANY_FLOWS - 1;
	const struct row made[] = {
		ROW("XDP_PASS", &bench->progs.nothing, ack, 0, PASSES),
		ROW("parse, XDP_TX", &bench->progs.parse_and_tx, ack, 0, SENDS),
		ROW("hash and LRU look-up, one flow", &bench->progs.look_up_and_tx, ack, 0, SENDS,
		    .table = LRU_KNOWN),
		ROW("hash and LRU look-up, 65,536 flows", &bench->progs.look_up_and_tx, ack, many,
		    SENDS, .table = LRU_KNOWN),
		ROW("the same and encapsulation, one flow", &bench->progs.encapsulate_and_tx, ack,
		    0, SENDS, .table = LRU_KNOWN),
		ROW("the same and encapsulation, 65,536 flows", &bench->progs.encapsulate_and_tx,
		    ack, many, SENDS, .table = LRU_KNOWN),
		ROW("route look-up alone", &bench->progs.route_and_tx, ack, 0, SENDS),
		ROW("kernel LRU insert, room", &bench->progs.insert_and_tx, syn, NO_LIMIT, SENDS,
		    .table = LRU_EMPTY),
		ROW("kernel LRU insert, full", &bench->progs.insert_and_tx, syn, NO_LIMIT, SENDS,
		    .table = LRU_FULL),
		ROW("skep: not for the mesh", fast_path, other, 0, PASSES),
		ROW("skep: known flow to remote, one flow", fast_path, ack, 0, FORWARDS,
		    .table = KNOWN),
		ROW("skep: known flow to remote, 65,536 flows", fast_path, ack, many, FORWARDS,
		    .table = KNOWN),
		ROW("skep: known flow to local, one flow", fast_path, local, 0, HINTS,
		    .table = KNOWN),
		ROW("skep: new flow, room in the table", fast_path, syn, NO_LIMIT, FORWARDS_NEW,
		    .table = EMPTY),
		ROW("skep: new flow, full table", fast_path, syn, NO_LIMIT, FORWARDS_NEW,
		    .table = FULL),
		ROW("skep: return frame", fast_path, framed(&reply, SKEP_VNI(SKEP_FRAME_RETURN, 0)),
		    0, RETURNS),
		ROW("skep: forward frame on the backend node", fast_path,
		    framed(&carried, SKEP_VNI(SKEP_FRAME_FORWARD, 80)), 0, HINTS, .optional = true),
	};

	memcpy(rows, made, sizeof(made));
	*n = sizeof(made) / sizeof(made[0]);
	return rows;
}

/* Flow numbers, so that what is new is new. */
static uint32_t next_flow = 1U << 20;

static void run_as(const struct row *row, uint8_t flags, uint32_t first, uint32_t packets)
{
	struct subject subject = row->subject;
	uint32_t result;

	subject.frame.data[L4_HDR + 13] = flags;
	measure(&subject, *subject.program, first, packets, &result);
}

static void lru_fill(uint32_t flows)
{
	struct subject subject = {.frame = tcp4(FIRST_PORT, FRONTEND, ACK, .payload = PAYLOAD),
				  .mask = NO_LIMIT};
	uint32_t result;

	measure(&subject, bench->progs.insert_and_tx, 0, flows, &result);
}

static void prepare(const struct row *row)
{
	switch (row->table) {
	case AS_IT_IS:
		return;
	case KNOWN:
		flows_clear();
		run_as(row, SYN, 0, row->subject.mask + 1);
		run_as(row, ACK, 0, row->subject.mask + 1);
		return;
	case EMPTY:
		flows_clear();
		return;
	case FULL:
		run_as(row, SYN, next_flow, 8 * MAX_FLOWS);
		next_flow += 8 * MAX_FLOWS;
		return;
	case LRU_KNOWN:
		lru_clear();
		lru_fill(MANY_FLOWS);
		return;
	case LRU_EMPTY:
		lru_clear();
		return;
	case LRU_FULL:
		lru_fill(2 * MAX_FLOWS);
		return;
	}
}

static void complain(const struct row *row, uint32_t result, uint32_t packets,
		     const struct counts *before)
{
	struct counts now = counts_now();

	fprintf(stderr,
		"packet: row \"%s\" did not do what it says: of %u packets %" PRIu64
		" were forwarded, %" PRIu64 " returned, %" PRIu64 " hinted, %" PRIu64
		" new, %" PRIu64 " evicted, %" PRIu64 " missed; result %u\n",
		row->name, packets, now.forwarded - before->forwarded,
		now.returned - before->returned, now.hinted - before->hinted,
		now.new_flows - before->new_flows, now.evicted - before->evicted,
		now.misses - before->misses, result);
	exit(1);
}

/* Tables with room have it for so many packets only: then in several runs. */
static double run_row(struct row *row, uint32_t repeat)
{
	bool room = row->table == EMPTY || row->table == LRU_EMPTY;
	uint32_t part = room && repeat > ROOM_FLOWS ? ROOM_FLOWS : repeat;
	uint32_t parts = (repeat + part - 1) / part;
	double sum = 0;

	for (uint32_t i = 0; i < parts; i++) {
		struct counts before;
		uint32_t result;

		prepare(row);
		before = counts_now();
		sum += measure(&row->subject, *row->subject.program, next_flow, part, &result);
		next_flow += part;
		if (did(row->deed, part, &before, result))
			continue;
		if (row->optional) {
			row->absent = true;
			return 0;
		}
		complain(row, result, part, &before);
	}
	return sum / parts;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), ascending);
	return values[n / 2];
}

static void report(struct row *rows, size_t n, size_t rounds)
{
	const char *comma = "";

	printf("[");
	for (size_t i = 0; i < n; i++) {
		struct row *row = &rows[i];
		double middle;

		if (row->absent)
			continue;
		middle = median(row->net, rounds);
		printf("%s\n{\"row\": \"%s\", \"least\": %.1f, \"median\": %.1f, \"most\": %.1f, "
		       "\"gross\": %.1f, \"baseline\": %.1f}",
		       comma, row->name, row->net[0], middle, row->net[rounds - 1],
		       median(row->gross, rounds), median(row->baseline, rounds));
		comma = ",";
	}
	printf("\n]\n");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"rounds", required_argument, NULL, 'n'},
						{"repeat", required_argument, NULL, 'r'},
						{"only", required_argument, NULL, 'o'},
						{0}};
	uint32_t repeat = 1000000;
	const char *only = "";
	size_t rounds = 11, n;
	struct row *rows;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'n')
			rounds = strtoul(optarg, NULL, 10);
		else if (option == 'r')
			repeat = (uint32_t)strtoul(optarg, NULL, 10);
		else if (option == 'o')
			only = optarg;
		else
			return 2;
	}
	if (rounds < 1 || rounds > MAX_ROUNDS || repeat < 1 || repeat > 100000000) {
		fprintf(stderr, "packet: --rounds 1 to %d, --repeat 1 to 100000000\n", MAX_ROUNDS);
		return 2;
	}
	load();
	make_links();
	make_maps();
	rows = rows_make(&n);
	for (size_t i = 0; i < n; i++)
		rows[i].absent = !strstr(rows[i].name, only);
	for (size_t round = 0; round < rounds; round++) {
		for (size_t i = 0; i < n; i++) {
			struct row *row = &rows[i];
			uint32_t result;

			if (row->absent)
				continue;
			row->gross[round] = run_row(row, repeat);
			row->baseline[round] = measure(&row->subject, bench->progs.nothing,
						       next_flow, repeat, &result);
			row->net[round] = row->gross[round] - row->baseline[round];
		}
	}
	report(rows, n, rounds);
	bench_bpf__destroy(bench);
	xdp_bpf__destroy(skep);
	return 0;
}
