/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Service names, localhost and this machine's own addresses, at connect time: the cgroup programs,
 * their maps and links, brought to what model and node ask for. Shares the data path's other maps.
 */
#ifndef SKEP_DATAPATH_NAMES_H
#define SKEP_DATAPATH_NAMES_H

#include "datapath/datapath.h"
#include "datapath/programs.h"
#include "lib/error.h"
#include "model/model.h"

struct names;

/*
 * Loads the programs and adopts or makes the pins. Where this machine cannot have them, or is told
 * not to, it goes without: *problem says why then (one line; "" with `off`), what was attached
 * before is detached, and names_apply() does nothing.
 */
int names_open(struct names **names, const struct datapath_config *config,
	       const struct programs *programs, struct skep_error *error);
void names_close(struct names *names); /* NULL is fine; pins stay in force */

const char *names_problem(const struct names *names);
const char *names_cgroup(const struct names *names); /* "": none */

/* Reads the maps anew. */
int names_read(struct names *names, struct skep_error *error);

/* service_ids: of model->services, in their order. fresh: look whether the links are there. */
int names_apply(struct names *names, const struct model *model, const struct datapath_node *node,
		const uint32_t *service_ids, bool fresh, struct datapath_changes *changes,
		struct skep_error *error);

/* One line for each difference. */
int names_verify(struct names *names, const struct model *model, const struct datapath_node *node,
		 const uint32_t *service_ids, void (*report)(void *context, const char *line),
		 void *context, struct skep_error *error);

int names_remove_all(const char *bpffs, struct skep_error *error);

#endif
