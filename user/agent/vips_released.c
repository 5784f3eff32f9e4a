/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/vips_released.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/file.h"

#define PATH_SIZE (CONFIG_PATH_SIZE + sizeof("/vips-released"))
#define FILE_SIZE ((size_t)CONFIG_MAX_VIPS * ADDR_TEXT_SIZE)

static void released_path(char path[PATH_SIZE], const char *run_dir)
{
	snprintf(path, PATH_SIZE, "%s/vips-released", run_dir);
}

int vips_released_read(const char *run_dir, struct vips_released *released,
		       struct skep_error *error)
{
	char path[PATH_SIZE], *text = NULL, *line;
	size_t size;
	int err;

	released->n = 0;
	released_path(path, run_dir);
	err = file_read(path, FILE_SIZE, &text, &size, error);
	if (err)
		return err == -ENOENT ? 0 : err;
	for (char *next = text; !err && (line = strsep(&next, "\n"));) {
		if (!*line)
			continue;
		if (released->n == CONFIG_MAX_VIPS ||
		    addr_parse(line, &released->addrs[released->n]))
			err = error_set(error, -EINVAL, "%s: is not a list of addresses", path);
		else
			released->n++;
	}
	if (err)
		released->n = 0;
	free(text);
	return err;
}

int vips_released_write(const char *run_dir, const struct vips_released *released,
			struct skep_error *error)
{
	char path[PATH_SIZE], text[FILE_SIZE] = "", addr[ADDR_TEXT_SIZE];
	size_t size = 0;

	released_path(path, run_dir);
	for (size_t i = 0; i < released->n; i++)
		size += (size_t)snprintf(text + size, sizeof(text) - size, "%s\n",
					 addr_text(&released->addrs[i], addr));
	/* Of a run directory, which is in memory: it does not keep the loop waiting. */
	return file_replace(path, text, size, error);
}
