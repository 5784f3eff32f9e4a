/* SPDX-License-Identifier: GPL-2.0-only */
/* A relay between two socket pairs: the test is the far end of both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/relay.h"
#include "proxy_fixture.h"

#define HEAD	  "HEAD\r\n\r\n"
#define HEAD_SIZE (sizeof(HEAD) - 1)
#define TAIL	  "and what comes after it"
#define TAIL_SIZE (sizeof(TAIL) - 1)

/* More than any message here takes, a byte at a time. */
#define ROUNDS_MOST 200000

struct text {
	char *data;
	size_t size, room;
};

static struct fixture *fixture;
static struct worker *worker;
static struct relay relay;
static struct stream from, to;
static struct buffer in;
static struct http_field fields[HTTP_FIELDS];
static int source, sink; /* the far ends */
static struct text sent; /* what came out at the sink */

static void add(struct text *text, const void *data, size_t size)
{
	if (!size)
		return;
	if (text->size + size > text->room) {
		text->room = 2 * (text->size + size) + 64;
		text->data = realloc(text->data, text->room);
	}
	if (!text->data)
		abort();
	memcpy(text->data + text->size, data, size);
	text->size += size;
}

static void drop(struct text *text)
{
	free(text->data);
	*text = (struct text){0};
}

static void pair(struct stream *stream, int *far)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	*stream = (struct stream){.source.fd = ends[0]};
	*far = ends[1];
}

static void begin(enum http_framing framing, uint64_t length, bool chunked)
{
	pair(&from, &source);
	pair(&to, &sink);
	in = (struct buffer){0};
	relay_begin(&relay, &from, &to, &in, framing, length, fields);
	relay.chunked = chunked;
	assert_int_equal(buffer_take(&worker->buffers, &relay.out), 0);
	memcpy(relay.out.data, HEAD, HEAD_SIZE);
	relay.out.end = HEAD_SIZE;
}

static void end(void)
{
	relay_end(worker, &relay);
	buffer_give(&worker->buffers, &in);
	close(from.source.fd);
	close(to.source.fd);
	close(source);
	close(sink);
	drop(&sent);
}

/* As if epoll said that both may have something. */
static enum relay_state run(void)
{
	from.readable = to.writable = true;
	return relay_run(worker, &relay);
}

/* Reads at most so much at the sink. */
static void take(size_t most)
{
	char bytes[65536];
	ssize_t n = recv(sink, bytes, most < sizeof(bytes) ? most : sizeof(bytes), 0);

	if (n > 0)
		add(&sent, bytes, (size_t)n);
}

static size_t waiting(int fd)
{
	int n = 0;

	assert_int_equal(ioctl(fd, FIONREAD, &n), 0);
	return (size_t)n;
}

static size_t up_to(size_t most)
{
	return most ? (size_t)rand() % most : 0;
}

/* Feeds what is to come in pieces, reads in pieces, until it ends. ends: then the source does. */
static enum relay_state run_through(const struct text *text, size_t *fed, size_t piece, bool ends)
{
	enum relay_state state = RELAY_GOES_ON;
	int rounds = 0;

	for (*fed = 0; state == RELAY_GOES_ON || state == RELAY_AGAIN;) {
		size_t size = 1 + up_to(piece);
		ssize_t n;

		assert_true(rounds++ < ROUNDS_MOST);
		if (size > text->size - *fed)
			size = text->size - *fed;
		n = size ? send(source, text->data + *fed, size, MSG_NOSIGNAL) : 0;
		if (n > 0)
			*fed += (size_t)n;
		if (*fed == text->size && ends)
			shutdown(source, SHUT_WR);
		state = run();
		take(1 + up_to(4 * piece));
	}
	while (waiting(sink))
		take(65536);
	return state;
}

static int setup(void **state)
{
	(void)state;
	fixture = fixture_new();
	worker = &fixture->worker;
	return 0;
}

/* What was lent has come back. */
static int teardown(void **state)
{
	(void)state;
	fixture_free(fixture);
	return 0;
}

static struct text random_text(size_t size)
{
	struct text text = {0};

	for (size_t i = 0; i < size; i++) {
		char byte = (char)rand();

		add(&text, &byte, 1);
	}
	return text;
}

/* In chunks of at most so many bytes, with extensions here and there. */
static struct text in_chunks(const struct text *body, size_t most)
{
	struct text text = {0};

