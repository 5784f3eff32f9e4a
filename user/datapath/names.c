/* SPDX-License-Identifier: GPL-2.0-only */
#include "datapath/names.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "datapath/cgroup.h"
#include "datapath/names_desired.h"
#include "datapath/pool.h"
#include "datapath/reconcile.h"
#include "datapath/rings.h"
#include "lib/addr.h"
#include "lib/log.h"
#include "names.skel.h"

#define HOOKS 8

/* Maps of this object alone; the others are the data path's. */
static const char *const own_pins[] = {
	"namespaces", "scopes", "vips", "vip_rings", "listeners", "sockets", "datagrams", NULL,
};

struct names {
	char bpffs[PATH_MAX];
	char cgroup[PATH_MAX]; /* "": none */
	char problem[256];
	struct names_bpf *object; /* NULL: this machine goes without */
	struct cgroup_hook hooks[HOOKS];
	struct reconcile_map namespaces, scopes, vips, listeners;
	int vip_rings;
	struct ring_set rings;
	struct pool ring_numbers;
	uint32_t max_vips;
	bool attached; /* the links were seen to be in force */
	bool doubted;  /* what is known of the maps is to be read anew */
};

static bool is_own(const char *name)
{
	for (const char *const *own = own_pins; *own; own++)
		if (strcmp(*own, name) == 0)
			return true;
	return false;
}

/* Shared by file descriptor, own ones by pin. */
static int set_maps(struct names_bpf *object, const struct datapath_config *config,
		    const struct bpf_object *shared, struct skep_error *error)
{
	const struct {
		struct bpf_map *map;
		uint32_t entries;
	} sizes[] = {
		{object->maps.namespaces, 65536},
		{object->maps.scopes, 262144},
		{object->maps.vips, config->max_frontends},
		{object->maps.vip_rings, config->max_frontends},
	};
	char path[PATH_MAX];
	struct bpf_map *map;
	bool adopted;
	int err = bpf_map__set_autocreate(object->maps.ring, false);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes) && !err; i++)
		err = bpf_map__set_max_entries(sizes[i].map, sizes[i].entries);
	if (err)
		return error_errno(error, err, "cannot set the sizes of maps: %s",
				   programs_libbpf_said());
	bpf_object__for_each_map(map, object->obj)
	{
		const char *name = bpf_map__name(map);
		const struct bpf_map *other;

		if (bpf_map__is_internal(map) || map == object->maps.ring)
			continue;
		if (is_own(name)) {
			if (snprintf(path, sizeof(path), "%s/%s", config->bpffs, name) >=
			    (int)sizeof(path))
				return error_set(error, -ENAMETOOLONG, "--bpffs %s: path too long",
						 config->bpffs);
			err = programs_adopt_pin(map, path, &adopted, error);
			if (err)
				return err;
			err = bpf_map__set_pin_path(map, path);
		} else {
			other = bpf_object__find_map_by_name(shared, name);
			err = other ? bpf_map__reuse_fd(map, bpf_map__fd(other)) : -ENOENT;
		}
		if (err)
			return error_errno(error, err, "cannot set up map %s", name);
	}
	return 0;
}

static void map_init(struct reconcile_map *map, const char *name, const char *flag,
		     const struct bpf_map *bpf, size_t key_size, size_t value_size)
{
	map->name = name;
	map->flag = flag;
	map->fd = bpf_map__fd(bpf);
	table_init(&map->actual, key_size, value_size);
}

