/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/overrides.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "agent/override_file.h"
#include "lib/array.h"
#include "lib/log.h"

/* A clock that is set is noticed within this time. */
#define LOOK_MS 500

struct problem { /* a label that makes no sense */
	char id[OVERRIDE_ID_SIZE];
	char text[512];
};

struct overrides {
	struct loop *loop;
	struct loop_timer timer;
	char *state_dir;
	int64_t (*now_ms)(void);
	void (*changed)(void *context);
	void *context;
	struct array all; /* struct override: the cluster's, then this node's own */
	size_t n_cluster;
	struct array problems;
	struct model *effective; /* NULL: the model itself is in force */
	bool *bears;		 /* of all */
	bool *over;
	bool stale; /* effective, bears and over */
	char problem[512];
};

static struct override *items(const struct overrides *overrides)
{
	return overrides->all.items;
}

static bool is_over(const struct overrides *overrides, const struct override *override)
{
	return override->until_ms && override->until_ms <= overrides->now_ms();
}

/* ---- time */

static void arm(struct overrides *overrides)
{
	int64_t now = overrides->now_ms(), first = INT64_MAX;

	for (size_t i = 0; i < overrides->all.n; i++) {
		int64_t until = items(overrides)[i].until_ms;

		if (until > now && until < first)
			first = until;
	}
	if (first == INT64_MAX)
		loop_disarm(overrides->loop, &overrides->timer);
	else
		loop_arm(overrides->loop, &overrides->timer,
			 first - now < LOOK_MS ? (uint64_t)(first - now) : LOOK_MS);
}

static void timer_expired(struct loop_timer *timer)
{
	struct overrides *overrides = container_of(timer, struct overrides, timer);
	bool ended = false;

	for (size_t i = 0; i < overrides->all.n && overrides->over; i++)
		ended = ended || is_over(overrides, &items(overrides)[i]) != overrides->over[i];
	if (ended && !overrides->stale) {
		overrides->stale = true;
		overrides->changed(overrides->context);
	}
	arm(overrides);
}

/* ---- opening */

static void forget_over(struct overrides *overrides)
{
	size_t kept = overrides->n_cluster;

	for (size_t i = overrides->n_cluster; i < overrides->all.n; i++)
		if (!is_over(overrides, &items(overrides)[i]))
			items(overrides)[kept++] = items(overrides)[i];
	overrides->all.n = kept;
}

/* Without them the mesh does what Swarm says, which is better than nothing. */
static void load(struct overrides *overrides)
{
	struct skep_error error;
	struct override *list;
	size_t n;

	if (override_file_read(overrides->state_dir, &list, &n, &error)) {
		snprintf(overrides->problem, sizeof(overrides->problem),
			 "this node's own could not be read: %.440s", error.text);
		log_error("overrides: %s", overrides->problem);
		return;
	}
	overrides->all = (struct array){list, n, n};
	forget_over(overrides);
}

int overrides_open(struct overrides **result, struct loop *loop, const char *state_dir,
		   int64_t (*now_ms)(void), void (*changed)(void *context), void *context,
		   struct skep_error *error)
{
	struct overrides *overrides = calloc(1, sizeof(*overrides));

	if (overrides)
		overrides->state_dir = strdup(state_dir);
	if (!overrides || !overrides->state_dir) {
		free(overrides);
		return error_errno(error, -ENOMEM, "cannot keep overrides");
	}
	overrides->loop = loop;
	overrides->timer.expired = timer_expired;
	overrides->now_ms = now_ms;
	overrides->changed = changed;
	overrides->context = context;
	overrides->stale = true;
	load(overrides);
	*result = overrides;
	return 0;
}

static void forget_effective(struct overrides *overrides)
{
	model_free(overrides->effective);
	free(overrides->bears);
	free(overrides->over);
	overrides->effective = NULL;
	overrides->bears = overrides->over = NULL;
}

void overrides_close(struct overrides *overrides)
{
	if (!overrides)
		return;
	loop_disarm(overrides->loop, &overrides->timer);
	forget_effective(overrides);
	free(overrides->all.items);
	free(overrides->problems.items);
	free(overrides->state_dir);
	free(overrides);
}

