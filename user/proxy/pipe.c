/* SPDX-License-Identifier: GPL-2.0-only */
#include "proxy/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int pipe_take(struct pipes *pipes, struct pipe *pipe)
{
	int ends[2];

	if (pipe->read_fd >= 0)
		return 0;
	if (pipes->n) {
		*pipe = pipes->kept[--pipes->n];
		return 0;
	}
	if (pipe2(ends, O_NONBLOCK | O_CLOEXEC))
		return -errno;
	/* Refused to who has many already: it works with less, too. */
	(void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_SIZE);
	*pipe = (struct pipe){ends[0], ends[1]};
	return 0;
}

static void pipe_close(struct pipe *pipe)
{
	close(pipe->read_fd);
	close(pipe->write_fd);
}

void pipe_give(struct pipes *pipes, struct pipe *pipe, size_t piped)
{
	if (pipe->read_fd < 0)
		return;
	if (!piped && pipes->n < PIPES_KEPT)
		pipes->kept[pipes->n++] = *pipe;
	else
		pipe_close(pipe);
	*pipe = (struct pipe){-1, -1};
}

void pipes_free(struct pipes *pipes)
{
	while (pipes->n)
		pipe_close(&pipes->kept[--pipes->n]);
}
