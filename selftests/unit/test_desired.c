/* SPDX-License-Identifier: GPL-2.0-only */
/* What the maps shall hold for a model: rings, the numbers that services and tasks keep, and what
 * labels make of frontends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/desired.h"
#include "net/net.h"
#include "skep/table.h"

#define SERVICES 16 /* ids 1 … 15 */
#define TASKS	 64

struct fixture {
	struct model *model;
	struct pool service_ids, task_counters;
	struct table names, tasks; /* what the maps hold */
	struct ring_set rings;	   /* and held last */
	struct desired desired;
	struct skep_addr underlay;
	bool dsr; /* --return */
	const struct datapath_local_task *local;
	size_t n_local;
	struct skep_addr addresses[4]; /* underlay alone, if there are none */
	size_t n_addresses;
	const struct net_state *net;
	unsigned int cleared;
	bool busy; /* back ends outside have connections */
};

static void on_clear(void *context, uint32_t number)
{
	(void)number;
	((struct fixture *)context)->cleared++;
}

static bool is_busy(void *context, const struct skep_addr *backend)
{
	(void)backend;
	return ((const struct fixture *)context)->busy;
}

static struct skep_addr address(const char *text)
{
	struct skep_addr addr;

	assert_int_equal(addr_parse(text, &addr), 0);
	return addr;
}

static void begin(struct fixture *fixture, const char *services, const char *tasks)
{
	struct skep_error error = {""};
	char text[4096];
	int size = snprintf(text, sizeof(text),
			    "{\"nodes\":[{\"id\":\"n1\",\"address\":\"192.0.2.1\"},{\"id\":\"n2\","
			    "\"address\":\"192.0.2.2\"}],"
			    "\"networks\":[{\"id\":\"net\",\"ingress\":true}],\"services\":[%s],"
			    "\"tasks\":[%s]}",
			    services, tasks);

	*fixture = (struct fixture){.underlay = address("192.0.2.1")};
	if (model_parse(text, (size_t)size, &fixture->model, &error))
		fail_msg("%s", error.text);
	assert_int_equal(pool_init(&fixture->service_ids, 1, SERVICES), 0);
	assert_int_equal(pool_init(&fixture->task_counters, 0, TASKS), 0);
	table_init(&fixture->names, sizeof(uint32_t), sizeof(struct skep_service_name));
	table_init(&fixture->tasks, sizeof(struct skep_addr), sizeof(struct skep_task));
}

static void build(struct fixture *fixture)
{
	const struct datapath_node node = {
		.underlay = fixture->underlay,
		.addresses = fixture->n_addresses ? fixture->addresses : &fixture->underlay,
		.n_addresses = fixture->n_addresses ? fixture->n_addresses : 1,
		.net = fixture->net,
		.dsr = fixture->dsr,
		.tasks = fixture->local,
		.n_tasks = fixture->n_local,
	};
	const struct desired_numbers numbers = {
		.names = &fixture->names,
		.tasks = &fixture->tasks,
		.rings = &fixture->rings,
		.service_ids = &fixture->service_ids,
		.task_counters = &fixture->task_counters,
		.clear_service = on_clear,
		.clear_task = on_clear,
		.in_use = is_busy,
		.context = fixture,
	};
	struct skep_error error = {""};

	if (desired_build(&fixture->desired, fixture->model, &node, &numbers, &error))
		fail_msg("%s", error.text);
}

static void end(struct fixture *fixture)
{
	desired_free(&fixture->desired);
	ring_set_free(&fixture->rings);
	table_free(&fixture->names);
	table_free(&fixture->tasks);
	pool_free(&fixture->service_ids);
	pool_free(&fixture->task_counters);
	model_free(fixture->model);
}

/* The map names a service already. */
static void known_service(struct fixture *fixture, uint32_t service_id, const char *id)
{
	struct skep_service_name name = {};

	memcpy(name.id, id, strlen(id));
	memcpy(name.name, id, strlen(id));
	assert_int_equal(table_add(&fixture->names, &service_id, &name), 0);
	table_sort(&fixture->names);
	(void)pool_claim(&fixture->service_ids, service_id);
}

