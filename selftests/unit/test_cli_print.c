/* SPDX-License-Identifier: GPL-2.0-only */
/* What the command line prints, compared as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/cli.h"
#include "cli/list.h"
#include "cli/quantity.h"
#include "cli/rows.h"
#include "cli/status.h"
#include "cli/text_table.h"
#include "cli/verdicts.h"
#include "cli/verify.h"
#include "datapath/read.h"

/* ---- what is printed, caught */

struct paper {
	FILE *stream;
	char *text;
	size_t size;
};

static FILE *paper_open(struct paper *paper)
{
	paper->stream = open_memstream(&paper->text, &paper->size);
	assert_non_null(paper->stream);
	return paper->stream;
}

static void paper_expect(struct paper *paper, const char *expected)
{
	assert_int_equal(fclose(paper->stream), 0);
	assert_string_equal(paper->text, expected);
	free(paper->text);
}

static json_t *json(const char *text)
{
	json_error_t why;
	json_t *root = json_loads(text, 0, &why);

	if (!root)
		fail_msg("the test's own JSON: %s, line %d", why.text, why.line);
	return root;
}

/* ---- tables and quantities */

static void a_table_aligns_text_left_and_numbers_right(void **state)
{
	static const struct text_table_column columns[] = {
		{"NAME", TEXT_TABLE_LEFT}, {"N", TEXT_TABLE_RIGHT}, {"END", TEXT_TABLE_LEFT}};
	struct text_table *table = text_table_new(columns, 3);
	struct paper paper;

	(void)state;
	text_table_cell(table, "a");
	text_table_format(table, "%d", 1234);
	text_table_cell(table, "x");
	text_table_cell(table, "longer…");
	text_table_format(table, "%d", 5);
	text_table_cell(table, NULL);
	assert_int_equal(text_table_print(table, paper_open(&paper)), 0);
	paper_expect(&paper, "NAME        N  END\n"
			     "a        1234  x\n"
			     "longer…     5  -\n");
	text_table_free(table);
}

static void a_table_shows_nothing_that_a_terminal_would_act_on(void **state)
{
	static const struct text_table_column columns[] = {{"NAME", TEXT_TABLE_LEFT}};
	struct text_table *table = text_table_new(columns, 1);
	struct paper paper;

	(void)state;
	text_table_cell(table, "\033[2Jweb\n\302\2331m\177\303\251");
	assert_int_equal(text_table_print(table, paper_open(&paper)), 0);
	paper_expect(&paper, "NAME\n?[2Jweb??1m?\303\251\n");
	text_table_free(table);
}

static void quantities_read_as_people_say_them(void **state)
{
	static const struct {
		uint64_t value;
		const char *bytes, *duration;
	} cases[] = {
		{0, "0 B", "0 ms"},
		{999, "999 B", "999 ms"},
		{1024, "1.0 KiB", "1.0 s"},
		{1536, "1.5 KiB", "1.5 s"},
		{10239, "9.9 KiB", "10.2 s"},
		{10240, "10 KiB", "10.2 s"},
		{3 * 3600 * 1000 + 60000, "10 MiB", "3 h 1 min"},
		{90061000, "85 MiB", "1 d 1 h"},
		{UINT64_MAX, "15 EiB", "213503982334 d 14 h"},
	};
	char text[QUANTITY_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_string_equal(quantity_bytes(cases[i].value, text), cases[i].bytes);
		assert_string_equal(quantity_duration(cases[i].value, text), cases[i].duration);
	}
}

static void rows_are_sorted_as_people_count(void **state)
{
	static const char *const keys[] = {"service", "name", NULL};
	json_t *rows = json("[{\"service\": \"web\", \"name\": \"web.10\"},"
			    " {\"service\": \"web\", \"name\": \"web.2\"},"
			    " {\"service\": \"api\", \"name\": \"api.1\"}, {\"name\": null}, 7]");
	static const char *const expected[] = {"", "", "api.1", "web.2", "web.10"};

	(void)state;
	assert_int_equal(rows_sort(rows, keys), 0);
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(row_text(json_array_get(rows, i), "name"), expected[i]);
	assert_int_equal(rows_keep(rows, "service", "web"), 0);
	assert_int_equal(json_array_size(rows), 2);
	assert_string_equal(row_text(json_array_get(rows, 0), "name"), "web.2");
	json_decref(rows);
}

