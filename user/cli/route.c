/* SPDX-License-Identifier: GPL-2.0-only */
/* skep route explain METHOD URL: a question about one request. */
#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "agent/config.h"
#include "cli/clean.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/list.h"
#include "cli/rows.h"

#define PATH	  "/v1/route"
#define ALL_RULES 1000000

/* "web:80 (skep.http.api)" */
static void print_rule(const json_t *rule, FILE *out)
{
	clean_print(row_text(rule, "service"), out);
	fprintf(out, ":%llu (", (unsigned long long)row_number(rule, "port"));
	clean_print(row_text(rule, "origin"), out);
	fputc(')', out);
}

static void print_conditions(const json_t *rule, FILE *out)
{
	static const char *const keys[] = {"entry", "host", "path", "conditions"};
	const char *between = "";

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		const char *text = row_text(rule, keys[i]);

		if (!*text)
			continue;
		fprintf(out, "%s%s", between, i < 3 ? keys[i] : "");
		fputs(i < 3 ? " " : "", out);
		clean_print(text, out);
		between = ", ";
	}
	if (!*between)
		fputs("every request", out);
}

static void print_outcome(const json_t *outcome, FILE *out)
{
	const char *kind = row_text(outcome, "kind");
	unsigned long long status = row_number(outcome, "status");

	if (strcmp(kind, "forward") == 0) {
		fputs("sent to a task as ", out);
		clean_print(row_text(outcome, "path"), out);
	} else if (strcmp(kind, "redirect") == 0) {
		fprintf(out, "answered with %llu to ", status);
		clean_print(row_text(outcome, "location"), out);
	} else {
		fprintf(out, "answered with %llu%s", status,
			strcmp(kind, "challenge") == 0 ? ": asked for a password" : "");
	}
	fputc('\n', out);
}

static const struct text_table_column columns[] = {
	{"NOT", TEXT_TABLE_LEFT},
	{"LABELS", TEXT_TABLE_LEFT},
	{"WHY", TEXT_TABLE_LEFT},
};

static void row_cells(struct text_table *table, const json_t *row)
{
	const char *verdict = row_text(row, "verdict");
	const json_t *rule = json_object_get(row, "rule");

	text_table_format(table, "%s:%llu", row_text(rule, "service"),
			  (unsigned long long)row_number(rule, "port"));
	row_cell_text(table, rule, "origin");
	if (strcmp(verdict, "differs") == 0)
		text_table_format(table, "wants %s", row_text(row, "wants"));
	else if (strcmp(verdict, "undecided") == 0)
		text_table_cell(table, "its regular expression takes too long for this request");
	else
		text_table_cell(table, "matches too, but comes later");
}

static int print_others(const json_t *rows, FILE *out)
{
	return rows_print(rows, columns, sizeof(columns) / sizeof(*columns), row_cells, out);
}

int route_print(const json_t *answer, FILE *out)
{
	const json_t *request = json_object_get(answer, "request");
	const json_t *rule = json_object_get(answer, "rule");
	const json_t *others = json_object_get(answer, "others");
	unsigned long long total = row_number(answer, "others_total");
	int err = 0;

	fputs("request   host ", out);
	clean_print(*row_text(request, "host") ? row_text(request, "host") : "-", out);
	fputs(", path ", out);
	clean_print(row_text(request, "path"), out);
	fputs(", entry ", out);
	clean_print(row_text(request, "entry"), out);
	fprintf(out, ", port %llu\n", (unsigned long long)row_number(request, "port"));
	if (json_is_object(rule)) {
		fputs("taken by  ", out);
		print_rule(rule, out);
		fputs("\nbecause   ", out);
		print_conditions(rule, out);
		fputs("\nand is    ", out);
		print_outcome(json_object_get(answer, "outcome"), out);
	} else {
		fputs("taken by  no rule: answered with 404, or 500 if an expression below took "
		      "too "
		      "long\n",
		      out);
	}
	if (json_array_size(others)) {
		fputc('\n', out);
		err = print_others(others, out);
	}
	if (!err && json_array_size(others) < total)
		fprintf(out, "and %llu more; --all lists them\n", total - json_array_size(others));
	return err;
}

