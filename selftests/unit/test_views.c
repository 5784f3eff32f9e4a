/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/mesh.h"
#include "agent/views.h"
#include "agent/views_labels.h"
#include "lib/version.h"

/* Two nodes; web has a task on each and one that ended, whose address w2 has now. */
static const char model_text[] =
	"{\"nodes\":[{\"id\":\"n1\",\"name\":\"one\",\"address\":\"10.1.0.1\",\"manager\":true},"
	"{\"id\":\"n2\",\"name\":\"two\",\"address\":\"10.1.0.2\"}],"
	"\"networks\":[{\"id\":\"b\",\"name\":\"back\",\"subnets\":[\"10.0.0.128/25\","
	"\"10.0.7.0/24\"]},"
	"{\"id\":\"i\",\"name\":\"ingress\",\"ingress\":true,\"subnets\":[\"10.0.0.0/24\"]},"
	"{\"id\":\"l\",\"name\":\"local\",\"subnets\":[\"192.168.0.0/16\"]},"
	"{\"id\":\"u\",\"name\":\"under\",\"subnets\":[\"10.1.0.0/24\"]}],"
	"\"services\":[{\"id\":\"s1\",\"name\":\"web\",\"ports\":[{\"published\":8080,\"target\":"
	"80,"
	"\"protocol\":\"tcp\"}]},{\"id\":\"s2\",\"name\":\"quiet\"}],"
	"\"tasks\":["
	"{\"id\":\"w0\",\"name\":\"web.0\",\"service\":\"s1\",\"node\":\"n1\",\"desired\":"
	"\"shutdown\",\"state\":\"shutdown\",\"addresses\":[{\"network\":\"i\",\"address\":"
	"\"10.0.0.7\"}]},"
	"{\"id\":\"w1\",\"name\":\"web.1\",\"service\":\"s1\",\"node\":\"n1\",\"addresses\":[{"
	"\"network\":\"i\",\"address\":\"10.0.0.6\"}]},"
	"{\"id\":\"w2\",\"name\":\"web.2\",\"service\":\"s1\",\"node\":\"n2\",\"desired\":"
	"\"shutdown\",\"addresses\":[{\"network\":\"i\",\"address\":\"10.0.0.7\"}]},"
	"{\"id\":\"w3\",\"service\":\"s1\",\"desired\":\"running\",\"state\":\"pending\"}]}";

static struct {
	struct model *model;
	struct snapshot snapshot;
	struct snapshot_service services[1];
	struct snapshot_task tasks[2];
	struct net_link links[2];
	struct net_addr addrs[2];
	struct net_state net;
	struct datapath_local_task local[1];
	struct datapath_node node;
	struct skep_addr address;
} test;

static struct skep_addr v4(const char *text)
{
	struct skep_addr addr;

	assert_int_equal(addr_parse(text, &addr), 0);
	return addr;
}

static int setup(void **state)
{
	struct skep_error error;

	(void)state;
	memset(&test, 0, sizeof(test));
	if (model_parse(model_text, sizeof(model_text) - 1, &test.model, &error)) {
		fprintf(stderr, "%s\n", error.text);
		return -1;
	}
	test.services[0] = (struct snapshot_service){
		.name = {"s1", "web"}, .service_id = 3, .ring = 1, .counter = {10, 1000, 5}};
	test.tasks[0] = (struct snapshot_task){
		.addr = v4("10.0.0.6"),
		.task = {.state = SKEP_TASK_SERVING, .service_id = 3, .ifindex = 7},
		.counter = {6, 600, 3},
		.flows = 2,
	};
	test.tasks[1] = (struct snapshot_task){
		.addr = v4("10.0.0.7"),
		.task = {.state = SKEP_TASK_DRAINING, .service_id = 3},
		.counter = {4, 400, 2},
	};
	test.snapshot = (struct snapshot){test.services, 1, test.tasks, 2};
	test.links[0] = (struct net_link){.ifindex = 2, .name = "eth0", .mtu = 1500};
	test.links[1] = (struct net_link){.ifindex = 7, .name = "veth7", .mtu = 1500};
	test.addrs[0] = (struct net_addr){2, v4("10.1.0.1"), 96 + 24, "eth0"};
	test.addrs[1] = (struct net_addr){2, v4("192.168.5.1"), 96 + 24, "eth0"};
	test.net = (struct net_state){test.links, 2, test.addrs, 2};
	test.local[0] = (struct datapath_local_task){"w1", 7};
	test.address = v4("10.1.0.1");
	test.node = (struct datapath_node){
		.underlay = test.address,
		.addresses = &test.address,
		.n_addresses = 1,
		.tasks = test.local,
		.n_tasks = 1,
		.wires = &test.links[0].ifindex,
		.n_wires = 1,
		.mesh_ifindex = 9,
		.tunnel_mtu = 1450,
	};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	model_free(test.model);
	return 0;
}

