/* SPDX-License-Identifier: GPL-2.0-only */
/* This build's BPF object: loaded on the pinned maps, which it makes where there are none. */
#ifndef SKEP_DATAPATH_PROGRAMS_H
#define SKEP_DATAPATH_PROGRAMS_H

#include <stdbool.h>

#include "datapath/datapath.h"
#include "datapath/hooks.h"
#include "lib/error.h"

struct bpf_map;

struct programs {
	struct tc_bpf *object;
	const struct bpf_object *maps; /* object's: whoever loads others on the same maps */
	struct hooks_programs fds;
	int sweep; /* the program, by file descriptor */
	/* Maps, by file descriptor; owned by object. */
	int config, services, service_names, allow, rings, tasks, nodes, service_counters,
		task_counters, hooks, wires;
	uint32_t max_services, max_tasks,
		max_flows; /* as the maps are, which a running mesh had before this agent */
	uint64_t netns;	   /* for struct skep_config */
	bool adopted;	   /* pins were there */
};

/*
 * Loads and pins. Sizes of maps that are pinned already stay as they are (a warning is logged if
 * config wants others). -EEXIST: pins of another layout.
 */
int programs_load(struct programs *programs, const struct datapath_config *config,
		  struct skep_error *error);
void programs_close(struct programs *programs);

/* Of a map that is about to be pinned at path: compares it with what is pinned there, and keeps
 * that one's size. *adopted is set if there is one. -EEXIST: of another layout. */
int programs_adopt_pin(struct bpf_map *map, const char *path, bool *adopted,
		       struct skep_error *error);

/*
 * -EXDEV if the pins under bpffs belong to another network namespace than this process's: hooks are
 * known by ifindex, and would be somebody else's. 0 if there are no pins. *netns: this process's.
 */
int programs_check_namespace(const char *bpffs, uint64_t *netns, struct skep_error *error);

/* libbpf's own words of what fails next, kept to go with the error that they explain. */
void programs_listen(void);
const char *programs_libbpf_said(void);

/* Every pin's name, for who removes them; NULL at the end. */
extern const char *const programs_pins[];

#endif
