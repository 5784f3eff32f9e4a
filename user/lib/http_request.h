/* SPDX-License-Identifier: GPL-2.0-only */
/* One request, as http.c runs it and http_options.c sets it up. Not for others. */
#ifndef SKEP_LIB_HTTP_REQUEST_H
#define SKEP_LIB_HTTP_REQUEST_H

#include <curl/curl.h>

#include "lib/http.h"

struct http_request {
	struct http *http;
	struct http_request *next;
	CURL *easy;
	struct curl_slist *headers;
	struct curl_slist *connect_to;
	struct http_query query; /* only callbacks, context and limit outlive http_start() */
	char error[CURL_ERROR_SIZE];
	char *body; /* collected, or the part of a stream that is not delivered yet */
	size_t size;
	size_t room;
	bool head;	/* a stream's 200 is there, and not told yet */
	bool too_large; /* more body than the limit */
	bool no_memory;
	bool ended;
	CURLcode result;
};

/* Sets what the query asks for; everything but where the answer goes. */
int http_request_configure(struct http_request *request, const struct http_query *query,
			   struct skep_error *error);

#endif