static uint32_t id_of(const struct fixture *fixture, const char *id)
{
	const struct table *names = &fixture->desired.service_names;

	for (size_t i = 0; i < names->count; i++) {
		const struct skep_service_name *name = table_value(names, i);
		uint32_t service_id;

		memcpy(&service_id, table_key(names, i), sizeof(service_id));
		if (strcmp(name->id, id) == 0)
			return service_id;
	}
	fail_msg("no service %s", id);
	return 0;
}

/* "10.0.0.1 10.0.0.2 " */
static void ring_is(struct fixture *fixture, const char *service, const char *expected)
{
	struct ring_set *set = &fixture->desired.rings;
	char text[512] = "", addr[ADDR_TEXT_SIZE];
	uint32_t id = id_of(fixture, service);

	for (size_t i = 0; i < set->n_rings; i++)
		for (uint32_t k = 0; set->rings[i].service_id == id && k < set->rings[i].length;
		     k++) {
			strcat(text, addr_text(&ring_slots(set, &set->rings[i])[k], addr));
			strcat(text, " ");
		}
	assert_string_equal(text, expected);
}

#define PORT(port) "\"ports\":[{\"published\":" #port ",\"target\":80,\"protocol\":\"tcp\"}]"
#define TASK(id, service, more, addr)                                                              \
	"{\"id\":\"" id "\",\"service\":\"" service "\",\"node\":\"n2\"," more                     \
	"\"addresses\":[{\"network\":\"net\",\"address\":\"" addr "\"}]}"
#define TWO_SERVICES "{\"id\":\"a\"," PORT(8080) "},{\"id\":\"b\"," PORT(8081) "}"

static void
test_each_service_has_a_ring_of_its_serving_tasks_in_the_order_of_their_addresses(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture, TWO_SERVICES ",{\"id\":\"c\"},{\"id\":\"d\"," PORT(8082) "}",
	      TASK("t1", "b", "", "10.0.0.9") "," TASK("t2", "a", "", "10.0.0.8") "," TASK(
		      "t3", "b", "",
		      "10.0.0.1") "," TASK("t4", "b", "\"desired\":\"shutdown\",",
					   "10.0.0.2") "," TASK("t5", "a", "",
								"10.0.0.3") "," TASK("t6", "c", "",
										     "10.0.0.4"));
	build(&fixture);
	ring_is(&fixture, "a", "10.0.0.3 10.0.0.8 ");
	ring_is(&fixture, "b", "10.0.0.1 10.0.0.9 ");
	ring_is(&fixture, "c", "");
	ring_is(&fixture, "d", "");
	assert_int_equal(fixture.desired.rings.n_rings, 2);
	assert_true(fixture.desired.rings.rings[0].service_id <
		    fixture.desired.rings.rings[1].service_id);
	assert_int_equal(fixture.desired.tasks.count, 6);
	end(&fixture);
}

static void test_services_keep_the_ids_that_the_map_gives_them(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture, TWO_SERVICES, TASK("t1", "b", "", "10.0.0.9"));
	known_service(&fixture, SERVICES - 1, "b");
	known_service(&fixture, 3, "gone");
	build(&fixture);
	assert_int_equal(id_of(&fixture, "b"), SERVICES - 1);
	assert_int_not_equal(id_of(&fixture, "a"), 3);
	ring_is(&fixture, "b", "10.0.0.9 ");
	end(&fixture);
}

