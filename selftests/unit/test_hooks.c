/* SPDX-License-Identifier: GPL-2.0-only */
/* Which programs are on which interface, and what is left when skep goes: with real filters on real
 * links. */
#include "network.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "datapath/hooks.h"

#define MAP_ENTRIES 64

static int hooks_map;
static struct hooks_programs old_programs, new_programs;

/* Passes every packet on; each load is a program of its own. */
static int load_program(const char *name)
{
	const struct bpf_insn instructions[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K,
		 .dst_reg = BPF_REG_0,
		 .imm = -1}, /* TC_ACT_UNSPEC */
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, name, "GPL", instructions, 2, NULL);

	assert_true(fd >= 0);
	return fd;
}

static struct hooks_programs load_programs(void)
{
	return (struct hooks_programs){
		.from_wire = load_program("from_wire"),
		.from_mesh = load_program("from_mesh"),
		.to_mesh = load_program("to_mesh"),
		.from_task = load_program("from_task"),
	};
}

static void close_programs(struct hooks_programs *programs)
{
	close(programs->from_wire);
	close(programs->from_mesh);
	close(programs->to_mesh);
	close(programs->from_task);
}

static __u32 program_id(int fd)
{
	struct bpf_prog_info info = {0};
	__u32 size = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &size), 0);
	return info.id;
}

static int e1, e2, e3; /* ifindexes of three veths, ascending */

static int setup(void **state)
{
	(void)state;
	hooks_map = bpf_map_create(BPF_MAP_TYPE_HASH, "hooks", sizeof(__u32),
				   sizeof(struct skep_hook), MAP_ENTRIES, NULL);
	assert_true(hooks_map >= 0);
	old_programs = load_programs();
	new_programs = load_programs();
	run("ip link add e1 type veth peer name peer-e1");
	run("ip link add e2 type veth peer name peer-e2");
	run("ip link add e3 type veth peer name peer-e3");
	e1 = ifindex_of("e1");
	e2 = ifindex_of("e2");
	e3 = ifindex_of("e3");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	run("for i in e1 e2 e3; do ip link del $i 2>/dev/null || true; done");
	close_programs(&old_programs);
	close_programs(&new_programs);
	close(hooks_map);
	return 0;
}

static void apply(const struct hooks_programs *programs, const struct hooks_hook *desired, size_t n,
		  int fresh, size_t attached, size_t detached)
{
	struct hooks_changes changes = {99, 99};
	struct skep_error error = {""};
	int err = hooks_apply(hooks_map, programs, desired, n, fresh, &changes, &error);

	assert_ok(err, &error);
	assert_int_equal(changes.attached, attached);
	assert_int_equal(changes.detached, detached);
}

static void remove_all(void)
{
	struct skep_error error = {""};
	int err = hooks_remove_all(hooks_map, &error);

	assert_ok(err, &error);
}

static char reported[2048];

static void collect_line(void *context, const char *line)
{
	(void)context;
	assert_null(strchr(line, '\n'));
	strncat(reported, line, sizeof(reported) - strlen(reported) - 1);
	strncat(reported, "\n", sizeof(reported) - strlen(reported) - 1);
}

static void assert_verified(const struct hooks_programs *programs, const struct hooks_hook *desired,
			    size_t n, const char *lines)
{
	struct skep_error error = {""};

	reported[0] = '\0';
	int err = hooks_verify(hooks_map, programs, desired, n, collect_line, NULL, &error);
	assert_ok(err, &error);
	assert_string_equal(reported, lines);
}

/* role 0: the map does not name it. */
static void assert_entry(int ifindex, __u32 role, __u32 owns_clsact)
{
	struct skep_hook hook = {0};
	__u32 key = (__u32)ifindex;
	int err = bpf_map_lookup_elem(hooks_map, &key, &hook);

	assert_int_equal(err == 0, role != 0);
	assert_int_equal(hook.role, role);
	assert_int_equal(hook.owns_clsact, owns_clsact);
}

