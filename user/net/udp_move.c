/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connected UDP sockets whose peer is gone. Nothing looks at their packets, and no error need ever
 * come, so nobody else would notice. A socket is taken out of its process (pidfd_getfd, Linux 5.6)
 * and connected once more to the peer that its owner knows: the cgroup programs do the rest, as
 * they did the first time. The process notices nothing.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/array.h"
#include "net/enter.h"
#include "net/inet_diag.h"
#include "net/net.h"

struct found {
	uint32_t inode;
	struct skep_addr peer;
	bool done;
};

struct search {
	bool (*stale)(void *context, const struct skep_addr *peer);
	void *context;
	struct array sockets; /* struct found */
};

static int take(void *context, const struct inet_socket *socket)
{
	struct search *search = context;
	struct found *found;

	if (!socket->inode || !search->stale(search->context, &socket->destination))
		return 0;
	found = array_add(&search->sockets, sizeof(*found));
	if (!found)
		return -ENOMEM;
	*found = (struct found){.inode = socket->inode, .peer = socket->destination};
	return 0;
}

/* Connects the socket to whom getpeername() names, if that is not its peer. */
static bool connect_anew(int fd, const struct skep_addr *peer)
{
	struct sockaddr_storage name = {0};
	socklen_t size = sizeof(name);
	struct skep_addr addr = {{0}};

	if (getpeername(fd, (struct sockaddr *)&name, &size))
		return false;
	if (name.ss_family == AF_INET)
		addr = skep_addr_v4(((struct sockaddr_in *)&name)->sin_addr.s_addr);
	else if (name.ss_family == AF_INET6)
		memcpy(&addr, &((struct sockaddr_in6 *)&name)->sin6_addr, sizeof(addr));
	else
		return false;
	return !skep_addr_equal(&addr, peer) && !connect(fd, (struct sockaddr *)&name, size);
}

static bool move(pid_t pid, int fd, const struct found *found)
{
	int process = (int)syscall(SYS_pidfd_open, pid, 0);
	struct stat status;
	bool moved = false;
	int copy;

	if (process < 0)
		return false;
	copy = (int)syscall(SYS_pidfd_getfd, process, fd, 0);
	/* The number may be another file's by now. */
	if (copy >= 0 && !fstat(copy, &status) && S_ISSOCK(status.st_mode) &&
	    status.st_ino == found->inode)
		moved = connect_anew(copy, &found->peer);
	if (copy >= 0)
		close(copy);
	close(process);
	return moved;
}

static size_t move_of_process(pid_t pid, struct search *search)
{
	struct found *sockets = search->sockets.items;
	char path[300], target[64];
	const struct dirent *entry;
	size_t moved = 0;
	DIR *files;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	files = opendir(path);
	if (!files)
		return 0;
	while ((entry = readdir(files))) {
		ssize_t length =
			readlinkat(dirfd(files), entry->d_name, target, sizeof(target) - 1);
		unsigned int inode;

		if (length <= 0)
			continue;
		target[length] = '\0';
		if (sscanf(target, "socket:[%u]", &inode) != 1)
			continue;
		for (size_t i = 0; i < search->sockets.n; i++) {
			if (sockets[i].done || sockets[i].inode != inode)
				continue;
			sockets[i].done = true;
			moved += move(pid, (int)strtol(entry->d_name, NULL, 10), &sockets[i]);
		}
	}
	closedir(files);
	return moved;
}

/* Whose they are, only /proc knows: every process of that namespace is looked at. */
static size_t move_all(pid_t pid, struct search *search)
{
	const struct dirent *entry;
	struct stat wanted, its;
	char path[300];
	size_t moved = 0;
	DIR *processes;

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	else
		snprintf(path, sizeof(path), "/proc/thread-self/ns/net");
	if (stat(path, &wanted))
		return 0;
	processes = opendir("/proc");
	if (!processes)
		return 0;
	while ((entry = readdir(processes))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/ns/net", entry->d_name);
		if (!stat(path, &its) && its.st_ino == wanted.st_ino && its.st_dev == wanted.st_dev)
			moved += move_of_process((pid_t)strtol(entry->d_name, NULL, 10), search);
	}
	closedir(processes);
	return moved;
}

int net_udp_move(pid_t pid, bool (*stale)(void *context, const struct skep_addr *peer),
		 void *context, size_t *moved, struct skep_error *error)
{
	struct search search = {.stale = stale, .context = context};
	int diag = -1, err;

	*moved = 0;
	err = net_enter(pid, inet_diag_open, &diag, error);
	if (err)
		return err;
	err = inet_diag_each(diag, IPPROTO_UDP, 1U << TCP_ESTABLISHED, take, &search);
	close(diag);
	if (!err && search.sockets.n)
		*moved = move_all(pid, &search);
	free(search.sockets.items);
	return err ? error_errno(error, err, "cannot list the sockets of process %d", (int)pid) : 0;
}