/* ---- the printers */

static void print(int (*printer)(const json_t *, FILE *), const char *rows, const char *expected)
{
	json_t *root = json(rows);
	struct paper paper;

	assert_int_equal(printer(root, paper_open(&paper)), 0);
	paper_expect(&paper, expected);
	json_decref(root);
}

static void nodes_are_listed(void **state)
{
	(void)state;
	print(nodes_print,
	      "[{\"id\": \"n1\", \"name\": \"host1\", \"address\": \"10.1.0.1\", \"role\": "
	      "\"manager\","
	      "  \"ready\": true, \"self\": true, \"tasks\": {\"serving\": 12, \"draining\": 0}},"
	      " {\"id\": \"n2\", \"name\": \"host2\", \"address\": null, \"role\": \"worker\","
	      "  \"ready\": false, \"self\": false, \"tasks\": {\"serving\": 0, \"draining\": 3}}]",
	      "NODE          ADDRESS   ROLE     STATE      SERVING  DRAINING  ID\n"
	      "host1 (this)  10.1.0.1  manager  ready           12         0  n1\n"
	      "host2         -         worker   not ready        0         3  n2\n");
}

static void services_are_listed_with_their_ports(void **state)
{
	(void)state;
	print(services_print,
	      "[{\"id\": \"s1\", \"name\": \"web\", \"service_id\": 1, \"ports\":"
	      "  [{\"published\": 8080, \"target\": 80, \"protocol\": \"tcp\"},"
	      "   {\"published\": 53, \"target\": 5353, \"protocol\": \"udp\"}],"
	      "  \"tasks\": {\"serving\": 4, \"draining\": 1}, \"ring\": 4, \"return\": \"dsr\","
	      "  \"packets\": 1000, \"bytes\": 1572864, \"new_flows\": 40},"
	      " {\"id\": \"s2\", \"name\": \"db\", \"service_id\": null, \"ports\": [],"
	      "  \"tasks\": {\"serving\": 1, \"draining\": 0}, \"ring\": null,"
	      "  \"packets\": null, \"bytes\": null, \"new_flows\": null}]",
	      "SERVICE  PORTS                      SERVING  DRAINING  RING  RETURN  NEW FLOWS  "
	      "PACKETS    "
	      "BYTES\n"
	      "web      8080->80/tcp,53->5353/udp        4         1     4  dsr            40     "
	      "1000  "
	      "1.5 MiB\n"
	      "db       -                                1         0     -  -               -      "
	      "  -     "
	      "   -\n");
}

static void services_with_labels_that_cannot_be_honoured_are_marked(void **state)
{
	(void)state;
	print(services_print,
	      "[{\"name\": \"web\", \"ports\": [], \"problems\": ["
	      "   {\"label\": \"skep.allow\", \"why\": \"one\"},"
	      "   {\"label\": \"skep.\\u001b[m\", \"why\": \"two\"}]},"
	      " {\"name\": \"db\", \"ports\": [], \"problems\": []}]",
	      "SERVICE  PORTS  SERVING  DRAINING  RING  RETURN  NEW FLOWS  PACKETS  BYTES\n"
	      "web !    -            -         -     -  -               -        -      -\n"
	      "db       -            -         -     -  -               -        -      -\n"
	      "\n"
	      "labels that cannot be honoured\n"
	      "! web: skep.allow: one\n"
	      "! web: skep.?[m: two\n");
}

static void details(const char *text, const char *expected)
{
	json_t *row = json(text);
	struct paper paper;

	services_details(row, paper_open(&paper));
	paper_expect(&paper, expected);
	json_decref(row);
}

static void a_services_options_are_told_in_words(void **state)
{
	(void)state;
	details("{\"options\": {\"policy\": \"round-robin\", \"affinity_s\": 10800, \"prefer\": "
		"null, \"return\": null, \"idle_s\": 0, \"udp_idle_s\": 30, \"allow\": null, "
		"\"bind\": null}}",
		"\n"
		"policy     round-robin\n"
		"return     as the node's agent has it\n"
		"idle       TCP never, UDP after 30 s\n"
		"allow      all clients\n"
		"bind       all addresses\n");
	details("{\"options\": {\"policy\": \"source\", \"affinity_s\": 60, \"prefer\": "
		"\"local\", \"return\": \"dsr\", \"idle_s\": 900, \"udp_idle_s\": 5, \"allow\": "
		"[\"10.0.0.0/8\", \"192.0.2.7/32\"], \"bind\": []}}",
		"\n"
		"policy     source, a client is remembered for 1 min 0 s, tasks of the node that a "
		"client came in at first\n"
		"return     dsr\n"
		"idle       TCP after 15 min 0 s, UDP after 5 s\n"
		"allow      10.0.0.0/8, 192.0.2.7/32\n"
		"bind       no address\n");
}

