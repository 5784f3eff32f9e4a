/* SPDX-License-Identifier: GPL-2.0-only */
#include "proxy/hello.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define RECORD_HEAD	 5
#define RECORD_HANDSHAKE 22
#define RECORD_MAX	 16384
#define MESSAGE_HEAD	 4
#define CLIENT_HELLO	 1
#define RANDOM_SIZE	 32
#define SESSION_MAX	 32
#define SERVER_NAME	 0 /* the extension */
#define HOST_NAME	 0 /* and the kind of name */

/* Bytes yet to be read. Whoever asks for more than there is gets none, and the rest is bad. */
struct cursor {
	const uint8_t *at;
	size_t left;
	bool bad;
};

static const uint8_t *take(struct cursor *cursor, size_t size)
{
	const uint8_t *at = cursor->at;

	if (cursor->bad || size > cursor->left) {
		cursor->bad = true;
		return NULL;
	}
	cursor->at += size;
	cursor->left -= size;
	return at;
}

static size_t take_number(struct cursor *cursor, size_t bytes)
{
	const uint8_t *at = take(cursor, bytes);
	size_t number = 0;

	for (size_t i = 0; at && i < bytes; i++)
		number = number << 8 | at[i];
	return number;
}

/* What has its length in front. */
static struct cursor take_vector(struct cursor *cursor, size_t length_bytes)
{
	size_t size = take_number(cursor, length_bytes);
	const uint8_t *at = take(cursor, size);

	return (struct cursor){at, at ? size : 0, cursor->bad};
}

static bool take_host(struct hello *hello, struct cursor name)
{
	if (name.bad || !name.left || name.left > HELLO_HOST_MAX)
		return false;
	for (size_t i = 0; i < name.left; i++)
		if (name.at[i] <= ' ' || name.at[i] >= 127)
			return false;
	memcpy(hello->host, name.at, name.left);
	hello->host[name.left] = '\0';
	/* It has none, but some write it. */
	if (name.left > 1 && hello->host[name.left - 1] == '.')
		hello->host[name.left - 1] = '\0';
	return true;
}

/* A list in which nobody has seen more than one name. */
static bool read_names(struct hello *hello, struct cursor extension)
{
	struct cursor list = take_vector(&extension, 2);
	bool found = false;

	if (list.bad || extension.left || !list.left)
		return false;
	while (list.left) {
		size_t kind = take_number(&list, 1);
		struct cursor name = take_vector(&list, 2);

		if (name.bad)
			return false;
		if (kind != HOST_NAME)
			continue;
		if (found || !take_host(hello, name))
			return false;
		found = true;
	}
	return true;
}

static bool read_extensions(struct hello *hello, struct cursor list)
{
	bool found = false;

	while (list.left) {
		size_t kind = take_number(&list, 2);
		struct cursor extension = take_vector(&list, 2);

		if (extension.bad)
			return false;
		if (kind != SERVER_NAME)
			continue;
		if (found || !read_names(hello, extension))
			return false;
		found = true;
	}
	return true;
}

static bool read_message(struct hello *hello, struct cursor body)
{
	size_t version = take_number(&body, 2);
	struct cursor session, ciphers, compressions, extensions;

	take(&body, RANDOM_SIZE);
	session = take_vector(&body, 1);
	ciphers = take_vector(&body, 2);
	compressions = take_vector(&body, 1);
	if (body.bad || version >> 8 != 3 || session.left > SESSION_MAX || !ciphers.left ||
	    ciphers.left % 2 || !compressions.left)
		return false;
	if (!body.left)
		return true; /* as clients of long ago */
	extensions = take_vector(&body, 2);
	return !extensions.bad && !body.left && read_extensions(hello, extensions);
}

/* Puts what records hold together. 0: a record more; -EAGAIN; -EBADMSG. */
static int take_record(struct cursor *data, uint8_t *message, size_t *have)
{
	struct cursor head = {data->at, data->left, false};
	size_t kind = take_number(&head, 1), version = take_number(&head, 2);
	size_t size = take_number(&head, 2);

	if ((data->left >= 1 && data->at[0] != RECORD_HANDSHAKE) ||
	    (data->left >= 2 && data->at[1] != 3))
		return -EBADMSG;
	if (head.bad)
		return -EAGAIN;
	if (kind != RECORD_HANDSHAKE || version >> 8 != 3 || !size || size > RECORD_MAX ||
	    *have + size > HELLO_MAX)
		return -EBADMSG;
	if (size > head.left)
		size = head.left;
	memcpy(message + *have, head.at, size);
	*have += size;
	data->at = head.at + size;
	data->left = head.left - size;
	return 0;
}

int hello_parse(struct hello *hello, const void *data, size_t size)
{
	struct cursor rest = {data, size, false};
	uint8_t message[HELLO_MAX];
	size_t have = 0, length;
	int err;

	hello->host[0] = '\0';
	do {
		err = take_record(&rest, message, &have);
		if (err)
			return err;
		if (!have)
			return -EAGAIN;
		if (message[0] != CLIENT_HELLO)
			return -EBADMSG;
		length = have < MESSAGE_HEAD
				 ? MESSAGE_HEAD
				 : MESSAGE_HEAD + ((size_t)message[1] << 16 |
						   (size_t)message[2] << 8 | message[3]);
		if (length > HELLO_MAX)
			return -EBADMSG;
	} while (have < length);
	/* After it a client waits for its answer. */
	if (!read_message(hello,
			  (struct cursor){message + MESSAGE_HEAD, length - MESSAGE_HEAD, false})) {
		hello->host[0] = '\0';
		return -EBADMSG;
	}
	return 0;
}
