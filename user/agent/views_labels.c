/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/views_labels.h"

#include <stdio.h>

#include "agent/json.h"
#include "model/options.h"

/* Takes item. */
static json_t *append(json_t *array, json_t *item)
{
	if (!json_array_append_new(array, item))
		return array;
	json_decref(array);
	return NULL;
}

static json_t *allow_json(const struct options *options)
{
	json_t *array = options->has_allow ? json_array() : json_null();

	for (size_t i = 0; array && i < options->n_allow; i++) {
		const struct addr_prefix *prefix = &options->allow[i];
		char addr[ADDR_TEXT_SIZE];

		array = append(array,
			       json_sprintf("%s/%u", addr_text(&prefix->addr, addr),
					    skep_addr_is_v4(&prefix->addr) ? prefix->length - 96
									   : prefix->length));
	}
	return array;
}

static json_t *bind_json(const struct options *options)
{
	json_t *array = options->has_bind ? json_array() : json_null();

	for (size_t i = 0; array && i < options->n_bind; i++)
		array = append(
			array,
			*options->bind[i].interface ? json_from_text(options->bind[i].interface)
						    : json_from_addr(&options->bind[i].addr));
	return array;
}

json_t *views_options(const struct model_service *service)
{
	struct options options;

	options_read(service, &options, NULL, NULL);
	return json_pack("{s:s, s:I, s:s?, s:s?, s:I, s:I, s:o, s:o}", "policy",
			 options_policy_name(options.policy), "affinity_s",
			 (json_int_t)options.affinity_s, "prefer",
			 options.prefer_local ? "local" : NULL, "return",
			 options_return_name(options.return_mode), "idle_s",
			 (json_int_t)options.idle_s, "udp_idle_s", (json_int_t)options.udp_idle_s,
			 "allow", allow_json(&options), "bind", bind_json(&options));
}

static void note_problem(void *context, const char *key, const char *why)
{
	json_t **problems = context;

	*problems = append(*problems, json_pack("{s:s, s:s}", "label", key, "why", why));
}

json_t *views_label_problems(const struct model_service *service)
{
	json_t *problems = json_array();
	struct options options;

	options_read(service, &options, note_problem, &problems);
	return problems;
}

static void count_problem(void *context, const char *key, const char *why)
{
	(void)key;
	(void)why;
	++*(size_t *)context;
}

size_t views_bad_labels(const struct model *model)
{
	size_t bad = 0;

	for (size_t i = 0; i < model->n_services; i++) {
		struct options options;
		size_t problems = 0;

		options_read(&model->services[i], &options, count_problem, &problems);
		bad += problems > 0;
	}
	return bad;
}
