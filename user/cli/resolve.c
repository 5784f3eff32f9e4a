/* SPDX-License-Identifier: GPL-2.0-only */
#include "cli/resolve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/list.h"
#include "cli/options.h"
#include "cli/rows.h"

/* Of what could be meant, as much as a line holds. */
#define CANDIDATES_SIZE 160
#define NAME_MAX_BYTES	512

/* A list of named things, of any kind. */
struct named {
	const char *what;
	const void *items;
	size_t n;
	const char *(*name_of)(const void *items, size_t i);
};

static const char *service_name(const void *items, size_t i)
{
	return ((const struct model_service *)items)[i].name;
}

static const char *network_name(const void *items, size_t i)
{
	return ((const struct model_network *)items)[i].name;
}

/* "web" for shop_web: a stack's service, as its own tasks call it. */
static bool is_short_for(const char *name, const char *full)
{
	size_t length = strlen(name), of = strlen(full);

	return of > length + 1 && full[of - length - 1] == '_' &&
	       strcmp(full + of - length, name) == 0;
}

static void add_candidate(char text[CANDIDATES_SIZE], const char *name)
{
	size_t used = strlen(text);

	if (used + strlen(name) + sizeof(", …") < CANDIDATES_SIZE)
		snprintf(text + used, CANDIDATES_SIZE - used, "%s%s", used ? ", " : "", name);
	else if (used && strcmp(text + used - strlen("…"), "…") != 0)
		snprintf(text + used, CANDIDATES_SIZE - used, ", …");
}

/* Those with the name in theirs; if there are none, all. */
static void list_candidates(const struct named *list, const char *name, char text[CANDIDATES_SIZE])
{
	*text = '\0';
	for (size_t i = 0; i < list->n; i++)
		if (strstr(list->name_of(list->items, i), name))
			add_candidate(text, list->name_of(list->items, i));
	if (*text)
		return;
	for (size_t i = 0; i < list->n; i++)
		add_candidate(text, list->name_of(list->items, i));
}

/* Exactly that name, else what it is short for. */
static int find(const struct named *list, const char *name, size_t *found, struct skep_error *error)
{
	char candidates[CANDIDATES_SIZE] = "";
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->name_of(list->items, i), name) == 0)
			return *found = i, 0;
	for (size_t i = 0; i < list->n; i++)
		if (is_short_for(name, list->name_of(list->items, i))) {
			*found = i;
			n++;
			add_candidate(candidates, list->name_of(list->items, i));
		}
	if (n == 1)
		return 0;
	if (n)
		return error_set(error, -EEXIST, "%s may be several %ss: %s", name, list->what,
				 candidates);
	list_candidates(list, name, candidates);
	return error_set(error, -ENOENT, "no %s is named %s; there %s %s", list->what, name,
			 *candidates ? "is:" : "is", *candidates ? candidates : "none");
}

static const char *const levels[] = {
	[MODEL_ABSENT] = "absent",
	[MODEL_SERVING] = "serving",
	[MODEL_DRAINING] = "draining",
};

static int add_row(json_t *rows, const char *name, const struct model_attachment *at,
		   const struct model_task *task)
{
	char addr[ADDR_TEXT_SIZE];

	return json_array_append_new(
		       rows, json_pack("{s:s, s:s, s:s, s:s, s:s?, s:s?}", "name", name, "network",
				       at->network->name, "address", addr_text(&at->address, addr),
				       "kind", task ? "task" : "vip", "node",
				       task && task->node ? task->node->name : NULL, "level",
				       task ? levels[model_task_level(task)] : NULL))
		       ? -ENOMEM
		       : 0;
}

/* All but the ingress network, where no name is resolved; or that which was asked for. */
static bool is_asked_for(const struct model_network *network, const struct model_network *asked)
{
	return asked ? network == asked : !network->ingress;
}

static int add_task(json_t *rows, const struct model_task *task, const struct model_network *asked)
{
	int err = 0;

	if (model_task_level(task) == MODEL_ABSENT)
		return 0;
	for (size_t i = 0; i < task->n_addresses && !err; i++)
		if (is_asked_for(task->addresses[i].network, asked))
			err = add_row(rows, task->name, &task->addresses[i], task);
	return err;
}

static int add_service(json_t *rows, const struct model *model, const struct model_service *service,
		       const struct model_network *asked)
{
	int err = 0;

	for (size_t i = 0; i < service->n_vips && !err; i++)
		if (is_asked_for(service->vips[i].network, asked))
			err = add_row(rows, service->name, &service->vips[i], NULL);
	for (size_t i = 0; i < model->n_tasks && !err; i++)
		if (model->tasks[i].service == service)
			err = add_task(rows, &model->tasks[i], asked);
	return err;
}

