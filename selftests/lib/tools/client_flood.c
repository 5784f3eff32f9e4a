/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * flood: SYNs that nobody will answer for, from many addresses. Only for networks of the test's
 * own, and bounded: it ends by itself.
 */
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "endpoint.h"
#include "http.h"

#define BATCH	    64
#define MAX_SECONDS 60
#define MIN_LENGTH  12

struct segment {
	struct iphdr ip;
	struct tcphdr tcp;
};

struct flood {
	struct sockaddr_in server;
	uint32_t network, hosts; /* host order; number of addresses, a power of two */
	uint64_t rate, seconds;
	uint64_t sent;
};

/* Sum of 16-bit words, not yet folded. */
static uint32_t sum_words(const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < size; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	return sum;
}

static uint16_t checksum(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

/* The kernel fills in the IP header's length, ID and checksum (raw(7)). */
static void segment_make(struct segment *segment, const struct flood *flood, uint64_t number)
{
	uint32_t source = htonl(flood->network + (uint32_t)(number % flood->hosts));

	*segment = (struct segment){
		.ip = {.version = 4,
		       .ihl = 5,
		       .ttl = 64,
		       .protocol = IPPROTO_TCP,
		       .saddr = source,
		       .daddr = flood->server.sin_addr.s_addr},
		.tcp = {.source = htons((uint16_t)(1024 + number / flood->hosts % 60000)),
			.dest = flood->server.sin_port,
			.seq = htonl((uint32_t)(number * 2654435761U)),
			.doff = sizeof(segment->tcp) / 4,
			.syn = 1,
			.window = htons(64240)},
	};
	segment->tcp.check =
		checksum(sum_words(&segment->ip.saddr, 8) + IPPROTO_TCP + sizeof(segment->tcp) +
			 sum_words(&segment->tcp, sizeof(segment->tcp)));
}

static int send_all(struct flood *flood, int fd)
{
	static struct segment segments[BATCH];
	struct iovec parts[BATCH];
	struct mmsghdr messages[BATCH];
	uint64_t start = now_us(), end = start + flood->seconds * 1000000;

	memset(messages, 0, sizeof(messages));
	for (int i = 0; i < BATCH; i++) {
		parts[i] = (struct iovec){&segments[i], sizeof(segments[i])};
		messages[i].msg_hdr = (struct msghdr){.msg_name = &flood->server,
						      .msg_namelen = sizeof(flood->server),
						      .msg_iov = &parts[i],
						      .msg_iovlen = 1};
	}
	for (uint64_t now = start; now < end; now = now_us()) {
		uint64_t due = flood->rate * (now - start) / 1000000;
		int n;

		if (flood->rate && flood->sent >= due) {
			nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL); /* the pace */
			continue;
		}
		for (uint64_t i = 0; i < BATCH; i++)
			segment_make(&segments[i], flood, flood->sent + i);
		n = sendmmsg(fd, messages, BATCH, 0);
		if (n < 0 && errno != ENOBUFS) {
			perror("client flood: sendmmsg");
			return 1;
		}
		if (n > 0)
			flood->sent += (uint64_t)n;
	}
	printf("syns=%" PRIu64 " seconds=%.2f sources=%" PRIu64 "\n", flood->sent,
	       (double)(now_us() - start) / 1e6,
	       flood->sent < flood->hosts ? flood->sent : (uint64_t)flood->hosts);
	return 0;
}

static bool parse(int argc, char **argv, struct flood *flood)
{
	static const struct option options[] = {{"rate", required_argument, NULL, 'r'}, {0}};
	struct endpoint server;
	struct in_addr network;
	unsigned long length;
	char text[64], *slash;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option != 'r')
			return false;
		flood->rate = strtoul(optarg, NULL, 10);
	}
	if (argc - optind != 3 || !endpoint_parse(argv[optind], &server) ||
	    server.address.ss_family != AF_INET)
		return false;
	memcpy(&flood->server, &server.address, sizeof(flood->server));
	snprintf(text, sizeof(text), "%s", argv[optind + 1]);
	slash = strchr(text, '/');
	if (!slash)
		return false;
	*slash = '\0';
	length = strtoul(slash + 1, NULL, 10);
	flood->seconds = strtoul(argv[optind + 2], NULL, 10);
	if (inet_pton(AF_INET, text, &network) != 1 || length < MIN_LENGTH || length > 32 ||
	    flood->seconds < 1 || flood->seconds > MAX_SECONDS)
		return false;
	flood->hosts = 1U << (32 - length);
	flood->network = ntohl(network.s_addr) & ~(flood->hosts - 1);
	return true;
}

int flood_main(int argc, char **argv)
{
	struct flood flood = {0};
	int fd, size = 4 << 20, status;

	if (!parse(argc, argv, &flood)) {
		fprintf(stderr, "client flood: wants SERVER NETWORK/LENGTH SECONDS\n");
		return 2;
	}
	fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (fd < 0) {
		perror("client flood: socket");
		return 1;
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	status = send_all(&flood, fd);
	close(fd);
	return status;
}
