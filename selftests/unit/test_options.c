/* SPDX-License-Identifier: GPL-2.0-only */
/* Service labels: what each asks for, and what a person is told of one that cannot be honoured. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/options.h"

static struct {
	struct options options;
	char problems[4096]; /* "key: why\n" */
} test;

static void note(void *context, const char *key, const char *why)
{
	size_t used = strlen(test.problems);

	assert_ptr_equal(context, &test);
	assert_true(strlen(why) < OPTIONS_WHY_SIZE);
	snprintf(test.problems + used, sizeof(test.problems) - used, "%s: %s\n", key, why);
}

/* Keys and values in turn, up to NULL. */
static void labels(const char *const *texts)
{
	struct model_label list[16];
	struct model_service service = {.id = "s", .name = "web", .labels = list};

	for (; texts[2 * service.n_labels]; service.n_labels++)
		list[service.n_labels] = (struct model_label){texts[2 * service.n_labels],
							      texts[2 * service.n_labels + 1]};
	/* Whatever was there before. */
	memset(&test, 0xa5, sizeof(test));
	test.problems[0] = '\0';
	options_read(&service, &test.options, note, &test);
}
#define LABELS(...) labels((const char *const[]){__VA_ARGS__, NULL})

static void in_order(void)
{
	assert_string_equal(test.problems, "");
}

static void told(const char *problems)
{
	assert_string_equal(test.problems, problems);
}

static void network(size_t i, const char *text)
{
	struct addr_prefix expected;

	assert_int_equal(addr_prefix_parse(text, &expected), 0);
	assert_true(i < test.options.n_allow);
	assert_true(skep_addr_equal(&test.options.allow[i].addr, &expected.addr));
	assert_int_equal(test.options.allow[i].length, expected.length);
}

static void place(size_t i, const char *text)
{
	const struct options_bind *bind = &test.options.bind[i];
	char addr[ADDR_TEXT_SIZE];

	assert_true(i < test.options.n_bind);
	assert_string_equal(*bind->interface ? bind->interface : addr_text(&bind->addr, addr),
			    text);
	assert_int_equal(*bind->interface != 0, skep_addr_is_zero(&bind->addr));
}

static void test_a_service_without_labels_has_the_defaults(void **state)
{
	const struct options *options = &test.options;

	(void)state;
	LABELS(NULL);
	in_order();
	assert_int_equal(options->policy, SKEP_POLICY_ROUND_ROBIN);
	assert_false(options->prefer_local);
	assert_int_equal(options->return_mode, OPTIONS_RETURN_DEFAULT);
	assert_int_equal(options->affinity_s, 10800);
	assert_int_equal(options->idle_s, 0);
	assert_int_equal(options->udp_idle_s, 30);
	assert_false(options->has_allow || options->has_bind);
	assert_int_equal(options->n_allow + options->n_bind, 0);
}

static void test_other_labels_are_none_of_its_business(void **state)
{
	(void)state;
	LABELS("com.docker.stack.namespace", "shop", "skepx.idle", "x", "skep", "x",
	       "skep.http.host", "x", "skep.override.weight", "x", "traefik.enable", "true");
	in_order();
}

static void test_a_label_that_there_is_not_is_told(void **state)
{
	(void)state;
	LABELS("skep.", "x", "skep.Allow", "10.0.0.0/8", "skep.http", "x", "skep.idle2", "1");
	told("skep.: no such label; skep(8) lists them\n"
	     "skep.Allow: no such label; skep(8) lists them\n"
	     "skep.http: no such label; skep(8) lists them\n"
	     "skep.idle2: no such label; skep(8) lists them\n");
}

static void test_each_policy_has_its_name(void **state)
{
	static const enum skep_policy policies[] = {SKEP_POLICY_ROUND_ROBIN, SKEP_POLICY_SOURCE,
						    SKEP_POLICY_MAGLEV, SKEP_POLICY_LEAST_FLOWS};
	static const char *const names[] = {"round-robin", "source", "maglev", "least-flows"};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		LABELS("skep.policy", names[i]);
		in_order();
		assert_int_equal(test.options.policy, policies[i]);
		assert_string_equal(options_policy_name(policies[i]), names[i]);
	}
}

static void test_another_policy_is_refused(void **state)
{
	(void)state;
	LABELS("skep.policy", "Maglev");
	told("skep.policy: \"Maglev\" is none of round-robin, source, maglev, least-flows; "
	     "round-robin is in force\n");
	assert_int_equal(test.options.policy, SKEP_POLICY_ROUND_ROBIN);
}

static void test_local_tasks_may_be_preferred(void **state)
{
	(void)state;
	LABELS("skep.prefer", "local");
	in_order();
	assert_true(test.options.prefer_local);
	LABELS("skep.prefer", "");
	told("skep.prefer: \"\" is not \"local\"; all tasks are used alike\n");
	assert_false(test.options.prefer_local);
}

