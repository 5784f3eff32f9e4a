/* SPDX-License-Identifier: GPL-2.0-only */
/* A header of the PROXY protocol: no byte too far; its beginnings are but that; what it tells can
 * be told again in both versions, and reads the same. */
#include "fuzz.h"

#include <errno.h>

#include "proxy/proxy_header.h"

static void tell_again(const struct proxy_header *header)
{
	for (unsigned int version = 1; version <= 2; version++) {
		char out[PROXY_HEADER_WRITE_MAX];
		size_t size = proxy_header_write(header, version, out);
		char *copy = fuzz_copy(out, size);
		struct proxy_header again;

		MUST(size < PROXY_HEADER_WRITE_MAX);
		MUST(proxy_header_parse(&again, copy, size) == 0);
		MUST(again.size == size && !again.local);
		MUST(memcmp(&again.client, &header->client, sizeof(again.client)) == 0);
		MUST(memcmp(&again.server, &header->server, sizeof(again.server)) == 0);
		MUST(again.client_port == header->client_port);
		MUST(again.server_port == header->server_port);
		free(copy);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = fuzz_copy(data, size);
	struct proxy_header header, part;
	int err = proxy_header_parse(&header, copy, size);

	MUST(err == 0 || err == -EAGAIN || err == -ENOENT || err == -EBADMSG);
	MUST(err || header.size <= size);
	for (size_t n = 0; n < size; n++) {
		char *beginning = fuzz_copy(data, n);
		int before = proxy_header_parse(&part, beginning, n);

		MUST(before == -EAGAIN || before == err);
		MUST(before || part.size == header.size);
		free(beginning);
	}
	if (!err && !header.local)
		tell_again(&header);
	free(copy);
	return 0;
}