static void maps_alone_know_no_options(void **state)
{
	(void)state;
	details("{\"options\": null}", "");
}

static void tasks_are_listed_whether_swarm_or_only_the_maps_know_them(void **state)
{
	(void)state;
	print(tasks_print,
	      "[{\"id\": \"t1\", \"name\": \"web.1\", \"service\": \"web\", \"node\": \"host1\","
	      "  \"node_address\": \"10.1.0.1\", \"address\": \"10.0.0.6\", \"level\": \"serving\","
	      "  \"desired\": \"running\", \"state\": \"running\", \"local\": true,"
	      "  \"interface\": \"veth123\", \"flows\": 123456, \"packets\": 10, \"bytes\": 100, "
	      "\"new_flows\": 1},"
	      " {\"id\": \"t2\", \"name\": \"web.2\", \"service\": \"web\", \"node\": \"host2\","
	      "  \"node_address\": \"10.1.0.2\", \"address\": \"10.0.0.7\", \"level\": "
	      "\"draining\","
	      "  \"desired\": \"shutdown\", \"state\": \"running\", \"local\": false,"
	      "  \"interface\": null, \"flows\": 0, \"packets\": 0, \"bytes\": 0, \"new_flows\": "
	      "0},"
	      " {\"id\": null, \"name\": null, \"service\": \"web\", \"node\": null,"
	      "  \"node_address\": \"10.1.0.3\", \"address\": \"10.0.0.8\", \"level\": \"serving\","
	      "  \"desired\": null, \"state\": null, \"local\": false, \"interface\": null,"
	      "  \"flows\": null, \"packets\": 0, \"bytes\": 0, \"new_flows\": 0}]",
	      "TASK   SERVICE  ADDRESS   LEVEL     STATE                    NODE      INTERFACE  "
	      " FLOWS  NEW FLOWS  PACKETS  BYTES\n"
	      "web.1  web      10.0.0.6  serving   running                  host1     veth123    "
	      "123456          1       10  100 B\n"
	      "web.2  web      10.0.0.7  draining  running, to be shutdown  host2     -          "
	      "     0          0        0    0 B\n"
	      "-      web      10.0.0.8  serving   -                        10.1.0.3  -          "
	      "     -          0        0    0 B\n");
}

static void flows_are_listed(void **state)
{
	(void)state;
	print(flows_print,
	      "[{\"protocol\": \"tcp\", \"client\": \"10.9.0.2\", \"client_port\": 4242,"
	      "  \"frontend\": \"10.1.0.1\", \"frontend_port\": 8080, \"task\": \"10.0.0.6\","
	      "  \"task_name\": \"web.1\", \"service\": \"web\", \"target_port\": 80,"
	      "  \"state\": \"established\", \"idle_ms\": 12}]",
	      "PROTOCOL  CLIENT         FRONTEND       TASK   BACKEND      SERVICE  STATE         "
	      "IDLE\n"
	      "tcp       10.9.0.2:4242  10.1.0.1:8080  web.1  10.0.0.6:80  web      established  "
	      "12 ms\n");
}

static void lists_of_anything_at_all_are_survived(void **state)
{
	int (*const printers[])(const json_t *, FILE *) = {nodes_print, services_print, tasks_print,
							   flows_print};
	json_t *rows = json("[7, null, [], {}, {\"name\": 7, \"tasks\": [], \"ports\": [1, {}]},"
			    " {\"bytes\": -1, \"packets\": 1e300, \"ports\": {\"a\": 1}}]");

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct paper paper;

		assert_int_equal(printers[i](rows, paper_open(&paper)), 0);
		assert_int_equal(fclose(paper.stream), 0);
		free(paper.text);
	}
	json_decref(rows);
}

/* ---- status */

