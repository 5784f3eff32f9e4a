/* SPDX-License-Identifier: GPL-2.0-only */
/* What services' labels ask for, and which cannot be honoured, for the views. */
#ifndef SKEP_AGENT_VIEWS_LABELS_H
#define SKEP_AGENT_VIEWS_LABELS_H

#include <jansson.h>
#include <stddef.h>

#include "model/model.h"

/* What is in force for the service, defaults included. The caller's reference; NULL: no memory. */
json_t *views_options(const struct model_service *service);

/* [{"label", "why"}], empty if all is well. Likewise. */
json_t *views_label_problems(const struct model_service *service);

/* Services with a label that cannot be honoured. */
size_t views_bad_labels(const struct model *model);

#endif