/* Takes json. */
static void expect(json_t *json, const char *text)
{
	json_error_t where;
	json_t *expected = json_loads(text, 0, &where);

	if (!expected)
		fail_msg("%s at %d", where.text, where.position);
	assert_non_null(json);
	if (!json_equal(json, expected)) {
		char *got = json_dumps(json, JSON_INDENT(1));

		fail_msg("got %s\nexpected %s", got, text);
	}
	json_decref(json);
	json_decref(expected);
}

static void nodes_count_their_tasks(void **state)
{
	(void)state;
	expect(views_nodes(test.model, &test.snapshot, &test.model->nodes[0]),
	       "[{\"id\":\"n1\",\"name\":\"one\",\"address\":\"10.1.0.1\",\"role\":\"manager\","
	       "\"ready\":true,\"self\":true,\"tasks\":{\"serving\":1,\"draining\":0}},"
	       "{\"id\":\"n2\",\"name\":\"two\",\"address\":\"10.1.0.2\",\"role\":\"worker\","
	       "\"ready\":true,\"self\":false,\"tasks\":{\"serving\":0,\"draining\":1}}]");
}

static void services_show_ports_ring_and_counters(void **state)
{
	(void)state;
	expect(views_services(test.model, &test.snapshot, false),
	       "[{\"id\":\"s1\",\"name\":\"web\",\"service_id\":3,\"ports\":[{\"published\":8080,"
	       "\"target\":80,\"protocol\":\"tcp\"}],\"tasks\":{\"serving\":1,\"draining\":1},"
	       "\"ring\":1,\"return\":\"tunnel\",\"options\":{\"policy\":\"round-robin\","
	       "\"affinity_s\":10800,"
	       "\"prefer\":null,\"return\":null,\"idle_s\":0,\"udp_idle_s\":30,\"allow\":null,"
	       "\"bind\":null},\"problems\":[],\"packets\":10,\"bytes\":1000,\"new_flows\":5},"
	       "{\"id\":\"s2\",\"name\":\"quiet\",\"service_id\":null,\"ports\":[],\"tasks\":{"
	       "\"serving\":0,\"draining\":0},\"ring\":null,\"return\":\"tunnel\",\"options\":{"
	       "\"policy\":\"round-"
	       "robin\","
	       "\"affinity_s\":10800,\"prefer\":null,\"return\":null,\"idle_s\":0,"
	       "\"udp_idle_s\":30,\"allow\":null,\"bind\":null},\"problems\":[],"
	       "\"packets\":null,\"bytes\":null,\"new_flows\":null}]");
}

/* One field of the only service's row. */
static json_t *field_of(const struct model_service *service, const char *name)
{
	struct snapshot empty = {0};
	struct model_service services[1] = {*service};
	struct model model = {.services = services, .n_services = 1};
	json_t *rows = views_services(&model, &empty, false);
	json_t *field = json_incref(json_object_get(json_array_get(rows, 0), name));

	json_decref(rows);
	return field;
}

static void services_show_what_their_labels_ask_for(void **state)
{
	struct model_label labels[] = {
		{"skep.affinity-time", "60"},
		{"skep.allow", "10.0.0.0/8,192.0.2.7,2001:db8::/32"},
		{"skep.bind", "eth0,192.0.2.1"},
		{"skep.idle", "900"},
		{"skep.policy", "source"},
		{"skep.prefer", "local"},
		{"skep.return", "dsr"},
		{"skep.udp-idle", "5"},
	};
	struct model_service service = {.id = "s", .name = "web", .labels = labels, .n_labels = 8};

	(void)state;
	expect(field_of(&service, "options"),
	       "{\"policy\":\"source\",\"affinity_s\":60,\"prefer\":\"local\",\"return\":"
	       "\"dsr\",\"idle_s\":900,\"udp_idle_s\":5,\"allow\":[\"10.0.0.0/8\","
	       "\"192.0.2.7/32\",\"2001:db8::/32\"],\"bind\":[\"eth0\",\"192.0.2.1\"]}");
	expect(field_of(&service, "problems"), "[]");
}

