/* SPDX-License-Identifier: GPL-2.0-only */
#include "agent/scopes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/hash.h"
#include "net/net.h"

void scopes_free(struct scopes *scopes)
{
	free(scopes->items);
	*scopes = (struct scopes){0};
}

struct question {
	struct scope *scopes;
	struct skep_addr *to;
	struct skep_addr *sources;
	size_t n;
};

static size_t count_subnets(const struct docker_container *container, const struct model *model)
{
	size_t n = 0;

	for (uint32_t i = 0; i < container->n_networks; i++) {
		const struct model_network *network =
			model_find_network(model, container->networks[i].id);

		n += network ? network->n_subnets : 0;
	}
	return n;
}

/* An address of the subnet, with a host part where there is room for one. */
static struct skep_addr some_address(const struct addr_prefix *prefix)
{
	struct skep_addr addr = prefix->addr;

	if (prefix->length < 128)
		addr.word[3] |= htonl(1);
	return addr;
}

/* No name leads to the ingress network, on which tasks are but for their published ports. */
static void ask_about(struct question *question, const struct docker_container *container,
		      const struct model *model)
{
	for (uint32_t i = 0; i < container->n_networks; i++) {
		const struct model_network *network =
			model_find_network(model, container->networks[i].id);

		for (size_t s = 0; network && !network->ingress && s < network->n_subnets; s++) {
			const struct addr_prefix *prefix = &network->subnets[s];

			if (!skep_addr_is_v4(&prefix->addr) || prefix->length < 96)
				continue;
			question->scopes[question->n] = (struct scope){*prefix, i};
			question->to[question->n++] = some_address(prefix);
		}
	}
}

static uint64_t hash_question(const struct question *question,
			      const struct docker_container *container)
{
	uint64_t hash = hash_bytes(HASH_START, container, sizeof(*container));

	for (size_t i = 0; i < question->n; i++) {
		hash = hash_bytes(hash, &question->scopes[i].prefix.addr,
				  sizeof(question->scopes[i].prefix.addr));
		hash = hash_bytes(hash, &question->scopes[i].prefix.length,
				  sizeof(question->scopes[i].prefix.length));
	}
	return hash ? hash : 1;
}

/* Two of its networks gave the container the same address, so its routes do not tell them apart. */
static bool is_ambiguous(const struct docker_container *container, uint32_t network)
{
	for (uint32_t i = 0; i < container->n_networks; i++)
		if (i != network && skep_addr_equal(&container->networks[i].address,
						    &container->networks[network].address))
			return true;
	return false;
}

/* The route to a subnet takes the address of the network that it leads to. */
static void take_answer(struct scopes *scopes, struct question *question,
			const struct docker_container *container)
{
	scopes->n = 0;
	scopes->whole = true;
	for (size_t i = 0; i < question->n; i++) {
		const struct scope *scope = &question->scopes[i];
		const struct skep_addr *own = &container->networks[scope->network].address;
		bool another = false;

		if (!skep_addr_equal(&question->sources[i], own)) {
			for (uint32_t j = 0; j < container->n_networks; j++)
				another |= skep_addr_equal(&question->sources[i],
							   &container->networks[j].address);
			scopes->whole &= another;
			continue;
		}
		if (!is_ambiguous(container, scope->network))
			question->scopes[scopes->n++] = *scope;
	}
	free(scopes->items);
	scopes->items = question->scopes;
	question->scopes = NULL;
}

int scopes_update(struct scopes *scopes, const struct docker_container *container,
		  const struct model *model, bool again, struct skep_error *error)
{
	size_t room = count_subnets(container, model);
	struct question question = {
		.scopes = calloc(room + 1, sizeof(*question.scopes)),
		.to = calloc(room + 1, sizeof(*question.to)),
		.sources = calloc(room + 1, sizeof(*question.sources)),
	};
	uint64_t hash;
	int err = 0;

	if (!question.scopes || !question.to || !question.sources) {
		err = error_errno(error, -ENOMEM, "cannot ask a container for its routes");
		goto cleanup;
	}
	ask_about(&question, container, model);
	hash = hash_question(&question, container);
	if (hash == scopes->asked && !again)
		goto cleanup;
	scopes->asked = hash;
	err = net_namespace_ask(container->pid, &scopes->cookie, question.to, question.sources,
				question.n, error);
	if (err) {
		/* In the host's own network: nothing more to know of it. */
		scopes->cookie = 0;
		scopes->n = 0;
		scopes->whole = err == -ENOENT;
		err = err == -ENOENT ? 0 : err;
		goto cleanup;
	}
	take_answer(scopes, &question, container);
cleanup:
	free(question.scopes);
	free(question.to);
	free(question.sources);
	return err;
}
