/* SPDX-License-Identifier: GPL-2.0-only */
/* Routes as the local API tells them and the command line prints them; what may be asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "agent/route_request.h"
#include "agent/routes.h"
#include "agent/views_routes.h"
#include "cli/list.h"
#include "route_fixture.h"

static struct model *model_of(const char *services)
{
	struct skep_error error;
	struct model *model = NULL;
	char *text;

	assert_true(asprintf(&text, "{\"services\": [%s]}", services) > 0);
	if (model_parse(text, strlen(text), &model, &error))
		fail_msg("%s", error.text);
	free(text);
	return model;
}

static const char web[] =
	"{\"id\": \"1\", \"name\": \"web\", \"labels\": {\"skep.http.port\": \"80\", "
	"\"skep.http.path\": \"/api\", \"skep.http.host\": \"a.example\", "
	"\"skep.http.strip\": \"true\", \"skep.http.header\": \"X-A:1\"}}, "
	"{\"id\": \"2\", \"name\": \"all\", \"labels\": {\"com.df.notify\": \"true\", "
	"\"com.df.port\": \"81\", \"com.df.servicePath\": \"/\", \"com.df.aclName\": \"x\"}}, "
	"{\"id\": \"3\", \"name\": \"bad\", \"labels\": {\"skep.http.port\": \"\\u001b[31m\"}}";

static struct routes *routes_of(const char *services)
{
	struct model *model = model_of(services);
	struct routes *routes;
	struct skep_error error;

	assert_int_equal(routes_open(&routes, &error), 0);
	assert_int_equal(routes_update(routes, model, &error), 0);
	model_free(model); /* the routes need it no longer */
	return routes;
}

static void expect_json(json_t *json, const char *expected)
{
	json_t *wanted = json_loads(expected, 0, NULL);
	char *text = json_dumps(json, JSON_SORT_KEYS), *wanted_text;

	assert_non_null(wanted);
	wanted_text = json_dumps(wanted, JSON_SORT_KEYS);
	assert_string_equal(text, wanted_text);
	free(text);
	free(wanted_text);
	json_decref(json);
	json_decref(wanted);
}

static char *printed(int (*print)(const json_t *json, FILE *out), const json_t *json)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(print(json, out), 0);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void the_api_tells_rules_in_order_and_problems(void **state)
{
	struct routes *routes = routes_of(web);

	(void)state;
	expect_json(
		routes_json(routes),
		"{\"rules\": [{\"service\": \"web\", \"port\": 80, \"network\": null, "
		"\"vocabulary\": \"skep\", \"origin\": \"skep.http\", \"priority\": 0, "
		"\"entry\": null, \"host\": \"a.example\", \"path\": \"/api\", "
		"\"conditions\": \"header X-A: 1\", \"actions\": \"strip /api\"}, "
		"{\"service\": \"all\", \"port\": 81, \"network\": null, \"vocabulary\": \"dfp\", "
		"\"origin\": \"com.df\", \"priority\": 0, \"entry\": null, \"host\": null, "
		"\"path\": \"/…\", \"conditions\": null, \"actions\": null}], "
		"\"problems\": [{\"service\": \"all\", \"origin\": \"com.df\", "
		"\"label\": \"com.df.aclName\", \"note\": true, "
		"\"why\": \"has no effect: rules are ordered by path and host, not by name\"}, "
		"{\"service\": \"bad\", \"origin\": \"skep.http\", \"label\": \"skep.http.port\", "
		"\"note\": false, \"why\": \"\\\"?[31m\\\" is not a number from 1 to 65535\"}]}");
	routes_close(routes);
}

static void people_read_problems_first(void **state)
{
	struct routes *routes = routes_of(web);
	json_t *json = routes_json(routes);
	char *text = printed(routes_print, json);

	(void)state;
	assert_string_equal(
		text,
		"Rules that are not in force:\n"
		"SERVICE  LABEL           PROBLEM\n"
		"bad      skep.http.port  \"?[31m\" is not a number from 1 to 65535\n"
		"\n"
		"Labels without effect:\n"
		"SERVICE  LABEL           PROBLEM\n"
		"all      com.df.aclName  has no effect: rules are ordered by path and host, not "
		"by "
		"name\n"
		"\n"
		"PRIORITY  ENTRY  HOST       PATH  OTHERS         SERVICE  ACTIONS     LABELS\n"
		"       -  -      a.example  /api  header X-A: 1  web:80   strip /api  skep.http\n"
		"       -  -      -          /…    -              all:81   -           com.df\n");
	free(text);
	json_decref(json);
	routes_close(routes);
}

static json_t *explained(struct routes *routes, const char *request)
{
	json_t *json = json_loads(request, 0, NULL), *answer = NULL;
	struct skep_error error;

	assert_non_null(json);
	if (routes_explain(routes, json, &answer, &error))
		fail_msg("%s", error.text);
	json_decref(json);
	return answer;
}

