/* SPDX-License-Identifier: GPL-2.0-only */
#include "route/keys.h"

#include <string.h>

static void set(struct keys *keys, enum key_kind kind, struct route_text text)
{
	keys->n = 1;
	keys->items[0] = (struct key){kind, text};
}

static bool knows_nothing(const struct keys *keys)
{
	return keys->n == 1 && keys->items[0].kind == KEY_ANY;
}

static void of_host(const struct route_match *match, struct keys *keys)
{
	const struct route_text text = {match->text, match->size};

	switch (match->kind) {
	case ROUTE_HOST:
		set(keys, KEY_IS, text);
		break;
	case ROUTE_HOST_BEGINS:
		set(keys, KEY_BEGINS, text);
		break;
	case ROUTE_HOST_ENDS:
	case ROUTE_HOST_UNDER:
	case ROUTE_HOST_CHILD:
		set(keys, KEY_ENDS, text);
		break;
	default:
		set(keys, KEY_ANY, (struct route_text){0});
	}
}

static void of_path(const struct route_match *match, struct keys *keys)
{
	struct route_text text = {match->text, match->size};

	switch (match->kind) {
	case ROUTE_PATH_UNDER:
		/* `/` takes whatever begins so, and `/a/` also /a. */
		if (text.size && text.data[text.size - 1] == '/')
			text.size--;
		set(keys, KEY_BEGINS, text);
		break;
	case ROUTE_PATH:
	case ROUTE_PATH_BEGINS:
		set(keys, KEY_BEGINS, text);
		break;
	case ROUTE_PATH_REGEX:
		set(keys, KEY_BEGINS, route_regex_literal(match->regex));
		break;
	default:
		set(keys, KEY_ANY, (struct route_text){0});
	}
	if (keys->items[0].text.size == 0)
		set(keys, KEY_ANY, (struct route_text){0});
}

/* Of all that must hold the one that allows least; of what may hold each. */
static void of_tree(const struct route_match *match, struct keys *keys,
		    void (*leaf)(const struct route_match *match, struct keys *keys))
{
	if (match->kind != ROUTE_ALL && match->kind != ROUTE_ANY) {
		leaf(match, keys); /* NOT: any */
		return;
	}
	if (match->kind == ROUTE_ALL)
		set(keys, KEY_ANY, (struct route_text){0});
	else
		keys->n = 0;
	for (const struct route_match *child = match->children; child; child = child->next) {
		struct keys one;

		of_tree(child, &one, leaf);
		if (match->kind == ROUTE_ALL) {
			if (knows_nothing(keys) || (!knows_nothing(&one) && one.n < keys->n))
				*keys = one;
		} else if (knows_nothing(&one) || keys->n + one.n > KEYS_MAX) {
			set(keys, KEY_ANY, (struct route_text){0});
			return;
		} else {
			memcpy(&keys->items[keys->n], one.items, one.n * sizeof(*one.items));
			keys->n += one.n;
		}
	}
}

void keys_of_host(const struct route_match *match, struct keys *keys)
{
	of_tree(match, keys, of_host);
}

void keys_of_path(const struct route_match *match, struct keys *keys)
{
	of_tree(match, keys, of_path);
}
