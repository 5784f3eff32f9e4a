/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `skep agent`: wires source, model, this node's state and the data path together in one event
 * loop, and keeps the maps equal to what Swarm says until SIGTERM or SIGINT. Programs and maps stay
 * in force when it ends.
 */
#ifndef SKEP_AGENT_AGENT_H
#define SKEP_AGENT_AGENT_H

#include "agent/config.h"

/* Runs the agent; 0 after a clean stop, else a negative errno after it has logged why. */
int agent_run(const struct agent_config *config);

#endif