static void test_an_id_that_nobody_can_have_lent_is_not_kept(void **state)
{
	static const uint32_t impossible[] = {0, SERVICES, SERVICES + 1, 0x7fffffff, 0xffffffff};

	(void)state;
	for (size_t i = 0; i < sizeof(impossible) / sizeof(*impossible); i++) {
		struct fixture fixture;

		begin(&fixture, TWO_SERVICES, TASK("t1", "b", "", "10.0.0.9"));
		known_service(&fixture, impossible[i], "b");
		build(&fixture);
		assert_in_range(id_of(&fixture, "b"), 1, SERVICES - 1);
		ring_is(&fixture, "b", "10.0.0.9 ");
		end(&fixture);
	}
}

static void known_task(struct fixture *fixture, const char *addr, uint32_t service_id,
		       uint32_t counter)
{
	struct skep_addr key = address(addr);
	struct skep_task value = {.service_id = service_id, .counter = counter};

	assert_int_equal(table_add(&fixture->tasks, &key, &value), 0);
	table_sort(&fixture->tasks);
	assert_int_equal(pool_claim(&fixture->task_counters, counter), 0);
}

static uint32_t counter_of(const struct fixture *fixture, const char *addr)
{
	struct skep_addr key = address(addr);
	const struct skep_task *task = table_find(&fixture->desired.tasks, &key);

	assert_non_null(task);
	return task->counter;
}

static void
test_a_task_keeps_its_counter_and_another_services_task_gets_one_of_its_own(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture, TWO_SERVICES,
	      TASK("t1", "a", "", "10.0.0.1") "," TASK("t2", "a", "", "10.0.0.3") "," TASK(
		      "t3", "b", "", "10.0.0.5"));
	known_service(&fixture, 1, "a");
	known_service(&fixture, 2, "b");
	known_task(&fixture, "10.0.0.0", 1, 10);
	known_task(&fixture, "10.0.0.3", 1, 11);
	known_task(&fixture, "10.0.0.5", 1, 12);
	known_task(&fixture, "10.0.0.9", 1, 13);
	build(&fixture);
	assert_int_equal(counter_of(&fixture, "10.0.0.3"), 11);
	uint32_t first = counter_of(&fixture, "10.0.0.1"), other = counter_of(&fixture, "10.0.0.5");
	assert_int_not_equal(first, other);
	assert_true(first < 10 || first > 13);
	assert_true(other < 10 || other > 13);
	end(&fixture);
}

static const struct skep_service *frontend_of(const struct fixture *fixture, uint16_t port)
{
	struct skep_frontend key = {.port = htons(port), .protocol = IPPROTO_TCP};
	const struct skep_service *service = table_find(&fixture->desired.services, &key);

	assert_non_null(service);
	return service;
}

#define WEB_WITH(labels) "{\"id\":\"a\"," PORT(8080) ",\"labels\":{" labels "}}"
#define ON_NODE_1(id, weight, addr)                                                                \
	"{\"id\":\"" id "\",\"service\":\"a\",\"node\":\"n1\",\"weight\":" weight                  \
	",\"addresses\":[{\"network\":\"net\",\"address\":\"" addr "\"}]}"