/* fd -1: there is no filter at all. */
static void assert_filter(const char *interface, const char *point, int fd)
{
	char command[128], text[64];

	snprintf(command, sizeof(command), "tc filter show dev %s %s", interface, point);
	if (fd < 0) {
		assert_string_equal(output_of(command), "");
		return;
	}
	assert_output(command, "pref 4799 bpf chain 0 handle 0x1");
	assert_output(command, "direct-action");
	snprintf(text, sizeof(text), " id %u ", program_id(fd));
	assert_output(command, text);
}

static void assert_clsact(const char *interface, bool there)
{
	char command[128];

	snprintf(command, sizeof(command), "tc qdisc show dev %s", interface);
	if (there)
		assert_output(command, "qdisc clsact");
	else
		assert_no_output(command, "clsact");
}

static void each_role_gets_its_programs(void **state)
{
	const struct hooks_hook desired[] = {
		{e1, SKEP_HOOK_WIRE}, {e2, SKEP_HOOK_MESH}, {e3, SKEP_HOOK_TASK}};

	(void)state;
	apply(&old_programs, desired, 3, 0, 4, 0);
	assert_filter("e1", "ingress", old_programs.from_wire);
	assert_filter("e1", "egress", -1);
	assert_filter("e2", "ingress", old_programs.from_mesh);
	assert_filter("e2", "egress", old_programs.to_mesh);
	assert_filter("e3", "ingress", old_programs.from_task);
	assert_filter("e3", "egress", -1);
	assert_entry(e1, SKEP_HOOK_WIRE, 1);
	assert_entry(e2, SKEP_HOOK_MESH, 1);
	assert_entry(e3, SKEP_HOOK_TASK, 1);
	assert_verified(&old_programs, desired, 3, "");
	apply(&old_programs, desired, 3, 0, 0, 0);
	apply(&old_programs, desired, 3, 1, 0, 0);
}

static void what_is_not_wanted_any_more_goes_with_its_clsact(void **state)
{
	const struct hooks_hook all[] = {
		{e1, SKEP_HOOK_WIRE}, {e2, SKEP_HOOK_MESH}, {e3, SKEP_HOOK_TASK}};
	const struct hooks_hook first[] = {{e1, SKEP_HOOK_WIRE}};

	(void)state;
	apply(&old_programs, all, 3, 0, 4, 0);
	apply(&old_programs, first, 1, 0, 0, 3);
	assert_clsact("e1", true);
	assert_clsact("e2", false);
	assert_clsact("e3", false);
	assert_entry(e2, 0, 0);
	assert_entry(e3, 0, 0);
	assert_verified(&old_programs, first, 1, "");
	remove_all();
	assert_clsact("e1", false);
	assert_entry(e1, 0, 0);
	remove_all();
}

static void a_changed_role_changes_the_programs_in_place(void **state)
{
	const struct hooks_hook wire[] = {{e1, SKEP_HOOK_WIRE}}, both[] = {{e1, SKEP_HOOK_MESH}};

	(void)state;
	apply(&old_programs, wire, 1, 0, 1, 0);
	apply(&old_programs, both, 1, 0, 2, 0);
	assert_filter("e1", "ingress", old_programs.from_mesh);
	assert_filter("e1", "egress", old_programs.to_mesh);
	assert_entry(e1, SKEP_HOOK_MESH, 1);
	apply(&old_programs, wire, 1, 0, 1, 1);
	assert_filter("e1", "ingress", old_programs.from_wire);
	assert_filter("e1", "egress", -1);
	assert_entry(e1, SKEP_HOOK_WIRE, 1);
}

