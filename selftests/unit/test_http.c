/* SPDX-License-Identifier: GPL-2.0-only */
/* HTTP requests from the loop, and the PEM files they may need. The other end is the fake Engine.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fake_engine.h"
#include "lib/http.h"
#include "lib/pem.h"
#include "scratch.h"
#include "swarm_ca.h"
#include "wait.h"

struct fixture {
	char *directory;
	struct loop *loop;
	struct http *http;
	struct fake_engine engine;
	struct http_request *request;
	struct http_request *victim; /* cancelled by another's callback */
	unsigned int n_done, n_chunks, wanted;
	long status;
	char body[512], error[512];
	char streamed[512];
	bool cancel_in_chunk, start_in_done;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct skep_error error;

	fixture->directory = scratch_make();
	fixture->loop = loop_new();
	assert_int_equal(http_open(&fixture->http, fixture->loop, &error), 0);
	fake_start(&fixture->engine, fixture->loop, fixture->directory);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	http_close(fixture->http);
	fake_stop(&fixture->engine);
	loop_free(fixture->loop);
	scratch_remove(fixture->directory);
	free(fixture);
	return 0;
}

static struct http_request *start(struct fixture *fixture, const char *path, bool is_stream);

static void take_answer(void *context, const struct http_answer *answer)
{
	struct fixture *fixture = context;

	fixture->n_done++;
	fixture->request = NULL;
	fixture->status = answer->status;
	snprintf(fixture->body, sizeof(fixture->body), "%s", answer->body ? answer->body : "NULL");
	snprintf(fixture->error, sizeof(fixture->error), "%s", answer->error);
	http_cancel(fixture->victim);
	fixture->victim = NULL;
	if (fixture->start_in_done) {
		fixture->start_in_done = false;
		start(fixture, "/again", false);
	}
}

static void take_chunk(void *context, const char *data, size_t size)
{
	struct fixture *fixture = context;
	size_t used = strlen(fixture->streamed);

	fixture->n_chunks++;
	snprintf(fixture->streamed + used, sizeof(fixture->streamed) - used, "[%.*s]", (int)size,
		 data);
	if (fixture->cancel_in_chunk) {
		http_cancel(fixture->request);
		fixture->request = NULL;
	}
}

static struct http_request *start(struct fixture *fixture, const char *path, bool is_stream)
{
	char url[128];
	const struct http_query query = {.url = url,
					 .unix_socket = fixture->engine.path,
					 .limit = 100,
					 .timeout_ms = is_stream ? 0 : 500,
					 .done = take_answer,
					 .chunk = is_stream ? take_chunk : NULL,
					 .context = fixture};
	struct http_request *request;
	struct skep_error error;

	snprintf(url, sizeof(url), "http://docker%s", path);
	if (http_start(fixture->http, &query, &request, &error))
		fail_msg("%s", error.text);
	return request;
}

static bool is_done(void *context)
{
	struct fixture *fixture = context;

	return fixture->n_done >= fixture->wanted;
}

static bool is_streamed(void *context)
{
	struct fixture *fixture = context;

	return fixture->n_chunks >= fixture->wanted;
}

static void want_done(struct fixture *fixture, unsigned int n)
{
	fixture->wanted = n;
	assert_true(wait_until(fixture->loop, is_done, fixture, 3000));
	assert_int_equal(fixture->n_done, n);
}

static void want_chunks(struct fixture *fixture, unsigned int n)
{
	fixture->wanted = n;
	assert_true(wait_until(fixture->loop, is_streamed, fixture, 3000));
}

static void fake_engine_answer_comes_with_status_and_body(void **state)
{
	struct fixture *fixture = *state;

	fake_set(&fixture->engine, "/page", 200, "hello");
	start(fixture, "/page", false);
	assert_int_equal(fixture->n_done, 0); /* never from within http_start() */
	want_done(fixture, 1);
	assert_int_equal(fixture->status, 200);
	assert_string_equal(fixture->body, "hello");
	start(fixture, "/nothing", false);
	want_done(fixture, 2);
	assert_int_equal(fixture->status, 404);
	assert_string_equal(fixture->body, "{\"message\":\"page not found\"}");
	fake_set(&fixture->engine, "/empty", 200, "");
	start(fixture, "/empty", false);
	want_done(fixture, 3);
	assert_string_equal(fixture->body, "");
}

