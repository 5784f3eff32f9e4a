/* SPDX-License-Identifier: GPL-2.0-only */
#include "datapath/datapath.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "datapath/desired.h"
#include "datapath/describe.h"
#include "datapath/fast_path.h"
#include "datapath/hooks.h"
#include "datapath/names.h"
#include "datapath/pool.h"
#include "datapath/programs.h"
#include "datapath/read.h"
#include "datapath/reconcile.h"
#include "datapath/rings.h"
#include "datapath/xdp.h"
#include "skep/table.h"

#define SWEEP_NS 30000000000ULL

struct datapath {
	struct programs programs;
	struct xdp *xdp;
	struct names *names;
	/* What the maps hold, as of the last read or write. */
	struct reconcile_map services, service_names, allow, tasks, nodes;
	struct ring_set rings;
	struct skep_config config;
	uint64_t seed; /* of the tables of flows: as long as they live */
	/* Numbers lent: exactly those in service_names and tasks. */
	struct pool service_ids, task_counters;
	bool hooks_fresh; /* the programs were loaded, or hooks doubted, since the last
			     hooks_apply() */
	bool doubted;	  /* what is said above of the maps is to be read anew */
	char *bpffs;
	uint64_t swept_ns; /* when connections of removed back ends were last looked for */
	bool sweeping;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

static void map_init(struct reconcile_map *map, const char *name, const char *flag, int fd,
		     size_t key_size, size_t value_size)
{
	map->name = name;
	map->flag = flag;
	map->fd = fd;
	table_init(&map->actual, key_size, value_size);
}

/* The numbers that entries in the maps have are lent, all others are free. */
static int claim_numbers(struct datapath *datapath, struct skep_error *error)
{
	const struct table *names = &datapath->service_names.actual,
			   *tasks = &datapath->tasks.actual;
	int err;

	pool_free(&datapath->service_ids);
	pool_free(&datapath->task_counters);
	/* 0 is no service's id: an entry that nobody filled in must not look like one. */
	err = pool_init(&datapath->service_ids, 1, datapath->programs.max_services);
	if (!err)
		err = pool_init(&datapath->task_counters, 0, datapath->programs.max_tasks);
	if (err)
		return error_errno(error, err, "cannot keep account of service ids and counters");
	for (size_t i = 0; i < names->count; i++) {
		uint32_t id;

		memcpy(&id, table_key(names, i), sizeof(id));
		pool_claim(&datapath->service_ids,
			   id); /* out of range: it will differ, and be replaced */
	}
	for (size_t i = 0; i < tasks->count; i++)
		pool_claim(&datapath->task_counters,
			   ((const struct skep_task *)table_value(tasks, i))->counter);
	if (datapath->programs.adopted) {
		pool_distrust(&datapath->service_ids);
		pool_distrust(&datapath->task_counters);
	}
	datapath->programs.adopted = true; /* the next time these maps are read, they were in use */
	return 0;
}

static int read_all(struct datapath *datapath, struct skep_error *error)
{
	uint32_t zero = 0;
	int err;

	ring_set_free(&datapath->rings);
	err = bpf_map_lookup_elem(datapath->programs.config, &zero, &datapath->config);
	if (err)
		return error_errno(error, err, "cannot read map config");
	err = reconcile_read(&datapath->services, error);
	if (!err)
		err = reconcile_read(&datapath->service_names, error);
	if (!err)
		err = reconcile_read(&datapath->allow, error);
	if (!err)
		err = reconcile_read(&datapath->tasks, error);
	if (!err)
		err = reconcile_read(&datapath->nodes, error);
	if (!err)
		err = rings_read(datapath->programs.rings, &datapath->rings, error);
	if (!err)
		err = claim_numbers(datapath, error);
	if (!err && datapath->names)
		err = names_read(datapath->names, error);
	return err;
}

int datapath_open(struct datapath **result, const struct datapath_config *config,
		  struct skep_error *error)
{
	struct datapath *datapath = calloc(1, sizeof(*datapath));
	const struct programs *programs;
	int err;

