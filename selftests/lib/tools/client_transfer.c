/* SPDX-License-Identifier: GPL-2.0-only */
/* download, upload: many bytes, each of which is known. bulk: as many as come. */
#include "client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "endpoint.h"
#include "http.h"
#include "pattern.h"

static uint8_t chunk[65536], expected[65536];
static struct http http = {.fd = -1};

static bool parse(int argc, char **argv, struct endpoint *server, uint64_t *bytes)
{
	char *end = NULL;

	if (argc == 3 && endpoint_parse(argv[1], server)) {
		*bytes = strtoull(argv[2], &end, 10);
		if (end != argv[2] && *end == '\0')
			return true;
	}
	fprintf(stderr, "client %s: wants SERVER and a number of bytes\n", argv[0]);
	return false;
}

static int report(const char *server, const char *what, uint64_t bytes, uint64_t start_us)
{
	double seconds = (double)(now_us() - start_us) / 1e6;

	if (http.fd < 0) {
		fprintf(stderr, "%s: %s: %s\n", server, what, http.reason);
		return 1;
	}
	printf("bytes=%" PRIu64 " seconds=%.2f mbit_s=%.0f\n", bytes, seconds,
	       (double)bytes * 8 / 1e6 / (seconds > 0 ? seconds : 1e-6));
	return 0;
}

int download_main(int argc, char **argv)
{
	struct http_response response;
	struct endpoint server;
	uint64_t bytes, offset = 0, start = now_us();
	char path[64];
	size_t n;

	if (!parse(argc, argv, &server, &bytes))
		return 2;
	snprintf(path, sizeof(path), "/bytes/%" PRIu64, bytes);
	if (!http_open(&http, &server) || !http_get(&http, path, false) ||
	    !http_response(&http, &response))
		return report(argv[1], "download", 0, start);
	if (response.status != 200 || response.length != bytes) {
		fprintf(stderr, "%s: download: status %d, %" PRIu64 " bytes\n", argv[1],
			response.status, response.length);
		return 1;
	}
	while (offset < bytes) {
		if (!http_read(&http, chunk, sizeof(chunk), &n))
			break;
		if (n > bytes - offset)
			n = bytes - offset;
		pattern_fill(expected, n, offset);
		if (memcmp(chunk, expected, n) != 0) {
			fprintf(stderr,
				"%s: download: wrong between byte %" PRIu64 " and %" PRIu64 "\n",
				argv[1], offset, offset + n);
			return 1;
		}
		offset += n;
	}
	return report(argv[1], "download", offset, start);
}

int upload_main(int argc, char **argv)
{
	struct endpoint server;
	uint64_t bytes, offset, start = now_us(), hash = FNV1A_START;
	char text[256], line[256];
	bool closes;

	if (!parse(argc, argv, &server, &bytes))
		return 2;
	snprintf(text, sizeof(text),
		 "POST /upload HTTP/1.1\r\nHost: selftest\r\nConnection: close\r\n"
		 "Content-Length: %" PRIu64 "\r\n\r\n",
		 bytes);
	if (!http_open(&http, &server) || !http_send(&http, text, strlen(text)))
		return report(argv[1], "upload", 0, start);
	for (offset = 0; offset < bytes;) {
		size_t n = bytes - offset < sizeof(chunk) ? bytes - offset : sizeof(chunk);

		pattern_fill(chunk, n, offset);
		hash = fnv1a(hash, chunk, n);
		if (!http_send(&http, chunk, n))
			return report(argv[1], "upload", offset, start);
		offset += n;
	}
	if (!http_line(&http, line, sizeof(line), &closes))
		return report(argv[1], "upload", offset, start);
	snprintf(text, sizeof(text), "%" PRIu64 " %016" PRIx64, bytes, hash);
	if (strcmp(line, text) != 0) {
		fprintf(stderr, "%s: upload: sent %s, arrived %s\n", argv[1], text, line);
		return 1;
	}
	return report(argv[1], "upload", bytes, start);
}

int bulk_main(int argc, char **argv)
{
	uint64_t bytes = 0, start, end, seconds;
	struct http_response response;
	struct endpoint server;
	size_t n;

	if (!parse(argc, argv, &server, &seconds))
		return 2;
	if (!http_open(&http, &server) || !http_get(&http, "/zeros/1000000000000", false) ||
	    !http_response(&http, &response) || response.status != 200)
		return report(argv[1], "bulk", 0, now_us());
	start = now_us();
	end = start + seconds * 1000000;
	while (now_us() < end) {
		if (!http_read(&http, chunk, sizeof(chunk), &n))
			break;
		bytes += n;
	}
	return report(argv[1], "bulk", bytes, start);
}