static void list_hooks(struct names *names)
{
	const struct {
		const char *name;
		const struct bpf_program *program;
		enum bpf_attach_type type;
	} hooks[HOOKS] = {
		{"connect4", names->object->progs.connect4, BPF_CGROUP_INET4_CONNECT},
		{"connect6", names->object->progs.connect6, BPF_CGROUP_INET6_CONNECT},
		{"sendmsg4", names->object->progs.sendmsg4, BPF_CGROUP_UDP4_SENDMSG},
		{"sendmsg6", names->object->progs.sendmsg6, BPF_CGROUP_UDP6_SENDMSG},
		{"recvmsg4", names->object->progs.recvmsg4, BPF_CGROUP_UDP4_RECVMSG},
		{"recvmsg6", names->object->progs.recvmsg6, BPF_CGROUP_UDP6_RECVMSG},
		{"getpeername4", names->object->progs.getpeername4, BPF_CGROUP_INET4_GETPEERNAME},
		{"getpeername6", names->object->progs.getpeername6, BPF_CGROUP_INET6_GETPEERNAME},
	};

	for (size_t i = 0; i < HOOKS; i++)
		names->hooks[i] = (struct cgroup_hook){
			hooks[i].name, bpf_program__fd(hooks[i].program), hooks[i].type};
}

static int load(struct names *names, const struct datapath_config *config,
		const struct programs *programs, struct skep_error *error)
{
	struct names_bpf *object;
	int err;

	programs_listen();
	object = names_bpf__open();
	if (!object)
		return error_errno(error, -errno, "cannot open the BPF object for names: %s",
				   programs_libbpf_said());
	names->object = object;
	err = set_maps(object, config, programs->maps, error);
	if (err)
		return err;
	err = names_bpf__load(object);
	if (err)
		return error_errno(error, err, "the programs for names cannot be loaded: %s",
				   programs_libbpf_said());
	list_hooks(names);
	map_init(&names->namespaces, "namespaces", NULL, object->maps.namespaces, sizeof(uint64_t),
		 sizeof(struct skep_namespace));
	map_init(&names->scopes, "scopes", NULL, object->maps.scopes, sizeof(struct skep_scope_key),
		 sizeof(uint64_t));
	map_init(&names->vips, "vips", "max-frontends", object->maps.vips,
		 sizeof(struct skep_vip_key), sizeof(struct skep_vip));
	map_init(&names->listeners, "listeners", NULL, object->maps.listeners,
		 sizeof(struct skep_frontend), sizeof(struct skep_listener));
	names->vip_rings = bpf_map__fd(object->maps.vip_rings);
	names->max_vips = bpf_map__max_entries(object->maps.vip_rings);
	return 0;
}

/* Goes without: whatever an earlier agent attached would answer by what is old. */
static int go_without(struct names *names, struct skep_error *error)
{
	names_bpf__destroy(names->object);
	names->object = NULL;
	names->cgroup[0] = '\0';
	return cgroup_detach_all(names->bpffs, error);
}

int names_open(struct names **result, const struct datapath_config *config,
	       const struct programs *programs, struct skep_error *error)
{
	struct names *names = calloc(1, sizeof(*names));
	const char *wish = config->cgroup ? config->cgroup : "";
	int err = 0;

	if (!names)
		return error_errno(error, -ENOMEM, "cannot serve names");
	snprintf(names->bpffs, sizeof(names->bpffs), "%s", config->bpffs);
	*result = names;
	if (strcmp(wish, "off") == 0)
		return go_without(names, error);
	if (*wish)
		snprintf(names->cgroup, sizeof(names->cgroup), "%s", wish);
	else
		err = cgroup_find(names->cgroup, sizeof(names->cgroup), error);
	if (!err)
		err = load(names, config, programs, error);
	if (!err)
		return names_read(names, error);
	/* Pins of another layout are an operator's business, as everywhere. */
	if (err == -EEXIST)
		return err;
	snprintf(names->problem, sizeof(names->problem), "service names are not served: %.200s",
		 error->text);
	log_warning("%s", names->problem);
	return go_without(names, error);
}

void names_close(struct names *names)
{
	if (!names)
		return;
	table_free(&names->namespaces.actual);
	table_free(&names->scopes.actual);
	table_free(&names->vips.actual);
	table_free(&names->listeners.actual);
	ring_set_free(&names->rings);
	pool_free(&names->ring_numbers);
	names_bpf__destroy(names->object);
	free(names);
}