static void fake_engine_answer_beyond_the_limit_is_an_error(void **state)
{
	struct fixture *fixture = *state;
	char body[102];

	memset(body, 'x', 101);
	body[101] = '\0';
	fake_set(&fixture->engine, "/page", 200, body);
	start(fixture, "/page", false);
	want_done(fixture, 1);
	assert_int_equal(fixture->status, 0);
	assert_string_equal(fixture->error, "the answer is larger than 100 bytes");
	body[100] = '\0';
	fake_set(&fixture->engine, "/page", 200, body);
	start(fixture, "/page", false);
	want_done(fixture, 2);
	assert_int_equal(fixture->status, 200);
}

static void fake_engine_gone_is_said_in_the_system_s_words(void **state)
{
	struct fixture *fixture = *state;

	fake_down(&fixture->engine);
	start(fixture, "/page", false);
	want_done(fixture, 1);
	assert_int_equal(fixture->status, 0);
	assert_string_equal(fixture->error, "No such file or directory");
}

static void fake_engine_that_hangs_is_given_up(void **state)
{
	struct fixture *fixture = *state;

	/* An event stream to which nobody listens as to one: no end. */
	start(fixture, "/events", false);
	want_done(fixture, 1);
	assert_int_equal(fixture->status, 0);
	assert_non_null(strstr(fixture->error, "timed out"));
}

static void fake_engine_stream_comes_as_it_is_written(void **state)
{
	struct fixture *fixture = *state;

	fixture->request = start(fixture, "/events", true);
	want_chunks(fixture, 1);
	assert_string_equal(fixture->streamed, "[]"); /* the 200 is there */
	fake_event(&fixture->engine, "one");
	want_chunks(fixture, 2);
	fake_event(&fixture->engine, "two");
	want_chunks(fixture, 3);
	assert_string_equal(fixture->streamed, "[][one\n][two\n]");
	fake_down(&fixture->engine);
	want_done(fixture, 1);
	assert_int_equal(fixture->status, 200);
	assert_string_equal(fixture->body, "NULL");
}

static void fake_engine_stream_refused_is_an_answer(void **state)
{
	struct fixture *fixture = *state;

	fake_set(&fixture->engine, "/events", 503, "no leader");
	start(fixture, "/events", true);
	want_done(fixture, 1);
	assert_int_equal(fixture->n_chunks, 0);
	assert_int_equal(fixture->status, 503);
	assert_string_equal(fixture->body, "no leader");
}

static void fake_engine_stream_may_be_cancelled_by_its_own_chunk(void **state)
{
	struct fixture *fixture = *state;

	fixture->cancel_in_chunk = true;
	fixture->request = start(fixture, "/events", true);
	want_chunks(fixture, 1);
	wait_for(fixture->loop, 50);
	assert_int_equal(fixture->n_chunks, 1);
	assert_int_equal(fixture->n_done, 0);
}

static void fake_engine_callbacks_may_start_and_cancel(void **state)
{
	struct fixture *fixture = *state;

	fake_set(&fixture->engine, "/page", 200, "first");
	fake_set(&fixture->engine, "/again", 200, "second");
	fixture->victim = start(fixture, "/events", true);
	fixture->start_in_done = true;
	start(fixture, "/page", false);
	want_done(fixture, 2);
	assert_string_equal(fixture->body, "second");
	assert_null(fixture->victim);
}

static void fake_engine_requests_are_cancelled_at_any_time(void **state)
{
	struct fixture *fixture = *state;

	fake_set(&fixture->engine, "/page", 200, "hello");
	for (uint64_t ms = 0; ms < 8; ms++) {
		struct http_request *request = start(fixture, "/events", true);
		start(fixture, "/events", true);
		wait_for(fixture->loop, ms);
		http_cancel(request);
	}
	/* The rest is http_close()'s. */
}

