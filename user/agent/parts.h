/* SPDX-License-Identifier: GPL-2.0-only */
/* The agent's parts, as the files that wire them (agent.c, work.c, answers.c) know them. */
#ifndef SKEP_AGENT_PARTS_H
#define SKEP_AGENT_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/api.h"
#include "agent/config.h"
#include "agent/journal.h"
#include "agent/metrics.h"
#include "agent/node.h"
#include "agent/overrides.h"
#include "agent/routes.h"
#include "agent/peers.h"
#include "agent/state.h"
#include "agent/upstream.h"
#include "agent/vips.h"
#include "datapath/datapath.h"
#include "lib/hash.h"
#include "lib/http.h"
#include "lib/loop.h"
#include "lib/notify.h"
#include "model/model.h"
#include "net/net.h"
#include "source/docker.h"

struct agent {
	const struct agent_config *config;
	uint64_t started_ns;
	int run_dir; /* the lock */

	struct loop *loop;
	struct loop_watch signals;
	struct http *http;
	struct notify *notify;
	struct net_monitor *monitor;
	struct node node;
	struct vips *vips;
	struct datapath *datapath;
	struct api *api;
	struct metrics_server *metrics; /* NULL: not served */
	struct state *state;
	struct docker *docker; /* NULL: file source */
	struct upstream *upstream;
	struct journal *journal;
	struct peers *peers;
	struct overrides *overrides;
	struct override_write *override_writes; /* override_answers.c's */
	uint64_t override_tidy_ns;		/* not before: after a failure */
	struct routes *routes;

	/*
	 * The model in force, and one that has come since: it is taken over by the next work, never
	 * within a callback.
	 */
	struct model *model; /* NULL: none yet */
	struct model *incoming;
	const struct model *in_force; /* the model with overrides: what all is computed from */
	uint64_t model_ns;	      /* when it came */
	char version[HASH_TEXT_SIZE]; /* of its text, as the feed names it; "": not worked out yet
				       */
	bool from_disk;		      /* an earlier agent's */
	bool unsaved;
	bool unrouted;

	/* What the next work must look at. */
	bool network_changed;
	bool links_changed; /* since the last apply */
	bool docker_changed;
	bool overridden;     /* overrides came or went */
	uint64_t work_at_ns; /* 0: none is due */
	struct loop_timer work;
	struct loop_timer tick; /* every second: what has no event of its own */
	struct loop_timer heal; /* every minute: are the maps still as they should be? */
	struct loop_timer save;
	bool save_armed;
	bool sweep_failed; /* the last time; told once */

	uint64_t retry_ms;	  /* after a failure; 0: all is well */
	char problem[512];	  /* of the last work; "" */
	char docker_problem[256]; /* as last logged */
	uint64_t applied_count;
	double applied_last_ms;
	struct datapath_changes applied;
};

/* work.c */
void agent_work_open(struct agent *agent);
void agent_work_close(struct agent *agent);
/* Has the work done soon: all that is asked for within the same millisecond at once. */
void agent_work_soon(struct agent *agent);
/* Does it now if it is due. */
void agent_work_now(struct agent *agent);
/* The model's JSON text, malloc'ed; sets version. NULL: there is no model, or no memory. */
char *agent_model_text(struct agent *agent, size_t *size);

/* answers.c: the local API */
int agent_answers_open(struct agent *agent, struct skep_error *error);

#endif
