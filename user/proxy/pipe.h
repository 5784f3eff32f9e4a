/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pipes, through which splice(2) moves payload from socket to socket. To make one and close it
 * costs more than to move 64 KiB through it, so a thread keeps some.
 */
#ifndef SKEP_PROXY_PIPE_H
#define SKEP_PROXY_PIPE_H

#include <stddef.h>

#define PIPES_KEPT 128
/* More in a pipe is fewer system calls; this much anybody may have (pipe(7), pipe-max-size). */
#define PIPE_SIZE (256 * 1024)

struct pipe {
	int read_fd, write_fd; /* -1: none */
};

struct pipes {
	struct pipe kept[PIPES_KEPT];
	size_t n;
};

/* 0, with an empty pipe, also if there is one already; a negative errno. */
int pipe_take(struct pipes *pipes, struct pipe *pipe);
/* piped: bytes that are still in it. */
void pipe_give(struct pipes *pipes, struct pipe *pipe, size_t piped);
void pipes_free(struct pipes *pipes);

#endif
