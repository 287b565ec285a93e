// Buys a number, waits for its code, and completes the order.
//
// Set SASTAOTP_API_KEY, and SASTAOTP_BASE_URL to use another server than the vendor's. IT SPENDS
// MONEY unless that is a sandbox:
//
//     sastaotp-sandbox --port 8080 &
//     SASTAOTP_API_KEY=any SASTAOTP_BASE_URL=http://127.0.0.1:8080/stubs/handler_api.php
//     ./quickstart

#include <sastaotp.hpp>

#ifdef _WIN32
#include <io.h>
#else
#include <unistd.h>
#endif

#include <exception>
#include <iostream>
#include <optional>
#include <stdexcept>

namespace {

/// Waits for a code for at most five minutes and shows the progress: in one line on a terminal,
/// otherwise in a new line every ten seconds. The library still polls only every five seconds.
sastaotp::sms wait_with_progress(const sastaotp::activation_view &number) {
    using namespace std::chrono_literals;
    constexpr int max_seconds = 300;
    #ifdef _WIN32
    const bool terminal = _isatty(1) != 0;
#else
    const bool terminal = isatty(STDOUT_FILENO) == 1;
#endif
    std::optional<sastaotp::sms> sms;
    for (int second = 0; second < max_seconds && !sms; ++second) {
        if (terminal || second % 10 == 0) {
            std::cout << (terminal ? "\r" : "") << "waiting   " << second << " s, "
                      << max_seconds - second << " s left" << (terminal ? " " : "\n") << std::flush;
        }
        sms = number.try_wait_for_code(1s);
    }
    if (terminal) std::cout << "\n";
    return sms ? std::move(*sms) : number.wait_for_code(1s);  // throws if still no code arrived
}

const char *describe(sastaotp::settled state) {
    switch (state) {
        case sastaotp::settled::completed: return "completed";
        case sastaotp::settled::cancelled: return "cancelled";
        case sastaotp::settled::code_arrived: return "code arrived";
        case sastaotp::settled::already_over: return "already over";
        default: return "unknown state of a newer library";
    }
}

void run() {
    auto client = sastaotp::client::from_env();
    std::cout << "balance   " << client.get_balance() << "\n";

    // 22 is India: the service's country codes are not calling codes.
    auto prices = client.get_prices("tg", "22");
    auto entry = prices.find("22", "tg");
    auto price = entry ? entry->price() : std::nullopt;
    if (!price) throw std::runtime_error("tg is not sold in country 22");
    std::cout << "price     " << *price << "\n";

    auto limit = *price + sastaotp::amount::from_rupees(5);
    auto number = client.lease(sastaotp::number_request("tg").country("22").max_price(limit));
    std::cout << "number    " << number->phone_number().value_or("unknown") << "\n";

    auto sms = wait_with_progress(number.activation());
    std::cout << "code      " << sms.code() << "\n";
    std::cout << "SMS       " << sms.text().value_or("the service gave no text") << "\n";

    std::cout << "settled   " << describe(number.close(sastaotp::on_too_early::wait).state())
              << "\n";
    std::cout << "balance   " << client.get_balance() << "\n";
}

}  // namespace

int main() {
    try {
        run();
        return 0;
    } catch (const sastaotp::outcome_unknown &unknown) {
        std::cerr
            << "quickstart: money may have been charged, so reconcile before you run it again: "
            << unknown.what() << "\n";
    } catch (const std::exception &error) {
        std::cerr << "quickstart: " << error.what() << "\n";
    }
    return 1;
}
