// Buys a number, waits for its code, completes the order.
//
// SASTAOTP_API_KEY is the account, SASTAOTP_BASE_URL another server than the vendor's. IT SPENDS MONEY, unless that is
// a sandbox:
//
//     sastaotp-sandbox --port 8080 &
//     SASTAOTP_API_KEY=any SASTAOTP_BASE_URL=http://127.0.0.1:8080/stubs/handler_api.php ./quickstart

#include <sastaotp.hpp>

#include <unistd.h>

#include <exception>
#include <iostream>
#include <optional>
#include <stdexcept>

namespace {

/// Waits for a code, five minutes at most, and shows how it goes: in one line on a terminal, elsewhere in a line every ten
/// seconds. The service is still asked only every five.
sastaotp::sms wait(const sastaotp::activation_view &number) {
    using namespace std::chrono_literals;
    constexpr int longest = 300;
    const bool terminal = isatty(STDOUT_FILENO) == 1;
    std::optional<sastaotp::sms> sms;
    for (int second = 0; second < longest && !sms; ++second) {
        if (terminal || second % 10 == 0) {
            std::cout << (terminal ? "\r" : "") << "waiting   " << second << " s, " << longest - second << " s left"
                      << (terminal ? " " : "\n") << std::flush;
        }
        sms = number.try_wait_for_code(1s);
    }
    if (terminal) std::cout << "\n";
    return sms ? std::move(*sms) : number.wait_for_code(1s);  // throws, if it comes to that
}

const char *word(sastaotp::settled state) {
    switch (state) {
        case sastaotp::settled::completed: return "completed";
        case sastaotp::settled::cancelled: return "cancelled";
        case sastaotp::settled::code_arrived: return "code arrived";
        case sastaotp::settled::already_over: return "already over";
        default: return "in a way that only a newer library knows";
    }
}

void run() {
    auto client = sastaotp::client::from_env();
    std::cout << "balance   " << client.get_balance().amount() << "\n";

    // 22 is India: country codes of this service are not calling codes.
    auto prices = client.get_prices("tg", "22");
    auto entry = prices.find("22", "tg");
    auto price = entry ? entry->cost() : std::nullopt;
    if (!price) throw std::runtime_error("tg is not sold in country 22");
    std::cout << "price     " << *price << "\n";

    auto most = *price + sastaotp::amount::from_rupees(5);
    auto number = client.lease(sastaotp::number_request("tg").country("22").max_price(most));
    std::cout << "number    " << number->phone_number().value_or("unknown") << "\n";

    auto sms = wait(number.activation());
    std::cout << "code      " << sms.code() << "\n";
    std::cout << "SMS       " << sms.text().value_or("the service gave no text") << "\n";

    std::cout << "settled   " << word(number.close(sastaotp::early_cancel::wait_out).state()) << "\n";
    std::cout << "balance   " << client.get_balance().amount() << "\n";
}

}  // namespace

int main() {
    try {
        run();
        return 0;
    } catch (const sastaotp::outcome_unknown &lost) {
        std::cerr << "quickstart: money may be gone, so do not simply run it again: " << lost.what() << "\n";
    } catch (const std::exception &error) {
        std::cerr << "quickstart: " << error.what() << "\n";
    }
    return 1;
}