static void test_a_service_has_the_policy_and_times_of_its_labels(void **state)
{
	static const struct {
		const char *service;
		enum skep_policy policy;
		uint32_t affinity_s;
	} cases[] = {
		{WEB_WITH(""), SKEP_POLICY_ROUND_ROBIN, 0},
		{WEB_WITH("\"skep.policy\":\"maglev\",\"skep.affinity-time\":\"60\""),
		 SKEP_POLICY_MAGLEV, 0},
		{WEB_WITH("\"skep.policy\":\"source\""), SKEP_POLICY_SOURCE, 10800},
		{WEB_WITH("\"skep.policy\":\"source\",\"skep.affinity-time\":\"60\""),
		 SKEP_POLICY_SOURCE, 60},
		{WEB_WITH("\"skep.policy\":\"source\",\"skep.affinity-time\":\"31536000\""),
		 SKEP_POLICY_SOURCE, 31536000},
		{WEB_WITH("\"skep.policy\":\"least-flows\""), SKEP_POLICY_LEAST_FLOWS, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fixture fixture;
		const struct skep_service *service;

		begin(&fixture, cases[i].service, "");
		build(&fixture);
		service = frontend_of(&fixture, 8080);
		assert_int_equal(service->policy, cases[i].policy);
		/* A tick is 67 ms; rounded up. */
		assert_in_range(service->affinity_ticks * 67108864ULL / 1000000,
				cases[i].affinity_s * 1000ULL,
				cases[i].affinity_s ? cases[i].affinity_s * 1000ULL + 67 : 0);
		end(&fixture);
	}
}

static void test_weights_repeat_tasks_and_weight_zero_lets_one_drain(void **state)
{
	struct fixture fixture;
	struct skep_addr addr = address("10.0.0.3");
	const struct skep_task *task;

	(void)state;
	begin(&fixture, WEB_WITH(""),
	      TASK("t1", "a", "\"weight\":4,", "10.0.0.1") "," TASK(
		      "t2", "a", "\"weight\":2,", "10.0.0.2") "," TASK("t3", "a", "\"weight\":0,",
								       "10.0.0.3"));
	build(&fixture);
	ring_is(&fixture, "a", "10.0.0.1 10.0.0.2 10.0.0.1 ");
	task = table_find(&fixture.desired.tasks, &addr);
	assert_non_null(task);
	assert_int_equal(task->state, SKEP_TASK_DRAINING);
	addr = address("10.0.0.1");
	task = table_find(&fixture.desired.tasks, &addr);
	assert_int_equal(task->state, SKEP_TASK_SERVING);
	assert_int_equal(task->weight, 4);
	end(&fixture);
}

static void test_this_nodes_tasks_are_preferred_if_the_service_asks_for_it(void **state)
{
	static const struct datapath_local_task local[] = {{"t1", 7}, {"t2", 8}};
	static const char tasks[] = ON_NODE_1("t1", "1", "10.0.0.1") "," ON_NODE_1(
		"t2", "0", "10.0.0.2") "," TASK("t3", "a", "", "10.0.0.3");
	struct fixture fixture;

	(void)state;
	begin(&fixture, WEB_WITH("\"skep.prefer\":\"local\""), tasks);
	fixture.local = local;
	fixture.n_local = 2;
	build(&fixture);
	ring_is(&fixture, "a", "10.0.0.1 ");
	end(&fixture);

	/* One that is not hooked yet takes nothing. */
	begin(&fixture, WEB_WITH("\"skep.prefer\":\"local\""), tasks);
	fixture.local = local + 1;
	fixture.n_local = 1;
	build(&fixture);
	ring_is(&fixture, "a", "10.0.0.3 ");
	end(&fixture);

	begin(&fixture, WEB_WITH(""), tasks);
	fixture.local = local;
	fixture.n_local = 2;
	build(&fixture);
	ring_is(&fixture, "a", "10.0.0.1 10.0.0.3 ");
	end(&fixture);
}

/* What was worked out before is believed: here something that it was not. */
static void test_a_ring_is_worked_out_only_if_its_tasks_or_policy_changed(void **state)
{
	struct ring_task tasks[] = {{.addr = address("10.0.0.1"), .weight = 1},
				    {.addr = address("10.0.0.2"), .weight = 1}};
	static const char same[] =
		TASK("t1", "a", "", "10.0.0.1") "," TASK("t2", "a", "", "10.0.0.2");
	static const char heavier[] =
		TASK("t1", "a", "\"weight\":2,", "10.0.0.1") "," TASK("t2", "a", "", "10.0.0.2");
	static const struct {
		const char *tasks, *service;
		bool kept;
	} cases[] = {
		{same, WEB_WITH("\"skep.policy\":\"maglev\""), true},
		{same, WEB_WITH("\"skep.policy\":\"source\""), false},
		{same, WEB_WITH(""), false},
		{heavier, WEB_WITH("\"skep.policy\":\"maglev\""), false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct fixture fixture;
		struct ring *ring;

		begin(&fixture, cases[i].service, cases[i].tasks);
		known_service(&fixture, 5, "a");
		assert_int_equal(
			ring_set_add(&fixture.rings, NULL, 5, SKEP_POLICY_MAGLEV, tasks, 2), 0);
		fixture.rings.rings[0].digest = 4711;
		build(&fixture);
		ring = &fixture.desired.rings.rings[0];
		assert_int_equal(ring->digest == 4711, cases[i].kept);
		end(&fixture);
	}
}

/* ---- labels */

#define BOTH                                                                                       \
	"\"ports\":[{\"published\":53,\"target\":53,\"protocol\":\"tcp\"},"                        \
	"{\"published\":53,\"target\":53,\"protocol\":\"udp\"}]"
#define LABELLED(id, labels) "{\"id\":\"" id "\",\"labels\":{" labels "}," BOTH "}"

/* addr "" is the unspecified one, of second chances. */
static const struct skep_service *frontend(const struct fixture *fixture, const char *addr,
					   uint16_t port, uint8_t protocol)
{
	struct skep_frontend key = {.port = htons(port), .protocol = protocol};
	const struct skep_service *value;

	if (*addr)
		key.addr = address(addr);
	value = table_find(&fixture->desired.services, &key);
	assert_non_null(value);
	return value;
}

static void idle_is(const struct fixture *fixture, uint32_t tcp, uint32_t udp)
{
	static const char *const addrs[] = {"", "192.0.2.1"};

	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(frontend(fixture, addrs[i], 53, IPPROTO_TCP)->idle_ticks, tcp);
		assert_int_equal(frontend(fixture, addrs[i], 53, IPPROTO_UDP)->idle_ticks, udp);
	}
}

static void test_idle_times_are_by_protocol_and_the_same_for_second_chances(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture, LABELLED("a", ""), "");
	build(&fixture);
	/* 2^26 ns a tick, rounded up: 30 s are 447.03 of them */
	idle_is(&fixture, 0, 448);
	end(&fixture);
	begin(&fixture, LABELLED("a", "\"skep.idle\":\"1\",\"skep.udp-idle\":\"31536000\""), "");
	build(&fixture);
	idle_is(&fixture, 15, 469923020);
	end(&fixture);
}

