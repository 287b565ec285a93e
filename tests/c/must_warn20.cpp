// As must_warn.cpp, for the C++20 part of the header.

#include <sastaotp.hpp>

struct places {
    sastaotp::client client;
    sastaotp::number_request request;
    sastaotp::coroutine_queue queue;
};

void mistakes(places &at);
void mistakes(places &at) {
    at.client.with(std::stop_token());  // unused-result
    // An operation that is dropped before it has finished is cancelled.
    at.queue.get_number(at.request);  // unused-result
    at.queue.complete("1");  // unused-result
    at.queue.cancel_order("1");  // unused-result
    at.queue.settle("1", sastaotp::on_too_early::wait);  // unused-result
    at.queue.close();  // unused-result
    at.queue.settle("1", sastaotp::settled::cancelled);  // error
    (void)at.queue.close();
}
