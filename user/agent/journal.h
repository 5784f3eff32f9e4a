/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a person wants to find in the log the morning after: which services, nodes and local tasks
 * came and went, and which labels could not be honoured.
 */
#ifndef SKEP_AGENT_JOURNAL_H
#define SKEP_AGENT_JOURNAL_H

#include "datapath/datapath.h"
#include "model/model.h"
#include "net/net.h"

/*
 * What differs between two models, a line for each thing of substance. before NULL: there was none.
 */
void journal_model(const struct model *before, const struct model *after);

/* This node's tasks, remembered from one call to the next. */
struct journal;
struct journal *journal_new(void); /* NULL: no memory */
void journal_free(struct journal *journal);
void journal_tasks(struct journal *journal, const struct model *model,
		   const struct datapath_node *node, const struct net_state *net);

#endif