/* ---- labels */

struct labels {
	struct array all, problems;
};

static int add_label(void *context, const struct override *override)
{
	struct override *room = array_add(&((struct labels *)context)->all, sizeof(*room));

	if (!room)
		return -ENOMEM;
	*room = *override;
	return 0;
}

static int add_problem(void *context, const char *id, const char *why)
{
	struct problem *problem =
		array_add(&((struct labels *)context)->problems, sizeof(*problem));

	if (!problem)
		return -ENOMEM;
	snprintf(problem->id, sizeof(problem->id), "%s", id);
	snprintf(problem->text, sizeof(problem->text), "%s", why);
	return 0;
}

static bool is_known_problem(const struct array *problems, const struct problem *problem)
{
	const struct problem *known = problems->items;

	for (size_t i = 0; i < problems->n; i++)
		if (strcmp(known[i].text, problem->text) == 0)
			return true;
	return false;
}

static const struct override *find(const struct override *list, size_t n,
				   const struct override *wanted)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].cluster == wanted->cluster && strcmp(list[i].id, wanted->id) == 0)
			return &list[i];
	return NULL;
}

static void log_one(const struct override *override, const char *what)
{
	char text[OVERRIDE_TEXT_SIZE];

	log_info("override %s%s: %s%s%s%s", override->id, what, override_text(override, text),
		 override->cluster ? ", on every node" : "", *override->reason ? ": " : "",
		 override->reason);
}

/* The cluster's are the labels' now; this node's own stay. */
static int take_labels(struct overrides *overrides, const struct model *model)
{
	struct labels labels = {0};
	const struct override *own = items(overrides) + overrides->n_cluster;
	size_t n_own = overrides->all.n - overrides->n_cluster, n_cluster;
	int err =
		override_labels(model, &(struct override_visitor){add_label, add_problem, &labels});
	const struct problem *problem = labels.problems.items;

	n_cluster = labels.all.n;
	for (size_t i = 0; i < n_own && !err; i++)
		err = add_label(&labels, &own[i]);
	if (err) {
		free(labels.all.items);
		free(labels.problems.items);
		return err;
	}
	for (size_t i = 0; i < labels.problems.n; i++)
		if (!is_known_problem(&overrides->problems, &problem[i]))
			log_warning("%s: it is not followed", problem[i].text);
	for (size_t i = 0; i < n_cluster; i++) {
		const struct override *new = (struct override *)labels.all.items + i;

		if (!is_over(overrides, new) && !find(items(overrides), overrides->n_cluster, new))
			log_one(new, "");
	}
	for (size_t i = 0; i < overrides->n_cluster; i++)
		if (!is_over(overrides, &items(overrides)[i]) &&
		    !find(labels.all.items, n_cluster, &items(overrides)[i]))
			log_one(&items(overrides)[i], " is cleared");
	free(overrides->all.items);
	free(overrides->problems.items);
	overrides->all = labels.all;
	overrides->problems = labels.problems;
	overrides->n_cluster = n_cluster;
	return 0;
}

/* ---- what is in force */

/* The cluster's stay until their labels go; what is over of this node's own is gone. */
static void log_ended(const struct overrides *overrides)
{
	for (size_t i = 0; i < overrides->all.n; i++)
		if (is_over(overrides, &items(overrides)[i]) && !overrides->over[i])
			log_one(&items(overrides)[i], " has ended");
}

int overrides_apply(struct overrides *overrides, const struct model *model, bool fresh,
		    const struct model **effective, struct skep_error *error)
{
	int err = 0;

	*effective = overrides->effective ? overrides->effective : model;
	if (!model || (!fresh && !overrides->stale))
		return 0;
	if (overrides->over)
		log_ended(overrides);
	forget_effective(overrides);
	forget_over(overrides);
	*effective = model;
	overrides->stale = true;
	err = take_labels(overrides, model);
	if (!err) {
		overrides->bears = calloc(overrides->all.n + 1, sizeof(bool));
		overrides->over = calloc(overrides->all.n + 1, sizeof(bool));
		err = overrides->bears && overrides->over ? 0 : -ENOMEM;
	}
	if (!err)
		err = override_apply(model, items(overrides), overrides->all.n, overrides->now_ms(),
				     &overrides->effective, overrides->bears);
	if (err) {
		forget_effective(overrides);
		return error_errno(error, err, "cannot apply overrides");
	}
	for (size_t i = 0; i < overrides->all.n; i++)
		overrides->over[i] = is_over(overrides, &items(overrides)[i]);
	if (overrides->effective)
		*effective = overrides->effective;
	overrides->stale = false;
	arm(overrides);
	return 0;
}

