/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A response's head; the first byte says what was asked and how the answer goes on. Read the same
 * whole and in pieces; what is taken goes on as a head that reads again as the same answer.
 */
#include "heads.h"

#include "http/forward.h"

enum {
	TO_HEAD = 1,
	TO_UPGRADE = 2,
	CLOSE = 4,
	REFRAMED = 8
};

static struct http_head asked(uint8_t how)
{
	return (struct http_head){.method = how & TO_HEAD ? HTTP_METHOD_HEAD : HTTP_METHOD_GET,
				  .upgrade = how & TO_UPGRADE};
}

static void read_response(struct read_head *read, uint8_t how, const uint8_t *data, size_t size,
			  size_t step)
{
	struct http_head request = asked(how);

	http_head_response(&read->head, read->list, FUZZ_FIELDS, FUZZ_BYTES, &request);
	read_head(read, data, size, step);
}

/* As the proxy may choose: chunks and the connection's end stand for one another. */
static enum http_framing framing_onward(const struct http_head *head, uint8_t how)
{
	if (how & REFRAMED && head->framing == HTTP_FRAMING_CHUNKED)
		return HTTP_FRAMING_CLOSE;
	if (how & REFRAMED && head->framing == HTTP_FRAMING_CLOSE)
		return HTTP_FRAMING_CHUNKED;
	return head->framing;
}

static void forward(const struct read_head *read, uint8_t how)
{
	const struct http_head *head = &read->head;
	struct http_to_client onward = {framing_onward(head, how), how & CLOSE, false, NULL, 0};
	struct http_head request = asked(how), got;
	char written[FUZZ_BYTES + 256];
	struct http_field list[FUZZ_FIELDS + 4];
	ssize_t size;

	size = http_forward_response(head, read->bytes, &onward, written, sizeof(written));
	MUST(size > 0);
	must_be_framed_once(written, (size_t)size);
	http_head_response(&got, list, FUZZ_FIELDS + 4, sizeof(written), &request);
	MUST(http_head_parse(&got, written, (size_t)size) == 0);
	MUST(got.size == (size_t)size && got.status == head->status);
	MUST(got.framing == onward.framing);
	if (head->status >= 200 && head->status != 204)
		MUST(got.length == head->length && got.has_length == head->has_length);
	else
		MUST(!got.has_length);
	MUST(got.keep_alive == (onward.framing != HTTP_FRAMING_CLOSE &&
				onward.framing != HTTP_FRAMING_TUNNEL && !onward.close));
	MUST(got.n_listed == 0);
	must_be_equal(read->bytes, head->reason, written, got.reason);
	MUST(!http_fields_first(&got.fields, HTTP_NAME_LOOKALIKE));
	MUST(http_forward_response(head, read->bytes, &onward, written, (size_t)size - 1) ==
	     -ENOBUFS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct read_head whole, pieces;

	if (size == 0)
		return 0;
	read_response(&whole, data[0], data + 1, size - 1, size);
	read_response(&pieces, data[0], data + 1, size - 1, fuzz_step(data, size));
	must_be_same(&whole, &pieces);
	if (whole.err == 0) {
		must_be_framed_once(whole.bytes, whole.head.size);
		forward(&whole, data[0]);
	}
	free(whole.bytes);
	free(pieces.bytes);
	return 0;
}
