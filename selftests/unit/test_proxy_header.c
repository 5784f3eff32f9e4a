/* SPDX-License-Identifier: GPL-2.0-only */
/* The PROXY protocol, read and written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/addr.h"
#include "proxy/proxy_header.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4_BODY	  "\xc6\x33\x64\x07\xcb\x00\x71\x01\x12\x67\x01\xbb"

static struct proxy_header parsed(const char *data, size_t size)
{
	struct proxy_header header;

	assert_int_equal(proxy_header_parse(&header, data, size), 0);
	for (size_t n = 0; n < header.size; n++) {
		struct proxy_header part;

		assert_int_equal(proxy_header_parse(&part, data, n), -EAGAIN);
	}
	return header;
}

static void assert_told(const struct proxy_header *header, const char *expected)
{
	char text[256], client[ADDR_TEXT_SIZE], server[ADDR_TEXT_SIZE];

	snprintf(text, sizeof(text), "%s %u to %s %u", addr_text(&header->client, client),
		 header->client_port, addr_text(&header->server, server), header->server_port);
	assert_string_equal(text, expected);
	assert_false(header->local);
}

static void a_line_is_read(void **state)
{
	static const char v4[] = "PROXY TCP4 198.51.100.7 203.0.113.1 4711 443\r\nGET /";
	static const char v6[] = "PROXY TCP6 2001:db8::7 2001:db8::1 65535 0\r\n";
	struct proxy_header header = parsed(v4, sizeof(v4) - 1);

	(void)state;
	assert_told(&header, "198.51.100.7 4711 to 203.0.113.1 443");
	assert_int_equal(header.size, sizeof(v4) - 1 - 5);
	header = parsed(v6, sizeof(v6) - 1);
	assert_told(&header, "2001:db8::7 65535 to 2001:db8::1 0");
}

static void a_line_may_say_that_nothing_is_known(void **state)
{
	static const char line[] = "PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n";
	static const char shortest[] = "PROXY UNKNOWN\r\n";

	(void)state;
	assert_true(parsed(line, sizeof(line) - 1).local);
	assert_true(parsed(shortest, sizeof(shortest) - 1).local);
}

static void bytes_are_read(void **state)
{
	static const char v4[] = SIGNATURE "\x21\x11\x00\x0c" V4_BODY "GET";
	static const char extended[] = SIGNATURE "\x21\x11\x00\x10" V4_BODY "\x04\x00\x01x";
	static const char v6[] =
		SIGNATURE "\x21\x21\x00\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"
			  "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x12\x67\x01\xbb";
	struct proxy_header header = parsed(v4, sizeof(v4) - 1);

	(void)state;
	assert_told(&header, "198.51.100.7 4711 to 203.0.113.1 443");
	assert_int_equal(header.size, 28);
	header = parsed(extended, sizeof(extended) - 1);
	assert_told(&header, "198.51.100.7 4711 to 203.0.113.1 443");
	assert_int_equal(header.size, 32);
	header = parsed(v6, sizeof(v6) - 1);
	assert_told(&header, "2001:db8::7 4711 to 2001:db8::1 443");
}

static void of_other_families_and_checks_nothing_is_known(void **state)
{
	static const char local[] = SIGNATURE "\x20\x11\x00\x0c" V4_BODY;
	static const char unspecified[] = SIGNATURE "\x21\x00\x00\x00";
	static const char udp[] = SIGNATURE "\x21\x12\x00\x0c" V4_BODY;

	(void)state;
	assert_true(parsed(local, sizeof(local) - 1).local);
	assert_true(parsed(unspecified, sizeof(unspecified) - 1).local);
	assert_true(parsed(udp, sizeof(udp) - 1).local);
}

static void what_a_client_says_itself_is_no_header(void **state)
{
	static const char *const others[] = {"GET / HTTP/1.1\r\n", "PUT / HTTP/1.1\r\n", "PROXYING",
					     "\r\nGET /", "\x16\x03\x01"};
	struct proxy_header header;

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		assert_int_equal(proxy_header_parse(&header, others[i], strlen(others[i])),
				 -ENOENT);
}

static void a_wrong_line_is_refused(void **state)
{
	static const char *const lines[] = {
		"PROXY TCP4 198.51.100.7 203.0.113.1 4711 443\n",
		"PROXY TCP4 198.51.100.7 203.0.113.1 4711 443 \r\n",
		"PROXY TCP4 198.51.100.7 203.0.113.1 4711\r\n",
		"PROXY TCP4  198.51.100.7 203.0.113.1 4711 443\r\n",
		"PROXY TCP4 198.51.100.7 203.0.113.1 04711 443\r\n",
		"PROXY TCP4 198.51.100.7 203.0.113.1 65536 443\r\n",
		"PROXY TCP4 198.51.100.7 203.0.113.1 -1 443\r\n",
		"PROXY TCP4 198.51.100 203.0.113.1 4711 443\r\n",
		"PROXY TCP4 2001:db8::7 2001:db8::1 4711 443\r\n",
		"PROXY TCP6 198.51.100.7 203.0.113.1 4711 443\r\n",
		"PROXY UDP4 198.51.100.7 203.0.113.1 4711 443\r\n",
		"PROXY \r\n",
	};
	char endless[200] = "PROXY UNKNOWN ";
	struct proxy_header header;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		assert_int_equal(proxy_header_parse(&header, lines[i], strlen(lines[i])), -EBADMSG);
	memset(endless + 14, 'x', sizeof(endless) - 14);
	assert_int_equal(proxy_header_parse(&header, endless, 106), -EAGAIN);
	assert_int_equal(proxy_header_parse(&header, endless, 107), -EBADMSG);
	/* A NUL does not end it. */
	assert_int_equal(proxy_header_parse(&header, "PROXY UNKNOWN\0 x\r\n", 18), -EBADMSG);
}

