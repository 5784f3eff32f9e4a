/* SPDX-License-Identifier: GPL-2.0-only */
#include "xdp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "harness.skel.h"

#define OUTER	    SKEP_TUNNEL_OVERHEAD
#define OUTER_UDP   L4_HDR
#define OUTER_VXLAN (OUTER_UDP + 8)

static void command(const char *line)
{
	int status = system(line);

	if (status)
		fail_msg("status %d of: %s", status, line);
}

static int ifindex_of(const char *name)
{
	int ifindex = (int)if_nametoindex(name);

	if (!ifindex)
		fail_msg("%s: %s", name, strerror(errno));
	return ifindex;
}

/* A test run takes an interface by number only where some XDP program is in force. */
static void attach(struct mesh *mesh, const char *name)
{
	int program = bpf_program__fd(mesh->programs->progs.pass_all);
	int err = bpf_xdp_attach(ifindex_of(name), program, XDP_FLAGS_DRV_MODE, NULL);

	if (err)
		fail_msg("attach to %s: %s", name, strerror(-err));
}

void xdp_links(struct mesh *mesh)
{
	if (!if_nametoindex("wire1")) {
		command("ip link add wire1 address " WIRE1_MAC " type veth peer name node1");
		command("ip link set wire1 up && ip link set node1 up");
		command("ip address add 198.18.0.1/24 dev wire1");
		command("ip route add 10.1.0.2 via 192.0.2.2");
		command("ip route add 10.1.0.3 via 198.18.0.3");
		command("ip neigh add 192.0.2.2 lladdr " NODE_2_AT_WIRE " dev wire0");
		command("ip neigh add 192.0.2.100 lladdr " CLIENT_MAC " dev wire0");
		command("ip neigh add " GATEWAY " lladdr " GATEWAY_MAC " dev wire0");
		command("ip neigh add 198.18.0.3 lladdr " NODE_3_AT_WIRE " dev wire1");
		command("ip neigh add 198.18.0.100 lladdr " CLIENT1_MAC " dev wire1");
		attach(mesh, "wire0");
	}
	xdp_wire(mesh, "wire0", WIRE_MAC);
}

void xdp_wire(struct mesh *mesh, const char *name, const char *mac)
{
	uint32_t ifindex = (uint32_t)ifindex_of(name);
	struct skep_wire wire = {.hint_key = {0x1111, ifindex}};

	mac_parse(mac, wire.mac);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(mesh->programs->maps.wires), &ifindex,
					     &wire, BPF_ANY),
			 0);
	mesh_tick(mesh);
}

void xdp_no_wire(struct mesh *mesh, const char *name)
{
	uint32_t ifindex = (uint32_t)ifindex_of(name);

	assert_int_equal(bpf_map_delete_elem(bpf_map__fd(mesh->programs->maps.wires), &ifindex), 0);
	mesh_tick(mesh);
}

struct xdp_outcome xdp_run_with_meta(struct mesh *mesh, const struct frame *frame, const void *meta,
				     size_t length)
{
	static uint8_t in[FRAME_SIZE + 256], out[FRAME_SIZE + 256];
	struct xdp_md context = {
		.data = (uint32_t)length,
		.data_end = (uint32_t)(length + frame->length),
		.ingress_ifindex = (uint32_t)mesh->wire,
	};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = in,
		    .data_size_in = (uint32_t)(length + frame->length), .data_out = out,
		    .data_size_out = sizeof(out), .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .ctx_out = &context,
		    .ctx_size_out = sizeof(context), .repeat = 1);
	struct xdp_outcome outcome = {};

	memcpy(in, meta, length);
	memcpy(in + length, frame->data, frame->length);
	memset(&mesh->programs->bss->record, 0, sizeof(outcome.record));
	if (bpf_prog_test_run_opts(bpf_program__fd(mesh->programs->progs.fast_path), &run))
		fail_msg("fast_path: %s", strerror(errno));
	outcome.result = (int)run.retval;
	outcome.meta_length = context.data - context.data_meta;
	if (outcome.meta_length == sizeof(outcome.hint))
		memcpy(&outcome.hint, out, sizeof(outcome.hint));
	outcome.frame.length = run.data_size_out - outcome.meta_length;
	memcpy(outcome.frame.data, out + outcome.meta_length, outcome.frame.length);
	outcome.record = mesh->programs->bss->record;
	if (frame_checksums_right(frame) && !frame_checksums_right(&outcome.frame)) {
		frames_equal(frame, &outcome.frame);
		fail_msg("a checksum is wrong after fast_path");
	}
	return outcome;
}

struct xdp_outcome xdp_run(struct mesh *mesh, const struct frame *frame)
{
	return xdp_run_with_meta(mesh, frame, "", 0);
}

