/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Setting and removing labels of Swarm's services and nodes, through a manager's Engine API. Only
 * labels of the object itself are touched (Spec.Labels), never those of its containers, so Swarm
 * restarts nothing. Each edit is made against the version that was read; if somebody else was
 * faster, it is read anew.
 */
#ifndef SKEP_SOURCE_LABEL_EDIT_H
#define SKEP_SOURCE_LABEL_EDIT_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/error.h"
#include "lib/http.h"
#include "lib/loop.h"

struct label_edit {
	bool node;	    /* else a service */
	const char *object; /* its id */
	const char *key;
	const char *value; /* NULL: remove; fine if it is not there */
};

struct label_edits;

/*
 * Makes the edits one after the other, and stops at the first that fails. Everything is copied.
 * done: once, from the loop, unless cancelled; *edits is gone when it returns. Its why is one line,
 * if err is not 0.
 */
int label_edits_start(struct label_edits **edits, struct loop *loop, struct http *http,
		      const char *docker_socket, const struct label_edit *list, size_t n,
		      void (*done)(void *context, int err, const char *why), void *context,
		      struct skep_error *error);
void label_edits_cancel(struct label_edits *edits); /* done() will not be called; NULL is fine */

#endif