static void new_programs_replace_old_ones_when_fresh(void **state)
{
	const struct hooks_hook desired[] = {{e1, SKEP_HOOK_WIRE}, {e2, SKEP_HOOK_MESH}};
	char lines[512];

	(void)state;
	apply(&old_programs, desired, 2, 0, 3, 0);
	apply(&new_programs, desired, 2, 0, 0, 0);
	assert_filter("e1", "ingress", old_programs.from_wire);
	snprintf(lines, sizeof(lines),
		 "hook e1: program %u on ingress, not %u\n"
		 "hook e2: program %u on ingress, not %u\n"
		 "hook e2: program %u on egress, not %u\n",
		 program_id(old_programs.from_wire), program_id(new_programs.from_wire),
		 program_id(old_programs.from_mesh), program_id(new_programs.from_mesh),
		 program_id(old_programs.to_mesh), program_id(new_programs.to_mesh));
	assert_verified(&new_programs, desired, 2, lines);
	apply(&new_programs, desired, 2, 1, 3, 0);
	assert_verified(&new_programs, desired, 2, "");
	/* In place: there is one filter still, of the same name. */
	assert_filter("e2", "egress", new_programs.to_mesh);
	assert_no_output("tc filter show dev e2 egress | grep -c handle", "2");
	assert_entry(e2, SKEP_HOOK_MESH, 1);
}

static void a_clsact_of_somebody_else_is_used_and_left(void **state)
{
	const struct hooks_hook desired[] = {{e1, SKEP_HOOK_WIRE}};

	(void)state;
	run("tc qdisc add dev e1 clsact");
	apply(&old_programs, desired, 1, 0, 1, 0);
	assert_entry(e1, SKEP_HOOK_WIRE, 0);
	apply(&old_programs, desired, 1, 1, 0, 0);
	assert_entry(e1, SKEP_HOOK_WIRE, 0);
	remove_all();
	assert_clsact("e1", true);
	assert_filter("e1", "ingress", -1);
}

static void an_ingress_qdisc_of_somebody_else_serves_too(void **state)
{
	const struct hooks_hook desired[] = {{e1, SKEP_HOOK_WIRE}};

	(void)state;
	run("tc qdisc add dev e1 ingress");
	apply(&old_programs, desired, 1, 0, 1, 0);
	apply(&old_programs, desired, 1, 1, 0, 0);
	assert_entry(e1, SKEP_HOOK_WIRE, 0);
	assert_verified(&old_programs, desired, 1, "");
	remove_all();
	assert_output("tc qdisc show dev e1", "qdisc ingress");
	assert_filter("e1", "ingress", -1);
}

/* Somebody came later and put a filter into our clsact: it must not go with ours. */
static void a_clsact_of_ours_stays_while_others_use_it(void **state)
{
	static const char *const others[] = {
		"ingress pref 10 handle 0x1 bpf da object-pinned",
		"egress pref 4799 handle 0x2 bpf da object-pinned",
		"ingress pref 4799 handle 0x1 chain 3 bpf da object-pinned",
	};
	const struct hooks_hook desired[] = {{e1, SKEP_HOOK_WIRE}};

	(void)state;
	run("mount -t bpf bpf /mnt");
	assert_int_equal(bpf_obj_pin(new_programs.from_task, "/mnt/other"), 0);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		apply(&old_programs, desired, 1, 0, 1, 0);
		run("tc filter add dev e1 %s /mnt/other", others[i]);
		assert_verified(&old_programs, desired, 1, "");
		remove_all();
		assert_clsact("e1", true);
		assert_entry(e1, 0, 0);
		assert_no_output("tc filter show dev e1 ingress", "from_wire");
		run("{ tc filter show dev e1 ingress; tc filter show dev e1 egress; } | grep -q "
		    "from_task");
		run("tc qdisc del dev e1 clsact");
	}
	run("umount /mnt");
}

