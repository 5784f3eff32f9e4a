/* SPDX-License-Identifier: GPL-2.0-only */
/* ARP frames that announce an address and claim one: their bytes, and on a real link. */
#include "network.h"

#include <arpa/inet.h>

#include "lib/addr.h"
#include "lib/loop.h"
#include "net/arp.h"

static struct skep_addr addr(const char *text)
{
	struct skep_addr parsed;

	assert_int_equal(addr_parse(text, &parsed), 0);
	return parsed;
}

static void an_announcement_is_a_request_for_the_address_by_itself(void **state)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 7};
	static const uint8_t expected[NET_ARP_FRAME_SIZE] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,	 0, 0, 0,  0, 7, 8, 6, /* Ethernet */
		0,    1,    8,	  0,	6,    4,    0,	 1,		       /* request */
		2,    0,    0,	  0,	0,    7,    192, 0, 2, 10,	       /* sender */
		0,    0,    0,	  0,	0,    0,    192, 0, 2, 10,	       /* target */
	};
	uint8_t frame[NET_ARP_FRAME_SIZE], sender[6];
	struct skep_addr vip = addr("192.0.2.10"), claimed;

	(void)state;
	net_arp_frame(frame, mac, &vip);
	assert_memory_equal(frame, expected, sizeof(frame));
	assert_true(net_arp_sender(frame, sizeof(frame), &claimed, sender));
	assert_true(skep_addr_equal(&claimed, &vip));
	assert_memory_equal(sender, mac, 6);
}

static void frames_that_are_no_arp_for_ipv4_claim_nothing(void **state)
{
	/* Byte of the frame, and a value that it may not have. */
	static const uint8_t wrong[][2] = {{12, 9}, {13, 0}, {15, 6}, {16, 9},
					   {18, 8}, {19, 6}, {20, 1}, {21, 3}};
	uint8_t frame[NET_ARP_FRAME_SIZE], mac[6] = {2};
	struct skep_addr vip = addr("192.0.2.10"), claimed;

	(void)state;
	for (size_t size = 0; size < sizeof(frame); size++) {
		net_arp_frame(frame, mac, &vip);
		assert_false(net_arp_sender(frame, size, &claimed, mac));
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		net_arp_frame(frame, mac, &vip);
		frame[wrong[i][0]] = wrong[i][1];
		assert_false(net_arp_sender(frame, sizeof(frame), &claimed, mac));
	}
}

static struct loop *running;

static void time_is_up(struct loop_timer *timer)
{
	(void)timer;
	loop_stop(running);
}

static void run_for(struct loop *loop, uint64_t ms)
{
	struct loop_timer timeout = {.expired = time_is_up};

	running = loop;
	loop_arm(loop, &timeout, ms);
	assert_int_equal(loop_run(loop), 0);
}

static struct {
	size_t n;
	struct skep_addr addr;
	uint8_t mac[6];
} rival;

static void rival_heard(void *context, const struct skep_addr *claimed, const uint8_t mac[6])
{
	(void)context;
	rival.n++;
	rival.addr = *claimed;
	memcpy(rival.mac, mac, 6);
}

static void only_claims_to_watched_addresses_are_heard(void **state)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};
	struct skep_addr watched[NET_ARP_WATCH_MAX + 1], other = addr("192.0.2.200");
	struct loop *loop = loop_new();
	struct net_arp *arp, *far;
	struct skep_error error;

	(void)state;
	assert_non_null(loop);
	run("ip link add near type veth peer name far && ip link set near up && ip link set far "
	    "up");
	memset(&rival, 0, sizeof(rival));
	for (uint32_t i = 0; i <= NET_ARP_WATCH_MAX; i++)
		watched[i] = skep_addr_v4(htonl(0xc0000210 + i));
	assert_ok(net_arp_open(&arp, loop, rival_heard, NULL, &error), &error);
	assert_ok(net_arp_open(&far, loop, rival_heard, NULL, &error), &error);
	assert_int_equal(net_arp_announce(far, ifindex_of("far"), mac, &watched[0]), 0);
	run_for(loop, 50);
	assert_int_equal(rival.n, 0);
	assert_int_equal(net_arp_watch(arp, watched, NET_ARP_WATCH_MAX + 1), -E2BIG);
	assert_int_equal(net_arp_watch(arp, watched, NET_ARP_WATCH_MAX), 0);
	assert_int_equal(net_arp_announce(far, ifindex_of("far"), mac, &other), 0);
	assert_int_equal(net_arp_announce(far, ifindex_of("far"), mac, &watched[0]), 0);
	assert_int_equal(
		net_arp_announce(far, ifindex_of("far"), mac, &watched[NET_ARP_WATCH_MAX - 1]), 0);
	run_for(loop, 50);
	assert_int_equal(rival.n, 2);
	assert_true(skep_addr_equal(&rival.addr, &watched[NET_ARP_WATCH_MAX - 1]));
	assert_memory_equal(rival.mac, mac, 6);
	net_arp_close(far);
	net_arp_close(arp);
	loop_free(loop);
	run("ip link del near");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_announcement_is_a_request_for_the_address_by_itself),
		cmocka_unit_test(frames_that_are_no_arp_for_ipv4_claim_nothing),
		cmocka_unit_test(only_claims_to_watched_addresses_are_heard),
	};

	return cmocka_run_group_tests(tests, network_enter, NULL);
}