struct question {
	const char *run_dir;
	const char *entry, *client;
	json_t *headers;
	bool json, all;
};

static const struct option flags[] = {
	{"run-dir", required_argument, NULL, 'r'},
	{"entry", required_argument, NULL, 'e'},
	{"client", required_argument, NULL, 'c'},
	{"header", required_argument, NULL, 'H'},
	{"json", no_argument, NULL, 'j'},
	{"all", no_argument, NULL, 'a'},
	{NULL, 0, NULL, 0},
};

static int parse(struct question *question, int argc, char **argv)
{
	int flag, status = CLI_OK;

	optind = 0;
	opterr = 0;
	while (!status && (flag = getopt_long(argc, argv, ":H:", flags, NULL)) != -1) {
		switch (flag) {
		case 'r':
			question->run_dir = optarg;
			if (*optarg != '/')
				status = cli_usage("--run-dir is an absolute path, not %s", optarg);
			break;
		case 'e':
			question->entry = optarg;
			break;
		case 'c':
			question->client = optarg;
			break;
		case 'H':
			if (json_array_append_new(question->headers, json_string(optarg)))
				status = cli_usage("the header %s is not UTF-8", optarg);
			break;
		case 'j':
			question->json = true;
			break;
		case 'a':
			question->all = true;
			break;
		case ':':
			status = cli_usage("%s needs a value", argv[optind - 1]);
			break;
		default:
			status = cli_usage("route explain does not take %s; see skep help route",
					   argv[optind - 1]);
		}
	}
	return status;
}

static json_t *make_request(const struct question *question, const char *method, const char *url)
{
	return json_pack("{s:s, s:s, s:O, s:s*, s:s*, s:i}", "method", method, "url", url,
			 "headers", question->headers, "entry", question->entry, "client",
			 question->client, "limit", question->all ? ALL_RULES : 10);
}

static int ask(const struct question *question, const char *method, const char *url)
{
	json_t *request = make_request(question, method, url), *answer = NULL;
	struct skep_error error;
	int err, status = CLI_OK;

	if (!request)
		return cli_usage("the URL, method, entry or client is not UTF-8");
	if (client_post(question->run_dir, PATH, request, &answer, &error)) {
		status = cli_failure("%s", error.text);
		goto cleanup;
	}
	err = question->json ? list_print_json(answer, stdout) : route_print(answer, stdout);
	if (err)
		status = cli_failure("cannot explain: %s", strerror(-err));
cleanup:
	json_decref(request);
	json_decref(answer);
	return status;
}

static int run(int argc, char **argv)
{
	struct question question = {.run_dir = CONFIG_RUN_DIR, .headers = json_array()};
	int status;

	if (!question.headers)
		return cli_failure("cannot ask: %s", strerror(ENOMEM));
	/* Flags may stand anywhere: the rest is behind them then. */
	status = parse(&question, argc, argv);
	if (!status && (optind == argc || strcmp(argv[optind], "explain") != 0))
		status = cli_usage("route is followed by explain METHOD URL; see skep help route");
	if (!status && argc - optind != 3)
		status = cli_usage("route explain needs a METHOD and a URL, as in GET "
				   "http://www.example.com/path");
	if (!status)
		status = ask(&question, argv[optind + 1], argv[optind + 2]);
	json_decref(question.headers);
	return status;
}

const struct cli_command cli_route = {
	"route",
	"explain METHOD URL [-H 'NAME: VALUE']… [--entry NAME] [--client ADDR] [--all]",
	"say which rule takes an HTTP request, and why others do not",
	"Nothing is sent: the agent looks at its rules. The others are listed by how little the\n"
	"request lacks for them, ten at most. The URL's scheme says whether it comes by TLS, and\n"
	"its port which one it comes in on.\n\n"
	"  -H, --header 'NAME: VALUE'\n"
	"                  a field of its head; may be given several times\n"
	"  --entry NAME    the entry that it comes in on: http, or https by TLS\n"
	"  --client ADDR   who sends it, 127.0.0.1\n"
	"  --all           list all rules\n"
	"  --json          for programs\n"
	"  --run-dir DIR   the agent to ask, /run/skep\n",
	run,
};
