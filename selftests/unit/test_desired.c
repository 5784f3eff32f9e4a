/* SPDX-License-Identifier: GPL-2.0-only */
/* What the maps shall hold for a model: rings, and the numbers that services and tasks keep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/desired.h"

#define SERVICES 16 /* ids 1 … 15 */
#define TASKS	 64

struct fixture {
	struct model *model;
	struct pool service_ids, task_counters;
	struct table names, tasks; /* what the maps hold */
	struct desired desired;
	struct skep_addr underlay;
	bool dsr; /* --return */
	unsigned int cleared;
};

static void on_clear(void *context, uint32_t number)
{
	(void)number;
	((struct fixture *)context)->cleared++;
}

static struct skep_addr address(const char *text)
{
	struct skep_addr addr;

	assert_int_equal(addr_parse(text, &addr), 0);
	return addr;
}

static void begin(struct fixture *fixture, const char *services, const char *tasks)
{
	struct skep_error error = {""};
	char text[4096];
	int size = snprintf(text, sizeof(text),
			    "{\"nodes\":[{\"id\":\"n1\",\"address\":\"192.0.2.1\"},{\"id\":\"n2\","
			    "\"address\":\"192.0.2.2\"}],"
			    "\"networks\":[{\"id\":\"net\",\"ingress\":true}],\"services\":[%s],"
			    "\"tasks\":[%s]}",
			    services, tasks);

	*fixture = (struct fixture){.underlay = address("192.0.2.1")};
	if (model_parse(text, (size_t)size, &fixture->model, &error))
		fail_msg("%s", error.text);
	assert_int_equal(pool_init(&fixture->service_ids, 1, SERVICES), 0);
	assert_int_equal(pool_init(&fixture->task_counters, 0, TASKS), 0);
	table_init(&fixture->names, sizeof(uint32_t), sizeof(struct skep_service_name));
	table_init(&fixture->tasks, sizeof(struct skep_addr), sizeof(struct skep_task));
}

static void build(struct fixture *fixture)
{
	const struct datapath_node node = {
		.underlay = fixture->underlay,
		.addresses = &fixture->underlay,
		.n_addresses = 1,
		.dsr = fixture->dsr,
	};
	const struct desired_numbers numbers = {
		.names = &fixture->names,
		.tasks = &fixture->tasks,
		.service_ids = &fixture->service_ids,
		.task_counters = &fixture->task_counters,
		.clear_service = on_clear,
		.clear_task = on_clear,
		.context = fixture,
	};
	struct skep_error error = {""};

	if (desired_build(&fixture->desired, fixture->model, &node, &numbers, &error))
		fail_msg("%s", error.text);
}

static void end(struct fixture *fixture)
{
	desired_free(&fixture->desired);
	table_free(&fixture->names);
	table_free(&fixture->tasks);
	pool_free(&fixture->service_ids);
	pool_free(&fixture->task_counters);
	model_free(fixture->model);
}

/* The map names a service already. */
static void known_service(struct fixture *fixture, uint32_t service_id, const char *id)
{
	struct skep_service_name name = {};

	memcpy(name.id, id, strlen(id));
	memcpy(name.name, id, strlen(id));
	assert_int_equal(table_add(&fixture->names, &service_id, &name), 0);
	table_sort(&fixture->names);
	(void)pool_claim(&fixture->service_ids, service_id);
}

static uint32_t id_of(const struct fixture *fixture, const char *id)
{
	const struct table *names = &fixture->desired.service_names;

	for (size_t i = 0; i < names->count; i++) {
		const struct skep_service_name *name = table_value(names, i);
		uint32_t service_id;

		memcpy(&service_id, table_key(names, i), sizeof(service_id));
		if (strcmp(name->id, id) == 0)
			return service_id;
	}
	fail_msg("no service %s", id);
	return 0;
}

