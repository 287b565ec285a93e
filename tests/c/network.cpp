// The same program as network.c, in C++.

#include <iostream>
#include <map>

#include "cpp_check.hpp"

namespace {

using settings = std::map<std::string, std::string>;

sastaotp::config config_of(const settings &given) {
    sastaotp::config config;
    for (const auto &[name, value] : given) {
        if (name == "api_key") {
            config.api_key(value);
        } else if (name == "base_url") {
            config.base_url(value);
        } else if (name == "proxy") {
            config.proxy(value);
        } else if (name == "ca_pem") {
            config.ca_pem(value);
        } else {
            CHECK(name == "roots" && (value == "system" || value == "both"));
            config.roots(value == "both" ? sastaotp::roots::both : sastaotp::roots::system);
        }
    }
    return config;
}

void run(const std::string &operation, const settings &given) {
    using namespace std::chrono_literals;
    const sastaotp::client client(config_of(given));
    if (operation == "buy") {
        const auto number = client.get_number(
            sastaotp::number_request("zz_ok").country("22").max_price(
                sastaotp::amount::from_rupees(100)));
        const auto sms = number.wait_for_code(5min);
        (void)number.complete();
        std::cout << "ok " << sms.code() << "\n";
    } else if (operation == "balance") {
        const auto balance = client.get_balance();
        std::cout << "ok " << balance << "\n";
    } else {
        CHECK(operation == "create");
        std::cout << "ok created\n";
    }
}

const char *name_of(sastaotp::charge charge) {
    switch (charge) {
        case sastaotp::charge::none: return "not_charged";
        case sastaotp::charge::made: return "charged";
        default: return "unknown";
    }
}

}  // namespace

int main(int count, char **arguments) {
    CHECK(count > 1);
    settings given;
    for (int at = 2; at < count; ++at) {
        const std::string argument(arguments[at]);
        const auto end = argument.find('=');
        CHECK(end != std::string::npos);
        given.emplace(argument.substr(0, end), argument.substr(end + 1));
    }
    try {
        const sastaotp::logger log(sastaotp::log_level::trace, [](auto, auto message) {
            std::cerr << "log " << message << "\n";
        });
        run(arguments[1], given);
    } catch (const sastaotp::error &error) {
        std::cout << name(error.status()) << " " << name_of(error.charge()) << "\n"
                  << error.what() << "\n" << error.json() << "\n";
    }
}
