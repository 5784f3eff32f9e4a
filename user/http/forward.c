/* SPDX-License-Identifier: GPL-2.0-only */
#include "http/forward.h"

#include <errno.h>

#include "http/trailer.h"

/* Writes what fits; at stays within end, and full says that something did not. */
struct out {
	char *at;
	char *end;
	bool full;
};

static void put(struct out *out, struct http_text text)
{
	if ((size_t)(out->end - out->at) < text.size) {
		out->full = true;
		return;
	}
	if (text.size > 0)
		memcpy(out->at, text.at, text.size);
	out->at += text.size;
}

#define PUT(out, literal) put(out, HTTP_TEXT(literal))

static void put_field(struct out *out, struct http_text name, struct http_text value)
{
	size_t size = name.size + value.size + 4;
	char *at = out->at;

	if ((size_t)(out->end - at) < size) {
		out->full = true;
		return;
	}
	memcpy(at, name.at, name.size);
	at += name.size;
	*at++ = ':';
	*at++ = ' ';
	if (value.size > 0)
		memcpy(at, value.at, value.size);
	at += value.size;
	*at++ = '\r';
	*at++ = '\n';
	out->at = at;
}

#define PUT_FIELD(out, literal, value) put_field(out, HTTP_TEXT(literal), value)

static void put_length(struct out *out, uint64_t length)
{
	char digits[20];
	size_t n = 0;

	do {
		digits[sizeof(digits) - ++n] = (char)('0' + length % 10);
		length /= 10;
	} while (length > 0);
	PUT_FIELD(out, "Content-Length", ((struct http_text){digits + sizeof(digits) - n, n}));
}

static ssize_t finish(const struct out *out, const char *room)
{
	return out->full ? -ENOBUFS : out->at - room;
}

static struct out begin(char *room, size_t size)
{
	return (struct out){room, room + size, false};
}

/* RFC 9110 7.6.1, for fields that are nobody's in particular. */
static bool is_listed(const struct http_head *head, const char *data,
		      const struct http_field *field)
{
	for (uint32_t i = 0; i < head->n_listed; i++)
		if (http_text_equal_nocase(http_text(data, field->name),
					   http_text(data, head->listed[i])))
			return true;
	return false;
}

static void put_kept(struct out *out, const char *data, const struct http_field *field)
{
	put_field(out, http_text(data, field->name), http_text(data, field->value));
}

static void put_extra(struct out *out, const struct http_extra *extra, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put_field(out, extra[i].name, extra[i].value);
}

/* All values of a name in one field, and one more behind them. */
static void put_appended(struct out *out, const struct http_head *head, const char *data,
			 enum http_name name, struct http_text title, struct http_text last)
{
	put(out, title);
	for (uint32_t i = 0; i < head->fields.n; i++) {
		const struct http_field *field = &head->fields.list[i];
		if (field->known != name || field->drop || field->value.size == 0)
			continue;
		put(out, http_text(data, field->value));
		PUT(out, ", ");
	}
	put(out, last);
	PUT(out, "\r\n");
}

/* Who asked for what where: ours, unless a trusted proxy in front has said so. */
static void put_forwarded(struct out *out, const struct http_head *head, const char *data,
			  const struct http_to_task *onward, struct http_text host)
{
	struct http_text x_for = HTTP_TEXT("X-Forwarded-For: ");
	bool trusted = onward->trusted;
	const struct {
		enum http_name name;
		struct http_text title, value;
	} ours[] = {
		{HTTP_NAME_X_FORWARDED_PROTO, HTTP_TEXT("X-Forwarded-Proto"), onward->proto},
		{HTTP_NAME_X_FORWARDED_HOST, HTTP_TEXT("X-Forwarded-Host"), host},
		{HTTP_NAME_X_FORWARDED_PORT, HTTP_TEXT("X-Forwarded-Port"), onward->port},
		{HTTP_NAME_X_REAL_IP, HTTP_TEXT("X-Real-IP"), onward->client},
	};

	if (trusted && http_fields_first(&head->fields, HTTP_NAME_X_FORWARDED_FOR))
		put_appended(out, head, data, HTTP_NAME_X_FORWARDED_FOR, x_for, onward->client);
	else
		PUT_FIELD(out, "X-Forwarded-For", onward->client);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (!trusted || !http_fields_first(&head->fields, ours[i].name))
			put_field(out, ours[i].title, ours[i].value);
	if (!http_fields_first(&head->fields, HTTP_NAME_X_REQUEST_ID))
		PUT_FIELD(out, "X-Request-Id", onward->request_id);
}

/* A field of a request that goes on as it is. */
static bool request_field_stays(const struct http_head *head, const char *data,
				const struct http_field *field, bool trusted)
{
	if (field->drop)
		return false;
	switch (field->known) {
	case HTTP_NAME_LOOKALIKE:
	case HTTP_NAME_HOST:
	case HTTP_NAME_CONTENT_LENGTH:
	case HTTP_NAME_TRANSFER_ENCODING:
	case HTTP_NAME_CONNECTION:
	case HTTP_NAME_KEEP_ALIVE:
	case HTTP_NAME_PROXY_CONNECTION:
	case HTTP_NAME_PROXY_AUTHENTICATE:
	case HTTP_NAME_PROXY_AUTHORIZATION:
	case HTTP_NAME_HTTP2_SETTINGS:
	case HTTP_NAME_TE:
	case HTTP_NAME_UPGRADE:
	case HTTP_NAME_EXPECT:
	case HTTP_NAME_X_FORWARDED_FOR:
		return false;
	case HTTP_NAME_FORWARDED:
	case HTTP_NAME_X_FORWARDED_PROTO:
	case HTTP_NAME_X_FORWARDED_HOST:
	case HTTP_NAME_X_FORWARDED_PORT:
	case HTTP_NAME_X_FORWARDED:
	case HTTP_NAME_X_REAL_IP:
		/* Not taken away by Connection: that would undo what the proxy in front said. */
		return trusted;
	case HTTP_NAME_X_REQUEST_ID:
		return true;
	default:
		return head->n_listed == 0 || !is_listed(head, data, field);
	}
}

