/* Socket addresses as 24 bytes. */
#include "io/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

void
addr_from_sockaddr(struct addr *a, const struct sockaddr *sa)
{
	memset(a, 0, sizeof(*a));
	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)sa;

		memcpy(a->ip, &in->sin_addr, 4);
		a->port = ntohs(in->sin_port);
	} else if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)sa;

		memcpy(a->ip, &in6->sin6_addr, 16);
		a->port = ntohs(in6->sin6_port);
	} else if (sa->sa_family != AF_UNIX) {
		return;
	}
	a->family = (uint8_t)sa->sa_family;
}

socklen_t
addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *ss)
{
	memset(ss, 0, sizeof(*ss));
	if (a->family == AF_INET) {
		struct sockaddr_in *in = (void *)ss;

		in->sin_family = AF_INET;
		memcpy(&in->sin_addr, a->ip, 4);
		in->sin_port = htons(a->port);
		return sizeof(*in);
	}
	if (a->family == AF_INET6) {
		struct sockaddr_in6 *in6 = (void *)ss;

		in6->sin6_family = AF_INET6;
		memcpy(&in6->sin6_addr, a->ip, 16);
		in6->sin6_port = htons(a->port);
		return sizeof(*in6);
	}
	return 0;
}

bool
addr_parse(struct addr *a, const char *text, uint16_t port)
{
	memset(a, 0, sizeof(*a));
	a->port = port;
	if (inet_pton(AF_INET, text, a->ip) == 1) {
		a->family = AF_INET;
		return true;
	}
	if (inet_pton(AF_INET6, text, a->ip) == 1) {
		a->family = AF_INET6;
		return true;
	}
	return false;
}

bool
addr_eq(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && a->port == b->port &&
	    memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

void
addr_host(const struct addr *a, char *out, size_t cap)
{
	if (a->family == AF_INET || a->family == AF_INET6) {
		if (!inet_ntop(a->family, a->ip, out, (socklen_t)cap))
			copy_str(out, cap, "?");
	} else {
		copy_str(out, cap, "unix");
	}
}

void
addr_text(const struct addr *a, char *out, size_t cap)
{
	char host[INET6_ADDRSTRLEN];

	if (a->family == AF_UNIX || a->family == 0) {
		snprintf(out, cap, "unix(%u)", (unsigned)a->pid);
		return;
	}
	addr_host(a, host, sizeof(host));
	snprintf(out, cap, a->family == AF_INET6 ? "[%s]:%u" : "%s:%u", host,
	    (unsigned)a->port);
}

struct ip
addr_ip(const struct addr *a)
{
	return ip_of(a->ip, a->family == AF_INET ? 4 :
	    a->family == AF_INET6 ? 16 : 0);
}

static void
read_name(struct addr *a, int fd,
    int (*get)(int, struct sockaddr *, socklen_t *))
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);

	memset(&ss, 0, sizeof(ss));
	memset(a, 0, sizeof(*a));
	if (get(fd, (struct sockaddr *)&ss, &n) == 0)
		addr_from_sockaddr(a, (const struct sockaddr *)&ss);
}

void
addr_of_peer(struct addr *a, int fd)
{
	struct ucred cred;
	socklen_t n = sizeof(cred);

	read_name(a, fd, getpeername);
	if (a->family == AF_UNIX &&
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) == 0)
		a->pid = (uint32_t)cred.pid;
}

void
addr_of_socket(struct addr *a, int fd)
{
	read_name(a, fd, getsockname);
}
