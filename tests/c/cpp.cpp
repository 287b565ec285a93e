// Tests the C++17 header against a sandbox: `cpp http://127.0.0.1:PORT/stubs/handler_api.php`. It
// takes half a minute. tests/c/headers builds and runs it.

#include <sastaotp.hpp>

#include "cpp_check.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__cpp_lib_ranges)
#include <ranges>
#endif

using namespace std::chrono_literals;
using check::account, check::count, check::eighty, check::request, check::run, check::url;
using sastaotp::amount;
using sastaotp::client;
using sastaotp::number_request;
using sastaotp::status;
using std::string_view;

// In second_translation_unit.cpp.
sastaotp::amount balance_read_in_second_unit(const sastaotp::client &client);

namespace {

// An owner cannot be copied by mistake, moving does not throw, and copying an exception does not
// throw.
template <class Owner>
constexpr bool owns =
    !std::is_copy_constructible_v<Owner> && !std::is_copy_assignable_v<Owner> &&
    std::is_nothrow_move_constructible_v<Owner> && std::is_nothrow_move_assignable_v<Owner> &&
    std::is_nothrow_destructible_v<Owner>;
static_assert(owns<client> && owns<sastaotp::cancel_token> && owns<sastaotp::services>);
static_assert(owns<sastaotp::prices> && owns<sastaotp::countries> && owns<sastaotp::orders> &&
              owns<sastaotp::order>);
static_assert(owns<sastaotp::order_history> && owns<sastaotp::sms> &&
              owns<sastaotp::activation_status>);
static_assert(owns<sastaotp::settlement> && owns<sastaotp::activation> && owns<sastaotp::lease>);
static_assert(owns<sastaotp::intent> && owns<sastaotp::reconciliation>);
static_assert(owns<sastaotp::unclaimed_list> && owns<sastaotp::settled_leases>);
static_assert(owns<sastaotp::queue> && owns<sastaotp::completion>);
static_assert(!std::is_copy_constructible_v<sastaotp::logger> &&
              !std::is_move_constructible_v<sastaotp::logger>);
template <class Builder>
constexpr bool copies =
    std::is_copy_constructible_v<Builder> && std::is_copy_assignable_v<Builder> &&
    std::is_nothrow_move_constructible_v<Builder>;
static_assert(copies<sastaotp::config> && copies<number_request> && copies<sastaotp::wait_options>);
static_assert(!std::is_convertible_v<std::uint64_t, sastaotp::ticket>);
static_assert(std::is_nothrow_copy_constructible_v<sastaotp::error>);
static_assert(std::is_nothrow_copy_assignable_v<sastaotp::outcome_unknown>);
static_assert(std::is_trivially_copyable_v<sastaotp::sms_view> &&
              std::is_trivially_copyable_v<sastaotp::price_entry>);
static_assert(std::is_same_v<std::underlying_type_t<status>, std::int32_t>);
// The class of a status that the header does not know.
static_assert(class_of(status(299)) == sastaotp::status_class::refused &&
              class_of(status::ok) == sastaotp::status_class::ok &&
              class_of(status::timeout) == sastaotp::status_class::transport &&
              class_of(status::wait_timeout) == sastaotp::status_class::no_code &&
              class_of(status::internal) == sastaotp::status_class::internal);
template <status... Values>
constexpr bool classes_are_those_of_c =
    ((sastaotp::detail::to_c(class_of(Values)) ==
      SASTAOTP_STATUS_CLASS(sastaotp::detail::to_c(Values))) && ...);
static_assert(classes_are_those_of_c<status::ok, status::config, status::cancelled,
                                     status::authentication, status::blocked, status::server,
                                     status::timeout, status::wait_timeout, status::internal,
                                     status(199), status(-1), status(INT32_MAX)>);
static_assert(int(sastaotp::charge()) == int(sastaotp::charge::unknown));
static_assert(!std::is_convertible_v<double, amount> &&
              !std::is_convertible_v<std::int64_t, amount>);
template <class Number, class = void>
constexpr bool makes_rupees = false;
template <class Number>
constexpr bool makes_rupees<Number, std::void_t<decltype(amount::from_rupees(Number()))>> = true;
static_assert(makes_rupees<int> && makes_rupees<std::int64_t> && makes_rupees<unsigned> &&
              !makes_rupees<double>);
static_assert(amount::from_rupees(18) + amount::from_micros(500000) ==
              amount::from_micros(18500000));

// A duration of any unit keeps its milliseconds; one that C cannot represent becomes the longest,
// not the remainder.
constexpr bool lasts(sastaotp::detail::duration time, std::uint32_t millis) {
    return time.millis() == millis;
}
static_assert(lasts(5s, 5000) && lasts(1h, 3600000) && lasts(1999us, 1) && lasts(0.25s, 250) &&
              lasts(-1h, 0));
static_assert(lasts(std::chrono::milliseconds(UINT32_MAX), UINT32_MAX) &&
              lasts(4294967294ms, UINT32_MAX - 1));
static_assert(lasts(std::chrono::duration<std::int8_t>(100), 100000) && lasts(1193h, 4294800000));
static_assert(lasts(std::chrono::milliseconds::max(), UINT32_MAX) &&
              lasts(std::chrono::seconds::max(), UINT32_MAX));
static_assert(lasts(std::chrono::minutes::max(), UINT32_MAX) &&
              lasts(std::chrono::hours::max(), UINT32_MAX));
static_assert(lasts(std::chrono::hours::min(), 0) &&
              lasts(std::chrono::nanoseconds::max(), UINT32_MAX));
using real_seconds = std::chrono::duration<double>;
static_assert(lasts(real_seconds(HUGE_VAL), UINT32_MAX) && lasts(real_seconds(-HUGE_VAL), 0));

#if defined(__cpp_lib_ranges)
static_assert(std::ranges::random_access_range<sastaotp::prices> &&
              std::ranges::sized_range<sastaotp::countries>);
static_assert(std::ranges::random_access_range<sastaotp::reconciliation>);
static_assert(std::ranges::input_range<sastaotp::order_history>);
#endif

void amounts() {
    CHECK(amount::from_micros(18500000).to_string() == "18.50");
    CHECK(amount::parse("18.5") == amount::from_micros(18500000) &&
          amount::parse("-0.000001").micros() == -1);
    CHECK(amount::from_micros(18490001).to_string() == "18.490001");
    CHECK(amount::from_micros(18123400).to_string() == "18.1234");
    CHECK(amount().to_string() == "0.00" && amount::from_micros(7).to_string() == "0.000007");
    CHECK(amount::from_micros(-500000).to_string() == "-0.50" &&
          amount::from_rupees(-3).to_string() == "-3.00");
    const auto least = amount::from_micros(INT64_MIN), most = amount::from_micros(INT64_MAX);
    CHECK(least.to_string() == "-9223372036854.775808" &&
          most.to_string() == "9223372036854.775807");
    std::ostringstream shown;
    shown << amount::from_micros(18500000);
    CHECK(shown.str() == "18.50");

    const auto one = amount::from_rupees(1), two = amount::from_rupees(2);
    CHECK(one < two && one <= two && two > one && two >= one && one != two && one + one == two &&
          two - one == one);
    CHECK(least - amount() == least && most + least == amount::from_micros(-1));
    int overflows = 0;
    for (int which = 0; which < 5; ++which) {
        try {
            switch (which) {
                case 0: (void)(most + one); break;
                case 1: (void)(least - one); break;
                case 2: (void)(least + least); break;
                case 3: (void)(most - least); break;
                default: (void)amount::from_rupees(INT64_MAX / 1000000 + 1);
            }
        } catch (const std::overflow_error &) {
            ++overflows;
        }
    }
    CHECK(overflows == 5);
}

void names() {
    CHECK(!sastaotp::version().empty() && sastaotp::abi_version() == SASTAOTP_ABI_VERSION);
    CHECK(name(status::no_numbers) == "SASTAOTP_ERROR_NO_NUMBERS" && name(status(9999)).empty());
}

void settings() {
    auto refused = FAILURE(status::config, client(sastaotp::config()));
    CHECK(string_view(refused.what()).find("API key") != string_view::npos &&
          refused.message() == refused.what());
    CHECK(refused.status_class() == sastaotp::status_class::caller);
    CHECK(!refused.code() && !refused.http_status() && !refused.raw() && !refused.intent() &&
          !refused.retry_after());
    CHECK(refused.phase() == sastaotp::phase::prepare &&
          refused.charge() == sastaotp::charge::none);
    CHECK(refused.retry() == sastaotp::retry::never && !refused.fault());
    CHECK(refused.json().find("\"kind\":\"config\"") != string_view::npos);

    // Every setting, on an object and on a temporary.
    sastaotp::config settings;
    settings.api_key("k")
        .api_key_location(sastaotp::api_key_location::bearer)
        .base_url(url)
        .user_agent("cpp/1")
        .max_connections(2);
    settings.budget(eighty).timeout(20s);
    CHECK(client(settings).budget_left() == eighty && client(settings).get_balance() > amount());
    // A copy is separate.
    const auto copy = settings;
    settings.budget(eighty + eighty);
    CHECK(client(copy).budget_left() == eighty && client(settings).budget_left() > eighty);
    CHECK(client(account("query")
                     .api_key_location(sastaotp::api_key_location::query)
                     .user_agent("cpp/1")
                     .max_connections(1)
                     .timeout(9s))
              .get_balance() > amount());
    CHECK(!client(account("query")).budget_left());
    FAILURE(status::config, client(account("pem").ca_pem("no certificate")));
    FAILURE(status::config, client(settings.ca_pem("no certificate")));
    CHECK(client(account("direct").proxy("direct").roots(sastaotp::roots::both)).get_balance() >
          amount());
    const client unreachable(account("proxy").proxy("socks5://u:p@127.0.0.1:1"));
    FAILURE(status::connection, unreachable.get_number(request("zz_ok")));
    FAILURE(status::config, client(account("proxy").proxy("socks4://127.0.0.1")));
    FAILURE(status::config, client(account("roots").roots(sastaotp::roots(77))));
    FAILURE(status::config,
            client(account("none").api_key_location(sastaotp::api_key_location(77))));
    FAILURE(status::config, client(account("none").max_requests_per_minute(60000001)));
    CHECK(client(account("zero").max_connections(0).max_requests_per_minute(0)).get_balance() >
          amount());
    // A timeout of zero is not the default.
    CHECK(account("zero").timeout(-1h).c_struct().timeout_ms == 1 &&
          account("zero").late_booking(0s).c_struct().late_booking_ms == 1);
    CHECK(client(account("late").late_booking(1min)).get_balance() > amount());
    const auto begun = std::chrono::steady_clock::now();
    const client slow(account("slow").max_requests_per_minute(600));
    for (int read = 0; read < 4; ++read) CHECK(slow.get_balance() > amount());
    CHECK(std::chrono::steady_clock::now() - begun >= 300ms);

    // The journal. There are no leases of an ended process.
    char folder[] = "/tmp/sastaotp-cpp-XXXXXX";
    CHECK(mkdtemp(folder) != nullptr);
    const auto journaled = [&](string_view path) {
        return account("journal").journal(path).durability(sastaotp::durability::process);
    };
    {
        const client kept(journaled(folder).journal_on_network(true));
        const auto leases = kept.settle_leftover_leases(sastaotp::on_too_early::fail);
        CHECK(leases.empty() && leases.json() == "{\"leases\":[]}");
        const auto none = leases[0];
        CHECK(none.unclaimed().message().empty() && !none.settlement() && !none.error());
        FAILURE(status::journal, client(journaled("/dev/null")));
    }
    FAILURE(status::journal, client(account("file").journal("/dev/null/journal")));
    FAILURE(status::config, account("empty").journal(string_view("a\0b", 3)));
    FAILURE(status::config, client(account("empty").journal("")));
    FAILURE(status::config,
            client(account("durability").journal(folder).durability(sastaotp::durability(77))));
    std::filesystem::remove_all(folder);

    // The environment.
    setenv("SASTAOTP_API_KEY", (run + "env").c_str(), 1);
    setenv("SASTAOTP_BASE_URL", url.c_str(), 1);
    CHECK(client::from_env().get_balance() > amount());
    CHECK(client(sastaotp::config().from_env().budget(eighty)).budget_left() == eighty);
    sastaotp::config partly;
    partly.from_env().api_key("sandbox_bad");
    FAILURE(status::authentication, client(partly).get_balance());
    setenv("SASTAOTP_API_KEY", "", 1);
    FAILURE(status::config, client::from_env());
    FAILURE(status::config, client(sastaotp::config().from_env()));

    FAILURE(status::authentication,
            client(sastaotp::config().api_key("sandbox_bad").base_url(url)).get_balance());
}

void texts() {
    const client shop(account("texts"));
    // A text without a NUL at its end, and one with a NUL within it.
    const string_view longer = "22 and more";
    CHECK(shop.get_prices("tg", longer.substr(0, 2)).find(longer.substr(0, 2), "tg"));
    const string_view cut("22\0", 3);
    auto refused = FAILURE(status::config, number_request("tg").country(cut));
    CHECK(string_view(refused.what()).find("country contains a NUL") != string_view::npos);
    CHECK(refused.json().empty() && refused.hint().empty() && refused.message() == refused.what());
    CHECK(refused.charge() == sastaotp::charge::none && !refused.intent());
    FAILURE(status::config, number_request(cut));
    FAILURE(status::config, shop.activation(cut));
    FAILURE(status::config, shop.get_prices(std::nullopt, cut));
    FAILURE(status::config, shop.get_prices("tg").find(cut, "tg"));
    FAILURE(status::config, sastaotp::config().api_key(cut));
    FAILURE(status::config, shop.get_countries("\xff\xfe"));
    // A PEM text is bytes with a length, so a NUL is allowed.
    FAILURE(status::config, client(account("texts").ca_pem(cut)));
}

/// Receives messages from any thread.
struct messages {
    sastaotp::logger::function receiver() {
        return [this](sastaotp::log_level level, string_view message) {
            CHECK(level >= sastaotp::log_level::error && level <= sastaotp::log_level::trace);
            const std::lock_guard<std::mutex> guard(lock);
            text += message;
            ++count;
        };
    }

