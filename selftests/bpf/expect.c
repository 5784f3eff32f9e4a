/* SPDX-License-Identifier: GPL-2.0-only */
#include "expect.h"
#include "forms.h"

#include <arpa/inet.h>
#include <linux/pkt_cls.h>
#include <stdio.h>

static void expect_number(const char *what, uint64_t expected, uint64_t got, const char *file,
			  int line)
{
	if (expected == got)
		return;
	fprintf(stderr, "%s: expected %llu, got %llu\n", what, (unsigned long long)expected,
		(unsigned long long)got);
	_fail(file, line);
}

void expect_frame_at(const struct frame *expected, const struct frame *got, const char *file,
		     int line)
{
	if (!frames_equal(expected, got))
		_fail(file, line);
}

void expect_passed_at(const struct outcome *outcome, const struct frame *frame, const char *file,
		      int line)
{
	expect_number("result", TC_ACT_OK, (uint64_t)outcome->result, file, line);
	expect_number("redirect", WAY_NONE, outcome->record.way, file, line);
	expect_frame_at(frame, &outcome->frame, file, line);
}

void expect_dropped_at(const struct outcome *outcome, const char *file, int line)
{
	expect_number("result", TC_ACT_SHOT, (uint64_t)outcome->result, file, line);
	expect_number("redirect", WAY_NONE, outcome->record.way, file, line);
}

void expect_way_at(const struct outcome *outcome, enum way way, int ifindex, uint64_t flags,
		   const struct frame *frame, const char *file, int line)
{
	expect_number("result", TC_ACT_REDIRECT, (uint64_t)outcome->result, file, line);
	expect_number("redirect", way, outcome->record.way, file, line);
	expect_number("ifindex", (uint64_t)ifindex, outcome->record.ifindex, file, line);
	expect_number("flags", flags, outcome->record.flags, file, line);
	expect_frame_at(frame, &outcome->frame, file, line);
}

void expect_routed_at(const struct outcome *outcome, int ifindex, const char *next_hop,
		      const struct frame *frame, const char *file, int line)
{
	expect_number("next hop", ntohl(ipv4(next_hop)), ntohl(outcome->record.next_hop), file,
		      line);
	expect_way_at(outcome, WAY_NEIGHBOUR, ifindex, 0, frame, file, line);
}

void expect_tunnelled_at(const struct mesh *mesh, const struct outcome *outcome, const char *node,
			 uint32_t vni, const struct frame *frame, const char *file, int line)
{
	const struct record *record = &outcome->record;

	expect_way_at(outcome, WAY_REDIRECT, mesh->mesh, 0, frame, file, line);
	expect_number("tunnel key set", 1, record->keyed, file, line);
	expect_number("VNI", forms_vni(mesh, vni), record->key.tunnel_id, file, line);
	/* What is remote for the sender is local for who reads the key. */
	expect_number("to node", ntohl(ipv4(node)), record->key.local_ipv4, file, line);
	expect_number("from address", 0, record->key.remote_ipv4, file, line);
	expect_number("TTL", 64, record->key.tunnel_ttl, file, line);
	expect_number("key flags", BPF_F_ZERO_CSUM_TX, record->key_flags, file, line);
	expect_number("key size", offsetof(struct bpf_tunnel_key, local_ipv4), record->key_size,
		      file, line);
}

void expect_verdicts_at(struct mesh *mesh, enum skep_verdict verdict, uint64_t count,
			const char *file, int line)
{
	for (int i = 0; i < SKEP_VERDICT_COUNT; i++) {
		char what[32];

		snprintf(what, sizeof(what), "verdict %d", i);
		expect_number(what, i == (int)verdict ? count : 0, mesh_verdict(mesh, i), file,
			      line);
	}
}