	if (!datapath)
		return error_errno(error, -ENOMEM, "cannot open the data path");
	datapath->bpffs = strdup(config->bpffs);
	err = datapath->bpffs ? programs_load(&datapath->programs, config, error)
			      : error_errno(error, -ENOMEM, "cannot open the data path");
	if (err) {
		free(datapath->bpffs);
		free(datapath);
		return err;
	}
	programs = &datapath->programs;
	map_init(&datapath->services, "services", "max-frontends", programs->services,
		 sizeof(struct skep_frontend), sizeof(struct skep_service));
	map_init(&datapath->service_names, "service_names", "max-services", programs->service_names,
		 sizeof(uint32_t), sizeof(struct skep_service_name));
	map_init(&datapath->allow, "allow", "max-services", programs->allow,
		 sizeof(struct skep_allow_key), sizeof(struct skep_allow));
	map_init(&datapath->tasks, "tasks", "max-tasks", programs->tasks, sizeof(struct skep_addr),
		 sizeof(struct skep_task));
	map_init(&datapath->nodes, "nodes", "max-nodes", programs->nodes, sizeof(struct skep_addr),
		 sizeof(struct skep_node));
	datapath->hooks_fresh = true;
	err = fast_path_open(&datapath->xdp, config, programs, error);
	if (!err)
		err = read_all(datapath, error);
	if (!err)
		err = names_open(&datapath->names, config, programs, error);
	datapath->seed = datapath->config.seed;
	if (!err && !datapath->seed &&
	    getrandom(&datapath->seed, sizeof(datapath->seed), 0) != sizeof(datapath->seed))
		err = error_errno(error, -errno, "cannot get a random seed");
	if (err) {
		datapath_close(datapath);
		return err;
	}
	*result = datapath;
	return 0;
}

void datapath_close(struct datapath *datapath)
{
	if (!datapath)
		return;
	table_free(&datapath->services.actual);
	table_free(&datapath->service_names.actual);
	table_free(&datapath->allow.actual);
	table_free(&datapath->tasks.actual);
	table_free(&datapath->nodes.actual);
	ring_set_free(&datapath->rings);
	pool_free(&datapath->service_ids);
	pool_free(&datapath->task_counters);
	names_close(datapath->names);
	xdp_close(datapath->xdp);
	programs_close(&datapath->programs);
	free(datapath->bpffs);
	free(datapath);
}

int datapath_resync(struct datapath *datapath, struct skep_error *error)
{
	int err = read_all(datapath, error);

	datapath->hooks_fresh = true;
	datapath->doubted = err != 0;
	return err;
}

/* ---- applying */

static void counter_clear(int map, uint32_t index)
{
	int cpus = libbpf_num_possible_cpus();
	struct skep_counter *zeros = cpus > 0 ? calloc(cpus, sizeof(*zeros)) : NULL;

	/* Best effort: a counter that could not be cleared starts high, no more. */
	if (zeros)
		bpf_map_update_elem(map, &index, zeros, BPF_ANY);
	free(zeros);
}

static void clear_service(void *context, uint32_t service_id)
{
	counter_clear(((struct datapath *)context)->programs.service_counters, service_id);
}

static void clear_task(void *context, uint32_t counter)
{
	counter_clear(((struct datapath *)context)->programs.task_counters, counter);
}

struct search {
	const struct skep_addr *backend;
	uint64_t now_ns;
	bool found;
};

static int visit_flow(void *context, const void *key, const void *value)
{
	const struct skep_flow *flow = value;
	struct search *search = context;
	bool live = flow->state == SKEP_FLOW_ESTABLISHED ||
		    (flow->state != SKEP_FLOW_CLOSING &&
		     search->now_ns < flow->last_seen_ns + SWEEP_NS);

	(void)key;
	search->found = live && skep_addr_equal(&flow->task, search->backend);
	return search->found;
}

/* All flows are read for it: now and then, and till then it has. */
static bool in_use(void *context, const struct skep_addr *backend)
{
	struct datapath *datapath = context;
	struct search search = {.backend = backend, .now_ns = now_ns()};
	struct skep_error error;

	if (!datapath->sweeping)
		return true;
	/* Who cannot tell takes nothing away. */
	return maps_walk(datapath->bpffs, "flows",
			 &(struct maps_entry_visitor){visit_flow, &search}, &error) ||
	       search.found;
}

static int build(struct datapath *datapath, struct desired *desired, const struct model *model,
		 const struct datapath_node *node, struct skep_error *error)
{
	const struct desired_numbers numbers = {
		.names = &datapath->service_names.actual,
		.tasks = &datapath->tasks.actual,
		.rings = &datapath->rings,
		.service_ids = &datapath->service_ids,
		.task_counters = &datapath->task_counters,
		.clear_service = clear_service,
		.clear_task = clear_task,
		.in_use = in_use,
		.context = datapath,
	};

	int err = desired_build(desired, model, node, &numbers, error);

	desired->config.netns = datapath->programs.netns;
	desired->config.seed = datapath->seed;
	return err;
}

/* A local task whose veth could not be hooked would get packets and lose its replies: it takes
 * nothing new. */
static void distrust_unhooked(struct datapath *datapath, struct desired *desired)
{
	for (size_t i = 0; i < desired->tasks.count; i++) {
		struct skep_task *task = (struct skep_task *)table_value(&desired->tasks, i);
		struct skep_hook hook;

		if (task->ifindex &&
		    bpf_map_lookup_elem(datapath->programs.hooks, &task->ifindex, &hook))
			task->state = SKEP_TASK_DRAINING;
	}
}

static int write_config(struct datapath *datapath, const struct desired *desired,
			struct datapath_changes *changes, struct skep_error *error)
{
	uint32_t zero = 0;
	int err;

