/* SPDX-License-Identifier: GPL-2.0-only */
/* The feed: who is let in, who is believed, and certificates that rotate. */
#include "feed_fixture.h"

static void a_client_of_another_swarm_is_refused(void **state)
{
	struct fixture *fixture = *state;

	open_server(fixture);
	publish(fixture, MODEL_A);
	/* Signed by another CA, though it trusts this one. */
	ca_issue(&fixture->other_ca, &fixture->ca, fixture->other_dir, &worker);
	assert_int_equal(ask(fixture, fixture->other_dir, "/v1/model", NULL, NULL), 403);
	assert_non_null(strstr(fixture->body, "NOT trusted"));
	open_source(fixture, fixture->other_dir);
	want_status(fixture, SOURCE_STARTING, "NOT trusted");
	assert_int_equal(fixture->n_models, 0);
}

static void a_certificate_of_the_ca_for_something_else_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct swarm_node_cert cert = worker;

	open_server(fixture);
	publish(fixture, MODEL_A);
	cert.role = "something-else";
	ca_issue(&fixture->ca, &fixture->ca, fixture->other_dir, &cert);
	assert_int_equal(ask(fixture, fixture->other_dir, "/v1/model", NULL, NULL), 403);
	assert_non_null(strstr(fixture->body, "not of a Swarm node"));

	cert = worker;
	cert.cluster = "cluster2";
	ca_issue(&fixture->ca, &fixture->ca, fixture->other_dir, &cert);
	assert_int_equal(ask(fixture, fixture->other_dir, "/v1/model", NULL, NULL), 403);
	assert_non_null(strstr(fixture->body, "of another Swarm"));

	cert = worker;
	cert.expires = time(NULL) - 60;
	ca_issue(&fixture->ca, &fixture->ca, fixture->other_dir, &cert);
	assert_int_equal(ask(fixture, fixture->other_dir, "/v1/nudge", "POST", NULL), 403);
	assert_non_null(strstr(fixture->body, "expired"));
	assert_int_equal(fixture->n_nudges, 0);
}

/* curl(1), since skep's own client always shows one. */
static void a_client_without_a_certificate_is_refused(void **state)
{
	struct fixture *fixture = *state;
	char command[512];
	FILE *curl;

	open_server(fixture);
	publish(fixture, MODEL_A);
	snprintf(command, sizeof(command),
		 "curl -sk --max-time 5 --resolve swarm-manager:%u:127.0.0.1 "
		 "https://swarm-manager:%u/v1/model -w ' %%{http_code}' 2>&1",
		 fixture->port, fixture->port);
	curl = popen(command, "r");
	assert_non_null(curl);
	wait_for(fixture->loop, 1000);
	size_t size = fread(fixture->body, 1, sizeof(fixture->body) - 1, curl);
	fixture->body[size] = '\0';
	assert_int_equal(pclose(curl), 0);
	assert_string_equal(fixture->body, "{\"error\":\"no certificate was shown\"} 403");
}

static void a_worker_that_poses_as_a_manager_is_not_believed(void **state)
{
	struct fixture *fixture = *state;

	ca_issue(&fixture->ca, &fixture->ca, fixture->server_dir, &worker);
	open_server(fixture);
	publish(fixture, MODEL_A);
	open_source(fixture, fixture->worker_dir);
	want_status(fixture, SOURCE_STARTING, "swarm-manager");
	assert_true(wait_until(fixture->loop, status_says, fixture, 1000));
	assert_int_equal(fixture->n_models, 0);
}

static void a_manager_of_another_swarm_is_not_believed(void **state)
{
	struct fixture *fixture = *state;

	ca_issue(&fixture->other_ca, &fixture->other_ca, fixture->server_dir, &manager);
	open_server(fixture);
	publish(fixture, MODEL_A);
	open_source(fixture, fixture->worker_dir);
	want_status(fixture, SOURCE_STARTING, "the server's certificate is not trusted");
	wait_for(fixture->loop, 300);
	assert_int_equal(fixture->n_models, 0);
}

static void rotated_certificates_are_taken_up_under_a_long_poll(void **state)
{
	struct fixture *fixture = *state;

	open_server(fixture);
	publish(fixture, MODEL_A);
	open_source(fixture, fixture->worker_dir);
	want_models(fixture, 1, "a");
	wait_for(fixture->loop, 200);
	/* A new CA: only who has taken up the new files gets anywhere from now on. */
	ca_issue(&fixture->other_ca, &fixture->other_ca, fixture->server_dir, &manager);
	wait_for(fixture->loop, 400);
	assert_true(is_current(fixture));
	/* The poll that was waiting still gets its answer. */
	publish(fixture, MODEL_B);
	want_models(fixture, 2, "b");
	/* Neither end shows an old certificate on a new connection. */
	ca_issue(&fixture->other_ca, &fixture->other_ca, fixture->worker_dir, &worker);
	ca_issue(&fixture->other_ca, &fixture->other_ca, fixture->other_dir, &worker);
	assert_int_equal(ask(fixture, fixture->other_dir, "/v1/model", NULL, NULL), 200);
	publish(fixture, MODEL_A);
	want_models(fixture, 3, "a");
	wait_for(fixture->loop, 300);
	publish(fixture, MODEL_B);
	want_models(fixture, 4, "b");
	assert_true(is_current(fixture));
}

static void half_a_rotation_keeps_the_old_certificates(void **state)
{
	struct fixture *fixture = *state;
	struct swarm_node_cert locked = manager;

	open_server(fixture);
	publish(fixture, MODEL_A);
	ca_write(fixture->server_dir, "swarm-node.crt", "half", 4);
	wait_for(fixture->loop, 300);
	assert_int_equal(ask(fixture, fixture->worker_dir, "/v1/model", NULL, NULL), 200);
	locked.encrypted = true;
	ca_issue(&fixture->ca, &fixture->ca, fixture->server_dir, &locked);
	wait_for(fixture->loop, 300);
	assert_int_equal(ask(fixture, fixture->worker_dir, "/v1/model", NULL, NULL), 200);
}

static void a_locked_swarm_s_key_is_named_as_the_trouble(void **state)
{
	struct fixture *fixture = *state;
	struct swarm_node_cert locked = manager;
	const struct feed_server_config config = {.port = fixture->port,
						  .certificates = fixture->server_dir};
	struct skep_error error;

	locked.encrypted = true;
	ca_issue(&fixture->ca, &fixture->ca, fixture->server_dir, &locked);
	assert_int_equal(feed_server_open(&fixture->server, fixture->loop, &config, &error),
			 -EACCES);
	assert_non_null(strstr(error.text, "is encrypted, since the Swarm is locked"));
	open_source(fixture, fixture->server_dir);
	want_status(fixture, SOURCE_STARTING, "is encrypted, since the Swarm is locked");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_client_of_another_swarm_is_refused),
		TEST(a_certificate_of_the_ca_for_something_else_is_refused),
		TEST(a_client_without_a_certificate_is_refused),
		TEST(a_worker_that_poses_as_a_manager_is_not_believed),
		TEST(a_manager_of_another_swarm_is_not_believed),
		TEST(rotated_certificates_are_taken_up_under_a_long_poll),
		TEST(half_a_rotation_keeps_the_old_certificates),
		TEST(a_locked_swarm_s_key_is_named_as_the_trouble),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
