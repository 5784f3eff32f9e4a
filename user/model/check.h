/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading one JSON value with its type and bounds checked. Every reader returns 0, or -EINVAL with
 * an error that says where in the document ("tasks[3].addresses[0].network: …"), or -ENOMEM.
 */
#ifndef SKEP_MODEL_CHECK_H
#define SKEP_MODEL_CHECK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/error.h"
#include "model/arena.h"

/* A place in the document, kept on the stack and made into text only for an error. */
struct where {
	const struct where *up; /* NULL: the document itself */
	const char *name;	/* a key, or an array's key */
	size_t index;		/* NO_INDEX: a plain key */
};
#define NO_INDEX SIZE_MAX

/* Sets the error to "place: text", and returns -EINVAL. */
int check_fail(const struct where *where, struct skep_error *error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* What was put in, as printable ASCII and not too long, for an error. */
#define QUOTE_SIZE 72
const char *check_quote(const char *text, size_t length, char buffer[QUOTE_SIZE]);

/* fields[i] is the value of names[i] or NULL; a key that is none of them is an error. */
int check_object(const struct where *where, const json_t *object, const char *const *names,
		 json_t **fields, size_t n, struct skep_error *error);
int check_array(const struct where *where, const json_t *array, size_t most,
		struct skep_error *error);
int check_required(const struct where *where, const json_t *value, const char *name,
		   struct skep_error *error);

int check_bool(const struct where *where, const json_t *value, bool *result,
	       struct skep_error *error);
/* A whole number from least to most. */
int check_number(const struct where *where, const json_t *value, uint16_t least, uint16_t most,
		 uint16_t *result, struct skep_error *error);
/* Milliseconds since 1970, up to the year 9999. */
int check_time(const struct where *where, const json_t *value, int64_t *result,
	       struct skep_error *error);
#define CHECK_NAME_MAX 255 /* bytes */
/* An id or a name: printable ASCII without space, quote or backslash, 1 to 255 bytes. */
int check_name(const struct where *where, const json_t *value, struct arena *arena,
	       const char **result, struct skep_error *error);
/* Points into value: for what is looked up and not kept. */
int check_text(const struct where *where, const json_t *value, const char **result,
	       struct skep_error *error);
/* An interface's name as the kernel takes it. */
int check_interface(const struct where *where, const json_t *value, struct arena *arena,
		    const char **result, struct skep_error *error);
/* Of one host: not unspecified, multicast, broadcast. */
bool check_is_of_one_host(const struct skep_addr *addr);
int check_address(const struct where *where, const json_t *value, struct skep_addr *result,
		  struct skep_error *error);

#endif
