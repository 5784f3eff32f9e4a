/* SPDX-License-Identifier: GPL-2.0-only */
#include "http/meaning.h"

#include "http/authority.h"

static bool is(struct http_text text, const char *word)
{
	return http_text_equal_nocase(text, (struct http_text){word, strlen(word)});
}

/* The values of all fields of one name, in order: for (each = first(…); each.field; next(&each)) */
struct each {
	const struct http_head *head;
	const struct http_field *field;
};

static struct each first(const struct http_head *head, enum http_name name)
{
	return (struct each){head, http_fields_first(&head->fields, name)};
}

static void next(struct each *each)
{
	const struct http_field *end = each->head->fields.list + each->head->fields.n;
	uint8_t known = each->field->known;

	do
		each->field++;
	while (each->field < end && each->field->known != known);
	if (each->field == end)
		each->field = NULL;
}

static bool repeated(const struct http_head *head, enum http_name name)
{
	struct each each = first(head, name);

	next(&each);
	return each.field;
}

enum http_refusal http_meaning_authority(struct http_head *head, const char *data,
					 struct http_span span)
{
	struct http_authority authority;
	enum http_refusal refusal = http_authority_parse(http_text(data, span), &authority);

	if (refusal)
		return refusal;
	head->authority = span;
	head->host = (struct http_span){(uint32_t)(authority.host.at - data),
					(uint32_t)authority.host.size};
	head->port = authority.port;
	return HTTP_NOT_REFUSED;
}

static enum http_refusal read_host(struct http_head *head, const char *data)
{
	const struct http_field *host = http_fields_first(&head->fields, HTTP_NAME_HOST);
	struct http_authority ignored;

	if (!host)
		return head->minor == 0 ? HTTP_NOT_REFUSED : HTTP_REFUSED_HOST_MISSING;
	if (repeated(head, HTTP_NAME_HOST))
		return HTTP_REFUSED_HOST_REPEATED;
	/* RFC 9112 3.2.2: the target's outweighs it; it must be right all the same. */
	if (head->authority.size > 0)
		return http_authority_parse(http_text(data, host->value), &ignored);
	return http_meaning_authority(head, data, host->value);
}

static enum http_refusal read_length(struct http_head *head, const char *data)
{
	const struct http_field *field = http_fields_first(&head->fields, HTTP_NAME_CONTENT_LENGTH);
	struct http_text text;

	if (!field)
		return HTTP_NOT_REFUSED;
	if (repeated(head, HTTP_NAME_CONTENT_LENGTH))
		return HTTP_REFUSED_LENGTH_REPEATED;
	text = http_text(data, field->value);
	for (size_t i = 0; i < text.size; i++) {
		if (!http_is(text.at[i], HTTP_DIGIT))
			return HTTP_REFUSED_LENGTH_BAD;
		uint64_t digit = (uint64_t)(text.at[i] - '0');
		if (head->length > (INT64_MAX - digit) / 10)
			return HTTP_REFUSED_LENGTH_OVERFLOW;
		head->length = head->length * 10 + digit;
	}
	if (text.size == 0)
		return HTTP_REFUSED_LENGTH_BAD;
	head->has_length = true;
	return HTTP_NOT_REFUSED;
}

/* A value that is not "chunked" and nothing else. */
static enum http_refusal refuse_coding(struct http_text value)
{
	struct http_text element;
	bool chunked = false;

	if (value.size == 0 || value.at[0] == ',' || value.at[value.size - 1] == ',')
		return HTTP_REFUSED_CODING_BAD;
	while (http_list_next(&value, &element)) {
		if (!http_is_token(element))
			return HTTP_REFUSED_CODING_BAD;
		if (chunked)
			return is(element, "chunked") ? HTTP_REFUSED_CODING_REPEATED
						      : HTTP_REFUSED_CODING_NOT_LAST;
		chunked = is(element, "chunked");
	}
	return HTTP_REFUSED_CODING_UNKNOWN;
}

static enum http_refusal read_coding(struct http_head *head, const char *data, bool *chunked)
{
	const struct http_field *field =
		http_fields_first(&head->fields, HTTP_NAME_TRANSFER_ENCODING);

	*chunked = field;
	if (!field)
		return HTTP_NOT_REFUSED;
	if (head->has_length)
		return HTTP_REFUSED_LENGTH_WITH_CODING;
	if (head->minor == 0)
		return HTTP_REFUSED_CODING_VERSION;
	if (repeated(head, HTTP_NAME_TRANSFER_ENCODING))
		return HTTP_REFUSED_CODING_REPEATED;
	if (!is(http_text(data, field->value), "chunked"))
		return refuse_coding(http_text(data, field->value));
	return HTTP_NOT_REFUSED;
}

/* *upgrade: Connection names it. */
static enum http_refusal read_connection(struct http_head *head, const char *data, bool *upgrade)
{
	bool close = false, keep_alive = false;

	*upgrade = false;
	for (struct each each = first(head, HTTP_NAME_CONNECTION); each.field; next(&each)) {
		struct http_text rest = http_text(data, each.field->value), element;
		while (http_list_next(&rest, &element)) {
			if (!http_is_token(element))
				return HTTP_REFUSED_CONNECTION_BAD;
			if (is(element, "close")) {
				close = true;
			} else if (is(element, "keep-alive")) {
				keep_alive = true;
			} else if (is(element, "upgrade")) {
				*upgrade = true;
			} else if (!is(element, "te")) {
				if (head->n_listed == HTTP_LISTED_MAX)
					return HTTP_REFUSED_CONNECTION_MANY;
				head->listed[head->n_listed++] = (struct http_span){
					(uint32_t)(element.at - data), (uint32_t)element.size};
			}
		}
	}
	head->keep_alive = !close && (head->minor > 0 || keep_alive);
	return HTTP_NOT_REFUSED;
}

