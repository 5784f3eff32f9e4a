/* SPDX-License-Identifier: GPL-2.0-only */
#include "datapath/datapath.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "datapath/hooks.h"
#include "datapath/names.h"
#include "datapath/programs.h"
#include "datapath/xdp.h"
#include "net/net.h"

static int unload_hooks(const char *bpffs, struct skep_error *error)
{
	char path[PATH_MAX];
	int map, err;

	snprintf(path, sizeof(path), "%s/hooks", bpffs);
	map = bpf_obj_get(path);
	if (map == -ENOENT) /* never loaded, or unloaded already */
		return 0;
	if (map < 0)
		return error_errno(error, map, "cannot open %s", path);
	err = hooks_remove_all(map, error);
	close(map);
	return err;
}

static int unload_pins(const char *bpffs, struct skep_error *error)
{
	char path[PATH_MAX];

	for (const char *const *name = programs_pins; *name; name++) {
		snprintf(path, sizeof(path), "%s/%s", bpffs, *name);
		if (unlink(path) && errno != ENOENT)
			return error_errno(error, -errno, "cannot remove %s", path);
	}
	if (rmdir(bpffs) && errno != ENOENT)
		return error_errno(error, -errno, "cannot remove %s", bpffs);
	return 0;
}

/*
 * VIPs before all, so that clients go elsewhere; hooks next, so that no packet meets a half of it;
 * pins last, since they say what there is to remove.
 */
int datapath_unload(const char *bpffs, struct skep_error *error)
{
	uint64_t netns;
	bool changed;
	int err = programs_check_namespace(bpffs, &netns, error);

	if (!err)
		err = net_vips_remove_all(error);
	if (!err)
		err = names_remove_all(bpffs, error);
	if (!err)
		err = xdp_remove_all(bpffs, error);
	if (!err)
		err = unload_hooks(bpffs, error);
	if (!err)
		err = net_mesh_routes_ensure(0, NULL, NULL, 0, &changed, error);
	if (!err)
		err = net_mesh_remove(error);
	if (!err)
		err = unload_pins(bpffs, error);
	return err;
}
