/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fixture: one node as the agent would set it up, 10.1.0.1, in a network namespace of the
 * test's own. Its maps are filled here as the agent fills them, and its programs run on single
 * frames. Every failure to set up ends the test.
 *
 * The node: `wire0` (192.0.2.1/24, a route to 198.51.100.0/24 by 192.0.2.254), `mesh0` in skep0's
 * place; it knows the nodes 10.1.0.1 to 10.1.0.3. Service WEB answers on 10.1.0.1:8080/tcp (tasks
 * listen on 80), DNS on 10.1.0.1:5353/udp (53); both have rings without tasks.
 */
#ifndef SKEP_TEST_MESH_H
#define SKEP_TEST_MESH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "packets.h"
#include "record.h"
#include "skep/maps.h"
#include "skep/tunnel.h"

#define HERE	 "10.1.0.1"
#define NODE_2	 "10.1.0.2"
#define NODE_3	 "10.1.0.3"
#define STRANGER "10.1.0.9"

#define HERE_MAC   "02:42:0a:01:00:01"
#define NODE_2_MAC "02:42:0a:01:00:02"
#define NODE_3_MAC "02:42:0a:01:00:03"
#define MESH_MAC   "02:53:0a:01:00:01"

#define CLIENT	   "192.0.2.100:40000"
#define FAR_CLIENT "198.51.100.7:40000"
#define GATEWAY	   "192.0.2.254"
#define WEB_AT	   "10.1.0.1:8080"
#define DNS_AT	   "10.1.0.1:5353"

#define TUNNEL_MTU 1450

enum {
	WEB = 1,
	DNS = 2,
	SERVICE_IDS = 8
};

struct harness_bpf;

struct mesh {
	struct harness_bpf *programs;
	struct stimulus *stimulus; /* of the runs to come */
	int wire, mesh;		   /* ifindexes */
	uint32_t run_flags;	   /* BPF_F_TEST_* of the runs to come */
	uint32_t gso_size;	   /* of their packets; 0: no GSO packets */
	bool xdp;		   /* the form that the test runs in: see forms.h */
	bool dsr;
};

/* linux/bpf.h of newer kernels, BPF_F_TEST_SKB_CHECKSUM_COMPLETE: the skb has a checksum of all its
 * bytes, which is checked after the run. */
#define CHECKSUM_COMPLETE (1U << 2)

enum program {
	FROM_WIRE,
	FROM_MESH,
	TO_MESH,
	FROM_TASK,
	FROM_BRIDGE
};

struct outcome {
	int result; /* TC_ACT_* */
	struct frame frame;
	struct record record;
};

/* Runs the tests of a file, each with maps as described above. A test's initial_state, if it has
 * one, is an enum form. Returns main()'s result. */
int mesh_run_tests(const char *name, struct CMUnitTest *tests, size_t n);

/* Ends the test if a checksum was right before and is not after. */
struct outcome mesh_run_tc(struct mesh *mesh, enum program program, const struct frame *frame);

/* from_mesh, with a frame of the VNI from a node. */
struct outcome mesh_run_framed_tc(struct mesh *mesh, const char *node, uint32_t vni,
				  const struct frame *frame);

/* The same in the form that the test runs in; tc's but for tests that forms.h runs. */
struct outcome mesh_run(struct mesh *mesh, enum program program, const struct frame *frame);
struct outcome mesh_run_framed(struct mesh *mesh, const char *node, uint32_t vni,
			       const struct frame *frame);

struct skep_addr addr_of(const char *addr);

void mesh_frontend(struct mesh *mesh, const char *endpoint, uint8_t protocol, uint32_t service,
		   uint16_t target_port);
/* Gives the frontend another ring than its service's. */
void mesh_frontend_ring(struct mesh *mesh, const char *endpoint, uint8_t protocol, uint32_t ring);
/* What labels make of a frontend that is there: SKEP_SERVICE_*, and seconds (0: never). Without it:
 * none, never for TCP, 30 s for UDP. */