static const struct model_task *find_task(const struct model *model, const char *name)
{
	for (size_t i = 0; i < model->n_tasks; i++)
		if (strcmp(model->tasks[i].name, name) == 0 &&
		    model_task_level(&model->tasks[i]) != MODEL_ABSENT)
			return &model->tasks[i];
	return NULL;
}

/* Cuts ".NETWORK" off name, where what is before it means something. */
static int split(const struct model *model, char *name, const struct model_network **network,
		 struct skep_error *error)
{
	const struct named services = {"service", model->services, model->n_services, service_name};
	const struct named networks = {"network", model->networks, model->n_networks, network_name};
	struct skep_error ignored;
	size_t at = 0;
	char *dot;
	int err;

	*network = NULL;
	if (!strchr(name, '.') || !find(&services, name, &at, &ignored) || find_task(model, name))
		return 0;
	/* A network's name may have dots as well: the longest service or task that fits is meant.
	 */
	for (dot = name + strlen(name); dot > name; dot--) {
		if (*dot != '.')
			continue;
		*dot = '\0';
		if (find_task(model, name) || !find(&services, name, &at, &ignored)) {
			err = find(&networks, dot + 1, &at, error);
			if (!err)
				*network = &model->networks[at];
			return err;
		}
		*dot = '.';
	}
	return 0;
}

int resolve_name(const struct model *model, const char *name, json_t **rows,
		 struct skep_error *error)
{
	const struct named services = {"service", model->services, model->n_services, service_name};
	const struct model_network *network;
	const struct model_task *task;
	char text[NAME_MAX_BYTES];
	size_t at = 0;
	int err;

	if (snprintf(text, sizeof(text), "%s", name) >= (int)sizeof(text))
		return error_set(error, -ENOENT, "no name is that long");
	err = split(model, text, &network, error);
	task = err ? NULL : find_task(model, text);
	if (!err && !task)
		err = find(&services, text, &at, error);
	if (err)
		return err;
	*rows = json_array();
	err = *rows ? 0 : -ENOMEM;
	if (!err)
		err = task ? add_task(*rows, task, network)
			   : add_service(*rows, model, &model->services[at], network);
	if (!err && !json_array_size(*rows))
		err = error_set(error, -ENOENT, "%s has no address on %s", text,
				network ? network->name : "any network but ingress");
	else if (err)
		error_errno(error, err, "cannot resolve %s", name);
	if (err) {
		json_decref(*rows);
		*rows = NULL;
	}
	return err;
}

static const struct text_table_column columns[] = {
	{"NAME", TEXT_TABLE_LEFT}, {"NETWORK", TEXT_TABLE_LEFT}, {"ADDRESS", TEXT_TABLE_LEFT},
	{"KIND", TEXT_TABLE_LEFT}, {"LEVEL", TEXT_TABLE_LEFT},	 {"NODE", TEXT_TABLE_LEFT},
};

static void row_cells(struct text_table *table, const json_t *row)
{
	row_cell_text(table, row, "name");
	row_cell_text(table, row, "network");
	row_cell_text(table, row, "address");
	row_cell_text(table, row, "kind");
	row_cell_text(table, row, "level");
	row_cell_text(table, row, "node");
}

int resolve_print(const json_t *rows, FILE *out)
{
	return rows_print(rows, columns, sizeof(columns) / sizeof(*columns), row_cells, out);
}

static int run(int argc, char **argv)
{
	static const char *const sort[] = {"network", "name", NULL};
	struct skep_error error;
	struct options options;
	struct model *model = NULL;
	json_t *answer = NULL, *rows = NULL;
	int err, status = CLI_OK;

	if (options_parse(&options, OPTIONS_JSON | OPTIONS_NAME, argc, argv, &error))
		return cli_usage("%s", error.text);
	if (!options.name)
		return cli_usage("resolve takes a name; see skep help resolve");
	err = client_get(options.run_dir, "/v1/model", false, &answer, &error);
	if (!err)
		err = model_from_json(answer, &model, &error);
	if (!err)
		err = resolve_name(model, options.name, &rows, &error);
	if (err) {
		status = cli_failure("%s", error.text);
		goto cleanup;
	}
	/* A VIP, which has its service's name, comes before the tasks. */
	err = rows_sort(rows, sort);
	if (!err)
		err = options.json ? list_print_json(rows, stdout) : resolve_print(rows, stdout);
	if (err)
		status = cli_failure("cannot print what %s is: %s", options.name, strerror(-err));
cleanup:
	json_decref(rows);
	model_free(model);
	json_decref(answer);
	return status;
}

const struct cli_command cli_resolve = {
	"resolve",
	"NAME[.NETWORK] [--json] [--run-dir DIR]",
	"tell the VIP and the tasks behind a name",
	"NAME is a service's or a task's. Of a stack's service, what follows the stack's name is\n"
	"enough: web for shop_web. Without NETWORK: on every network but ingress.\n\n"
	"  --json          for programs\n"
	"  --run-dir DIR   the agent to ask, /run/skep\n",
	run,
};
