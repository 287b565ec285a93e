// The checks, accounts and requests that the C++ tests share.

#ifndef CPP_CHECK_HPP
#define CPP_CHECK_HPP

#include <sastaotp.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>

namespace check {

inline void holds_at(const char *file, int line, bool holds, const std::string &what) {
    if (holds) return;
    std::fprintf(stderr, "%s:%d: %s\n", file, line, what.c_str());
    std::exit(1);
}

/// Makes a call that must fail and returns its error.
template <class Call>
sastaotp::error failure_at(const char *file, int line, sastaotp::status expected, Call call) {
    try {
        call();
    } catch (const sastaotp::error &error) {
        holds_at(file, line, error.status() == expected,
                 std::string("a different failure: ") + error.what());
        return error;
    }
    holds_at(file, line, false, "it did not fail");
    std::abort();
}

inline std::string url;  // the sandbox's
inline std::string run;  // the prefix of this run's API keys; each key has its own account

/// The settings of an account that no other test uses.
inline sastaotp::config account(const std::string &name) {
    return sastaotp::config().api_key(run + name).base_url(url);
}

inline const auto eighty = sastaotp::amount::from_rupees(80);

inline sastaotp::number_request request(std::string_view service) {
    return sastaotp::number_request(service).country("22").max_price(eighty);
}

/// Returns the number of the account's orders with a status.
inline std::ptrdiff_t count(const sastaotp::client &of, std::string_view state) {
    auto history = of.orders(state);
    return std::distance(history.begin(), history.end());
}

/// Runs the tests of a program whose argument is the URL of a sandbox.
inline int main_of(const char *name, int argc, char **argv, void (*tests)()) {
    if (argc != 2) {
        std::fprintf(stderr,
                     "%s: no URL: pass the one that sastaotp-sandbox prints after SASTAOTP_URL=\n",
                     name);
        return 2;
    }
    url = argv[1];
    const auto now = std::chrono::system_clock::now().time_since_epoch().count();
    run = name + std::to_string(now);
    try {
        tests();
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s: unexpected exception: %s\n", name, error.what());
        return 1;
    }
    std::printf("%s: all checks pass\n", name);
    return 0;
}

}  // namespace check

#define CHECK(condition) \
    check::holds_at(__FILE__, __LINE__, static_cast<bool>(condition), #condition)
#define FAILURE(expected, call) \
    check::failure_at(__FILE__, __LINE__, expected, [&] { (void)(call); })

#endif
