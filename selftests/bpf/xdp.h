/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The XDP program on single frames, as it would be in force on `wire0` of the fixture (mesh.h).
 * There node 2 is a neighbour behind wire0, node 3 one behind `wire1`, another wire; the gateway
 * and the client 192.0.2.100 are neighbours, too.
 */
#ifndef SKEP_TEST_XDP_H
#define SKEP_TEST_XDP_H

#include "expect.h"
#include "skep/hint.h"

#define NODE_2_AT_WIRE "02:00:00:00:01:02"
#define NODE_3_AT_WIRE "02:00:00:00:01:03"
#define GATEWAY_MAC    "02:00:00:00:01:fe"
#define WIRE1_MAC      "02:00:00:00:02:01"
#define WIRE1_CLIENT   "198.18.0.100:40000"
#define CLIENT1_MAC    "02:00:00:00:02:64"

struct xdp_outcome {
	int result; /* XDP_* */
	struct frame frame;
	size_t meta_length;
	struct skep_hint hint; /* if meta_length is its size */
	struct record record;
};

/* What must be there besides, once for a file: links, routes, neighbours. Then wire0 is a wire. */
void xdp_links(struct mesh *mesh);
/* Makes an interface a wire; its key is {0x1111, ifindex}. */
void xdp_wire(struct mesh *mesh, const char *name, const char *mac);
void xdp_no_wire(struct mesh *mesh, const char *name);

struct xdp_outcome xdp_run(struct mesh *mesh, const struct frame *frame);
/* The frame comes with metadata. */
struct xdp_outcome xdp_run_with_meta(struct mesh *mesh, const struct frame *frame, const void *meta,
				     size_t length);

/*
 * What from_wire makes of a frame with metadata. A tc test run takes none, so a live frame goes
 * through wire0: by an XDP program that lets all through as it was given, and up into from_wire.
 * That it was dropped is seen by the verdicts; a frame is seen only if it was redirected.
 */
struct outcome xdp_receive(struct mesh *mesh, const struct frame *frame, const void *meta,
			   size_t length);

/* A frame around a frame, as skep sends it; id and source port are like another's. */
struct outer_recipe {
	const char *mac_from, *mac_to, *from, *to;
	uint32_t vni;
	uint8_t tos;
	const struct frame *like; /* NULL: 7 and 50000 */
};
struct frame xdp_framed(const struct frame *inner, struct outer_recipe recipe);
/* The same as it comes in from a node by way of node 2's interface. */
struct frame xdp_framed_from(const char *node, const struct frame *inner, uint32_t vni);
uint16_t xdp_source_port(const struct frame *framed);

/* Passed as it came; hint or none. */
#define expect_xdp_passed(outcome, frame, meta)                                                    \
	expect_xdp_passed_at(outcome, frame, meta, __FILE__, __LINE__)
void expect_xdp_passed_at(const struct xdp_outcome *outcome, const struct frame *frame,
			  size_t meta_length, const char *file, int line);
#define expect_ways(mesh, forwarded, returned, hinted)                                             \
	expect_all_ways(mesh, forwarded, returned, hinted, 0)
#define expect_all_ways(mesh, forwarded, returned, hinted, stripped)                               \
	do {                                                                                       \
		assert_int_equal(mesh_xdp_counter(mesh, SKEP_XDP_FORWARDED), forwarded);           \
		assert_int_equal(mesh_xdp_counter(mesh, SKEP_XDP_RETURNED), returned);             \
		assert_int_equal(mesh_xdp_counter(mesh, SKEP_XDP_HINTED), hinted);                 \
		assert_int_equal(mesh_xdp_counter(mesh, SKEP_XDP_STRIPPED), stripped);             \
	} while (0)

#endif