	for (size_t at = 0; at < body->size;) {
		size_t size = 1 + up_to(most);
		char line[64];

		if (size > body->size - at)
			size = body->size - at;
		add(&text, line,
		    (size_t)snprintf(line, sizeof(line), "%zx%s\r\n", size,
				     rand() % 4 ? "" : ";name=\"v\"; other"));
		add(&text, body->data + at, size);
		add(&text, "\r\n", 2);
		at += size;
	}
	return text;
}

/* The payload of chunks; *rest: what is after the last one's line. */
static struct text out_of_chunks(const char *data, size_t size, size_t *rest)
{
	struct text text = {0};
	size_t at = 0;

	for (;;) {
		char *stop;
		unsigned long n;
		const char *line = memmem(data + at, size - at, "\r\n", 2);

		assert_non_null(line);
		n = strtoul(data + at, &stop, 16);
		assert_ptr_equal(stop, line);
		at = (size_t)(line - data) + 2;
		if (!n)
			break;
		assert_true(size - at >= n + 2);
		add(&text, data + at, n);
		at += n;
		assert_memory_equal(data + at, "\r\n", 2);
		at += 2;
	}
	*rest = at;
	return text;
}

static void assert_same(const struct text *text, const void *data, size_t size)
{
	assert_int_equal(text->size, size);
	if (size)
		assert_memory_equal(text->data, data, size);
}

struct way {
	enum http_framing framing;
	bool chunked;
};

/* What is left in the buffer and the socket is the next message, untouched. */
static void assert_rest(const struct text *text, size_t fed, const char *expected, size_t size)
{
	struct text rest = {0};
	char bytes[4096];
	ssize_t n;

	relay_end(worker, &relay);
	if (in.data)
		add(&rest, in.data + in.start, buffer_length(&in));
	while ((n = recv(from.source.fd, bytes, sizeof(bytes), 0)) > 0)
		add(&rest, bytes, (size_t)n);
	add(&rest, text->data + fed, text->size - fed);
	assert_same(&rest, expected, size);
	drop(&rest);
}

static void one_round(const struct way *way)
{
	static const size_t sizes[] = {0, 1, 100, 20000, 300000}, pieces[] = {1, 50, 5000, 200000};
	static const uint32_t splices[] = {0, 1, 4096, 65536};
	size_t size = up_to(sizes[rand() % 5] + 1), piece = pieces[rand() % 4], fed, rest;
	bool closes = way->framing == HTTP_FRAMING_CLOSE || way->framing == HTTP_FRAMING_TUNNEL;
	struct text body, text = {0};

	if (piece < 100 && size > 5000)
		size = 5000;
	body = random_text(way->framing == HTTP_FRAMING_NONE ? 0 : size);
	fixture->config.splice_from = splices[rand() % 4];
	if (way->framing == HTTP_FRAMING_CHUNKED) {
		text = in_chunks(&body, 1 + up_to(3000));
		add(&text, "0\r\n\r\n", 5);
	} else {
		add(&text, body.data, body.size);
	}
	if (!closes)
		add(&text, TAIL, TAIL_SIZE);
	begin(way->framing, body.size, way->chunked);
	assert_int_equal(run_through(&text, &fed, piece, closes), RELAY_ENDED);
	assert_true(sent.size >= HEAD_SIZE);
	assert_memory_equal(sent.data, HEAD, HEAD_SIZE);
	if (way->chunked) {
		struct text payload =
			out_of_chunks(sent.data + HEAD_SIZE, sent.size - HEAD_SIZE, &rest);

		assert_same(&payload, body.data, body.size);
		assert_int_equal(sent.size - HEAD_SIZE - rest, 2);
		assert_memory_equal(sent.data + sent.size - 2, "\r\n", 2);
		drop(&payload);
	} else {
		assert_same(&body, sent.data + HEAD_SIZE, sent.size - HEAD_SIZE);
	}
	assert_int_equal(relay.moved, body.size);
	if (!closes)
		assert_rest(&text, fed, TAIL, TAIL_SIZE);
	end();
	drop(&body);
	drop(&text);
}

static void every_framing_goes_byte_for_byte_whatever_the_sizes(void **state)
{
	static const struct way ways[] = {
		{HTTP_FRAMING_NONE, false},   {HTTP_FRAMING_LENGTH, false},
		{HTTP_FRAMING_CHUNKED, true}, {HTTP_FRAMING_CHUNKED, false},
		{HTTP_FRAMING_CLOSE, false},  {HTTP_FRAMING_CLOSE, true},
		{HTTP_FRAMING_TUNNEL, false},
	};

	(void)state;
	for (unsigned int seed = 0; seed < 60; seed++)
		for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
			srand(seed * 100 + (unsigned int)i);
			one_round(&ways[i]);
		}
}

