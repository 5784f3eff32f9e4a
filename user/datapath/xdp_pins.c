/* SPDX-License-Identifier: GPL-2.0-only */
#include "datapath/xdp_pins.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "datapath/xdp.h"

#define PIN_FORMAT "xdp-%d"

int xdp_pins_directory(const char *bpffs, char path[PATH_MAX], struct skep_error *error)
{
	if (snprintf(path, PATH_MAX, "%s/links", bpffs) >= PATH_MAX)
		return error_set(error, -ENAMETOOLONG, "--bpffs %s: path too long", bpffs);
	return 0;
}

int xdp_pin_path(const char *directory, int ifindex, char path[PATH_MAX])
{
	int length = snprintf(path, PATH_MAX, "%s/" PIN_FORMAT, directory, ifindex);

	return length < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int xdp_pins_each(const char *directory,
		  int (*each)(void *context, int ifindex, const char *path,
			      struct skep_error *error),
		  void *context, struct skep_error *error)
{
	DIR *pins = opendir(directory);
	const struct dirent *entry;
	char path[PATH_MAX];
	int ifindex, err = 0;

	if (!pins && errno == ENOENT)
		return 0;
	if (!pins)
		return error_errno(error, -errno, "cannot read %s", directory);
	while (!err && (entry = readdir(pins))) {
		if (sscanf(entry->d_name, PIN_FORMAT, &ifindex) != 1)
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name) >=
		    (int)sizeof(path))
			err = error_set(error, -ENAMETOOLONG, "%s: path too long", directory);
		else
			err = each(context, ifindex, path, error);
	}
	closedir(pins);
	return err;
}

int xdp_pin(const char *directory, int ifindex, int link, struct skep_error *error)
{
	char path[PATH_MAX];
	int err = xdp_pin_path(directory, ifindex, path);

	if (!err && mkdir(directory, 0700) && errno != EEXIST)
		err = -errno;
	if (!err)
		err = bpf_obj_pin(link, path);
	return err ? error_errno(error, err, "cannot pin a link in %s", directory) : 0;
}

static int remove_pin(void *context, int ifindex, const char *path, struct skep_error *error)
{
	int link = bpf_obj_get(path), err;

	(void)context;
	if (link < 0)
		return error_errno(error, link, "cannot open the pinned link %s", path);
	err = unlink(path) ? -errno : bpf_link_detach(link);
	close(link);
	/* The interface is gone. */
	if (err == -ENOLINK)
		err = 0;
	return err ? error_errno(error, err, "cannot detach the XDP program of interface %d",
				 ifindex)
		   : 0;
}

int xdp_remove_all(const char *bpffs, struct skep_error *error)
{
	char directory[PATH_MAX];
	int err = xdp_pins_directory(bpffs, directory, error);

	if (!err)
		err = xdp_pins_each(directory, remove_pin, NULL, error);
	if (!err && rmdir(directory) && errno != ENOENT)
		err = error_errno(error, -errno, "cannot remove %s", directory);
	return err;
}
