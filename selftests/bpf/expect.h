/* SPDX-License-Identifier: GPL-2.0-only */
/* What tests ask of an outcome. All fail at the line of the test that asked. */
#ifndef SKEP_TEST_EXPECT_H
#define SKEP_TEST_EXPECT_H

#include "mesh.h"

#define expect_passed(outcome, frame) expect_passed_at(outcome, frame, __FILE__, __LINE__)
#define expect_dropped(outcome)	      expect_dropped_at(outcome, __FILE__, __LINE__)
#define expect_delivered(outcome, ifindex, frame)                                                  \
	expect_way_at(outcome, WAY_PEER, ifindex, 0, frame, __FILE__, __LINE__)
#define expect_sent_out(outcome, ifindex, frame)                                                   \
	expect_way_at(outcome, WAY_REDIRECT, ifindex, 0, frame, __FILE__, __LINE__)
#define expect_turned_round(outcome, ifindex, frame)                                               \
	expect_way_at(outcome, WAY_REDIRECT, ifindex, BPF_F_INGRESS, frame, __FILE__, __LINE__)
#define expect_routed(outcome, ifindex, next_hop, frame)                                           \
	expect_routed_at(outcome, ifindex, next_hop, frame, __FILE__, __LINE__)
#define expect_tunnelled(mesh, outcome, node, vni, frame)                                          \
	expect_tunnelled_at(mesh, outcome, node, vni, frame, __FILE__, __LINE__)
#define expect_frame(expected, got) expect_frame_at(expected, got, __FILE__, __LINE__)

/* Nothing else was counted since the test began. */
#define expect_verdict(mesh, verdict) expect_verdicts_at(mesh, verdict, 1, __FILE__, __LINE__)
#define expect_no_verdict(mesh)	      expect_verdicts_at(mesh, SKEP_VERDICT_COUNT, 0, __FILE__, __LINE__)

/* The frame is the one that went in. */
void expect_passed_at(const struct outcome *outcome, const struct frame *frame, const char *file,
		      int line);
void expect_dropped_at(const struct outcome *outcome, const char *file, int line);
void expect_way_at(const struct outcome *outcome, enum way way, int ifindex, uint64_t flags,
		   const struct frame *frame, const char *file, int line);
void expect_routed_at(const struct outcome *outcome, int ifindex, const char *next_hop,
		      const struct frame *frame, const char *file, int line);
void expect_tunnelled_at(const struct mesh *mesh, const struct outcome *outcome, const char *node,
			 uint32_t vni, const struct frame *frame, const char *file, int line);
void expect_frame_at(const struct frame *expected, const struct frame *got, const char *file,
		     int line);
void expect_verdicts_at(struct mesh *mesh, enum skep_verdict verdict, uint64_t count,
			const char *file, int line);

#endif