static void wrong_bytes_are_refused(void **state)
{
	static const char version[] = SIGNATURE "\x11\x11\x00\x0c" V4_BODY;
	static const char command[] = SIGNATURE "\x22\x11\x00\x0c" V4_BODY;
	static const char small[] = SIGNATURE "\x21\x11\x00\x0b" V4_BODY;
	static const char small_v6[] = SIGNATURE "\x21\x21\x00\x0c" V4_BODY;
	static const char large[] = SIGNATURE "\x21\x11\x03\xf1" V4_BODY;
	struct proxy_header header;

	(void)state;
	assert_int_equal(proxy_header_parse(&header, version, sizeof(version) - 1), -EBADMSG);
	assert_int_equal(proxy_header_parse(&header, command, sizeof(command) - 1), -EBADMSG);
	assert_int_equal(proxy_header_parse(&header, small, sizeof(small) - 1), -EBADMSG);
	assert_int_equal(proxy_header_parse(&header, small_v6, sizeof(small_v6) - 1), -EBADMSG);
	assert_int_equal(proxy_header_parse(&header, large, sizeof(large) - 1), -EBADMSG);
}

static void what_is_written_is_read_again(void **state)
{
	static const char *const pairs[][2] = {{"198.51.100.7", "203.0.113.1"},
					       {"2001:db8::7", "2001:db8::1"},
					       {"198.51.100.7", "2001:db8::1"}};

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		struct proxy_header header = {.client_port = 4711, .server_port = 443}, again;
		char out[PROXY_HEADER_WRITE_MAX];
		size_t size;

		assert_int_equal(addr_parse(pairs[i / 2][0], &header.client), 0);
		assert_int_equal(addr_parse(pairs[i / 2][1], &header.server), 0);
		size = proxy_header_write(&header, 1 + i % 2, out);
		again = parsed(out, size);
		assert_int_equal(again.size, size);
		assert_memory_equal(&again.client, &header.client, sizeof(header.client));
		assert_memory_equal(&again.server, &header.server, sizeof(header.server));
		assert_int_equal(again.client_port, 4711);
		assert_int_equal(again.server_port, 443);
		assert_int_equal(out[0] == 'P', i % 2 == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_read),
		cmocka_unit_test(a_line_may_say_that_nothing_is_known),
		cmocka_unit_test(bytes_are_read),
		cmocka_unit_test(of_other_families_and_checks_nothing_is_known),
		cmocka_unit_test(what_a_client_says_itself_is_no_header),
		cmocka_unit_test(a_wrong_line_is_refused),
		cmocka_unit_test(wrong_bytes_are_refused),
		cmocka_unit_test(what_is_written_is_read_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
