// SPDX-License-Identifier: GPL-2.0-only
/* For the far end of a veth: without an XDP program there, frames that XDP sends into the veth are
 * dropped. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int xdp_pass(struct xdp_md *xdp)
{
	(void)xdp;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
