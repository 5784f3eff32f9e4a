/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a manager's Engine API tells of a Swarm, turned into the model's JSON form. A pure function:
 * model_from_json() then checks the result as it does every other model.
 *
 * What the mesh cannot use is left out: ports in host mode, sctp, IPv6, networks that are not
 * Swarm's overlays, tasks that ended, tasks of services or nodes that are gone. What is wrong is
 * left out with a warning, alone: a service or task whose data makes no sense, and the later one of
 * two that publish the same port or have the same address.
 */
#ifndef SKEP_SOURCE_SWARM_CONVERT_H
#define SKEP_SOURCE_SWARM_CONVERT_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/error.h"

struct swarm_answers {		/* of the Engine, parsed; borrowed */
	const json_t *swarm;	/* GET /swarm */
	const json_t *nodes;	/* GET /nodes */
	const json_t *networks; /* GET /networks */
	const json_t *services; /* GET /services */
	const json_t *tasks;	/* GET /tasks */
};

struct swarm_conversion {
	json_t *model;	  /* the model's JSON form */
	json_t *warnings; /* array of strings, one line each, no two the same */
	bool changing;	  /* some task is on its way to run or to stop: look again soon */
};

int swarm_convert(const struct swarm_answers *answers, struct swarm_conversion *conversion,
		  struct skep_error *error);
void swarm_conversion_free(struct swarm_conversion *conversion);

#endif
