/* SPDX-License-Identifier: GPL-2.0-only */
#include "proxy/buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static char *take(struct buffers_kept *kept, size_t size)
{
	char *data = kept->free;

	if (!data)
		return malloc(size);
	memcpy(&kept->free, data, sizeof(kept->free));
	kept->n--;
	return data;
}

static void give(struct buffers_kept *kept, size_t most, char *data)
{
	if (kept->n == most) {
		free(data);
		return;
	}
	memcpy(data, &kept->free, sizeof(kept->free));
	kept->free = data;
	kept->n++;
}

int buffer_take(struct buffers *buffers, struct buffer *buffer)
{
	if (buffer->data)
		return 0;
	buffer->data = take(&buffers->usual, BUFFER_SIZE);
	if (!buffer->data)
		return -ENOMEM;
	buffer->size = BUFFER_SIZE;
	buffer->start = buffer->end = 0;
	return 0;
}

void buffer_give(struct buffers *buffers, struct buffer *buffer)
{
	if (!buffer->data)
		return;
	if (buffer->size == BUFFER_SIZE)
		give(&buffers->usual, BUFFERS_KEPT, buffer->data);
	else if (buffer->size == BUFFER_LARGE)
		give(&buffers->large, BUFFERS_LARGE_KEPT, buffer->data);
	else
		free(buffer->data);
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
	larger.data = size == BUFFER_LARGE ? take(&buffers->large, size) : malloc(size);
	if (!larger.data)
		return -ENOMEM;
	larger.end = buffer_length(buffer);
	if (larger.end)
		memcpy(larger.data, buffer->data + buffer->start, larger.end);
	buffer_give(buffers, buffer);
	*buffer = larger;
	return 0;
}

static void free_kept(struct buffers_kept *kept)
{
	while (kept->free)
		free(take(kept, 0));
}

void buffers_free(struct buffers *buffers)
{
	free_kept(&buffers->usual);
	free_kept(&buffers->large);
}
