/* SPDX-License-Identifier: GPL-2.0-only */
/* What the agent takes of the proxy's metrics for people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "agent/proxy_facts.h"
#include "scratch.h"

#define NOW	       1700000000
#define DAY	       86400
#define TYPE	       "# TYPE skep_proxy_certificate_expires_seconds gauge\n"
#define CERT(name, at) "skep_proxy_certificate_expires_seconds{certificate=\"" name "\"} " #at "\n"

/* json is what it must be, but for the time. */
static void expect(const char *text, time_t age_s, const char *json)
{
	json_t *made = proxy_facts_of(text, strlen(text), age_s, NOW);
	json_t *wanted = json_loads(json, 0, NULL);
	char *as_text = json_dumps(made, JSON_COMPACT);

	assert_non_null(wanted);
	if (!json_equal(made, wanted))
		fail_msg("%s\nis not\n%s", as_text, json);
	free(as_text);
	json_decref(made);
	json_decref(wanted);
}

static void clients_and_tunnels_are_those_there_are(void **state)
{
	(void)state;
	expect("# TYPE skep_proxy_clients_opened_total counter\n"
	       "skep_proxy_clients_opened_total 120\nskep_proxy_clients_closed_total 108\n"
	       "skep_proxy_certificates 7\n"
	       "# TYPE skep_route_tunnels gauge\n"
	       "skep_route_tunnels{route=\"web.a b\"} 3\nskep_route_tunnels{route=\"chat\"} 4\n"
	       "skep_route_tunnels_total{route=\"chat\"} 1000\n"
	       "skep_http_task_tunnels{task=\"chat.1\"} 4\n",
	       2,
	       "{\"age_s\": 2, \"current\": true, \"clients\": 12, \"tunnels\": 7, "
	       "\"certificates\": {\"count\": 7, \"expiring\": [], \"broken\": []}}");
}

static void certificates_near_their_end_are_named_the_first_first(void **state)
{
	(void)state;
	/* In 15 days, in 13, an hour ago. */
	expect(TYPE CERT("later", 1701296000) CERT("soon", 1701123200) CERT(
		       "gone", 1699996400) "skep_proxy_certificate_broken{certificate=\"bad\"} 1\n",
	       0,
	       "{\"age_s\": 0, \"current\": true, \"clients\": 0, \"tunnels\": 0, "
	       "\"certificates\": {\"count\": 0, \"expiring\": [{\"name\": \"gone\", "
	       "\"expires_in_s\": -3600}, {\"name\": \"soon\", \"expires_in_s\": 1123200}], "
	       "\"broken\": [\"bad\"]}}");
}

static void no_more_are_named_than_one_reads(void **state)
{
	char text[16384] = "";
	json_t *made, *list;

	(void)state;
	for (int i = 100; i > 0; i--)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "skep_proxy_certificate_expires_seconds{certificate=\"c%d\"} %d\n", i,
			 NOW + i);
	made = proxy_facts_of(text, strlen(text), 0, NOW);
	list = json_object_get(json_object_get(made, "certificates"), "expiring");
	assert_int_equal(json_array_size(list), PROXY_FACTS_NAMES);
	assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "name")),
			    "c1");
	json_decref(made);
}

static void what_is_old_is_not_current(void **state)
{
	(void)state;
	expect("", PROXY_FACTS_AGE_S + 1,
	       "{\"age_s\": 16, \"current\": false, \"clients\": 0, \"tunnels\": 0, "
	       "\"certificates\": {\"count\": 0, \"expiring\": [], \"broken\": []}}");
}

static void nonsense_is_nothing(void **state)
{
	static const char nothing[] =
		"{\"age_s\": 0, \"current\": true, \"clients\": 0, \"tunnels\": 0, "
		"\"certificates\": {\"count\": 0, \"expiring\": [], \"broken\": []}}";
	char *big = malloc(100001);

	(void)state;
	expect("skep_proxy_clients_opened_total -5\nskep_route_tunnels{\nskep_route_tunnels{ x\n"
	       "skep_proxy_certificates nan\nskep_proxy_certificate_broken\n"
	       "skep_proxy_certificate_broken{certificate=\"a\n"
	       "skep_proxy_certificate_expires_seconds{name=\"a\"} 1\n\n\n",
	       0, nothing);
	memset(big, 'x', 100000);
	memcpy(big, "skep_proxy_certificates ", 24);
	big[100000] = '\0';
	expect(big, 0, nothing);
	free(big);
	/* Bytes that no JSON has. */
	expect("skep_proxy_certificate_broken{certificate=\"\xff\x1b\"} 1\n", 0,
	       "{\"age_s\": 0, \"current\": true, \"clients\": 0, \"tunnels\": 0, "
	       "\"certificates\": {\"count\": 0, \"expiring\": [], \"broken\": [\"??\"]}}");
}

static void without_a_file_there_is_no_proxy(void **state)
{
	char *dir = scratch_make(), path[512];
	json_t *made;
	FILE *file;

	(void)state;
	snprintf(path, sizeof(path), "%s/metrics.prom", dir);
	made = proxy_facts(path, time(NULL));
	assert_true(json_is_null(made));
	json_decref(made);
	file = fopen(path, "w");
	fputs("skep_proxy_certificates 2\n", file);
	fclose(file);
	made = proxy_facts(path, time(NULL));
	assert_true(json_is_true(json_object_get(made, "current")));
	json_decref(made);
	made = proxy_facts(path, time(NULL) + 3600);
	assert_true(json_is_false(json_object_get(made, "current")));
	json_decref(made);
	scratch_remove(dir);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(clients_and_tunnels_are_those_there_are),
		cmocka_unit_test(certificates_near_their_end_are_named_the_first_first),
		cmocka_unit_test(no_more_are_named_than_one_reads),
		cmocka_unit_test(what_is_old_is_not_current),
		cmocka_unit_test(nonsense_is_nothing),
		cmocka_unit_test(without_a_file_there_is_no_proxy),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
