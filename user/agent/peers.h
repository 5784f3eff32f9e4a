/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connected UDP sockets that were given a task by its service's name, here and in the containers of
 * this node, move to another when that task serves no more.
 */
#ifndef SKEP_AGENT_PEERS_H
#define SKEP_AGENT_PEERS_H

#include "agent/node.h"
#include "model/model.h"

struct peers;

struct peers *peers_new(void); /* NULL: no memory */
void peers_free(struct peers *peers);

/* To be called once the data path knows of the model. Does nothing if the same tasks serve as the
 * last time. */
void peers_follow(struct peers *peers, const struct model *model, const struct node *node);

#endif