/*
 * One Upgrade field with protocols in it, and not h2c: a task that speaks it would take requests
 * from then on that no one has routed.
 */
static bool names_protocol(const struct http_head *head, const char *data)
{
	const struct http_field *field = http_fields_first(&head->fields, HTTP_NAME_UPGRADE);
	struct http_text rest, element;
	bool any = false;

	if (!field || repeated(head, HTTP_NAME_UPGRADE))
		return false;
	rest = http_text(data, field->value);
	while (http_list_next(&rest, &element)) {
		const char *slash = memchr(element.at, '/', element.size);
		struct http_text name = element, version = HTTP_TEXT("1");
		if (slash) {
			name.size = (size_t)(slash - element.at);
			version = (struct http_text){slash + 1, element.size - name.size - 1};
		}
		if (!http_is_token(name) || !http_is_token(version) || is(name, "h2c") ||
		    is(name, "h2") || is(name, "http") || is(name, "tls"))
			return false;
		any = true;
	}
	return any;
}

/* Whether the TE fields name trailers; weights and codings do not matter to who passes chunked on.
 */
static bool takes_trailers(const struct http_head *head, const char *data)
{
	for (struct each each = first(head, HTTP_NAME_TE); each.field; next(&each)) {
		struct http_text rest = http_text(data, each.field->value), element;
		while (http_list_next(&rest, &element))
			if (is(element, "trailers"))
				return true;
	}
	return false;
}

static enum http_refusal read_expect(struct http_head *head, const char *data)
{
	for (struct each each = first(head, HTTP_NAME_EXPECT); each.field; next(&each))
		if (!is(http_text(data, each.field->value), "100-continue"))
			return HTTP_REFUSED_EXPECTATION;
	/* RFC 9110 10.1.1: not of a 1.0 client, and nothing to wait for without a body. */
	head->expect_continue = http_fields_first(&head->fields, HTTP_NAME_EXPECT) &&
				head->minor > 0 && head->framing != HTTP_FRAMING_NONE &&
				!(head->framing == HTTP_FRAMING_LENGTH && head->length == 0);
	return HTTP_NOT_REFUSED;
}

static enum http_refusal read_framing(struct http_head *head, const char *data,
				      enum http_framing otherwise)
{
	enum http_refusal refusal;
	bool chunked;

	if ((refusal = read_length(head, data)) || (refusal = read_coding(head, data, &chunked)))
		return refusal;
	head->framing = chunked		   ? HTTP_FRAMING_CHUNKED
			: head->has_length ? HTTP_FRAMING_LENGTH
					   : otherwise;
	return HTTP_NOT_REFUSED;
}

enum http_refusal http_meaning_request(struct http_head *head, const char *data)
{
	enum http_refusal refusal;
	bool upgrade;

	/* RFC 9112 3.2.4: an absolute-form of OPTIONS without path and query is of the server. */
	if (head->form == HTTP_FORM_ABSOLUTE && head->method == HTTP_METHOD_OPTIONS &&
	    head->path.size == 0 && head->query.size == 0)
		head->form = HTTP_FORM_ASTERISK;
	if ((refusal = read_host(head, data)) ||
	    (refusal = read_framing(head, data, HTTP_FRAMING_NONE)) ||
	    (refusal = read_connection(head, data, &upgrade)) ||
	    (refusal = read_expect(head, data)))
		return refusal;
	head->takes_trailers = head->minor > 0 && takes_trailers(head, data);
	/* RFC 9110 7.8: not of a 1.0 client; and not with a body, as the protocol changes after it.
	 */
	head->upgrade = upgrade && head->minor > 0 && head->framing == HTTP_FRAMING_NONE &&
			names_protocol(head, data);
	return HTTP_NOT_REFUSED;
}

enum http_refusal http_meaning_response(struct http_head *head, const char *data)
{
	bool upgrade, interim = head->status < 200;
	enum http_refusal refusal;

	if ((refusal = read_framing(head, data, HTTP_FRAMING_CLOSE)) ||
	    (refusal = read_connection(head, data, &upgrade)))
		return refusal;
	if (interim || head->status == 204) {
		/* Who announces a body there may send one. */
		if (head->framing == HTTP_FRAMING_CHUNKED ||
		    (head->framing == HTTP_FRAMING_LENGTH && head->length > 0))
			return HTTP_REFUSED_BODY_FORBIDDEN;
		head->framing = HTTP_FRAMING_NONE;
	} else if (head->to_head || head->status == 304) {
		head->framing = HTTP_FRAMING_NONE;
	}
	if (head->status == 101) {
		head->upgrade = upgrade && head->asked_upgrade && names_protocol(head, data);
		if (!head->upgrade)
			return HTTP_REFUSED_SWITCH_UNASKED;
		head->framing = HTTP_FRAMING_TUNNEL;
	}
	if (head->framing == HTTP_FRAMING_CLOSE || head->framing == HTTP_FRAMING_TUNNEL)
		head->keep_alive = false;
	return HTTP_NOT_REFUSED;
}
