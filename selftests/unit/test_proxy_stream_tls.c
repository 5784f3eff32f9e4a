/* SPDX-License-Identifier: GPL-2.0-only */
/* What an encrypted stream knows of what a read may bring. The test is its client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "proxy/stream.h"
#include "proxy/tls.h"
#include "proxy/worker.h"
#include "scratch.h"
#include "swarm_ca.h"

static struct worker worker;
static struct stream stream;
static char *directory;
static struct loop *loop;
static struct tls *tls;
static SSL_CTX *context;
static SSL *client;

static void make_certificate(void)
{
	gnutls_x509_privkey_t key = ca_key();
	gnutls_x509_crt_t cert = ca_cert(key, "a.test", time(NULL) + 3600);
	gnutls_datum_t text;

	ca_must(gnutls_x509_crt_sign2(cert, cert, key, GNUTLS_DIG_SHA256, 0));
	ca_write_cert(directory, "a.crt", cert);
	ca_must(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &text));
	ca_write(directory, "a.key", text.data, text.size);
	gnutls_free(text.data);
	gnutls_x509_crt_deinit(cert);
	gnutls_x509_privkey_deinit(key);
}

static int set_up(void **state)
{
	struct skep_error error;
	int ends[2];

	(void)state;
	worker_enter(&worker);
	log_set_level(LOG_LEVEL_ERROR);
	directory = scratch_make();
	make_certificate();
	loop = loop_new();
	assert_non_null(loop);
	assert_int_equal(tls_open(&tls, loop, directory, false, &error), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	stream = (struct stream){.source.fd = ends[0]};
	assert_int_equal(stream_encrypt(&stream, tls), 0);
	context = SSL_CTX_new(TLS_client_method());
	client = SSL_new(context);
	assert_int_equal(SSL_set_fd(client, ends[1]), 1);
	SSL_set_connect_state(client);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(SSL_get_fd(client));
	SSL_free(client);
	SSL_CTX_free(context);
	stream_close(&stream);
	tls_close(tls);
	loop_free(loop);
	scratch_remove(directory);
	return 0;
}

/* As if epoll said that something came. */
static void notice(void)
{
	stream_note(&stream, EPOLLIN | EPOLLOUT);
}

static void say(const char *text)
{
	assert_int_equal(SSL_write(client, text, (int)strlen(text)), strlen(text));
}

static void reads(const char *text)
{
	char data[64] = "";

	assert_int_equal(stream_read(&stream, data, sizeof(data) - 1), strlen(text));
	assert_string_equal(data, text);
}

static void shake_hands(void)
{
	char byte;

	while (!SSL_is_init_finished(client) || !stream.tls_established) {
		SSL_do_handshake(client);
		notice();
		assert_int_equal(stream_read(&stream, &byte, 1), -EAGAIN);
		assert_false(stream.readable);
	}
}

static void a_read_that_brought_all_there_was_needs_no_other(void **state)
{
	(void)state;
	shake_hands();
	say("one");
	notice();
	reads("one");
	assert_false(stream.readable);
	say("two");
	notice();
	reads("two");
	assert_false(stream.readable);
}

static void what_openssl_holds_is_still_to_be_read(void **state)
{
	(void)state;
	shake_hands();
	say("one");
	say("two");
	notice();
	reads("one");
	assert_true(stream.readable);
	reads("two");
	assert_false(stream.readable);
}

static void what_came_meanwhile_is_behind_what_openssl_holds(void **state)
{
	(void)state;
	shake_hands();
	say("one");
	say("two");
	notice();
	reads("one");
	say("three");
	notice();
	reads("two");
	assert_true(stream.readable);
	reads("three");
	assert_false(stream.readable);
}

static void the_end_behind_the_last_word_is_still_to_be_read(void **state)
{
	char byte;

	(void)state;
	shake_hands();
	say("one");
	SSL_shutdown(client);
	notice();
	reads("one");
	assert_true(stream.readable);
	assert_int_equal(stream_read(&stream, &byte, 1), 0);
}

static void an_end_without_a_last_word_is_found(void **state)
{
	char byte;

	(void)state;
	shake_hands();
	say("one");
	shutdown(SSL_get_fd(client), SHUT_WR);
	stream_note(&stream, EPOLLIN | EPOLLRDHUP);
	reads("one");
	assert_true(stream.readable);
	assert_int_equal(stream_read(&stream, &byte, 1), -EPROTO);
}

static void half_a_record_is_waited_for(void **state)
{
	BIO *sealed = BIO_new(BIO_s_mem());
	char record[256], byte;
	int size;

	(void)state;
	shake_hands();
	SSL_set0_wbio(client, sealed);
	say("one");
	size = BIO_read(sealed, record, sizeof(record));
	assert_true(size > 10);
	assert_int_equal(send(SSL_get_fd(client), record, 10, 0), 10);
	notice();
	assert_int_equal(stream_read(&stream, &byte, 1), -EAGAIN);
	assert_false(stream.readable);
	assert_int_equal(send(SSL_get_fd(client), record + 10, (size_t)size - 10, 0), size - 10);
	notice();
	reads("one");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_read_that_brought_all_there_was_needs_no_other),
		TEST(what_openssl_holds_is_still_to_be_read),
		TEST(what_came_meanwhile_is_behind_what_openssl_holds),
		TEST(the_end_behind_the_last_word_is_still_to_be_read),
		TEST(an_end_without_a_last_word_is_found),
		TEST(half_a_record_is_waited_for),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
