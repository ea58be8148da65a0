/* Asking a dns, and waiting for what it says. */
#include "dns_rig.h"

#include <check.h>
#include <string.h>
#include <unistd.h>

struct loop *loop;
struct dns *dns;
int unanswered;

static void
count_down(struct dns_query *q)
{
	(void)q;
	if (--unanswered == 0)
		loop_stop(loop);
}

void
ask(struct dns_query *q, const char *name)
{
	memset(q, 0, sizeof(*q));
	copy_str(q->name, sizeof(q->name), name);
	q->port = 5432;
	q->reply_to = loop;
	q->answered = count_down;
	unanswered++;
	dns_ask(dns, q);
}

/* Runs the loop until all asked questions are answered. */
void
wait_answers(void)
{
	loop_run(loop);
	ck_assert_int_eq(unanswered, 0);
}

void
ask_one(struct dns_query *q, const char *name)
{
	ask(q, name);
	wait_answers();
}

const char *
first_host(const struct dns_query *q)
{
	static char text[ADDR_TEXT];

	ck_assert_msg(q->ok, "%s", q->err.msg);
	addr_host(&q->addrs[0], text, sizeof(text));
	return text;
}

bool
has_host(const struct dns_query *q, const char *host)
{
	for (size_t i = 0; i < q->n_addrs; i++) {
		char text[ADDR_TEXT];

		addr_host(&q->addrs[i], text, sizeof(text));
		if (strcmp(text, host) == 0)
			return true;
	}
	return false;
}

void
assert_fails(const struct dns_query *q, const char *msg)
{
	ck_assert(!q->ok);
	ck_assert_uint_eq(q->n_addrs, 0);
	ck_assert_str_eq(q->err.sqlstate, "08001");
	ck_assert_str_eq(q->err.msg, msg);
}

/* Asks again and again for 20 s at most, as a pool would. */
void
ask_until(struct dns_query *q, const char *name, bool ok, const char *host)
{
	usec_t give_up = clock_mono_us() + 20 * USEC_PER_SEC;

	do {
		ask_one(q, name);
		if (q->ok == ok && (!ok || strcmp(first_host(q), host) == 0))
			return;
		usleep(10000);
	} while (clock_mono_us() < give_up);
	ck_abort_msg("%s has not changed", name);
}