static void flags_are(const struct fixture *fixture, const char *addr, uint8_t flags)
{
	assert_int_equal(frontend(fixture, addr, 53, IPPROTO_TCP)->flags, flags);
	assert_int_equal(frontend(fixture, addr, 53, IPPROTO_UDP)->flags, flags);
}

static void returns_by(const char *labels, bool dsr, uint8_t flags)
{
	struct fixture fixture;
	char text[256];

	snprintf(text, sizeof(text), LABELLED("a", "%s"), labels);
	begin(&fixture, text, "");
	fixture.dsr = dsr;
	build(&fixture);
	flags_are(&fixture, "", flags);
	flags_are(&fixture, "192.0.2.1", flags);
	end(&fixture);
}

static void test_the_label_says_how_replies_return_else_the_agents_flag(void **state)
{
	(void)state;
	for (int dsr = 0; dsr < 2; dsr++) {
		returns_by("", dsr, dsr ? SKEP_SERVICE_DSR : 0);
		returns_by("\"skep.return\":\"dsr\"", dsr, SKEP_SERVICE_DSR);
		returns_by("\"skep.return\":\"tunnel\"", dsr, 0);
		returns_by("\"skep.return\":\"sideways\"", dsr, dsr ? SKEP_SERVICE_DSR : 0);
	}
}

static bool allows(const struct fixture *fixture, const char *service, const char *network)
{
	struct addr_prefix prefix;
	struct skep_allow_key key;
	const struct skep_allow *found;

	assert_int_equal(addr_prefix_parse(network, &prefix), 0);
	key = (struct skep_allow_key){32 + prefix.length, id_of(fixture, service), prefix.addr};
	found = table_find(&fixture->desired.allow, &key);
	if (found)
		assert_int_equal(found->allowed, 1);
	return found != NULL;
}

