/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/peers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/local_tasks.h"
#include "lib/log.h"
#include "net/net.h"

struct peers {
	const struct model *model; /* of the call at hand */
	struct skep_addr *serving; /* all addresses of serving tasks, sorted */
	size_t n;
	bool known; /* serving is of an earlier call */
};

struct peers *peers_new(void)
{
	return calloc(1, sizeof(struct peers));
}

void peers_free(struct peers *peers)
{
	if (!peers)
		return;
	free(peers->serving);
	free(peers);
}

static int compare_addr(const void *a, const void *b)
{
	return addr_compare(a, b);
}

static struct skep_addr *list_serving(const struct model *model, size_t *n)
{
	struct skep_addr *serving;

	*n = 0;
	for (size_t i = 0; i < model->n_tasks; i++)
		*n += model->tasks[i].n_addresses;
	serving = calloc(*n + 1, sizeof(*serving));
	*n = 0;
	for (size_t i = 0; i < model->n_tasks && serving; i++) {
		const struct model_task *task = &model->tasks[i];

		if (model_task_level(task) != MODEL_SERVING)
			continue;
		for (size_t a = 0; a < task->n_addresses; a++)
			serving[(*n)++] = task->addresses[a].address;
	}
	if (serving && *n)
		qsort(serving, *n, sizeof(*serving), compare_addr);
	return serving;
}

/* On one of the Swarm's networks, where no task serves. */
static bool is_stale(void *context, const struct skep_addr *peer)
{
	const struct peers *peers = context;
	const struct model *model = peers->model;

	if (peers->n &&
	    bsearch(peer, peers->serving, peers->n, sizeof(*peers->serving), compare_addr))
		return false;
	for (size_t i = 0; i < model->n_networks; i++)
		for (size_t s = 0; s < model->networks[i].n_subnets; s++)
			if (addr_prefix_contains(&model->networks[i].subnets[s], peer))
				return true;
	return false;
}

static void move(struct peers *peers, pid_t pid)
{
	struct skep_error error;
	size_t moved;
	int err = net_udp_move(pid, is_stale, peers, &moved, &error);

	if (err && err != -ESRCH)
		log_warning("UDP sockets may go on sending to a task that is gone: %s", error.text);
	else if (!err && moved)
		log_info("%zu UDP sockets of process %d's network moved to other tasks", moved,
			 (int)pid);
}

void peers_follow(struct peers *peers, const struct model *model, const struct node *node)
{
	size_t n, n_pids;
	struct skep_addr *serving = list_serving(model, &n);
	const pid_t *pids = local_tasks_pids(node->tasks, &n_pids);

	if (!serving)
		return; /* the next call does it */
	if (peers->known && n == peers->n &&
	    (!n || memcmp(serving, peers->serving, n * sizeof(*serving)) == 0)) {
		free(serving);
		return;
	}
	free(peers->serving);
	peers->serving = serving;
	peers->n = n;
	peers->known = true;
	peers->model = model;
	move(peers, 0);
	for (size_t i = 0; i < n_pids; i++)
		move(peers, pids[i]);
	peers->model = NULL;
}