int64_t overrides_now(const struct overrides *overrides)
{
	return overrides->now_ms();
}

const char *overrides_problem(const struct overrides *overrides)
{
	return *overrides->problem ? overrides->problem : NULL;
}

/* ---- this node's own */

int overrides_new_id(const struct overrides *overrides, char id[OVERRIDE_ID_SIZE],
		     struct skep_error *error)
{
	static const char letters[] = "abcdefghjkmnpqrstuvwxyz23456789"; /* no l1 o0 i */
	unsigned char random[5];
	bool taken;

	memset(id, 0, OVERRIDE_ID_SIZE);
	do {
		if (getrandom(random, sizeof(random), 0) != sizeof(random))
			return error_errno(error, -errno, "cannot get random bytes");
		for (size_t i = 0; i < sizeof(random); i++)
			id[i] = letters[random[i] % (sizeof(letters) - 1)];
		taken = false;
		for (size_t i = 0; i < overrides->all.n; i++)
			taken = taken || strcmp(items(overrides)[i].id, id) == 0;
	} while (taken);
	return 0;
}

static void set_stale(struct overrides *overrides)
{
	overrides->stale = true;
	/* They are by position. */
	free(overrides->over);
	free(overrides->bears);
	overrides->over = overrides->bears = NULL;
	overrides->changed(overrides->context);
}

static bool replaced(void *context, const struct override *override)
{
	return override_replaces(context, override);
}

int overrides_add(struct overrides *overrides, const struct override *override,
		  struct skep_error *error)
{
	struct override *room;

	if (overrides->all.n - overrides->n_cluster >= OVERRIDES_MAX)
		return error_set(error, -EINVAL, "this node has %d overrides: clear some",
				 OVERRIDES_MAX);
	room = array_add(&overrides->all, sizeof(*room));
	if (!room)
		return error_errno(error, -ENOMEM, "cannot keep the override");
	overrides->all.n--;
	overrides_remove(overrides, replaced, (void *) override);
	items(overrides)[overrides->all.n++] = *override;
	log_one(override, "");
	set_stale(overrides);
	return 0;
}

size_t overrides_remove(struct overrides *overrides,
			bool (*matches)(void *context, const struct override *override),
			void *context)
{
	size_t kept = overrides->n_cluster, removed;

	for (size_t i = overrides->n_cluster; i < overrides->all.n; i++) {
		if (matches(context, &items(overrides)[i]))
			log_one(&items(overrides)[i], " is cleared");
		else
			items(overrides)[kept++] = items(overrides)[i];
	}
	removed = overrides->all.n - kept;
	overrides->all.n = kept;
	if (removed)
		set_stale(overrides);
	return removed;
}

int overrides_save(struct overrides *overrides, struct skep_error *error)
{
	int err = override_file_write(overrides->state_dir, items(overrides) + overrides->n_cluster,
				      overrides->all.n - overrides->n_cluster, error);

	if (!err)
		overrides->problem[0] = '\0';
	return err;
}

const struct override *overrides_at(const struct overrides *overrides, size_t index, bool *over,
				    bool *bears)
{
	if (index >= overrides->all.n)
		return NULL;
	*over = is_over(overrides, &items(overrides)[index]);
	*bears = overrides->bears && overrides->bears[index];
	return &items(overrides)[index];
}

const char *overrides_bad_label(const struct overrides *overrides, size_t index, const char **id)
{
	const struct problem *problems = overrides->problems.items;

	if (index >= overrides->problems.n)
		return NULL;
	*id = problems[index].id;
	return problems[index].text;
}
