/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an agent asks of its own node's Docker, manager or worker: who this node is in the Swarm,
 * which containers run here, on which networks, and which of them are tasks. Follows the Engine's
 * event stream and comes back when dockerd does; while dockerd is away, the last answer stays.
 */
#ifndef SKEP_SOURCE_DOCKER_H
#define SKEP_SOURCE_DOCKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/addr.h"
#include "lib/error.h"
#include "lib/http.h"
#include "lib/loop.h"

/* From GET /info. */
struct docker_node {
	char id[64];		  /* "" while not in a Swarm */
	struct skep_addr address; /* NodeAddr */
	bool active;		  /* LocalNodeState is active, or was until 10 s ago */
	bool manager;		  /* ControlAvailable */
	char **managers;	  /* IPv4 addresses of RemoteManagers, without port */
	size_t n_managers;
};

/* Networks of one container that are told of; Docker has no such limit, but nobody comes near. */
#define DOCKER_MAX_NETWORKS 16

struct docker_network { /* a Swarm's network that a container is on */
	char id[32];
	struct skep_addr address; /* the container's there */
};

struct docker_container { /* a running container */
	char task_id[64]; /* "": no Swarm task */
	char id[68]; /* 64 digits; and no padding behind, as containers are compared as bytes */
	pid_t pid;
	uint32_t n_networks;
	struct docker_network networks[DOCKER_MAX_NETWORKS]; /* sorted by id; the rest is zero */
};

struct docker_receiver {
	/* Either changed; both are valid until the next call. n is 0 and node.active false while
	 * that is not known yet. */
	void (*changed)(void *context);
	/* An event came that other nodes may want to know of (a task's container started, died,
	 * became healthy). */
	void (*event)(void *context);
	void *context;
};

struct docker;
int docker_open(struct docker **docker, struct loop *loop, struct http *http,
		const char *socket_path, const struct docker_receiver *receiver,
		struct skep_error *error);
void docker_close(struct docker *docker); /* NULL is fine; not from within a callback */

const struct docker_node *docker_node(const struct docker *docker);
const struct docker_container *docker_containers(const struct docker *docker,
						 size_t *n); /* sorted by task_id, then id */
/* Both have been read whole since docker_open(): until then an empty list says nothing. changed()
 * tells of it. */
bool docker_complete(const struct docker *docker);
/* One line for a person; NULL when all is well. */
const char *docker_problem(const struct docker *docker);

/* "unix:///path" to path, pointing into text; NULL: not of that form. */
const char *docker_socket_path(const char *text);

#endif