static void test_the_way_of_replies_may_be_chosen(void **state)
{
	(void)state;
	LABELS("skep.return", "dsr");
	in_order();
	assert_int_equal(test.options.return_mode, OPTIONS_RETURN_DSR);
	assert_string_equal(options_return_name(test.options.return_mode), "dsr");
	LABELS("skep.return", "tunnel");
	in_order();
	assert_int_equal(test.options.return_mode, OPTIONS_RETURN_TUNNEL);
	assert_string_equal(options_return_name(test.options.return_mode), "tunnel");
	LABELS("skep.return", "tunnel ");
	told("skep.return: \"tunnel \" is neither dsr nor tunnel; the agent's --return is in "
	     "force\n");
	assert_int_equal(test.options.return_mode, OPTIONS_RETURN_DEFAULT);
	assert_null(options_return_name(OPTIONS_RETURN_DEFAULT));
}

static void test_times_are_seconds(void **state)
{
	(void)state;
	LABELS("skep.affinity-time", "1", "skep.idle", "0", "skep.udp-idle", "31536000");
	in_order();
	assert_int_equal(test.options.affinity_s, 1);
	assert_int_equal(test.options.idle_s, 0);
	assert_int_equal(test.options.udp_idle_s, 31536000);
	LABELS("skep.affinity-time", "31536000", "skep.idle", "31536000", "skep.udp-idle", "1");
	in_order();
	assert_int_equal(test.options.affinity_s, 31536000);
	assert_int_equal(test.options.idle_s, 31536000);
	assert_int_equal(test.options.udp_idle_s, 1);
}

static void test_what_is_no_time_leaves_the_default(void **state)
{
	static const char *const wrong[] = {
		"",	      "-1",   "31536001", "60s", "1e3", " 60", "99999999999999999999",
		"4294967297", "0x10", "1.5"};
	char expected[512];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		LABELS("skep.affinity-time", wrong[i], "skep.idle", wrong[i], "skep.udp-idle",
		       wrong[i]);
		snprintf(expected, sizeof(expected),
			 "skep.affinity-time: \"%s\" is not a number of seconds from 1 to "
			 "31536000; 10800 is in force\n"
			 "skep.idle: \"%s\" is not a number of seconds from 0 to 31536000; 0 is "
			 "in force\n"
			 "skep.udp-idle: \"%s\" is not a number of seconds from 1 to 31536000; "
			 "30 is in force\n",
			 wrong[i], wrong[i], wrong[i]);
		told(expected);
		assert_int_equal(test.options.affinity_s, 10800);
		assert_int_equal(test.options.idle_s, 0);
		assert_int_equal(test.options.udp_idle_s, 30);
	}
	LABELS("skep.affinity-time", "0", "skep.udp-idle", "0");
	told("skep.affinity-time: \"0\" is not a number of seconds from 1 to 31536000; 10800 is "
	     "in force\n"
	     "skep.udp-idle: \"0\" is not a number of seconds from 1 to 31536000; 30 is in "
	     "force\n");
}

static void test_networks_and_addresses_may_be_allowed(void **state)
{
	(void)state;
	LABELS("skep.allow", "10.0.0.0/8, 192.0.2.7 ,\t2001:db8::/32,0.0.0.0/0,2001:db8::1\n");
	in_order();
	assert_true(test.options.has_allow);
	assert_int_equal(test.options.n_allow, 5);
	network(0, "10.0.0.0/8");
	network(1, "192.0.2.7/32");
	network(2, "2001:db8::/32");
	network(3, "0.0.0.0/0");
	network(4, "2001:db8::1/128");
}

#define NO_NETWORK                                                                                 \
	"it is neither an address nor a network like 192.0.2.0/24 (no bits set after the prefix)"

static void test_what_is_left_of_a_list_of_networks_restricts(void **state)
{
	(void)state;
	LABELS("skep.allow", "10.0.0.0/33,192.0.2.0/24");
	told("skep.allow: \"10.0.0.0/33\" is left out: " NO_NETWORK "\n");
	assert_true(test.options.has_allow);
	assert_int_equal(test.options.n_allow, 1);
	network(0, "192.0.2.0/24");
	LABELS("skep.allow", "192.0.2.1/24,office,192.0.2.0/24,");
	told("skep.allow: \"192.0.2.1/24\" is left out, like 2 more: " NO_NETWORK "\n");
	assert_int_equal(test.options.n_allow, 1);
}

static void test_if_nothing_is_left_nobody_is_let_in(void **state)
{
	(void)state;
	LABELS("skep.allow", "");
	told("skep.allow: \"\" is left out: " NO_NETWORK "; no client is let in\n");
	assert_true(test.options.has_allow);
	assert_int_equal(test.options.n_allow, 0);
}

static void test_a_service_may_be_bound_to_addresses_and_interfaces(void **state)
{
	(void)state;
	LABELS("skep.bind", "192.0.2.50, eth0 ,2001:db8::1,enp3s0.100,a123456789abcde");
	in_order();
	assert_true(test.options.has_bind);
	assert_int_equal(test.options.n_bind, 5);
	place(0, "192.0.2.50");
	place(1, "eth0");
	place(2, "2001:db8::1");
	place(3, "enp3s0.100");
	place(4, "a123456789abcde");
}

