/* SPDX-License-Identifier: GPL-2.0-only */
/* A directory of a test's own, removed with what is in it; and the recorded answers of an Engine.
 */
#ifndef SELFTESTS_UNIT_SCRATCH_H
#define SELFTESTS_UNIT_SCRATCH_H

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline char *scratch_make(void)
{
	char *directory = strdup("/tmp/skep-unit-XXXXXX");

	if (!mkdtemp(directory))
		abort();
	return directory;
}

static inline void scratch_remove(char *directory)
{
	char path[512];
	DIR *dir = opendir(directory);

	for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;) {
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		unlink(path);
	}
	if (dir)
		closedir(dir);
	rmdir(directory);
	free(directory);
}

/* swarm/NAME.json beside this file. */
static inline json_t *scratch_recorded(const char *name)
{
	char path[512];
	const char *slash = strrchr(__FILE__, '/');
	json_error_t why;

	snprintf(path, sizeof(path), "%.*sswarm/%s.json", slash ? (int)(slash - __FILE__ + 1) : 0,
		 __FILE__, name);
	json_t *root = json_load_file(path, 0, &why);
	if (!root) {
		fprintf(stderr, "%s: %s\n", path, why.text);
		abort();
	}
	return root;
}

#endif
