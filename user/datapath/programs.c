/* SPDX-License-Identifier: GPL-2.0-only */
#include "datapath/programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/log.h"
#include "model/options.h"
#include "skep/table.h"
#include "tc.skel.h"

const char *const programs_pins[] = {
	"config",
	"services",
	"service_names",
	"allow",
	"rings",
	"tasks",
	"nodes",
	"flows",
	"returns",
	"fragments",
	"affinity",
	"hooks",
	"service_counters",
	"task_counters",
	"task_flows",
	"verdicts",
	"wires",
	"xdp_counters",
	NULL,
};

static char libbpf_said[256];

static int libbpf_listen(enum libbpf_print_level level, const char *format, va_list arguments)
{
	char line[sizeof(libbpf_said)];
	size_t length;

	if (level == LIBBPF_DEBUG)
		return 0;
	vsnprintf(line, sizeof(line), format, arguments);
	length = strcspn(line, "\n");
	line[length] = '\0';
	if (level == LIBBPF_WARN && !libbpf_said[0])
		memcpy(libbpf_said, line, length + 1);
	log_debug("%s", line);
	return 0;
}

void programs_listen(void)
{
	libbpf_set_print(libbpf_listen);
	libbpf_said[0] = '\0';
}

const char *programs_libbpf_said(void)
{
	return libbpf_said;
}

/* The directory must lie on a bpf file system, or nothing would outlive the agent. */
static int pin_directory(const char *bpffs, struct skep_error *error)
{
	struct statfs fs;
	char parent[PATH_MAX], *slash;
	int err;

	if (snprintf(parent, sizeof(parent), "%s", bpffs) >= (int)sizeof(parent))
		return error_set(error, -ENAMETOOLONG, "--bpffs %s: path too long", bpffs);
	slash = strrchr(parent, '/');
	if (!slash || slash == parent)
		return error_set(error, -EINVAL,
				 "--bpffs %s: not a directory below a bpf file system", bpffs);
	*slash = '\0';
	if (statfs(parent, &fs) || fs.f_type != BPF_FS_MAGIC)
		return error_set(
			error, -ENOENT,
			"no bpf file system at %s: run `mount -t bpf bpf %s`, or give --bpffs",
			parent, parent);
	err = mkdir(bpffs, 0700) && errno != EEXIST ? -errno : 0;
	return err ? error_errno(error, err, "cannot make %s", bpffs) : 0;
}

int programs_adopt_pin(struct bpf_map *map, const char *path, bool *adopted,
		       struct skep_error *error)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);
	int fd = bpf_obj_get(path), err;

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return error_errno(error, fd, "cannot open the pinned map %s", path);
	err = bpf_obj_get_info_by_fd(fd, &info, &size);
	close(fd);
	if (err)
		return error_errno(error, err, "cannot ask what %s is", path);
	if (info.type != bpf_map__type(map) || info.key_size != bpf_map__key_size(map) ||
	    info.value_size != bpf_map__value_size(map))
		return error_set(error, -EEXIST,
				 "%s is of another version of skep (key %u, value %u bytes; this "
				 "one has %u and %u): "
				 "run that version's `skep unload` first",
				 path, info.key_size, info.value_size, bpf_map__key_size(map),
				 bpf_map__value_size(map));
	*adopted = true;
	/* What is pinned by a version that asked for others does as well. */
	err = bpf_map__set_map_flags(map, info.map_flags);
	if (err)
		return error_errno(error, err, "cannot set the flags of map %s",
				   bpf_map__name(map));
	if (info.max_entries == bpf_map__max_entries(map))
		return 0;
	log_warning("map %s keeps its size of %u entries, not %u as asked: that takes `skep "
		    "unload` and a new start",
		    bpf_map__name(map), info.max_entries, bpf_map__max_entries(map));
	err = bpf_map__set_max_entries(map, info.max_entries);
	return err ? error_errno(error, err, "cannot set the size of map %s", bpf_map__name(map))
		   : 0;
}

/* Buckets for so many flows: a power of two, as the programs take a hash modulo it. */
static uint32_t bucket_count(uint32_t flows)
{
	uint32_t buckets = 1;

	while (buckets < flows / SKEP_WAYS)
		buckets *= 2;
	return buckets;
}

static int set_sizes(struct tc_bpf *object, const struct datapath_config *config)
{
	const struct {
		struct bpf_map *map;
		uint32_t entries;
	} sizes[] = {
		{object->maps.services, config->max_frontends},
		{object->maps.service_names, config->max_services},
		{object->maps.service_counters, config->max_services},
		/* A bound, no memory: it cannot be reached before the services' own is. */
		{object->maps.allow, config->max_services * OPTIONS_LIST_MAX},
		{object->maps.rings, config->max_services},
		{object->maps.tasks, config->max_tasks},
		{object->maps.task_counters, config->max_tasks},
		{object->maps.task_flows, config->max_tasks},
		{object->maps.nodes, config->max_nodes},
		{object->maps.flows, bucket_count(config->max_flows)},
		{object->maps.returns, bucket_count(config->max_flows)},
		/* A client has several flows at a time, most of the time. */
		{object->maps.affinity, config->max_flows / 4 + 1},
		{object->maps.hooks, 8192},
	};
	int err = 0;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes) && !err; i++)
		err = bpf_map__set_max_entries(sizes[i].map, sizes[i].entries);
	if (!err)
		err = bpf_map__set_autocreate(object->maps.ring, false);
	return err;
}

