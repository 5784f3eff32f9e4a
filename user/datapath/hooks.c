/* SPDX-License-Identifier: GPL-2.0-only */
#include "datapath/hooks.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "datapath/tc.h"
#include "net/rtnl.h"

static const char *const point_names[TC_POINTS] = {
	[TC_INGRESS] = "ingress",
	[TC_EGRESS] = "egress",
};

static const char *const role_names[] = {
	[SKEP_HOOK_WIRE] = "wire",
	[SKEP_HOOK_MESH] = "mesh",
	[SKEP_HOOK_TASK] = "task",
	[SKEP_HOOK_BRIDGE] = "bridge",
};

static const char *role_name(__u32 role)
{
	return role >= SKEP_HOOK_WIRE && role <= SKEP_HOOK_BRIDGE ? role_names[role] : "unknown";
}

/* One that the map names. */
struct entry {
	int ifindex;
	struct skep_hook hook;
};

struct entries {
	struct entry *entry; /* sorted by ifindex */
	size_t count;
};

/* What one call of this file works with. */
struct session {
	int map;
	const struct hooks_programs *programs;
	struct hooks_changes *changes;
	struct rtnl *rtnl;
};

/* -1: none belongs there. */
static int program_of(const struct hooks_programs *programs, __u32 role, enum tc_point point)
{
	switch (role) {
	case SKEP_HOOK_WIRE:
		return point == TC_INGRESS ? programs->from_wire : -1;
	case SKEP_HOOK_MESH:
		return point == TC_INGRESS ? programs->from_mesh : programs->to_mesh;
	case SKEP_HOOK_TASK:
		return point == TC_INGRESS ? programs->from_task : -1;
	case SKEP_HOOK_BRIDGE:
		return point == TC_INGRESS ? programs->from_bridge : -1;
	default:
		return -1;
	}
}

static int read_program_id(int program_fd, __u32 *id)
{
	struct bpf_prog_info info = {0};
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(program_fd, &info, &size) < 0)
		return -errno;
	*id = info.id;
	return 0;
}

/* "eth0", or "interface 7" when it has no name any more. */
static const char *interface_text(int ifindex, char text[32])
{
	char name[IF_NAMESIZE];

	if (if_indextoname((unsigned int)ifindex, name))
		snprintf(text, 32, "%s", name);
	else
		snprintf(text, 32, "interface %d", ifindex);
	return text;
}

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

/* The whole map by one request: with room for all that it can hold, the kernel goes to its end. */
static int read_map(int map, struct entries *entries, struct skep_error *error)
{
	struct bpf_map_info info = {0};
	struct skep_hook *hooks = NULL;
	__u32 size = sizeof(info);
	__u32 *keys = NULL;
	__u32 count, place;
	int err = 0;

	*entries = (struct entries){0};
	if (bpf_obj_get_info_by_fd(map, &info, &size) < 0)
		return error_errno(error, -errno, "cannot read map hooks");
	if (info.key_size != sizeof(*keys) || info.value_size != sizeof(*hooks))
		return error_set(error, -EINVAL, "map hooks is of another layout");
	count = info.max_entries;
	keys = calloc(count, sizeof(*keys));
	hooks = calloc(count, sizeof(*hooks));
	if (!keys || !hooks) {
		err = error_errno(error, -ENOMEM, "cannot read map hooks");
		goto cleanup;
	}
	/* ENOENT: that was the end. */
	if (bpf_map_lookup_batch(map, NULL, &place, keys, hooks, &count, NULL) < 0 &&
	    errno != ENOENT) {
		err = error_errno(error, -errno, "cannot read map hooks");
		goto cleanup;
	}
	entries->entry = calloc(count ? count : 1, sizeof(*entries->entry));
	if (!entries->entry) {
		err = error_errno(error, -ENOMEM, "cannot read map hooks");
		goto cleanup;
	}
	for (; entries->count < count; entries->count++)
		entries->entry[entries->count] =
			(struct entry){(int)keys[entries->count], hooks[entries->count]};
	qsort(entries->entry, entries->count, sizeof(*entries->entry), compare_entries);
cleanup:
	free(keys);
	free(hooks);
	return err;
}

static int write_entry(const struct session *session, int ifindex, __u32 role, bool owns_clsact,
		       struct skep_error *error)
{
	const struct skep_hook hook = {.role = role, .owns_clsact = owns_clsact};
	__u32 key = (__u32)ifindex;
	char text[32];

	if (bpf_map_update_elem(session->map, &key, &hook, BPF_ANY) < 0)
		return error_errno(error, -errno, "cannot write %s to map hooks",
				   interface_text(ifindex, text));
	return 0;
}

static int delete_entry(const struct session *session, int ifindex, struct skep_error *error)
{
	__u32 key = (__u32)ifindex;
	char text[32];

	if (bpf_map_delete_elem(session->map, &key) < 0 && errno != ENOENT)
		return error_errno(error, -errno, "cannot delete %s from map hooks",
				   interface_text(ifindex, text));
	return 0;
}

