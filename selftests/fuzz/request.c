/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A request's head: read the same whole and in pieces; what is taken goes on as a head that any
 * recipient reads alike, and that reads again as the same request.
 */
#include "heads.h"

#include "http/forward.h"
#include "http/path.h"

static const struct http_to_task to_task = {
	.host = {"h", 1},
	.client = {"192.0.2.7", 9},
	.proto = {"http", 4},
	.port = {"80", 2},
	.request_id = {"id", 2},
};

static void read_request(struct read_head *read, const uint8_t *data, size_t size, size_t step)
{
	http_head_request(&read->head, read->list, FUZZ_FIELDS, FUZZ_BYTES);
	read_head(read, data, size, step);
}

static bool has_dot_segment(struct http_text path)
{
	for (size_t i = 0; i < path.size; i++) {
		size_t left = path.size - i - 1;
		if (path.at[i] != '/' || left == 0 || path.at[i + 1] != '.')
			continue;
		if (left == 1 || path.at[i + 2] == '/' ||
		    (path.at[i + 2] == '.' && (left == 2 || path.at[i + 3] == '/')))
			return true;
	}
	return false;
}

/* The normal path, in memory of its own; false if it is refused. */
static bool normal_path(struct http_text path, char **room, struct http_text *normal)
{
	struct http_text again;
	char *other;

	*room = fuzz_copy(path.at, path.size);
	if (http_path_normalise(path, *room, normal))
		return false;
	MUST(normal->size > 0 && normal->at[0] == '/');
	MUST(!has_dot_segment(*normal));
	other = fuzz_copy(normal->at, normal->size);
	MUST(!http_path_normalise(*normal, other, &again));
	MUST(http_text_equal(*normal, again));
	free(other);
	return true;
}

/* What the task reads is what was meant. */
static void must_mean_the_same(const struct read_head *read, const struct http_to_task *onward,
			       const char *written, size_t size)
{
	const struct http_head *sent = &read->head;
	struct http_field list[FUZZ_FIELDS + 16];
	struct http_head got;

	must_be_framed_once(written, size);
	MUST(count_fields(written, size, HTTP_TEXT("Host")) == 1);
	http_head_request(&got, list, FUZZ_FIELDS + 16, FUZZ_BYTES + 1024);
	MUST(http_head_parse(&got, written, size) == 0);
	MUST(got.size == size && got.minor == 1);
	MUST(got.method == sent->method && got.framing == sent->framing);
	MUST(got.length == sent->length && got.upgrade == sent->upgrade);
	MUST(got.expect_continue == sent->expect_continue);
	MUST(got.takes_trailers == sent->takes_trailers);
	MUST(got.keep_alive && got.n_listed <= 2);
	must_be_equal(read->bytes, sent->method_text, written, got.method_text);
	must_be_equal(read->bytes, sent->query, written, got.query);
	MUST(http_text_equal(onward->path, http_text(written, got.path)));
	if (sent->authority.size > 0)
		must_be_equal(read->bytes, sent->authority, written, got.authority);
	MUST(!http_fields_first(&got.fields, HTTP_NAME_LOOKALIKE));
	MUST(http_fields_first(&got.fields, HTTP_NAME_X_FORWARDED_FOR));
}

static void forward(const struct read_head *read, bool trusted)
{
	const struct http_head *head = &read->head;
	struct http_to_task onward = to_task;
	char *room = NULL, written[FUZZ_BYTES + 1024];
	ssize_t size;

	onward.trusted = trusted;
	onward.query = http_text(read->bytes, head->query);
	if (head->form == HTTP_FORM_ASTERISK)
		onward.path = HTTP_TEXT("*");
	else if (!normal_path(http_text(read->bytes, head->path), &room, &onward.path))
		goto out;
	size = http_forward_request(head, read->bytes, &onward, written, sizeof(written));
	MUST(size > 0);
	must_mean_the_same(read, &onward, written, (size_t)size);
	char *exact = fuzz_copy(written, (size_t)size);
	MUST(http_forward_request(head, read->bytes, &onward, exact, (size_t)size) == size);
	MUST(http_forward_request(head, read->bytes, &onward, exact, (size_t)size - 1) == -ENOBUFS);
	free(exact);
out:
	free(room);
}

/* One empty line may come before it. */
static void must_be_one_request(const struct read_head *read)
{
	size_t before = read->bytes[0] == '\r' ? 2 : 0, size = read->head.size - before;
	const char *head = read->bytes + before;
	size_t hosts = count_fields(head, size, HTTP_TEXT("Host"));

	must_be_framed_once(head, size);
	MUST(hosts == 1 || (hosts == 0 && read->head.minor == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct read_head whole, pieces;

	read_request(&whole, data, size, size + 1);
	read_request(&pieces, data, size, fuzz_step(data, size));
	must_be_same(&whole, &pieces);
	if (whole.err == 0)
		must_be_one_request(&whole);
	if (whole.err == 0 && whole.head.form != HTTP_FORM_AUTHORITY) {
		forward(&whole, true);
		forward(&whole, false);
	}
	free(whole.bytes);
	free(pieces.bytes);
	return 0;
}