static void what_was_removed_behind_our_back_is_seen_and_mended(void **state)
{
	const struct hooks_hook desired[] = {{e1, SKEP_HOOK_WIRE}, {e2, SKEP_HOOK_MESH}};

	(void)state;
	apply(&old_programs, desired, 2, 0, 3, 0);
	run("tc qdisc del dev e1 clsact");
	run("tc filter del dev e2 egress pref 4799");
	assert_verified(&old_programs, desired, 2,
			"hook e1: no program on ingress\nhook e2: no program on egress\n");
	apply(&old_programs, desired, 2, 1, 2, 0);
	assert_verified(&old_programs, desired, 2, "");
	assert_entry(e1, SKEP_HOOK_WIRE, 1);
	assert_entry(e2, SKEP_HOOK_MESH, 1);

	run("tc qdisc del dev e1 clsact");
	run("tc qdisc del dev e2 clsact");
	remove_all();
	assert_entry(e1, 0, 0);
	assert_entry(e2, 0, 0);
}

static void an_interface_that_went_is_forgotten(void **state)
{
	const struct hooks_hook desired[] = {{e1, SKEP_HOOK_WIRE}, {e2, SKEP_HOOK_TASK}};
	char line[64];

	(void)state;
	apply(&old_programs, desired, 2, 0, 2, 0);
	run("ip link del e2");
	snprintf(line, sizeof(line), "hook interface %d: the interface is gone\n", e2);
	assert_verified(&old_programs, desired, 2, line);
	apply(&old_programs, desired, 2, 1, 0, 0);
	assert_entry(e2, 0, 0);
	/* And one that went before it could be hooked at all. */
	apply(&old_programs, desired, 2, 0, 0, 0);
	assert_entry(e2, 0, 0);
	apply(&old_programs, desired, 1, 0, 0, 0);
	assert_verified(&old_programs, desired, 1, "");
}

static void an_entry_of_an_interface_that_went_is_dropped_when_not_wanted(void **state)
{
	const struct hooks_hook desired[] = {{e1, SKEP_HOOK_WIRE}, {e2, SKEP_HOOK_MESH}};

	(void)state;
	apply(&old_programs, desired, 2, 0, 3, 0);
	run("ip link del e2");
	apply(&old_programs, desired, 1, 0, 0, 0);
	assert_entry(e2, 0, 0);
}

static void another_device_by_the_same_ifindex_is_hooked_when_fresh(void **state)
{
	const struct hooks_hook desired[] = {{e1, SKEP_HOOK_WIRE}};

	(void)state;
	apply(&old_programs, desired, 1, 0, 1, 0);
	run("ip link del e1");
	run("ip link add e1 index %d type veth peer name peer-e1", e1);
	assert_verified(&old_programs, desired, 1, "hook e1: no program on ingress\n");
	apply(&old_programs, desired, 1, 1, 1, 0);
	assert_verified(&old_programs, desired, 1, "");
}

static void a_device_that_went_away_and_came_back_is_hooked_when_fresh(void **state)
{
	const struct hooks_hook desired[] = {{e1, SKEP_HOOK_WIRE}};

	(void)state;
	pid_t container = container_start();
	apply(&old_programs, desired, 1, 0, 1, 0);
	run("ip link set e1 netns %d", container);
	run("nsenter -t %d -n ip link set e1 netns %d", container, getpid());
	assert_int_equal(ifindex_of("e1"), e1);
	apply(&old_programs, desired, 1, 1, 1, 0);
	assert_verified(&old_programs, desired, 1, "");
	container_stop(container);
}

static void all_that_differs_is_verified_with_a_line(void **state)
{
	const struct hooks_hook done[] = {{e1, SKEP_HOOK_WIRE}, {e3, SKEP_HOOK_WIRE}};
	const struct hooks_hook wanted[] = {{e2, SKEP_HOOK_TASK}, {e3, SKEP_HOOK_TASK}};
	char lines[512];

	(void)state;
	apply(&old_programs, done, 2, 0, 2, 0);
	snprintf(lines, sizeof(lines),
		 "hook e1: in map hooks, but not wanted\n"
		 "hook e2: not in map hooks\n"
		 "hook e2: no program on ingress\n"
		 "hook e3: role in map hooks is wire, not task\n"
		 "hook e3: program %u on ingress, not %u\n",
		 program_id(old_programs.from_wire), program_id(old_programs.from_task));
	assert_verified(&old_programs, wanted, 2, lines);
	assert_verified(
		&old_programs, NULL, 0,
		"hook e1: in map hooks, but not wanted\nhook e3: in map hooks, but not wanted\n");
}

