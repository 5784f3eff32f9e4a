/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * http_parse: nanoseconds that the steps of a request through the proxy's HTTP take, on one core.
 * Each step is run for 0.2 s, nine times; the median and the least are printed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "http/chunk.h"
#include "http/forward.h"
#include "http/path.h"

#define ROUNDS	 9
#define ROUND_NS 200000000.0

static const char browser[] =
	"GET /api/v1/books/1234?page=2&sort=title HTTP/1.1\r\n"
	"Host: books.example.com\r\n"
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
	"Accept-Language: en-US,en;q=0.5\r\n"
	"Accept-Encoding: gzip, deflate, br\r\n"
	"Connection: keep-alive\r\n"
	"Referer: http://books.example.com/api/v1/books\r\n"
	"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n"
	"Upgrade-Insecure-Requests: 1\r\n"
	"\r\n";

static const char answer[] = "HTTP/1.1 200 OK\r\n"
			     "Server: nginx/1.22.1\r\n"
			     "Date: Mon, 23 Nov 2026 10:00:00 GMT\r\n"
			     "Content-Type: application/json; charset=utf-8\r\n"
			     "Content-Length: 1024\r\n"
			     "Connection: keep-alive\r\n"
			     "Cache-Control: no-store\r\n"
			     "ETag: \"0123456789abcdef\"\r\n"
			     "\r\n";

static const char small[] = "GET / HTTP/1.1\r\nHost: a.example\r\nAccept: */*\r\n\r\n";

static struct http_field request_list[HTTP_FIELDS], answer_list[HTTP_FIELDS];
static struct http_head request, response;
static char room[4096];

static void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "http_parse: %s failed\n", what);
	exit(1);
}

static void parse_request(const char *text, size_t size)
{
	http_head_request(&request, request_list, HTTP_FIELDS, HTTP_HEAD_BYTES);
	must(http_head_parse(&request, text, size) == 0, "a request");
}

static void parse_browser(void)
{
	parse_request(browser, sizeof(browser) - 1);
}

static void parse_small(void)
{
	parse_request(small, sizeof(small) - 1);
}

static void parse_answer(void)
{
	http_head_response(&response, answer_list, HTTP_FIELDS, HTTP_HEAD_BYTES, &request);
	must(http_head_parse(&response, answer, sizeof(answer) - 1) == 0, "an answer");
}

static struct http_text normal;

static void normalise_plain(void)
{
	static const struct http_text path = HTTP_TEXT("/api/v1/books/1234");

	must(!http_path_normalise(path, room, &normal), "a path");
}

static void normalise_encoded(void)
{
	static const struct http_text path = HTTP_TEXT("/api/%76%31/./books/x/../1234%2f");

	must(!http_path_normalise(path, room, &normal), "a path");
}

static void forward_request(void)
{
	static const struct http_to_task onward = {
		.path = {"/api/v1/books/1234", 18},
		.query = {"?page=2&sort=title", 18},
		.client = {"192.0.2.7", 9},
		.proto = {"http", 4},
		.port = {"80", 2},
		.request_id = {"0123456789abcdef0123456789abcdef", 32},
	};

	must(http_forward_request(&request, browser, &onward, room, sizeof(room)) > 0, "a request");
}

static void forward_answer(void)
{
	static const struct http_to_client onward = {.framing = HTTP_FRAMING_LENGTH};

	must(http_forward_response(&response, answer, &onward, room, sizeof(room)) > 0,
	     "an answer");
}

static void decode_chunk(void)
{
	static const char body[] = "a\r\n0123456789\r\n0\r\n";
	struct http_chunks chunks;
	struct http_piece piece;
	size_t at;

	http_chunks_begin(&chunks);
	http_chunks_next(&chunks, body, sizeof(body) - 1, &piece);
	at = piece.framing + piece.payload;
	must(http_chunks_next(&chunks, body + at, sizeof(body) - 1 - at, &piece) == 0, "a body");
}

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double round_ns(void (*step)(void))
{
	double start = now_ns(), passed;
	unsigned long n = 0;

	do {
		for (int i = 0; i < 1000; i++)
			step();
		n += 1000;
		passed = now_ns() - start;
	} while (passed < ROUND_NS);
	return passed / (double)n;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(const char *what, size_t size, void (*step)(void))
{
	double rounds[ROUNDS];

	for (int i = 0; i < ROUNDS; i++)
		rounds[i] = round_ns(step);
	qsort(rounds, ROUNDS, sizeof(rounds[0]), compare);
	printf("%-44s %6zu %10.0f %10.0f\n", what, size, rounds[ROUNDS / 2], rounds[0]);
}

int main(void)
{
	printf("%-44s %6s %10s %10s\n", "", "bytes", "median ns", "least ns");
	measure("read a small request", sizeof(small) - 1, parse_small);
	measure("read a browser's request", sizeof(browser) - 1, parse_browser);
	measure("normalise its path", 18, normalise_plain);
	measure("normalise a path with encodings and dots", 32, normalise_encoded);
	measure("write it for a task", sizeof(browser) - 1, forward_request);
	measure("read an answer", sizeof(answer) - 1, parse_answer);
	measure("write it for the client", sizeof(answer) - 1, forward_answer);
	measure("decode a chunked body of one chunk", 18, decode_chunk);
	return 0;
}