/* "10.0.0.1 10.0.0.2 " */
static void ring_is(const struct fixture *fixture, const char *service, const char *expected)
{
	const struct ring_set *set = &fixture->desired.rings;
	char text[512] = "", addr[ADDR_TEXT_SIZE];
	uint32_t id = id_of(fixture, service);

	for (size_t i = 0; i < set->n_rings; i++)
		for (uint32_t k = 0; set->rings[i].service_id == id && k < set->rings[i].length;
		     k++) {
			strcat(text, addr_text(&ring_slots(set, &set->rings[i])[k], addr));
			strcat(text, " ");
		}
	assert_string_equal(text, expected);
}

#define PORT(port) "\"ports\":[{\"published\":" #port ",\"target\":80,\"protocol\":\"tcp\"}]"
#define TASK(id, service, more, addr)                                                              \
	"{\"id\":\"" id "\",\"service\":\"" service "\",\"node\":\"n2\"," more                     \
	"\"addresses\":[{\"network\":\"net\",\"address\":\"" addr "\"}]}"
#define TWO_SERVICES "{\"id\":\"a\"," PORT(8080) "},{\"id\":\"b\"," PORT(8081) "}"

static void
test_each_service_has_a_ring_of_its_serving_tasks_in_the_order_of_their_addresses(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture, TWO_SERVICES ",{\"id\":\"c\"},{\"id\":\"d\"," PORT(8082) "}",
	      TASK("t1", "b", "", "10.0.0.9") "," TASK("t2", "a", "", "10.0.0.8") "," TASK(
		      "t3", "b", "",
		      "10.0.0.1") "," TASK("t4", "b", "\"desired\":\"shutdown\",",
					   "10.0.0.2") "," TASK("t5", "a", "",
								"10.0.0.3") "," TASK("t6", "c", "",
										     "10.0.0.4"));
	build(&fixture);
	ring_is(&fixture, "a", "10.0.0.3 10.0.0.8 ");
	ring_is(&fixture, "b", "10.0.0.1 10.0.0.9 ");
	ring_is(&fixture, "c", "");
	ring_is(&fixture, "d", "");
	assert_int_equal(fixture.desired.rings.n_rings, 2);
	assert_true(fixture.desired.rings.rings[0].service_id <
		    fixture.desired.rings.rings[1].service_id);
	assert_int_equal(fixture.desired.tasks.count, 6);
	end(&fixture);
}

static void test_services_keep_the_ids_that_the_map_gives_them(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture, TWO_SERVICES, TASK("t1", "b", "", "10.0.0.9"));
	known_service(&fixture, SERVICES - 1, "b");
	known_service(&fixture, 3, "gone");
	build(&fixture);
	assert_int_equal(id_of(&fixture, "b"), SERVICES - 1);
	assert_int_not_equal(id_of(&fixture, "a"), 3);
	ring_is(&fixture, "b", "10.0.0.9 ");
	end(&fixture);
}

static void test_an_id_that_nobody_can_have_lent_is_not_kept(void **state)
{
	static const uint32_t impossible[] = {0, SERVICES, SERVICES + 1, 0x7fffffff, 0xffffffff};

	(void)state;
	for (size_t i = 0; i < sizeof(impossible) / sizeof(*impossible); i++) {
		struct fixture fixture;

		begin(&fixture, TWO_SERVICES, TASK("t1", "b", "", "10.0.0.9"));
		known_service(&fixture, impossible[i], "b");
		build(&fixture);
		assert_in_range(id_of(&fixture, "b"), 1, SERVICES - 1);
		ring_is(&fixture, "b", "10.0.0.9 ");
		end(&fixture);
	}
}

static void known_task(struct fixture *fixture, const char *addr, uint32_t service_id,
		       uint32_t counter)
{
	struct skep_addr key = address(addr);
	struct skep_task value = {.service_id = service_id, .counter = counter};

	assert_int_equal(table_add(&fixture->tasks, &key, &value), 0);
	table_sort(&fixture->tasks);
	assert_int_equal(pool_claim(&fixture->task_counters, counter), 0);
}