	if (memcmp(&datapath->config, &desired->config, sizeof(desired->config)) == 0)
		return 0;
	err = bpf_map_update_elem(datapath->programs.config, &zero, &desired->config, BPF_ANY);
	if (err)
		return error_errno(error, err, "cannot write map config");
	datapath->config = desired->config;
	changes->replaced++;
	return 0;
}

static void keep_first(int *first, int err, struct skep_error *error, const struct skep_error *own)
{
	if (!err || *first)
		return;
	*first = err;
	*error = *own;
}

/* Numbers of entries that went can be lent again. */

static int give_back_service(void *context, const void *key, const void *old_value)
{
	uint32_t id;

	(void)old_value;
	memcpy(&id, key, sizeof(id));
	pool_give_back(&((struct datapath *)context)->service_ids, id);
	return 0;
}

static int give_back_task(void *context, const void *key, const void *old_value)
{
	(void)key;
	pool_give_back(&((struct datapath *)context)->task_counters,
		       ((const struct skep_task *)old_value)->counter);
	return 0;
}

static int give_back_replaced_task(void *context, const void *key, const void *value,
				   const void *old_value)
{
	if (((const struct skep_task *)value)->counter ==
	    ((const struct skep_task *)old_value)->counter)
		return 0;
	return give_back_task(context, key, old_value);
}

static void give_back_numbers(struct datapath *datapath, const struct desired *desired)
{
	const struct table_difference services = {.delete = give_back_service, .context = datapath};
	const struct table_difference tasks = {
		.delete = give_back_task, .replace = give_back_replaced_task, .context = datapath};

	table_compare(&datapath->service_names.actual, &desired->service_names, &services);
	table_compare(&datapath->tasks.actual, &desired->tasks, &tasks);
}

/*
 * The order keeps every reference whole at every moment: hooks before the tasks behind them serve;
 * names, tasks and nodes before the rings and services that lead to them; and the other way round
 * for what goes. A service whose clients could not be written to `allow` has none: it is closed to
 * them, not open to all.
 */
int datapath_apply(struct datapath *datapath, const struct model *model,
		   const struct datapath_node *node, struct datapath_changes *changes,
		   struct skep_error *error)
{
	struct hooks_changes hooked = {};
	bool fresh;
	struct skep_error own;
	struct desired desired;
	int first = 0, err;

	*changes = (struct datapath_changes){};
	if (datapath->doubted) {
		err = datapath_resync(datapath, error);
		if (err)
			return err;
	}
	datapath->sweeping = now_ns() - datapath->swept_ns >= SWEEP_NS || !datapath->swept_ns;
	if (datapath->sweeping)
		datapath->swept_ns = now_ns();
	err = build(datapath, &desired, model, node, error);
	datapath->sweeping = false;
	if (err)
		return err;