static bool is_gone(const struct session *session, int ifindex)
{
	struct net_link link;
	int32_t nsid;

	return rtnl_get_link(session->rtnl, ifindex, &link, &nsid) == -ENODEV;
}

/*
 * There is a clsact to attach to, and the map says that the interface is hooked, before it is: an
 * agent that is killed in between leaves no filter and no qdisc that nobody knows of.
 */
static int ensure_clsact(const struct session *session, int ifindex, __u32 role,
			 const struct skep_hook *known, struct skep_error *error)
{
	bool clsact, other, owned;
	char text[32];
	int err;

	err = tc_find_clsact(session->rtnl, ifindex, &clsact, &other);
	if (err)
		return rtnl_error(session->rtnl, error, err, "cannot look for a clsact qdisc on %s",
				  interface_text(ifindex, text));
	owned = clsact ? known && known->owns_clsact : !other;
	if (!known || known->role != role || known->owns_clsact != owned) {
		err = write_entry(session, ifindex, role, owned, error);
		if (err)
			return err;
	}
	if (clsact || other)
		return 0;
	err = tc_make_clsact(ifindex);
	if (err == -EEXIST)
		return write_entry(session, ifindex, role, false, error);
	return err ? error_errno(error, err, "cannot make a clsact qdisc on %s",
				 interface_text(ifindex, text))
		   : 0;
}

static int ensure_point(const struct session *session, int ifindex, enum tc_point point,
			int program_fd, __u32 program_id, struct skep_error *error)
{
	__u32 wanted_id = 0;
	char text[32];
	int err = 0;

	if (program_fd >= 0)
		err = read_program_id(program_fd, &wanted_id);
	if (err)
		return error_errno(error, err, "cannot ask for the program of %s",
				   interface_text(ifindex, text));
	if (wanted_id == program_id)
		return 0;
	err = wanted_id ? tc_attach(ifindex, point, program_fd) : tc_detach(ifindex, point);
	if (err)
		return error_errno(error, err, "cannot %s %s of %s",
				   wanted_id ? "attach to" : "detach from", point_names[point],
				   interface_text(ifindex, text));
	if (wanted_id)
		session->changes->attached++;
	else
		session->changes->detached++;
	return 0;
}

static int read_filters(const struct session *session, int ifindex,
			struct tc_filters filters[TC_POINTS], struct skep_error *error)
{
	char text[32];
	int err = tc_read_filters(session->rtnl, ifindex, filters);

	return err ? rtnl_error(session->rtnl, error, err, "cannot read the tc filters of %s",
				interface_text(ifindex, text))
		   : 0;
}

/* known: what the map says of it, or NULL. */
static int hook_interface(const struct session *session, const struct hooks_hook *desired,
			  const struct skep_hook *known, struct skep_error *error)
{
	struct tc_filters filters[TC_POINTS];
	int err;

	err = read_filters(session, desired->ifindex, filters, error);
	if (!err)
		err = ensure_clsact(session, desired->ifindex, desired->role, known, error);
	for (int point = 0; !err && point < TC_POINTS; point++)
		err = ensure_point(session, desired->ifindex, point,
				   program_of(session->programs, desired->role, point),
				   filters[point].program_id, error);
	/* It may go at any time, whatever the kernel calls that in each case. */
	if (err && is_gone(session, desired->ifindex))
		err = delete_entry(session, desired->ifindex, error);
	return err;
}

/* The clsact goes, and our filters with it, if it is ours and nobody else came to use it; else our
 * filters alone. */
static int remove_filters(const struct session *session, const struct entry *entry,
			  struct skep_error *error)
{
	struct tc_filters filters[TC_POINTS];
	bool clsact = false, other = false;
	char text[32];
	int err;

	err = read_filters(session, entry->ifindex, filters, error);
	if (err)
		return err;
	if (entry->hook.owns_clsact && !filters[TC_INGRESS].foreign &&
	    !filters[TC_EGRESS].foreign) {
		err = tc_find_clsact(session->rtnl, entry->ifindex, &clsact, &other);
		if (err)
			return rtnl_error(session->rtnl, error, err,
					  "cannot look for a clsact qdisc on %s",
					  interface_text(entry->ifindex, text));
	}
	for (int point = 0; !err && point < TC_POINTS; point++)
		if (filters[point].program_id)
			err = ensure_point(session, entry->ifindex, point, -1,
					   filters[point].program_id, error);
	if (err || !clsact)
		return err;
	err = tc_remove_clsact(entry->ifindex);
	return err ? error_errno(error, err, "cannot remove the clsact qdisc of %s",
				 interface_text(entry->ifindex, text))
		   : 0;
}

static int unhook_interface(const struct session *session, const struct entry *entry,
			    struct skep_error *error)
{
	int err = remove_filters(session, entry, error);

	if (err && !is_gone(session, entry->ifindex))
		return err;
	return delete_entry(session, entry->ifindex, error);
}

