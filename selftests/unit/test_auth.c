/* SPDX-License-Identifier: GPL-2.0-only */
/* How passwords are checked by a thread that has other things to do. Which hashes match is in the
 * routes_*.txt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <crypt.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/addr.h"
#include "route/auth.h"

#define HASH_MS 20 /* that a hash takes here, more or less */
#define RIGHT	"open sesame"
#define TRIES	10000
#define ALL_S	60 /* to wait for what comes with the time */
#define US_A_MS 1000

static char quick_hash[CRYPT_OUTPUT_SIZE], slow_hash[CRYPT_OUTPUT_SIZE];
static struct route_user user = {.name = "ann", .secret = slow_hash};
static const struct route_users users = {.first = &user};
static struct auth_cache *cache;

static int64_t cpu_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void hash_of(const char *password, unsigned int rounds, char *hash)
{
	static struct crypt_data data;
	char salt[64];

	snprintf(salt, sizeof(salt), "$6$rounds=%u$saltsaltsaltsalt", rounds);
	strcpy(hash, crypt_r(password, salt, &data));
}

/* As slow on any machine, and under Valgrind. */
static int make_slow_hash(void **state)
{
	int64_t began = cpu_us(), each_us;
	unsigned int rounds = 1000;

	(void)state;
	for (int i = 0; i < 5; i++)
		hash_of(RIGHT, rounds, quick_hash);
	each_us = (cpu_us() - began) / 5;
	if (each_us && each_us < HASH_MS * US_A_MS)
		rounds = (unsigned int)(rounds * HASH_MS * US_A_MS / each_us);
	hash_of(RIGHT, rounds, slow_hash);
	return 0;
}

static int begin(void **state)
{
	(void)state;
	user.secret = slow_hash;
	cache = auth_cache_new();
	return cache ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	auth_cache_free(cache);
	return 0;
}

static struct skep_addr addr(const char *text)
{
	struct skep_addr made = {0};

	if (strchr(text, ':'))
		assert_int_equal(inet_pton(AF_INET6, text, &made), 1);
	else
		made = skep_addr_v4(inet_addr(text));
	return made;
}

static enum auth_verdict says_addr(const struct skep_addr *client, const char *password)
{
	char text[256], field[600] = "Basic ";
	gnutls_datum_t plain = {(unsigned char *)text, 0}, encoded;
	enum auth_verdict verdict;

	plain.size = (unsigned int)snprintf(text, sizeof(text), "ann:%s", password);
	assert_int_equal(gnutls_base64_encode2(&plain, &encoded), 0);
	snprintf(field + 6, sizeof(field) - 6, "%.*s", (int)encoded.size, encoded.data);
	gnutls_free(encoded.data);
	verdict = auth_check(&users, (struct route_text){field, strlen(field)}, client, cache);
	return verdict;
}

static enum auth_verdict says(const char *client, const char *password)
{
	const struct skep_addr from = addr(client);

	return says_addr(&from, password);
}

/* Guesses until none is looked at any more. */
static void guess(const char *client)
{
	static int number;
	char password[32];
	int tries;

	for (tries = 0; tries < TRIES; tries++) {
		snprintf(password, sizeof(password), "guess %d", ++number);
		if (says(client, password) == AUTH_LATER)
			break;
	}
	assert_in_range(tries, 0, TRIES - 1);
}

static void right_and_wrong_passwords_are_hashed_once(void **state)
{
	int64_t began, once;

	(void)state;
	began = cpu_us();
	assert_int_equal(says("192.0.2.1", RIGHT), AUTH_ACCEPTED);
	assert_int_equal(says("192.0.2.1", "wrong"), AUTH_REFUSED);
	once = cpu_us() - began;
	began = cpu_us();
	for (int i = 0; i < 5; i++) {
		assert_int_equal(says("192.0.2.1", RIGHT), AUTH_ACCEPTED);
		assert_int_equal(says("192.0.2.1", "wrong"), AUTH_REFUSED);
	}
	assert_true(cpu_us() - began < once);
}

static void guess_alone(void)
{
	guess("192.0.2.1");
}

static void guess_from_a_network(void)
{
	guess("2001:db8::1");
}

/* After so many guesses nobody looks at the right password. Some time may have come in meanwhile:
 * hardly each time. */
static void expect_later(void (*exhaust)(void), const char *client)
{
	for (int i = 0; i < 5; i++) {
		exhaust();
		if (says(client, RIGHT) == AUTH_LATER)
			return;
		auth_cache_free(cache);
		cache = auth_cache_new();
	}
	fail_msg("%s is looked at", client);
}