/* Feeds it all at once; the source stays open. */
static enum relay_state run_text(enum http_framing framing, uint64_t length, bool chunked,
				 const char *text)
{
	struct text whole = {(char *)text, strlen(text), 0};
	size_t fed;

	begin(framing, length, chunked);
	return run_through(&whole, &fed, 65536, false);
}

static void many_small_chunks_leave_as_one(void **state)
{
	struct text text = {0};
	size_t fed;

	(void)state;
	for (int i = 0; i < 1000; i++)
		add(&text, "1\r\nx\r\n", 6);
	add(&text, "0\r\n\r\n", 5);
	begin(HTTP_FRAMING_CHUNKED, 0, true);
	assert_int_equal(send(source, text.data, text.size, 0), text.size);
	while (run() == RELAY_GOES_ON)
		;
	take(65536);
	fed = HEAD_SIZE + strlen("3e8\r\n") + 1000 + strlen("\r\n0\r\n\r\n");
	assert_int_equal(sent.size, fed);
	assert_memory_equal(sent.data + HEAD_SIZE, "3e8\r\nxxx", 8);
	end();
	drop(&text);
}

static void trailers_go_on_with_chunks_and_are_left_out_without(void **state)
{
	static const char text[] = "3\r\nabc\r\n0\r\nX-Sum: 12\r\nContent-Length: 5\r\n\r\n";

	(void)state;
	assert_int_equal(run_text(HTTP_FRAMING_CHUNKED, 0, true, text), RELAY_ENDED);
	add(&sent, "", 1);
	assert_string_equal(sent.data, HEAD "3\r\nabc\r\n0\r\nX-Sum: 12\r\n\r\n");
	end();
	assert_int_equal(run_text(HTTP_FRAMING_CHUNKED, 0, false, text), RELAY_ENDED);
	add(&sent, "", 1);
	assert_string_equal(sent.data, HEAD "abc");
	end();
}

static void bad_chunks_are_refused(void **state)
{
	static const char *const texts[] = {"x\r\n", "3\r\nabcd\r\n", "3\nabc\r\n",
					    "10000000000000000\r\n", "0\r\nX : 1\r\n\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		assert_int_equal(run_text(HTTP_FRAMING_CHUNKED, 0, true, texts[i]), RELAY_REFUSED);
		assert_int_not_equal(relay.refusal, HTTP_NOT_REFUSED);
		end();
	}
}

static void trailers_larger_than_a_buffer_are_refused(void **state)
{
	struct text text = {0};
	size_t fed;

	(void)state;
	add(&text, "0\r\nX: ", 6);
	for (int i = 0; i < 2 * BUFFER_SIZE; i++)
		add(&text, "y", 1);
	begin(HTTP_FRAMING_CHUNKED, 0, true);
	assert_int_equal(run_through(&text, &fed, 4096, false), RELAY_REFUSED);
	assert_int_equal(relay.refusal, HTTP_REFUSED_HEAD_LARGE);
	end();
	drop(&text);
}

static void a_source_that_ends_too_early_is_told(void **state)
{
	static const char chunk[] = "5\r\nab";
	static const char whole[] = "5\r\nabcde\r\n";

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct text text = {(char *)(i == 1 ? whole : chunk), 0, 0};
		size_t fed;

		text.size = strlen(text.data);
		begin(i == 2 ? HTTP_FRAMING_LENGTH : HTTP_FRAMING_CHUNKED, 100, i != 2);
		assert_int_equal(run_through(&text, &fed, 10, true), RELAY_SOURCE_ENDED);
		end();
	}
}

static void a_source_that_ends_too_early_is_told_when_spliced(void **state)
{
	struct text text = random_text(50000);
	size_t fed;

	(void)state;
	fixture->config.splice_from = 1;
	begin(HTTP_FRAMING_LENGTH, 60000, false);
	assert_int_equal(run_through(&text, &fed, 50000, true), RELAY_SOURCE_ENDED);
	assert_int_equal(sent.size, HEAD_SIZE + 50000);
	assert_true(counters_read(&worker->counters.bytes_spliced) > 0);
	end();
	drop(&text);
}