#define NO_PLACE "it is neither a host's address nor an interface's name"

static void test_what_is_no_place_is_left_out(void **state)
{
	static const char *const wrong[] = {
		"",
		".",
		"..",
		"eth0/1",
		"eth0:1",
		"eth 0",
		"eth\033",
		"192.0.2",
		"256.1.1.1",
		"0.0.0.0",
		"::",
		"224.0.0.1",
		"0.1.2.3",
		"ff02::1",
		"255.255.255.255",
		"192.0.2.0/24",
		"a123456789abcdef",
	};
	char expected[256], shown[32];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		LABELS("skep.bind", wrong[i]);
		snprintf(shown, sizeof(shown), "%s", wrong[i]);
		if (strchr(shown, '\033'))
			*strchr(shown, '\033') = '?';
		snprintf(expected, sizeof(expected),
			 "skep.bind: \"%s\" is left out: " NO_PLACE "; the service answers "
			 "nowhere\n",
			 shown);
		told(expected);
		assert_true(test.options.has_bind);
		assert_int_equal(test.options.n_bind, 0);
	}
	LABELS("skep.bind", "eth0,192.0.2.300");
	told("skep.bind: \"192.0.2.300\" is left out: " NO_PLACE "\n");
	assert_int_equal(test.options.n_bind, 1);
}

/* n times the element, separated by commas. */
static char *list_of(const char *element, size_t n)
{
	char *text = calloc(n, strlen(element) + 1);

	assert_non_null(text);
	for (size_t i = 0; i < n; i++) {
		if (i)
			strcat(text, ",");
		strcat(text, element);
	}
	return text;
}

static void test_a_list_may_have_64_elements(void **state)
{
	char *most = list_of("192.0.2.1", 64), *more = list_of("192.0.2.1", 65),
	     *wrong = list_of("x/y", 5000);

	(void)state;
	LABELS("skep.allow", most, "skep.bind", most);
	in_order();
	assert_int_equal(test.options.n_allow, 64);
	assert_int_equal(test.options.n_bind, 64);
	LABELS("skep.allow", more, "skep.bind", more);
	told("skep.allow: only the first 64 elements are used\n"
	     "skep.bind: only the first 64 elements are used\n");
	assert_int_equal(test.options.n_allow, 64);
	assert_int_equal(test.options.n_bind, 64);
	LABELS("skep.allow", wrong);
	told("skep.allow: \"x/y\" is left out, like 63 more: " NO_NETWORK
	     "; only the first 64 elements are used; no client is let in\n");
	free(most);
	free(more);
	free(wrong);
}

static void test_hostile_text_is_told_in_one_short_line(void **state)
{
	static const char *const keys[] = {"skep.affinity-time", "skep.allow",	 "skep.bind",
					   "skep.idle",		 "skep.policy",	 "skep.prefer",
					   "skep.return",	 "skep.udp-idle"};
	char *text = malloc(65537);

	(void)state;
	assert_non_null(text);
	memset(text, '\n', 65536);
	memcpy(text, "\033[2J\"\r\x7f\xc3\xa9", 9);
	memset(text + 9, '7', 60000);
	text[65536] = '\0';
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		size_t length;

		LABELS(keys[i], text);
		length = strlen(test.problems);
		assert_true(length > 20 && length < 300);
		for (size_t c = 0; c + 1 < length; c++)
			assert_in_range(test.problems[c], 0x20, 0x7e);
	}
	free(text);
}

static void test_nobody_need_want_to_know(void **state)
{
	struct model_label label = {"skep.allow", "x"};
	struct model_service service = {.labels = &label, .n_labels = 1};

	(void)state;
	options_read(&service, &test.options, NULL, NULL);
	assert_true(test.options.has_allow);
	assert_int_equal(test.options.n_allow, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_service_without_labels_has_the_defaults),
		cmocka_unit_test(test_other_labels_are_none_of_its_business),
		cmocka_unit_test(test_a_label_that_there_is_not_is_told),
		cmocka_unit_test(test_each_policy_has_its_name),
		cmocka_unit_test(test_another_policy_is_refused),
		cmocka_unit_test(test_local_tasks_may_be_preferred),
		cmocka_unit_test(test_the_way_of_replies_may_be_chosen),
		cmocka_unit_test(test_times_are_seconds),
		cmocka_unit_test(test_what_is_no_time_leaves_the_default),
		cmocka_unit_test(test_networks_and_addresses_may_be_allowed),
		cmocka_unit_test(test_what_is_left_of_a_list_of_networks_restricts),
		cmocka_unit_test(test_if_nothing_is_left_nobody_is_let_in),
		cmocka_unit_test(test_a_service_may_be_bound_to_addresses_and_interfaces),
		cmocka_unit_test(test_what_is_no_place_is_left_out),
		cmocka_unit_test(test_a_list_may_have_64_elements),
		cmocka_unit_test(test_hostile_text_is_told_in_one_short_line),
		cmocka_unit_test(test_nobody_need_want_to_know),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