static uint64_t drops(struct mesh *mesh)
{
	uint64_t packets = 0;

	for (int verdict = SKEP_DROP_TTL; verdict <= SKEP_DROP_ERROR; verdict++)
		packets += mesh_verdict(mesh, (enum skep_verdict)verdict);
	return packets;
}

struct outcome xdp_receive(struct mesh *mesh, const struct frame *frame, const void *meta,
			   size_t length)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = mesh->wire, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, filter,
		    .prog_fd = bpf_program__fd(mesh->programs->progs.from_wire));
	uint8_t data[FRAME_SIZE + 256];
	struct xdp_md context = {
		.data = (uint32_t)length,
		.data_end = (uint32_t)(length + frame->length),
		.ingress_ifindex = (uint32_t)mesh->wire,
	};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = data,
		    .data_size_in = (uint32_t)(length + frame->length), .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = 1,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = 1);
	struct outcome outcome = {.frame = *frame};
	struct seen *seen = &mesh->programs->bss->seen;
	uint64_t dropped = drops(mesh);

	if (bpf_tc_hook_create(&hook) || bpf_tc_attach(&hook, &filter))
		fail_msg("attach from_wire: %s", strerror(errno));
	memcpy(data, meta, length);
	memcpy(data + length, frame->data, frame->length);
	memset(&mesh->programs->bss->record, 0, sizeof(struct record));
	seen->length = 0;
	if (bpf_prog_test_run_opts(bpf_program__fd(mesh->programs->progs.pass_all), &run))
		fail_msg("live frames: %s", strerror(errno));
	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	assert_int_equal(bpf_tc_hook_destroy(&hook), 0);
	outcome.record = mesh->programs->bss->record;
	if (outcome.record.way != WAY_NONE) {
		outcome.result = TC_ACT_REDIRECT;
		outcome.frame.length = seen->length;
		memcpy(outcome.frame.data, seen->data, seen->length);
	} else {
		outcome.result = drops(mesh) > dropped ? TC_ACT_SHOT : TC_ACT_OK;
	}
	if (frame_checksums_right(frame) && !frame_checksums_right(&outcome.frame)) {
		frames_equal(frame, &outcome.frame);
		fail_msg("a checksum is wrong after from_wire");
	}
	return outcome;
}

struct frame xdp_framed_from(const char *node, const struct frame *inner, uint32_t vni)
{
	return xdp_framed(inner, (struct outer_recipe){.mac_from = NODE_2_AT_WIRE,
						       .mac_to = WIRE_MAC,
						       .from = node,
						       .to = HERE,
						       .vni = vni});
}

uint16_t xdp_source_port(const struct frame *framed)
{
	return frame_u16(framed, OUTER_UDP);
}

struct frame xdp_framed(const struct frame *inner, struct outer_recipe recipe)
{
	uint32_t from = ipv4(recipe.from), to = ipv4(recipe.to);
	struct frame frame = {.length = OUTER + inner->length};
	uint8_t *ip = frame.data + IPV4_HDR;

	mac_parse(recipe.mac_to, frame.data);
	mac_parse(recipe.mac_from, frame.data + 6);
	frame_set_u16(&frame, 12, 0x0800);
	ip[0] = 0x45;
	ip[1] = recipe.tos;
	frame_set_u16(&frame, IPV4_HDR + 2, (uint16_t)(frame.length - IPV4_HDR));
	frame_set_u16(&frame, IPV4_HDR + 4, recipe.like ? frame_u16(recipe.like, IPV4_HDR + 4) : 7);
	ip[8] = 64;
	ip[9] = IPPROTO_UDP;
	memcpy(ip + 12, &from, sizeof(from));
	memcpy(ip + 16, &to, sizeof(to));
	frame_set_u16(&frame, OUTER_UDP, recipe.like ? xdp_source_port(recipe.like) : 50000);
	frame_set_u16(&frame, OUTER_UDP + 2, SKEP_TUNNEL_PORT);
	frame_set_u16(&frame, OUTER_UDP + 4, (uint16_t)(frame.length - OUTER_UDP));
	frame.data[OUTER_VXLAN] = 0x08;
	frame_set_u16(&frame, OUTER_VXLAN + 4, (uint16_t)(recipe.vni >> 8));
	frame.data[OUTER_VXLAN + 6] = (uint8_t)recipe.vni;
	frame_fix_ip_checksum(&frame);
	memcpy(frame.data + OUTER, inner->data, inner->length);
	return frame;
}

void expect_xdp_passed_at(const struct xdp_outcome *outcome, const struct frame *frame,
			  size_t meta_length, const char *file, int line)
{
	if (outcome->result != XDP_PASS || outcome->meta_length != meta_length ||
	    outcome->record.way != WAY_NONE) {
		fprintf(stderr, "result %d, %zu bytes of metadata, redirect %u\n", outcome->result,
			outcome->meta_length, outcome->record.way);
		_fail(file, line);
	}
	expect_frame_at(frame, &outcome->frame, file, line);
}
