/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/override_file.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/file.h"

#define PATH_SIZE 512
#define LIMIT	  ((size_t)OVERRIDES_MAX * 4096)

static void file_path(char path[PATH_SIZE], const char *directory, const char *name)
{
	snprintf(path, PATH_SIZE, "%s/%s", directory, name);
}

static bool has_id(const struct override *list, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i].id, id) == 0)
			return true;
	return false;
}

static int understand(const json_t *root, struct override **list, size_t *n,
		      struct skep_error *error)
{
	const json_t *rows = json_object_get(root, "overrides"), *row;
	size_t i;

	if (!json_is_array(rows) || json_object_size(root) != 1)
		return error_set(error, -EINVAL, "no object with the array overrides");
	if (json_array_size(rows) > OVERRIDES_MAX)
		return error_set(error, -EINVAL, "more than %d overrides", OVERRIDES_MAX);
	*list = calloc(json_array_size(rows) + 1, sizeof(**list));
	if (!*list)
		return error_errno(error, -ENOMEM, "cannot keep the overrides");
	json_array_foreach (rows, i, row) {
		struct override *override = &(*list)[*n];
		int err = override_from_json(row, NULL, override, error);

		if (!err && (!*override->id || has_id(*list, *n, override->id)))
			err = error_set(error, -EINVAL, "no id, or one that is there already");
		if (err)
			return error_prefix(error, err, "overrides[%zu]", i);
		(*n)++;
	}
	return 0;
}

static void set_aside(const char *directory, const char *path)
{
	char aside[PATH_SIZE];

	file_path(aside, directory, "overrides.json.broken");
	/* If that fails too, the next write takes its place: what it says cannot be used anyhow. */
	(void)rename(path, aside);
}

int override_file_read(const char *directory, struct override **list, size_t *n,
		       struct skep_error *error)
{
	char path[PATH_SIZE], *text = NULL;
	json_error_t position;
	json_t *root = NULL;
	size_t size;
	int err;

	*list = NULL;
	*n = 0;
	file_path(path, directory, "overrides.json");
	err = file_read(path, LIMIT, &text, &size, error);
	if (err)
		return err == -ENOENT ? 0 : err;
	root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &position);
	if (!root)
		err = error_set(error, -EINVAL, "line %d: %s", position.line, position.text);
	else
		err = understand(root, list, n, error);
	if (err) {
		error_prefix(error, err, "%s", path);
		free(*list);
		*list = NULL;
		*n = 0;
	}
	if (err == -EINVAL)
		set_aside(directory, path);
	json_decref(root);
	free(text);
	return err;
}

int override_file_write(const char *directory, const struct override *list, size_t n,
			struct skep_error *error)
{
	json_t *rows = json_array(), *root = json_pack("{s:O}", "overrides", rows);
	char path[PATH_SIZE], *text;
	int err = rows && root ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && !err; i++)
		if (json_array_append_new(rows, override_to_json(&list[i], false)))
			err = -ENOMEM;
	text = err ? NULL : json_dumps(root, JSON_INDENT(1));
	file_path(path, directory, "overrides.json");
	err = text ? file_replace(path, text, strlen(text), error)
		   : error_errno(error, -ENOMEM, "cannot keep the overrides in %s", path);
	free(text);
	json_decref(root);
	json_decref(rows);
	return err;
}
