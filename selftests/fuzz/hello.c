/* SPDX-License-Identifier: GPL-2.0-only */
/* A TLS client's first message: no byte too far; what is whole stays so with more behind it, and
 * none of its beginnings is anything but the beginning of one. */
#include "fuzz.h"

#include <errno.h>

#include "proxy/hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = fuzz_copy(data, size);
	struct hello hello, part;
	int err = hello_parse(&hello, copy, size);

	MUST(err == 0 || err == -EAGAIN || err == -EBADMSG);
	MUST(strlen(hello.host) <= HELLO_HOST_MAX);
	for (const char *at = hello.host; *at; at++)
		MUST(*at > ' ' && *at < 127);
	for (size_t n = 0; n < size; n += fuzz_step(data, size)) {
		char *beginning = fuzz_copy(data, n);
		int before = hello_parse(&part, beginning, n);

		MUST(before == -EAGAIN || (before == err && strcmp(part.host, hello.host) == 0));
		free(beginning);
	}
	free(copy);
	return 0;
}