static uint32_t counter_of(const struct fixture *fixture, const char *addr)
{
	struct skep_addr key = address(addr);
	const struct skep_task *task = table_find(&fixture->desired.tasks, &key);

	assert_non_null(task);
	return task->counter;
}

static void
test_a_task_keeps_its_counter_and_another_services_task_gets_one_of_its_own(void **state)
{
	struct fixture fixture;

	(void)state;
	begin(&fixture, TWO_SERVICES,
	      TASK("t1", "a", "", "10.0.0.1") "," TASK("t2", "a", "", "10.0.0.3") "," TASK(
		      "t3", "b", "", "10.0.0.5"));
	known_service(&fixture, 1, "a");
	known_service(&fixture, 2, "b");
	known_task(&fixture, "10.0.0.0", 1, 10);
	known_task(&fixture, "10.0.0.3", 1, 11);
	known_task(&fixture, "10.0.0.5", 1, 12);
	known_task(&fixture, "10.0.0.9", 1, 13);
	build(&fixture);
	assert_int_equal(counter_of(&fixture, "10.0.0.3"), 11);
	uint32_t first = counter_of(&fixture, "10.0.0.1"), other = counter_of(&fixture, "10.0.0.5");
	assert_int_not_equal(first, other);
	assert_true(first < 10 || first > 13);
	assert_true(other < 10 || other > 13);
	end(&fixture);
}

/* Of the frontends on this published port: how many there are, and their flags. */
static size_t frontends(const struct fixture *fixture, uint16_t port, uint8_t *flags)
{
	const struct table *services = &fixture->desired.services;
	size_t n = 0;

	for (size_t i = 0; i < services->count; i++) {
		const struct skep_frontend *frontend = table_key(services, i);
		const struct skep_service *service = table_value(services, i);

		if (frontend->port != htons(port))
			continue;
		if (n++)
			assert_int_equal(service->flags, *flags);
		*flags = service->flags;
	}
	return n;
}

static void test_the_label_says_how_replies_return_else_the_agents_flag(void **state)
{
	(void)state;
	for (int dsr = 0; dsr < 2; dsr++) {
		struct fixture fixture;
		uint8_t flags;

		begin(&fixture,
		      "{\"id\":\"a\"," PORT(
			      8080) "},"
				    "{\"id\":\"b\",\"labels\":{\"skep.return\":\"dsr\"}," PORT(
					    8081) "},"
						  "{\"id\":\"c\",\"labels\":{\"skep.return\":"
						  "\"tunnel\"}," PORT(
							  8082) "},"
								"{\"id\":\"d\",\"labels\":{\"skep."
								"return\":\"sideways\"}," PORT(
									8083) "}",
		      "");
		fixture.dsr = dsr;
		build(&fixture);
		assert_int_equal(frontends(&fixture, 8080, &flags), 2);
		assert_int_equal(flags, dsr ? SKEP_SERVICE_DSR : 0);
		assert_int_equal(frontends(&fixture, 8081, &flags), 2);
		assert_int_equal(flags, SKEP_SERVICE_DSR);
		assert_int_equal(frontends(&fixture, 8082, &flags), 2);
		assert_int_equal(flags, 0);
		assert_int_equal(frontends(&fixture, 8083, &flags), 2);
		assert_int_equal(flags, dsr ? SKEP_SERVICE_DSR : 0);
		end(&fixture);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_each_service_has_a_ring_of_its_serving_tasks_in_the_order_of_their_addresses),
		cmocka_unit_test(test_the_label_says_how_replies_return_else_the_agents_flag),
		cmocka_unit_test(test_services_keep_the_ids_that_the_map_gives_them),
		cmocka_unit_test(test_an_id_that_nobody_can_have_lent_is_not_kept),
		cmocka_unit_test(
			test_a_task_keeps_its_counter_and_another_services_task_gets_one_of_its_own),
	};

	return cmocka_run_group_tests_name("desired maps", tests, NULL, NULL);
}
