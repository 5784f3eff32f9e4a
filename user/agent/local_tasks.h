/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The containers that run on this node, the veths they are reached by and what addresses mean in
 * them; and which of them are tasks. Containers are asked for their interface once; the answer is
 * kept until the process or the link is gone. A container that is only coming up is asked again,
 * every LOCAL_TASKS_RETRY_MS for ten seconds, then at each change of the network.
 */
#ifndef SKEP_AGENT_LOCAL_TASKS_H
#define SKEP_AGENT_LOCAL_TASKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "datapath/datapath.h"
#include "model/model.h"
#include "net/net.h"
#include "source/docker.h"

#define LOCAL_TASKS_RETRY_MS 50

struct local_tasks_facts {
	const struct model *model;		   /* NULL: none yet */
	const struct model_node *self;		   /* this node in the model; NULL: not in it */
	const struct docker_container *containers; /* as Docker lists them; unused with file */
	size_t n_containers;
	bool file; /* tasks name their interfaces themselves */
	const struct net_state *net;
	uint64_t net_generation; /* grows with each reading of net */
};

struct local_tasks;

struct local_tasks *local_tasks_new(void); /* NULL: no memory */
void local_tasks_free(struct local_tasks *tasks);

/*
 * Looks again. Into *node: tasks, those of the model that are this node's and whose interface is
 * known; containers, all that have a network namespace of their own. Valid until the next call or
 * until the model is freed. *retry: call again in LOCAL_TASKS_RETRY_MS.
 */
int local_tasks_update(struct local_tasks *tasks, const struct local_tasks_facts *facts,
		       struct datapath_node *node, bool *retry, struct skep_error *error);

/* One process of each container that there is. Valid until the next local_tasks_update(). */
const pid_t *local_tasks_pids(const struct local_tasks *tasks, size_t *n);

#endif