const char *names_problem(const struct names *names)
{
	return names->problem;
}

const char *names_cgroup(const struct names *names)
{
	return names->cgroup;
}

/* Numbers of rings that VIPs in the map have are lent, the others are free. */
static int claim_numbers(struct names *names, struct skep_error *error)
{
	const struct table *vips = &names->vips.actual;
	int err;

	pool_free(&names->ring_numbers);
	err = pool_init(&names->ring_numbers, 1, names->max_vips);
	if (err)
		return error_errno(error, err, "cannot keep account of rings");
	for (size_t i = 0; i < vips->count; i++)
		pool_claim(&names->ring_numbers,
			   ((const struct skep_vip *)table_value(vips, i))->ring);
	return 0;
}

int names_read(struct names *names, struct skep_error *error)
{
	int err;

	if (!names->object)
		return 0;
	names->attached = false;
	ring_set_free(&names->rings);
	err = reconcile_read(&names->namespaces, error);
	if (!err)
		err = reconcile_read(&names->scopes, error);
	if (!err)
		err = reconcile_read(&names->vips, error);
	if (!err)
		err = reconcile_read(&names->listeners, error);
	if (!err)
		err = rings_read(names->vip_rings, &names->rings, error);
	if (!err)
		err = claim_numbers(names, error);
	names->doubted = err != 0;
	return err;
}

static int give_back(void *context, const void *key, const void *old_value)
{
	(void)key;
	pool_give_back(context, ((const struct skep_vip *)old_value)->ring);
	return 0;
}

static void keep_first(int *first, int err, struct skep_error *error, const struct skep_error *own)
{
	if (!err || *first)
		return;
	*first = err;
	*error = *own;
}

static void settle(struct names *names, struct names_desired *desired)
{
	const struct table_difference gone = {.delete = give_back, .context = &names->ring_numbers};

	table_compare(&names->vips.actual, &desired->vips, &gone);
	reconcile_settle(&names->vips, &desired->vips);
	reconcile_settle(&names->scopes, &desired->scopes);
	reconcile_settle(&names->namespaces, &desired->namespaces);
	reconcile_settle(&names->listeners, &desired->listeners);
	ring_set_free(&names->rings);
	names->rings = desired->rings;
	desired->rings = (struct ring_set){};
}

static int attach(struct names *names, struct datapath_changes *changes, struct skep_error *error)
{
	size_t attached;
	int err = cgroup_attach(names->bpffs, names->cgroup, names->hooks, HOOKS, &attached, error);

	changes->attached += attached;
	names->attached = !err;
	return err;
}

/*
 * Rings before VIPs, VIPs before whoever may ask for them, the programs last; and the other way
 * round for what goes.
 */
int names_apply(struct names *names, const struct model *model, const struct datapath_node *node,
		const uint32_t *service_ids, bool fresh, struct datapath_changes *changes,
		struct skep_error *error)
{
	struct names_desired desired;
	struct skep_error own;
	int first = 0, err = 0;

	if (!names->object)
		return 0;
	if (names->doubted)
		err = names_read(names, error);
	if (!err)
		err = names_desired_build(&desired, model, node, service_ids, &names->vips.actual,
					  &names->rings, &names->ring_numbers, error);
	if (err)
		return err;

#define STEP(call) keep_first(&first, (call), error, &own)
	STEP(rings_write(names->vip_rings, &names->rings, &desired.rings, changes, &own));
	STEP(reconcile_write(&names->vips, &desired.vips, changes, &own));
	STEP(reconcile_write(&names->listeners, &desired.listeners, changes, &own));
	STEP(reconcile_write(&names->scopes, &desired.scopes, changes, &own));
	STEP(reconcile_write(&names->namespaces, &desired.namespaces, changes, &own));
	if (!names->attached || fresh)
		STEP(attach(names, changes, &own));

