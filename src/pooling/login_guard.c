/*
 * What the guard says to a login: when it comes, before it tries, and once it
 * has tried.
 */
#include <stdlib.h>

#include "login_private.h"

void
login_meet(struct login *l)
{
	struct err e;

	switch (guard_enter(l->hub->guard, &l->peer, l->cfg,
	    loop_now(l->loop), l->source, &e)) {
	case GUARD_IN:
		break;
	case GUARD_TELL:
		l->refusal = xmalloc(sizeof(*l->refusal));
		*l->refusal = e;
		break;
	case GUARD_DROP:
		l->dropped = true;
		break;
	}
}

bool
login_is_dropped(const struct login *l)
{
	return l->dropped;
}

bool
login_may_try(struct login *l, struct err *e)
{
	if (guard_may_try(l->hub->guard, *l->source, l->r.user, l->cfg,
	    loop_now(l->loop), e))
		return true;
	l->failed_proof = true;
	return false;
}

bool
login_confirm(struct login *l, struct err *e)
{
	if (guard_judge(l->hub->guard, *l->source, l->r.user, true, l->cfg,
	    loop_now(l->loop), e))
		return true;
	l->failed_proof = true;
	return false;
}

enum login_step
login_refute(struct login *l, struct err *e)
{
	login_explain(l, e);
	/* On failure it is another error that is told. */
	(void)guard_judge(l->hub->guard, *l->source, l->r.user, false, l->cfg,
	    loop_now(l->loop), e);
	l->failed_proof = true;
	return LOGIN_FAILED;
}

bool
login_failed_proof(const struct login *l)
{
	return l->failed_proof;
}
