/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/agent.h"

#include <errno.h>

#include "cli/cli.h"

static int run(int argc, char **argv)
{
	/* Large, and the one of this process. */
	static struct agent_config config;
	struct skep_error error;
	int err = agent_config_read(&config, argc - 1, argv + 1, &error);

	if (err)
		return err == -EINVAL ? cli_usage("%s", error.text) : cli_failure("%s", error.text);
	/* It has logged why. */
	return agent_run(&config) ? CLI_FAILURE : CLI_OK;
}

const struct cli_command cli_agent = {
	"agent",
	"[FLAG]…",
	"run this node's agent",
	"Each flag is also a line `name value` in /etc/skep/skep.conf; flags win.\n\n"
	"  --config FILE         read this file instead of /etc/skep/skep.conf\n"
	"  --interface IF[,IF]   where clients come in (default: where the node's address is)\n"
	"  --vip ADDR[,hold]     answer on this address too, and hold it; may be repeated\n"
	"  --source SOURCE       auto (default), swarm, feed, or file:PATH\n"
	"  --docker URL          unix:///var/run/docker.sock\n"
	"  --docker-root DIR     /var/lib/docker\n"
	"  --feed-port PORT      TCP port of the managers' feed, 2378\n"
	"  --tunnel-port PORT    UDP port of the tunnel, 4799\n"
	"  --bpffs DIR           where maps are pinned, /sys/fs/bpf/skep\n"
	"  --state-dir DIR       /var/lib/skep\n"
	"  --run-dir DIR         /run/skep\n"
	"  --cgroup DIR|off      where names are served; default: the root of cgroup2\n"
	"  --datapath WHICH      auto (default; XDP where it can be), xdp, tc\n"
	"  --metrics ADDR:PORT    answer Prometheus there (default off)\n"
	"  --proxy-metrics FILE   the proxy's, which go along\n"
	"  --socket-group NAME   who else may read from the local API (the proxy's user)\n"
	"  --return WAY          tunnel (default), dsr: how replies reach the client\n"
	"  --log-level LEVEL     error, warning, info (default), debug\n"
	"  --max-flows N, --max-tasks N, --max-services N, --max-frontends N, --max-nodes N\n"
	"                        room in the maps\n",
	run,
};
