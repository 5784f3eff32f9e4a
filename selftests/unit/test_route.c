/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Labels to routes, and requests to services: the tables in routes_*.txt. A case is a title (`#`),
 * services with their labels, every problem that they have (`!`, notes `~`), all rules in order if
 * that matters (`*`), and requests with what becomes of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/array.h"
#include "lib/file.h"
#include "route_fixture.h"

struct scene {
	char *name;
	const char *file;
	struct array lines; /* char * */
};

struct stage {
	struct route_table *table;
	struct route_scratch *scratch;
	struct auth_cache *cache;
	struct array problems, rules; /* expected: const char * */
};

static void add_line(struct array *array, char *line)
{
	char **slot = array_add(array, sizeof(*slot));

	if (!slot)
		abort();
	*slot = line;
}

/* ---- what is there */

static char *problem_text(const struct route_problem *problem)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fprintf(out, "%s %s ", problem->note ? "~" : "!", problem->service);
	describe_origin(problem->vocabulary, problem->rule, out);
	fprintf(out, " %s: %s", problem->label, problem->why);
	fclose(out);
	return text;
}

static char *rule_text(const struct route_rule *rule)
{
	static const char *const names[] = {"entry", "host", "path", ""};
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fprintf(out, "* %s:%u", rule->service, rule->port);
	for (unsigned int column = 0; column <= DESCRIBE_OTHERS; column++) {
		char *part;
		size_t part_size;
		FILE *stream = open_memstream(&part, &part_size);

		describe_conditions(rule, (enum describe_column)column, stream);
		fclose(stream);
		if (*part)
			fprintf(out, " | %s%s%s", names[column], *names[column] ? " " : "", part);
		free(part);
	}
	char *actions;
	size_t actions_size;
	FILE *stream = open_memstream(&actions, &actions_size);
	describe_actions(rule, stream);
	fclose(stream);
	if (*actions)
		fprintf(out, " -> %s", actions);
	free(actions);
	fclose(out);
	return text;
}

static char *outcome_text(struct stage *stage, const struct route_request *request)
{
	static char buffer[ROUTE_BUFFER_SIZE];
	const struct route_rule *rule;
	struct route_result result;
	bool gave_up;
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	rule = route_table_find(stage->table, request, stage->scratch, &gave_up);
	if (!rule || gave_up) {
		fputs(gave_up ? "gave up" : "none", out);
		fclose(out);
		return text;
	}
	if (rule->mode != ROUTE_HTTP) {
		fprintf(out, "%s:%u", rule->service, rule->port);
		fclose(out);
		return text;
	}
	route_apply(rule, request, stage->scratch, stage->cache, buffer, &result);
	switch (result.outcome) {
	case ROUTE_FORWARD:
		fprintf(out, "%s:%u %.*s", rule->service, rule->port, (int)result.path.size,
			result.path.data);
		if (result.stripped.size)
			fprintf(out, " stripped %.*s", (int)result.stripped.size,
				result.stripped.data);
		if (result.replaced.size)
			fprintf(out, " replaced %.*s", (int)result.replaced.size,
				result.replaced.data);
		if (result.drop_authorization)
			fputs(" without Authorization", out);
		break;
	case ROUTE_REDIRECTION:
		fprintf(out, "%u %.*s", result.status, (int)result.location.size,
			result.location.data);
		break;
	case ROUTE_CHALLENGE:
		fprintf(out, "%u %s", result.status, result.realm);
		break;
	default:
		fprintf(out, "%u", result.status);
	}
	fclose(out);
	return text;
}

/* ---- what is expected */

/* "METHOD URL | Name: value | entry=E | from=ADDR"; a method TCP or SNI: a connection of that mode,
 * of which only port and host are told */
static void parse_request(struct ask *ask, char *line)
{
	char *rest = strstr(line, " | "), *space;

	if (rest)
		*rest = '\0';
	space = strchr(line, ' ');
	if (!space)
		fail_msg("no request: %s", line);
	*space = '\0';
	ask_begin(ask, line, space + 1);
	if (strcmp(line, "TCP") == 0 || strcmp(line, "SNI") == 0) {
		ask->request.mode = *line == 'T' ? ROUTE_TCP : ROUTE_SNI;
		ask->request.path = (struct route_text){"", 0};
	}
	while (rest) {
		char *part = rest + 3;

		rest = strstr(part, " | ");
		if (rest)
			*rest = '\0';
		if (strncmp(part, "entry=", 6) == 0)
			ask->request.entry = part + 6;
		else if (strncmp(part, "from=", 5) == 0)
			assert_int_equal(addr_parse(part + 5, &ask->request.client), 0);
		else
			ask_add_field(ask, part);
	}
}

static void check_request(struct stage *stage, const char *line)
{
	const char *arrow = strstr(line, " => ");
	struct ask *ask = malloc(sizeof(*ask));
	char *request, *outcome;

	if (!arrow)
		fail_msg("a line that is neither request nor anything else: %s", line);
	request = strndup(line, (size_t)(arrow - line));
	parse_request(ask, request);
	/* Anew each time: the time that hashing passwords may take is auth's to test. */
	stage->cache = auth_cache_new();
	outcome = outcome_text(stage, &ask->request);
	auth_cache_free(stage->cache);
	if (strcmp(outcome, arrow + 4) != 0)
		fail_msg("%.*s => %s, not %s", (int)(arrow - line), line, outcome, arrow + 4);
	free(outcome);
	free(request);
	free(ask);
}

