/* A network of our own. */
#include "netns.h"

#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static bool
put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) > 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

/* Who is not root becomes the same user in a user namespace of his own, where
 * he may have networks. */
static bool
leave(void)
{
	unsigned uid = geteuid(), gid = getegid();
	char map[64];

	if (uid == 0)
		return unshare(CLONE_NEWNET) == 0;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
		return false;
	snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	if (!put("/proc/self/uid_map", map))
		return false;
	put("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	return put("/proc/self/gid_map", map);
}

static bool
raise_loopback(void)
{
	struct ifreq r = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok;

	r.ifr_flags = IFF_UP | IFF_RUNNING;
	ok = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &r) == 0;
	if (fd >= 0)
		close(fd);
	return ok;
}

bool
netns_enter(void)
{
	if (leave() && raise_loopback() &&
	    put("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0"))
		return true;
	fprintf(stderr, "skipped: no network of our own: %s\n",
	    strerror(errno));
	return false;
}

void
netns_two_hosts(void)
{
	if (strchr(pg_text("SHOW listen_addresses"), ',') != NULL)
		return;
	pg_exec("ALTER SYSTEM SET listen_addresses = '" NETNS_FIRST ", "
	    NETNS_SECOND "'");
	pg_stop("fast");
	pg_start();
}

bool
netns_can_firewall(void)
{
	return geteuid() == 0 &&
	    system("iptables -w -L -n >/dev/null 2>&1") == 0;
}

void
netns_firewall(const char *ip, enum firewall f)
{
	const char *what = f == FIREWALL_RESET ?
	    "REJECT --reject-with tcp-reset" : "DROP";

	ck_assert_int_eq(fx_shell(NULL, "iptables -w -F INPUT"), 0);
	if (f == FIREWALL_OFF)
		return;
	ck_assert_int_eq(fx_shell(NULL, "iptables -w -A INPUT -p tcp -d %s "
	    "-j %s", ip, what), 0);
	if (f == FIREWALL_DROP)
		ck_assert_int_eq(fx_shell(NULL, "iptables -w -A INPUT -p tcp "
		    "-s %s -j DROP", ip), 0);
}
