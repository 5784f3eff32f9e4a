/* SPDX-License-Identifier: GPL-2.0-only */
/* A model from a JSON document, as a tree or as text. */
#include <errno.h>
#include <string.h>

#include "model/build.h"
#include "model/check.h"
#include "model/quick.h"

#define TEXT_MAX ((size_t)256 << 20)

int model_from_json(const json_t *root, struct model **model, struct skep_error *error)
{
	static const char *const names[BUILD_KINDS + 1] = {"nodes", "networks", "services", "tasks",
							   "cluster"};
	json_t *fields[BUILD_KINDS + 1];
	struct build build;
	int err;

	err = build_open(&build, error);
	if (err)
		return err;
	err = check_object(NULL, root, names, fields, BUILD_KINDS + 1, error);
	if (!err && fields[BUILD_KINDS])
		err = build_cluster(&build, fields[BUILD_KINDS]);
	for (unsigned int kind = 0; !err && kind < BUILD_KINDS; kind++) {
		const struct where where = {NULL, build_kind_names[kind], NO_INDEX};
		if (fields[kind])
			err = check_array(&where, fields[kind], SIZE_MAX, error);
		for (size_t i = 0; !err && i < json_array_size(fields[kind]); i++)
			err = build_add(&build, kind, json_array_get(fields[kind], i));
		if (!err)
			err = build_end(&build, kind);
	}
	if (!err)
		*model = build_take(&build);
	build_close(&build);
	return err;
}

/*
 * Text is read without ever having its tree whole (ten times its size), if its keys come in the
 * order in which skep writes them and nothing is wrong with it. Whatever else is in it is left to
 * the tree, so that there is one place to tell of errors: -EAGAIN.
 */
struct reader {
	const char *at;
	const char *end;
};

static void skip_space(struct reader *reader)
{
	while (reader->at < reader->end && *reader->at && strchr(" \t\r\n", *reader->at))
		reader->at++;
}

/* Space, then exactly this token. */
static bool take(struct reader *reader, const char *token)
{
	size_t length = strlen(token);

	skip_space(reader);
	if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, token, length) != 0)
		return false;
	reader->at += length;
	return true;
}

static bool next_is(struct reader *reader, char character)
{
	skip_space(reader);
	return reader->at < reader->end && *reader->at == character;
}

/* The value that begins here, by the JSON library; NULL: not valid. */
static json_t *take_value(struct reader *reader)
{
	json_error_t position;
	json_t *value = json_loadb(
		reader->at, (size_t)(reader->end - reader->at),
		JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK, &position);

	if (value)
		reader->at += position.position;
	return value;
}

static int read_elements(struct reader *reader, struct build *build, enum build_kind kind)
{
	if (!take(reader, "["))
		return -EAGAIN;
	if (take(reader, "]"))
		return 0;
	do {
		if (!next_is(reader, '{'))
			return -EAGAIN;
		if (kind == BUILD_TASKS && quick_task(build, &reader->at, reader->end))
			continue;
		json_t *element = take_value(reader);
		if (!element)
			return -EAGAIN;
		int err = build_add(build, kind, element);
		json_decref(element);
		if (err)
			return err;
	} while (take(reader, ","));
	return take(reader, "]") ? 0 : -EAGAIN;
}

static int read_cluster(struct reader *reader, struct build *build)
{
	if (!next_is(reader, '"'))
		return -EAGAIN;
	json_t *value = take_value(reader);
	if (!value)
		return -EAGAIN;
	int err = build_cluster(build, value);
	json_decref(value);
	return err;
}

static int read_document(struct reader *reader, struct build *build)
{
	static const char *const keys[] = {"\"cluster\"", "\"nodes\"", "\"networks\"",
					   "\"services\"", "\"tasks\""};
	bool more;
	int err = 0;

	if (!take(reader, "{"))
		return -EAGAIN;
	more = !next_is(reader, '}');
	for (int i = 0; i < BUILD_KINDS + 1; i++) {
		if (more && take(reader, keys[i])) {
			if (!take(reader, ":"))
				return -EAGAIN;
			err = i == 0 ? read_cluster(reader, build)
				     : read_elements(reader, build, (enum build_kind)(i - 1));
			if (err)
				return err;
			more = take(reader, ",");
		}
		if (i > 0)
			err = build_end(build, (enum build_kind)(i - 1));
		if (err)
			return err;
	}
	if (more || !take(reader, "}"))
		return -EAGAIN;
	skip_space(reader);
	return reader->at == reader->end ? 0 : -EAGAIN;
}

/* Its errors may be no errors: in another order a reference may come before what it refers to. */
static int parse_in_order(const char *text, size_t size, struct model **model)
{
	struct reader reader = {text, text + size};
	struct skep_error ignored;
	struct build build;
	int err;

	err = build_open(&build, &ignored);
	if (err)
		return err;
	err = read_document(&reader, &build);
	if (!err)
		*model = build_take(&build);
	build_close(&build);
	return err;
}

int model_parse(const char *text, size_t size, struct model **model, struct skep_error *error)
{
	json_error_t problem;
	json_t *root;
	int err;

	if (size > TEXT_MAX)
		return error_set(error, -EFBIG, "the model has %zu bytes of JSON, more than %zu",
				 size, TEXT_MAX);
	if (parse_in_order(text, size, model) == 0)
		return 0;

	root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &problem);
	if (!root)
		return error_set(error, -EINVAL, "not valid JSON: line %d, column %d: %s",
				 problem.line, problem.column, problem.text);
	err = model_from_json(root, model, error);
	json_decref(root);
	return err;
}