/* A filter of another kind sits in our place on one interface; the rest is done all the same. */
static void the_first_failure_is_told_and_the_rest_done(void **state)
{
	const struct hooks_hook desired[] = {
		{e1, SKEP_HOOK_WIRE}, {e2, SKEP_HOOK_WIRE}, {e3, SKEP_HOOK_WIRE}};
	struct hooks_changes changes;
	struct skep_error error = {""};

	(void)state;
	run("tc qdisc add dev e2 clsact");
	run("tc filter add dev e2 ingress pref 4799 protocol all u32 match u32 0 0");
	assert_int_equal(hooks_apply(hooks_map, &old_programs, desired, 3, 0, &changes, &error),
			 -EINVAL);
	assert_non_null(strstr(error.text, "cannot attach to ingress of e2"));
	assert_int_equal(changes.attached, 2);
	assert_filter("e1", "ingress", old_programs.from_wire);
	assert_filter("e3", "ingress", old_programs.from_wire);
	run("tc filter del dev e2 ingress pref 4799");
	apply(&old_programs, desired, 3, 1, 1, 0);
	assert_entry(e2, SKEP_HOOK_WIRE, 0);
}

static void a_full_map_hooks_nothing_that_it_cannot_name(void **state)
{
	const struct skep_hook elsewhere = {.role = SKEP_HOOK_TASK};
	struct hooks_hook desired[MAP_ENTRIES + 1];
	struct hooks_changes changes;
	struct skep_error error = {""};

	(void)state;
	for (__u32 i = 0; i < MAP_ENTRIES; i++) {
		__u32 key = 1000000 + i;
		assert_int_equal(bpf_map_update_elem(hooks_map, &key, &elsewhere, BPF_ANY), 0);
		desired[i + 1] = (struct hooks_hook){(int)key, SKEP_HOOK_TASK};
	}
	desired[0] = (struct hooks_hook){e1, SKEP_HOOK_WIRE};
	assert_int_equal(hooks_apply(hooks_map, &old_programs, desired, MAP_ENTRIES + 1, 0,
				     &changes, &error),
			 -E2BIG);
	assert_non_null(strstr(error.text, "e1 to map hooks"));
	assert_clsact("e1", false);
	/* None of those exists. */
	remove_all();
	apply(&old_programs, desired, 1, 0, 1, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_role_gets_its_programs),
		TEST(what_is_not_wanted_any_more_goes_with_its_clsact),
		TEST(a_changed_role_changes_the_programs_in_place),
		TEST(new_programs_replace_old_ones_when_fresh),
		TEST(a_clsact_of_somebody_else_is_used_and_left),
		TEST(an_ingress_qdisc_of_somebody_else_serves_too),
		TEST(a_clsact_of_ours_stays_while_others_use_it),
		TEST(what_was_removed_behind_our_back_is_seen_and_mended),
		TEST(an_interface_that_went_is_forgotten),
		TEST(an_entry_of_an_interface_that_went_is_dropped_when_not_wanted),
		TEST(another_device_by_the_same_ifindex_is_hooked_when_fresh),
		TEST(a_device_that_went_away_and_came_back_is_hooked_when_fresh),
		TEST(all_that_differs_is_verified_with_a_line),
		TEST(the_first_failure_is_told_and_the_rest_done),
		TEST(a_full_map_hooks_nothing_that_it_cannot_name),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, network_enter, NULL);
}
