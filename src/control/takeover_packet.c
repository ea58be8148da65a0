#include "takeover_packet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/moved.h"
#include "proto/wire.h"

/* ---- packets ---- */

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int))];
};

static bool
send_vector(int fd, struct iovec *v, size_t n, int passed)
{
	struct msghdr m = { .msg_iov = v, .msg_iovlen = n };
	union control control;
	struct cmsghdr *c;

	memset(&control, 0, sizeof(control));
	if (passed != -1) {
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &passed, sizeof(int));
	}
	/* Packets go whole or not at all. */
	return sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

bool
packet_send(int fd, const void *p, size_t n, int passed)
{
	struct iovec v = { (void *)(uintptr_t)p, n };

	return send_vector(fd, &v, 1, passed);
}

static int
passed_with(struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	int fd = -1;

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(c), sizeof(int));
	return fd;
}

ssize_t
packet_recv(int fd, void *p, size_t cap, int *passed)
{
	union control control;
	struct iovec v = { p, cap };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control) };
	ssize_t n;

	*passed = -1;
	do
		n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return n;
	*passed = passed_with(&m);
	if (m.msg_flags & MSG_TRUNC) {
		if (*passed != -1)
			close(*passed);
		*passed = -1;
		errno = EMSGSIZE;
		return -1;
	}
	return n;
}

/* ---- parcels ---- */

bool
packet_send_parcel(int fd, struct parcel *p)
{
	size_t n = buf_len(&p->bytes);

	while (p->sent < n) {
		bool first = p->sent == 0;
		size_t room = first ? PACKET_MAX : PACKET_MAX - 1;
		size_t piece = n - p->sent < room ? n - p->sent : room;
		struct iovec v[2] = { { (char[]){ 'c' }, 1 },
			{ (void *)(uintptr_t)(buf_head(&p->bytes) + p->sent),
			    piece } };

		if (!send_vector(fd, v + first, 2 - first,
			first ? p->fd : -1))
			return false;
		p->sent += piece;
	}
	return true;
}

void
packet_drop(struct packet_parcel *in)
{
	if (in->coming)
		parcel_free(in->coming);
	in->coming = NULL;
}

/* Its own head says how long it is. */
static bool
begin(struct packet_parcel *in, const uint8_t *p, size_t n, int passed)
{
	struct frame_info f;

	switch (wire_frame(p, n, MOVED_MAX, &f)) {
	case FRAME_WHOLE:
	case FRAME_PART:
		if (n > f.size || passed == -1)
			return false;
		break;
	case FRAME_MORE:
	case FRAME_BAD:
		return false;
	}
	in->coming = xcalloc(1, sizeof(*in->coming));
	in->coming->fd = passed;
	in->size = f.size;
	buf_append(&in->coming->bytes, p, n);
	return true;
}

static bool
go_on(struct packet_parcel *in, const uint8_t *p, size_t n)
{
	if (!in->coming ||
	    n - 1 > in->size - buf_len(&in->coming->bytes))
		return false;
	buf_append(&in->coming->bytes, p + 1, n - 1);
	return true;
}

struct parcel *
packet_take_piece(struct packet_parcel *in, const uint8_t *p, size_t n,
    int passed, bool *bad)
{
	struct parcel *whole;
	bool first = p[0] == 'C' && !in->coming;
	bool ok = first ? begin(in, p, n, passed) :
			  p[0] == 'c' && passed == -1 && go_on(in, p, n);

	*bad = !ok;
	if (!ok) {
		if (passed != -1)
			close(passed);
		packet_drop(in);
		return NULL;
	}
	whole = in->coming;
	if (buf_len(&whole->bytes) < in->size)
		return NULL;
	in->coming = NULL;
	return whole;
}
