/* SPDX-License-Identifier: GPL-2.0-only */
#include "datapath/reconcile.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Entries to one system call. */
#define BATCH 4096

int reconcile_read(struct reconcile_map *map, struct skep_error *error)
{
	struct table *table = &map->actual;
	unsigned char *keys = NULL, *values = NULL;
	/* Opaque to user space: a hash map's is 4 bytes, another map's a key. */
	unsigned char token[64], *from = NULL;
	int err = 0, done = 0;

	table->count = 0;
	if (table->key_size > sizeof(token))
		return error_set(error, -E2BIG, "keys of map %s are too long to be read",
				 map->name);
	/* Zeroed, for memcheck does not know what the kernel fills in. */
	keys = calloc(BATCH, table->key_size);
	values = calloc(BATCH, table->value_size);
	if (!keys || !values)
		err = -ENOMEM;
	while (!err && !done) {
		__u32 count = BATCH;

		err = bpf_map_lookup_batch(map->fd, from, token, keys, values, &count, NULL);
		if (err == -ENOENT) { /* that was the last batch */
			err = 0;
			done = 1;
		}
		from = token;
		for (__u32 i = 0; i < count && !err; i++)
			err = table_add(table, keys + i * table->key_size,
					values + i * table->value_size);
	}
	table_sort(table);
	free(keys);
	free(values);
	if (err)
		return error_errno(error, err, "cannot read map %s", map->name);
	return 0;
}

struct batch {
	struct reconcile_map *map;
	struct table rows; /* waiting for the system call */
	struct datapath_changes *changes;
	struct skep_error *error;
	int delete;
};

static int batch_fail(const struct batch *batch, int err)
{
	const struct reconcile_map *map = batch->map;

	/* A trie has its own word for it. */
	if ((err == -E2BIG || err == -ENOSPC) && map->flag)
		return error_set(
			batch->error, err,
			"map %s is full; run `skep unload` and start the agent with a larger --%s",
			map->name, map->flag);
	return error_errno(batch->error, err, "cannot %s map %s",
			   batch->delete ? "delete entries of" : "write", map->name);
}

/* Batches want keys and values apart. */
static int batch_flush(struct batch *batch)
{
	const struct table *rows = &batch->rows;
	unsigned char *keys, *values = NULL;
	__u32 count = rows->count;
	int err = 0;

	if (!count)
		return 0;
	keys = malloc(count * rows->key_size);
	if (!batch->delete)
		values = malloc(count * rows->value_size);
	if (!keys || (!batch->delete &&!values))
		err = -ENOMEM;
	for (size_t i = 0; i < rows->count && !err; i++) {
		memcpy(keys + i * rows->key_size, table_key(rows, i), rows->key_size);
		if (values)
			memcpy(values + i * rows->value_size, table_value(rows, i),
			       rows->value_size);
	}
	if (!err && batch->delete) {
		err = bpf_map_delete_batch(batch->map->fd, keys, &count, NULL);
		if (err == -ENOENT) { /* somebody else was faster with one: go on one by one */
			err = 0;
			for (size_t i = 0; i < rows->count && !err; i++) {
				err = bpf_map_delete_elem(batch->map->fd, table_key(rows, i));
				if (err == -ENOENT)
					err = 0;
			}
		}
	} else if (!err) {
		err = bpf_map_update_batch(batch->map->fd, keys, values, &count, NULL);
	}
	free(keys);
	free(values);
	batch->rows.count = 0;
	return err ? batch_fail(batch, err) : 0;
}

static int batch_add(struct batch *batch, const void *key, const void *value)
{
	int err = table_add(&batch->rows, key, value);

	if (err)
		return batch_fail(batch, err);
	return batch->rows.count < BATCH ? 0 : batch_flush(batch);
}

static int on_insert(void *context, const void *key, const void *value)
{
	struct batch *batch = context;

	batch->changes->inserted++;
	return batch_add(batch, key, value);
}

static int on_replace(void *context, const void *key, const void *value, const void *old_value)
{
	struct batch *batch = context;

	(void)old_value;
	batch->changes->replaced++;
	return batch_add(batch, key, value);
}

static int on_delete(void *context, const void *key, const void *old_value)
{
	struct batch *batch = context;

	batch->changes->deleted++;
	return batch_add(batch, key, old_value);
}

static int reconcile(struct reconcile_map *map, const struct table *desired, int delete,
		     struct datapath_changes *changes, struct skep_error *error)
{
	struct batch batch = {.map = map, .changes = changes, .error = error, .delete = delete};
	struct table_difference difference = {.context = &batch};
	int err;

	if (delete) {
		difference.delete = on_delete;
	} else {
		difference.insert = on_insert;
		difference.replace = on_replace;
	}
	table_init(&batch.rows, desired->key_size, desired->value_size);
	err = table_compare(&map->actual, desired, &difference);
	if (!err)
		err = batch_flush(&batch);
	table_free(&batch.rows);
	return err;
}

int reconcile_write(struct reconcile_map *map, const struct table *desired,
		    struct datapath_changes *changes, struct skep_error *error)
{
	return reconcile(map, desired, 0, changes, error);
}

int reconcile_delete(struct reconcile_map *map, const struct table *desired,
		     struct datapath_changes *changes, struct skep_error *error)
{
	return reconcile(map, desired, 1, changes, error);
}

void reconcile_settle(struct reconcile_map *map, struct table *desired)
{
	struct table old = map->actual;

	map->actual = *desired;
	*desired = old;
	table_free(desired);
}