static void who_guesses_is_soon_not_looked_at_any_more(void **state)
{
	int64_t began = cpu_us(), took;

	(void)state;
	guess_alone();
	took = cpu_us() - began;
	assert_true(took > (int64_t)AUTH_ONE_BURST_MS * US_A_MS / 2);
	assert_true(took < (int64_t)AUTH_ONE_BURST_MS * US_A_MS * 3);
	/* Not even at what is right, or guessing would go on. */
	expect_later(guess_alone, "192.0.2.1");
}

/* By one of many clients: few share a place with another, and what that has used. */
static enum auth_verdict somebody_says(const char *network, const char *password)
{
	enum auth_verdict verdict = AUTH_LATER;
	char client[64];

	for (int i = 2; i < 50 && verdict == AUTH_LATER; i++) {
		snprintf(client, sizeof(client), network, i);
		verdict = says(client, password);
	}
	return verdict;
}

static void what_is_remembered_costs_nothing_and_goes_on(void **state)
{
	int64_t began;

	(void)state;
	guess_alone();
	assert_int_equal(somebody_says("192.0.2.%d", RIGHT), AUTH_ACCEPTED);
	assert_int_equal(somebody_says("192.0.2.%d", "wrong"), AUTH_REFUSED);
	began = cpu_us();
	assert_int_equal(says("192.0.2.1", RIGHT), AUTH_ACCEPTED);
	assert_int_equal(says("192.0.2.1", "wrong"), AUTH_REFUSED);
	assert_true(cpu_us() - began < HASH_MS * US_A_MS / 2);
}

/* Guesses of ever new clients, until none is looked at any more. */
static void guess_together(void)
{
	enum auth_verdict verdict = AUTH_REFUSED;
	char password[32];

	for (uint32_t i = 0; i < TRIES && verdict != AUTH_LATER; i++) {
		const struct skep_addr client = skep_addr_v4(htonl(0x0a000000U + i));

		snprintf(password, sizeof(password), "guess %u", i);
		verdict = says_addr(&client, password);
	}
	assert_int_equal(verdict, AUTH_LATER);
}

static void guesses_do_not_push_out_what_is_right(void **state)
{
	(void)state;
	user.secret = quick_hash; /* so that there are more than places */
	assert_int_equal(says("192.0.2.1", RIGHT), AUTH_ACCEPTED);
	guess_together();
	assert_int_equal(says("192.0.2.1", RIGHT), AUTH_ACCEPTED);
}

static void others_can_log_in_meanwhile(void **state)
{
	(void)state;
	guess("192.0.2.1");
	assert_int_equal(somebody_says("192.0.2.%d", RIGHT), AUTH_ACCEPTED);
}

static void an_ipv6_network_is_one_client(void **state)
{
	(void)state;
	expect_later(guess_from_a_network, "2001:db8::ffff:1");
	assert_int_equal(somebody_says("2001:db8:0:%d::1", "another"), AUTH_REFUSED);
}

static void after_a_while_it_is_looked_at_again(void **state)
{
	const struct timespec moment = {.tv_nsec = 20000000};
	time_t limit = time(NULL) + ALL_S;
	enum auth_verdict verdict;

	(void)state;
	guess("192.0.2.1");
	while ((verdict = says("192.0.2.1", RIGHT)) == AUTH_LATER && time(NULL) < limit)
		nanosleep(&moment, NULL);
	assert_int_equal(verdict, AUTH_ACCEPTED);
}

static void many_clients_together_do_not_take_all_the_time(void **state)
{
	int64_t began = cpu_us(), took;

	(void)state;
	guess_together();
	took = cpu_us() - began;
	assert_true(took > (int64_t)AUTH_ALL_BURST_MS * US_A_MS / 2);
	assert_true(took < (int64_t)AUTH_ALL_BURST_MS * US_A_MS * 3);
	expect_later(guess_together, "203.0.113.1");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(right_and_wrong_passwords_are_hashed_once),
		TEST(who_guesses_is_soon_not_looked_at_any_more),
		TEST(what_is_remembered_costs_nothing_and_goes_on),
		TEST(guesses_do_not_push_out_what_is_right),
		TEST(others_can_log_in_meanwhile),
		TEST(an_ipv6_network_is_one_client),
		TEST(after_a_while_it_is_looked_at_again),
		TEST(many_clients_together_do_not_take_all_the_time),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_slow_hash, NULL);
}
