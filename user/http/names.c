/* SPDX-License-Identifier: GPL-2.0-only */
#include "http/fields.h"

#define LENGTH_MAX 19
#define PER_LENGTH 4

struct known {
	const char *text; /* folded */
	enum http_name name;
};

/* By length, so that most names are compared with nothing or once. */
static const struct known names[LENGTH_MAX + 1][PER_LENGTH] = {
	[2] = {{"te", HTTP_NAME_TE}},
	[4] = {{"host", HTTP_NAME_HOST}, {"date", HTTP_NAME_DATE}},
	[6] = {{"cookie", HTTP_NAME_COOKIE}, {"expect", HTTP_NAME_EXPECT}},
	[7] = {{"upgrade", HTTP_NAME_UPGRADE}, {"trailer", HTTP_NAME_TRAILER}},
	[9] = {{"x-real-ip", HTTP_NAME_X_REAL_IP}, {"forwarded", HTTP_NAME_FORWARDED}},
	[10] = {{"connection", HTTP_NAME_CONNECTION},
		{"user-agent", HTTP_NAME_USER_AGENT},
		{"keep-alive", HTTP_NAME_KEEP_ALIVE}},
	[12] = {{"x-request-id", HTTP_NAME_X_REQUEST_ID}},
	[13] = {{"authorization", HTTP_NAME_AUTHORIZATION}},
	[14] = {{"content-length", HTTP_NAME_CONTENT_LENGTH},
		{"http2-settings", HTTP_NAME_HTTP2_SETTINGS}},
	[15] = {{"x-forwarded-for", HTTP_NAME_X_FORWARDED_FOR}},
	[16] = {{"x-forwarded-host", HTTP_NAME_X_FORWARDED_HOST},
		{"x-forwarded-port", HTTP_NAME_X_FORWARDED_PORT},
		{"proxy-connection", HTTP_NAME_PROXY_CONNECTION}},
	[17] = {{"transfer-encoding", HTTP_NAME_TRANSFER_ENCODING},
		{"x-forwarded-proto", HTTP_NAME_X_FORWARDED_PROTO}},
	[18] = {{"proxy-authenticate", HTTP_NAME_PROXY_AUTHENTICATE}},
	[19] = {{"proxy-authorization", HTTP_NAME_PROXY_AUTHORIZATION}},
};

static const struct http_text forwarded = {"x-forwarded-", 12};

static bool equal_folded(const char *name, const char *folded, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (http_folded[(uint8_t)name[i]] != (uint8_t)folded[i])
			return false;
	return true;
}

static enum http_name unless_lookalike(struct http_text name, enum http_name known)
{
	return memchr(name.at, '_', name.size) ? HTTP_NAME_LOOKALIKE : known;
}

enum http_name http_name_known(struct http_text name)
{
	if (name.size <= LENGTH_MAX) {
		const struct known *known = names[name.size];
		for (int i = 0; i < PER_LENGTH && known[i].text; i++)
			if (equal_folded(name.at, known[i].text, name.size))
				return unless_lookalike(name, known[i].name);
	}
	if (name.size > forwarded.size && equal_folded(name.at, forwarded.at, forwarded.size))
		return unless_lookalike(name, HTTP_NAME_X_FORWARDED);
	return HTTP_NAME_OTHER;
}
