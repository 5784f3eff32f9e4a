/* SPDX-License-Identifier: GPL-2.0-only */
/* What a TLS client says first, as OpenSSL writes it, and spoilt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/hello.h"

#define ROOM 2048

/* OpenSSL's own for this host (NULL: it names none); its size. */
static size_t client_hello(const char *host, unsigned char data[ROOM])
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(context);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	int size;

	SSL_set_bio(ssl, in, out);
	if (host)
		SSL_set_tlsext_host_name(ssl, host);
	SSL_connect(ssl);
	size = BIO_read(out, data, ROOM);
	assert_true(size > 100);
	SSL_free(ssl);
	SSL_CTX_free(context);
	return (size_t)size;
}

static void the_host_is_read(void **state)
{
	unsigned char data[ROOM];
	size_t size = client_hello("www.example.com", data);
	struct hello hello;

	(void)state;
	assert_int_equal(hello_parse(&hello, data, size), 0);
	assert_string_equal(hello.host, "www.example.com");
}

static void a_client_may_name_no_host(void **state)
{
	unsigned char data[ROOM];
	size_t size = client_hello(NULL, data);
	struct hello hello;

	(void)state;
	assert_int_equal(hello_parse(&hello, data, size), 0);
	assert_string_equal(hello.host, "");
}

static void a_dot_at_the_end_is_left_out(void **state)
{
	unsigned char data[ROOM];
	size_t size = client_hello("www.example.com.", data);
	struct hello hello;

	(void)state;
	assert_int_equal(hello_parse(&hello, data, size), 0);
	assert_string_equal(hello.host, "www.example.com");
}

static void as_long_as_it_is_not_whole_more_is_asked_for(void **state)
{
	unsigned char data[ROOM];
	size_t size = client_hello("www.example.com", data);
	struct hello hello;

	(void)state;
	for (size_t n = 0; n < size; n++)
		assert_int_equal(hello_parse(&hello, data, n), -EAGAIN);
}

static void it_may_come_in_several_records(void **state)
{
	unsigned char data[ROOM], split[8 * ROOM];
	size_t size = client_hello("www.example.com", data), n;
	struct hello hello;

	(void)state;
	for (size_t step = 1; step < size; step += 7) {
		n = 0;
		for (size_t at = 5; at < size; at += step) {
			size_t part = size - at < step ? size - at : step;

			memcpy(split + n, data, 3);
			split[n + 3] = (unsigned char)(part >> 8);
			split[n + 4] = (unsigned char)part;
			memcpy(split + n + 5, data + at, part);
			n += 5 + part;
		}
		assert_int_equal(hello_parse(&hello, split, n), 0);
		assert_string_equal(hello.host, "www.example.com");
		assert_int_equal(hello_parse(&hello, split, n - 1), -EAGAIN);
	}
}

static void what_is_no_hello_is_refused_at_once(void **state)
{
	static const struct {
		const char *data;
		size_t size;
	} others[] = {
		{"GET / HTTP/1.1\r\n", 16},
		{"\x16\x02", 2},			     /* a version of long ago */
		{"\x15\x03\x01\x00\x02\x01\x00", 7},	     /* an alert */
		{"\x16\x03\x01\x00\x00", 5},		     /* an empty record */
		{"\x16\x03\x01\x40\x01", 5},		     /* one too long */
		{"\x16\x03\x01\x00\x04\x02\x00\x00\x00", 9}, /* a ServerHello */
		{"\x16\x03\x01\x00\x04\x01\xff\xff\xff", 9}, /* too long a message */
		{"\x16\x03\x01\x00\x04\x01\x00\x00\x00", 9}, /* an empty one */
	};
	struct hello hello;

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		assert_int_equal(hello_parse(&hello, others[i].data, others[i].size), -EBADMSG);
}

static size_t find(const unsigned char *data, size_t size, const char *text)
{
	const unsigned char *found = memmem(data, size, text, strlen(text));

	assert_non_null(found);
	return (size_t)(found - data);
}

static void lengths_that_do_not_fit_are_refused(void **state)
{
	unsigned char data[ROOM];
	size_t size = client_hello("www.example.com", data);
	size_t host = find(data, size, "www.example.com");
	struct hello hello;

	(void)state;
	/* Before the name: its length (2), its kind (1), that of the list (2), of the extension. */
	for (size_t before = 1; before <= 7; before++) {
		if (before == 3)
			continue;
		data[host - before] ^= 1;
		assert_int_equal(hello_parse(&hello, data, size), -EBADMSG);
		assert_string_equal(hello.host, "");
		data[host - before] ^= 1;
	}
}

static void a_name_of_another_kind_is_none(void **state)
{
	unsigned char data[ROOM];
	size_t size = client_hello("www.example.com", data);
	struct hello hello;

	(void)state;
	data[find(data, size, "www.example.com") - 3] = 1;
	assert_int_equal(hello_parse(&hello, data, size), 0);
	assert_string_equal(hello.host, "");
}

static void a_name_that_nobody_can_read_is_refused(void **state)
{
	unsigned char data[ROOM];
	size_t size = client_hello("www.example.com", data);
	size_t host = find(data, size, "www.example.com");
	struct hello hello;

	(void)state;
	for (const char *bad = " \n\x7f\xff"; *bad; bad++) {
		data[host + 3] = (unsigned char)*bad;
		assert_int_equal(hello_parse(&hello, data, size), -EBADMSG);
	}
	data[host + 3] = '\0';
	assert_int_equal(hello_parse(&hello, data, size), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_host_is_read),
		cmocka_unit_test(a_client_may_name_no_host),
		cmocka_unit_test(a_dot_at_the_end_is_left_out),
		cmocka_unit_test(as_long_as_it_is_not_whole_more_is_asked_for),
		cmocka_unit_test(it_may_come_in_several_records),
		cmocka_unit_test(what_is_no_hello_is_refused_at_once),
		cmocka_unit_test(lengths_that_do_not_fit_are_refused),
		cmocka_unit_test(a_name_of_another_kind_is_none),
		cmocka_unit_test(a_name_that_nobody_can_read_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
