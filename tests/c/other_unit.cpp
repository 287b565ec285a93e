// A second unit that includes the header: what it defines must be the same as in the first.

#include <sastaotp.hpp>

sastaotp::amount balance_seen_elsewhere(const sastaotp::client &client);

sastaotp::amount balance_seen_elsewhere(const sastaotp::client &client) {
    try {
        client.activation("not an id");
    } catch (const sastaotp::error &) {
        return client.get_balance().amount();
    }
    return {};
}
