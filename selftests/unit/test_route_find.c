/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The index finds what looking at every rule in order finds, whatever the rules; and labels made to
 * harm cost no more than is bounded.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <time.h>

#include "lib/loop.h"
#include "route_fixture.h"

static uint64_t seed = 42;

static size_t random_below(size_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (size_t)(seed % n);
}

#define ONE_OF(words) words[random_below(sizeof(words) / sizeof(*words))]

static const char *const hosts[] = {
	"a.example",	  "b.example", "A.Example", "www.a.example", "x.www.a.example",
	"a.example.evil", "example",   "",	    "b.exampl",	     "aXexample"};
static const char *const paths[] = {"/",     "/a",   "/a/",   "/ab",	"/a/b",	    "/a/b/c",
				    "/b",    "/b/x", "/a/bc", "/a.b",	"/c/d/e/f", "/A",
				    "/a//b", "*",    "/%2F",  "/a%2Fb", "/aaaaaaaa"};

/* ---- rules */

static void put(json_t *labels, const char *key, const char *value)
{
	json_object_set_new(labels, key, json_string(value));
}

static void random_skep(json_t *labels)
{
	static const char *const rule_hosts[] = {
		"a.example", "*.example", "*.a.example", "b.example,*.a.example", "*", "example"};
	static const char *const rule_paths[] = {"/",	     "/a",	   "/a/b",     "=/a",
						 "=/a/b/c",  "/b,=/a/b",   "~^/a",     "~b$",
						 "~^/(a|b)", "~/b|c",	   "/ab",      "=/%2f",
						 "~^/a?b",   "/a%2fb,~x$", "~^/a\\.b", "~^/a{0}/b"};

	put(labels, "skep.http.port", "80");
	if (random_below(2))
		put(labels, "skep.http.host", ONE_OF(rule_hosts));
	if (random_below(4) || !json_object_get(labels, "skep.http.host"))
		put(labels, "skep.http.path", ONE_OF(rule_paths));
	if (!random_below(5))
		put(labels, "skep.http.method", "GET");
	if (!random_below(5))
		put(labels, "skep.http.header", "X-A:1");
	if (!random_below(8))
		put(labels, "skep.http.priority", random_below(2) ? "1" : "-1");
	if (!random_below(8))
		put(labels, "skep.http.entry", "other");
}

static void random_dfp(json_t *labels)
{
	static const char *const domains[] = {"a.example", "*example", "*.a.example", "b,a.",
					      "www.a.example"};
	static const char *const texts[] = {"/", "/a", "/a/b,/b", "/ab", "/c/d"};
	static const char *const expressions[] = {"^/a", "b$", "^/a/b|^/c"};
	bool regex = !random_below(3);

	put(labels, "com.df.notify", "true");
	put(labels, "com.df.port", "80");
	if (random_below(2))
		put(labels, "com.df.serviceDomain", ONE_OF(domains));
	if (regex)
		put(labels, "com.df.pathType", "path_reg");
	put(labels, "com.df.servicePath", regex ? ONE_OF(expressions) : ONE_OF(texts));
	if (!random_below(4))
		put(labels, "com.df.servicePathExclude", regex ? "c" : "/a/b");
	if (!random_below(5))
		put(labels, "com.df.userAgent", "bot");
	if (!random_below(5))
		put(labels, "com.df.srcPort", "443");
	if (!random_below(10))
		put(labels, "com.df.isDefaultBackend", "true");
}

