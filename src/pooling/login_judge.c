/* A password that LDAP or PAM judges, on a thread that may wait for them. */
#include <stdlib.h>
#include <string.h>

#include "login_private.h"

#define PAM_SERVICE "pamservice="

static void
asking_free(struct login_asking *a)
{
	arena_wipe_free(a->arena);
	free(a);
}

/* On a thread of the offload. */
static void
on_run(struct offload_job *j)
{
	struct login_asking *a = CONTAINER_OF(j, struct login_asking, job);

	err_clear(&a->why);
	a->good = judge_ask(&a->q, &a->why);
}

/* On the login's loop; it may have gone. */
static void
on_done(struct offload_job *j)
{
	struct login_asking *a = CONTAINER_OF(j, struct login_asking, job);
	struct login *l = a->login;

	if (l == NULL) {
		asking_free(a);
		return;
	}
	l->answered = true;
	l->resume(l->resume_arg);
}

static const char *
pam_service(const struct login *l)
{
	const char *options = l->choice.options;

	if (strncmp(options, PAM_SERVICE, strlen(PAM_SERVICE)) == 0)
		return options + strlen(PAM_SERVICE);
	return l->cfg->auth_pam_service;
}

bool
login_ask_others(struct login *l, const char *password)
{
	struct login_asking *a = xcalloc(1, sizeof(*a));
	bool is_ldap = l->choice.method == METHOD_LDAP;
	char at[ADDR_TEXT];

	addr_host(&l->peer, at, sizeof(at));
	a->arena = arena_new();
	a->login = l;
	a->q = (struct judge_question){
		.kind = is_ldap ? JUDGE_LDAP : JUDGE_PAM,
		.options = arena_strdup(a->arena, l->choice.rule ?
		    l->choice.options : l->cfg->auth_ldap_options),
		.service = arena_strdup(a->arena, pam_service(l)),
		.user = arena_strdup(a->arena, l->r.user),
		.password = arena_strdup(a->arena, password),
		.rhost = arena_strdup(a->arena, at),
	};
	a->job.run = on_run;
	a->job.done = on_done;
	a->job.reply_to = l->loop;
	if (!offload_submit(l->hub->blocking, &a->job)) {
		asking_free(a);
		return false;
	}
	l->asking = a;
	return true;
}

bool
login_others_said(struct login *l, struct err *why)
{
	bool good = l->asking->good;

	*why = l->asking->why;
	asking_free(l->asking);
	l->asking = NULL;
	return good;
}

void
login_stop_asking(struct login *l)
{
	if (l->asking == NULL)
		return;
	if (l->answered)
		asking_free(l->asking);
	else
		l->asking->login = NULL;
	l->asking = NULL;
}
