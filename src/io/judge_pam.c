/* Asks PAM: is the password right, and may the account be used? */
#include "judge_impl.h"

#ifdef HAVE_PAM

#include <security/pam_appl.h>
#include <stdlib.h>
#include <string.h>

static void
free_replies(struct pam_response *r, int n)
{
	for (int i = 0; i < n; i++)
		wipe_free(r[i].resp);
	free(r);
}

/* The one answer that we have is the password. A question that would be
 * echoed is another one: there is nobody to ask. */
static int
converse(int n, const struct pam_message **msg, struct pam_response **out,
    void *arg)
{
	const struct judge_question *q = arg;
	struct pam_response *r;

	if (n <= 0 || n > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	/* PAM frees them. */
	r = xcalloc((size_t)n, sizeof(*r));
	for (int i = 0; i < n; i++) {
		switch (msg[i]->msg_style) {
		case PAM_PROMPT_ECHO_OFF:
			r[i].resp = xstrdup(q->password);
			break;
		case PAM_ERROR_MSG:
		case PAM_TEXT_INFO:
			break;
		default:
			free_replies(r, n);
			return PAM_CONV_ERR;
		}
	}
	*out = r;
	return PAM_SUCCESS;
}

static bool
failed(struct err *e, pam_handle_t *h, const char *what, int rc)
{
	return err_set(e, "28P01", "PAM %s: %s", what, pam_strerror(h, rc));
}

bool
judge_pam(const struct judge_question *q, struct err *e)
{
	struct pam_conv conv = { .conv = converse,
		.appdata_ptr = (void *)(uintptr_t)q };
	pam_handle_t *h = NULL;
	bool ok = false;
	int rc;

	rc = pam_start(q->service, q->user, &conv, &h);
	if (rc != PAM_SUCCESS)
		return failed(e, h, "set-up", rc);
	if ((rc = pam_set_item(h, PAM_RHOST, q->rhost)) != PAM_SUCCESS)
		failed(e, h, "set-up", rc);
	else if ((rc = pam_authenticate(h, PAM_SILENT)) != PAM_SUCCESS)
		failed(e, h, "authentication", rc);
	else if ((rc = pam_acct_mgmt(h, PAM_SILENT)) != PAM_SUCCESS)
		failed(e, h, "account", rc);
	else
		ok = true;
	pam_end(h, rc);
	return ok;
}

#endif
