/* SPDX-License-Identifier: GPL-2.0-only */
/* A query as libcurl's options. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/http_request.h"
#include "lib/pem.h"

#define CONNECT_TIMEOUT_MS 5000L

#define SET(option, value)                                                                         \
	do {                                                                                       \
		code = curl_easy_setopt(request->easy, option, value);                             \
		if (code != CURLE_OK)                                                              \
			return error_set(error, -EINVAL, "cannot set " #option ": %s",             \
					 curl_easy_strerror(code));                                \
	} while (0)

/*
 * Files go in as blobs: libcurl compares those by content when it looks for a connection to use
 * again, but files by name only, and would go on with a certificate that was rotated away.
 */
static int set_tls(struct http_request *request, const struct http_tls *tls,
		   struct skep_error *error)
{
	struct pem_identity identity;
	struct curl_blob blob = {.flags = CURL_BLOB_COPY};
	CURLcode code = CURLE_OK;
	int err = pem_identity_read(&identity, tls->ca, tls->cert, tls->key, error);
	const struct {
		CURLoption option;
		const struct pem *pem;
	} blobs[] = {
		{CURLOPT_CAINFO_BLOB, &identity.ca},
		{CURLOPT_SSLCERT_BLOB, &identity.cert},
		{CURLOPT_SSLKEY_BLOB, &identity.key},
	};

	for (size_t i = 0; !err && i < sizeof(blobs) / sizeof(blobs[0]); i++) {
		blob.data = blobs[i].pem->data;
		blob.len = blobs[i].pem->size;
		code = curl_easy_setopt(request->easy, blobs[i].option, &blob);
		if (code != CURLE_OK)
			err = error_set(error, -EINVAL, "cannot take the certificates: %s",
					curl_easy_strerror(code));
	}
	pem_identity_free(&identity);
	if (err)
		return err;

	/* Debian's libcurl trusts /etc/ssl/certs besides. */
	SET(CURLOPT_CAPATH, NULL);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	/* A resumed session would show no certificate. */
	SET(CURLOPT_SSL_SESSIONID_CACHE, 0L);
	return 0;
}

int http_request_configure(struct http_request *request, const struct http_query *query,
			   struct skep_error *error)
{
	CURLcode code = CURLE_OK;
	char connect_to[128];

	SET(CURLOPT_URL, query->url);
	SET(CURLOPT_PROTOCOLS_STR, query->tls ? "https" : "http");
	SET(CURLOPT_PROXY, ""); /* whatever the environment says */
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_ERRORBUFFER, request->error);
	SET(CURLOPT_TIMEOUT_MS, query->timeout_ms);
	SET(CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	if (query->unix_socket)
		SET(CURLOPT_UNIX_SOCKET_PATH, query->unix_socket);
	if (query->connect_to) {
		snprintf(connect_to, sizeof(connect_to), "::%s", query->connect_to);
		request->connect_to = curl_slist_append(NULL, connect_to);
		SET(CURLOPT_CONNECT_TO, request->connect_to);
	}
	if (query->body) {
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(query->body));
		SET(CURLOPT_COPYPOSTFIELDS, query->body);
		request->headers =
			curl_slist_append(request->headers, "Content-Type: application/json");
		SET(CURLOPT_HTTPHEADER, request->headers);
	} else if (query->method && strcmp(query->method, "POST") == 0) {
		SET(CURLOPT_POSTFIELDSIZE, 0L);
		SET(CURLOPT_COPYPOSTFIELDS, "");
	}
	if (query->method)
		SET(CURLOPT_CUSTOMREQUEST, query->method);
	return query->tls ? set_tls(request, query->tls, error) : 0;
}
