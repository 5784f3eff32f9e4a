/* SPDX-License-Identifier: GPL-2.0-only */
/* Fields that several kinds of elements have. Errors as in model/check.h. */
#ifndef SKEP_MODEL_FIELDS_H
#define SKEP_MODEL_FIELDS_H

#include "model/build.h"
#include "model/check.h"

int fields_short_of_memory(struct build *build); /* -ENOMEM */

/* Every kind has an id, and a name that is the id if not given. */
int fields_id_and_name(struct build *build, const struct where *where, const json_t *id,
		       const json_t *name, const char **id_result, const char **name_result);

int fields_optional_bool(struct build *build, const struct where *where, const char *name,
			 const json_t *value, bool *result);

/*
 * Checks an optional array and makes room for as many items. items: the address of a pointer to
 * items; *n is 0, and that pointer left alone, if there are none.
 */
int fields_array(struct build *build, const struct where *where, const char *name,
		 const json_t *array, size_t most, size_t item_size, void *items, size_t *n);

/* An optional object of strings, sorted by key. */
int fields_labels(struct build *build, const struct where *up, const json_t *object,
		  struct model_label **labels, size_t *n);

/* In the document's order, so that errors can still name an entry by its index; then sort them. */
int fields_attachments(struct build *build, const struct where *up, const char *name,
		       const json_t *array, struct model_attachment **items, size_t *n);
/* The ingress network's first, then by network and address. */
int fields_compare_attachments(const void *a, const void *b);
void fields_sort_attachments(struct model_attachment *items, size_t n);

#endif
