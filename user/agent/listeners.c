/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/listeners.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/net.h"

/* A socket and whose it is. Looking that up means to read every process's files, so it is done
 * once. */
struct owner {
	uint32_t inode;
	uint32_t pid; /* 0: not found: the kernel's, or gone */
	bool placeholder;
	char name[32];
};

struct listeners {
	struct owner *owners; /* sorted by inode */
	size_t n_owners;
	struct datapath_listener *list; /* sorted by place */
	size_t n;
};

struct listeners *listeners_new(void)
{
	return calloc(1, sizeof(struct listeners));
}

void listeners_free(struct listeners *listeners)
{
	if (!listeners)
		return;
	free(listeners->owners);
	free(listeners->list);
	free(listeners);
}

static int compare_owners(const void *a, const void *b)
{
	uint32_t x = ((const struct owner *)a)->inode, y = ((const struct owner *)b)->inode;

	return (x > y) - (x < y);
}

static struct owner *find_owner(const struct owner *owners, size_t n, uint32_t inode)
{
	const struct owner wanted = {.inode = inode};

	return n ? bsearch(&wanted, owners, n, sizeof(*owners), compare_owners) : NULL;
}

static uint32_t port_key(uint16_t port, uint8_t protocol)
{
	return (uint32_t)protocol << 16 | port;
}

