/* SPDX-License-Identifier: GPL-2.0-only */
#include "cli/status.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/clean.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/list.h"
#include "cli/override_rows.h"
#include "cli/quantity.h"
#include "cli/rows.h"
#include "cli/verdicts.h"

#define BOLD_RED "\033[1;31m"
#define PLAIN	 "\033[0m"

struct problems { /* one text, a line each */
	FILE *stream;
	size_t n;
	const char *before, *after; /* of the mark */
};

static void problem(struct problems *problems, const char *what, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void problem(struct problems *problems, const char *what, const char *format, ...)
{
	va_list arguments;
	char *text = NULL;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	va_end(arguments);
	fprintf(problems->stream, "%sPROBLEM%s %s: ", problems->before, problems->after, what);
	clean_print(text ? text : "(no memory to say)", problems->stream);
	fputc('\n', problems->stream);
	problems->n++;
	free(text);
}

/* The problem that a part of the status names itself. */
static void problem_of(struct problems *problems, const json_t *status, const char *part)
{
	const char *text = row_text(json_object_get(status, part), "problem");

	if (*text)
		problem(problems, strcmp(part, "datapath") ? part : "data path", "%s", text);
}

/* Labels that make no sense. */
static void problem_overrides(struct problems *problems, const json_t *overrides)
{
	const json_t *override;
	size_t i;

	json_array_foreach (overrides, i, override)
		if (!strcmp(row_text(override, "kind"), "invalid"))
			problem(problems, "overrides", "%s", row_text(override, "text"));
}

static void find_problems(struct problems *problems, const json_t *status)
{
	const json_t *source = json_object_get(status, "source");
	const json_t *datapath = json_object_get(status, "datapath");
	const json_t *model = json_object_get(status, "model");

	problem_of(problems, status, "datapath");
	if (strcmp(row_text(source, "state"), "current") != 0)
		problem(problems, "source", "%s: %s", row_text(source, "state"),
			row_text(source, "text"));
	if (*row_text(status, "overrides_problem"))
		problem(problems, "overrides", "%s", row_text(status, "overrides_problem"));
	problem_overrides(problems, json_object_get(status, "overrides"));
	problem_of(problems, status, "docker");
	problem_of(problems, status, "feed");
	problem_of(problems, status, "names");
	if (!json_array_size(json_object_get(datapath, "interfaces")))
		problem(problems, "interfaces",
			"clients come in by none; set --interface or see whether the link is "
			"there");
	if (!*row_text(datapath, "underlay") && row_number(model, "nodes") > 1)
		problem(problems, "tunnel",
			"this node's own address is not known, so other nodes' tasks "
			"cannot be reached");
	else if (!*row_text(datapath, "mesh") && row_number(model, "nodes") > 1)
		problem(problems, "tunnel",
			"there is no skep0, so other nodes' tasks cannot be reached");
}

/* What nobody notices until clients do. */
static void find_certificate_problems(struct problems *problems, const json_t *proxy)
{
	const json_t *certificates = json_object_get(proxy, "certificates");
	const json_t *row;
	char time[QUANTITY_SIZE];
	size_t i;

	json_array_foreach (json_object_get(certificates, "broken"), i, row)
		problem(problems, "certificate", "%s cannot be used; the proxy's log says why",
			json_string_value(row) ? json_string_value(row) : "?");
	json_array_foreach (json_object_get(certificates, "expiring"), i, row) {
		json_int_t left = json_integer_value(json_object_get(row, "expires_in_s"));

		if (left > 0)
			problem(problems, "certificate", "%s expires in %s", row_text(row, "name"),
				quantity_seconds((uint64_t)left, time));
		else
			problem(problems, "certificate", "%s expired %s ago", row_text(row, "name"),
				quantity_seconds(0 - (uint64_t)left, time));
	}
}

static void find_label_problems(struct problems *problems, const json_t *status)
{
	uint64_t n = row_number(json_object_get(status, "model"), "bad_labels");

	if (n)
		problem(problems, "labels",
			"%" PRIu64 " %s labels that cannot be honoured: skep services", n,
			n == 1 ? "service has" : "services have");
}

static void label(const char *name, FILE *out)
{
	fprintf(out, "%-11s", name);
}

static const char *or_none(const char *text, const char *none)
{
	return *text ? text : none;
}

static void print_node(const json_t *status, FILE *out)
{
	const json_t *node = json_object_get(status, "node");
	const char *role = row_text(node, "role");
	char uptime[QUANTITY_SIZE];

	label("node", out);
	clean_print(or_none(row_text(node, "name"), "name not known"), out);
	fprintf(out, ", %s, ",
		strcmp(role, "none") ? or_none(role, "role not known") : "in no Swarm");
	clean_print(or_none(row_text(node, "address"), "address not known"), out);
	if (*row_text(node, "id")) {
		fputs(", id ", out);
		clean_print(row_text(node, "id"), out);
	}
	fputc('\n', out);
	label("agent", out);
	fputs("skep ", out);
	clean_print(row_text(status, "version"), out);
	fprintf(out, ", pid %" PRIu64 ", up %s\n", row_number(status, "pid"),
		quantity_seconds(row_number(status, "uptime_s"), uptime));
}

static void print_sources(const json_t *status, FILE *out)
{
	const json_t *source = json_object_get(status, "source");
	const json_t *docker = json_object_get(status, "docker");
	const json_t *feed = json_object_get(status, "feed");
	const json_t *model = json_object_get(status, "model");
	char age[QUANTITY_SIZE];

	label("source", out);
	fprintf(out, "%s, %s: ", or_none(row_text(source, "kind"), "not chosen yet"),
		row_text(source, "state"));
	clean_print(row_text(source, "text"), out);
	fputc('\n', out);
	if (json_is_object(docker)) {
		label("docker", out);
		fputs(*row_text(docker, "problem") ? "see above\n" : "answers\n", out);
	}
	if (json_is_object(feed)) {
		label("feed", out);
		fprintf(out, "for workers on TCP port %" PRIu64 "%s\n", row_number(feed, "port"),
			*row_text(feed, "problem") ? "; see above" : "");
	}
	label("model", out);
	if (!json_is_integer(json_object_get(model, "age_s"))) {
		fputs("none yet\n", out);
		return;
	}
	fprintf(out,
		"%" PRIu64 " nodes, %" PRIu64 " networks, %" PRIu64 " services, %" PRIu64
		" tasks; changed %s ago\n",
		row_number(model, "nodes"), row_number(model, "networks"),
		row_number(model, "services"), row_number(model, "tasks"),
		quantity_seconds(row_number(model, "age_s"), age));
}

/* What packets meet there, and why not XDP. */
static void print_interface(const json_t *interface, FILE *out)
{
	const char *why = row_text(interface, "why");

	if (!*row_text(interface, "datapath"))
		return;
	fputs("           ", out);
	clean_print(or_none(row_text(interface, "name"), "?"), out);
	fputs(strcmp(row_text(interface, "datapath"), "xdp") ? ": tc alone" : ": XDP and tc", out);
	if (*why) {
		fputs(", ", out);
		clean_print(why, out);
	}
	fputc('\n', out);
}

static void print_datapath(const json_t *datapath, FILE *out)
{
	const json_t *applied = json_object_get(datapath, "applied");
	const json_t *xdp = json_object_get(datapath, "xdp");
	const json_t *interface;
	char memory[QUANTITY_SIZE];
	size_t i;

	label("data path", out);
	fputs("clients come in by", out);
	json_array_foreach (json_object_get(datapath, "interfaces"), i, interface) {
		fputs(i ? ", " : " ", out);
		clean_print(or_none(row_text(interface, "name"), "?"), out);
	}
	if (!json_array_size(json_object_get(datapath, "interfaces")))
		fputs(" no interface", out);
	if (json_is_integer(json_object_get(datapath, "memory_bytes")))
		fprintf(out, "; maps take %s",
			quantity_bytes(row_number(datapath, "memory_bytes"), memory));
	fputc('\n', out);
	json_array_foreach (json_object_get(datapath, "interfaces"), i, interface)
		print_interface(interface, out);
	if (row_number(xdp, "forwarded") || row_number(xdp, "returned") ||
	    row_number(xdp, "hinted") || row_number(xdp, "stripped"))
		fprintf(out,
			"%-11s%" PRIu64 " packets sent to other nodes, %" PRIu64
			" replies sent to clients, %" PRIu64
			" handed to tc with their task, %" PRIu64
			" from other nodes stripped for tc\n",
			"xdp", row_number(xdp, "forwarded"), row_number(xdp, "returned"),
			row_number(xdp, "hinted"), row_number(xdp, "stripped"));
	label("return", out);
	fputs(strcmp(row_text(datapath, "return"), "dsr")
		      ? "tunnel: replies leave where the client came in"
		      : "dsr: the tasks' nodes answer clients themselves",
	      out);
	fputs(", unless a service's label says otherwise\n", out);
	label("tunnel", out);
	if (*row_text(datapath, "mesh") && *row_text(datapath, "underlay"))
		fprintf(out,
			"%s, from %s, UDP port %" PRIu64 ", carries packets of up to %" PRIu64
			" bytes\n",
			row_text(datapath, "mesh"), row_text(datapath, "underlay"),
			row_number(datapath, "tunnel_port"), row_number(datapath, "tunnel_mtu"));
	else
		fputs("none\n", out);
	label("applied", out);
	fprintf(out,
		"%" PRIu64 " times, last in %.1f ms: %" PRIu64 " entries inserted, %" PRIu64
		" replaced, %" PRIu64 " deleted\n",
		row_number(applied, "count"),
		json_number_value(json_object_get(applied, "last_ms")),
		row_number(applied, "inserted"), row_number(applied, "replaced"),
		row_number(applied, "deleted"));
}

/* Those that this node holds, and how many more it answers on. */
static void print_vips(const json_t *vips, FILE *out)
{
	size_t i, others = 0;
	const json_t *vip;

	if (!json_array_size(vips))
		return;
	label("vips", out);
	json_array_foreach (vips, i, vip) {
		const char *holder = row_text(vip, "holder");

		if (!*holder) {
			others++;
			continue;
		}
		fputs("holds ", out);
		clean_print(row_text(vip, "address"), out);
		fputs(" on ", out);
		clean_print(row_text(vip, "interface"), out);
		fputs(strcmp(holder, "skep") ? " (put there by another program); " : "; ", out);
	}
	fprintf(out, "%zu held elsewhere or nowhere\n", others);
}

static void print_names(const json_t *names, FILE *out)
{
	label("names", out);
	if (*row_text(names, "cgroup")) {
		fputs("served in cgroup ", out);
		clean_print(row_text(names, "cgroup"), out);
		fputc('\n', out);
	} else {
		fputs(*row_text(names, "problem") ? "not served; see above\n"
						  : "not served (--cgroup off)\n",
		      out);
	}
}

/* Of the proxy on this node, as it told last. */
static void print_proxy(const json_t *proxy, FILE *out)
{
	const json_t *certificates = json_object_get(proxy, "certificates");
	char time[QUANTITY_SIZE];

	if (!json_is_object(proxy))
		return;
	label("proxy", out);
	if (!json_is_true(json_object_get(proxy, "current"))) {
		fprintf(out, "silent for %s: it has ended, or does not get on\n",
			quantity_seconds(row_number(proxy, "age_s"), time));
		return;
	}
	fprintf(out, "%" PRIu64 " clients connected, %" PRIu64 " tunnels open",
		row_number(proxy, "clients"), row_number(proxy, "tunnels"));
	if (row_number(certificates, "count"))
		fprintf(out, ", %" PRIu64 " certificates", row_number(certificates, "count"));
	fputc('\n', out);
}

/* Not those that bear on nothing: skep override list has them. */
static void print_overrides(const json_t *overrides, FILE *out)
{
	const json_t *override;
	size_t i;

	json_array_foreach (overrides, i, override) {
		if (!json_is_true(json_object_get(override, "bears")))
			continue;
		label("override", out);
		override_print(override, out);
	}
}

void status_print(const json_t *status, bool colours, FILE *out)
{
	struct problems problems = {
		.stream = out,
		.before = colours ? BOLD_RED : "",
		.after = colours ? PLAIN : "",
	};

	find_problems(&problems, status);
	find_label_problems(&problems, status);
	find_certificate_problems(&problems, json_object_get(status, "proxy"));
	fputs(problems.n ? "\n" : "in order\n\n", out);
	print_node(status, out);
	print_sources(status, out);
	print_datapath(json_object_get(status, "datapath"), out);
	if (json_is_object(json_object_get(status, "names")))
		print_names(json_object_get(status, "names"), out);
	print_vips(json_object_get(status, "vips"), out);
	print_proxy(json_object_get(status, "proxy"), out);
	print_overrides(json_object_get(status, "overrides"), out);
	verdicts_print(json_object_get(status, "verdicts"), out);
}

static int run(int argc, char **argv)
{
	struct skep_error error;
	struct options options;
	json_t *answer = NULL;
	int status = CLI_OK;

	if (options_parse(&options, OPTIONS_JSON, argc, argv, &error))
		return cli_usage("%s", error.text);
	if (client_get(options.run_dir, "/v1/status", false, &answer, &error))
		return cli_failure("%s", error.text);
	if (!options.json)
		status_print(answer, isatty(STDOUT_FILENO) && !getenv("NO_COLOR"), stdout);
	else if (list_print_json(answer, stdout))
		status = cli_failure("cannot print the status");
	json_decref(answer);
	return status;
}

const struct cli_command cli_status = {
	"status",
	"[--json] [--run-dir DIR]",
	"show how this node's agent is doing, problems first",
	"Exits with 0 if the agent answers, whatever it says; `skep verify` judges.\n\n"
	"  --json          for programs\n"
	"  --run-dir DIR   the agent to ask, /run/skep\n",
	run,
};