static int set_pins(struct tc_bpf *object, const char *bpffs, bool *adopted,
		    struct skep_error *error)
{
	char path[PATH_MAX];

	for (const char *const *name = programs_pins; *name; name++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object->obj, *name);
		int err;

		if (!map)
			return error_set(error, -ENOENT, "map %s is not in the BPF object", *name);
		if (snprintf(path, sizeof(path), "%s/%s", bpffs, *name) >= (int)sizeof(path))
			return error_set(error, -ENAMETOOLONG, "--bpffs %s: path too long", bpffs);
		err = programs_adopt_pin(map, path, adopted, error);
		if (err)
			return err;
		err = bpf_map__set_pin_path(map, path);
		if (err)
			return error_errno(error, err, "cannot set the pin of map %s", *name);
	}
	return 0;
}

/* The pinned tables' size is what counts, if there are any. */
static int set_buckets(struct tc_bpf *object, struct skep_error *error)
{
	uint32_t flows = bpf_map__max_entries(object->maps.flows);
	uint32_t returns = bpf_map__max_entries(object->maps.returns);

	if (flows != returns || flows & (flows - 1))
		return error_set(error, -EINVAL,
				 "the pinned tables of flows and returns have %u and %u buckets: "
				 "run `skep unload` first",
				 flows, returns);
	object->rodata->bucket_mask = flows - 1;
	return 0;
}

int programs_check_namespace(const char *bpffs, uint64_t *netns, struct skep_error *error)
{
	struct skep_config config;
	char path[PATH_MAX];
	struct stat own;
	uint32_t zero = 0;
	int map, err;

	if (stat("/proc/self/ns/net", &own))
		return error_errno(error, -errno, "cannot tell which network namespace this is");
	*netns = own.st_ino;
	if (snprintf(path, sizeof(path), "%s/config", bpffs) >= (int)sizeof(path))
		return error_set(error, -ENAMETOOLONG, "--bpffs %s: path too long", bpffs);
	map = bpf_obj_get(path);
	if (map == -ENOENT)
		return 0;
	if (map < 0)
		return error_errno(error, map, "cannot open the pinned map %s", path);
	err = bpf_map_lookup_elem(map, &zero, &config);
	close(map);
	if (err)
		return error_errno(error, err, "cannot read the pinned map %s", path);
	if (config.netns && config.netns != *netns)
		return error_set(error, -EXDEV,
				 "%s is the mesh of another network namespace (inode %llu, this "
				 "one is %llu): run "
				 "this there, or give another --bpffs",
				 bpffs, (unsigned long long)config.netns,
				 (unsigned long long)*netns);
	return 0;
}

int programs_load(struct programs *programs, const struct datapath_config *config,
		  struct skep_error *error)
{
	struct tc_bpf *object;
	int err;

	*programs = (struct programs){};
	programs_listen();
	err = pin_directory(config->bpffs, error);
	if (err)
		return err;
	object = tc_bpf__open();
	if (!object)
		return error_errno(error, -errno, "cannot open the BPF object: %s", libbpf_said);
	programs->object = object;
	err = set_sizes(object, config);
	if (err) {
		error_errno(error, err, "cannot set the sizes of maps: %s", libbpf_said);
		goto cleanup;
	}
	err = set_pins(object, config->bpffs, &programs->adopted, error);
	if (!err)
		err = programs_check_namespace(config->bpffs, &programs->netns, error);
	if (err)
		goto cleanup;
	err = set_buckets(object, error);
	if (err)
		goto cleanup;
	err = tc_bpf__load(object);
	if (err) {
		error_errno(error, err,
			    "cannot load the BPF programs (kernel 5.15 or later, root needed): %s",
			    libbpf_said);
		goto cleanup;
	}
	programs->fds = (struct hooks_programs){
		.from_wire = bpf_program__fd(object->progs.from_wire),
		.from_mesh = bpf_program__fd(object->progs.from_mesh),
		.to_mesh = bpf_program__fd(object->progs.to_mesh),
		.from_task = bpf_program__fd(object->progs.from_task),
		.from_bridge = bpf_program__fd(object->progs.from_bridge),
	};
	programs->sweep = bpf_program__fd(object->progs.sweep);
	programs->config = bpf_map__fd(object->maps.config);
	programs->services = bpf_map__fd(object->maps.services);
	programs->service_names = bpf_map__fd(object->maps.service_names);
	programs->allow = bpf_map__fd(object->maps.allow);
	programs->rings = bpf_map__fd(object->maps.rings);
	programs->tasks = bpf_map__fd(object->maps.tasks);
	programs->nodes = bpf_map__fd(object->maps.nodes);
	programs->service_counters = bpf_map__fd(object->maps.service_counters);
	programs->task_counters = bpf_map__fd(object->maps.task_counters);
	programs->hooks = bpf_map__fd(object->maps.hooks);
	programs->wires = bpf_map__fd(object->maps.wires);
	programs->maps = object->obj;
	programs->max_services = bpf_map__max_entries(object->maps.service_counters);
	programs->max_flows = bpf_map__max_entries(object->maps.flows) * SKEP_WAYS;
	programs->max_tasks = bpf_map__max_entries(object->maps.task_counters);
cleanup:
	if (err)
		programs_close(programs);
	return err;
}

void programs_close(struct programs *programs)
{
	tc_bpf__destroy(programs->object);
	programs->object = NULL;
}