static void test_networks_that_are_allowed_have_an_entry_each(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture, LABELLED("a", "\"skep.allow\":\"10.0.0.0/8,192.0.2.7,10.0.0.0/8\""), "");
	build(&fixture);
	flags_are(&fixture, "", SKEP_SERVICE_ALLOW);
	flags_are(&fixture, "192.0.2.1", SKEP_SERVICE_ALLOW);
	assert_int_equal(fixture.desired.allow.count, 2);
	assert_true(allows(&fixture, "a", "10.0.0.0/8"));
	assert_true(allows(&fixture, "a", "192.0.2.7/32"));
	end(&fixture);
}

static void test_a_service_that_allows_nothing_sensible_is_not_open(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture, LABELLED("a", "\"skep.allow\":\"office\""), "");
	build(&fixture);
	flags_are(&fixture, "192.0.2.1", SKEP_SERVICE_ALLOW);
	assert_int_equal(fixture.desired.allow.count, 0);
	end(&fixture);
}

/* In a trie of v4-mapped addresses they would hold IPv4 clients, too. */
static void test_ipv6_networks_let_no_ipv4_client_in(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture, LABELLED("a", "\"skep.allow\":\"::/0,::/80,2001:db8::/32\""), "");
	build(&fixture);
	flags_are(&fixture, "192.0.2.1", SKEP_SERVICE_ALLOW);
	assert_int_equal(fixture.desired.allow.count, 0);
	end(&fixture);
}

static void test_services_without_ports_need_no_entries(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture, "{\"id\":\"a\",\"labels\":{\"skep.allow\":\"10.0.0.0/8\"}}", "");
	build(&fixture);
	assert_int_equal(fixture.desired.allow.count, 0);
	end(&fixture);
}

/* eth0 has 192.0.2.1 and 192.0.2.2, eth1 198.51.100.1; the VIP is nobody's. */
static void give_interfaces(struct fixture *fixture)
{
	static struct net_link links[] = {{.ifindex = 2, .name = "eth0"},
					  {.ifindex = 3, .name = "eth1"}};
	static struct net_addr addrs[3];
	static const struct net_state net = {links, 2, addrs, 3};

	addrs[0] = (struct net_addr){2, address("192.0.2.1"), 96 + 24, "eth0"};
	addrs[1] = (struct net_addr){2, address("192.0.2.2"), 96 + 24, "eth0"};
	addrs[2] = (struct net_addr){3, address("198.51.100.1"), 96 + 24, "eth1"};
	fixture->net = &net;
	fixture->addresses[0] = address("192.0.2.1");
	fixture->addresses[1] = address("192.0.2.2");
	fixture->addresses[2] = address("192.0.2.50");
	fixture->addresses[3] = address("198.51.100.1");
	fixture->n_addresses = 4;
}

/* Which of the addresses are open, in the order above: "1-5-". */
static void bound(const char *label, bool with_net, const char *open)
{
	static const char *const addrs[] = {"192.0.2.1", "192.0.2.2", "192.0.2.50", "198.51.100.1"};
	struct fixture fixture;
	char text[256];

	snprintf(text, sizeof(text), LABELLED("a", "\"skep.bind\":\"%s\""), label);
	begin(&fixture, text, "");
	give_interfaces(&fixture);
	if (!with_net)
		fixture.net = NULL;
	build(&fixture);
	for (size_t i = 0; i < 4; i++)
		flags_are(&fixture, addrs[i], open[i] == '-' ? SKEP_SERVICE_CLOSED : 0);
	flags_are(&fixture, "", 0);
	end(&fixture);
}