static int compare_keys(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Published ports, sorted. */
static int list_ports(const struct model *model, uint32_t **ports, size_t *n)
{
	*n = 0;
	for (size_t i = 0; i < model->n_services; i++)
		*n += model->services[i].n_ports;
	*ports = calloc(*n + 1, sizeof(**ports));
	if (!*ports)
		return -ENOMEM;
	*n = 0;
	for (size_t i = 0; i < model->n_services; i++)
		for (size_t p = 0; p < model->services[i].n_ports; p++)
			(*ports)[(*n)++] = port_key(model->services[i].ports[p].published,
						    model->services[i].ports[p].protocol);
	if (*n)
		qsort(*ports, *n, sizeof(**ports), compare_keys);
	return 0;
}

/* Of all that listens, what does so on a published port; in place. */
static size_t keep_published(struct net_listener *found, size_t n, const uint32_t *ports,
			     size_t n_ports)
{
	size_t kept = 0;

	for (size_t i = 0; i < n && n_ports; i++) {
		uint32_t key = port_key(ntohs(found[i].port), found[i].protocol);

		if (bsearch(&key, ports, n_ports, sizeof(*ports), compare_keys))
			found[kept++] = found[i];
	}
	return kept;
}

/* By the program, not by what it calls itself; of an upgraded one "dockerd (deleted)". */
static void name_owner(struct owner *owner, uint32_t pid)
{
	char path[64], target[PATH_MAX];
	const char *base = "";
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/%u/exe", pid);
	length = readlink(path, target, sizeof(target) - 1);
	if (length > 0) {
		target[length] = '\0';
		base = strrchr(target, '/');
		base = base ? base + 1 : target;
	}
	owner->pid = pid;
	snprintf(owner->name, sizeof(owner->name), "%.*s", (int)strcspn(base, " "), base);
	owner->placeholder = strcmp(owner->name, "dockerd") == 0;
}

static size_t look_at_process(const char *pid, struct owner *owners, size_t n)
{
	char path[300], target[64];
	const struct dirent *entry;
	size_t found = 0;
	DIR *files;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	files = opendir(path);
	if (!files)
		return 0;
	while ((entry = readdir(files))) {
		ssize_t length =
			readlinkat(dirfd(files), entry->d_name, target, sizeof(target) - 1);
		struct owner *owner;
		unsigned int inode;

		if (length <= 0)
			continue;
		target[length] = '\0';
		if (sscanf(target, "socket:[%u]", &inode) != 1)
			continue;
		owner = find_owner(owners, n, inode);
		if (!owner || owner->pid)
			continue;
		name_owner(owner, (uint32_t)strtoul(pid, NULL, 10));
		found++;
	}
	closedir(files);
	return found;
}

static void find_processes(struct owner *owners, size_t n, size_t missing)
{
	const struct dirent *entry;
	DIR *processes = opendir("/proc");

	if (!processes)
		return;
	while (missing && (entry = readdir(processes)))
		if (isdigit((unsigned char)entry->d_name[0])) {
			size_t found = look_at_process(entry->d_name, owners, n);

			missing -= found < missing ? found : missing;
		}
	closedir(processes);
}

static int update_owners(struct listeners *listeners, const struct net_listener *found, size_t n)
{
	struct owner *owners = calloc(n + 1, sizeof(*owners));
	size_t missing = 0, kept = 0;

	if (!owners)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		owners[i].inode = found[i].inode;
	if (n)
		qsort(owners, n, sizeof(*owners), compare_owners);
	for (size_t i = 0; i < n; i++)
		if (!kept || owners[kept - 1].inode != owners[i].inode)
			owners[kept++] = owners[i];
	for (size_t i = 0; i < kept; i++) {
		const struct owner *known =
			find_owner(listeners->owners, listeners->n_owners, owners[i].inode);

		if (known)
			owners[i] = *known;
		else
			missing++;
	}
	if (missing)
		find_processes(owners, kept, missing);
	free(listeners->owners);
	listeners->owners = owners;
	listeners->n_owners = kept;
	return 0;
}

static int compare_places(const void *a, const void *b)
{
	return memcmp(&((const struct datapath_listener *)a)->place,
		      &((const struct datapath_listener *)b)->place, sizeof(struct skep_frontend));
}

static int take_list(struct listeners *listeners, const struct net_listener *found, size_t n,
		     bool *changed)
{
	struct datapath_listener *list = calloc(n + 1, sizeof(*list));
	size_t kept = 0;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct owner *owner =
			find_owner(listeners->owners, listeners->n_owners, found[i].inode);

		/* One of nobody's is about to go. */
		if (!owner || !owner->pid || owner->placeholder)
			continue;
		list[kept++] = (struct datapath_listener){
			.place = {.addr = found[i].addr,
				  .port = found[i].port,
				  .protocol = found[i].protocol},
			.pid = owner->pid,
		};
	}
	if (kept)
		qsort(list, kept, sizeof(*list), compare_places);
	*changed = kept != listeners->n ||
		   (kept && memcmp(list, listeners->list, kept * sizeof(*list)) != 0);
	if (!*changed) {
		free(list);
		return 0;
	}
	free(listeners->list);
	listeners->list = list;
	listeners->n = kept;
	return 0;
}

int listeners_update(struct listeners *listeners, const struct model *model, bool *changed,
		     struct skep_error *error)
{
	struct net_listener *found = NULL;
	uint32_t *ports = NULL;
	size_t n = 0, n_ports;
	int err;

	*changed = false;
	err = list_ports(model, &ports, &n_ports);
	if (!err && n_ports) {
		err = net_listeners_read(&found, &n, error);
		if (err)
			goto cleanup;
		n = keep_published(found, n, ports, n_ports);
	}
	if (!err)
		err = update_owners(listeners, found, n);
	if (!err)
		err = take_list(listeners, found, n, changed);
	if (err)
		error_errno(error, err, "cannot list who listens on published ports");
cleanup:
	free(found);
	free(ports);
	return err;
}

const struct datapath_listener *listeners_list(const struct listeners *listeners, size_t *n)
{
	*n = listeners->n;
	return listeners->list;
}

const char *listeners_name(const struct listeners *listeners,
			   const struct datapath_listener *listener)
{
	for (size_t i = 0; i < listeners->n_owners; i++)
		if (listeners->owners[i].pid == listener->pid && *listeners->owners[i].name)
			return listeners->owners[i].name;
	return "another process";
}
