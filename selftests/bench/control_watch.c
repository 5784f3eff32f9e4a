/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long the agent takes: renames a model's file into place and looks at the pinned maps
 * themselves until they say what it says. Prints milliseconds.
 *
 *   control_watch PINS NEW FILE load ADDRESS PORT COUNT   COUNT TCP services on ADDRESS from PORT
 * on control_watch PINS NEW FILE drain TASK                the task drains, and its service's ring
 * is another
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "skep/maps.h"

#define POLL_NS	    100000
#define PATIENCE_MS 60000.0

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int fail(const char *what, const char *on)
{
	fprintf(stderr, "control_watch: %s %s: %s\n", what, on, strerror(errno));
	return 1;
}

static int open_map(const char *pins, const char *name)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", pins, name);
	fd = bpf_obj_get(path);
	if (fd < 0)
		fail("cannot open", path);
	return fd;
}

struct watch {
	int services, tasks, rings;
	struct skep_addr addr; /* of the frontends, or of the task */
	uint16_t port;
	unsigned int count, seen; /* frontends that are there, from the last one down */
	__u32 service_id, old_ring;
};

/*
 * The map of frontends is written last and in the order of its keys, so that the last one shows
 * when all are there; the others are looked at all the same.
 */
static bool loaded(struct watch *watch)
{
	struct skep_frontend frontend = {.addr = watch->addr, .protocol = IPPROTO_TCP};
	struct skep_service value;

	while (watch->seen < watch->count) {
		frontend.port = htons((uint16_t)(watch->port + watch->count - 1 - watch->seen));
		if (bpf_map_lookup_elem(watch->services, &frontend, &value))
			return false;
		watch->seen++;
	}
	return true;
}

static bool drains(struct watch *watch)
{
	struct skep_task task;
	__u32 ring;

	if (bpf_map_lookup_elem(watch->tasks, &watch->addr, &task))
		return false;
	watch->service_id = task.service_id;
	return task.state == SKEP_TASK_DRAINING &&
	       bpf_map_lookup_elem(watch->rings, &task.service_id, &ring) == 0 &&
	       ring != watch->old_ring;
}

static int parse_addr(const char *text, struct skep_addr *addr)
{
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) != 1) {
		errno = EINVAL;
		return fail("no IPv4 address", text);
	}
	*addr = skep_addr_v4(v4.s_addr);
	return 0;
}

int main(int argc, char **argv)
{
	bool load = argc == 8 && strcmp(argv[4], "load") == 0;
	bool drain = argc == 6 && strcmp(argv[4], "drain") == 0;
	struct watch watch = {};
	double began;

	if (!load && !drain) {
		fprintf(stderr, "usage: control_watch PINS NEW FILE load ADDRESS PORT COUNT | "
				"drain TASK\n");
		return 2;
	}
	watch.services = open_map(argv[1], "services");
	watch.tasks = open_map(argv[1], "tasks");
	watch.rings = open_map(argv[1], "rings");
	if (watch.services < 0 || watch.tasks < 0 || watch.rings < 0 ||
	    parse_addr(argv[5], &watch.addr))
		return 1;
	if (load) {
		watch.port = (uint16_t)strtoul(argv[6], NULL, 10);
		watch.count = (unsigned int)strtoul(argv[7], NULL, 10);
	}
	if (load ? loaded(&watch) : drains(&watch)) {
		fprintf(stderr, "control_watch: the maps say so already\n");
		return 1;
	}
	if (drain && bpf_map_lookup_elem(watch.rings, &watch.service_id, &watch.old_ring))
		return fail("no ring of the service of", argv[5]);

	began = now_ms();
	if (rename(argv[2], argv[3]))
		return fail("cannot rename to", argv[3]);
	while (!(load ? loaded(&watch) : drains(&watch))) {
		const struct timespec pause = {.tv_nsec = POLL_NS};

		if (now_ms() - began > PATIENCE_MS) {
			errno = ETIMEDOUT;
			return fail("the maps do not follow", argv[3]);
		}
		nanosleep(&pause, NULL);
	}
	printf("%.1f\n", now_ms() - began);
	return 0;
}