static void services_show_labels_that_cannot_be_honoured(void **state)
{
	struct model_label labels[] = {{"skep.allow", ""}, {"skep.policy", "best"}};
	struct model_service service = {.id = "s", .name = "web", .labels = labels, .n_labels = 2};
	struct model_service services[] = {service, {.id = "t", .name = "db"}, service};
	const struct model model = {.services = services, .n_services = 3};

	(void)state;
	expect(field_of(&service, "problems"),
	       "[{\"label\":\"skep.allow\",\"why\":\"\\\"\\\" is left out: it is neither an "
	       "address nor a network like 192.0.2.0/24 (no bits set after the prefix); no client "
	       "is let in\"},{\"label\":\"skep.policy\",\"why\":\"\\\"best\\\" is none of "
	       "round-robin, source, maglev, least-flows; round-robin is in force\"}]");
	assert_int_equal(views_bad_labels(&model), 2);
}

/* An ended task's address may be another's by now: it must not show that one's traffic. */
static void tasks_show_what_the_maps_make_of_them(void **state)
{
	(void)state;
	expect(views_tasks(test.model, &test.snapshot, &test.model->nodes[0], &test.node,
			   &test.net),
	       "[{\"id\":\"w0\",\"name\":\"web.0\",\"service\":\"web\",\"node\":\"one\","
	       "\"node_address\":\"10.1.0.1\",\"address\":\"10.0.0.7\",\"level\":\"absent\","
	       "\"desired\":\"shutdown\",\"state\":\"shutdown\",\"local\":true,\"interface\":null,"
	       "\"flows\":null,"
	       "\"packets\":null,\"bytes\":null,\"new_flows\":null},"
	       "{\"id\":\"w1\",\"name\":\"web.1\",\"service\":\"web\",\"node\":\"one\","
	       "\"node_address\":\"10.1.0.1\",\"address\":\"10.0.0.6\",\"level\":\"serving\","
	       "\"desired\":\"running\",\"state\":\"running\",\"local\":true,\"interface\":"
	       "\"veth7\",\"flows\":2,\"packets\":6,\"bytes\":600,\"new_flows\":3},"
	       "{\"id\":\"w2\",\"name\":\"web.2\",\"service\":\"web\",\"node\":\"two\","
	       "\"node_address\":\"10.1.0.2\",\"address\":\"10.0.0.7\",\"level\":\"draining\","
	       "\"desired\":\"shutdown\",\"state\":\"running\",\"local\":false,\"interface\":null,"
	       "\"flows\":0,"
	       "\"packets\":4,\"bytes\":400,\"new_flows\":2},"
	       "{\"id\":\"w3\",\"name\":\"w3\",\"service\":\"web\",\"node\":null,"
	       "\"node_address\":null,\"address\":null,\"level\":\"absent\",\"desired\":"
	       "\"running\",\"state\":\"pending\",\"local\":false,\"interface\":null,\"flows\":"
	       "null,\"packets\":"
	       "null,\"bytes\":null,\"new_flows\":null}]");
}

static void flows_are_told_by_name(void **state)
{
	struct snapshot_flow flows[2] = {0};

	(void)state;
	flows[0].key = (struct skep_flow_key){
		.client = v4("10.9.0.2"),
		.frontend = v4("10.1.0.1"),
		.client_port = htons(4242),
		.frontend_port = htons(8080),
		.protocol = IPPROTO_TCP,
	};
	flows[0].flow = (struct skep_flow){
		.task = v4("10.0.0.6"),
		.last_seen_ns = 5000000,
		.service_id = 3,
		.target_port = htons(80),
		.state = SKEP_FLOW_ESTABLISHED,
	};
	flows[1] = flows[0];
	flows[1].key.protocol = IPPROTO_UDP;
	flows[1].flow.task = v4("10.0.0.99");
	flows[1].flow.service_id = 4;
	flows[1].flow.state = 77;
	flows[1].flow.last_seen_ns = 1000000000;
	expect(views_flows(flows, 2, test.model, &test.snapshot, 17000000),
	       "[{\"protocol\":\"tcp\",\"client\":\"10.9.0.2\",\"client_port\":4242,\"frontend\":"
	       "\"10.1.0.1\",\"frontend_port\":8080,\"task\":\"10.0.0.6\",\"task_name\":\"web.1\","
	       "\"service\":\"web\",\"target_port\":80,\"state\":\"established\",\"idle_ms\":12},"
	       "{\"protocol\":\"udp\",\"client\":\"10.9.0.2\",\"client_port\":4242,\"frontend\":"
	       "\"10.1.0.1\",\"frontend_port\":8080,\"task\":\"10.0.0.99\",\"task_name\":null,"
	       "\"service\":null,\"target_port\":80,\"state\":null,\"idle_ms\":0}]");
}