static void a_sink_that_is_gone_is_told(void **state)
{
	(void)state;
	for (uint32_t splice = 0; splice < 2; splice++) {
		struct text text = random_text(100000);
		enum relay_state now;

		fixture->config.splice_from = splice;
		begin(HTTP_FRAMING_LENGTH, 100000, false);
		assert_true(send(source, text.data, text.size, 0) > 0);
		shutdown(sink, SHUT_RDWR);
		do
			now = run();
		while (now == RELAY_AGAIN);
		assert_int_equal(now, RELAY_SINK_FAILED);
		end();
		drop(&text);
	}
}

/* A reader that does not read costs a buffer or a pipe, and what sockets hold, however much is to
 * come. */
static void whoever_reads_slowly_is_waited_for(void **state)
{
	struct text text = random_text(1000);

	(void)state;
	for (uint32_t splice = 0; splice < 2; splice++) {
		size_t before, moved;

		fixture->config.splice_from = splice;
		begin(HTTP_FRAMING_LENGTH, 1ULL << 40, false);
		do {
			before = relay.moved;
			while (send(source, text.data, text.size, 0) > 0)
				;
			while (run() == RELAY_AGAIN)
				;
		} while (relay.moved != before);
		moved = relay.moved;
		assert_true(waiting(from.source.fd) > 0);
		assert_true(moved - (waiting(sink) - HEAD_SIZE) <=
			    (splice ? PIPE_SIZE : BUFFER_LARGE));
		/* And goes on once it reads. */
		while (waiting(sink))
			take(65536);
		run();
		assert_true(relay.moved > moved);
		end();
	}
	drop(&text);
}

static void large_bodies_are_spliced_and_small_ones_copied(void **state)
{
	struct text text = random_text(100000);
	size_t fed;

	(void)state;
	fixture->config.splice_from = 65536;
	begin(HTTP_FRAMING_LENGTH, 100000, false);
	run_through(&text, &fed, 100000, false);
	assert_true(counters_read(&worker->counters.bytes_spliced) > 0);
	end();
	counters_add(&worker->counters.bytes_spliced,
		     -counters_read(&worker->counters.bytes_spliced));
	begin(HTTP_FRAMING_LENGTH, 60000, false);
	text.size = 60000;
	run_through(&text, &fed, 100000, false);
	assert_int_equal(counters_read(&worker->counters.bytes_spliced), 0);
	end();
	drop(&text);
}

static void a_payload_that_came_with_its_head_says_that_the_next_had_better_be_spliced(void **state)
{
	struct text text = random_text(16000);

	(void)state;
	for (uint32_t large = 0; large < 2; large++) {
		fixture->config.splice_from = 16001 - large;
		begin(HTTP_FRAMING_LENGTH, text.size, false);
		assert_int_equal(buffer_take(&worker->buffers, &in), 0);
		memcpy(in.data, text.data, text.size);
		in.end = text.size;
		assert_int_equal(run(), RELAY_ENDED);
		assert_false(relay.spliced);
		assert_int_equal(relay_wants_splice(worker, &relay), large);
		end();
	}
	drop(&text);
}

static void more_is_read_at_once_of_what_is_large(void **state)
{
	struct text text = random_text(100000);
	size_t fed;

	(void)state;
	fixture->config.splice_from = 0;
	for (size_t size = 10000; size <= 100000; size *= 10) {
		begin(HTTP_FRAMING_LENGTH, size, false);
		text.size = size;
		assert_int_equal(run_through(&text, &fed, 200000, false), RELAY_ENDED);
		assert_int_equal(worker->buffers.large.n || in.size == BUFFER_LARGE,
				 size > BUFFER_SIZE);
		assert_int_equal(sent.size, HEAD_SIZE + size);
		assert_memory_equal(sent.data + HEAD_SIZE, text.data, size);
		end();
	}
	drop(&text);
}

static void with_nothing_at_hand_no_buffer_is_held(void **state)
{
	(void)state;
	begin(HTTP_FRAMING_TUNNEL, 0, false);
	assert_int_equal(send(source, "abc", 3, 0), 3);
	assert_int_equal(run(), RELAY_GOES_ON);
	assert_null(in.data);
	end();
}

/* Towards a sink of its own. */
static void rewind_to_another(void)
{
	while (waiting(sink))
		take(65536);
	drop(&sent);
	close(to.source.fd);
	close(sink);
	pair(&to, &sink);
	relay_rewind(&relay, &to);
}