static void check_lines(const struct array *expected, char **found, size_t n)
{
	const char *const *lines = expected->items;

	for (size_t i = 0; i < n || i < expected->n; i++) {
		const char *wanted = i < expected->n ? lines[i] : "(nothing)";
		const char *got = i < n ? found[i] : "(nothing)";

		if (strcmp(wanted, got) != 0)
			fail_msg("expected %s\n#      but got  %s", wanted, got);
	}
	for (size_t i = 0; i < n; i++)
		free(found[i]);
	free(found);
}

static void check_problems(const struct stage *stage)
{
	size_t n;
	const struct route_problem *problems = route_table_problems(stage->table, &n);
	char **found = calloc(n + 1, sizeof(*found));

	for (size_t i = 0; i < n; i++)
		found[i] = problem_text(&problems[i]);
	check_lines(&stage->problems, found, n);
}

static void check_rules(const struct stage *stage)
{
	size_t n;
	const struct route_rule *const *rules = route_table_rules(stage->table, &n);
	char **found = calloc(n + 1, sizeof(*found));

	for (size_t i = 0; i < n; i++)
		found[i] = rule_text(rules[i]);
	check_lines(&stage->rules, found, n);
}

/* ---- a case */

/* "service NAME [CREATED]" and the labels below it, until another line. */
static json_t *read_services(char **lines, size_t n, size_t *next)
{
	json_t *services = json_array(), *labels = NULL;

	for (*next = 0; *next < n; (*next)++) {
		char *line = lines[*next];

		if (strncmp(line, "service ", 8) == 0) {
			char *name = line + 8, *age = strchr(name, ' ');
			json_t *service = json_object();

			if (age)
				*age++ = '\0';
			labels = json_object();
			json_object_set_new(service, "id", json_sprintf("id-%s", name));
			json_object_set_new(service, "name", json_string(name));
			json_object_set_new(service, "labels", labels);
			if (age)
				json_object_set_new(service, "created_ms",
						    json_integer(strtoll(age, NULL, 10)));
			json_array_append_new(services, service);
		} else if (*line == '\t' && labels) {
			char *equals = strchr(line, '=');

			if (!equals)
				fail_msg("no label: %s", line);
			*equals = '\0';
			json_object_set_new(labels, line + 1, json_string(equals + 1));
		} else {
			break;
		}
	}
	return services;
}

static void test_scene(void **state)
{
	const struct scene *scene = *state;
	char **lines = scene->lines.items;
	struct stage stage = {.scratch = route_scratch_new()};
	size_t next, first;

	stage.table = table_of(read_services(lines, scene->lines.n, &next));
	for (first = next; next < scene->lines.n; next++)
		if (*lines[next] == '!' || *lines[next] == '~')
			add_line(&stage.problems, lines[next]);
		else if (*lines[next] == '*')
			add_line(&stage.rules, lines[next]);
	check_problems(&stage);
	if (stage.rules.n)
		check_rules(&stage);
	for (next = first; next < scene->lines.n; next++)
		if (!strchr("!~*", *lines[next]))
			check_request(&stage, lines[next]);
	free(stage.problems.items);
	free(stage.rules.items);
	route_scratch_free(stage.scratch);
	route_table_free(stage.table);
}

/* ---- files */

/* Beside this file, wherever the build was run from. */
static char *read_text(const char *name)
{
	static const char file[] = __FILE__;
	const char *slash = strrchr(file, '/');
	struct skep_error error;
	char path[4096];
	size_t size;
	char *text;

	snprintf(path, sizeof(path), "%.*s%s", slash ? (int)(slash - file + 1) : 0, file, name);
	if (file_read(path, 1 << 20, &text, &size, &error)) {
		fprintf(stderr, "%s\n", error.text);
		exit(1);
	}
	return text;
}

/* Lines before the first case say what the file is for. */
static void add_scenes(struct array *scenes, const char *name, char *text)
{
	bool begun = false;

	for (char *line = text; line;) {
		char *end = strchr(line, '\n');
		struct scene *scene;

		if (end)
			*end = '\0';
		if (strncmp(line, "# ", 2) == 0) {
			scene = array_add(scenes, sizeof(*scene));
			if (!scene)
				abort();
			scene->name = line + 2;
			scene->file = name;
			begun = true;
		} else if (begun && *line) {
			scene = (struct scene *)scenes->items + scenes->n - 1;
			add_line(&scene->lines, line);
		}
		line = end ? end + 1 : NULL;
	}
}

int main(void)
{
	static const char *const files[] = {"routes_skep.txt", "routes_dfp.txt",
					    "routes_traefik.txt", "routes_order.txt"};
	char *texts[sizeof(files) / sizeof(*files)];
	struct array scenes = {0};
	struct CMUnitTest *tests;
	int failed;

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		texts[i] = read_text(files[i]);
		add_scenes(&scenes, files[i], texts[i]);
	}
	tests = calloc(scenes.n, sizeof(*tests));
	if (!tests)
		return 1;
	struct scene *items = scenes.items;
	for (size_t i = 0; i < scenes.n; i++)
		tests[i] = (struct CMUnitTest){
			.name = items[i].name, .test_func = test_scene, .initial_state = &items[i]};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = _cmocka_run_group_tests("routes", tests, scenes.n, NULL, NULL);
	for (size_t i = 0; i < scenes.n; i++)
		free(items[i].lines.items);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		free(texts[i]);
	free(tests);
	free(items);
	return failed;
}