static void without_a_model_lists_are_empty(void **state)
{
	struct snapshot empty = {0};

	(void)state;
	expect(views_nodes(NULL, &empty, NULL), "[]");
	expect(views_services(NULL, &empty, false), "[]");
	expect(views_tasks(NULL, &empty, NULL, &test.node, &test.net), "[]");
	expect(views_flows(NULL, 0, NULL, &empty, 0), "[]");
}

static void verify_lists_the_differences(void **state)
{
	(void)state;
	expect(views_verify(1, json_pack("[s]", "a line")),
	       "{\"differences\":1,\"lines\":[\"a line\"]}");
}

static const struct datapath_wire a_wire = {
	.ifindex = 2,
	.why = "its driver has no native XDP",
};
static const uint64_t no_xdp[SKEP_XDP_WAY_COUNT];

static struct views_status a_status(const uint64_t *verdicts)
{
	return (struct views_status){
		.pid = 4,
		.uptime_s = 12,
		.node_id = "n1",
		.node_name = "one",
		.role = "manager",
		.source_kind = "swarm",
		.source = {SOURCE_STALE, "no \xff answer"},
		.uses_docker = true,
		.model = test.model,
		.model_version = "00ff",
		.model_age_s = 3,
		.has_feed = true,
		.feed_port = 2378,
		.feed_problem = "port taken",
		.node = &test.node,
		.net = &test.net,
		.wires = &a_wire,
		.n_wires = 1,
		.xdp = no_xdp,
		.tunnel_port = 4799,
		.memory_bytes = 4096,
		.applied_count = 2,
		.applied_last_ms = 1.5,
		.applied = {.inserted = 1, .replaced = 2, .deleted = 3},
		.verdicts = verdicts,
	};
}

static void status_of_a_manager(void **state)
{
	uint64_t verdicts[SKEP_VERDICT_COUNT] = {[SKEP_DROP_NOT_A_NODE] = 5};
	struct views_status status = a_status(verdicts);
	json_t *json = views_status(&status), *counted;

	(void)state;
	assert_non_null(json);
	counted = json_object_get(json, "verdicts");
	assert_int_equal(json_object_size(counted), SKEP_VERDICT_COUNT);
	assert_int_equal(json_integer_value(json_object_get(counted, "drop_not_a_node")), 5);
	json_object_del(json, "verdicts");
	expect(json,
	       "{\"version\":\"" SKEP_VERSION "\",\"pid\":4,\"uptime_s\":12,\"node\":{\"id\":"
	       "\"n1\",\"name\":\"one\",\"address\":\"10.1.0.1\",\"role\":\"manager\"},"
	       "\"source\":{\"kind\":\"swarm\",\"state\":\"stale\",\"text\":\"no ? answer\"},"
	       "\"docker\":{\"problem\":null},\"model\":{\"nodes\":2,\"networks\":4,\"services\":2,"
	       "\"tasks\":4,\"bad_labels\":0,\"version\":\"00ff\",\"age_s\":3},\"feed\":{\"port\":"
	       "2378,\"problem\":"
	       "\"port taken\"},\"datapath\":{\"interfaces\":[{\"name\":\"eth0\","
	       "\"datapath\":\"tc\",\"why\":\"its driver has no native XDP\"}],\"xdp\":{"
	       "\"forwarded\":0,\"returned\":0,\"hinted\":0,\"stripped\":0},\"return\":\"tunnel\","
	       "\"mesh\":\"skep0\","
	       "\"tunnel_port\":4799,\"underlay\":\"10.1.0.1\",\"tunnel_mtu\":1450,\"problem\":"
	       "null,"
	       "\"memory_bytes\":4096,\"applied\":{\"count\":2,\"last_ms\":1.5,\"inserted\":1,"
	       "\"replaced\":2,\"deleted\":3}}}");
}