#define STATUS(source_state, docker, underlay, verdicts)                                           \
	"{\"version\": \"0.1.0\", \"pid\": 42, \"uptime_s\": 3720,"                                \
	" \"node\": {\"id\": \"abc\", \"name\": \"host1\", \"address\": \"10.1.0.1\","             \
	"            \"role\": \"manager\"},"                                                      \
	" \"source\": {\"kind\": \"swarm\", \"state\": \"" source_state "\","                      \
	"              \"text\": \"the Engine API\"},"                                             \
	" \"docker\": {\"problem\": " docker "},"                                                  \
	" \"model\": {\"nodes\": 3, \"networks\": 2, \"services\": 4, \"tasks\": 9,"               \
	"             \"version\": \"00ff\", \"age_s\": 3},"                                       \
	" \"feed\": {\"port\": 2378, \"problem\": null},"                                          \
	" \"datapath\": {\"interfaces\": ["                                                        \
	"   {\"name\": \"eth0\", \"datapath\": \"xdp\", \"why\": null},"                           \
	"   {\"name\": \"eth1\", \"datapath\": \"tc\", \"why\": \"its driver has no native "       \
	"XDP\"}],"                                                                                 \
	"   \"xdp\": {\"forwarded\": 7, \"returned\": 8, \"hinted\": 0}, \"return\": \"dsr\", "    \
	"\"mesh\": \"skep0\","                                                                     \
	"   \"tunnel_port\": 4799, \"underlay\": " underlay ", \"tunnel_mtu\": 1450,"              \
	"   \"problem\": null, \"memory_bytes\": 20971520,"                                        \
	"   \"applied\": {\"count\": 12, \"last_ms\": 1.34, \"inserted\": 5, \"replaced\": 0,"     \
	"                 \"deleted\": 1}},"                                                       \
	" \"verdicts\": " verdicts "}"

static void print_status(const char *text, bool colours, const char *expected)
{
	json_t *status = json(text);
	struct paper paper;

	status_print(status, colours, paper_open(&paper));
	paper_expect(&paper, expected);
	json_decref(status);
}

static void status_in_order_says_so_first(void **state)
{
	(void)state;
	print_status(
		STATUS("current", "null", "\"10.1.0.1\"",
		       "{\"pass_not_ipv4\": 12, \"drop_ttl\": 0}"),
		true,
		"in order\n"
		"\n"
		"node       host1, manager, 10.1.0.1, id abc\n"
		"agent      skep 0.1.0, pid 42, up 1 h 2 min\n"
		"source     swarm, current: the Engine API\n"
		"docker     answers\n"
		"feed       for workers on TCP port 2378\n"
		"model      3 nodes, 2 networks, 4 services, 9 tasks; changed 3 s ago\n"
		"data path  clients come in by eth0, eth1; maps take 20 MiB\n"
		"           eth0: XDP and tc\n"
		"           eth1: tc alone, its driver has no native XDP\n"
		"xdp        7 packets sent to other nodes, 8 replies sent to clients, 0 handed to "
		"tc with their task, 0 from other nodes stripped for tc\n"
		"return     dsr: the tasks' nodes answer clients themselves, unless a service's "
		"label says otherwise\n"
		"tunnel     skep0, from 10.1.0.1, UDP port 4799, carries packets of up to 1450 "
		"bytes\n"
		"applied    12 times, last in 1.3 ms: 5 entries inserted, 0 replaced, 1 deleted\n"
		"\n"
		"packets that were not simply carried, since the maps were made (! somebody may "
		"miss "
		"them)\n"
		"  pass_not_ipv4                  12  left to the stack: not IPv4 (ARP, IPv6)\n");
}

static void status_puts_problems_first_and_marks_them(void **state)
{
	(void)state;
	print_status(
		STATUS("stale", "\"/var/run/docker.sock: \\u001b[2J refused\"", "null",
		       "{\"drop_not_a_node\": 7}"),
		false,
		"PROBLEM source: stale: the Engine API\n"
		"PROBLEM docker: /var/run/docker.sock: ?[2J refused\n"
		"PROBLEM tunnel: this node's own address is not known, so other nodes' tasks "
		"cannot be "
		"reached\n"
		"\n"
		"node       host1, manager, 10.1.0.1, id abc\n"
		"agent      skep 0.1.0, pid 42, up 1 h 2 min\n"
		"source     swarm, stale: the Engine API\n"
		"docker     see above\n"
		"feed       for workers on TCP port 2378\n"
		"model      3 nodes, 2 networks, 4 services, 9 tasks; changed 3 s ago\n"
		"data path  clients come in by eth0, eth1; maps take 20 MiB\n"
		"           eth0: XDP and tc\n"
		"           eth1: tc alone, its driver has no native XDP\n"
		"xdp        7 packets sent to other nodes, 8 replies sent to clients, 0 handed to "
		"tc with their task, 0 from other nodes stripped for tc\n"
		"return     dsr: the tasks' nodes answer clients themselves, unless a service's "
		"label says otherwise\n"
		"tunnel     none\n"
		"applied    12 times, last in 1.3 ms: 5 entries inserted, 0 replaced, 1 deleted\n"
		"\n"
		"packets that were not simply carried, since the maps were made (! somebody may "
		"miss "
		"them)\n"
		"! drop_not_a_node                 7  dropped: tunnel frames from an address that "
		"is no "
		"node's; see skep nodes\n");
}

