// A mistake in each line with a comment at its end, which names the warning that the compiler must
// give, or "error".

#include <sastaotp.hpp>

struct places {
    sastaotp::client client;
    sastaotp::number_request request;
    sastaotp::intent intent;
    sastaotp::activation number;
    sastaotp::lease lease;
    sastaotp::queue queue;
};

void mistakes(places &at);
void mistakes(places &at) {
    using namespace std::chrono_literals;
    auto &[client, request, intent, number, lease, queue] = at;
    const sastaotp_activation *c = number.c_object();
    const auto wait = sastaotp::on_too_early::wait;

    // A purchase, or the outcome of a purchase, that is ignored.
    client.get_number(request);  // unused-result
    client.lease(request);  // unused-result
    client.buy(intent);  // unused-result
    client.reget_number("1", sastaotp::any_price);  // unused-result
    client.reget_number("1", sastaotp::amount());  // unused-result
    client.intend(request);  // unused-result
    client.activation("1");  // unused-result
    client.reconcile(intent);  // unused-result
    client.unclaimed();  // unused-result
    client.settle_leftover_leases(wait);  // unused-result
    client.finish();  // unused-result
    client.with(1s);  // unused-result
    client.orders();  // unused-result
    number.wait_for_code(1s);  // unused-result
    number.try_wait_for_code(1s);  // unused-result
    number.settle(wait);  // unused-result
    number.cancel();  // unused-result
    number.complete();  // unused-result
    number.complete_without_code();  // unused-result
    lease.close(wait);  // unused-result
    lease.keep();  // unused-result
    queue.submit("{}");  // unused-result
    queue.submit_get_number(request);  // unused-result
    queue.submit_buy(intent);  // unused-result
    queue.submit_wait_for_code("1", 1s);  // unused-result
    queue.submit_request_next_code("1");  // unused-result
    queue.submit_complete("1");  // unused-result
    queue.submit_cancel("1");  // unused-result
    queue.submit_settle("1", wait);  // unused-result
    queue.submit_reconcile(intent, 1s);  // unused-result
    queue.take(1, 1s);  // unused-result
    queue.join(sastaotp::ticket(), 1s);  // unused-result
    queue.close();  // unused-result
    sastaotp::intent::from_json("{}");  // unused-result
    sastaotp_client_get_number(client.c_object(), nullptr, nullptr, nullptr);  // unused-result

    // An enumerator of another enumeration, a price in floating point, and a number as a ticket.
    (void)number.settle(sastaotp::settled::cancelled);  // error
    (void)sastaotp_activation_settle(c, SASTAOTP_SETTLED_CANCELLED, nullptr, nullptr);  // error
    request.max_price(sastaotp::amount::from_rupees(18.5));  // error
    queue.cancel_ticket(1);  // error
    queue.cancel_ticket("1");  // error

    // The same without a mistake.
    (void)client.get_number(request);
    (void)number.settle(wait);
    (void)sastaotp_activation_settle(c, SASTAOTP_ON_TOO_EARLY_WAIT, nullptr, nullptr);
    request.max_price(sastaotp::amount::from_rupees(18));
    queue.submit_get_number(request, &at);
    queue.cancel_ticket(queue.submit_settle("1", wait));
}
