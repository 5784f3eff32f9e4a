/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * This node's own state, put together from Docker, rtnetlink, the model and the configuration: who
 * it is, which addresses services answer on, which interfaces clients come in by, its end of the
 * tunnel, its tasks. In the form that the data path wants it.
 */
#ifndef SKEP_AGENT_NODE_H
#define SKEP_AGENT_NODE_H

#include <stdbool.h>

#include "agent/config.h"
#include "datapath/datapath.h"
#include "model/model.h"
#include "net/net.h"
#include "source/docker.h"

struct node_facts {			  /* borrowed for the call */
	const struct model *model;	  /* NULL: none yet */
	const struct docker_node *docker; /* NULL: file source; the model alone says who this is */
	bool docker_complete;		  /* docker_complete() */
	const struct docker_container *containers;
	size_t n_containers;
};

struct node {
	/*
	 * Results of node_update(); what they point to is valid until the next call or until the
	 * model is freed.
	 */
	bool known; /* who this node is, and what runs on it: without that nothing may be applied */
	char id[64]; /* as Docker last said: kept while it is stopping or away; "" with the file
			source */
	bool retry;  /* a container is coming up: update again in LOCAL_TASKS_RETRY_MS */
	const struct model_node *self; /* NULL: not in the model */
	struct datapath_node datapath;
	struct net_state net;
	char problem[256]; /* that a person should mend; "" if none */

	/* The rest is node.c's. */
	const struct agent_config *config;
	struct mesh *mesh;
	struct local_tasks *tasks;
	struct listeners *listeners; /* brought up to date by whoever has the time */
	uint64_t net_generation;
	struct skep_addr docker_address; /* as id */
	struct skep_addr *addresses;
	size_t addresses_capacity;
	int wires[CONFIG_MAX_INTERFACES];
	int *bridges;
	size_t bridges_capacity;
	uint64_t cookie;
};

int node_open(struct node *node, const struct agent_config *config, struct skep_error *error);
void node_close(struct node *node); /* of one that was zeroed is fine too */

/* Reads links and addresses anew: at the start and after each change. */
int node_read_network(struct node *node, struct skep_error *error);

/*
 * Brings the results and skep0 up to date. Of a failure everything that can be done is done, the
 * results are in order, and the first error is told.
 */
int node_update(struct node *node, const struct node_facts *facts, struct skep_error *error);

#endif
