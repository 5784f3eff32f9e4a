/* SPDX-License-Identifier: GPL-2.0-only */
#include "forms.h"

#include <arpa/inet.h>
#include <linux/pkt_cls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xdp.h"

#define VNI_AT (L4_HDR + 8 + 4)

uint32_t forms_vni(const struct mesh *mesh, uint32_t vni)
{
	return mesh->dsr && SKEP_VNI_KIND(vni) == SKEP_FRAME_FORWARD
		       ? vni | SKEP_VNI(SKEP_FRAME_DSR, 0)
		       : vni;
}

enum skep_return_mode forms_mode(const struct mesh *mesh)
{
	return mesh->dsr ? SKEP_RETURN_DIRECT : SKEP_RETURN_TUNNEL;
}

/* What only a tc test run can be given. */
static bool only_tc(const struct mesh *mesh)
{
	return !mesh->xdp || mesh->run_flags || mesh->gso_size ||
	       mesh->stimulus->failure == FAIL_TYPE;
}

/* XDP passed it: as it came, or the test ends. */
static void is_unchanged(const struct xdp_outcome *outcome, const struct frame *frame)
{
	assert_int_equal(outcome->result, XDP_PASS);
	expect_frame(frame, &outcome->frame);
}

static bool is_stripped(const struct xdp_outcome *outcome)
{
	return outcome->meta_length == sizeof(outcome->hint) &&
	       outcome->hint.flags & SKEP_HINT_STRIPPED;
}

/* XDP sent it to another node, as expect_tunnelled() wants to see it. */
static struct outcome tunnelled(const struct mesh *mesh, const struct xdp_outcome *sent)
{
	const struct frame *outer = &sent->frame;
	struct outcome outcome = {
		.result = TC_ACT_REDIRECT,
		.record = {.way = WAY_REDIRECT,
			   .ifindex = (uint32_t)mesh->mesh,
			   .keyed = 1,
			   .key_flags = frame_u16(outer, L4_HDR + 6) ? 0 : BPF_F_ZERO_CSUM_TX,
			   .key_size = offsetof(struct bpf_tunnel_key, local_ipv4)},
	};
	uint32_t to;

	assert_int_equal(sent->meta_length, 0);
	memcpy(&to, outer->data + IPV4_HDR + 16, sizeof(to));
	outcome.record.key.local_ipv4 = ntohl(to);
	outcome.record.key.tunnel_ttl = outer->data[IPV4_HDR + 8];
	outcome.record.key.tunnel_id =
		(uint32_t)frame_u16(outer, VNI_AT) << 8 | outer->data[VNI_AT + 2];
	outcome.frame.length = outer->length - SKEP_TUNNEL_OVERHEAD;
	memcpy(outcome.frame.data, outer->data + SKEP_TUNNEL_OVERHEAD, outcome.frame.length);
	return outcome;
}

/* XDP sent the frame's reply to a client, as expect_routed() wants to see it. */
static struct outcome routed(const struct mesh *mesh, const struct xdp_outcome *sent,
			     const struct frame *frame)
{
	struct outcome outcome = {
		.result = TC_ACT_REDIRECT,
		.frame = sent->frame,
		.record = {.way = WAY_NEIGHBOUR, .ifindex = (uint32_t)mesh->wire},
	};
	uint8_t mac[6];

	assert_int_equal(sent->result, XDP_TX);
	mac_parse(GATEWAY_MAC, mac);
	outcome.record.next_hop =
		ipv4(memcmp(sent->frame.data, mac, sizeof(mac)) ? "192.0.2.100" : GATEWAY);
	memcpy(outcome.frame.data, frame->data, 12);
	return outcome;
}

struct outcome mesh_run(struct mesh *mesh, enum program program, const struct frame *frame)
{
	struct xdp_outcome first;

	if (program != FROM_WIRE || only_tc(mesh))
		return mesh_run_tc(mesh, program, frame);
	first = xdp_run(mesh, frame);
	if (first.result == XDP_TX || first.result == XDP_REDIRECT)
		return tunnelled(mesh, &first);
	is_unchanged(&first, frame);
	if (!first.meta_length)
		return mesh_run_tc(mesh, program, frame);
	assert_false(is_stripped(&first));
	return xdp_receive(mesh, frame, &first.hint, sizeof(first.hint));
}

struct outcome mesh_run_framed(struct mesh *mesh, const char *node, uint32_t vni,
			       const struct frame *frame)
{
	struct outer_recipe around = {.mac_from = NODE_2_AT_WIRE,
				      .mac_to = WIRE_MAC,
				      .from = node,
				      .to = HERE,
				      .vni = forms_vni(mesh, vni)};
	struct xdp_outcome first;
	struct outcome outcome;
	struct frame outer;

	if (only_tc(mesh))
		return mesh_run_framed_tc(mesh, node, around.vni, frame);
	outer = xdp_framed(frame, around);
	first = xdp_run(mesh, &outer);
	if (first.result == XDP_TX || first.result == XDP_REDIRECT)
		return routed(mesh, &first, frame);
	if (!is_stripped(&first)) {
		is_unchanged(&first, &outer);
		assert_int_equal(first.meta_length, 0);
		return mesh_run_framed_tc(mesh, node, around.vni, frame);
	}
	outcome = xdp_receive(mesh, &first.frame, &first.hint, sizeof(first.hint));
	/* Who is PACKET_HOST by its Ethernet address need not be made so. */
	mac_parse(WIRE_MAC, outer.data);
	assert_memory_equal(first.frame.data, outer.data, 6);
	outcome.record.made_host = 1;
	memcpy(outcome.frame.data, frame->data, 6);
	return outcome;
}

int forms_run_tests(const char *name, const struct CMUnitTest *tests, size_t n, enum form with)
{
	static const enum form forms[FORM_COUNT] = {FORM_ANY, FORM_XDP, FORM_DSR,
						    FORM_XDP | FORM_DSR};
	static const char *const names[FORM_COUNT] = {"tc, tunnel", "xdp, tunnel", "tc, dsr",
						      "xdp, dsr"};
	struct CMUnitTest *all = calloc(n * FORM_COUNT, sizeof(*all));
	size_t n_all = 0;
	int result = 1;

	for (size_t i = 0; all && i < n * FORM_COUNT; i++) {
		const struct CMUnitTest *test = &tests[i / FORM_COUNT];
		char *title;

		if ((forms[i % FORM_COUNT] & with) != with)
			continue;
		if (asprintf(&title, "%s (%s)", test->name, names[i % FORM_COUNT]) < 0)
			fail_msg("memory");
		all[n_all] = *test;
		all[n_all].name = title;
		all[n_all++].initial_state = (void *)&forms[i % FORM_COUNT];
	}
	if (all)
		result = mesh_run_tests(name, all, n_all);
	for (size_t i = 0; all && i < n_all; i++)
		free((void *)all[i].name);
	free(all);
	return result;
}