	fresh = datapath->hooks_fresh || node->links_changed;
	err = hooks_apply(datapath->programs.hooks, &datapath->programs.fds, desired.hooks,
			  desired.n_hooks, fresh, &hooked, &own);
	datapath->hooks_fresh = err != 0;
	keep_first(&first, err, error, &own);
	changes->attached = hooked.attached;
	changes->detached = hooked.detached;
	if (err)
		distrust_unhooked(datapath, &desired);

#define STEP(call) keep_first(&first, (call), error, &own)
	/* Without from_wire the stack would get packets that XDP took out of their frames. */
	if (!err)
		STEP(xdp_apply(datapath->xdp, node->wires, node->n_wires, node->net, fresh, changes,
			       &own));
	STEP(write_config(datapath, &desired, changes, &own));
	STEP(reconcile_write(&datapath->service_names, &desired.service_names, changes, &own));
	STEP(reconcile_write(&datapath->nodes, &desired.nodes, changes, &own));
	STEP(reconcile_write(&datapath->tasks, &desired.tasks, changes, &own));
	STEP(rings_write(datapath->programs.rings, &datapath->rings, &desired.rings, changes,
			 &own));
	STEP(reconcile_write(&datapath->allow, &desired.allow, changes, &own));
	STEP(reconcile_write(&datapath->services, &desired.services, changes, &own));
	STEP(names_apply(datapath->names, model, node, desired.service_ids, fresh, changes, &own));

	STEP(reconcile_delete(&datapath->services, &desired.services, changes, &own));
	STEP(reconcile_delete(&datapath->allow, &desired.allow, changes, &own));
	STEP(rings_delete(datapath->programs.rings, &datapath->rings, &desired.rings, changes,
			  &own));
	STEP(reconcile_delete(&datapath->tasks, &desired.tasks, changes, &own));
	STEP(reconcile_delete(&datapath->nodes, &desired.nodes, changes, &own));
	STEP(reconcile_delete(&datapath->service_names, &desired.service_names, changes, &own));
#undef STEP

	if (first) {
		/* What was done and what was not is the maps' to tell. */
		datapath->doubted = true;
	} else {
		give_back_numbers(datapath, &desired);
		reconcile_settle(&datapath->service_names, &desired.service_names);
		reconcile_settle(&datapath->allow, &desired.allow);
		reconcile_settle(&datapath->nodes, &desired.nodes);
		reconcile_settle(&datapath->tasks, &desired.tasks);
		reconcile_settle(&datapath->services, &desired.services);
		ring_set_free(&datapath->rings);
		datapath->rings = desired.rings;
		desired.rings = (struct ring_set){};
	}
	desired_free(&desired);
	return first;
}

uint32_t datapath_flow_room(const struct datapath *datapath)
{
	return datapath->programs.max_flows;
}

const struct datapath_wire *datapath_wires(const struct datapath *datapath, size_t *n)
{
	return xdp_wires(datapath->xdp, n);
}

const char *datapath_names_problem(const struct datapath *datapath)
{
	return names_problem(datapath->names);
}

const char *datapath_names_cgroup(const struct datapath *datapath)
{
	return names_cgroup(datapath->names);
}

/* Seconds in which the sweep goes over the whole table. */
#define SWEEP_S 30

int datapath_sweep(struct datapath *datapath, struct skep_error *error)
{
	unsigned char packet[ETH_HLEN + 20] = {0}; /* a test run asks for one */
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet, .data_size_in = sizeof(packet),
		    .repeat = (int)(datapath->programs.max_flows / SKEP_WAYS / SWEEP_S + 1));
	int err = bpf_prog_test_run_opts(datapath->programs.sweep, &run);

	/* After a signal it goes on from there the next time. */
	if (err && err != -EINTR)
		return error_errno(error, err, "cannot sweep the table of flows");
	return 0;
}

/* ---- verifying */

struct verifier {
	void (*report)(void *context, const char *line);
	void *context;
	size_t differences;
	const struct table *names;
	const char *map;
	void (*describe)(const struct table *names, const void *key, const void *value,
			 struct describe_text *text);
};

static void verifier_line(void *context, const char *line)
{
	struct verifier *verifier = context;

	verifier->differences++;
	verifier->report(verifier->context, line);
}

static void verifier_say(struct verifier *verifier, const char *what, const void *key,
			 const void *value)
{
	struct describe_text text;
	char line[sizeof(text.text) + 64];

	verifier->describe(verifier->names, key, value, &text);
	snprintf(line, sizeof(line), "%s: %s %s", verifier->map, what, text.text);
	verifier_line(verifier, line);
}