static void a_request_is_explained(void **state)
{
	struct routes *routes = routes_of(web);
	json_t *answer =
		explained(routes, "{\"method\": \"GET\", \"url\": "
				  "\"http://a.example/api/x?y\", \"headers\": [\"x-a: 1\"]}");
	char *text = printed(route_print, answer);

	(void)state;
	assert_string_equal(text, "request   host a.example, path /api/x, entry http, port 80\n"
				  "taken by  web:80 (skep.http)\n"
				  "because   host a.example, path /api, header X-A: 1\n"
				  "and is    sent to a task as /x\n"
				  "\n"
				  "NOT     LABELS  WHY\n"
				  "all:81  com.df  matches too, but comes later\n");
	free(text);
	json_decref(answer);

	answer = explained(routes,
			   "{\"method\": \"GET\", \"url\": \"https://a.example:8443/%61pi\"}");
	text = printed(route_print, answer);
	assert_string_equal(text, "request   host a.example, path /api, entry https, port 8443\n"
				  "taken by  all:81 (com.df)\n"
				  "because   path /…\n"
				  "and is    sent to a task as /api\n"
				  "\n"
				  "NOT     LABELS     WHY\n"
				  "web:80  skep.http  wants header X-A: 1\n");
	free(text);
	json_decref(answer);
	routes_close(routes);
}

static void a_request_that_no_rule_takes_is_explained(void **state)
{
	struct routes *routes = routes_of(
		"{\"id\": \"far\", \"labels\": {\"skep.http.port\": \"80\", \"skep.http.path\": "
		"\"/a\", \"skep.http.host\": \"a\"}}, {\"id\": \"near\", \"labels\": "
		"{\"skep.http.port\": \"80\", \"skep.http.path\": \"/a\"}}");
	json_t *answer =
		explained(routes, "{\"method\": \"GET\", \"url\": \"http://b/b\", \"limit\": 1}");
	char *text = printed(route_print, answer);

	(void)state;
	assert_string_equal(text,
			    "request   host b, path /b, entry http, port 80\n"
			    "taken by  no rule: answered with 404, or 500 if an expression below "
			    "took too long\n"
			    "\n"
			    "NOT      LABELS     WHY\n"
			    "near:80  skep.http  wants path /a\n"
			    "and 1 more; --all lists them\n");
	free(text);
	json_decref(answer);
	routes_close(routes);
}

static void what_cannot_be_asked_is_refused(void **state)
{
	static const struct {
		const char *request, *error;
	} bad[] = {
		{"{}", "the method is missing, or no token"},
		{"{\"method\": \"GET\"}", "the URL is missing"},
		{"{\"method\": \"G T\", \"url\": \"http://a/\"}",
		 "the method is missing, or no token"},
		{"{\"method\": \"GET\", \"url\": \"/a\"}",
		 "the URL begins with neither http:// nor https://"},
		{"{\"method\": \"GET\", \"url\": \"http://a b/\"}", "the URL's host is none"},
		{"{\"method\": \"GET\", \"url\": \"http://a:99999/\"}", "the URL's host is none"},
		{"{\"method\": \"GET\", \"url\": \"http://a/%zz\"}",
		 "the URL's path is none: the request would be answered with 400"},
		{"{\"method\": \"GET\", \"url\": \"http://a/../x\"}",
		 "the URL's path is none: the request would be answered with 400"},
		{"{\"method\": \"GET\", \"url\": \"http://a/\", \"headers\": [\"A\"]}",
		 "a header is written 'Name: value'"},
		{"{\"method\": \"GET\", \"url\": \"http://a/\", \"headers\": [1]}",
		 "a header is written 'Name: value'"},
		{"{\"method\": \"GET\", \"url\": \"http://a/\", \"headers\": {}}",
		 "headers is not of the right type"},
		{"{\"method\": \"GET\", \"url\": 1}", "url is not of the right type"},
		{"{\"method\": \"GET\", \"url\": \"http://a/\", \"client\": \"me\"}",
		 "the client is no address"},
		{"{\"method\": \"GET\", \"url\": \"http://a/\", \"limit\": -1}",
		 "limit is not a number from 0 to 1000000"},
		{"{\"method\": \"GET\", \"url\": \"http://a/\", \"colour\": \"\"}",
		 "the body has an unknown key; known are method, url, headers, entry, client, "
		 "limit"},
	};
	struct routes *routes = routes_of(web);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		json_t *json = json_loads(bad[i].request, 0, NULL), *answer = NULL;
		struct skep_error error;

		assert_non_null(json);
		assert_int_equal(routes_explain(routes, json, &answer, &error), -EINVAL);
		assert_string_equal(error.text, bad[i].error);
		assert_null(answer);
		json_decref(json);
	}
	routes_close(routes);
}

static void before_there_is_a_model_nothing_is_explained(void **state)
{
	json_t *json = json_pack("{s:s, s:s}", "method", "GET", "url", "http://a/"), *answer = NULL;
	struct skep_error error;
	struct routes *routes;

	(void)state;
	assert_int_equal(routes_open(&routes, &error), 0);
	assert_int_equal(routes_explain(routes, json, &answer, &error), -EAGAIN);
	routes_close(routes);
	json_decref(json);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_api_tells_rules_in_order_and_problems),
		cmocka_unit_test(people_read_problems_first),
		cmocka_unit_test(a_request_is_explained),
		cmocka_unit_test(a_request_that_no_rule_takes_is_explained),
		cmocka_unit_test(what_cannot_be_asked_is_refused),
		cmocka_unit_test(before_there_is_a_model_nothing_is_explained),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