static void status_tells_of_certificates_and_the_proxy(void **state)
{
	json_t *status = json(
		"{\"proxy\": {\"age_s\": 1, \"current\": true, \"clients\": 12, \"tunnels\": 3, "
		"\"certificates\": {\"count\": 4, \"broken\": [\"a\"], \"expiring\": ["
		"{\"name\": \"b\", \"expires_in_s\": -7200}, "
		"{\"name\": \"c\\u001b\", \"expires_in_s\": 259200}]}}}");
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	status_print(status, false, out);
	fclose(out);
	assert_non_null(
		strstr(text, "PROBLEM certificate: a cannot be used; the proxy's log says why\n"));
	assert_non_null(strstr(text, "PROBLEM certificate: b expired 2 h 0 min ago\n"));
	assert_non_null(strstr(text, "PROBLEM certificate: c? expires in 3 d 0 h\n"));
	assert_non_null(strstr(
		text, "\nproxy      12 clients connected, 3 tunnels open, 4 certificates\n"));
	free(text);
	json_decref(status);
}

static void status_tells_of_a_proxy_that_is_silent(void **state)
{
	json_t *status = json("{\"proxy\": {\"age_s\": 75, \"current\": false, \"clients\": 12}}");
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	status_print(status, false, out);
	fclose(out);
	assert_non_null(strstr(text, "\nproxy      silent for 1 min 15 s: it has ended, or does "
				     "not get on\n"));
	free(text);
	json_decref(status);
}

#define VIPS                                                                                       \
	"[{\"address\": \"192.0.2.10\", \"hold\": true, \"holder\": \"skep\", "                    \
	"  \"interface\": \"eth0\"},"                                                              \
	" {\"address\": \"192.0.2.11\", \"hold\": false, \"holder\": \"other\", "                  \
	"  \"interface\": \"eth1\"},"                                                              \
	" {\"address\": \"192.0.2.12\", \"hold\": true, \"holder\": null, \"interface\": null},"   \
	" {\"address\": \"192.0.2.13\", \"hold\": false, \"holder\": null, \"interface\": null}]"

static void vips_show_who_holds_them_here(void **state)
{
	json_t *rows = json(VIPS);
	struct paper paper;

	(void)state;
	assert_int_equal(vips_print(rows, paper_open(&paper)), 0);
	paper_expect(&paper, "VIP         HELD HERE           INTERFACE\n"
			     "192.0.2.10  yes                 eth0\n"
			     "192.0.2.11  by another program  eth1\n"
			     "192.0.2.12  not yet             -\n"
			     "192.0.2.13  no                  -\n");
	json_decref(rows);
}

static void status_names_the_vips_that_are_held_here(void **state)
{
	json_t *status = json("{\"vips\": " VIPS "}");
	struct paper paper;

	(void)state;
	status_print(status, false, paper_open(&paper));
	assert_int_equal(fclose(paper.stream), 0);
	assert_non_null(strstr(paper.text,
			       "\nvips       holds 192.0.2.10 on eth0; holds 192.0.2.11 "
			       "on eth1 (put there by another program); 2 held "
			       "elsewhere or nowhere\n"));
	free(paper.text);
	json_decref(status);
}

