/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/state.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/file.h"
#include "lib/log.h"

#define STATE_PATH_SIZE 512
#define STATE_LIMIT	(256UL * 1024 * 1024) /* as model_parse()'s */

struct state {
	char path[STATE_PATH_SIZE];
	pthread_t writer;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t wake;
	char *text; /* to be written next; NULL: nothing */
	size_t size;
	bool stopping;
};

static void state_path(char path[STATE_PATH_SIZE], const char *directory)
{
	snprintf(path, STATE_PATH_SIZE, "%s/model.json", directory);
}

static void *state_write(void *context)
{
	struct state *state = context;
	bool failing = false;

	pthread_mutex_lock(&state->lock);
	for (;;) {
		struct skep_error error;
		char *text = state->text;
		size_t size = state->size;
		int err;

		if (!text && state->stopping)
			break;
		if (!text) {
			pthread_cond_wait(&state->wake, &state->lock);
			continue;
		}
		state->text = NULL;
		pthread_mutex_unlock(&state->lock);
		err = file_replace(state->path, text, size, &error);
		free(text);
		if (err && !failing)
			log_warning("the model is not kept on disk: %s", error.text);
		else if (!err && failing)
			log_info("the model is kept on disk again, in %s", state->path);
		failing = err != 0;
		pthread_mutex_lock(&state->lock);
	}
	pthread_mutex_unlock(&state->lock);
	return NULL;
}

int state_open(struct state **result, const char *directory, struct skep_error *error)
{
	struct state *state;
	int err = directory_make(directory, error);

	if (err)
		return err;
	state = calloc(1, sizeof(*state));
	if (!state)
		return error_errno(error, -ENOMEM, "cannot keep the model in %s", directory);
	state_path(state->path, directory);
	pthread_mutex_init(&state->lock, NULL);
	pthread_cond_init(&state->wake, NULL);
	err = -pthread_create(&state->writer, NULL, state_write, state);
	if (err) {
		pthread_cond_destroy(&state->wake);
		pthread_mutex_destroy(&state->lock);
		free(state);
		return error_errno(error, err, "cannot start the thread that keeps the model");
	}
	*result = state;
	return 0;
}

int state_load(const char *directory, struct model **model, struct skep_error *error)
{
	char path[STATE_PATH_SIZE];
	char *text = NULL;
	size_t size;
	int err;

	state_path(path, directory);
	err = file_read(path, STATE_LIMIT, &text, &size, error);
	if (err)
		return err;
	err = model_parse(text, size, model, error);
	if (err)
		error_prefix(error, err, "%s", path);
	free(text);
	return err;
}

void state_save(struct state *state, char *text, size_t size)
{
	pthread_mutex_lock(&state->lock);
	free(state->text);
	state->text = text;
	state->size = size;
	pthread_cond_signal(&state->wake);
	pthread_mutex_unlock(&state->lock);
}

void state_close(struct state *state)
{
	if (!state)
		return;
	pthread_mutex_lock(&state->lock);
	state->stopping = true;
	pthread_cond_signal(&state->wake);
	pthread_mutex_unlock(&state->lock);
	pthread_join(state->writer, NULL);
	pthread_cond_destroy(&state->wake);
	pthread_mutex_destroy(&state->lock);
	free(state);
}