static void what_is_kept_whole_can_be_sent_again(void **state)
{
	struct text text = random_text(10000);
	size_t fed;

	(void)state;
	begin(HTTP_FRAMING_LENGTH, 10000, false);
	relay.keep = true;
	assert_int_equal(send(source, text.data, 4000, 0), 4000);
	assert_int_equal(run(), RELAY_GOES_ON);
	assert_true(relay.begun);
	assert_true(relay_can_rewind(&relay));
	rewind_to_another();
	text.data += 4000;
	text.size -= 4000;
	assert_int_equal(run_through(&text, &fed, 10000, false), RELAY_ENDED);
	text.data -= 4000;
	text.size += 4000;
	assert_memory_equal(sent.data, HEAD, HEAD_SIZE);
	assert_same(&text, sent.data + HEAD_SIZE, sent.size - HEAD_SIZE);
	/* Also after its end. */
	assert_true(relay_can_rewind(&relay));
	rewind_to_another();
	while (run() == RELAY_GOES_ON)
		take(65536);
	while (waiting(sink))
		take(65536);
	assert_int_equal(sent.size, HEAD_SIZE + 10000);
	end();
	drop(&text);
}

static void what_is_more_than_a_buffer_cannot_be_sent_again(void **state)
{
	struct text text = random_text(2 * BUFFER_SIZE);
	size_t fed;

	(void)state;
	begin(HTTP_FRAMING_LENGTH, text.size, false);
	relay.keep = true;
	assert_int_equal(run_through(&text, &fed, 5000, false), RELAY_ENDED);
	assert_same(&text, sent.data + HEAD_SIZE, sent.size - HEAD_SIZE);
	assert_false(relay_can_rewind(&relay));
	end();
	drop(&text);
}

static void chunks_can_be_sent_again_only_before_the_head_is_gone(void **state)
{
	(void)state;
	begin(HTTP_FRAMING_CHUNKED, 0, true);
	assert_true(relay_can_rewind(&relay));
	to.writable = false;
	assert_int_equal(relay_run(worker, &relay), RELAY_GOES_ON);
	assert_true(relay_can_rewind(&relay));
	rewind_to_another();
	assert_int_equal(run(), RELAY_GOES_ON);
	take(65536);
	assert_same(&sent, HEAD, HEAD_SIZE);
	assert_false(relay_can_rewind(&relay));
	end();
}

static void what_came_before_but_was_not_sent_is_sent_once(void **state)
{
	(void)state;
	begin(HTTP_FRAMING_CHUNKED, 0, true);
	assert_int_equal(buffer_take(&worker->buffers, &in), 0);
	memcpy(in.data, "3\r\nabc\r\n0\r\n\r\n", 13);
	in.end = 13;
	to.writable = from.readable = false;
	assert_int_equal(relay_run(worker, &relay), RELAY_GOES_ON);
	assert_true(relay_can_rewind(&relay));
	rewind_to_another();
	while (run() == RELAY_GOES_ON)
		;
	take(65536);
	add(&sent, "", 1);
	assert_string_equal(sent.data, HEAD "3\r\nabc\r\n0\r\n\r\n");
	end();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(every_framing_goes_byte_for_byte_whatever_the_sizes),
		TEST(many_small_chunks_leave_as_one),
		TEST(trailers_go_on_with_chunks_and_are_left_out_without),
		TEST(bad_chunks_are_refused),
		TEST(trailers_larger_than_a_buffer_are_refused),
		TEST(a_source_that_ends_too_early_is_told),
		TEST(a_source_that_ends_too_early_is_told_when_spliced),
		TEST(a_sink_that_is_gone_is_told),
		TEST(whoever_reads_slowly_is_waited_for),
		TEST(large_bodies_are_spliced_and_small_ones_copied),
		TEST(a_payload_that_came_with_its_head_says_that_the_next_had_better_be_spliced),
		TEST(more_is_read_at_once_of_what_is_large),
		TEST(with_nothing_at_hand_no_buffer_is_held),
		TEST(what_is_kept_whole_can_be_sent_again),
		TEST(what_is_more_than_a_buffer_cannot_be_sent_again),
		TEST(chunks_can_be_sent_again_only_before_the_head_is_gone),
		TEST(what_came_before_but_was_not_sent_is_sent_once),
	};

	signal(SIGPIPE, SIG_IGN);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