    std::mutex lock;
    std::string text;
    std::atomic<int> count{0};
};

void logs() {
    const client shop(account("log"));
    messages first, second;
    {
        const sastaotp::logger log(sastaotp::log_level::trace, first.receiver());
        CHECK(shop.get_balance() > amount());
    }
    CHECK(first.count > 0 && first.text.find(run) == std::string::npos);  // no API key

    // A second logger replaces the first, whose end does not end the second.
    auto latest = std::make_unique<sastaotp::logger>(sastaotp::log_level::trace, first.receiver());
    latest = std::make_unique<sastaotp::logger>(sastaotp::log_level::trace, second.receiver());
    const int replaced = first.count;
    CHECK(shop.get_balance() > amount());
    latest.reset();
    CHECK(first.count == replaced && second.count > 0);
    const int received = second.count;
    CHECK(shop.get_balance() > amount() && second.count == received);
    FAILURE(status::config, sastaotp::logger(sastaotp::log_level(99), first.receiver()));

    // An exception is dropped.
    std::atomic<int> thrown{0};
    {
        const sastaotp::logger log(sastaotp::log_level::trace, [&](auto, auto) {
            ++thrown;
            throw std::runtime_error("of the function");
        });
        CHECK(shop.get_balance() > amount());
    }
    CHECK(thrown > 0);

    // The destructor waits for the calls of the function.
    std::atomic<bool> ended{false};
    std::thread reader([&] {
        while (!ended) (void)shop.get_balance();
    });
    for (int round = 0; round < 50; ++round) {
        auto counts = std::make_unique<messages>();
        const sastaotp::logger log(sastaotp::log_level::trace, counts->receiver());
        while (counts->count == 0) std::this_thread::yield();
    }
    ended = true;
    reader.join();
}

void catalogue() {
    const client shop(account("catalogue"));
    CHECK(shop.get_balance() == amount::from_rupees(1000));
    CHECK(balance_read_in_second_unit(shop) == shop.get_balance());

    const auto all = shop.get_services();
    CHECK(!all.empty() && all.json().substr(0, 1) == "{");
    const auto found =
        std::find_if(all.begin(), all.end(), [](auto service) { return service.code() == "tg"; });
    CHECK(found != all.end() && found->name() == "Telegram" && found->price() &&
          found->available());
    CHECK(all[all.size()].code().empty() && !all[all.size()].price() &&
          all[all.size()].offers().empty());
    const auto telegram = shop.get_services("tg");
    CHECK(telegram.size() == 1 && telegram[0].code() == "tg" &&
          telegram[0].expires_in().value_or(1s) > 0s);
    (void)telegram[0].multi_sms();
    const auto offers = telegram[0].offers();
    const auto india = std::find_if(offers.begin(), offers.end(),
                                    [](auto offer) { return offer.country() == "22"; });
    CHECK(india != offers.end() && india->country_name() == "India" && india->price() &&
          india->available());

    const std::vector<std::string> wanted{"22", "0"};
    const auto listed =
        shop.get_offers(sastaotp::offer_query("fb").countries(wanted).min_available(1));
    CHECK(listed.size() == 2 && listed.cheapest() && listed.json().substr(0, 1) == "{");
    CHECK(listed.cheapest()->price() <= listed[1].price() && !listed[0].operator_());
    const auto within = shop.get_offers(sastaotp::offer_query("tg")
                                            .countries({"22"})
                                            .min_price(amount::from_rupees(1000))
                                            .max_price(amount::from_rupees(2000)));
    CHECK(within.empty() && !within.cheapest());
    const auto offered = shop.get_number(sastaotp::number_request("fb").offers(listed));
    CHECK(offered.purchase() && offered.purchase()->attempts().size() == 1);
    const auto attempt = offered.purchase()->attempts()[0];
    CHECK(attempt.country() == listed[0].country() && attempt.price() == listed[0].price());
    CHECK(!attempt.operator_() && !attempt.refused());

    const auto prices = shop.get_prices("tg", "22");
    const auto price = prices.find("22", "tg");
    CHECK(price && price->price() == india->price() && price->country() == "22" &&
          price->service() == "tg");
    CHECK(price->available() && !prices.find("22", "none") && prices.json().substr(0, 1) == "{");
    CHECK(!prices[prices.size()].price() && prices[prices.size()].country().empty());

    // Standard algorithms over the whole table.
    const auto table = shop.get_prices();
    CHECK(table.size() > prices.size() &&
          table.end() - table.begin() == static_cast<std::ptrdiff_t>(table.size()));
    const auto cheaper = [](sastaotp::price_entry a, sastaotp::price_entry b) {
        return a.price() < b.price();
    };
    const auto cheapest = std::min_element(table.begin(), table.end(), cheaper);
    CHECK(std::all_of(table.begin(), table.end(),
                      [&](auto row) { return !cheaper(row, *cheapest); }));
    std::vector<sastaotp::price_entry> rows(table.begin(), table.end());
    std::sort(rows.begin(), rows.end(), cheaper);
    CHECK(rows.size() == table.size() && rows.front().price() == cheapest->price());
    const auto dear = std::lower_bound(rows.begin(), rows.end(), amount::from_rupees(50),
                                       [](auto row, amount limit) { return row.price() < limit; });
    CHECK(dear == rows.end() || dear->price() >= amount::from_rupees(50));
    std::size_t counted = 0;
    for (const auto row : table) counted += !row.service().empty();
    CHECK(counted == table.size());

    const auto countries = shop.get_countries();
    CHECK(std::is_sorted(countries.begin(), countries.end(), [](auto, auto) { return false; }));
    auto at = countries.begin();
    CHECK(at == countries.end() - static_cast<std::ptrdiff_t>(countries.size()) &&
          (at + 1)[0].code() == at[1].code());
    CHECK(at++ == countries.begin() && at-- == 1 + countries.begin() && at < countries.end() &&
          at <= at);
    CHECK(countries.end() > at && at >= at && ++at != countries.begin() &&
          --at == countries.begin());
    at += 1, at -= 1;
    CHECK(at->code() == countries[0].code() &&
          sastaotp::countries::iterator() == sastaotp::countries::iterator());
    CHECK(countries.json().substr(0, 1) == "{");
    const auto named = shop.get_countries("india");
    CHECK(named.size() == 1 && named[0].code() == "22" && named[0].name() == "India" &&
          named[0].is_visible());
    CHECK(shop.get_countries("Atlantis").empty());
}

void several_countries() {
    const client shop(account("countries"));
    auto wanted = sastaotp::number_request("zz_ok")
                      .countries({"9999", "22"})
                      .max_price(amount::from_rupees(100))
                      .patience(1min)
                      .parameter("ref", "7")
                      .parameters({{"providerIds", "1,2"}});
    const auto copy = wanted;  // has its own arrays
    wanted = sastaotp::number_request("zz_ok");
    const auto number = shop.get_number(copy);
    const auto attempts = number.purchase()->attempts();
    CHECK(attempts.size() == 2 && attempts[0].country() == "9999" &&
          attempts[0].refused() == "SERVICE_UNAVAILABLE" && !attempts[1].refused());
    const std::vector<string_view> nowhere{"9999"};
    try {
        (void)shop.get_number(sastaotp::number_request("zz_ok").countries(nowhere).max_price(
            amount::from_rupees(100)));
        CHECK(!"it must throw");
    } catch (const sastaotp::error &error) {
        CHECK(error.status() == status::service_unavailable && error.attempts().size() == 1);
    }
    try {
        (void)shop.get_number(sastaotp::number_request("zz_ok")
                                  .country("22")
                                  .min_price(amount::from_rupees(99))
                                  .max_price(amount::from_rupees(100)));
        CHECK(!"it must throw");
    } catch (const sastaotp::error &error) {
        CHECK(error.attempts()[0].refused() == "skipped: listed at 10.00");
    }
}

void one_number() {
    const client shop(account("number").budget(amount::from_rupees(100)));
    const auto before = shop.get_balance();
    const auto number = shop.get_number(request("zz_ok").multi_sms());
    const auto price = number.price();
    CHECK(price && *price > amount() && !number.id().empty() && number.phone_number());
    CHECK(number.expires_at() > std::chrono::system_clock::now());
    CHECK(shop.budget_left() == amount::from_rupees(100) - *price);
    CHECK(shop.get_balance() == before - *price);

    const auto purchase = number.purchase();
    CHECK(purchase && purchase->activation_id() == number.id() &&
          purchase->phone_number() == number.phone_number());
    CHECK(purchase->price() == price &&
          purchase->json().find("activation_id") != string_view::npos);
    CHECK(purchase->expires_in() == 20min && purchase->service() == "zz_ok");
    CHECK(purchase->country() == "22" && purchase->order_id() && purchase->multi_sms());
    const auto warnings = purchase->warnings();
    CHECK(warnings.empty() && std::count(warnings.begin(), warnings.end(), "a warning") == 0);
    CHECK(number.warnings().empty());
    (void)purchase->service_name(), (void)purchase->note();

    CHECK(number.sms_count() == 0 && number.sms_list().empty() && !number.sms(0));
    CHECK(number.ending() == sastaotp::ending::none);
    number.mark_sms_sent();
    CHECK(number.get_status().kind() == sastaotp::status_kind::waiting);
    // Shows progress: waits one second at a time, without an exception for each.
    std::optional<sastaotp::sms> sms;
    int seconds = 0;
    while (!sms && ++seconds < 30) sms = number.try_wait_for_code(1s);
    CHECK(sms && !sms->code().empty() && sms->text() && !sms->is_repeat() &&
          sms->json().front() == '{');
    (void)sms->sender();
    const sastaotp::sms_view view = *sms;
    CHECK(view.code() == sms->code());
    // The texts of an sms stay valid after the message is destroyed.
    const auto kept = number.wait_for_code(1s).code();
    const auto kept_text =
        number.try_wait_for_code(1s, sastaotp::wait_options().interval(6s))->text();
    const auto kept_json = number.sms_list()[0].json(), kept_code = number.sms(0)->code();
    const auto kept_sender = number.sms(number.sms_count() - 1)->sender();
    CHECK(kept == sms->code() && kept_text == sms->text() && kept_json == sms->json() &&
          kept_code == kept && kept_sender == sms->sender());
    CHECK(view.text()->size() == sms->text()->size());
    CHECK(number.sms_count() == 1 && number.sms_list().size() == 1 && !number.sms(1));
    const auto state = number.get_status();
    CHECK(state.kind() == sastaotp::status_kind::received && state.sms()->code() == kept &&
          !state.text() && state.json().front() == '{');

    const auto settlement = number.complete();
    CHECK(settlement.state() == sastaotp::settled::completed &&
          settlement.json().front() == '{');
    CHECK(number.ending() == sastaotp::ending::completed &&
          settlement.sms().value_or(view).code() == kept);
    // The budget does not cover a second number.
    auto refused =
        FAILURE(status::budget, shop.get_number(request("tg").max_price(eighty + eighty)));
    CHECK(refused.charge() == sastaotp::charge::none);
    CHECK(count(shop, "completed") == 1);

    CHECK(shop.get_balance() == before - *price &&
          shop.budget_left() == amount::from_rupees(100) - *price);
}

void two_codes() {
    const client shop(account("multi"));
    const auto number = shop.get_number(request("zz_multi").multi_sms());
    const auto first = number.wait_for_code(30s);
    number.request_next_code();
    CHECK(number.sms_count() == 1);
    const auto options =
        sastaotp::wait_options().accept_same_code().cancel_on_timeout().interval(5s);
    const auto second = number.try_wait_for_code(30s, options);
    CHECK(second && second->code() != first.code() && number.sms_count() == 2);
    CHECK(number.sms(0)->code() == first.code() && number.sms(1)->code() == second->code());
    CHECK(number.settle(sastaotp::on_too_early::fail).state() ==
          sastaotp::settled::completed);

    // Buys the same number again.
    const auto price = *number.price();
    const std::string id(number.id());
    FAILURE(status::price_too_high, shop.reget_number(id, price - amount::from_micros(1)));
    FAILURE(status::price_too_high, shop.reget_number(id, amount::from_rupees(1)));
    auto again = shop.reget_number(id, price);
    CHECK(again.id() != number.id() && again.phone_number() == number.phone_number());
    CHECK(again.price() == number.price());
    // The code arrives with the first poll, which a cancellation makes before it is sent.
    CHECK(again.settle(sastaotp::on_too_early::wait).state() ==
          sastaotp::settled::completed);
    auto other = shop.reget_number(id, sastaotp::any_price);
    const auto settled = other.cancel();
    CHECK(settled.state() == sastaotp::settled::code_arrived && settled.sms());
    CHECK(other.ending() == sastaotp::ending::none);
    CHECK(other.complete().state() == sastaotp::settled::completed);
    CHECK(other.ending() == sastaotp::ending::completed);

    // An activation that is claimed by its id.
    const auto silent = shop.get_number(request("zz_never"));
    const auto same = shop.activation(silent.id());
    CHECK(same.id() == silent.id() && same.phone_number() == silent.phone_number() &&
          same.expires_at() == silent.expires_at() && same.price() == silent.price());
    const auto foreign = shop.activation("424242");
    CHECK(!foreign.phone_number() && !foreign.purchase() && !foreign.price() &&
          foreign.warnings().empty());
    CHECK(!same.try_wait_for_code(0s));
    FAILURE(status::wait_timeout, same.wait_for_code(-5s));
    FAILURE(status::wait_timeout,
            same.wait_for_code(1s, sastaotp::wait_options().cancel_on_timeout()));
    CHECK(same.ending() == sastaotp::ending::cancelled);
    CHECK(lasts(real_seconds(std::nan("")), 0) && lasts(real_seconds(1e308), UINT32_MAX));
    // The longest wait is not a wait of zero, and does not cancel.
    const auto patient = shop.get_number(request("zz_ok"));
    const auto cancelling =
        sastaotp::wait_options().interval(std::chrono::hours::min()).cancel_on_timeout();
    CHECK(!patient.wait_for_code(std::chrono::seconds::max(), cancelling).code().empty());
    CHECK(patient.complete().state() == sastaotp::settled::completed);
    FAILURE(status::already_finished, silent.cancel());
    FAILURE(status::not_found, shop.activation("424242").get_status());
    FAILURE(status::config, patient.settle(sastaotp::on_too_early(99)));
}

void leases() {
    const auto budget = amount::from_rupees(300);
    const client shop(account("lease").budget(budget));
    {
        const auto left = shop.lease(request("zz_never"));
        CHECK(shop.budget_left() < budget && left->id() == left.activation().id() &&
              count(shop, "pending") == 1);
    }
    CHECK(shop.budget_left() == budget && count(shop, "cancelled") == 1 &&
          count(shop, "pending") == 0);

    // An exception settles the order too.
    try {
        const auto left = shop.lease(request("zz_never"));
        throw std::runtime_error("of the program");
    } catch (const std::runtime_error &) {
        CHECK(count(shop, "cancelled") == 2);
    }

    {
        const auto used = shop.lease(request("zz_ok"));
        CHECK(!used->wait_for_code(30s).code().empty());
    }
    CHECK(count(shop, "completed") == 1);
    const auto spent = budget - *shop.budget_left();

    auto closed = shop.lease(request("zz_never"));
    CHECK(closed.close(sastaotp::on_too_early::fail).state() ==
          sastaotp::settled::cancelled);
    FAILURE(status::config, closed.close(sastaotp::on_too_early::fail));
    FAILURE(status::config, closed.keep());
    CHECK(count(shop, "cancelled") == 3);

    sastaotp::activation kept(nullptr);
    {
        auto left = shop.lease(request("zz_never"));
        auto moved = std::move(left);
        kept = moved.keep();
    }
    CHECK(count(shop, "pending") == 1 && kept.ending() == sastaotp::ending::none);
    CHECK(shop.finish(0s).empty());
    CHECK(kept.cancel().state() == sastaotp::settled::cancelled &&
          shop.budget_left() == budget - spent);

    // Assigning to a lease ends the previous one.
    auto replaced = shop.lease(request("zz_never"));
    replaced = shop.lease(request("zz_never"));
    CHECK(count(shop, "pending") == 1);

    // A lease that is too young to be cancelled is listed as unclaimed.
    std::string id;
    {
        const auto young = shop.lease(request("zz_early_cancel"));
        id = young->id();
        auto early = FAILURE(status::too_early, young->cancel());
        CHECK(early.retry() == sastaotp::retry::after && early.retry_after() > 0s && early.code());
        CHECK(early.phase() == sastaotp::phase::service && early.http_status() && early.raw());
    }
    const auto unclaimed = shop.unclaimed();
    CHECK(unclaimed.size() == 1 && unclaimed[0].outcome() == sastaotp::outcome::bought);
    CHECK(unclaimed[0].purchase()->activation_id() == id && !unclaimed[0].error());
    CHECK(unclaimed[0].intent().service() == "zz_early_cancel" && unclaimed.json().front() == '{');
    CHECK(unclaimed[0].message().find(id) != string_view::npos);
    {
        const auto claimed = shop.activation(id);
        CHECK(claimed.phone_number() && shop.unclaimed().empty() && unclaimed.size() == 1);
        CHECK(shop.finish(0s).size() == 2);  // and the number of the lease `replaced`
    }
    CHECK(shop.unclaimed().size() == 1);
    shop.activation(id).keep();
    CHECK(shop.unclaimed().empty() && shop.finish().size() == 1);

    // Completing spends the price, so it needs a code or a statement.
    const auto silent = shop.get_number(request("zz_never"));
    FAILURE(status::config, silent.complete());
    CHECK(count(shop, "pending") == 3);
    CHECK(silent.complete_without_code().state() == sastaotp::settled::completed);
    CHECK(count(shop, "pending") == 2);
}

void refusals() {
    const client shop(account("refusals"));
    auto none = FAILURE(status::no_numbers, shop.get_number(request("zz_nonumbers")));
    CHECK(none.code() == "NO_NUMBERS" && none.charge() == sastaotp::charge::none &&
          none.intent());
    CHECK(none.raw() && none.http_status() && !none.hint().empty() &&
          none.fault().value_or("P").size() > 0);
    FAILURE(status::price_too_high,
            shop.get_number(request("zz_price_up").max_price(amount::from_rupees(12))));
    FAILURE(status::config, shop.get_number(number_request("tg").country("22")));
    FAILURE(status::config, shop.get_number(number_request("tg").max_price(eighty)));
    FAILURE(status::config, shop.get_number(request("tg").any_country()));
    FAILURE(status::config, shop.get_number(request("tg").max_price(amount())));
    const client frugal(account("frugal").budget(eighty));
    FAILURE(status::budget, frugal.get_number(request("tg").max_price(sastaotp::any_price)));
    FAILURE(status::config, shop.lease(number_request("zz_ok").max_price(amount::from_rupees(-1))));
    const client poor(sastaotp::config().api_key("sandbox_poor").base_url(url));
    FAILURE(status::insufficient_balance,
            poor.lease(number_request("tg").any_country().max_price(sastaotp::any_price)));
    auto provided = number_request("tg");
    provided.operator_("22").max_price(sastaotp::any_price);
    CHECK(shop.intend(provided).operator_() == "22" && !shop.intend(provided).country());
    CHECK(shop.get_number(provided).cancel().state() == sastaotp::settled::cancelled);
    auto anywhere = number_request("zz_never");
    anywhere.any_country().max_price(sastaotp::any_price);
    CHECK(shop.get_number(anywhere).cancel().state() == sastaotp::settled::cancelled);
    CHECK(shop.intend(number_request("tg").operator_("22").max_price(eighty)).operator_());
    auto dead = client(sastaotp::config().api_key("k").base_url("http://127.0.0.1:1/").timeout(2s));
    auto refused = FAILURE(status::connection, dead.get_number(request("tg")));
    CHECK(refused.phase() == sastaotp::phase::connect &&
          refused.charge() == sastaotp::charge::none);
    CHECK(count(shop, "pending") == 0 && count(shop, "cancelled") == 2);
}

void unknown_outcome() {
    const client shop(account("unknown").budget(eighty));
    const auto request =
        number_request("zz_lost_reply").country("22").max_price(amount::from_rupees(20));
    const auto earlier =
        shop.get_number(number_request("zz_never").country("22").max_price(eighty));
    CHECK(earlier.cancel().state() == sastaotp::settled::cancelled);
    const auto intent = shop.intend(request);
    CHECK(intent.service() == "zz_lost_reply" && intent.country() == "22");
    CHECK(intent.max_price() == amount::from_rupees(20) && !intent.operator_());
    const std::string saved(intent.json());

    bool lost = false;
    try {
        (void)shop.buy(intent);
    } catch (const sastaotp::outcome_unknown &error) {
        lost = true;
        CHECK(error.charge() == sastaotp::charge::unknown &&
              error.retry() == sastaotp::retry::after_reconcile);
        CHECK(shop.budget_left() == amount::from_rupees(60));
        const auto found = shop.reconcile(*error.intent(), 6s);
        CHECK(found.size() == 1 && found.json().front() == '{');
        // Another order could still appear.
        CHECK(!found.is_complete() && found.reason() && !found[0].is_ours());
        CHECK(found[0].service() == "zz_lost_reply" && found[0].activation_id() &&
              found.begin()->price());
        CHECK(!found[0].evidence().empty() && !found[0].evidence()[0].empty());
        CHECK(!found[1].is_ours() && found[1].evidence().empty() && !found[1].activation_id());
        FAILURE(status::already_sent, shop.buy(intent));
        // The search was short: without this, a refund of the order proves nothing.
        shop.resolve(*error.intent(), sastaotp::made{*found[0].activation_id()});
        const auto number = shop.activation(*found[0].activation_id());
        CHECK(number.cancel().state() == sastaotp::settled::cancelled);
    }
    CHECK(lost);
    // The intent of an earlier run.
    const auto read = sastaotp::intent::from_json(saved);
    CHECK(read.json() == saved);
    auto sent = FAILURE(status::already_sent, shop.buy(read));
    CHECK(sent.charge() == sastaotp::charge::none);
    FAILURE(status::config, shop.resolve(read, sastaotp::not_made));
    FAILURE(status::config, sastaotp::intent::from_json("{}"));

    // Caught as an error it has the same fields; a copy of its intent outlives it.
    auto again = FAILURE(status::connection, shop.get_number(request));
    CHECK(again.charge() == sastaotp::charge::unknown &&
          again.intent()->service() == "zz_lost_reply");
    const sastaotp::intent kept(*again.intent());
    again = FAILURE(status::config, amount::parse("18,50"));
    CHECK(kept.service() == "zz_lost_reply" && shop.reconcile(kept, 0s).size() == 1);
    CHECK(shop.unclaimed()[0].outcome() == sastaotp::outcome::unknown);
    shop.resolve(kept, sastaotp::not_made);
    CHECK(shop.unclaimed().empty() && shop.budget_left() == eighty);
    again = FAILURE(status::connection, shop.get_number(request));
    const std::string id(*shop.get_orders(1, 1)[0].activation_id());
    FAILURE(status::config, shop.resolve(*again.intent(), sastaotp::made{""}));
    shop.resolve(*again.intent(), sastaotp::made{id});
    const auto listed = shop.unclaimed();
    CHECK(listed.size() == 1 && listed[0].purchase()->activation_id() == id);
    CHECK(shop.activation(id).cancel().state() == sastaotp::settled::cancelled);
    CHECK(shop.unclaimed().empty());
}

void history() {
    const client shop(account("history"));
    CHECK(!shop.orders().next());
    const auto number = shop.get_number(request("zz_ok"));
    for (int bought = 0; bought < 3; ++bought) (void)shop.get_number(request("zz_never")).cancel();

    const auto page = shop.get_orders(2, 1);
    CHECK(page.size() == 2 && page.total().value_or(4) == 4 && page.json().front() == '{');
    CHECK(shop.get_orders().size() == 4);
    const auto pending = shop.get_orders(10, 1, "pending");
    CHECK(pending.size() == 1);
    const auto order = pending[0];
    CHECK(order.id() && order.activation_id() == number.id() &&
          order.phone_number() == number.phone_number());
    CHECK(order.service() == "zz_ok" && order.country() == "22" && order.status() == "pending" &&
          !order.code());
    CHECK(order.price() == number.price() && order.json().front() == '{' &&
          page.extra_orders().empty());
    CHECK(order.created_at().value_or(sastaotp::time_point()) <= std::chrono::system_clock::now());
    FAILURE(status::config, shop.get_orders(0, 1));

    auto all = shop.orders();
    std::vector<sastaotp::order> taken;
    for (auto &each : all) taken.push_back(std::move(each));
    CHECK(taken.size() == 4 && taken.back().activation_id() == number.id() && !all.next());
    CHECK(std::is_sorted(taken.rbegin(), taken.rend(),
                         [](auto &a, auto &b) { return *a.id() < *b.id(); }));
    auto cancelled = shop.orders("cancelled");
    const auto first =
        std::find_if(cancelled.begin(), cancelled.end(),
                     [](const sastaotp::order_view &each) { return each.service() == "zz_never"; });
    CHECK(first != cancelled.end() && first->status() == "cancelled");

    // If advancing fails, it throws and the iteration ends.
    const client wrong(sastaotp::config().api_key("sandbox_bad").base_url(url));
    auto broken = wrong.orders();
    FAILURE(status::authentication, broken.begin());
    CHECK(broken.begin() == broken.end() && !broken.next());
    CHECK(number.cancel().state() == sastaotp::settled::cancelled);
}

void tokens() {
    const client shop(account("tokens"));
    const auto number = shop.get_number(request("zz_never"));
    const sastaotp::cancel_token token;
    CHECK(!token.is_triggered());
    const auto handle = shop.with(token).activation(number.id());
    std::exception_ptr carried;
    std::chrono::steady_clock::time_point ended;
    std::thread waiter([&] {
        try {
            (void)handle.wait_for_code(60s);
        } catch (...) {
            carried = std::current_exception();
            ended = std::chrono::steady_clock::now();
        }
    });
    std::this_thread::sleep_for(500ms);
    const auto triggered = std::chrono::steady_clock::now();
    token.trigger();
    waiter.join();
    CHECK(token.is_triggered() && carried && ended - triggered < 30s);
    // The exception of another thread, and a copy that outlives it.
    std::optional<sastaotp::error> copy;
    try {
        std::rethrow_exception(carried);
    } catch (const sastaotp::error &error) {
        copy = error;
    }
    carried = nullptr;
    CHECK(copy && copy->status() == status::cancelled && !copy->json().empty());
    const sastaotp::error other = FAILURE(status::cancelled, shop.with(token).get_balance());
    const std::string said = other.what();
    copy = other;
    const auto moved = std::move(*copy);  // copies, too
    CHECK(said == moved.what() && copy->json() == moved.json() && !copy->json().empty());
    CHECK(number.cancel().state() == sastaotp::settled::cancelled);

    // Threads read copies of one exception.
    std::atomic<int> read{0};
    std::vector<std::thread> readers;
    for (int reader = 0; reader < 4; ++reader)
        readers.emplace_back(
            [&read, error = sastaotp::error(other)] { read += error.json().empty() ? 0 : 1; });
    for (auto &reader : readers) reader.join();
    CHECK(read == 4);

    // Handles with their own timeout.
    CHECK(shop.with(30s).get_balance() > amount());
    CHECK(shop.with(30s).activation(number.id()).get_status().kind() ==
          sastaotp::status_kind::cancelled);
    CHECK(shop.with(std::chrono::hours(24 * 365)).get_balance() > amount());
    // A handle with another timeout keeps the token.
    FAILURE(status::cancelled, shop.with(token).with(30s).get_balance());

    // A triggered token prevents a purchase.
    auto refused = FAILURE(status::cancelled, shop.with(token).get_number(request("zz_ok")));
    CHECK(refused.charge() == sastaotp::charge::none && shop.unclaimed().empty());
}

const sastaotp::cancel_token *signalled = nullptr;

void signal_handlers() {
    const client shop(account("signals"));
    const sastaotp::cancel_token token;
    signalled = &token;
    const auto previous = std::signal(SIGUSR1, [](int) { signalled->trigger(); });
    const auto number = shop.with(token).get_number(request("zz_never"));
    std::thread sender([] {
        std::this_thread::sleep_for(200ms);
        kill(getpid(), SIGUSR1);
    });
    FAILURE(status::cancelled, number.wait_for_code(5min));
    sender.join();
    std::signal(SIGUSR1, previous);
    CHECK(token.is_triggered());
    CHECK(shop.activation(number.id()).cancel().state() == sastaotp::settled::cancelled);
}

/// A lease is settled although its token is triggered.
void leases_with_triggered_tokens() {
    const client shop(account("triggered"));
    for (const bool closes : {true, false}) {
        const sastaotp::cancel_token token;
        auto left = shop.with(token).lease(request("zz_never"));
        token.trigger();
        FAILURE(status::cancelled, left->wait_for_code(5min));
        if (closes) {
            CHECK(left.close(sastaotp::on_too_early::fail).state() ==
                  sastaotp::settled::cancelled);
        }
    }
    CHECK(count(shop, "cancelled") == 2 && count(shop, "pending") == 0);
    CHECK(shop.unclaimed().empty());
}

/// Returns a reply of HTTP with this status, these further headers and this body.
std::string reply_of(const std::string &status, const std::string &headers,
                     const std::string &body) {
    return "HTTP/1.1 " + status + "\r\nConnection: close\r\n" + headers +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

/// A server that answers the first requests with these replies, and no later request.
class scripted_server {
public:
    explicit scripted_server(std::vector<std::string> replies)
        : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in any{};
        any.sin_family = AF_INET;
        any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof any;
        auto *address = reinterpret_cast<sockaddr *>(&any);
        CHECK(bind(socket_, address, length) == 0 && listen(socket_, 8) == 0);
        CHECK(getsockname(socket_, address, &length) == 0);
        url = "http://127.0.0.1:" + std::to_string(ntohs(any.sin_port)) + "/";
        first_ = std::thread([socket = socket_, replies = std::move(replies)] {
            for (const auto &reply : replies) answer(socket, reply);
        });
    }
    scripted_server(const scripted_server &) = delete;
    scripted_server &operator=(const scripted_server &) = delete;
    ~scripted_server() { end(); }

    /// Waits for the request after the scripted replies, and keeps it without a reply until `end`.
    void hold() {
        if (first_.joinable()) first_.join();
        held_ = accept(socket_, nullptr, nullptr);
        char request[4096];
        CHECK(held_ >= 0 && read(held_, request, sizeof request) > 0);
    }

    /// Breaks the connections.
    void end() {
        if (held_ >= 0) close(std::exchange(held_, -1));
        if (socket_ >= 0) shutdown(socket_, SHUT_RDWR);
        if (first_.joinable()) first_.join();
        if (socket_ >= 0) close(std::exchange(socket_, -1));
    }

    std::string url;

private:
    static void answer(int socket, const std::string &reply) {
        const int connection = accept(socket, nullptr, nullptr);
        // The server ended.
        if (connection < 0) return;
        char request[4096];
        CHECK(read(connection, request, sizeof request) > 0);
        CHECK(write(connection, reply.data(), reply.size()) ==
              static_cast<ssize_t>(reply.size()));
        close(connection);
    }

    int socket_, held_ = -1;
    std::thread first_;
};

/// A firewall, and an address that moved: nothing is charged, and the errors say what to change.
void turned_away() {
    const auto page =
        reply_of("403 Forbidden", "", "<html><title>Just a moment...</title></html>");
    const auto target = std::string("https://moved.example/new.php");
    const auto moved = reply_of("301 Moved", "Location: " + target + "?api_key=secret\r\n", "");
    const scripted_server server({page, page, moved, moved, moved});
    const client shop(
        sastaotp::config().api_key("k").base_url(server.url).budget(amount::from_rupees(100)));
    const auto buy = [&] { return shop.get_number(request("tg")); };
    auto blocked = FAILURE(status::blocked, buy());
    CHECK(blocked.charge() == sastaotp::charge::none && blocked.http_status() == 403);
    CHECK(blocked.hint().find("User-Agent") != string_view::npos);
    CHECK(shop.budget_left() == amount::from_rupees(100));
    for (const auto &gone :
         {FAILURE(status::protocol, buy()), FAILURE(status::protocol, shop.get_balance())}) {
        const string_view message = gone.message();
        CHECK(gone.charge() == sastaotp::charge::none && gone.fault() == "redirected");
        CHECK(message.find("redirect to " + target + ",") != string_view::npos);
        CHECK(message.find("base_url") != string_view::npos);
        CHECK(message.find("secret") == string_view::npos);
    }
    CHECK(shop.budget_left() == amount::from_rupees(100) && shop.unclaimed().empty());
}

/// A price list with operators, and every field of a service.
void rich_catalogue() {
    const auto json = [](const std::string &body) { return reply_of("200 OK", "", body); };
    const scripted_server server(
        {json(R"({"22":{"tg":{"airtel":{"cost":5,"count":3},"jio":{"cost":4,"count":0}}}})"),
         json(R"({"status":"OK","total":120,"services":{"tg":{"logo":"https://x/tg.png",)"
              R"("currency":"INR","countries":[{"country_code":"22","flag":"IN"}]}}})")});
    const client shop(sastaotp::config().api_key("k").base_url(server.url));
    const auto prices = shop.get_prices("tg");
    CHECK(prices.size() == 2 && prices[0].operator_() == "airtel");
    CHECK(prices.find("22", "tg")->operator_() == "airtel" && !prices[2].operator_());
    const auto services = shop.get_services();
    CHECK(services.total() == 120u && services[0].logo() == "https://x/tg.png");
    CHECK(services[0].currency() == "INR" && services[0].offers()[0].flag() == "IN");
}

void cancelled_purchase() {
    scripted_server server({reply_of("200 OK", "", R"({"orders":[],"total":0})")});
    const client shop(sastaotp::config().api_key("k").base_url(server.url));
    const sastaotp::cancel_token token;
    std::exception_ptr carried;
    std::thread buyer([&] {
        try {
            (void)shop.with(token).get_number(request("zz_ok"));
        } catch (...) {
            carried = std::current_exception();
        }
    });
    server.hold();
    token.trigger();
    buyer.join();
    try {
        CHECK(carried != nullptr);
        std::rethrow_exception(carried);
    } catch (const sastaotp::outcome_unknown &lost) {
        CHECK(lost.status() == status::cancelled && lost.intent()->service() == "zz_ok");
    }

    // A timeout of zero is not the default, which is 90 seconds.
    const auto begun = std::chrono::steady_clock::now();
    FAILURE(status::timeout, shop.with(0s).get_balance());
    CHECK(std::chrono::steady_clock::now() - begun < 60s);

    // The purchase continues and is listed.
    auto list = shop.unclaimed();
    CHECK(list.size() == 1 && list[0].outcome() == sastaotp::outcome::pending);
    CHECK(list[0].intent().max_price() == eighty && !list[0].error() && !list[0].purchase());
    server.end();
    for (int tries = 0; tries < 300 && list[0].outcome() == sastaotp::outcome::pending;
         ++tries) {
        std::this_thread::sleep_for(100ms);
        list = shop.unclaimed();
    }
    CHECK(list.begin()->outcome() == sastaotp::outcome::unknown && !list[0].purchase());
    const auto why = list[0].error();
    CHECK(why && why->status() == status::connection && why->charge() == sastaotp::charge::unknown);
    CHECK(!why->message().empty() && why->intent() && why->json().front() == '{');
}

/// Returns whether the file descriptor of a queue is readable now.
bool readable(const sastaotp::queue &queue) {
    pollfd one{static_cast<int>(queue.fd()), POLLIN, 0};
    return poll(&one, 1, 0) == 1 && one.revents == POLLIN;
}

/// Returns the text of a JSON member.
std::string word(string_view json, const std::string &name) {
    const auto before = "\"" + name + "\":\"";
    const auto at = json.find(before);
    CHECK(at != string_view::npos);
    const auto rest = json.substr(at + before.size());
    return std::string(rest.substr(0, rest.find('"')));
}

void queues() {
    std::optional<client> shop(account("queue"));
    sastaotp::queue queue(*shop);
    CHECK(queue.fd() >= 0 && queue.open_count() == 0 && !readable(queue) &&
          queue.take(9, 0s).empty());
    CHECK(queue.take(0, 1min).empty());
    const auto bought =
        queue.submit(R"({"op":"get_number","service":"zz_multi","country":"22","max_price":"80"})");
    const auto number = queue.join(bought, 30s);
    CHECK(number && number->ticket() == bought && number->status() == status::ok &&
          !number->error());
    CHECK(number->get() == number->json() && number->json().front() == '{' && !readable(queue));
    auto id = word(number->json(), "id");
    const auto on = [&id](const std::string &op, const std::string &more = "") {
        return "{\"op\":\"" + op + "\",\"id\":\"" + id + "\"" + more + "}";
    };
    std::vector<sastaotp::ticket> tickets{
        queue.submit(on("wait_for_code", R"(,"timeout_ms":30000)"))};
    auto finished = queue.take(9, 30s);
    CHECK(finished.size() == 1 && finished[0].ticket() == tickets[0] &&
          !word(finished[0].get(), "code").empty());
    CHECK(word(queue.join(queue.submit(on("settle")), 30s)->get(), "state") == "completed");
    FAILURE(status::config, queue.join(bought, 0s));

    // The intent of an operation is the intent of a call.
    const auto saved = queue.join(
        queue.submit(R"({"op":"intend","service":"tg","country":"22","max_price":"80"})"), 30s);
    CHECK(sastaotp::intent::from_json(saved->get()).json() == saved->get());

    // Invalid operations, and failed ones: an exception outlives its completion, and a move empties
    // it.
    FAILURE(status::config, queue.submit("{}"));
    FAILURE(status::config, queue.submit(string_view("{}\0", 3)));
    FAILURE(status::config, queue.submit(R"({"op":"get_number","service":"tg","max_price":80.5})"));
    FAILURE(status::config, sastaotp::queue(*shop, 513));
    std::optional<sastaotp::error> kept;
    {
        auto none = queue.join(
            queue.submit(
                R"({"op":"get_number","service":"zz_nonumbers","country":"22","max_price":"80"})"),
            30s);
        CHECK(none && none->status() == status::no_numbers && none->json().empty());
        CHECK(none->error() && none->error()->code() == "NO_NUMBERS");
        kept = FAILURE(status::no_numbers, none->get());
        CHECK(none->ticket() != bought && none->status() == status::no_numbers);
        const auto moved = std::move(*none);
        CHECK(none->ticket() == sastaotp::ticket() && none->status() == status::config &&
              none->get().empty());
        CHECK(moved.error()->message() == kept->message());
        *none = queue.join(queue.submit(on("get_status")), 30s).value();
        CHECK(none->status() == status::ok && !none->get().empty());
    }
    CHECK(kept->code() == "NO_NUMBERS" && kept->intent()->service() == "zz_nonumbers" &&
          !kept->json().empty());
    bool unknown = false;
    try {
        queue
            .join(queue.submit(R"({"op":"get_number","service":"zz_sql","any_country":true,)"
                               R"("accept_any_price":true})"),
                  30s)
            ->get();
    } catch (const sastaotp::outcome_unknown &lost) {
        unknown = true;
        CHECK(lost.intent()->service() == "zz_sql" && lost.code() == "ERROR_SQL");
    }
    CHECK(unknown);

    // Cancels a wait and takes many completions, after the client is destroyed.
    const auto silent = shop->get_number(request("zz_never"));
    id = silent.id();
    const auto wait = queue.submit(on("wait_for_code", R"(,"timeout_ms":60000)"));
    shop.reset();
    CHECK(!queue.join(wait, 100ms) && queue.open_count() == 1 && !readable(queue));
    CHECK(queue.cancel_ticket(wait) && !queue.cancel_ticket(wait) && readable(queue));
    const auto held = queue.submit_held(on("wait_for_code", R"(,"timeout_ms":60000)"));
    CHECK(queue.release(held) && !queue.release(held));
    FAILURE(status::config, queue.join(held, 0s));
    const auto cancelled = queue.take(9, 0s);
    CHECK(cancelled.size() == 1 && cancelled[0].status() == status::cancelled && !readable(queue));
    tickets.clear();
    for (int at = 0; at < 50; ++at) tickets.push_back(queue.submit(R"({"op":"budget_left"})"));
    std::vector<sastaotp::ticket> back;
    while (back.size() < tickets.size()) {
        finished = queue.take(7, 30s);
        CHECK(!finished.empty() && finished.size() <= 7);
        for (const auto &each : finished) {
            CHECK(each.get() == R"({"budget_left_micros":null})");
            back.push_back(each.ticket());
        }
    }
    std::sort(back.begin(), back.end());
    CHECK(back == tickets);
    CHECK(silent.cancel().state() == sastaotp::settled::cancelled);

    // The end of a program.
    const auto left = queue.close(1s);
    CHECK(left.size() == 1 && left[0].outcome() == sastaotp::outcome::unknown);
    CHECK(left[0].intent().service() == "zz_sql" && !left[0].message().empty());

    auto holder = std::move(queue);
    FAILURE(status::config, queue.submit(R"({"op":"budget_left"})"));
    FAILURE(status::config, queue.take(1, 0s));
    CHECK(queue.fd() == -1 && queue.open_count() == 0 && !queue.cancel_ticket(wait));
    holder = sastaotp::queue(client(account("queue")), 1);
    CHECK(holder.join(holder.submit(R"({"op":"unclaimed"})"), 30s)->get().front() == '{');
}

/// Takes the only completion of a queue, which must have succeeded.
sastaotp::completion next(const sastaotp::queue &queue, const void *user) {
    auto taken = queue.take(1, 60s);
    CHECK(taken.size() == 1 && taken[0].user() == user);
    (void)taken[0].get();
    CHECK(taken[0].status() == status::ok && !taken[0].error());
    return std::move(taken[0]);
}

void typed_queues() {
    const client shop(account("typed"));
    const sastaotp::queue queue(shop, 2);
    int job = 0;
    queue.submit_get_number(request("zz_multi").multi_sms(), &job);
    std::string id;
    {
        const auto bought = next(queue, &job);
        const auto number = bought.activation();
        CHECK(number && number->phone_number() && number->price() && !bought.sms());
        CHECK(!bought.settlement() && !bought.reconciliation());
        CHECK(number->purchase()->activation_id() == number->id());
        id = number->id();
    }
    // Claimed by its id, the number keeps its data.
    CHECK(shop.activation(id).phone_number() && shop.activation(id).price());

    queue.submit_wait_for_code(id, 30s, {}, &job);
    const auto first = next(queue, &job);
    CHECK(!first.sms()->code().empty() && first.sms()->text() && !first.activation());
    queue.submit_request_next_code(id, &job);
    CHECK(!next(queue, &job).sms());
    queue.submit_wait_for_code(id, 30s, sastaotp::wait_options().accept_same_code(), nullptr);
    CHECK(!next(queue, nullptr).sms()->code().empty());
    queue.submit_settle(id, sastaotp::on_too_early::fail, &job);
    CHECK(next(queue, &job).settlement()->state() == sastaotp::settled::completed);

    const auto intent = shop.intend(request("zz_never"));
    queue.submit_buy(intent, &job);
    {
        const auto bought = next(queue, &job);
        CHECK(bought.activation()->cancel().state() == sastaotp::settled::cancelled);
    }
    queue.submit_reconcile(intent, 0s, &job);
    const auto search = next(queue, &job);
    const auto found = search.reconciliation();
    CHECK(found && found->json().front() == '{');

    // An order without a code is not completed, and one with a code is not cancelled.
    const auto ordered = [&](const std::string &service) {
        queue.submit_get_number(request(service), &job);
        return std::string(next(queue, &job).activation()->id());
    };
    id = ordered("zz_never");
    CHECK(queue.join(queue.submit_complete(id), 60s)->status() == status::config);
    queue.submit_cancel(id, &job);
    CHECK(next(queue, &job).settlement()->state() == sastaotp::settled::cancelled);
    id = ordered("zz_multi");
    queue.submit_wait_for_code(id, 30s, {}, &job);
    CHECK(!next(queue, &job).sms()->code().empty());
    const auto kept = queue.join(queue.submit_cancel(id), 60s);
    CHECK(kept->settlement()->state() == sastaotp::settled::code_arrived);
    queue.submit_complete(id, &job);
    CHECK(next(queue, &job).settlement()->state() == sastaotp::settled::completed);
    FAILURE(status::config, queue.submit_complete(""));
    FAILURE(status::config, queue.submit_cancel(string_view("1\0", 2)));

    // The same by ticket, and as JSON with a pointer.
    const auto number = queue.join(queue.submit_get_number(request("zz_never")), 60s);
    CHECK(number && !number->user());
    id = number->activation()->id();
    const auto wait = queue.submit_wait_for_code(id, 5min);
    CHECK(queue.cancel_ticket(wait) && queue.join(wait, 30s)->status() == status::cancelled);
    const auto next_code = queue.join(queue.submit_request_next_code(id), 30s);
    CHECK(next_code && next_code->status() != status::internal);
    const auto settled = queue.join(queue.submit_settle(id, sastaotp::on_too_early::wait), 60s);
    CHECK(settled->settlement()->state() == sastaotp::settled::cancelled);
    const auto again = queue.join(queue.submit_buy(intent), 30s);
    CHECK(again->status() == status::already_sent && again->status_class() ==
          sastaotp::status_class::caller && !again->activation());
    CHECK(queue.join(queue.submit_reconcile(intent, 0s), 30s)->reconciliation());
    queue.submit(R"({"op":"budget_left"})", &job);
    CHECK(next(queue, &job).json().front() == '{');

    const auto refused = queue.join(queue.submit_get_number(number_request("tg")), 30s);
    CHECK(refused->status() == status::config && refused->error()->charge() ==
          sastaotp::charge::none);
    FAILURE(status::config, queue.submit_settle("", sastaotp::on_too_early::fail));
    FAILURE(status::config, queue.submit_settle(id, sastaotp::on_too_early(99)));
    CHECK(queue.close().empty() && queue.open_count() == 0);
    FAILURE(status::config, queue.submit_get_number(request("tg")));
}

void moved_from() {
    client shop(account("moved"));
    client other(std::move(shop));
    FAILURE(status::config, shop.get_balance());
    CHECK(!shop.budget_left() && shop.c_object() == nullptr);
    shop = std::move(other);
    auto &same = shop;
    shop = std::move(same);
    CHECK(shop.get_balance() > amount());

    auto wanted = request("zz_never");
    auto lease = shop.lease(wanted);
    auto holder = std::move(lease);
    CHECK(lease->id().empty() && !lease->phone_number() && !lease->purchase() &&
          lease->sms_list().empty());
    FAILURE(status::config, lease->get_status());
    FAILURE(status::config, lease.keep());
    auto number = holder.keep();
    const auto handle = std::move(number);
    CHECK(number.id().empty() && !number.price() && number.ending() == sastaotp::ending::none);
    FAILURE(status::config, number.cancel());
    auto settlement = handle.cancel();
    const auto settled = std::move(settlement);
    CHECK(settlement.state() == sastaotp::settled::unknown && !settlement.sms() &&
          settlement.json().empty());

    auto prices = shop.get_prices("tg", "22");
    const auto table = std::move(prices);
    CHECK(prices.empty() && prices.begin() == prices.end() && !prices.find("22", "tg") &&
          !table.empty());
    auto history = shop.orders();
    auto rest = std::move(history);
    FAILURE(status::config, history.begin());
    CHECK(rest.begin() != rest.end());
    sastaotp::cancel_token token;
    const auto live = std::move(token);
    token.trigger();
    CHECK(!live.is_triggered() && !token.is_triggered());
    FAILURE(status::config, shop.with(token));

    // To C and back.
    sastaotp_countries *countries = shop.get_countries("india").release();
    CHECK(sastaotp_countries_count(countries) == 1);
    CHECK(sastaotp::countries(countries)[0].code() == "22");
}

}  // namespace

int main(int argc, char **argv) {
    return check::main_of("cpp", argc, argv, [] {
        amounts();
        names();
        settings();
        texts();
        logs();
        catalogue();
        several_countries();
        one_number();
        two_codes();
        leases();
        refusals();
        unknown_outcome();
        history();
        tokens();
        signal_handlers();
        leases_with_triggered_tokens();
        turned_away();
        rich_catalogue();
        cancelled_purchase();
        queues();
        typed_queues();
        moved_from();
    });
}