/* A socket when the first difference asks for one: mostly there is none. */
static int open_session(struct session *session, struct skep_error *error)
{
	int err = session->rtnl ? 0 : rtnl_open(&session->rtnl);

	return err ? error_errno(error, err, "cannot open an rtnetlink socket") : 0;
}

static int bring_undesired(struct session *session, const struct entry *entry,
			   struct skep_error *error)
{
	int err = open_session(session, error);

	return err ? err : unhook_interface(session, entry, error);
}

static int bring_desired(struct session *session, const struct hooks_hook *desired,
			 const struct skep_hook *known, int fresh, struct skep_error *error)
{
	int err;

	if (known && known->role == desired->role && !fresh)
		return 0;
	err = open_session(session, error);
	return err ? err : hook_interface(session, desired, known, error);
}

int hooks_apply(int hooks_map, const struct hooks_programs *programs,
		const struct hooks_hook *desired, size_t n, int fresh,
		struct hooks_changes *changes, struct skep_error *error)
{
	struct session session = {.map = hooks_map, .programs = programs, .changes = changes};
	struct entries actual;
	size_t a = 0, d = 0;
	int first_err = 0;
	int err;

	*changes = (struct hooks_changes){0};
	err = read_map(hooks_map, &actual, error);
	if (err)
		return err;
	while (a < actual.count || d < n) {
		const struct entry *entry = a < actual.count ? &actual.entry[a] : NULL;
		struct skep_error later, *told = first_err ? &later : error;

		if (d == n || (entry && entry->ifindex < desired[d].ifindex)) {
			err = bring_undesired(&session, entry, told);
			a++;
		} else {
			bool both = entry && entry->ifindex == desired[d].ifindex;
			err = bring_desired(&session, &desired[d], both ? &entry->hook : NULL,
					    fresh, told);
			a += both;
			d++;
		}
		if (!first_err)
			first_err = err;
	}
	rtnl_close(session.rtnl);
	free(actual.entry);
	return first_err;
}

struct reporter {
	void (*report)(void *context, const char *line);
	void *context;
};

static void report_line(const struct reporter *reporter, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void report_line(const struct reporter *reporter, const char *format, ...)
{
	char line[256];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	reporter->report(reporter->context, line);
}

static int verify_hook(const struct session *session, const struct hooks_hook *desired,
		       const struct skep_hook *known, const struct reporter *reporter,
		       struct skep_error *error)
{
	struct tc_filters filters[TC_POINTS];
	char text[32];
	int err;

	interface_text(desired->ifindex, text);
	if (is_gone(session, desired->ifindex)) {
		report_line(reporter, "hook %s: the interface is gone", text);
		return 0;
	}
	if (!known)
		report_line(reporter, "hook %s: not in map hooks", text);
	else if (known->role != desired->role)
		report_line(reporter, "hook %s: role in map hooks is %s, not %s", text,
			    role_name(known->role), role_name(desired->role));
	err = read_filters(session, desired->ifindex, filters, error);
	for (int point = 0; !err && point < TC_POINTS; point++) {
		int program_fd = program_of(session->programs, desired->role, point);
		__u32 found = filters[point].program_id, wanted = 0;

		if (program_fd >= 0)
			err = read_program_id(program_fd, &wanted);
		if (err)
			error_errno(error, err, "cannot ask for the program of %s", text);
		else if (wanted && !found)
			report_line(reporter, "hook %s: no program on %s", text,
				    point_names[point]);
		else if (wanted != found)
			report_line(reporter, "hook %s: program %u on %s, not %u", text, found,
				    point_names[point], wanted);
	}
	return err;
}

int hooks_verify(int hooks_map, const struct hooks_programs *programs,
		 const struct hooks_hook *desired, size_t n,
		 void (*report)(void *context, const char *line), void *context,
		 struct skep_error *error)
{
	const struct reporter reporter = {.report = report, .context = context};
	struct session session = {.map = hooks_map, .programs = programs};
	struct entries actual;
	size_t a = 0;
	char text[32];
	int err;

	err = read_map(hooks_map, &actual, error);
	if (err)
		return err;
	err = open_session(&session, error);
	for (size_t d = 0; !err && d <= n; d++) {
		/* Up to the next desired one; after the last, all that remain. */
		for (; a < actual.count && (d == n || actual.entry[a].ifindex < desired[d].ifindex);
		     a++)
			report_line(&reporter, "hook %s: in map hooks, but not wanted",
				    interface_text(actual.entry[a].ifindex, text));
		if (d == n)
			break;
		bool known = a < actual.count && actual.entry[a].ifindex == desired[d].ifindex;
		err = verify_hook(&session, &desired[d], known ? &actual.entry[a].hook : NULL,
				  &reporter, error);
		a += known;
	}
	rtnl_close(session.rtnl);
	free(actual.entry);
	return err;
}

int hooks_remove_all(int hooks_map, struct skep_error *error)
{
	struct hooks_changes changes;

	return hooks_apply(hooks_map, NULL, NULL, 0, 0, &changes, error);
}
