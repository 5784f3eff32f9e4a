/* SPDX-License-Identifier: GPL-2.0-only */
/* No bad message is taken: the cases in bad_http.txt, each whole, byte by byte and cut in two at
 * each place, with the same verdict. */
#include "http_cases.h"

#include <errno.h>

#include "http/chunk.h"
#include "http/head.h"
#include "http/path.h"
#include "http/trailer.h"

static bool kind_is(const struct http_case *one, const char *kind)
{
	return strcmp(one->kind, kind) == 0;
}

static void begin(const struct http_case *one, struct http_head *head, struct http_field *list)
{
	struct http_head request = {.method = HTTP_METHOD_GET};

	request.upgrade = kind_is(one, "response to an upgrade");
	if (kind_is(one, "response to HEAD"))
		request.method = HTTP_METHOD_HEAD;
	if (kind_is(one, "request"))
		http_head_request(head, list, HTTP_FIELDS, HTTP_HEAD_BYTES);
	else if (strncmp(one->kind, "response", strlen("response")) == 0)
		http_head_response(head, list, HTTP_FIELDS, HTTP_HEAD_BYTES, &request);
	else
		fail_msg("there is no kind \"%s\"", one->kind);
}

/* So many bytes, in memory of their own, where a byte too far is noticed and an old place is gone.
 */
static char *copy_of(const struct http_case *one, size_t size)
{
	char *copy = malloc(size > 0 ? size : 1);

	assert_non_null(copy);
	memcpy(copy, one->message, size);
	return copy;
}

/* The verdict on a head of which first bytes come, then step more at a time. */
static enum http_refusal head_refusal(const struct http_case *one, size_t first, size_t step)
{
	struct http_field list[HTTP_FIELDS];
	struct http_head head;

	begin(one, &head, list);
	for (size_t size = first;; size = one->size - size < step ? one->size : size + step) {
		char *data = copy_of(one, size);
		int err = http_head_parse(&head, data, size);
		free(data);
		if (err == -EBADMSG)
			return head.refusal;
		if (err == 0)
			return HTTP_NOT_REFUSED;
		assert_int_equal(err, -EAGAIN);
		if (size == one->size)
			fail_msg("the whole message is not enough");
	}
}

static enum http_refusal trailers_refusal(const struct http_case *one, size_t first, size_t step)
{
	struct http_field list[HTTP_FIELDS];
	struct http_fields fields;

	http_fields_begin(&fields, list, HTTP_FIELDS, 0);
	for (size_t size = first;; size = one->size - size < step ? one->size : size + step) {
		enum http_refusal refusal = HTTP_NOT_REFUSED;
		char *data = copy_of(one, size);
		int err = http_fields_parse(&fields, data, (uint32_t)size, &refusal);
		free(data);
		if (err == -EBADMSG)
			return refusal;
		if (err == 0)
			return http_trailers_check(&fields);
		assert_int_equal(err, -EAGAIN);
		if (size == one->size)
			fail_msg("the whole section is not enough");
	}
}

static enum http_refusal chunks_refusal(const struct http_case *one, size_t first, size_t step)
{
	struct http_chunks chunks;
	size_t at = 0;

	http_chunks_begin(&chunks);
	for (size_t size = first;; size = one->size - size < step ? one->size : size + step) {
		char *data = copy_of(one, size);
		do {
			struct http_piece piece;
			int err = http_chunks_next(&chunks, data + at, size - at, &piece);
			if (err != -EAGAIN) {
				free(data);
				return err ? chunks.refusal : HTTP_NOT_REFUSED;
			}
			at += piece.framing + piece.payload;
		} while (at < size);
		free(data);
		if (size == one->size)
			fail_msg("the whole body is not enough");
	}
}

static enum http_refusal path_refusal(const struct http_case *one)
{
	char *path = copy_of(one, one->size), *room = copy_of(one, one->size);
	struct http_text normal;
	enum http_refusal refusal =
		http_path_normalise((struct http_text){path, one->size}, room, &normal);

	free(path);
	free(room);
	return refusal;
}

static enum http_refusal refusal_of(const struct http_case *one, size_t first, size_t step)
{
	if (kind_is(one, "chunks"))
		return chunks_refusal(one, first, step);
	if (kind_is(one, "trailers"))
		return trailers_refusal(one, first, step);
	if (kind_is(one, "path"))
		return path_refusal(one);
	return head_refusal(one, first, step);
}

static void assert_refused(const struct http_case *one, size_t first, size_t step)
{
	const char *name = http_refusal_facts(refusal_of(one, first, step))->name;

	if (strcmp(name, one->expected) != 0)
		fail_msg("%s, not %s, with the first %zu bytes, then %zu at a time", name,
			 one->expected, first, step);
}

static void test_bad_message(void **state)
{
	const struct http_case *one = *state;

	assert_refused(one, one->size, 1);
	if (kind_is(one, "path"))
		return;
	assert_refused(one, 0, 1);
	for (size_t first = 1; first < one->size; first++)
		assert_refused(one, first, one->size);
}

/* Each refusal, by its name, is in the table, and its section in the case's title. */
static void check_table(const struct http_cases *cases)
{
	const struct http_case *list = cases->list.items;
	bool told[HTTP_N_REFUSALS] = {false};

	for (size_t i = 0; i < cases->list.n; i++) {
		char section[32] = "";
		for (int r = 1; r < HTTP_N_REFUSALS; r++) {
			const struct http_refusal_facts *facts = http_refusal_facts(r);
			if (!list[i].expected || strcmp(facts->name, list[i].expected) != 0)
				continue;
			told[r] = true;
			snprintf(section, sizeof(section), "(%s)", facts->section);
		}
		if (section[0] == '\0' || !strstr(list[i].name, section)) {
			fprintf(stderr, "%s: the refusal or the section is wrong\n", list[i].name);
			exit(1);
		}
	}
	/* Those that take a message too long for the table are in test_http_head.c. */
	told[HTTP_REFUSED_HEAD_LARGE] = told[HTTP_REFUSED_FIELDS_MANY] =
		told[HTTP_REFUSED_TARGET_LONG] = true;
	for (int r = 1; r < HTTP_N_REFUSALS; r++) {
		if (!told[r]) {
			fprintf(stderr, "no case is refused for %s\n", http_refusal_facts(r)->name);
			exit(1);
		}
	}
}

int main(void)
{
	struct http_cases cases = cases_of_file(__FILE__, "bad_http.txt");

	check_table(&cases);
	return cases_run("bad messages", cases, test_bad_message, NULL, 0);
}
