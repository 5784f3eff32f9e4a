/* SPDX-License-Identifier: GPL-2.0-only */
#include "proxy/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEPT (1U << CAP_NET_BIND_SERVICE)

static int read_capabilities(struct __user_cap_data_struct data[2])
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};

	return (int)syscall(SYS_capget, &header, data);
}

static int write_capabilities(const struct __user_cap_data_struct data[2])
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};

	return (int)syscall(SYS_capset, &header, data);
}

/* Only what it has already: a proxy that was started without any goes on without. */
static int keep_one_capability(struct skep_error *error)
{
	struct __user_cap_data_struct data[2];
	__u32 kept;

	if (read_capabilities(data))
		return error_errno(error, -errno, "cannot ask for its capabilities");
	kept = data[0].permitted & KEPT;
	data[0] = (struct __user_cap_data_struct){kept, kept, kept};
	data[1] = (struct __user_cap_data_struct){0, 0, 0};
	if (write_capabilities(data))
		return error_errno(error, -errno, "cannot give up its capabilities");
	/* So that it outlives the execution of a successor. */
	if (kept && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0))
		return error_errno(error, -errno, "cannot keep CAP_NET_BIND_SERVICE");
	return 0;
}

static int become(const char *name, const char *directory, const char *log,
		  struct skep_error *error)
{
	const struct passwd *user;

	errno = 0;
	user = getpwnam(name);
	if (!user)
		return error_set(
			error, errno ? -errno : -ENOENT,
			"--user %s: there is no such user; `useradd --system %s` makes one", name,
			name);
	if (chown(directory, user->pw_uid, user->pw_gid))
		return error_errno(error, -errno, "cannot give %s to the user %s", directory, name);
	if (*log == '/' && chown(log, user->pw_uid, user->pw_gid))
		return error_errno(error, -errno, "cannot give %s to the user %s", log, name);
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) || initgroups(name, user->pw_gid) ||
	    setresgid(user->pw_gid, user->pw_gid, user->pw_gid) ||
	    setresuid(user->pw_uid, user->pw_uid, user->pw_uid))
		return error_errno(error, -errno, "cannot become the user %s", name);
	return 0;
}

int privileges_drop(const char *user, const char *directory, const char *log,
		    struct skep_error *error)
{
	int err = 0;

	if (*user && geteuid() == 0)
		err = become(user, directory, log, error);
	if (!err)
		err = keep_one_capability(error);
	if (!err && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		err = error_errno(error, -errno, "cannot forgo new privileges");
	return err;
}