static void put_request_connection(struct out *out, const struct http_head *head, const char *data)
{
	/* Once, however often it came: not everybody takes it twice. */
	if (head->expect_continue && !http_fields_first(&head->fields, HTTP_NAME_EXPECT)->drop)
		PUT(out, "Expect: 100-continue\r\n");
	if (head->upgrade && head->takes_trailers)
		PUT(out, "Connection: upgrade, TE\r\n");
	else if (head->upgrade)
		PUT(out, "Connection: upgrade\r\n");
	else if (head->takes_trailers)
		PUT(out, "Connection: TE\r\n");
	if (head->takes_trailers)
		PUT(out, "TE: trailers\r\n");
	if (head->upgrade)
		put_kept(out, data, http_fields_first(&head->fields, HTTP_NAME_UPGRADE));
}

ssize_t http_forward_request(const struct http_head *head, const char *data,
			     const struct http_to_task *onward, char *room, size_t size)
{
	struct http_text host =
		head->authority.size > 0 ? http_text(data, head->authority) : onward->host;
	struct out out = begin(room, size);

	put(&out, http_text(data, head->method_text));
	PUT(&out, " ");
	put(&out, onward->path);
	put(&out, onward->query);
	PUT(&out, " HTTP/1.1\r\n");
	PUT_FIELD(&out, "Host", host);
	for (uint32_t i = 0; i < head->fields.n; i++) {
		const struct http_field *field = &head->fields.list[i];
		if (request_field_stays(head, data, field, onward->trusted))
			put_kept(&out, data, field);
	}
	put_forwarded(&out, head, data, onward, host);
	put_extra(&out, onward->extra, onward->n_extra);
	put_request_connection(&out, head, data);
	if (head->framing == HTTP_FRAMING_LENGTH)
		put_length(&out, head->length);
	else if (head->framing == HTTP_FRAMING_CHUNKED)
		PUT(&out, "Transfer-Encoding: chunked\r\n");
	PUT(&out, "\r\n");
	return finish(&out, room);
}

static bool response_field_stays(const struct http_head *head, const char *data,
				 const struct http_field *field)
{
	if (field->drop)
		return false;
	switch (field->known) {
	case HTTP_NAME_LOOKALIKE:
	case HTTP_NAME_CONTENT_LENGTH:
	case HTTP_NAME_TRANSFER_ENCODING:
	case HTTP_NAME_CONNECTION:
	case HTTP_NAME_KEEP_ALIVE:
	case HTTP_NAME_PROXY_CONNECTION:
	case HTTP_NAME_PROXY_AUTHENTICATE:
	case HTTP_NAME_PROXY_AUTHORIZATION:
	case HTTP_NAME_HTTP2_SETTINGS:
	case HTTP_NAME_TE:
	case HTTP_NAME_UPGRADE:
		return false;
	default:
		return head->n_listed == 0 || !is_listed(head, data, field);
	}
}

static void put_status(struct out *out, const struct http_head *head, const char *data)
{
	char line[] = "HTTP/1.1 000 ";

	line[9] = (char)('0' + head->status / 100);
	line[10] = (char)('0' + head->status / 10 % 10);
	line[11] = (char)('0' + head->status % 10);
	put(out, (struct http_text){line, sizeof(line) - 1});
	put(out, http_text(data, head->reason));
	PUT(out, "\r\n");
}

/* A HEAD's answer and 304 tell the length of what they leave out; 1xx and 204 have none to tell. */
static bool tells_length(const struct http_head *head)
{
	return head->has_length && head->status >= 200 && head->status != 204;
}

ssize_t http_forward_response(const struct http_head *head, const char *data,
			      const struct http_to_client *onward, char *room, size_t size)
{
	struct out out = begin(room, size);

	put_status(&out, head, data);
	for (uint32_t i = 0; i < head->fields.n; i++) {
		const struct http_field *field = &head->fields.list[i];
		if (response_field_stays(head, data, field))
			put_kept(&out, data, field);
	}
	put_extra(&out, onward->extra, onward->n_extra);
	if (head->framing == HTTP_FRAMING_TUNNEL) {
		PUT(&out, "Connection: upgrade\r\n");
		put_kept(&out, data, http_fields_first(&head->fields, HTTP_NAME_UPGRADE));
	} else if (onward->close || onward->framing == HTTP_FRAMING_CLOSE) {
		PUT(&out, "Connection: close\r\n");
	} else if (onward->keep_alive) {
		PUT(&out, "Connection: keep-alive\r\n");
	}
	if (onward->framing == HTTP_FRAMING_CHUNKED)
		PUT(&out, "Transfer-Encoding: chunked\r\n");
	else if (onward->framing != HTTP_FRAMING_CLOSE && tells_length(head))
		put_length(&out, head->length);
	PUT(&out, "\r\n");
	return finish(&out, room);
}

ssize_t http_forward_trailers(const struct http_fields *fields, const char *data, char *room,
			      size_t size)
{
	struct out out = begin(room, size);

	PUT(&out, "0\r\n");
	for (uint32_t i = 0; i < fields->n; i++)
		if (!fields->list[i].drop && http_trailer_passes(&fields->list[i], data))
			put_kept(&out, data, &fields->list[i]);
	PUT(&out, "\r\n");
	return finish(&out, room);
}