/* Depth is bounded, so that what is made is a rule. */
static void random_expression(FILE *out, int depth)
{
	static const char *const leaves[] = {
		"Host(`a.example`)",	 "Host(`*.a.example`)", "Host(`b.example`)",
		"PathPrefix(`/a`)",	 "Path(`/a/b`)",	"PathPrefix(`/`)",
		"PathRegexp(`^/a`)",	 "PathRegexp(`b$`)",	"Method(`GET`)",
		"Header(`X-A`, `1`)",	 "Query(`q`, `1`)",	"ClientIP(`192.0.2.0/24`)",
		"HostRegexp(`^b\\.`)",	 "Host(`*`)",		"HeaderRegexp(`X-A`, `.`)",
		"QueryRegexp(`q`, `^2`)"};

	if (!depth || !random_below(3)) {
		fputs(ONE_OF(leaves), out);
		return;
	}
	if (!random_below(4))
		fputc('!', out);
	fputc('(', out);
	random_expression(out, depth - 1);
	fputs(random_below(2) ? " && " : " || ", out);
	random_expression(out, depth - 1);
	fputc(')', out);
}

static void random_traefik(json_t *labels)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	random_expression(out, 3);
	fclose(out);
	put(labels, "traefik.http.routers.r.rule", text);
	put(labels, "traefik.http.services.s.loadbalancer.server.port", "80");
	if (!random_below(5))
		put(labels, "traefik.http.routers.r.priority", random_below(2) ? "1" : "100");
	free(text);
}

static struct route_table *random_table(size_t n)
{
	json_t *services = json_array();

	for (size_t i = 0; i < n; i++) {
		json_t *labels = json_object();
		size_t kind = random_below(3);

		if (kind == 0)
			random_skep(labels);
		else if (kind == 1)
			random_dfp(labels);
		else
			random_traefik(labels);
		json_array_append_new(services,
				      json_pack("{s:o, s:o, s:I}", "id", json_sprintf("s%zu", i),
						"labels", labels, "created_ms",
						(json_int_t)random_below(5)));
	}
	return table_of(services);
}

/* ---- requests */

static void random_request(struct ask *ask)
{
	char url[256];

	snprintf(url, sizeof(url), "%s://%s%s%s%s", random_below(2) ? "http" : "https",
		 ONE_OF(hosts), random_below(4) ? "" : ":8080", "/", random_below(3) ? "" : "?q=1");
	ask_begin(ask, random_below(2) ? "GET" : "POST", url);
	ask->request.path = ask_text((char *)ONE_OF(paths));
	if (!random_below(3))
		ask->request.query = ask_text(random_below(2) ? "p&q=1&x=%32" : "q=%32");
	if (!random_below(3))
		ask_add_field(ask, "X-A: 1");
	if (!random_below(3))
		ask_add_field(ask, "User-Agent: Robot");
	if (!random_below(4))
		ask->request.entry = "other";
	if (!random_below(4))
		assert_int_equal(addr_parse("2001:db8::1", &ask->request.client), 0);
}

static const struct route_rule *find_naively(const struct route_table *table,
					     const struct route_request *request,
					     struct route_scratch *scratch)
{
	size_t n;
	const struct route_rule *const *rules = route_table_rules(table, &n);

	for (size_t i = 0; i < n; i++)
		if (route_matches(rules[i]->match, request, scratch) != ROUTE_NOT_FOUND)
			return rules[i];
	return NULL;
}

static void the_index_finds_what_all_rules_in_order_would(void **state)
{
	struct route_scratch *scratch = route_scratch_new();
	struct ask *ask = malloc(sizeof(*ask));
	size_t taken = 0, asked = 0;

	(void)state;
	for (size_t round = 0; round < 300; round++) {
		struct route_table *table = random_table(1 + random_below(round % 2 ? 40 : 5));
		size_t problems;

		route_table_problems(table, &problems);
		assert_int_equal(problems, 0);
		for (size_t i = 0; i < 100; i++) {
			const struct route_rule *rule;
			bool gave_up;

			random_request(ask);
			rule = route_table_find(table, &ask->request, scratch, &gave_up);
			assert_false(gave_up);
			assert_ptr_equal(rule, find_naively(table, &ask->request, scratch));
			asked++;
			taken += rule != NULL;
		}
		route_table_free(table);
	}
	/* Neither all nor none: the requests are worth asking. */
	assert_in_range(taken, asked / 4, asked - asked / 20);
	route_scratch_free(scratch);
	free(ask);
}