static void test_a_service_is_closed_where_it_is_not_bound(void **state)
{
	(void)state;
	bound("192.0.2.50", true, "--x-");
	bound("eth0", true, "xx--");
	bound("eth1,192.0.2.1", true, "x--x");
	bound("eth", true, "----");
	bound("eth9,203.0.113.1", true, "----");
	bound("", true, "----");
}

static void test_no_address_is_an_interfaces_while_those_are_not_known(void **state)
{
	(void)state;
	bound("eth0,192.0.2.50", false, "--x-");
}

static const struct skep_service *web(const struct fixture *fixture, uint16_t port)
{
	return frontend(fixture, "192.0.2.1", port, IPPROTO_TCP);
}

#define TWO_PORTS                                                                                  \
	"{\"id\":\"a\",\"name\":\"web\",\"ports\":[{\"published\":8080,\"target\":80,"             \
	"\"protocol\":\"tcp\"},{\"published\":8443,\"target\":443,\"protocol\":\"tcp\"}]}"
#define PORT_ID "af63dc4c8601ec8c:8080/tcp" /* the hash of "a" by FNV-1a */

static void test_a_port_pinned_to_a_task_has_a_ring_of_its_own(void **state)
{
	struct fixture fixture;
	uint32_t own;

	(void)state;
	begin(&fixture, TWO_PORTS,
	      TASK("t1", "a", "", "10.0.0.1") "," TASK("t2", "a", "", "10.0.0.2"));
	fixture.model->services[0].ports[0].pinned = &fixture.model->tasks[1];
	build(&fixture);
	own = web(&fixture, 8080)->ring;
	assert_int_not_equal(own, 0);
	assert_int_equal(web(&fixture, 8080)->service_id, id_of(&fixture, "a"));
	assert_int_equal(web(&fixture, 8443)->ring, 0);
	assert_int_equal(frontend(&fixture, "", 8080, IPPROTO_TCP)->ring, 0);
	ring_is(&fixture, "a", "10.0.0.1 10.0.0.2 ");
	ring_is(&fixture, PORT_ID, "10.0.0.2 ");
	assert_int_equal(id_of(&fixture, PORT_ID), own);
	/* An agent that starts finds the number again. */
	known_service(&fixture, own + 1, PORT_ID);
	desired_free(&fixture.desired);
	build(&fixture);
	assert_int_equal(web(&fixture, 8080)->ring, own + 1);
	end(&fixture);
}

static void test_a_disabled_port_is_closed_to_those_who_come_in_here(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture, TWO_PORTS, TASK("t1", "a", "", "10.0.0.1"));
	fixture.model->services[0].ports[0].disabled = true;
	build(&fixture);
	assert_int_equal(web(&fixture, 8080)->flags, SKEP_SERVICE_CLOSED);
	assert_int_equal(web(&fixture, 8443)->flags, 0);
	assert_int_equal(frontend(&fixture, "", 8080, IPPROTO_TCP)->flags, 0);
	end(&fixture);
}

static struct skep_addr outside(const struct fixture *fixture)
{
	return skep_addr_outside(id_of(fixture, "a"), address("192.0.2.7").word[3], htons(90));
}

static void test_a_back_end_outside_is_in_the_ring_of_its_port(void **state)
{
	static struct model_backend backend;
	const struct skep_task *task;
	struct fixture fixture;
	struct skep_addr addr;

	(void)state;
	backend = (struct model_backend){address("192.0.2.7"), 90};
	begin(&fixture, TWO_PORTS, TASK("t1", "a", "", "10.0.0.1"));
	fixture.model->services[0].ports[0].backends = &backend;
	fixture.model->services[0].ports[0].n_backends = 1;
	build(&fixture);
	addr = outside(&fixture);
	ring_is(&fixture, PORT_ID, "10.0.0.1 192.0.2.7:90 ");
	ring_is(&fixture, "a", "10.0.0.1 ");
	task = table_find(&fixture.desired.tasks, &addr);
	assert_non_null(task);
	assert_true(skep_addr_is_zero(&task->node));
	assert_int_equal(task->service_id, id_of(&fixture, "a"));
	assert_int_equal(fixture.desired.config.outside, 1);
	end(&fixture);
}

