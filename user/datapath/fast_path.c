/* SPDX-License-Identifier: GPL-2.0-only */
#include "datapath/fast_path.h"

#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>

#include "xdp.skel.h"

/* By file descriptor, so the two objects can never differ in a map's size or in which pin it is.
 * What is kept for a tick is the XDP program's alone. */
static int share_maps(struct xdp_bpf *object, const struct bpf_object *maps)
{
	struct bpf_map *map;
	int err = bpf_map__set_autocreate(object->maps.ring, false);

	bpf_object__for_each_map(map, object->obj)
	{
		const struct bpf_map *shared =
			bpf_object__find_map_by_name(maps, bpf_map__name(map));

		if (err)
			return err;
		if (bpf_map__is_internal(map) || map == object->maps.ring ||
		    map == object->maps.next_hops || map == object->maps.known_wires)
			continue;
		err = shared ? bpf_map__reuse_fd(map, bpf_map__fd(shared)) : -ENOENT;
	}
	return err;
}

/* As in the object whose maps it shares: what the programs are told of their maps' sizes. */
static int set_constants(struct xdp_bpf *object, const struct bpf_object *maps,
			 uint16_t tunnel_port)
{
	const struct bpf_map *flows = bpf_object__find_map_by_name(maps, "flows");

	if (!flows)
		return -ENOENT;
	object->rodata->bucket_mask = bpf_map__max_entries(flows) - 1;
	object->rodata->tunnel_port = htons(tunnel_port);
	return 0;
}

/* The program's file descriptor: it holds the maps, and nothing else of the object is needed. */
static int load(const struct bpf_object *maps, uint16_t tunnel_port, struct skep_error *error)
{
	struct xdp_bpf *object;
	int err, fd;

	programs_listen();
	object = xdp_bpf__open();
	if (!object)
		return error_errno(error, -errno, "cannot open the XDP object: %s",
				   programs_libbpf_said());
	err = set_constants(object, maps, tunnel_port);
	if (!err)
		err = share_maps(object, maps);
	if (!err)
		err = xdp_bpf__load(object);
	if (err) {
		fd = error_errno(error, err, "the XDP program cannot be loaded: %s",
				 programs_libbpf_said());
	} else {
		fd = fcntl(bpf_program__fd(object->progs.fast_path), F_DUPFD_CLOEXEC, 3);
		if (fd < 0)
			fd = error_errno(error, -errno, "cannot keep the XDP program");
	}
	xdp_bpf__destroy(object);
	return fd;
}

int fast_path_open(struct xdp **xdp, const struct datapath_config *config,
		   const struct programs *programs, struct skep_error *error)
{
	struct xdp_config links = {
		.bpffs = config->bpffs,
		.mode = config->mode,
		.program = -1,
		.missing = error->text,
		.wires = programs->wires,
	};

	error->text[0] = '\0'; /* why XDP is missing: nothing is amiss yet */
	if (config->mode != DATAPATH_TC) {
		links.program = load(programs->maps, config->tunnel_port, error);
		if (links.program < 0 && config->mode == DATAPATH_XDP)
			return links.program;
	}
	return xdp_open(xdp, &links, error);
}
