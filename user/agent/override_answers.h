/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /v1/overrides of the local API: lists overrides and obeys orders about them. This node's own are
 * in force and on disk when it answers; those of the whole cluster are in the Swarm then, and come
 * into force with the next model.
 */
#ifndef SKEP_AGENT_OVERRIDE_ANSWERS_H
#define SKEP_AGENT_OVERRIDE_ANSWERS_H

#include <jansson.h>

#include "agent/api.h"
#include "lib/error.h"

struct agent;

int override_answer(void *context, const struct api_query *query, json_t **body,
		    struct skep_error *error);
int override_post(void *context, const json_t *request, json_t **body, struct skep_error *error);

/* About every second: a manager takes labels of overrides that are over out of the Swarm. */
void override_tick(struct agent *agent);

/* Answers what is still to be answered. Before api_close(). */
void override_answers_close(struct agent *agent);

#endif
