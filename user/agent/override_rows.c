/* SPDX-License-Identifier: GPL-2.0-only */
/* Overrides as the local API tells of them. */
#include <errno.h>

#include "agent/json.h"
#include "agent/overrides.h"

json_t *overrides_row(const struct override *override, bool bears)
{
	json_t *row = override_to_json(override, false);
	char text[OVERRIDE_TEXT_SIZE];

	if (row &&
	    (json_object_set_new(row, "cluster", json_boolean(override->cluster)) ||
	     json_object_set_new(row, "text", json_from_text(override_text(override, text))) ||
	     json_object_set_new(row, "bears", json_boolean(bears)))) {
		json_decref(row);
		row = NULL;
	}
	return row;
}

json_t *overrides_json(const struct overrides *overrides)
{
	const struct override *override;
	const char *text, *id;
	json_t *rows = json_array();
	int err = rows ? 0 : -ENOMEM;
	bool over, bears;

	for (size_t i = 0; !err && (override = overrides_at(overrides, i, &over, &bears)); i++)
		if (!over)
			err = json_array_append_new(rows, overrides_row(override, bears));
	for (size_t i = 0; !err && (text = overrides_bad_label(overrides, i, &id)); i++)
		err = json_array_append_new(rows, json_pack("{s:o, s:s, s:b, s:o, s:b}", "id",
							    json_from_text(id), "kind", "invalid",
							    "cluster", true, "text",
							    json_from_text(text), "bears", false));
	if (!err)
		return rows;
	json_decref(rows);
	return NULL;
}

static bool concerns(const struct model *model, enum overrides_of of,
		     const struct override *override, size_t index)
{
	switch (of) {
	case OVERRIDES_OF_TASKS:
		return override_concerns_task(override, &model->tasks[index]);
	case OVERRIDES_OF_SERVICES:
		return override_concerns_service(model, override, &model->services[index]);
	default:
		return override_concerns_node(override, &model->nodes[index]);
	}
}

static int mark_row(const struct overrides *overrides, const struct model *model,
		    enum overrides_of of, size_t index, json_t *row, json_t *none)
{
	const struct override *override;
	json_t *marks = NULL;
	bool over, bears;
	int err = 0;

	for (size_t i = 0; !err && (override = overrides_at(overrides, i, &over, &bears)); i++) {
		if (over || !bears || !concerns(model, of, override, index))
			continue;
		if (!marks)
			marks = json_array();
		err = json_array_append_new(marks, overrides_row(override, true));
	}
	if (!err)
		err = marks ? json_object_set(row, "overrides", marks)
			    : json_object_set(row, "overrides", none);
	json_decref(marks);
	return err ? -ENOMEM : 0;
}

int overrides_mark(const struct overrides *overrides, const struct model *model,
		   enum overrides_of of, json_t *rows)
{
	json_t *none = json_array(), *row;
	int err = none ? 0 : -ENOMEM;
	size_t i;

	json_array_foreach (rows, i, row)
		if (!err)
			err = mark_row(overrides, model, of, i, row, none);
	json_decref(none);
	return err;
}
