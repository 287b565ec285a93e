// Tests the C++20 part of the header, stop tokens and coroutines, against a sandbox:
// `cpp20 http://127.0.0.1:PORT/stubs/handler_api.php`. tests/c/headers builds and runs it.

#include <sastaotp.hpp>

#include "cpp_check.hpp"

#include <poll.h>

#include <atomic>
#include <coroutine>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using check::account, check::count, check::request;
using sastaotp::client;
using sastaotp::coroutine_queue;
using sastaotp::status;

// In second_translation_unit.cpp, which is C++17.
sastaotp::amount balance_read_in_second_unit(const sastaotp::client &client);

namespace {

/// A coroutine that starts immediately and that the object owns. An exception that leaves it leaves
/// its resumption too.
class task {
public:
    struct promise_type {
        task get_return_object() {
            return task(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { throw; }
    };

    task() = default;
    explicit task(std::coroutine_handle<> coroutine) : coroutine_(coroutine) {}
    task(task &&other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
    task &operator=(task &&other) noexcept {
        std::swap(coroutine_, other.coroutine_);
        return *this;
    }
    ~task() { destroy(); }

    void destroy() {
        if (coroutine_) std::exchange(coroutine_, nullptr).destroy();
    }
    bool done() const { return coroutine_.done(); }

private:
    std::coroutine_handle<> coroutine_;
};

/// Resumes coroutines until every operation of the queue has finished.
void finish(coroutine_queue &queue) {
    while (queue.open_count() > 0) {
        pollfd ready{static_cast<decltype(pollfd::fd)>(queue.fd()), POLLIN, 0};
        CHECK(poll(&ready, 1, 60000) == 1);
        CHECK(queue.resume_completions() > 0);
    }
}

/// Waits until a completion can be taken.
void await_completion(const coroutine_queue &queue) {
    pollfd ready{static_cast<decltype(pollfd::fd)>(queue.fd()), POLLIN, 0};
    CHECK(poll(&ready, 1, 60000) == 1);
}

void stop_requests() {
    const client shop(account("stop"));
    // The handle is a temporary object; its activation and its lease keep the connection.
    std::optional<sastaotp::error> of_wait, of_lease;
    std::atomic<bool> bought{false};
    std::string id;
    std::jthread worker([&](std::stop_token stop) {
        const auto number = shop.with(stop).get_number(request("zz_never"));
        id = number.id();
        auto leased = shop.with(stop).with(1min).lease(request("zz_never"));
        bought = true;
        of_wait = FAILURE(status::cancelled, number.wait_for_code(5min));
        of_lease = FAILURE(status::cancelled, leased->wait_for_code(5min));
        // A lease is settled although a stop was requested.
        CHECK(leased.close(sastaotp::on_too_early::fail).state() ==
              sastaotp::settled::cancelled);
    });
    while (!bought) std::this_thread::yield();
    worker.request_stop();
    worker.join();
    CHECK(of_wait && of_lease);
    CHECK(count(shop, "cancelled") == 1 && count(shop, "pending") == 1);

    std::stop_source source;
    const auto handle = shop.with(source.get_token());
    {
        const auto other = handle.activation(id);
        auto kept = handle.lease(request("zz_never")).keep();
        CHECK(kept.cancel().state() == sastaotp::settled::cancelled);
        source.request_stop();
        FAILURE(status::cancelled, other.get_status());
        FAILURE(status::cancelled, kept.get_status());
    }
    FAILURE(status::cancelled, handle.get_balance());
    FAILURE(status::cancelled, shop.with(source.get_token()).get_number(request("zz_never")));
    // A token without a source never stops. The original handle is not affected.
    CHECK(shop.with(std::stop_token()).get_balance() > sastaotp::amount());
    CHECK(shop.activation(id).cancel().state() == sastaotp::settled::cancelled);
    CHECK(count(shop, "pending") == 0 && shop.unclaimed().empty());
}

/// A stop request that races with the end of its handle neither hangs nor reaches a freed token.
void stop_races_with_end() {
    const client shop(account("race"));
    for (int round = 0; round < 200; ++round) {
        std::stop_source source;
        std::optional<client> handle(shop.with(source.get_token()));
        std::thread stopper([&] { source.request_stop(); });
        handle.reset();
        stopper.join();
    }
}

task buy_and_settle(coroutine_queue &queue, std::set<std::string> &codes, int &settled) {
    const auto number = co_await queue.get_number(request("zz_multi").multi_sms());
    CHECK(number.phone_number() && number.price());
    const std::string id(number.id());
    // The texts are copies: this does not dangle.
    const auto code = (co_await queue.wait_for_code(id, 1min)).code();
    const auto copy = co_await queue.settle(id, sastaotp::on_too_early::wait);
    const auto settlement = copy;
    CHECK(settlement.state() == sastaotp::settled::completed);
    CHECK(settlement.sms()->code() == code);
    codes.insert(id + " " + code);
    ++settled;
}

void coroutines_run_at_once() {
    const client shop(account("coroutines"));
    coroutine_queue queue(shop);
    std::set<std::string> codes;
    int settled = 0;
    std::vector<task> tasks;
    for (int bought = 0; bought < 20; ++bought)
        tasks.push_back(buy_and_settle(queue, codes, settled));
    CHECK(queue.open_count() == 20);
    finish(queue);
    for (const auto &task : tasks) CHECK(task.done());
    CHECK(codes.size() == 20 && settled == 20);
    CHECK(count(shop, "completed") == 20 && queue.close().empty());
    CHECK(balance_read_in_second_unit(shop) < sastaotp::amount::from_rupees(1000));
}

/// Every operation, and the errors of operations.
task use_every_operation(const client &shop, coroutine_queue &queue, bool &done) {
    const auto number = co_await queue.get_number(request("zz_multi").multi_sms());
    const std::string id(number.id());
    const auto first = co_await queue.wait_for_code(id, 1min);
    co_await queue.request_next_code(id);
    const auto second = co_await queue.wait_for_code(
        id, 1min, sastaotp::wait_options().accept_same_code());
    CHECK(first.code() != second.code() && first.text() && second.json().front() == '{');
    co_await queue.settle(id, sastaotp::on_too_early::fail);

    // An order without a code is not completed, and one with a code is not cancelled.
    const std::string never((co_await queue.get_number(request("zz_never"))).id());
    std::optional<sastaotp::error> refused;
    try {
        co_await queue.complete(never);
    } catch (const sastaotp::error &error) {
        refused = error;
    }
    CHECK(refused && refused->status() == status::config);
    const auto cancelled = co_await queue.cancel_order(never);
    CHECK(cancelled.state() == sastaotp::settled::cancelled);
    const std::string coded((co_await queue.get_number(request("zz_multi"))).id());
    (void)co_await queue.wait_for_code(coded, 1min);
    const auto kept = co_await queue.cancel_order(coded);
    CHECK(kept.state() == sastaotp::settled::code_arrived);
    const auto completed = co_await queue.complete(coded);
    CHECK(completed.state() == sastaotp::settled::completed);

    const auto intent = shop.intend(request("zz_never"));
    const auto other = co_await queue.buy(intent);
    CHECK(other.cancel().state() == sastaotp::settled::cancelled);
    const auto search = co_await queue.reconcile(intent, 0s);
    CHECK(search.json().front() == '{');
    const auto result = co_await queue.run(R"({"op":"budget_left"})");
    CHECK(result.json() == R"({"budget_left_micros":null})");

    std::optional<sastaotp::error> none, lost;
    try {
        co_await queue.get_number(request("zz_nonumbers"));
    } catch (const sastaotp::error &error) {
        none = error;
    }
    CHECK(none && none->status() == status::no_numbers && none->code() == "NO_NUMBERS");
    try {
        co_await queue.get_number(request("zz_sql"));
    } catch (const sastaotp::outcome_unknown &error) {
        lost = error;
    }
    CHECK(lost && lost->intent()->service() == "zz_sql");
    FAILURE(status::config, queue.settle("", sastaotp::on_too_early::fail));
    CHECK(queue.open_count() == 0);

    // Started at once, awaited later, in another order. One is finished before it is awaited.
    auto one = queue.run(R"({"op":"unclaimed"})");
    auto two = queue.get_number(request("zz_never"));
    auto three = queue.run(R"({"op":"budget_left"})");
    CHECK(queue.open_count() == 3);
    const auto bought = co_await two;
    auto moved = std::move(one);
    CHECK((co_await moved).json().front() == '{');
    CHECK((co_await std::move(three)).json().front() == '{');
    std::optional<sastaotp::error> twice;
    try {
        co_await moved;
    } catch (const sastaotp::error &error) {
        twice = error;
    }
    CHECK(twice && twice->status() == status::config);
    CHECK(bought.cancel().state() == sastaotp::settled::cancelled);
    done = true;
}

void every_operation() {
    const client shop(account("operations"));
    coroutine_queue queue(shop, 2);
    bool done = false;
    const auto task = use_every_operation(shop, queue, done);
    finish(queue);
    CHECK(done && task.done());
    CHECK(queue.close().size() == 1);  // zz_sql
}

task wait_for(coroutine_queue &queue, std::string id, int &resumed) {
    try {
        (void)co_await queue.wait_for_code(id, 5min);
    } catch (const sastaotp::error &error) {
        CHECK(error.status() == status::cancelled);
    }
    ++resumed;
}

/// A task that destroys another one and itself continues.
task destroy(coroutine_queue &queue, task &other, int &resumed) {
    (void)co_await queue.run(R"({"op":"budget_left"})");
    other.destroy();
    (void)co_await queue.run(R"({"op":"budget_left"})");
    ++resumed;
}

task count_resumption(coroutine_queue &queue, int &resumed) {
    (void)co_await queue.run(R"({"op":"budget_left"})");
    ++resumed;
}

void destroyed_coroutines() {
    const client shop(account("destroyed"));
    const auto number = shop.get_number(request("zz_never"));
    const std::string id(number.id());
    int resumed = 0;
    {
        coroutine_queue queue(shop);
        // While it waits: its ticket is cancelled, and its completion has no coroutine.
        auto waiting = wait_for(queue, id, resumed);
        CHECK(queue.resume_completions() == 0 && queue.open_count() == 1);
        waiting.destroy();
        await_completion(queue);
        CHECK(queue.resume_completions() == 1 && queue.open_count() == 0 && resumed == 0);

        // After its operation has finished, before its completion was taken.
        auto finished = count_resumption(queue, resumed);
        await_completion(queue);
        finished.destroy();
        CHECK(queue.resume_completions() == 1 && queue.open_count() == 0 && resumed == 0);

        // By another coroutine: the one that is resumed first destroys the other.
        task second;
        auto first = destroy(queue, second, resumed);
        second = wait_for(queue, id, resumed);
        finish(queue);
        CHECK(first.done() && resumed == 1);

        // An awaitable that no coroutine waits for.
        { const auto dropped = queue.wait_for_code(id, 5min); }
        finish(queue);
        CHECK(resumed == 1);
    }
    // After its queue: a task that outlives the queue is not resumed.
    task left, never_taken;
    {
        coroutine_queue queue(shop);
        left = wait_for(queue, id, resumed);
        never_taken = count_resumption(queue, resumed);
        await_completion(queue);
    }
    left.destroy();
    CHECK(!never_taken.done() && resumed == 1);
    CHECK(number.cancel().state() == sastaotp::settled::cancelled);
}

/// A purchase whose coroutine is destroyed is listed, whether or not it was sent.
void destroyed_purchases_are_listed() {
    const client shop(account("purchases"));
    coroutine_queue queue(shop);
    const auto buy = [](coroutine_queue &to, int &resumed) -> task {
        (void)co_await to.get_number(request("zz_never"));
        ++resumed;
    };
    int resumed = 0;
    // The purchase has finished, and its completion was not taken.
    auto finished = buy(queue, resumed);
    await_completion(queue);
    finished.destroy();
    finish(queue);
    await_completion(queue);  // of the change of the list
    CHECK(queue.resume_completions() == 1);
    auto list = shop.unclaimed();
    CHECK(list.size() == 1 && list[0].outcome() == sastaotp::outcome::bought);
    // Its completion was taken, and no coroutine waits.
    {
        const auto dropped = queue.get_number(request("zz_never"));
        finish(queue);
    }
    await_completion(queue);
    CHECK(queue.resume_completions() == 1 && shop.unclaimed().size() == 2);
    // It is cancelled before or after it was sent.
    auto cancelled = buy(queue, resumed);
    cancelled.destroy();
    finish(queue);
    CHECK(resumed == 0);
    list = queue.close();
    CHECK(list.size() == static_cast<std::size_t>(count(shop, "pending")));
    for (const auto &entry : list)
        CHECK(shop.activation(entry.purchase()->activation_id()).cancel().state() ==
              sastaotp::settled::cancelled);
    CHECK(shop.unclaimed().empty());
}

task fail_after(coroutine_queue &queue) {
    (void)co_await queue.run(R"({"op":"budget_left"})");
    throw std::runtime_error("of the coroutine");
}

void exceptions_of_coroutines() {
    const client shop(account("exceptions"));
    coroutine_queue queue(shop);
    int resumed = 0, thrown = 0;
    std::vector<task> tasks;
    for (int started = 0; started < 3; ++started) {
        tasks.push_back(fail_after(queue));
        tasks.push_back(count_resumption(queue, resumed));
    }
    while (queue.open_count() > 0) {
        await_completion(queue);
        try {
            queue.resume_completions();
        } catch (const std::runtime_error &) {
            ++thrown;
        }
    }
    CHECK(thrown == 3 && resumed == 3);
}

task wait_until_closed(coroutine_queue &queue, std::string id, int &resumed) {
    try {
        (void)co_await queue.wait_for_code(id, 5min);
    } catch (const sastaotp::error &error) {
        CHECK(error.status() == status::cancelled);
    }
    FAILURE(status::config, queue.settle(id, sastaotp::on_too_early::fail));
    ++resumed;
}

void close_resumes_coroutines() {
    const client shop(account("close"));
    const auto number = shop.get_number(request("zz_never"));
    const std::string id(number.id());
    coroutine_queue queue(shop);
    int resumed = 0;
    std::vector<task> tasks;
    for (int started = 0; started < 100; ++started)
        tasks.push_back(wait_until_closed(queue, id, resumed));
    const auto list = queue.close(1s);
    CHECK(list.size() == 1 && list[0].purchase()->activation_id() == id);
    CHECK(resumed == 100 && queue.open_count() == 0);
    for (const auto &task : tasks) CHECK(task.done());
    CHECK(number.cancel().state() == sastaotp::settled::cancelled);
}

task fail_when_closed(coroutine_queue &queue, std::string id, int &resumed) {
    auto wait = queue.wait_for_code(id, 5min);
    try {
        (void)co_await wait;
    } catch (const sastaotp::error &) {
        ++resumed;
        throw;
    }
}

void close_keeps_its_list() {
    const client shop(account("throws"));
    const auto number = shop.get_number(request("zz_never"));
    const std::string id(number.id());
    coroutine_queue queue(shop);
    int resumed = 0;
    std::vector<task> tasks;
    for (int started = 0; started < 3; ++started) {
        tasks.push_back(fail_when_closed(queue, id, resumed));
        tasks.push_back(wait_until_closed(queue, id, resumed));
    }
    const auto list = queue.close(1s);
    CHECK(list.size() == 1 && list[0].purchase()->activation_id() == id);
    CHECK(resumed == 6 && queue.open_count() == 0);
    for (const auto &task : tasks) CHECK(task.done());
    // The first exception, once.
    FAILURE(status::cancelled, queue.resume_completions());
    CHECK(queue.resume_completions() == 0 && queue.close(1s).size() == 1);
    CHECK(number.cancel().state() == sastaotp::settled::cancelled);
}

task destroy_queue(std::unique_ptr<coroutine_queue> &queue, std::string id, int &resumed) {
    auto wait = queue->wait_for_code(id, 5min);
    auto finished = queue->run(R"({"op":"budget_left"})");
    auto open = queue->wait_for_code(id, 5min);
    try {
        (void)co_await wait;
    } catch (const sastaotp::error &error) {
        CHECK(error.status() == status::cancelled);
    }
    queue.reset();
    // The awaitables may be destroyed after their queue, and a result stays readable.
    if (finished.await_ready()) CHECK((co_await finished).json().front() == '{');
    auto moved = std::move(open);
    ++resumed;
}

task destroy_queue_after_read(std::unique_ptr<coroutine_queue> &queue, bool fail) {
    (void)co_await queue->run(R"({"op":"budget_left"})");
    queue.reset();
    if (fail) throw std::runtime_error("of the coroutine");
}

/// A coroutine destroys the queue that resumes it; the others are not resumed.
void coroutines_destroy_their_queue() {
    const client shop(account("reset"));
    const auto number = shop.get_number(request("zz_never"));
    const std::string id(number.id());
    for (const bool fail : {false, true}) {
        auto queue = std::make_unique<coroutine_queue>(shop);
        int resumed = 0, thrown = 0;
        const auto last = destroy_queue_after_read(queue, fail);
        const auto waiting = wait_for(*queue, id, resumed);
        const auto reading = count_resumption(*queue, resumed);
        while (queue) {
            await_completion(*queue);
            try {
                queue->resume_completions();
            } catch (const std::runtime_error &) {
                ++thrown;
            }
        }
        CHECK(last.done());
        CHECK(thrown == fail && !waiting.done() && resumed == reading.done());
    }
    // While the queue is closed: the list is returned.
    auto queue = std::make_unique<coroutine_queue>(shop);
    int destroyed = 0;
    const auto first = destroy_queue(queue, id, destroyed);
    const auto list = queue->close(1s);
    CHECK(!queue && destroyed == 1 && first.done() && list.size() == 1);
    CHECK(number.cancel().state() == sastaotp::settled::cancelled);
}

/// A purchase whose completion was taken, and whose awaitable outlives its queue, is listed.
void awaitables_outlive_their_queue() {
    const client shop(account("outlives"));
    auto queue = std::make_unique<coroutine_queue>(shop);
    {
        const auto bought = queue->get_number(request("zz_never"));
        finish(*queue);
        queue.reset();
    }
    const auto list = shop.unclaimed();
    CHECK(list.size() == 1 && list[0].outcome() == sastaotp::outcome::bought);
    CHECK(shop.activation(list[0].purchase()->activation_id()).cancel().state() ==
          sastaotp::settled::cancelled);
}

}  // namespace

int main(int argc, char **argv) {
    return check::main_of("cpp20", argc, argv, [] {
        stop_requests();
        stop_races_with_end();
        coroutines_run_at_once();
        every_operation();
        destroyed_coroutines();
        destroyed_purchases_are_listed();
        exceptions_of_coroutines();
        close_resumes_coroutines();
        close_keeps_its_list();
        coroutines_destroy_their_queue();
        awaitables_outlive_their_queue();
    });
}
