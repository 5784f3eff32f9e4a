/* SPDX-License-Identifier: GPL-2.0-only */
#include "datapath/cgroup.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Fields of mountinfo (proc(5)): the fourth is the mounted root, the fifth the mount point; then
 * optional ones up to "-", the file system's type after that. Only a mount of the whole hierarchy
 * will do, and the shortest path is the system's own, whatever else is mounted for whom.
 */
int cgroup_find(char *path, size_t size, struct skep_error *error)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t room = 0;

	*path = '\0';
	if (!mounts)
		return error_errno(error, -errno, "cannot read /proc/self/mountinfo");
	while (getline(&line, &room, mounts) > 0) {
		char root[PATH_MAX], point[PATH_MAX];
		const char *rest = strstr(line, " - ");

		if (!rest || strncmp(rest + 3, "cgroup2 ", 8) != 0 ||
		    sscanf(line, "%*s %*s %*s %4095s %4095s", root, point) != 2 ||
		    strcmp(root, "/") != 0)
			continue;
		if (strlen(point) < size && (!*path || strlen(point) < strlen(path)))
			memcpy(path, point, strlen(point) + 1);
	}
	free(line);
	fclose(mounts);
	if (!*path)
		return error_set(
			error, -ENOENT,
			"cgroup2 is mounted nowhere: `mount -t cgroup2 none DIR`, and give "
			"--cgroup DIR");
	return 0;
}

static int pins_directory(const char *bpffs, char path[PATH_MAX], struct skep_error *error)
{
	if (snprintf(path, PATH_MAX, "%s/names", bpffs) >= PATH_MAX)
		return error_set(error, -ENAMETOOLONG, "--bpffs %s: path too long", bpffs);
	return 0;
}

static int pin_path(const char *directory, const char *name, char path[PATH_MAX],
		    struct skep_error *error)
{
	if (snprintf(path, PATH_MAX, "%s/%s", directory, name) >= PATH_MAX)
		return error_set(error, -ENAMETOOLONG, "%s: path too long", directory);
	return 0;
}

/* By number, as the kernel knows it: the inode of its directory. */
static int cgroup_id(const char *cgroup, uint64_t *id, struct skep_error *error)
{
	struct stat status;

	if (stat(cgroup, &status))
		return error_errno(error, -errno, "--cgroup %s", cgroup);
	*id = status.st_ino;
	return 0;
}

/* Of a pinned link: its program, and the cgroup it is on; 0: that was removed. */
static int ask_link(int link, uint32_t *program_id, uint64_t *cgroup)
{
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);
	int err = bpf_obj_get_info_by_fd(link, &info, &size);

	*program_id = err ? 0 : info.prog_id;
	*cgroup = err || info.type != BPF_LINK_TYPE_CGROUP ? 0 : info.cgroup.cgroup_id;
	return err;
}

static uint32_t program_id(int program)
{
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);

	return bpf_obj_get_info_by_fd(program, &info, &size) ? 0 : info.id;
}

static int attach_new(const char *path, int cgroup, const struct cgroup_hook *hook,
		      struct skep_error *error)
{
	int link = bpf_link_create(hook->program, cgroup, hook->type, NULL);
	int err;

	if (link < 0)
		return error_errno(error, link, "cannot attach program %s to the cgroup",
				   hook->name);
	/* The old one ends with its pin, once the new one works. */
	if (unlink(path) && errno != ENOENT)
		err = -errno;
	else
		err = bpf_obj_pin(link, path);
	close(link);
	return err ? error_errno(error, err, "cannot pin %s", path) : 0;
}

static int attach_one(const char *path, int cgroup, uint64_t id, const struct cgroup_hook *hook,
		      size_t *attached, struct skep_error *error)
{
	int link = bpf_obj_get(path), err;
	uint32_t program;
	uint64_t where;

	if (link < 0 && link != -ENOENT)
		return error_errno(error, link, "cannot open the pinned link %s", path);
	if (link >= 0) {
		err = ask_link(link, &program, &where);
		if (!err && where == id) {
			if (program != program_id(hook->program))
				err = bpf_link_update(link, hook->program, NULL);
			close(link);
			return err ? error_errno(error, err, "cannot replace program %s",
						 hook->name)
				   : 0;
		}
		close(link);
	}
	(*attached)++;
	return attach_new(path, cgroup, hook, error);
}

int cgroup_attach(const char *bpffs, const char *cgroup, const struct cgroup_hook *hooks, size_t n,
		  size_t *attached, struct skep_error *error)
{
	char directory[PATH_MAX], path[PATH_MAX];
	uint64_t id = 0;
	int fd, err;

	*attached = 0;
	err = pins_directory(bpffs, directory, error);
	if (!err)
		err = cgroup_id(cgroup, &id, error);
	if (err)
		return err;
	if (mkdir(directory, 0700) && errno != EEXIST)
		return error_errno(error, -errno, "cannot make %s", directory);
	fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(error, -errno, "--cgroup %s", cgroup);
	for (size_t i = 0; i < n && !err; i++) {
		err = pin_path(directory, hooks[i].name, path, error);
		if (!err)
			err = attach_one(path, fd, id, &hooks[i], attached, error);
	}
	close(fd);
	return err;
}

void cgroup_verify(const char *bpffs, const char *cgroup, const struct cgroup_hook *hooks, size_t n,
		   void (*report)(void *context, const char *line), void *context)
{
	char directory[PATH_MAX], path[PATH_MAX], line[256];
	struct skep_error ignored;
	uint64_t id = 0;

	if (pins_directory(bpffs, directory, &ignored) || cgroup_id(cgroup, &id, &ignored)) {
		report(context, ignored.text);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		uint32_t program = 0;
		uint64_t where = 0;
		int link = pin_path(directory, hooks[i].name, path, &ignored) ? -ENAMETOOLONG
									      : bpf_obj_get(path);

		if (link >= 0) {
			(void)ask_link(link, &program, &where);
			close(link);
		}
		if (link >= 0 && where == id && program == program_id(hooks[i].program))
			continue;
		snprintf(line, sizeof(line), "cgroup program %s: %s", hooks[i].name,
			 link < 0      ? "not attached"
			 : where != id ? "attached to another cgroup"
				       : "another program is in its place");
		report(context, line);
	}
}

int cgroup_detach_all(const char *bpffs, struct skep_error *error)
{
	char directory[PATH_MAX], path[PATH_MAX];
	const struct dirent *entry;
	DIR *pins;
	int err = pins_directory(bpffs, directory, error);

	if (err)
		return err;
	pins = opendir(directory);
	if (!pins)
		return errno == ENOENT ? 0
				       : error_errno(error, -errno, "cannot read %s", directory);
	while (!err && (entry = readdir(pins))) {
		if (entry->d_name[0] == '.')
			continue;
		err = pin_path(directory, entry->d_name, path, error);
		/* A link whose last reference goes is detached. */
		if (!err && unlink(path))
			err = error_errno(error, -errno, "cannot remove %s", path);
	}
	closedir(pins);
	if (!err && rmdir(directory))
		err = error_errno(error, -errno, "cannot remove %s", directory);
	return err;
}
