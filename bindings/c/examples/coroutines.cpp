// Buys several numbers at once with C++20 coroutines, waits for their codes and settles them, in
// one thread with poll, or WSAPoll on Windows.
//
//     SASTAOTP_API_KEY=... ./coroutines [COUNT [SERVICE]]
//
// The default is 20 numbers of zz_multi, which only the sandbox sells. With a real key and service
// IT SPENDS MONEY: COUNT numbers in India for at most 80 rupees each.

#include <sastaotp.hpp>

#ifdef _WIN32
#include <winsock2.h>  // link with ws2_32
#define poll WSAPoll
using descriptor = SOCKET;
#else
#include <poll.h>
using descriptor = int;
#endif

#include <cerrno>
#include <chrono>
#include <coroutine>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;

/// A coroutine that starts immediately. The object owns it; destroying it cancels its operation. A
/// program that has a coroutine library uses that library's task.
class task {
public:
    struct promise_type {
        task get_return_object() {
            return task(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { std::terminate(); }
    };

    explicit task(std::coroutine_handle<> coroutine) : coroutine_(coroutine) {}
    task(task &&other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
    task &operator=(task &&) = delete;
    ~task() {
        if (coroutine_) coroutine_.destroy();
    }

private:
    std::coroutine_handle<> coroutine_;
};

struct totals {
    int bought = 0, codes = 0, settled = 0, failed = 0;
};

/// Buys a number, waits for its code and settles its order.
task buy(sastaotp::coroutine_queue &queue, const sastaotp::number_request &request,
         totals &total) {
    std::string id;
    try {
        auto number = co_await queue.get_number(request);
        id = number.id();
        ++total.bought;
        auto sms = co_await queue.wait_for_code(id, 5min);
        ++total.codes;
        std::cout << number.phone_number().value_or("?") << "  " << sms.code() << "\n";
    } catch (const sastaotp::outcome_unknown &unknown) {
        ++total.failed;
        std::cerr << "it may have been bought: reconcile " << unknown.intent()->json() << ": "
                  << unknown.what() << "\n";
    } catch (const sastaotp::error &error) {
        ++total.failed;
        std::cerr << id << (id.empty() ? "" : ": ") << error.what() << "\n";
    }
    if (id.empty()) co_return;
    try {
        // Even without a code, because an open order is not refunded.
        co_await queue.settle(id, sastaotp::on_too_early::wait);
        ++total.settled;
    } catch (const sastaotp::error &error) {
        std::cerr << id << ": " << error.what() << "\n";
    }
}

int run(int count, const std::string &service) {
    auto client = sastaotp::client::from_env();
    // 22 is India: the service's country codes are not calling codes.
    auto request = sastaotp::number_request(service).country("22").max_price(
        sastaotp::amount::from_rupees(80));
    totals total;
    sastaotp::coroutine_queue queue(client);
    std::vector<task> tasks;
    tasks.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) tasks.push_back(buy(queue, request, total));

    while (queue.open_count() > 0) {
        pollfd ready{static_cast<descriptor>(queue.fd()), POLLIN, 0};
        if (poll(&ready, 1, -1) < 0 && errno != EINTR)
            throw std::system_error(errno, std::generic_category(), "waiting for the queue");
        queue.resume_completions();
    }
    for (const auto &left : queue.close()) std::cerr << left.message() << "\n";
    std::cout << total.bought << " bought, " << total.codes << " codes, " << total.settled
              << " settled\n";
    return total.failed > 0 || total.settled < total.bought;
}

}  // namespace

int main(int argc, char **argv) {
    const int count = argc > 1 ? std::atoi(argv[1]) : 20;
    if (argc > 3 || count < 1 || count > 100000) {
        std::cerr << "usage: coroutines [COUNT [SERVICE]], such as 20 zz_multi with the sandbox\n";
        return 2;
    }
    try {
        return run(count, argc > 2 ? argv[2] : "zz_multi");
    } catch (const std::exception &error) {
        std::cerr << "coroutines: " << error.what() << "\n";
        return 1;
    }
}