static void the_environment_s_proxy_is_not_used(void **state)
{
	struct fixture *fixture = *state;

	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("all_proxy", "http://127.0.0.1:1", 1);
	fake_set(&fixture->engine, "/page", 200, "hello");
	start(fixture, "/page", false);
	want_done(fixture, 1);
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	assert_int_equal(fixture->status, 200);
}

static int read_identity(struct fixture *fixture, struct pem_identity *identity,
			 struct skep_error *error)
{
	char ca[128], cert[128], key[128];

	snprintf(ca, sizeof(ca), "%s/swarm-root-ca.crt", fixture->directory);
	snprintf(cert, sizeof(cert), "%s/swarm-node.crt", fixture->directory);
	snprintf(key, sizeof(key), "%s/swarm-node.key", fixture->directory);
	return pem_identity_read(identity, ca, cert, key, error);
}

static void a_key_s_headers_are_left_out(void **state)
{
	/* RFC 1421: continued lines start with a space; Windows ends lines in its own way. */
	static const char key[] =
		"-----BEGIN PRIVATE KEY-----\r\nkek-version: 0\r\nraft-dek: Ei\r\n"
		" continued==\r\n\r\nMIGH\r\nAgEA\r\n-----END PRIVATE KEY-----\r\n";
	struct fixture *fixture = *state;
	struct pem_identity identity;
	struct skep_error error;

	ca_write(fixture->directory, "swarm-root-ca.crt", "ca", 2);
	ca_write(fixture->directory, "swarm-node.crt", "cert", 4);
	ca_write(fixture->directory, "swarm-node.key", key, strlen(key));
	assert_int_equal(read_identity(fixture, &identity, &error), 0);
	assert_string_equal(identity.key.data, "-----BEGIN PRIVATE KEY-----\r\nMIGH\r\nAgEA\r\n"
					       "-----END PRIVATE KEY-----\r\n");
	assert_int_equal(identity.key.size, strlen(identity.key.data));
	assert_string_equal(identity.ca.data, "ca");
	pem_identity_free(&identity);
}

static void an_encrypted_key_is_refused_by_name(void **state)
{
	static const char *const keys[] = {
		"-----BEGIN ENCRYPTED PRIVATE KEY-----\nkek-version: 39\n\nMIHe\n"
		"-----END ENCRYPTED PRIVATE KEY-----\n",
		"-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES\n\nMIHe\n"
		"-----END EC PRIVATE KEY-----\n",
	};
	struct fixture *fixture = *state;
	struct pem_identity identity;
	struct skep_error error;

	ca_write(fixture->directory, "swarm-root-ca.crt", "ca", 2);
	ca_write(fixture->directory, "swarm-node.crt", "cert", 4);
	for (int i = 0; i < 2; i++) {
		ca_write(fixture->directory, "swarm-node.key", keys[i], strlen(keys[i]));
		assert_int_equal(read_identity(fixture, &identity, &error), -EACCES);
		assert_non_null(strstr(error.text, "swarm-node.key is encrypted"));
		pem_identity_free(&identity);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(fake_engine_answer_comes_with_status_and_body),
		TEST(fake_engine_answer_beyond_the_limit_is_an_error),
		TEST(fake_engine_gone_is_said_in_the_system_s_words),
		TEST(fake_engine_that_hangs_is_given_up),
		TEST(fake_engine_stream_comes_as_it_is_written),
		TEST(fake_engine_stream_refused_is_an_answer),
		TEST(fake_engine_stream_may_be_cancelled_by_its_own_chunk),
		TEST(fake_engine_callbacks_may_start_and_cancel),
		TEST(fake_engine_requests_are_cancelled_at_any_time),
		TEST(the_environment_s_proxy_is_not_used),
		TEST(a_key_s_headers_are_left_out),
		TEST(an_encrypted_key_is_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
