/*
 * The judges behind judge.c: judge_ldap.c and judge_pam.c, each there if its
 * library is. Thread: any.
 */
#ifndef JUDGE_IMPL_H
#define JUDGE_IMPL_H

#include "io/judge.h"

bool judge_ldap(const struct judge_question *q, struct err *e);
bool judge_pam(const struct judge_question *q, struct err *e);

#endif
