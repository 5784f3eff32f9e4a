/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where models come from. A source reports every new model to its receiver and owns none of them
 * after. It holds its last good one in force simply by reporting nothing; what is wrong meanwhile
 * is in its status.
 */
#ifndef SKEP_SOURCE_SOURCE_H
#define SKEP_SOURCE_SOURCE_H

#include <stdbool.h>

#include "lib/error.h"
#include "lib/http.h"
#include "lib/loop.h"
#include "model/model.h"

struct source_receiver {
	/* A model that differs from the last one reported. The receiver frees it, and does not
	 * close the source meanwhile. */
	void (*model)(void *context, struct model *model);
	void *context;
};

enum source_state {
	SOURCE_STARTING, /* no model yet */
	SOURCE_CURRENT,	 /* what it reported last is what is */
	SOURCE_STALE,	 /* trying to get at it again; why is in the text */
};

struct source_status {
	enum source_state state;
	char text[512]; /* one line for a person: where from, or what is wrong and what is being
			   done */
};

struct source;

struct source_operations {
	void (*status)(const struct source *source, struct source_status *status);
	void (*refresh)(struct source *source); /* look soon: something may have changed */
	void (*close)(struct source *source);	/* and free */
};

struct source { /* first member of each kind of source */
	const struct source_operations *operations;
};

/* source/file.c: a file of the model's JSON form; followed by inotify on its directory, renames
 * included. */
int source_file_open(struct source **source, struct loop *loop, const char *path,
		     const struct source_receiver *receiver, struct skep_error *error);

/* source/swarm.c: a manager's Engine API (unix socket path). */
int source_swarm_open(struct source **source, struct loop *loop, struct http *http,
		      const char *docker_socket, const struct source_receiver *receiver,
		      struct skep_error *error);

/*
 * source/feed.c: the managers' agents (source/feed_server.h). Keeps to one that answers, goes on to
 * the next when it does not. managers: IPv4 addresses as text, copied; source_feed_managers() gives
 * a new list when Swarm's changes.
 */
struct source_feed_config {
	uint16_t port;		  /* host order */
	const char *certificates; /* directory: swarm-node.crt, swarm-node.key, swarm-root-ca.crt;
				     read anew for each connection */
};
int source_feed_open(struct source **source, struct loop *loop, struct http *http,
		     const struct source_feed_config *config,
		     const struct source_receiver *receiver, struct skep_error *error);
void source_feed_managers(struct source *source, const char *const *addresses, size_t n);
/* Tells the manager that is being followed to look at Swarm now (POST /v1/nudge). */
void source_feed_nudge(struct source *source);

static inline void source_status(const struct source *source, struct source_status *status)
{
	source->operations->status(source, status);
}

static inline void source_refresh(struct source *source)
{
	source->operations->refresh(source);
}

static inline void source_close(struct source *source)
{
	if (source)
		source->operations->close(source);
}

#endif
