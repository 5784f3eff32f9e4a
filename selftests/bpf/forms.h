/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The four forms of the data path, tc and XDP, tunnel and dsr, for tests that are true of all.
 *
 * With XDP a client's packet and a tunnel's frame meet the XDP program first, and tc only what that
 * leaves to it, with its hint. What came of it is told as of tc: a frame that XDP sent is one that
 * was tunnelled, a reply one that was routed, and Ethernet addresses of a stripped frame are those
 * inside. With dsr services answer clients directly, and forward frames say so.
 */
#ifndef SKEP_TEST_FORMS_H
#define SKEP_TEST_FORMS_H

#include "mesh.h"

enum form {
	FORM_ANY = 0,
	FORM_XDP = 1,
	FORM_DSR = 2,
	FORM_COUNT = 4
};

/* mesh_run_tests(), each test in every form that has all bits of `with`. */
int forms_run_tests(const char *name, const struct CMUnitTest *tests, size_t n, enum form with);

/* The VNI as it is in this form, the mode that a forward frame asks for. */
uint32_t forms_vni(const struct mesh *mesh, uint32_t vni);
enum skep_return_mode forms_mode(const struct mesh *mesh);

#endif