static int verify_insert(void *context, const void *key, const void *value)
{
	verifier_say(context, "missing", key, value);
	return 0;
}

static int verify_replace(void *context, const void *key, const void *value, const void *old_value)
{
	verifier_say(context, "wrong", key, old_value);
	verifier_say(context, "  should be", key, value);
	((struct verifier *)context)->differences--;
	return 0;
}

static int verify_delete(void *context, const void *key, const void *old_value)
{
	verifier_say(context, "not wanted:", key, old_value);
	return 0;
}

static int verify_table(struct verifier *verifier, const struct reconcile_map *map,
			const struct table *desired,
			void (*describe)(const struct table *names, const void *key,
					 const void *value, struct describe_text *text),
			struct skep_error *error)
{
	const struct table_difference difference = {verify_insert, verify_replace, verify_delete,
						    verifier};
	struct reconcile_map now = *map;
	int err;

	table_init(&now.actual, desired->key_size, desired->value_size);
	err = reconcile_read(&now, error);
	if (!err) {
		verifier->map = map->name;
		verifier->describe = describe;
		table_compare(&now.actual, desired, &difference);
	}
	table_free(&now.actual);
	return err;
}

static void verify_ring(void *context, const struct ring *actual, const struct ring *desired)
{
	struct verifier *verifier = context;
	struct describe_text text;
	char line[sizeof(text.text) + 96];
	uint32_t id = desired ? desired->service_id : actual->service_id;

	describe_service(verifier->names, id, &text);
	if (!actual)
		snprintf(line, sizeof(line), "rings: missing for %s, %u slots", text.text,
			 desired->length);
	else if (!desired)
		snprintf(line, sizeof(line), "rings: not wanted for %s, %u slots", text.text,
			 actual->length);
	else
		snprintf(line, sizeof(line),
			 "rings: wrong for %s: has %u slots, should be %u others", text.text,
			 actual->length, desired->length);
	verifier_line(verifier, line);
}

static int verify_maps(struct datapath *datapath, struct verifier *verifier,
		       const struct desired *desired, struct skep_error *error)
{
	struct ring_set rings = {};
	struct skep_config config;
	uint32_t zero = 0;
	int err = bpf_map_lookup_elem(datapath->programs.config, &zero, &config);

	if (err)
		return error_errno(error, err, "cannot read map config");
	if (memcmp(&config, &desired->config, sizeof(config)) != 0)
		verifier_line(verifier, "config: wrong (underlay address, skep0 or MTU)");
	err = verify_table(verifier, &datapath->service_names, &desired->service_names,
			   describe_name, error);
	if (!err)
		err = verify_table(verifier, &datapath->services, &desired->services,
				   describe_frontend, error);
	if (!err)
		err = verify_table(verifier, &datapath->allow, &desired->allow, describe_allow,
				   error);
	if (!err)
		err = verify_table(verifier, &datapath->tasks, &desired->tasks, describe_task,
				   error);
	if (!err)
		err = verify_table(verifier, &datapath->nodes, &desired->nodes, describe_node,
				   error);
	if (!err)
		err = rings_read(datapath->programs.rings, &rings, error);
	if (!err)
		rings_compare(&rings, &desired->rings, verify_ring, verifier);
	ring_set_free(&rings);
	return err;
}

int datapath_verify(struct datapath *datapath, const struct model *model,
		    const struct datapath_node *node,
		    void (*report)(void *context, const char *line), void *context,
		    size_t *differences, struct skep_error *error)
{
	struct verifier verifier = {.report = report, .context = context};
	struct desired desired;
	int err = build(datapath, &desired, model, node, error);

	if (err)
		return err;
	verifier.names = &desired.service_names;
	err = verify_maps(datapath, &verifier, &desired, error);
	if (!err)
		err = hooks_verify(datapath->programs.hooks, &datapath->programs.fds, desired.hooks,
				   desired.n_hooks, verifier_line, &verifier, error);
	if (!err)
		err = names_verify(datapath->names, model, node, desired.service_ids, verifier_line,
				   &verifier, error);
	if (!err)
		xdp_verify(datapath->xdp, verifier_line, &verifier);
	*differences = verifier.differences;
	desired_free(&desired);
	/* Numbers that were only lent for the comparison. */
	return err ? err : claim_numbers(datapath, error);
}
