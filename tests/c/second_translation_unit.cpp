// A second translation unit that includes the header: its definitions must equal the first's.

#include <sastaotp.hpp>

sastaotp::amount balance_read_in_second_unit(const sastaotp::client &client);

sastaotp::amount balance_read_in_second_unit(const sastaotp::client &client) {
    try {
        (void)client.activation(" not an id");
    } catch (const sastaotp::error &) {
        return client.get_balance();
    }
    return {};
}
