/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SKEP_LIB_VERSION_H
#define SKEP_LIB_VERSION_H

#define SKEP_VERSION "0.1.0"

#endif
