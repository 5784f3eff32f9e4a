/* SPDX-License-Identifier: GPL-2.0-only */
#include "cli/list.h"

#include <errno.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/override_rows.h"
#include "cli/rows.h"

int list_print_json(const json_t *json, FILE *out)
{
	if (json_dumpf(json, out, JSON_INDENT(2) | JSON_ENCODE_ANY) || fputc('\n', out) == EOF)
		return -EIO;
	return 0;
}

static int list_get(const struct list *list, const struct options *options, json_t **rows,
		    struct skep_error *error)
{
	char path[128];
	int err;

	if (options->maps)
		return list->from_maps(options, rows, error);
	if (list->allowed & OPTIONS_LIMIT)
		snprintf(path, sizeof(path), "%s?limit=%u", list->path, options->limit);
	else
		snprintf(path, sizeof(path), "%s", list->path);
	err = client_get(options->run_dir, path, list->from_maps != NULL, rows, error);
	if (!err && !json_is_array(*rows))
		err = error_set(error, -EPROTO, "the agent answers no list on %s", list->path);
	return err;
}

int list_run(const struct list *list, int argc, char **argv)
{
	struct skep_error error;
	struct options options;
	json_t *rows = NULL;
	int err, status = CLI_OK;

	if (options_parse(&options, list->allowed, argc, argv, &error))
		return cli_usage("%s", error.text);
	err = list_get(list, &options, &rows, &error);
	if (err) {
		status = cli_failure("%s", error.text);
		goto cleanup;
	}
	if (options.name)
		err = rows_keep(rows, list->name_key, options.name);
	if (!err)
		err = rows_sort(rows, list->sort);
	if (!err && options.name && !json_array_size(rows)) {
		status = cli_failure("%s %s", list->name_missing, options.name);
		goto cleanup;
	}
	if (!err)
		err = options.json ? list_print_json(rows, stdout) : list->print(rows, stdout);
	if (err) {
		status = cli_failure("cannot list %s: %s", argv[0], strerror(-err));
		goto cleanup;
	}
	if (!options.json && options.name && list->details)
		for (size_t i = 0; i < json_array_size(rows); i++)
			list->details(json_array_get(rows, i), stdout);
	if (!options.json)
		override_notes(rows, stdout);
	if (!options.json && (list->allowed & OPTIONS_LIMIT) &&
	    json_array_size(rows) >= options.limit)
		printf("These are the %u used last; --limit N shows more.\n", options.limit);
cleanup:
	json_decref(rows);
	return status;
}
