/* SPDX-License-Identifier: GPL-2.0-only */
#include "cli/verdicts.h"

#include <inttypes.h>
#include <stdbool.h>

#include "cli/rows.h"
#include "datapath/read.h"

/* In the order in which they are shown. */
static const struct {
	enum skep_verdict verdict;
	bool trouble; /* somebody's packet did not get where it should */
	const char *meaning;
} verdicts[] = {
	{SKEP_DROP_ERROR, true,
	 "dropped: a kernel helper failed (memory short, packet not writable)"},
	{SKEP_DROP_NO_ROUTE, true, "dropped: this host has no route to the client; see ip route"},
	{SKEP_DROP_NOT_ALLOWED, false,
	 "dropped: from clients that the service is not for (skep.allow); see skep services"},
	{SKEP_DROP_NOT_A_NODE, true,
	 "dropped: tunnel frames from an address that is no node's; see skep nodes"},
	{SKEP_DROP_BAD_FRAME, true,
	 "dropped: tunnel frames that are not as skep makes them; does another program use the "
	 "port?"},
	{SKEP_DROP_NO_TASK, true,
	 "dropped: for a task that is not on this node, and nobody to tell"},
	{SKEP_DROP_FRAGMENT, true,
	 "dropped: IPv4 fragments for a task that is not on this node, whose first one was not "
	 "seen"},
	{SKEP_DROP_FORGED, true,
	 "dropped: a container sent to the tunnel's port, as only nodes may"},
	{SKEP_DROP_COLLISION, true,
	 "dropped: no source port was free, or another flow has the tuple"},
	{SKEP_DROP_TTL, true, "dropped: time to live used up; is there a routing loop?"},
	{SKEP_ANSWER_NO_TASK_RST, true,
	 "connections refused: the service has no serving task; see skep services"},
	{SKEP_ANSWER_NO_TASK_ICMP, true,
	 "UDP answered port unreachable: the service has no serving task; see skep services"},
	{SKEP_ANSWER_TASK_GONE_RST, true, "connections reset: the task that they had is gone"},
	{SKEP_ANSWER_IDLE_RST, true,
	 "connections reset: silent for longer than their service's skep.idle"},
	{SKEP_ANSWER_NOT_BOUND, false,
	 "refused: the service is bound to other addresses (skep.bind) or disabled; see skep "
	 "services"},
	{SKEP_ANSWER_TOO_BIG, false,
	 "answered fragmentation needed: too big for the tunnel, and not to be fragmented"},
	{SKEP_ICMP_ERROR, false, "ICMP errors about a flow's packets, carried to their sender"},
	{SKEP_SECOND_CHANCE, false,
	 "balanced anew here, as the task they came for is not on this node"},
	{SKEP_FLOW_EVICTED, true,
	 "established flows that had to make room for new ones: raise --max-flows"},
	{SKEP_SOURCE_PORT_CHANGED, false,
	 "flows given another source port, as the task has theirs from another frontend"},
	{SKEP_RETURN_NOT_DIRECT, false,
	 "replies with return dsr that went by the tunnel: no route from here to the client, or it "
	 "is this host"},
	{SKEP_PASS_NO_FLOW, false,
	 "left to the stack: TCP of no known flow (older than skep, or stray)"},
	{SKEP_PASS_FRAGMENT, false,
	 "left to the stack: IPv4 fragments, the first not seen or for no published port"},
	{SKEP_PASS_IP_OPTIONS, false, "left to the stack: IPv4 with options"},
	{SKEP_PASS_PROTOCOL, false,
	 "left to the stack: neither TCP, UDP nor an ICMP error about them"},
	{SKEP_PASS_MALFORMED, false, "left to the stack: shorter than their headers say"},
	{SKEP_PASS_NOT_IPV4, false, "left to the stack: not IPv4 (ARP, IPv6)"},
	{SKEP_PASS_NO_FRONTEND, false, "left to the stack: not for a published port"},
	{SKEP_PASS_NOT_FROM_TASK, false, "left to the stack: containers' own traffic"},
};

_Static_assert(sizeof(verdicts) / sizeof(*verdicts) == SKEP_VERDICT_COUNT,
	       "every verdict is explained");

void verdicts_print(const json_t *counters, FILE *out)
{
	bool heading = false;

	for (size_t i = 0; i < SKEP_VERDICT_COUNT; i++) {
		const char *name = maps_verdict_name(verdicts[i].verdict);
		uint64_t packets = row_number(counters, name);

		if (!packets)
			continue;
		if (!heading)
			fputs("\npackets that were not simply carried, since the maps were made (! "
			      "somebody may miss them)\n",
			      out);
		heading = true;
		fprintf(out, "%c %-20s %12" PRIu64 "  %s\n", verdicts[i].trouble ? '!' : ' ', name,
			packets, verdicts[i].meaning);
	}
}
