/* SPDX-License-Identifier: GPL-2.0-only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "proxy/counters.h"

static struct registry registry;

static char text[65536];

static void print(void)
{
	FILE *out = fmemopen(text, sizeof(text), "w");

	registry_print(&registry, "skep_route", "route", out);
	assert_int_equal(fclose(out), 0);
}

static void prints_line(const char *line)
{
	const char *at;

	print();
	at = strstr(text, line);
	if (!at || (at != text && at[-1] != '\n') || at[strlen(line)] != '\n') {
		fprintf(stderr, "%s\n", text);
		fail_msg("there is no line %s", line);
	}
}

static void begin(size_t workers)
{
	memset(&registry, 0, sizeof(registry));
	registry.workers = workers;
}

static void a_name_has_one_series_until_its_last_user_goes(void **state)
{
	struct series *a, *b;

	(void)state;
	begin(2);
	a = registry_get(&registry, "web");
	assert_ptr_equal(registry_get(&registry, "web"), a);
	b = registry_get(&registry, "api");
	assert_ptr_not_equal(a, b);
	registry_put(&registry, a);
	prints_line("skep_route_requests_total{route=\"web\",code=\"2xx\"} 0");
	registry_put(&registry, a);
	registry_put(&registry, b);
	registry_put(&registry, NULL);
	print();
	assert_null(strstr(text, "web"));
}

static void workers_slots_are_added_up(void **state)
{
	struct series *series;

	(void)state;
	begin(2);
	series = registry_get(&registry, "web");
	series_count(&series->slots[0], 200, 10, 1000, 1);
	series_count(&series->slots[1], 204, 5, 0, 3);
	series_count(&series->slots[1], 503, 0, 0, 30001);
	series_count(&series->slots[1], 0, 0, 0, 0);
	prints_line("# TYPE skep_route_requests_total counter");
	prints_line("skep_route_requests_total{route=\"web\",code=\"2xx\"} 2");
	prints_line("skep_route_requests_total{route=\"web\",code=\"5xx\"} 1");
	prints_line("skep_route_requests_total{route=\"web\",code=\"none\"} 1");
	prints_line("skep_route_bytes_total{route=\"web\",direction=\"in\"} 15");
	prints_line("skep_route_bytes_total{route=\"web\",direction=\"out\"} 1000");
	registry_put(&registry, series);
}

static void buckets_are_cumulative_and_in_seconds(void **state)
{
	struct series *series;

	(void)state;
	begin(1);
	series = registry_get(&registry, "web");
	series_count(series->slots, 200, 0, 0, 1);
	series_count(series->slots, 200, 0, 0, 2);
	series_count(series->slots, 200, 0, 0, 6);
	series_count(series->slots, 200, 0, 0, 30000);
	series_count(series->slots, 200, 0, 0, 30001);
	prints_line("# TYPE skep_route_duration_seconds histogram");
	prints_line("skep_route_duration_seconds_bucket{route=\"web\",le=\"0.001\"} 1");
	prints_line("skep_route_duration_seconds_bucket{route=\"web\",le=\"0.002\"} 2");
	prints_line("skep_route_duration_seconds_bucket{route=\"web\",le=\"0.005\"} 2");
	prints_line("skep_route_duration_seconds_bucket{route=\"web\",le=\"0.01\"} 3");
	prints_line("skep_route_duration_seconds_bucket{route=\"web\",le=\"30\"} 4");
	prints_line("skep_route_duration_seconds_bucket{route=\"web\",le=\"+Inf\"} 5");
	prints_line("skep_route_duration_seconds_sum{route=\"web\"} 60.01");
	prints_line("skep_route_duration_seconds_count{route=\"web\"} 5");
	registry_put(&registry, series);
}

static void tunnels_are_told_of_what_had_some(void **state)
{
	struct series *series, *other;

	(void)state;
	begin(2);
	series = registry_get(&registry, "chat");
	other = registry_get(&registry, "web");
	print();
	assert_null(strstr(text, "tunnels_total{"));
	counters_add(&series->slots[0].tunnels_opened, 3);
	counters_add(&series->slots[1].tunnels_opened, 2);
	counters_add(&series->slots[1].tunnels_closed, 1);
	prints_line("# TYPE skep_route_tunnels_total counter");
	prints_line("skep_route_tunnels_total{route=\"chat\"} 5");
	prints_line("# TYPE skep_route_tunnels gauge");
	prints_line("skep_route_tunnels{route=\"chat\"} 4");
	assert_null(strstr(text, "tunnels{route=\"web\""));
	registry_put(&registry, series);
	registry_put(&registry, other);
}

static void a_labels_value_is_escaped(void **state)
{
	struct series *series;

	(void)state;
	begin(1);
	series = registry_get(&registry, "a\"b\\c\nd");
	prints_line("skep_route_requests_total{route=\"a\\\"b\\\\c\\nd\",code=\"2xx\"} 0");
	registry_put(&registry, series);
}

static void each_metric_is_told_once_with_all_its_lines_together(void **state)
{
	struct series *many[50];
	const char *at;
	int types = 0;

	(void)state;
	begin(1);
	for (int i = 0; i < 50; i++) {
		char name[16];

		snprintf(name, sizeof(name), "s%d", i);
		many[i] = registry_get(&registry, name);
	}
	print();
	for (at = text; (at = strstr(at, "# TYPE")); at++)
		types++;
	assert_int_equal(types, 5);
	/* All requests before the first of the bytes. */
	at = strstr(text, "skep_route_bytes_total{");
	assert_null(strstr(at, "skep_route_requests_total{"));
	for (int i = 0; i < 50; i++)
		registry_put(&registry, many[i]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_has_one_series_until_its_last_user_goes),
		cmocka_unit_test(workers_slots_are_added_up),
		cmocka_unit_test(buckets_are_cumulative_and_in_seconds),
		cmocka_unit_test(tunnels_are_told_of_what_had_some),
		cmocka_unit_test(a_labels_value_is_escaped),
		cmocka_unit_test(each_metric_is_told_once_with_all_its_lines_together),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