void mesh_frontend_flags(struct mesh *mesh, const char *endpoint, uint8_t protocol, uint8_t flags);
void mesh_frontend_idle(struct mesh *mesh, const char *endpoint, uint8_t protocol,
			uint32_t seconds);
/* Lets clients of an IPv4 network in. */
void mesh_allow(struct mesh *mesh, uint32_t service, const char *network, uint32_t length);
void mesh_frontend_policy(struct mesh *mesh, const char *endpoint, uint8_t protocol,
			  enum skep_policy policy, uint32_t affinity_s);
void mesh_no_frontend(struct mesh *mesh, const char *endpoint, uint8_t protocol);

/* The counter of a task is the last byte of its address. ifindex 0: on that node, or not hooked. */
void mesh_task(struct mesh *mesh, uint32_t service, const char *addr, const char *node,
	       uint32_t ifindex);
void mesh_task_state(struct mesh *mesh, const char *addr, enum skep_task_state state);
void mesh_task_weight(struct mesh *mesh, const char *addr, uint16_t weight);
void mesh_task_gone(struct mesh *mesh, const char *addr);

/* A new ring in place of the old one; addresses up to NULL. */
void mesh_ring(struct mesh *mesh, uint32_t service, uint32_t cursor, const char *const *tasks);
#define RING(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_TASKS  ((const char *const[]){NULL})
uint32_t mesh_ring_cursor(struct mesh *mesh, uint32_t service);

/* As if the clock had gone on: what programs keep for a tick is gone. */
void mesh_tick(struct mesh *mesh);

void mesh_node_gone(struct mesh *mesh, const char *addr);
void mesh_config(struct mesh *mesh, const struct skep_config *config);
struct skep_config mesh_usual_config(const struct mesh *mesh);

/* Entries of the two tables, as tests read and write them. */
struct skep_flow {
	struct skep_addr task;
	uint64_t last_seen_ns;
	uint32_t service_id;
	__be16 target_port;
	__be16 source_port;
	uint8_t state;
};
struct skep_return {
	struct skep_addr frontend;
	struct skep_addr ingress;
	uint64_t last_seen_ns;
	__be16 frontend_port;
	__be16 client_port;
	uint8_t mode;
	uint8_t state;
};

/* false: no such entry */
bool mesh_flow(struct mesh *mesh, const char *client, const char *frontend, uint8_t protocol,
	       struct skep_flow *flow);
void mesh_flow_set(struct mesh *mesh, const char *client, const char *frontend, uint8_t protocol,
		   const struct skep_flow *flow);
bool mesh_return(struct mesh *mesh, const char *task, const char *client, uint8_t protocol,
		 struct skep_return *value);
void mesh_return_set(struct mesh *mesh, const char *task, const char *client, uint8_t protocol,
		     const struct skep_return *value);
void mesh_return_gone(struct mesh *mesh, const char *task, const char *client, uint8_t protocol);

/* As if nothing had come of it for so long. */
void mesh_flow_age(struct mesh *mesh, const char *client, const char *frontend, uint8_t protocol,
		   uint32_t seconds);

/* false: the client has no entry there. *age_s may be NULL. */
bool mesh_affinity(struct mesh *mesh, uint32_t service, const char *client, struct skep_addr *task,
		   uint32_t *age_s);
/* As if all that were made so far had been seen so much earlier. */
void mesh_affinity_age(struct mesh *mesh, uint32_t seconds);

/* Live flows by task_flows; by the entries of flows themselves. */
int32_t mesh_task_flows(struct mesh *mesh, const char *task);
int32_t mesh_task_flows_found(struct mesh *mesh, const char *task);
/* Over the whole table. */
void mesh_sweep(struct mesh *mesh);

/* As if the first fragments seen so far had come so much earlier. */
void mesh_fragments_age(struct mesh *mesh, uint64_t seconds);

uint64_t mesh_verdict(struct mesh *mesh, enum skep_verdict verdict);
uint64_t mesh_xdp_counter(struct mesh *mesh, enum skep_xdp_way way);
struct skep_counter mesh_service_counter(struct mesh *mesh, uint32_t service);
struct skep_counter mesh_task_counter(struct mesh *mesh, const char *task);

#endif
