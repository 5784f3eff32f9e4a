/* SPDX-License-Identifier: GPL-2.0-only */
#include "http/fields.h"

#include <endian.h>
#include <errno.h>

enum state {
	LINE,  /* at a line's first byte */
	NAME,  /* in a name */
	SPACE, /* between colon and value */
	VALUE, /* in a value */
};

void http_fields_begin(struct http_fields *fields, struct http_field *list, uint32_t room,
		       uint32_t at)
{
	*fields = (struct http_fields){.list = list, .room = room, .at = at, .state = LINE};
}

static int refuse(enum http_refusal *refusal, enum http_refusal reason)
{
	*refusal = reason;
	return -EBADMSG;
}

/*
 * The first of [at, end) that no value has, or HTAB, or end. Eight bytes at a time: a borrow only
 * ever comes from a byte that is one of those, so the lowest that is marked is one.
 */
static const char *skip_value(const char *at, const char *end)
{
	const uint64_t ones = 0x0101010101010101U, tops = 0x8080808080808080U;

	for (; end - at >= 8; at += 8) {
		uint64_t eight, is_del, found;
		memcpy(&eight, at, sizeof(eight));
		eight = le64toh(eight);
		is_del = eight ^ ones * 0x7f;
		found = (((eight - ones * 0x20) & ~eight) | ((is_del - ones) & ~is_del)) & tops;
		if (found)
			return at + __builtin_ctzll(found) / 8;
	}
	while (at < end && http_is(*at, HTTP_VALUE) && *at != '\t')
		at++;
	return at;
}

static int refuse_value(enum http_refusal *refusal, char byte)
{
	if (byte == '\0')
		return refuse(refusal, HTTP_REFUSED_FIELD_NUL);
	return refuse(refusal, byte == '\n' ? HTTP_REFUSED_BARE_LF : HTTP_REFUSED_FIELD_CONTROL);
}

static int refuse_name(enum http_refusal *refusal, char byte, bool first)
{
	switch (byte) {
	case '\n':
		return refuse(refusal, HTTP_REFUSED_BARE_LF);
	case ':':
		return refuse(refusal, HTTP_REFUSED_FIELD_NAME_EMPTY);
	case '\r':
		return refuse(refusal, HTTP_REFUSED_FIELD_COLON);
	case ' ':
	case '\t':
		if (!first)
			return refuse(refusal, HTTP_REFUSED_FIELD_NAME_SPACE);
		break;
	default:
		break;
	}
	return refuse(refusal, HTTP_REFUSED_FIELD_NAME_BAD);
}

/* CR and LF at at: 0; -EAGAIN if that cannot be said yet. */
static int line_end(const char *at, const char *end, enum http_refusal *refusal)
{
	if (end - at < 2)
		return -EAGAIN;
	return at[1] == '\n' ? 0 : refuse(refusal, HTTP_REFUSED_BARE_CR);
}

/* The field whose value ends before end, but for white space. */
static void add(struct http_fields *fields, const char *data, uint32_t end)
{
	struct http_field *field = &fields->list[fields->n++];

	while (end > field->value.at && (data[end - 1] == ' ' || data[end - 1] == '\t'))
		end--;
	field->value.size = end - field->value.at;
	field->known = (uint8_t)http_name_known(http_text(data, field->name));
	field->drop = false;
	if (!fields->first[field->known])
		fields->first[field->known] = (uint16_t)fields->n;
}

int http_fields_parse(struct http_fields *fields, const char *data, uint32_t size,
		      enum http_refusal *refusal)
{
	const char *at = data + fields->at, *end = data + size;
	struct http_field *field = &fields->list[fields->n];
	int err = -EAGAIN;

	while (at < end) {
		switch (fields->state) {
		case LINE:
			if (*at == '\r') {
				err = line_end(at, end, refusal);
				if (!err)
					at += 2;
				goto out;
			}
			if (*at == ' ' || *at == '\t') {
				err = refuse(refusal, fields->n ? HTTP_REFUSED_FIELD_FOLD
								: HTTP_REFUSED_FIELD_FIRST_SPACE);
				goto out;
			}
			if (!http_is(*at, HTTP_TOKEN)) {
				err = refuse_name(refusal, *at, true);
				goto out;
			}
			if (fields->n == fields->room) {
				err = refuse(refusal, HTTP_REFUSED_FIELDS_MANY);
				goto out;
			}
			field = &fields->list[fields->n];
			field->name.at = (uint32_t)(at - data);
			fields->state = NAME;
			/* fall through */
		case NAME:
			while (at < end && http_is(*at, HTTP_TOKEN))
				at++;
			if (at == end)
				goto out;
			if (*at != ':') {
				err = refuse_name(refusal, *at, false);
				goto out;
			}
			field->name.size = (uint32_t)(at - data) - field->name.at;
			at++;
			fields->state = SPACE;
			/* fall through */
		case SPACE:
			while (at < end && (*at == ' ' || *at == '\t'))
				at++;
			if (at == end)
				goto out;
			field->value.at = (uint32_t)(at - data);
			fields->state = VALUE;
			/* fall through */
		case VALUE:
			at = skip_value(at, end);
			if (at == end)
				goto out;
			if (*at == '\t') {
				at++;
				continue;
			}
			err = *at == '\r' ? line_end(at, end, refusal) : refuse_value(refusal, *at);
			if (err)
				goto out;
			add(fields, data, (uint32_t)(at - data));
			at += 2;
			fields->state = LINE;
			err = -EAGAIN;
		}
	}
out:
	fields->at = (uint32_t)(at - data);
	return err;
}

struct http_field *http_fields_find(const struct http_fields *fields, const char *data,
				    struct http_text name, uint32_t start)
{
	for (uint32_t i = start; i < fields->n; i++)
		if (http_text_equal_nocase(http_text(data, fields->list[i].name), name))
			return &fields->list[i];
	return NULL;
}