static void status_tells_of_labels_that_cannot_be_honoured(void **state)
{
	static const char *const models[] = {"{\"model\": {\"bad_labels\": 1}}",
					     "{\"model\": {\"bad_labels\": 3}}"};
	static const char *const lines[] = {
		"PROBLEM labels: 1 service has labels that cannot be honoured: skep services\n",
		"PROBLEM labels: 3 services have labels that cannot be honoured: skep services\n"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		json_t *status = json(models[i]);
		struct paper paper;

		status_print(status, false, paper_open(&paper));
		assert_int_equal(fclose(paper.stream), 0);
		assert_non_null(strstr(paper.text, lines[i]));
		free(paper.text);
		json_decref(status);
	}
}

static void status_colours_its_marks_on_a_terminal_only(void **state)
{
	json_t *status = json("{}");
	struct paper paper;

	(void)state;
	status_print(status, true, paper_open(&paper));
	assert_int_equal(fclose(paper.stream), 0);
	assert_non_null(strstr(paper.text, "\033[1;31mPROBLEM\033[0m source: "));
	free(paper.text);
	status_print(status, false, paper_open(&paper));
	assert_int_equal(fclose(paper.stream), 0);
	assert_null(strchr(paper.text, '\033'));
	free(paper.text);
	json_decref(status);
}

static void every_verdict_has_a_name_and_a_meaning(void **state)
{
	json_t *counters = json_object();
	struct paper paper;
	size_t lines = 0;

	(void)state;
	for (int i = 0; i < SKEP_VERDICT_COUNT; i++) {
		const char *name = maps_verdict_name((enum skep_verdict)i);

		assert_string_not_equal(name, "unknown");
		assert_null(json_object_get(counters, name));
		assert_int_equal(json_object_set_new(counters, name, json_integer(1)), 0);
	}
	assert_string_equal(maps_verdict_name(SKEP_VERDICT_COUNT), "unknown");
	verdicts_print(counters, paper_open(&paper));
	assert_int_equal(fclose(paper.stream), 0);
	for (const char *c = paper.text; *c; c++)
		lines += *c == '\n';
	assert_int_equal(lines, SKEP_VERDICT_COUNT + 2);
	free(paper.text);
	json_decref(counters);
}

/* ---- verify */

static void verify_in_order_is_one_line_and_success(void **state)
{
	json_t *answer = json("{\"differences\": 0, \"lines\": []}");
	struct paper paper;

	(void)state;
	assert_int_equal(verify_print(answer, paper_open(&paper)), CLI_OK);
	paper_expect(&paper, "in order: maps and programs are what the model asks for\n");
	json_decref(answer);
}

static void verify_with_differences_prints_them_and_fails(void **state)
{
	json_t *answer = json("{\"differences\": 2, \"lines\": [\"a\\tb\", \"c\"]}");
	struct paper paper;

	(void)state;
	assert_int_equal(verify_print(answer, paper_open(&paper)), CLI_FAILURE);
	paper_expect(&paper, "a?b\nc\n");
	json_decref(answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_aligns_text_left_and_numbers_right),
		cmocka_unit_test(a_table_shows_nothing_that_a_terminal_would_act_on),
		cmocka_unit_test(quantities_read_as_people_say_them),
		cmocka_unit_test(rows_are_sorted_as_people_count),
		cmocka_unit_test(nodes_are_listed),
		cmocka_unit_test(services_are_listed_with_their_ports),
		cmocka_unit_test(services_with_labels_that_cannot_be_honoured_are_marked),
		cmocka_unit_test(a_services_options_are_told_in_words),
		cmocka_unit_test(maps_alone_know_no_options),
		cmocka_unit_test(tasks_are_listed_whether_swarm_or_only_the_maps_know_them),
		cmocka_unit_test(flows_are_listed),
		cmocka_unit_test(lists_of_anything_at_all_are_survived),
		cmocka_unit_test(status_in_order_says_so_first),
		cmocka_unit_test(status_puts_problems_first_and_marks_them),
		cmocka_unit_test(vips_show_who_holds_them_here),
		cmocka_unit_test(status_tells_of_certificates_and_the_proxy),
		cmocka_unit_test(status_tells_of_a_proxy_that_is_silent),
		cmocka_unit_test(status_names_the_vips_that_are_held_here),
		cmocka_unit_test(status_tells_of_labels_that_cannot_be_honoured),
		cmocka_unit_test(status_colours_its_marks_on_a_terminal_only),
		cmocka_unit_test(every_verdict_has_a_name_and_a_meaning),
		cmocka_unit_test(verify_in_order_is_one_line_and_success),
		cmocka_unit_test(verify_with_differences_prints_them_and_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