static void removed_while(bool busy, bool stays)
{
	struct skep_task value = {.service_id = 3, .counter = 9, .state = SKEP_TASK_SERVING};
	const struct skep_task *task;
	struct fixture fixture;
	struct skep_addr addr;

	begin(&fixture, TWO_PORTS, "");
	fixture.busy = busy;
	known_service(&fixture, 3, "a");
	addr = skep_addr_outside(3, address("192.0.2.7").word[3], htons(90));
	assert_int_equal(table_add(&fixture.tasks, &addr, &value), 0);
	build(&fixture);
	task = table_find(&fixture.desired.tasks, &addr);
	assert_int_equal(task != NULL, stays);
	assert_int_equal(fixture.desired.config.outside, stays);
	if (task) {
		assert_int_equal(task->state, SKEP_TASK_DRAINING);
		assert_int_equal(task->counter, 9);
	}
	end(&fixture);
}

static void test_one_that_was_removed_drains_until_its_connections_have_ended(void **state)
{
	(void)state;
	removed_while(true, true);
	removed_while(false, false);
}

static void test_a_task_of_weight_0_drains(void **state)
{
	struct skep_addr drained = address("10.0.0.1");
	struct fixture fixture;

	(void)state;
	begin(&fixture, TWO_SERVICES,
	      TASK("t1", "a", "\"weight\":0,", "10.0.0.1") "," TASK("t2", "a", "", "10.0.0.2"));
	build(&fixture);
	ring_is(&fixture, "a", "10.0.0.2 ");
	assert_int_equal(
		((const struct skep_task *)table_find(&fixture.desired.tasks, &drained))->state,
		SKEP_TASK_DRAINING);
	end(&fixture);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_each_service_has_a_ring_of_its_serving_tasks_in_the_order_of_their_addresses),
		cmocka_unit_test(test_the_label_says_how_replies_return_else_the_agents_flag),
		cmocka_unit_test(test_services_keep_the_ids_that_the_map_gives_them),
		cmocka_unit_test(test_an_id_that_nobody_can_have_lent_is_not_kept),
		cmocka_unit_test(
			test_a_task_keeps_its_counter_and_another_services_task_gets_one_of_its_own),
		cmocka_unit_test(test_a_service_has_the_policy_and_times_of_its_labels),
		cmocka_unit_test(test_weights_repeat_tasks_and_weight_zero_lets_one_drain),
		cmocka_unit_test(test_this_nodes_tasks_are_preferred_if_the_service_asks_for_it),
		cmocka_unit_test(test_a_ring_is_worked_out_only_if_its_tasks_or_policy_changed),
		cmocka_unit_test(test_idle_times_are_by_protocol_and_the_same_for_second_chances),
		cmocka_unit_test(test_networks_that_are_allowed_have_an_entry_each),
		cmocka_unit_test(test_a_service_that_allows_nothing_sensible_is_not_open),
		cmocka_unit_test(test_ipv6_networks_let_no_ipv4_client_in),
		cmocka_unit_test(test_services_without_ports_need_no_entries),
		cmocka_unit_test(test_a_service_is_closed_where_it_is_not_bound),
		cmocka_unit_test(test_no_address_is_an_interfaces_while_those_are_not_known),
		cmocka_unit_test(test_a_port_pinned_to_a_task_has_a_ring_of_its_own),
		cmocka_unit_test(test_a_disabled_port_is_closed_to_those_who_come_in_here),
		cmocka_unit_test(test_a_task_of_weight_0_drains),
		cmocka_unit_test(test_a_back_end_outside_is_in_the_ring_of_its_port),
		cmocka_unit_test(test_one_that_was_removed_drains_until_its_connections_have_ended),
	};

	return cmocka_run_group_tests_name("desired maps", tests, NULL, NULL);
}