	STEP(reconcile_delete(&names->namespaces, &desired.namespaces, changes, &own));
	STEP(reconcile_delete(&names->scopes, &desired.scopes, changes, &own));
	STEP(reconcile_delete(&names->listeners, &desired.listeners, changes, &own));
	STEP(reconcile_delete(&names->vips, &desired.vips, changes, &own));
	STEP(rings_delete(names->vip_rings, &names->rings, &desired.rings, changes, &own));
#undef STEP

	if (first)
		names->doubted = true;
	else
		settle(names, &desired);
	names_desired_free(&desired);
	return first;
}

/* ---- verifying */

struct verifier {
	const char *map;
	void (*report)(void *context, const char *line);
	void *context;
};

static void say(const struct verifier *verifier, const char *what)
{
	char line[128];

	snprintf(line, sizeof(line), "%s: %s", verifier->map, what);
	verifier->report(verifier->context, line);
}

static int say_missing(void *context, const void *key, const void *value)
{
	(void)key;
	(void)value;
	say(context, "an entry is missing");
	return 0;
}

static int say_wrong(void *context, const void *key, const void *value, const void *old_value)
{
	(void)key;
	(void)value;
	(void)old_value;
	say(context, "an entry is wrong");
	return 0;
}

static int say_unwanted(void *context, const void *key, const void *old_value)
{
	(void)key;
	(void)old_value;
	say(context, "an entry is not wanted");
	return 0;
}

static void say_ring(void *context, const struct ring *actual, const struct ring *desired)
{
	say(context, !actual	? "a ring is missing"
		     : !desired ? "a ring is not wanted"
				: "a ring is wrong");
}

static int verify_map(const struct reconcile_map *map, const struct table *desired,
		      struct verifier *verifier, struct skep_error *error)
{
	const struct table_difference difference = {say_missing, say_wrong, say_unwanted, verifier};
	struct reconcile_map now = *map;
	int err;

	table_init(&now.actual, desired->key_size, desired->value_size);
	verifier->map = map->name;
	err = reconcile_read(&now, error);
	if (!err)
		table_compare(&now.actual, desired, &difference);
	table_free(&now.actual);
	return err;
}

int names_verify(struct names *names, const struct model *model, const struct datapath_node *node,
		 const uint32_t *service_ids, void (*report)(void *context, const char *line),
		 void *context, struct skep_error *error)
{
	struct verifier verifier = {.report = report, .context = context};
	struct names_desired desired;
	struct ring_set rings = {};
	struct skep_error ignored;
	int err;

	if (!names->object)
		return 0;
	err = names_desired_build(&desired, model, node, service_ids, &names->vips.actual,
				  &names->rings, &names->ring_numbers, error);
	if (err)
		return err;
	err = verify_map(&names->namespaces, &desired.namespaces, &verifier, error);
	if (!err)
		err = verify_map(&names->scopes, &desired.scopes, &verifier, error);
	if (!err)
		err = verify_map(&names->vips, &desired.vips, &verifier, error);
	if (!err)
		err = verify_map(&names->listeners, &desired.listeners, &verifier, error);
	if (!err)
		err = rings_read(names->vip_rings, &rings, error);
	verifier.map = "vip_rings";
	if (!err)
		rings_compare(&rings, &desired.rings, say_ring, &verifier);
	cgroup_verify(names->bpffs, names->cgroup, names->hooks, HOOKS, report, context);
	ring_set_free(&rings);
	names_desired_free(&desired);
	/* Numbers that were only lent for the comparison. */
	(void)claim_numbers(names, &ignored);
	return err;
}

int names_remove_all(const char *bpffs, struct skep_error *error)
{
	char path[PATH_MAX];
	int err = cgroup_detach_all(bpffs, error);

	for (const char *const *name = own_pins; *name && !err; name++) {
		snprintf(path, sizeof(path), "%s/%s", bpffs, *name);
		if (unlink(path) && errno != ENOENT)
			err = error_errno(error, -errno, "cannot remove %s", path);
	}
	return err;
}
