/* Which judge there is. */
#include "io/judge.h"

#include "judge_impl.h"

bool
judge_is_here(enum judge_kind kind)
{
	switch (kind) {
	case JUDGE_LDAP:
#ifdef HAVE_LDAP
		return true;
#else
		return false;
#endif
	case JUDGE_PAM:
#ifdef HAVE_PAM
		return true;
#else
		return false;
#endif
	}
	return false;
}

bool
judge_ask(const struct judge_question *q, struct err *e)
{
	/* To LDAP that is an anonymous bind, which always works. */
	if (q->password[0] == '\0')
		return err_set(e, "28P01", "empty password");
	switch (q->kind) {
	case JUDGE_LDAP:
#ifdef HAVE_LDAP
		return judge_ldap(q, e);
#else
		return err_set(e, "0A000", "ldap is not supported by this "
		    "build");
#endif
	case JUDGE_PAM:
#ifdef HAVE_PAM
		return judge_pam(q, e);
#else
		return err_set(e, "0A000", "pam is not supported by this "
		    "build");
#endif
	}
	return false;
}
