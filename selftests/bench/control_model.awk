# SPDX-License-Identifier: GPL-2.0-only
#
# awk -v services=S -v tasks=T -v nodes=N [-v ended=E] -f control_model.awk: a model of that size in its JSON form, ids as long as Swarm's. Service I
# publishes port 10000 + I; the tasks are theirs in turn. Swarm gives addresses in another order than ids: task I has 10.0.0.1 + (7919 * I modulo T). The
# first node is 192.0.2.1 and has no tasks. E tasks, 1 to E, are to be shut down. With -v address=I only the address of task I is printed.
function id(kind, number) {
	return sprintf("%s%020d", kind, number)
}

function task_address(number,  host) {
	host = number * 7919 % tasks + 1
	return sprintf("10.%d.%d.%d", int(host / 65536), int(host / 256) % 256, host % 256)
}

BEGIN {
	if (address) {
		print task_address(address)
		exit
	}
	printf "{\"cluster\":\"bench\",\"nodes\":["
	for (i = 0; i < nodes; i++)
		printf "%s{\"id\":\"%s\",\"name\":\"node-%d\",\"address\":\"192.0.%d.%d\"%s}", i ? "," : "", \
			id("node-", i), i, i ? 3 + int(i / 250) : 2, i ? 1 + i % 250 : 1, \
			i ? "" : ",\"manager\":true"
	printf "],\"networks\":[{\"id\":\"ingress\",\"ingress\":true,\"subnets\":[\"10.0.0.0/8\"]}],\"services\":["
	for (i = 0; i < services; i++)
		printf "%s{\"id\":\"%s\",\"name\":\"service-%d\",\"ports\":[{\"published\":%d,\"target\":80," \
			"\"protocol\":\"tcp\"}]}", i ? "," : "", id("serv-", i), i, 10000 + i
	printf "],\"tasks\":["
	for (i = 1; i <= tasks; i++)
		printf "%s{\"id\":\"%s\",\"name\":\"service-%d.%d\",\"service\":\"%s\",\"node\":\"%s\",%s" \
			"\"addresses\":[{\"network\":\"ingress\",\"address\":\"%s\"}]}", \
			(i > 1 ? "," : ""), id("task-", i), i % services, 1 + int(i / services), \
			id("serv-", i % services), id("node-", 1 + i % (nodes - 1)), \
			(i <= ended ? "\"desired\":\"shutdown\"," : ""), \
			task_address(i)
	printf "]}\n"
}
