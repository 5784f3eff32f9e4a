/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tasks straight from text. They are nearly all of a large model, and the JSON library takes three
 * times as long to make a tree of one as is needed to read it. Only what model_to_text() writes is
 * understood; all else, and all that is wrong, is left to the tree and its errors.
 */
#ifndef SKEP_MODEL_QUICK_H
#define SKEP_MODEL_QUICK_H

#include <stdbool.h>

#include "model/build.h"

/*
 * Adds the task whose text begins at *at, and moves *at behind it. False: not understood; then
 * nothing has changed but what the arena holds.
 */
bool quick_task(struct build *build, const char **at, const char *end);

#endif
