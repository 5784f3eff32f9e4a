/* SPDX-License-Identifier: GPL-2.0-only */
#include "proxy/buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int buffer_take(struct buffers *buffers, struct buffer *buffer)
{
	if (buffer->data)
		return 0;
	if (buffers->free) {
		buffer->data = buffers->free;
		memcpy(&buffers->free, buffer->data, sizeof(buffers->free));
		buffers->n_free--;
	} else {
		buffer->data = malloc(BUFFER_SIZE);
		if (!buffer->data)
			return -ENOMEM;
	}
	buffer->size = BUFFER_SIZE;
	buffer->start = buffer->end = 0;
	return 0;
}

void buffer_give(struct buffers *buffers, struct buffer *buffer)
{
	if (!buffer->data)
		return;
	if (buffer->size == BUFFER_SIZE && buffers->n_free < BUFFERS_KEPT) {
		memcpy(buffer->data, &buffers->free, sizeof(buffers->free));
		buffers->free = buffer->data;
		buffers->n_free++;
	} else {
		free(buffer->data);
	}
	*buffer = (struct buffer){0};
}

void buffer_pack(struct buffer *buffer)
{
	if (!buffer->start)
		return;
	memmove(buffer->data, buffer->data + buffer->start, buffer_length(buffer));
	buffer->end -= buffer->start;
	buffer->start = 0;
}

int buffer_grow(struct buffers *buffers, struct buffer *buffer, size_t size)
{
	struct buffer larger = {.size = size};

	if (size <= buffer->size) {
		buffer_pack(buffer);
		return 0;
	}
	larger.data = malloc(size);
	if (!larger.data)
		return -ENOMEM;
	larger.end = buffer_length(buffer);
	if (larger.end)
		memcpy(larger.data, buffer->data + buffer->start, larger.end);
	buffer_give(buffers, buffer);
	*buffer = larger;
	return 0;
}

void buffers_free(struct buffers *buffers)
{
	while (buffers->free) {
		void *data = buffers->free;

		memcpy(&buffers->free, data, sizeof(buffers->free));
		free(data);
	}
	buffers->n_free = 0;
}