static void status_tells_what_xdp_does(void **state)
{
	const uint64_t xdp[SKEP_XDP_WAY_COUNT] = {7, 8, 9, 10}, verdicts[SKEP_VERDICT_COUNT] = {0};
	const struct datapath_wire wire = {.ifindex = 2, .xdp = true};
	struct views_status status = a_status(verdicts);
	json_t *json, *part;

	(void)state;
	status.wires = &wire;
	status.xdp = xdp;
	json = views_status(&status);
	assert_non_null(json);
	part = json_object_get(json, "datapath");
	expect(json_incref(json_array_get(json_object_get(part, "interfaces"), 0)),
	       "{\"name\":\"eth0\",\"datapath\":\"xdp\",\"why\":null}");
	expect(json_incref(json_object_get(part, "xdp")),
	       "{\"forwarded\":7,\"returned\":8,\"hinted\":9,\"stripped\":10}");
	json_decref(json);
}

static void status_before_anything_is_known(void **state)
{
	uint64_t verdicts[SKEP_VERDICT_COUNT] = {0};
	struct datapath_node node = {0};
	struct views_status status = {
		.node_id = "",
		.node_name = "",
		.role = "none",
		.node = &node,
		.net = &test.net,
		.xdp = no_xdp,
		.tunnel_port = 4799,
		.datapath_problem = "this node's own address is not known",
		.verdicts = verdicts,
	};
	json_t *json = views_status(&status);

	(void)state;
	assert_non_null(json);
	json_object_del(json, "verdicts");
	expect(json, "{\"version\":\"" SKEP_VERSION
		     "\",\"pid\":0,\"uptime_s\":0,\"node\":{\"id\":\"\",\"name\":\"\",\"address\":"
		     "null,\"role\":\"none\"},\"source\":{\"kind\":null,\"state\":\"starting\","
		     "\"text\":\"\"},\"docker\":null,\"model\":{\"nodes\":0,\"networks\":0,"
		     "\"services\":0,\"tasks\":0,\"bad_labels\":0,\"version\":null,\"age_s\":null},"
		     "\"feed\":null,"
		     "\"datapath\":{\"interfaces\":[],\"xdp\":{\"forwarded\":0,"
		     "\"returned\":0,\"hinted\":0,\"stripped\":0},\"return\":\"tunnel\",\"mesh\":"
		     "null,\"tunnel_port\":4799,"
		     "\"underlay\":null,\"tunnel_mtu\":null,\"problem\":"
		     "\"this node's own address is not known\",\"memory_bytes\":0,\"applied\":{"
		     "\"count\":0,\"last_ms\":0.0,\"inserted\":0,\"replaced\":0,\"deleted\":0}}}");
}

static void host_routes_leave_out_what_the_host_reaches_itself(void **state)
{
	struct skep_addr vip = v4("10.0.7.9");
	struct mesh_facts facts = {
		.net = &test.net,
		.model = test.model,
		.underlay = v4("10.1.0.1"),
		.vips = &vip,
		.n_vips = 1,
	};
	struct addr_prefix *prefixes, ingress;
	char left_out[512];
	size_t n;

	(void)state;
	assert_int_equal(addr_prefix_parse("10.0.0.0/24", &ingress), 0);
	assert_int_equal(mesh_prefixes(&facts, &prefixes, &n, left_out, sizeof(left_out)), 0);
	assert_int_equal(n, 1);
	assert_memory_equal(&prefixes[0], &ingress, sizeof(ingress));
	assert_string_equal(left_out, "back 10.0.0.128/25 (overlaps another network), "
				      "back 10.0.7.0/24 (holds a node's address or a VIP), "
				      "local 192.168.0.0/16 (is this machine's too), "
				      "under 10.1.0.0/24 (is this machine's too)");
	free(prefixes);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nodes_count_their_tasks),
		TEST(services_show_ports_ring_and_counters),
		TEST(services_show_what_their_labels_ask_for),
		TEST(services_show_labels_that_cannot_be_honoured),
		TEST(tasks_show_what_the_maps_make_of_them),
		TEST(flows_are_told_by_name),
		TEST(without_a_model_lists_are_empty),
		TEST(verify_lists_the_differences),
		TEST(status_of_a_manager),
		TEST(status_tells_what_xdp_does),
		TEST(status_tells_what_xdp_does),
		TEST(status_before_anything_is_known),
		TEST(host_routes_leave_out_what_the_host_reaches_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
