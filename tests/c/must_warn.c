/* A mistake in each line with a comment, which names the warning that the compiler must give. */
#include <sastaotp.h>

bool mistakes(sastaotp_client *client, const sastaotp_number_request *request,
              sastaotp_queue *queue, sastaotp_lease *lease, sastaotp_on_too_early reaction);
bool mistakes(sastaotp_client *client, const sastaotp_number_request *request,
              sastaotp_queue *queue, sastaotp_lease *lease, sastaotp_on_too_early reaction)
{
    sastaotp_intent *intent = NULL;
    sastaotp_activation *number = NULL;
    sastaotp_settlement *settled = NULL;
    sastaotp_reconciliation *found = NULL;
    sastaotp_unclaimed_list *list = NULL;

    /* A purchase, or the outcome of a purchase, that is ignored. */
    sastaotp_client_get_number(client, request, &number, NULL); /* unused-result */
    sastaotp_client_lease(client, request, &lease, NULL); /* unused-result */
    sastaotp_client_buy(client, intent, &number, NULL); /* unused-result */
    sastaotp_client_reget_number(client, "1", 1, &number, NULL); /* unused-result */
    sastaotp_client_intend(client, request, &intent, NULL); /* unused-result */
    sastaotp_client_reconcile(client, intent, 0, &found, NULL); /* unused-result */
    sastaotp_client_finish(client, 0, &list, NULL); /* unused-result */
    sastaotp_activation_settle(number, reaction, &settled, NULL); /* unused-result */
    sastaotp_lease_close(lease, reaction, &settled, NULL); /* unused-result */
    sastaotp_queue_submit(queue, "{}", NULL, NULL, NULL); /* unused-result */
    sastaotp_queue_submit_get_number(queue, request, NULL, NULL, NULL); /* unused-result */
    sastaotp_queue_close(queue, 0, &list, NULL); /* unused-result */

    /* An enumerator of another enumeration. */
    bool ok = sastaotp_activation_settle(number,
                                         SASTAOTP_SETTLED_CANCELLED, /* enum-conversion */
                                         &settled, NULL) == SASTAOTP_OK;
    ok = ok && sastaotp_status_name(SASTAOTP_CHARGE_NONE) != NULL; /* enum-conversion */

    /* The same without a mistake. */
    ok = ok && sastaotp_client_get_number(client, request, &number, NULL) == SASTAOTP_OK;
    ok = ok && !sastaotp_activation_settle(number, SASTAOTP_ON_TOO_EARLY_WAIT, &settled, NULL);
    ok = ok && sastaotp_status_name(SASTAOTP_ERROR_BUDGET) != NULL;
    return ok;
}