static void traefiks_rules_keep_their_own_order_among_others(void **state)
{
	(void)state;
	for (size_t round = 0; round < 300; round++) {
		struct route_table *table = random_table(1 + random_below(40));
		const struct route_rule *last = NULL;
		size_t n;
		const struct route_rule *const *rules = route_table_rules(table, &n);

		for (size_t i = 0; i < n; i++) {
			if (rules[i]->vocabulary != ROUTE_TRAEFIK)
				continue;
			if (last)
				assert_true(last->own_order >= rules[i]->own_order);
			last = rules[i];
		}
		route_table_free(table);
	}
}

/* ---- labels made to harm */

static json_t *service_with(const char *id, const char *key, const char *value)
{
	return json_pack("{s:s, s:{s:s, s:s, s:s}}", "id", id, "labels", "skep.http.port", "80",
			 "skep.http.host", "x.example", key, value);
}

static char *repeat(const char *text, size_t n, const char *end)
{
	size_t size = strlen(text);
	char *all = malloc(n * size + strlen(end) + 1);

	for (size_t i = 0; i < n; i++)
		memcpy(all + i * size, text, size);
	strcpy(all + n * size, end);
	return all;
}

static void a_label_of_any_length_costs_its_rule_alone(void **state)
{
	static const struct {
		const char *key, *text, *end;
		size_t n;
	} labels[] = {
		{"skep.http.path", "/a,", "/b", 20000},
		{"skep.http.path", "/a", "", 30000},
		{"skep.http.path", "~(", "", 30000},
		{"skep.http.path", "~a", "", 30000},
		{"skep.http.method", "GET,", "GET", 16000},
		{"skep.http.method", "G", "", 60000},
		{"skep.http.header", "X:1,", "X:1", 16000},
		{"skep.http.header", "X", ":1", 60000},
		{"skep.http.entry", "e", "", 60000},
		{"skep.http.timeout", "9", "", 60000},
		{"skep.http.priority", "9", "", 60000},
		{"skep.http.users", "a:b,", "", 16000},
		{"skep.http.users", "a", ":", 60000},
		{"skep.http.rewrite", "(a)", ",$1", 5000},
		{"skep.http.redirect", "https://x", "", 7000},
		{"skep.http.sticky", "cookie:", "", 9000},
		{"skep.http.check", "/%41", "", 16000},
		{"skep.http.nonsense", "x", "", 60000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(labels) / sizeof(*labels); i++) {
		char *value = repeat(labels[i].text, labels[i].n, labels[i].end);
		struct route_table *table =
			table_of(json_pack("[o, o]", service_with("bad", labels[i].key, value),
					   service_with("good", "skep.http.path", "/good")));
		const struct route_problem *problems;
		size_t n;

		problems = route_table_problems(table, &n);
		assert_true(n > 0);
		for (size_t j = 0; j < n; j++) {
			assert_string_equal(problems[j].service, "bad");
			assert_true(strlen(problems[j].why) < 400);
		}
		const struct route_rule *const *rules = route_table_rules(table, &n);
		assert_int_equal(n, 1);
		assert_string_equal(rules[0]->service, "good");
		route_table_free(table);
		free(value);
	}
}

static void an_expression_that_compiles_to_too_much_is_refused(void **state)
{
	static const char *const expressions[] = {"~((((a{1,200}){1,200}){1,200}){1,200})",
						  "~(?:(?:(?:a{65535}){65535}){65535})",
						  "~(?R)(?R)(?R)((((",
						  "~\\C",
						  "~(*UTF)x",
						  "~(?C1)a\\p{Foo}"};

	(void)state;
	for (size_t i = 0; i < sizeof(expressions) / sizeof(*expressions); i++) {
		struct route_table *table = table_of(
			json_pack("[o]", service_with("bad", "skep.http.path", expressions[i])));
		size_t n;

		route_table_problems(table, &n);
		assert_int_equal(n, 1);
		route_table_free(table);
	}
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void an_expression_that_backtracks_without_end_is_stopped(void **state)
{
	static const char *const expressions[] = {"~^/(a+)+$",
						  "~(a|aa)+$",
						  "~^/(.*a){12}$",
						  "~^(?=(a*)*b)x",
						  "~(?:(?:a?){20}){20}b",
						  "~^/(a(?1)?)*$",
						  "~^/a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?"
						  "a?a?a?a?a?a?a?a?a?a?aaaaaaaaaaaaaaaaaaaaaaaa$"};
	struct route_scratch *scratch = route_scratch_new();
	struct ask *ask = malloc(sizeof(*ask));
	char *url = repeat("a", 4000, "!"), *whole;

	(void)state;
	assert_true(asprintf(&whole, "http://x.example/%s", url) > 0);
	for (size_t i = 0; i < sizeof(expressions) / sizeof(*expressions); i++) {
		struct route_table *table = table_of(
			json_pack("[o]", service_with("bad", "skep.http.path", expressions[i])));
		bool gave_up;
		double began;

		ask_begin(ask, "GET", whole);
		began = seconds();
		route_table_find(table, &ask->request, scratch, &gave_up);
		/* Milliseconds in fact; PCRE2's own bounds allow a second. */
		assert_true(seconds() - began < 0.1);
		route_table_free(table);
	}
	assert_true(route_scratch_gave_up(scratch) > 2);
	route_scratch_free(scratch);
	free(ask);
	free(url);
	free(whole);
}

static void a_service_has_so_many_rules_and_no_more(void **state)
{
	json_t *labels = json_object();
	struct route_table *table;
	size_t n;

	(void)state;
	put(labels, "skep.http.port", "80");
	for (size_t i = 0; i < 30; i++) {
		char key[64], *value = repeat("/a,", 63, "/b");

		snprintf(key, sizeof(key), "skep.http.r%zu.path", i);
		put(labels, key, value);
		free(value);
	}
	table = table_of(json_pack("[{s:s, s:o}]", "id", "s", "labels", labels));
	route_table_rules(table, &n);
	assert_int_equal(n, 1000);
	route_table_problems(table, &n);
	assert_true(n > 0);
	route_table_free(table);
}

static void a_rule_of_many_hosts_is_found_by_each(void **state)
{
	struct route_scratch *scratch = route_scratch_new();
	struct ask *ask = malloc(sizeof(*ask));
	struct route_table *table;
	json_t *labels = json_object();
	char *rule, url[64];
	size_t size;
	FILE *out = open_memstream(&rule, &size);

	(void)state;
	for (size_t i = 0; i < 200; i++)
		fprintf(out, "%sHost(`h%zu`)", i ? " || " : "", i);
	fclose(out);
	put(labels, "traefik.http.routers.r.rule", rule);
	put(labels, "traefik.http.services.s.loadbalancer.server.port", "80");
	table = table_of(json_pack("[{s:s, s:o}]", "id", "s", "labels", labels));
	for (size_t i = 0; i <= 200; i++) {
		bool gave_up;

		snprintf(url, sizeof(url), "http://h%zu/", i);
		ask_begin(ask, "GET", url);
		assert_int_equal(i < 200,
				 route_table_find(table, &ask->request, scratch, &gave_up) != NULL);
	}
	route_table_free(table);
	route_scratch_free(scratch);
	free(ask);
	free(rule);
}

/* ---- many */

static struct route_table *many(size_t n, bool by_host)
{
	json_t *services = json_array();

	for (size_t i = 0; i < n; i++) {
		json_t *labels = json_object();
		char value[64];

		put(labels, "skep.http.port", "80");
		snprintf(value, sizeof(value), by_host ? "h%zu.example.com" : "/s%zu/api/v1", i);
		put(labels, by_host ? "skep.http.host" : "skep.http.path", value);
		json_array_append_new(
			services,
			json_pack("{s:o, s:o}", "id", json_sprintf("s%zu", i), "labels", labels));
	}
	return table_of(services);
}

static double time_of_finding(const struct route_table *table, const char *url)
{
	struct route_scratch *scratch = route_scratch_new();
	struct ask *ask = malloc(sizeof(*ask));
	const size_t times = 20000;
	double began;
	bool gave_up;

	ask_begin(ask, "GET", url);
	began = seconds();
	for (size_t i = 0; i < times; i++)
		assert_non_null(route_table_find(table, &ask->request, scratch, &gave_up));
	began = seconds() - began;
	route_scratch_free(scratch);
	free(ask);
	return began / (double)times;
}

static void finding_one_of_many_rules_takes_as_long_as_one_of_few(void **state)
{
	(void)state;
	for (unsigned int by_host = 0; by_host < 2; by_host++) {
		const char *url =
			by_host ? "http://h9.example.com/x" : "http://any/s9/api/v1/books/1";
		struct route_table *few = many(10, by_host), *lots = many(5000, by_host);
		double of_few = time_of_finding(few, url), of_many = time_of_finding(lots, url);

		print_message("# by %s: %.0f ns of 10 rules, %.0f ns of 5000\n",
			      by_host ? "host" : "path", of_few * 1e9, of_many * 1e9);
		/* 500 times as many; on a machine that is busy with other things, too. */
		assert_true(of_many < 20 * of_few);
		route_table_free(few);
		route_table_free(lots);
	}
}

static void a_table_knows_whether_a_model_would_give_the_same(void **state)
{
	static const char *const others[] = {
		"{\"services\": [{\"id\": \"a\", \"labels\": {\"skep.http.port\": \"81\"}}]}",
		"{\"services\": [{\"id\": \"b\", \"labels\": {\"skep.http.port\": \"80\"}}]}",
		"{\"services\": [{\"id\": \"a\", \"name\": \"b\", \"labels\": {\"skep.http.port\": "
		"\"80\"}}]}",
		"{\"services\": [{\"id\": \"a\", \"created_ms\": 1, \"labels\": "
		"{\"skep.http.port\": \"80\"}}]}",
		"{\"services\": [{\"id\": \"a\", \"labels\": {\"skep.http.port\": \"80\", "
		"\"TRAEFIK.a\": \"\"}}]}",
		"{}",
	};
	static const char same[] = "{\"services\": [{\"id\": \"a\", \"ports\": [], \"labels\": "
				   "{\"skep.http.port\": \"80\", \"skep.policy\": \"source\"}}, "
				   "{\"id\": \"other\"}]}";
	struct route_table *table = table_of(
		json_pack("[{s:s, s:{s:s}}]", "id", "a", "labels", "skep.http.port", "80"));
	struct skep_error error;
	struct model *model;

	(void)state;
	assert_int_equal(model_parse(same, strlen(same), &model, &error), 0);
	assert_true(route_table_is_of(table, model));
	model_free(model);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		assert_int_equal(model_parse(others[i], strlen(others[i]), &model, &error), 0);
		assert_false(route_table_is_of(table, model));
		model_free(model);
	}
	route_table_free(table);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_index_finds_what_all_rules_in_order_would),
		cmocka_unit_test(traefiks_rules_keep_their_own_order_among_others),
		cmocka_unit_test(a_label_of_any_length_costs_its_rule_alone),
		cmocka_unit_test(an_expression_that_compiles_to_too_much_is_refused),
		cmocka_unit_test(an_expression_that_backtracks_without_end_is_stopped),
		cmocka_unit_test(a_service_has_so_many_rules_and_no_more),
		cmocka_unit_test(a_rule_of_many_hosts_is_found_by_each),
		cmocka_unit_test(finding_one_of_many_rules_takes_as_long_as_one_of_few),
		cmocka_unit_test(a_table_knows_whether_a_model_would_give_the_same),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
