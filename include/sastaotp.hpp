/*
 * libsastaotp for C++17: sastaotp.h with destructors, exceptions, std::chrono, std::optional, std::string_view and
 * ranges. Header only, and nothing beside it but the standard library.
 *
 *     #include <sastaotp.hpp>
 *     #include <iostream>
 *
 *     int main() {
 *         using namespace std::chrono_literals;
 *         try {
 *             // SASTAOTP_API_KEY, and SASTAOTP_BASE_URL for another server, such as a sandbox.
 *             auto client = sastaotp::client::from_env();
 *             // 22 is India: country codes of this service are not calling codes. 80 rupees at most.
 *             auto number = client.lease(
 *                 sastaotp::number_request("tg").country("22").max_price(sastaotp::amount::from_rupees(80)));
 *             std::cout << "send the SMS to " << number->phone_number().value_or("?") << "\n";
 *             std::cout << "the code is " << number->wait_for_code(5min).code() << "\n";
 *         }  // the lease completes the order; without a code it cancels it for the refund
 *         catch (const sastaotp::outcome_unknown &lost) {
 *             std::cerr << "do not buy again before client.reconcile(*lost.intent()): " << lost.what() << "\n";
 *         } catch (const sastaotp::error &error) {
 *             std::cerr << error.what() << "\n";
 *         }
 *     }
 *
 * Conventions: those of sastaotp.h, and
 *
 * 1. What can fail throws sastaotp::error, or sastaotp::outcome_unknown where money may be gone. What is marked
 *    noexcept does not fail. Running out of memory throws std::bad_alloc.
 * 2. Objects own what they hold, move, and do not copy. One that was moved from may be assigned to, destroyed and
 *    asked: it answers as if nothing were there, and calls that would send something throw status::config.
 * 3. A "..._view", an element of a list and a std::string_view are lent: valid while the object that was asked lives.
 *    Keep it in a variable; `auto country = client.get_countries()[0];` is left with nothing. An sms, which is what a
 *    wait gives, is no view: its texts are copies, a std::string each.
 * 4. Texts that go in are copied, and need no NUL at their end; one that holds a NUL is refused with status::config.
 * 5. A duration that goes in is one of std::chrono, of any unit, cut to whole milliseconds: one that is negative counts
 *    as none, one of more than 49 days as 49 days. One that comes out is std::chrono::milliseconds. Money is an amount.
 *    What may be absent is a std::optional.
 * 6. Enumerations may hold values that are not named here: those of a newer library. Write a `default`.
 * 7. A constructor that takes a pointer of C becomes its owner, or in a view borrows it; c_object() lends it back.
 */

#ifndef SASTAOTP_HPP
#define SASTAOTP_HPP

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <iterator>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "sastaotp.h"

namespace sastaotp {

/// A time of the system's clock, in whole milliseconds; converts to std::chrono::system_clock::time_point.
using time_point = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;

/// What kind of failure it was.
enum class status : std::int32_t {
    ok = SASTAOTP_OK,
    config = SASTAOTP_CONFIG,
    budget = SASTAOTP_BUDGET,
    authentication = SASTAOTP_AUTHENTICATION,
    insufficient_balance = SASTAOTP_INSUFFICIENT_BALANCE,
    no_numbers = SASTAOTP_NO_NUMBERS,
    price_too_high = SASTAOTP_PRICE_TOO_HIGH,
    service_unavailable = SASTAOTP_SERVICE_UNAVAILABLE,
    not_found = SASTAOTP_NOT_FOUND,
    already_finished = SASTAOTP_ALREADY_FINISHED,
    too_early = SASTAOTP_TOO_EARLY,
    rejected = SASTAOTP_REJECTED,
    server = SASTAOTP_SERVER,
    rate_limited = SASTAOTP_RATE_LIMITED,
    blocked = SASTAOTP_BLOCKED,
    protocol = SASTAOTP_PROTOCOL,
    connection = SASTAOTP_CONNECTION,
    tls = SASTAOTP_TLS,
    timeout = SASTAOTP_TIMEOUT,
    cancelled = SASTAOTP_CANCELLED,
    wait_timeout = SASTAOTP_WAIT_TIMEOUT,
    expired = SASTAOTP_EXPIRED,
    activation_cancelled = SASTAOTP_ACTIVATION_CANCELLED,
    internal = SASTAOTP_INTERNAL,
};

/// What a failed call did to the wallet. After `unknown`, reconcile the intent and do not repeat the purchase.
enum class charge : std::int32_t {
    not_charged = SASTAOTP_NOT_CHARGED,
    unknown = SASTAOTP_CHARGE_UNKNOWN,
    charged = SASTAOTP_CHARGED,
};

/// Whether the same call may succeed later: not before something else changes, after a pause, or after reconciling.
enum class retry : std::int32_t {
    never = SASTAOTP_RETRY_NEVER,
    after = SASTAOTP_RETRY_AFTER,
    after_reconcile = SASTAOTP_RETRY_AFTER_RECONCILE,
};

/// A step of a request.
enum class phase : std::int32_t {
    prepare = SASTAOTP_PHASE_PREPARE,
    resolve = SASTAOTP_PHASE_RESOLVE,
    connect = SASTAOTP_PHASE_CONNECT,
    tls = SASTAOTP_PHASE_TLS,
    send = SASTAOTP_PHASE_SEND,
    receive = SASTAOTP_PHASE_RECEIVE,
    decode = SASTAOTP_PHASE_DECODE,
    service = SASTAOTP_PHASE_SERVICE,
};

/// Where the API key goes in a request: the header X-API-Key, the header Authorization, or the parameter api_key.
enum class key_in : std::int32_t {
    header = SASTAOTP_API_KEY_IN_HEADER,
    bearer = SASTAOTP_API_KEY_IN_BEARER,
    query = SASTAOTP_API_KEY_IN_QUERY,
};

/// What client::set_status asks for: the values of the service's action setStatus.
enum class set_status : std::int32_t {
    cancel = SASTAOTP_SET_CANCEL,
    cancel_legacy = SASTAOTP_SET_CANCEL_LEGACY,
    sms_sent = SASTAOTP_SET_SMS_SENT,
    next_code = SASTAOTP_SET_NEXT_CODE,
    complete = SASTAOTP_SET_COMPLETE,
};

/// The kinds of a state.
enum class state_kind : std::int32_t {
    waiting = SASTAOTP_ACTIVATION_STATUS_WAITING,
    waiting_for_next = SASTAOTP_ACTIVATION_STATUS_WAITING_FOR_NEXT,
    received = SASTAOTP_ACTIVATION_STATUS_RECEIVED,
    cancelled = SASTAOTP_ACTIVATION_STATUS_CANCELLED,
    other = SASTAOTP_ACTIVATION_STATUS_OTHER,
};

/// The kinds of a change.
enum class change_kind : std::int32_t {
    cancelled = SASTAOTP_STATUS_CHANGE_CANCELLED,
    already_cancelled = SASTAOTP_STATUS_CHANGE_ALREADY_CANCELLED,
    ready = SASTAOTP_STATUS_CHANGE_READY,
    waiting_for_next = SASTAOTP_STATUS_CHANGE_WAITING_FOR_NEXT,
    completed = SASTAOTP_STATUS_CHANGE_COMPLETED,
    accepted = SASTAOTP_STATUS_CHANGE_ACCEPTED,
    other = SASTAOTP_STATUS_CHANGE_OTHER,
};

/// What settling does when the service does not let the order be cancelled yet: throw status::too_early, or wait until
/// it does and take a code that comes meanwhile.
enum class early_cancel : std::int32_t {
    report = SASTAOTP_ON_TOO_EARLY_FAIL,
    wait_out = SASTAOTP_ON_TOO_EARLY_WAIT,
};

/// How an activation ended, as far as it is known.
enum class ending : std::int32_t {
    none = SASTAOTP_ENDING_NONE,
    completed = SASTAOTP_ENDING_COMPLETED,
    cancelled = SASTAOTP_ENDING_CANCELLED,
    expired = SASTAOTP_ENDING_EXPIRED,
};

/// What became of an order. After `code_arrived` it is open: complete it.
enum class settled : std::int32_t {
    completed = SASTAOTP_SETTLED_COMPLETED,
    cancelled = SASTAOTP_SETTLED_CANCELLED,
    code_arrived = SASTAOTP_SETTLED_CODE_ARRIVED,
    already_over = SASTAOTP_SETTLED_ALREADY_OVER,
};

/// What became of a purchase that nobody waits for: take up what was `bought`, reconcile what is `unknown`.
enum class unclaimed_outcome : std::int32_t {
    pending = SASTAOTP_UNCLAIMED_PENDING,
    bought = SASTAOTP_UNCLAIMED_BOUGHT,
    unknown = SASTAOTP_UNCLAIMED_UNKNOWN,
};

/// An amount of Indian rupees, exact to a millionth.
class amount {
public:
    /// Makes an amount of nothing.
    constexpr amount() noexcept = default;

    /// Makes an amount of whole rupees. Throws std::overflow_error where it does not fit.
    static constexpr amount from_rupees(std::int64_t rupees) {
        using limits = std::numeric_limits<std::int64_t>;
        if (rupees > limits::max() / SASTAOTP_RUPEE || rupees < limits::min() / SASTAOTP_RUPEE)
            throw std::overflow_error("making an amount: the rupees do not fit 64 bits of micro-rupees");
        return amount(rupees * SASTAOTP_RUPEE);
    }

    /// Makes an amount of micro-rupees: 18.50 rupees are 18500000.
    static constexpr amount from_micros(std::int64_t micros) noexcept { return amount(micros); }

    /// Reads rupees with a point and at most six decimals, such as "18.50"; exact. Throws status::config where the text
    /// is no such amount.
    static amount parse(std::string_view rupees);

    // 18.50 would become 18 in silence.
    template <class Float, class = std::enable_if_t<std::is_floating_point_v<Float>>>
    static amount from_rupees(Float) = delete;
    template <class Float, class = std::enable_if_t<std::is_floating_point_v<Float>>>
    static amount from_micros(Float) = delete;

    /// Returns the amount in micro-rupees.
    constexpr std::int64_t micros() const noexcept { return micros_; }

    /// Returns rupees with two to six decimals, such as "18.50"; exact.
    std::string to_string() const {
        char text[32];
        return std::string(text, sastaotp_amount_format(micros_, text, sizeof text));
    }

    /// Returns the sum. Throws std::overflow_error where it does not fit.
    friend constexpr amount operator+(amount left, amount right) {
        using limits = std::numeric_limits<std::int64_t>;
        if (right.micros_ > 0 ? left.micros_ > limits::max() - right.micros_
                              : left.micros_ < limits::min() - right.micros_)
            throw std::overflow_error("adding amounts: the sum does not fit 64 bits of micro-rupees");
        return amount(left.micros_ + right.micros_);
    }

    /// Returns the difference. Throws std::overflow_error where it does not fit.
    friend constexpr amount operator-(amount left, amount right) {
        using limits = std::numeric_limits<std::int64_t>;
        if (right.micros_ < 0 ? left.micros_ > limits::max() + right.micros_
                              : left.micros_ < limits::min() + right.micros_)
            throw std::overflow_error("subtracting amounts: the difference does not fit 64 bits of micro-rupees");
        return amount(left.micros_ - right.micros_);
    }

    friend constexpr bool operator==(amount left, amount right) noexcept { return left.micros_ == right.micros_; }
    friend constexpr bool operator!=(amount left, amount right) noexcept { return left.micros_ != right.micros_; }
    friend constexpr bool operator<(amount left, amount right) noexcept { return left.micros_ < right.micros_; }
    friend constexpr bool operator>(amount left, amount right) noexcept { return left.micros_ > right.micros_; }
    friend constexpr bool operator<=(amount left, amount right) noexcept { return left.micros_ <= right.micros_; }
    friend constexpr bool operator>=(amount left, amount right) noexcept { return left.micros_ >= right.micros_; }

    /// Writes to_string() to a stream.
    template <class Traits>
    friend std::basic_ostream<char, Traits> &operator<<(std::basic_ostream<char, Traits> &out, amount shown) {
        return out << shown.to_string();
    }

private:
    explicit constexpr amount(std::int64_t micros) noexcept : micros_(micros) {}

    std::int64_t micros_ = 0;
};

namespace detail {

/// A face of an object of C. The base of every class here; copying it copies the pointer.
template <class T>
class view {
public:
    explicit view(T *object) noexcept : object_(object) {}

    /// Lends the object of C; NULL after a move.
    T *c_object() const noexcept { return object_; }

protected:
    T *object_;
};

/// A face that owns its object. It is the view, so what the view tells is written once, and an owner passes for a view.
template <class View, auto Free>
class owned;

template <class View, class T, void (*Free)(T *)>
class owned<View, Free> : public View {
public:
    using c_type = T;

    explicit owned(T *object) noexcept : View(object) {}
    owned(owned &&other) noexcept : View(other) { other.object_ = nullptr; }
    owned &operator=(owned &&other) noexcept {
        owned moved(std::move(other));
        std::swap(this->object_, moved.object_);
        return *this;
    }
    // A view of what is constant: the object was not when it was handed over.
    ~owned() { Free(const_cast<T *>(this->object_)); }

    /// Gives the object of C away: free it with its "_free".
    T *release() noexcept { return const_cast<T *>(std::exchange(this->object_, nullptr)); }
};

/// What operator-> gives where the thing pointed at is made on the way.
template <class Item>
struct arrow {
    Item item;
    const Item *operator->() const noexcept { return &item; }
};

/// A list of C as a range. Its elements are views, made on the way: an iterator's reference is a value.
template <auto Count, auto Get, class Item>
class list;

template <class List, std::size_t (*Count)(const List *), class Raw, Raw (*Get)(const List *, std::size_t), class Item>
class list<Count, Get, Item> : public view<const List> {
public:
    /// Random access, and valid as long as the elements are.
    class iterator {
    public:
        using iterator_category = std::random_access_iterator_tag;
        using value_type = Item;
        using difference_type = std::ptrdiff_t;
        using reference = Item;
        using pointer = arrow<Item>;

        iterator() noexcept = default;
        iterator(const List *of, std::size_t index) noexcept : list_(of), index_(index) {}

        reference operator*() const noexcept { return Item(Get(list_, index_)); }
        pointer operator->() const noexcept { return {**this}; }
        reference operator[](difference_type n) const noexcept { return *(*this + n); }

        iterator &operator++() noexcept { return *this += 1; }
        iterator &operator--() noexcept { return *this -= 1; }
        iterator operator++(int) noexcept { return std::exchange(*this, *this + 1); }
        iterator operator--(int) noexcept { return std::exchange(*this, *this - 1); }
        iterator &operator+=(difference_type n) noexcept {
            index_ += static_cast<std::size_t>(n);
            return *this;
        }
        iterator &operator-=(difference_type n) noexcept {
            index_ -= static_cast<std::size_t>(n);
            return *this;
        }
        friend iterator operator+(iterator at, difference_type n) noexcept { return at += n; }
        friend iterator operator+(difference_type n, iterator at) noexcept { return at += n; }
        friend iterator operator-(iterator at, difference_type n) noexcept { return at -= n; }
        friend difference_type operator-(const iterator &left, const iterator &right) noexcept {
            return static_cast<difference_type>(left.index_ - right.index_);
        }

        friend bool operator==(const iterator &a, const iterator &b) noexcept { return a.index_ == b.index_; }
        friend bool operator!=(const iterator &a, const iterator &b) noexcept { return a.index_ != b.index_; }
        friend bool operator<(const iterator &a, const iterator &b) noexcept { return a.index_ < b.index_; }
        friend bool operator>(const iterator &a, const iterator &b) noexcept { return a.index_ > b.index_; }
        friend bool operator<=(const iterator &a, const iterator &b) noexcept { return a.index_ <= b.index_; }
        friend bool operator>=(const iterator &a, const iterator &b) noexcept { return a.index_ >= b.index_; }

    private:
        const List *list_ = nullptr;
        std::size_t index_ = 0;
    };
    using const_iterator = iterator;
    using value_type = Item;

    using view<const List>::view;

    iterator begin() const noexcept { return iterator(this->object_, 0); }
    iterator end() const noexcept { return iterator(this->object_, size()); }
    std::size_t size() const noexcept { return Count(this->object_); }
    bool empty() const noexcept { return size() == 0; }

    /// Returns the element at an index from 0. Behind the end it is one that has nothing to tell.
    Item operator[](std::size_t index) const noexcept { return Item(Get(this->object_, index)); }
};

/// A text that is lent; empty where there is none.
inline std::string_view lent(const char *text) noexcept { return text ? std::string_view(text) : std::string_view(); }

/// A text that may be absent.
inline std::optional<std::string_view> lent_some(const char *text) noexcept {
    return text ? std::optional<std::string_view>(text) : std::nullopt;
}

/// A part that may be absent.
template <class View, class T>
std::optional<View> part(T *object) noexcept {
    return object ? std::optional<View>(object) : std::nullopt;
}

/// A value as C++ has it.
template <class Value, class Raw>
Value value(Raw raw) noexcept {
    if constexpr (std::is_same_v<Value, amount>)
        return amount::from_micros(raw);
    else if constexpr (std::is_same_v<Value, time_point>)
        return time_point(std::chrono::milliseconds(raw));
    else
        return Value(raw);
}

/// A value that C tells through a place, if at all.
template <class Value, class T, class Raw>
std::optional<Value> told(bool (*tell)(const T *, Raw *), const T *object) noexcept {
    Raw raw{};
    return tell(object, &raw) ? std::optional<Value>(value<Value>(raw)) : std::nullopt;
}

/// The same of a row in a table.
template <class Value, class T, class Raw>
std::optional<Value> told(bool (*tell)(const T *, std::size_t, Raw *), const T *object, std::size_t index) noexcept {
    Raw raw{};
    return tell(object, index, &raw) ? std::optional<Value>(value<Value>(raw)) : std::nullopt;
}

/// A duration that goes in, of whatever unit and number, as C takes it: whole milliseconds, and what fits of them.
class duration {
public:
    // By way of double, in which no unit overflows and every millisecond that C can hold is exact.
    template <class Rep, class Period>
    constexpr duration(std::chrono::duration<Rep, Period> time) noexcept
        : millis_(fitting(std::chrono::duration<double, std::milli>(time).count())) {}

    constexpr std::uint32_t millis() const noexcept { return millis_; }

private:
    static constexpr std::uint32_t fitting(double count) noexcept {
        constexpr std::uint32_t most = std::numeric_limits<std::uint32_t>::max();
        if (!(count > 0)) return 0;  // none, less, or not a number
        return count < most ? static_cast<std::uint32_t>(count) : most;
    }

    std::uint32_t millis_;
};

}  // namespace detail

/// Returns the version of the library that runs, such as "0.1.0". It may be newer than that of the header.
inline std::string_view version() noexcept { return sastaotp_version(); }

/// Returns the version of the binary interface of the library that runs; SASTAOTP_ABI_VERSION is that of the header.
inline std::uint32_t abi_version() noexcept { return sastaotp_abi_version(); }

/// Returns the name of a status, such as "SASTAOTP_NO_NUMBERS"; empty for one that the library does not know.
inline std::string_view name(status of) noexcept {
    return detail::lent(sastaotp_status_name(static_cast<sastaotp_status>(of)));
}

/// A purchase that was about to be made: enough to find it in the order history when its reply was lost. Any thread.
class intent_view : public detail::view<const sastaotp_intent> {
public:
    using view::view;

    /// Returns the intent as JSON, to be saved before the purchase and read with intent::from_json.
    std::string_view json() const noexcept { return detail::lent(sastaotp_intent_json(object_)); }
    /// Returns the code of the service; absent where a number was to be bought again.
    std::optional<std::string_view> service() const noexcept {
        return detail::lent_some(sastaotp_intent_service(object_));
    }
    /// Returns the code of the country; absent where none was asked for.
    std::optional<std::string_view> country() const noexcept {
        return detail::lent_some(sastaotp_intent_country(object_));
    }
    /// Returns the id of the activation whose number was to be bought again.
    std::optional<std::string_view> reget_of() const noexcept {
        return detail::lent_some(sastaotp_intent_reget_of(object_));
    }
    /// Returns the most that may be charged; absent where any price was accepted, or it is not known.
    std::optional<amount> max_price() const noexcept {
        return detail::told<amount>(sastaotp_intent_max_price, object_);
    }
    /// Returns the highest order id that was known before: what was bought has a higher one.
    std::optional<std::uint64_t> watermark() const noexcept {
        return detail::told<std::uint64_t>(sastaotp_intent_watermark, object_);
    }
    /// Returns when the intent was made.
    time_point started() const noexcept { return detail::value<time_point>(sastaotp_intent_started_at_ms(object_)); }
};

/// Why a call failed: facts that stand beside each other, and a sentence. It never holds the API key. Any thread.
class error_view : public detail::view<const sastaotp_error> {
public:
    using view::view;

    /// Returns what kind of failure it is.
    sastaotp::status status() const noexcept {
        // Without an object it is the refusal of an argument by this header.
        return object_ ? sastaotp::status(sastaotp_error_kind(object_)) : sastaotp::status::config;
    }
    /// Returns the failure as one sentence: what was being done, what came back, what to do.
    std::string_view message() const noexcept { return detail::lent(sastaotp_error_message(object_)); }
    /// Returns what to do about it, the last part of the message; empty where there is nothing to say.
    std::string_view hint() const noexcept { return detail::lent(sastaotp_error_hint(object_)); }
    /// Returns the error code of the service as it wrote it, such as "NO_BALANCE".
    std::optional<std::string_view> code() const noexcept { return detail::lent_some(sastaotp_error_code(object_)); }
    /// Returns the HTTP status of the reply; absent where none came.
    std::optional<int> http_status() const noexcept {
        const int found = sastaotp_error_http_status(object_);
        return found ? std::optional<int>(found) : std::nullopt;
    }
    /// Returns where the call was when it failed.
    sastaotp::phase phase() const noexcept { return sastaotp::phase(sastaotp_error_phase(object_)); }
    /// Returns what the call did to the wallet: the first question after a purchase failed.
    sastaotp::charge charge() const noexcept { return sastaotp::charge(sastaotp_error_charge(object_)); }
    /// Returns whether the same call may succeed later.
    sastaotp::retry retry() const noexcept { return sastaotp::retry(sastaotp_error_retry(object_)); }
    /// Returns how long to wait before the same call may succeed; absent where retry() is not retry::after.
    std::optional<std::chrono::milliseconds> retry_after() const noexcept {
        return detail::told<std::chrono::milliseconds>(sastaotp_error_retry_after_ms, object_);
    }
    /// Returns the row of the fault matrix, such as "N06", where the failure is one.
    std::optional<std::string_view> fault() const noexcept { return detail::lent_some(sastaotp_error_fault(object_)); }
    /// Returns the reply as it came, its first 4,096 characters, where one came and is the reason.
    std::optional<std::string_view> raw() const noexcept { return detail::lent_some(sastaotp_error_raw(object_)); }
    /// Returns the purchase that failed, for client::reconcile; absent where none did.
    std::optional<intent_view> intent() const noexcept {
        return detail::part<intent_view>(sastaotp_error_intent(object_));
    }
    /// Returns the error as JSON: kind, message, hint, code, http_status, phase, charge, retry, retry_after_ms, fault,
    /// intent, raw. Empty where this header itself refused an argument.
    std::string_view json() const noexcept { return detail::lent(sastaotp_error_json(object_)); }
};

/// A failed call, as an exception: what() is the message. Copies share one object and do not fail, so it may be kept,
/// and carried to another thread in a std::exception_ptr. What it lends lives as long as the last copy.
class error : public std::runtime_error, public error_view {
public:
    /// Makes an exception of an error of C, and becomes its owner.
    explicit error(sastaotp_error *object)
        : error(std::shared_ptr<const sastaotp_error>(object, sastaotp_error_free)) {}
    /// Makes an exception of an error that is part of an object, and owns that with others.
    explicit error(std::shared_ptr<const sastaotp_error> object)
        : std::runtime_error(std::string(error_view(object.get()).message())),
          error_view(object.get()),
          owner_(std::move(object)) {}
    /// Makes a refusal of an argument, which has a sentence alone.
    explicit error(const std::string &sentence) : std::runtime_error(sentence), error_view(nullptr) {}
    // Without moves: a copy costs no more, and leaves nothing empty behind.
    error(const error &) = default;
    error &operator=(const error &) = default;

    /// Returns what() as a text.
    std::string_view message() const noexcept { return what(); }

private:
    std::shared_ptr<const sastaotp_error> owner_;
};

/// A purchase that may have been made: charge() is charge::unknown. Do not repeat it; client::reconcile(*intent())
/// looks for it.
class outcome_unknown : public error {
public:
    using error::error;
};

namespace detail {

/// Throws an error as what it is.
[[noreturn]] inline void fail(std::shared_ptr<const sastaotp_error> object) {
    if (sastaotp_error_charge(object.get()) == SASTAOTP_CHARGE_UNKNOWN) throw outcome_unknown(std::move(object));
    throw error(std::move(object));
}

/// Throws the error of a call.
[[noreturn]] inline void fail(sastaotp_error *object) {
    fail(std::shared_ptr<const sastaotp_error>(object, sastaotp_error_free));
}

/// Calls a function that may fail; the place for its error is added.
template <class Function, class... Arguments>
void call(Function function, Arguments... arguments) {
    sastaotp_error *object = nullptr;
    if (function(arguments..., &object) != SASTAOTP_OK) fail(object);
}

/// Calls a function that makes an object; the places for it and the error are added.
template <class Owner, class Function, class... Arguments>
Owner make(Function function, Arguments... arguments) {
    typename Owner::c_type *object = nullptr;
    call(function, arguments..., &object);
    return Owner(object);
}

/// A text for C, which would take a NUL in it for its end: "22" for "22\0...", and buy there.
inline std::string terminated(const char *name, std::string_view text) {
    if (text.find('\0') != std::string_view::npos)
        throw error("calling the library: the argument " + std::string(name) + " holds a NUL: give it without");
    return std::string(text);
}

/// A text for C that may be left out.
class optional_text {
public:
    optional_text(const char *name, std::optional<std::string_view> text) {
        if (text) text_ = terminated(name, *text);
    }
    const char *c_str() const noexcept { return text_ ? text_->c_str() : nullptr; }

private:
    std::optional<std::string> text_;
};

}  // namespace detail

inline amount amount::parse(std::string_view rupees) {
    std::int64_t micros = 0;
    detail::call(sastaotp_amount_parse, detail::terminated("rupees", rupees).c_str(), &micros);
    return from_micros(micros);
}

/// An intent of one's own. See intent_view for what it tells.
class intent : public detail::owned<intent_view, sastaotp_intent_free> {
public:
    using owned::owned;

    /// Copies an intent, to keep it beyond the error or list that it is part of.
    explicit intent(const intent_view &of) : owned(sastaotp_intent_copy(of.c_object())) {}

    /// Reads an intent that was saved: the text that json() gave. Throws status::config where it is another.
    static intent from_json(std::string_view json) {
        return detail::make<intent>(sastaotp_intent_from_json, detail::terminated("json", json).c_str());
    }
};

/// A token that ends calls from another thread, wherever they are blocked. Any thread.
class cancel : public detail::owned<detail::view<sastaotp_cancel_token>, sastaotp_cancel_token_free> {
public:
    using owned::owned;

    /// Makes a token that is not triggered.
    cancel() noexcept : owned(sastaotp_cancel_token_new()) {}

    /// Triggers the token: every call that uses it throws status::cancelled within 100 ms, and so does every later one.
    /// Not from a signal handler.
    void trigger() const noexcept { sastaotp_cancel_token_trigger(object_); }
    /// Says whether the token was triggered.
    bool is_triggered() const noexcept { return sastaotp_cancel_token_is_triggered(object_); }
};

/// The settings of a client, set in a chain: `config().api_key(key).budget(most)`. One thread at a time; can make many
/// clients.
class config : public detail::owned<detail::view<sastaotp_config>, sastaotp_config_free> {
public:
    using owned::owned;

    /// Makes settings with every default and no API key.
    config() noexcept : owned(sastaotp_config_new()) {}

    /// Makes settings from SASTAOTP_API_KEY and, where it is set, SASTAOTP_BASE_URL. Throws status::config where a
    /// variable is not UTF-8.
    static config from_env() { return detail::make<config>(sastaotp_config_from_env); }

    /// Sets the API key: 1 to 256 visible ASCII characters, checked by client.
    config &api_key(std::string_view key) & {
        return set(sastaotp_config_set_api_key, detail::terminated("api_key", key).c_str());
    }
    config api_key(std::string_view key) && { return std::move(api_key(key)); }

    /// Sets where the API key goes in a request; key_in::header by default.
    config &key_in(sastaotp::key_in place) & {
        return set(sastaotp_config_set_api_key_location, static_cast<sastaotp_api_key_location>(place));
    }
    config key_in(sastaotp::key_in place) && { return std::move(key_in(place)); }

    /// Sets the address of the service: https, or http to this machine alone. Checked by client.
    config &base_url(std::string_view url) & {
        return set(sastaotp_config_set_base_url, detail::terminated("base_url", url).c_str());
    }
    config base_url(std::string_view url) && { return std::move(base_url(url)); }

    /// Sets the User-Agent: 1 to 256 printable ASCII characters, checked by client.
    config &user_agent(std::string_view text) & {
        return set(sastaotp_config_set_user_agent, detail::terminated("user_agent", text).c_str());
    }
    config user_agent(std::string_view text) && { return std::move(user_agent(text)); }

    /// Trusts the certificates in a PEM text besides the public authorities; checked by client. A second call replaces
    /// the first.
    config &add_ca_pem(std::string_view pem) & {
        return set(sastaotp_config_add_ca_pem, reinterpret_cast<const std::uint8_t *>(pem.data()), pem.size());
    }
    config add_ca_pem(std::string_view pem) && { return std::move(add_ca_pem(pem)); }

    /// Sets how many idle connections are kept at most: 1 or more, checked by client; 64 by default.
    config &max_connections(std::uint32_t count) & { return set(sastaotp_config_set_max_connections, count); }
    config max_connections(std::uint32_t count) && { return std::move(max_connections(count)); }

    /// Sets the total that charges may reach. With a budget every purchase needs a maximum price. None by default.
    config &budget(amount total) & { return set(sastaotp_config_set_budget, total.micros()); }
    config budget(amount total) && { return std::move(budget(total)); }

    /// Sets how long a call may take in all, its retries among it; 90 seconds by default. A wait, a reconcile
    /// and a settle that waits out have times of their own.
    config &timeout(detail::duration time) & { return set(sastaotp_config_set_timeout_ms, time.millis()); }
    config timeout(detail::duration time) && { return std::move(timeout(time)); }

    /// Sets how many requests a minute are sent at most, by all handles of a client together: 1 or more. As many as the
    /// service takes by default. A 429 slows down by itself, either way. Throws status::config for 0 and
    /// for more than 60,000,000.
    config &max_requests_per_minute(std::uint32_t count) & {
        return set(sastaotp_config_set_max_requests_per_minute, count);
    }
    config max_requests_per_minute(std::uint32_t count) && { return std::move(max_requests_per_minute(count)); }

private:
    template <class Function, class... Arguments>
    config &set(Function function, Arguments... arguments) {
        detail::call(function, object_, arguments...);
        return *this;
    }
};

/// A purchase to make, set in a chain: `number_request("tg").country("22").max_price(most)`. Either max_price or
/// accept_any_price must be called: otherwise the purchase throws status::config. One thread at a time; can buy many
/// numbers.
class number_request : public detail::owned<detail::view<sastaotp_number_request>, sastaotp_number_request_free> {
public:
    using owned::owned;

    /// Asks for a number for a service: a code from client::get_services, such as "tg".
    explicit number_request(std::string_view service)
        : number_request(detail::make<number_request>(sastaotp_number_request_new,
                                                      detail::terminated("service", service).c_str())) {}

    /// Asks for a country: a code from client::get_countries, which is not a calling code. India is "22".
    number_request &country(std::string_view code) & {
        return set(sastaotp_number_request_set_country, detail::terminated("country", code).c_str());
    }
    number_request country(std::string_view code) && { return std::move(country(code)); }

    /// Sets the most that may be charged.
    number_request &max_price(amount most) & { return set(sastaotp_number_request_set_max_price, most.micros()); }
    number_request max_price(amount most) && { return std::move(max_price(most)); }

    /// Accepts whatever price the service asks.
    number_request &accept_any_price() & { return set(sastaotp_number_request_accept_any_price); }
    number_request accept_any_price() && { return std::move(accept_any_price()); }

    /// Asks for a provider. (`operator` is a word of C++.)
    number_request &provider(std::string_view name) & {
        return set(sastaotp_number_request_set_operator, detail::terminated("operator", name).c_str());
    }
    number_request provider(std::string_view name) && { return std::move(provider(name)); }

    /// Asks for a number that can get several codes.
    number_request &ask_multi_sms() & { return set(sastaotp_number_request_ask_multi_sms); }
    number_request ask_multi_sms() && { return std::move(ask_multi_sms()); }

private:
    template <class Function, class... Arguments>
    number_request &set(Function function, Arguments... arguments) {
        detail::call(function, object_, arguments...);
        return *this;
    }
};

/// How to wait for a code, where the defaults are not right. One thread at a time.
class wait_options : public detail::owned<detail::view<sastaotp_wait_options>, sastaotp_wait_options_free> {
public:
    using owned::owned;

    /// Makes options with every default.
    wait_options() noexcept : owned(sastaotp_wait_options_new()) {}

    /// Polls less often than every 5 seconds; more often is not possible, and an hour is the longest pause.
    wait_options &interval(detail::duration pause) & { return set(sastaotp_wait_options_set_interval_ms, pause.millis()); }
    wait_options interval(detail::duration pause) && { return std::move(interval(pause)); }

    /// After a request for the next code, takes one that came before for it even if the service showed no waiting in
    /// between.
    wait_options &accept_same_code() & { return set(sastaotp_wait_options_accept_same_code); }
    wait_options accept_same_code() && { return std::move(accept_same_code()); }

    /// Cancels the order for its refund when no code came in time. That takes 10 seconds more at most. The wait throws
    /// status::wait_timeout all the same, whose hint says whether the order was cancelled, or what the cancellation
    /// failed with.
    wait_options &cancel_on_timeout() & { return set(sastaotp_wait_options_cancel_on_timeout); }
    wait_options cancel_on_timeout() && { return std::move(cancel_on_timeout()); }

private:
    template <class Function, class... Arguments>
    wait_options &set(Function function, Arguments... arguments) {
        detail::call(function, object_, arguments...);
        return *this;
    }
};

/// What is in the wallet. Any thread.
class balance : public detail::owned<detail::view<const sastaotp_balance>, sastaotp_balance_free> {
public:
    using owned::owned;

    /// Returns what there is.
    sastaotp::amount amount() const noexcept { return amount::from_micros(sastaotp_balance_amount(object_)); }
    /// Returns the currency as the service names it, "INR" where it names none.
    std::string_view currency() const noexcept { return detail::lent(sastaotp_balance_currency(object_)); }
    /// Returns the balance as JSON: amount_micros, currency, raw.
    std::string_view json() const noexcept { return detail::lent(sastaotp_balance_json(object_)); }
};

/// A service in one country. Part of its list.
class offer : public detail::view<const sastaotp_offer> {
public:
    using view::view;

    /// Returns the code of the country for a purchase. It is not a calling code.
    std::string_view country() const noexcept { return detail::lent(sastaotp_offer_country(object_)); }
    /// Returns the name of the country; empty where there is none.
    std::string_view country_name() const noexcept { return detail::lent(sastaotp_offer_country_name(object_)); }
    /// Returns what a number costs there; absent where the service does not say.
    std::optional<amount> price() const noexcept { return detail::told<amount>(sastaotp_offer_price, object_); }
    /// Returns how many numbers there are; absent where the service does not say.
    std::optional<std::uint64_t> available() const noexcept {
        return detail::told<std::uint64_t>(sastaotp_offer_available, object_);
    }
};

/// The countries that a service is sold in.
using offer_list = detail::list<sastaotp_service_offer_count, sastaotp_service_offer, offer>;

/// A service that numbers are sold for. Part of its list.
class service : public detail::view<const sastaotp_service> {
public:
    using view::view;

    /// Returns the code for a purchase, such as "tg".
    std::string_view code() const noexcept { return detail::lent(sastaotp_service_code(object_)); }
    /// Returns the name that people know, such as "Telegram"; empty where there is none.
    std::string_view name() const noexcept { return detail::lent(sastaotp_service_name(object_)); }
    /// Returns what a number costs where no country is chosen; absent where the service does not say.
    std::optional<amount> price() const noexcept { return detail::told<amount>(sastaotp_service_price, object_); }
    /// Returns how many numbers there are; absent where the service does not say.
    std::optional<std::uint64_t> available() const noexcept {
        return detail::told<std::uint64_t>(sastaotp_service_available, object_);
    }
    /// Says whether one number can get several codes; absent where the service does not.
    std::optional<bool> multi_sms() const noexcept { return detail::told<bool>(sastaotp_service_multi_sms, object_); }
    /// Returns how long after the purchase an order expires; absent where the service does not say.
    std::optional<std::chrono::milliseconds> expires_in() const noexcept {
        return detail::told<std::chrono::milliseconds>(sastaotp_service_expires_in_ms, object_);
    }
    /// Returns where it is sold. The live service says so only when one service is asked for.
    offer_list offers() const noexcept { return offer_list(object_); }
};

/// A list of services, and a range of them. Any thread.
class services : public detail::owned<detail::list<sastaotp_services_count, sastaotp_services_get, service>,
                                      sastaotp_services_free> {
public:
    using owned::owned;

    /// Returns the list as JSON: services, a list of code, name, price_micros, available, multi_sms, expires_in_ms and
    /// countries; and raw.
    std::string_view json() const noexcept { return detail::lent(sastaotp_services_json(object_)); }
};

/// What a service costs in a country. Part of its table.
class price {
public:
    /// Makes the view of a row, from 0.
    price(const sastaotp_prices *table, std::size_t row) noexcept : table_(table), row_(row) {}

    /// Returns the code of the country; "*" and "any" are the service's own words.
    std::string_view country() const noexcept { return detail::lent(sastaotp_prices_country(table_, row_)); }
    /// Returns the code of the service.
    std::string_view service() const noexcept { return detail::lent(sastaotp_prices_service(table_, row_)); }
    /// Returns what a number costs; absent where the figure of the reply cannot be read.
    std::optional<amount> cost() const noexcept { return detail::told<amount>(sastaotp_prices_price, table_, row_); }
    /// Returns how many numbers there are; absent where the service does not say. The live service says 999 everywhere.
    std::optional<std::uint32_t> available() const noexcept {
        return detail::told<std::uint32_t>(sastaotp_prices_available, table_, row_);
    }

private:
    const sastaotp_prices *table_;
    std::size_t row_;
};

namespace detail {

inline price price_at(const sastaotp_prices *table, std::size_t row) noexcept { return price(table, row); }

inline std::string_view warning_at(const sastaotp_purchase *purchase, std::size_t index) noexcept {
    return lent(sastaotp_purchase_warning(purchase, index));
}

}  // namespace detail

/// What services cost in countries: a table, and a range of its rows. Any thread.
class prices
    : public detail::owned<detail::list<sastaotp_prices_count, detail::price_at, price>, sastaotp_prices_free> {
public:
    using owned::owned;

    /// Finds the row of one service in one country.
    std::optional<price> find(std::string_view country, std::string_view service) const {
        std::size_t row = 0;
        const bool found = sastaotp_prices_find(object_, detail::terminated("country", country).c_str(),
                                                detail::terminated("service", service).c_str(), &row);
        return found ? std::optional<price>(price(object_, row)) : std::nullopt;
    }
    /// Returns the table as JSON: prices, a list of country, service, cost_micros, count; and raw.
    std::string_view json() const noexcept { return detail::lent(sastaotp_prices_json(object_)); }
};

/// A country that numbers are sold in. Part of its list.
class country : public detail::view<const sastaotp_country> {
public:
    using view::view;

    /// Returns the code for a purchase. It is not a calling code: 22 is India.
    std::string_view code() const noexcept { return detail::lent(sastaotp_country_code(object_)); }
    /// Returns the name in English; empty where there is none. Names repeat.
    std::string_view name() const noexcept { return detail::lent(sastaotp_country_name(object_)); }
    /// Says whether the service shows the country to its users.
    bool is_visible() const noexcept { return sastaotp_country_is_visible(object_); }
};

/// A list of countries, and a range of them. Any thread.
class countries : public detail::owned<detail::list<sastaotp_countries_count, sastaotp_countries_get, country>,
                                       sastaotp_countries_free> {
public:
    using owned::owned;

    /// Returns the list as JSON: countries, a list of code, name, visible; and raw.
    std::string_view json() const noexcept { return detail::lent(sastaotp_countries_json(object_)); }
};

/// An order of the history. What the reply does not give is absent. Any thread.
class order_view : public detail::view<const sastaotp_order> {
public:
    using view::view;

    /// Returns the id of the order, a number that grows.
    std::optional<std::string_view> id() const noexcept { return detail::lent_some(sastaotp_order_id(object_)); }
    /// Returns the id for client::activation.
    std::optional<std::string_view> activation_id() const noexcept {
        return detail::lent_some(sastaotp_order_activation_id(object_));
    }
    /// Returns the phone number as the service wrote it.
    std::optional<std::string_view> phone_number() const noexcept {
        return detail::lent_some(sastaotp_order_phone_number(object_));
    }
    /// Returns the code of the service, or its name where the reply has no code.
    std::optional<std::string_view> service() const noexcept {
        return detail::lent_some(sastaotp_order_service(object_));
    }
    /// Returns the code of the country, or its name where the reply has no code.
    std::optional<std::string_view> country() const noexcept {
        return detail::lent_some(sastaotp_order_country(object_));
    }
    /// Returns "pending", "completed", "cancelled", "expired", or another word as the service wrote it.
    std::optional<std::string_view> status() const noexcept {
        return detail::lent_some(sastaotp_order_status(object_));
    }
    /// Returns the code that came.
    std::optional<std::string_view> code() const noexcept { return detail::lent_some(sastaotp_order_code(object_)); }
    /// Returns when it was bought, in the words of the service: the zone of that time is not known.
    std::optional<std::string_view> created_at() const noexcept {
        return detail::lent_some(sastaotp_order_created_text(object_));
    }
    /// Returns when it was bought; absent where the service does not give seconds since 1970.
    std::optional<time_point> created() const noexcept {
        return detail::told<time_point>(sastaotp_order_created_at_ms, object_);
    }
    /// Returns what was charged.
    std::optional<amount> price() const noexcept { return detail::told<amount>(sastaotp_order_price, object_); }
    /// Returns the order as JSON: order_id, activation_id, phone_number, service, country, price_micros, status, code,
    /// created_at, created_ms, raw.
    std::string_view json() const noexcept { return detail::lent(sastaotp_order_json(object_)); }
};

/// An order of one's own, as order_history gives it.
class order : public detail::owned<order_view, sastaotp_order_free> {
public:
    using owned::owned;
};

/// A page of the order history, newest first, and a range of its orders. Any thread.
class orders
    : public detail::owned<detail::list<sastaotp_orders_count, sastaotp_orders_get, order_view>, sastaotp_orders_free> {
public:
    using owned::owned;

    /// Returns how many orders there are on all pages; absent where the service does not say.
    std::optional<std::uint64_t> total() const noexcept {
        return detail::told<std::uint64_t>(sastaotp_orders_total, object_);
    }
    /// Returns the page as JSON: orders, each as order_view::json writes it; total; extra_orders, the activations on the
    /// page that may be a purchase of this client made twice; raw.
    std::string_view json() const noexcept { return detail::lent(sastaotp_orders_json(object_)); }
};

/// The order history, newest first: a range to go through once, which asks for pages as they are needed. One thread at
/// a time.
class order_history : public detail::owned<detail::view<sastaotp_order_iterator>, sastaotp_order_iterator_free> {
public:
    using owned::owned;

    /// An input iterator. Its order may be moved away; the next one takes its place.
    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = order;
        using difference_type = std::ptrdiff_t;
        using reference = order &;
        using pointer = order *;

        iterator() noexcept = default;
        explicit iterator(order_history *of) : history_(of) { ++*this; }

        reference operator*() const noexcept { return *history_->current_; }
        pointer operator->() const noexcept { return &**this; }
        /// Goes on, and becomes end() behind the last order. Throws an error of a read; then the iteration has ended.
        iterator &operator++() {
            history_->current_ = history_->next();
            if (!history_->current_) history_ = nullptr;
            return *this;
        }
        void operator++(int) { ++*this; }

        friend bool operator==(const iterator &a, const iterator &b) noexcept { return a.history_ == b.history_; }
        friend bool operator!=(const iterator &a, const iterator &b) noexcept { return a.history_ != b.history_; }

    private:
        order_history *history_ = nullptr;
    };

    /// Begins where the last iterator was left, with the order after it. Throws an error of a read.
    iterator begin() { return iterator(this); }
    iterator end() const noexcept { return {}; }

    /// Gives the next order; absent at the end. Action getOrders, once a page. Throws an error of a read; then the
    /// iteration has ended.
    std::optional<order> next() {
        auto found = detail::make<order>(sastaotp_order_iterator_next, object_);
        if (!found.c_object()) return std::nullopt;
        return found;
    }

private:
    std::optional<order> current_;
};

/// A message that came to a number. Any thread.
class sms_view : public detail::view<const sastaotp_sms> {
public:
    using view::view;

    /// Returns the code, untouched: it may hold colons, blanks and leading zeros.
    std::string_view code() const noexcept { return detail::lent(sastaotp_sms_code(object_)); }
    /// Returns the text of the message; absent where the service gives none.
    std::optional<std::string_view> text() const noexcept { return detail::lent_some(sastaotp_sms_text(object_)); }
    /// Returns who sent it; absent where the service does not say.
    std::optional<std::string_view> sender() const noexcept { return detail::lent_some(sastaotp_sms_sender(object_)); }
    /// Returns when it came, in the words of the service: the zone of that time is not known.
    std::optional<std::string_view> received_at() const noexcept {
        return detail::lent_some(sastaotp_sms_received_text(object_));
    }
    /// Says whether the same code came for the order before.
    bool is_repeat() const noexcept { return sastaotp_sms_is_repeat(object_); }
    /// Returns the message as JSON: code, text, sender, received_at, is_repeat, raw.
    std::string_view json() const noexcept { return detail::lent(sastaotp_sms_json(object_)); }
};

/// A message of one's own. It gives its texts as copies, which stay when it ends: `number->code()->code()` is right
/// wherever the message was.
class sms : public detail::owned<sms_view, sastaotp_sms_free> {
public:
    using owned::owned;

    std::string code() const { return std::string(sms_view::code()); }
    std::optional<std::string> text() const { return std::optional<std::string>(sms_view::text()); }
    std::optional<std::string> sender() const { return std::optional<std::string>(sms_view::sender()); }
    std::optional<std::string> received_at() const { return std::optional<std::string>(sms_view::received_at()); }
    std::string json() const { return std::string(sms_view::json()); }
};

/// What the service says about an activation. Any thread.
class state : public detail::owned<detail::view<const sastaotp_activation_status>, sastaotp_activation_status_free> {
public:
    using owned::owned;

    /// Returns what state it is.
    state_kind kind() const noexcept { return state_kind(sastaotp_activation_status_kind(object_)); }
    /// Returns the message that came; absent where none did.
    std::optional<sms_view> sms() const noexcept { return detail::part<sms_view>(sastaotp_activation_status_sms(object_)); }
    /// Returns the code before the one that is awaited; absent where the service does not repeat it.
    std::optional<std::string_view> last_code() const noexcept {
        return detail::lent_some(sastaotp_activation_status_last_code(object_));
    }
    /// Returns a status that this library does not know, as the service wrote it; absent for one that it knows.
    std::optional<std::string_view> text() const noexcept { return detail::lent_some(sastaotp_activation_status_text(object_)); }
    /// Returns the state as JSON: status (waiting, waiting_for_next, received, cancelled or other), sms, last_code,
    /// text, raw.
    std::string_view json() const noexcept { return detail::lent(sastaotp_activation_status_json(object_)); }
};

/// What the service says that a change did. Any thread.
class change : public detail::owned<detail::view<const sastaotp_status_change>, sastaotp_status_change_free> {
public:
    using owned::owned;

    /// Returns what change it is.
    change_kind kind() const noexcept { return change_kind(sastaotp_status_change_kind(object_)); }
    /// Returns a word that this library does not know, as the service wrote it; absent for a change that it knows.
    std::optional<std::string_view> text() const noexcept { return detail::lent_some(sastaotp_status_change_text(object_)); }
    /// Returns the change as JSON: change (cancelled, already_cancelled, ready, waiting_for_next, completed, accepted
    /// or other), text, raw.
    std::string_view json() const noexcept { return detail::lent(sastaotp_status_change_json(object_)); }
};

/// How an order was closed. Any thread.
class settlement : public detail::owned<detail::view<const sastaotp_settlement>, sastaotp_settlement_free> {
public:
    using owned::owned;

    /// Returns what became of the order.
    settled state() const noexcept { return settled(sastaotp_settlement_state(object_)); }
    /// Returns the code that came; absent where none did.
    std::optional<sms_view> code() const noexcept { return detail::part<sms_view>(sastaotp_settlement_code(object_)); }
    /// Returns the settlement as JSON: state (completed, cancelled, code_arrived or already_over), code, raw.
    std::string_view json() const noexcept { return detail::lent(sastaotp_settlement_json(object_)); }
};

/// What is odd in the reply to a purchase, sentence by sentence.
using warning_list = detail::list<sastaotp_purchase_warning_count, detail::warning_at, std::string_view>;

/// What the reply to a purchase said. Part of its activation or list. Any thread.
class purchase : public detail::view<const sastaotp_purchase> {
public:
    using view::view;

    /// Returns the id for client::activation.
    std::string_view activation_id() const noexcept { return detail::lent(sastaotp_purchase_activation_id(object_)); }
    /// Returns the id of the order in the history; absent where the reply gives none.
    std::optional<std::string_view> order_id() const noexcept {
        return detail::lent_some(sastaotp_purchase_order_id(object_));
    }
    /// Returns the phone number as the service wrote it.
    std::string_view phone_number() const noexcept { return detail::lent(sastaotp_purchase_phone_number(object_)); }
    /// Returns the code of the service that it is for; absent where the reply gives none.
    std::optional<std::string_view> service() const noexcept {
        return detail::lent_some(sastaotp_purchase_service(object_));
    }
    /// Returns the code of the country; absent where the reply gives none.
    std::optional<std::string_view> country() const noexcept {
        return detail::lent_some(sastaotp_purchase_country(object_));
    }
    /// Returns what was charged; absent where the reply does not say.
    std::optional<amount> price() const noexcept { return detail::told<amount>(sastaotp_purchase_price, object_); }
    /// Says whether the service sells further codes on this number; absent where the reply does not.
    std::optional<bool> multi_sms() const noexcept { return detail::told<bool>(sastaotp_purchase_multi_sms, object_); }
    /// Returns how long after the purchase the order expires; absent where the reply does not say.
    std::optional<std::chrono::milliseconds> expires_in() const noexcept {
        return detail::told<std::chrono::milliseconds>(sastaotp_purchase_expires_in_ms, object_);
    }
    /// Returns what is odd in the reply, such as an overcharge. The purchase stands all the same.
    warning_list warnings() const noexcept { return warning_list(object_); }
    /// Returns the purchase as JSON: activation_id, order_id, phone_number, service, service_name, country,
    /// country_name, price_micros, multi_sms, can_get_another_sms, expires_in_ms, note, warnings, raw.
    std::string_view json() const noexcept { return detail::lent(sastaotp_purchase_json(object_)); }
};

class activation;

/// A number that was bought. Any number of threads may use it at once.
///
/// Changes throw as client::set_status does: an error of a read, status::not_found, already_finished, too_early or
/// rejected; mark_sms_sent and request_next_code also status::activation_cancelled where the service answers that the
/// order is cancelled.
class activation_view : public detail::view<const sastaotp_activation> {
public:
    using view::view;

    /// Returns the id for the other calls, and for client::activation in a later run.
    std::string_view id() const noexcept { return detail::lent(sastaotp_activation_id(object_)); }
    /// Returns the phone number as the service wrote it; absent for an activation that was taken up by its id.
    std::optional<std::string_view> phone_number() const noexcept {
        return detail::lent_some(sastaotp_activation_phone_number(object_));
    }
    /// Returns what was charged; absent where the service did not say.
    std::optional<amount> price() const noexcept { return detail::told<amount>(sastaotp_activation_price, object_); }
    /// Returns when the order expires; absent where the service did not say.
    std::optional<time_point> expires_at() const noexcept {
        return detail::told<time_point>(sastaotp_activation_expires_at_ms, object_);
    }
    /// Returns what the reply to the purchase said; absent for an activation that was taken up by its id.
    std::optional<sastaotp::purchase> purchase() const noexcept {
        return detail::part<sastaotp::purchase>(sastaotp_activation_purchase(object_));
    }
    /// Returns the code that came and was not asked to be replaced. Sends nothing.
    std::optional<sms> code() const noexcept { return detail::part<sms>(sastaotp_activation_code(object_)); }
    /// Returns the codes that came so far, oldest first. Sends nothing.
    std::vector<sms> codes() const {
        std::vector<sms> found;
        const std::size_t count = sastaotp_activation_code_count(object_);
        found.reserve(count);
        for (std::size_t index = 0; index < count; ++index)
            found.emplace_back(sastaotp_activation_code_at(object_, index));
        return found;
    }
    /// Returns how the order ended, as far as it is known. Sends nothing.
    sastaotp::ending ending() const noexcept { return sastaotp::ending(sastaotp_activation_ending(object_)); }

    /// Makes a handle of the same activation whose calls `token` ends. The handle may outlive both.
    activation with_cancel(const sastaotp::cancel &token) const;
    /// Makes a handle of the same activation whose calls return within a time. A wait, and a settle that waits
    /// out, have times of their own.
    activation with_timeout(detail::duration time) const;

    /// Asks the service once for the state. A code that comes back is kept. Action getStatus. Throws an error of a
    /// read, or status::not_found.
    state poll() const { return detail::make<state>(sastaotp_activation_get_status, object_); }

    /// Waits for a code, `time` at most. Actions getStatus, and getStatusV2 for the text of the message.
    ///
    /// Polls every 5 seconds, and once more at the deadline, which is the timeout or the order's expiry; before it where
    /// replies are slow. A failure that may pass does not end the wait. A code that came before is given at once.
    ///
    /// Throws status::wait_timeout when no code came in time, status::expired or status::activation_cancelled when the
    /// order is over, status::cancelled, or what the service refused. Unless the options are to cancel it, the
    /// activation stays as it is, and can be waited for again.
    sms wait_for_code(detail::duration time) const { return wait(time, nullptr); }
    sms wait_for_code(detail::duration time, const wait_options &options) const {
        return wait(time, options.c_object());
    }

    /// Waits for a code, and gives none when none came in time; otherwise as wait_for_code. To show progress, wait a
    /// second at a time: the distance between polls is kept from one wait to the next. With cancel_on_timeout the first
    /// that gives none has cancelled the order: ending() tells.
    std::optional<sms> try_wait_for_code(detail::duration time) const { return try_wait(time, nullptr); }
    std::optional<sms> try_wait_for_code(detail::duration time, const wait_options &options) const {
        return try_wait(time, options.c_object());
    }

    /// Tells the service that the SMS was sent to the number. Action setStatus, 1. Sent once, for no status shows whether
    /// it applied.
    void mark_sms_sent() const { detail::call(sastaotp_activation_mark_sms_sent, object_); }
    /// Asks for a further code on the same number, for services that allow it. The next wait_for_code waits for it; the
    /// one before is kept in codes(). Action setStatus, 3.
    void request_next_code() const { detail::call(sastaotp_activation_request_next_code, object_); }
    /// Completes the order: its code was used. Read the settlement: a service that takes 6 for a cancellation says so
    /// there. Action setStatus, 6.
    settlement complete() const { return detail::make<settlement>(sastaotp_activation_complete, object_); }
    /// Cancels the order for its refund. A code that came first wins: then the settlement is settled::code_arrived and
    /// holds the code, and the order stays open to be completed. Action setStatus, 8.
    settlement cancel() const { return detail::make<settlement>(sastaotp_activation_cancel, object_); }
    /// Closes the order: completes it when a code came, else cancels it for the refund. A code that came and cannot be
    /// read is an error, and the order stays open. Action setStatus, 6 or 8.
    settlement settle(early_cancel early) const {
        return detail::make<settlement>(sastaotp_activation_settle, object_, static_cast<sastaotp_on_too_early>(early));
    }
    /// Buys the same number again, after this order was completed. Action regetNumber. COSTS MONEY, as much as the
    /// first time. Throws as client::reget_number does.
    activation reget() const;

private:
    sms wait(detail::duration time, const sastaotp_wait_options *options) const {
        return detail::make<sms>(sastaotp_activation_wait_for_code, object_, time.millis(), options);
    }
    std::optional<sms> try_wait(detail::duration time, const sastaotp_wait_options *options) const {
        sastaotp_sms *found = nullptr;
        sastaotp_error *object = nullptr;
        const sastaotp_status status =
            sastaotp_activation_wait_for_code(object_, time.millis(), options, &found, &object);
        if (status == SASTAOTP_OK) return std::optional<sms>(found);
        if (status != SASTAOTP_WAIT_TIMEOUT) detail::fail(object);
        sastaotp_error_free(object);
        return std::nullopt;
    }
};

/// An activation, or a handle of one, of one's own. Ending it does nothing to the order: see lease for one that settles
/// itself.
class activation : public detail::owned<activation_view, sastaotp_activation_free> {
public:
    using owned::owned;
};

inline activation activation_view::with_cancel(const sastaotp::cancel &token) const {
    return detail::make<activation>(sastaotp_activation_with_cancel, object_, token.c_object());
}

inline activation activation_view::with_timeout(detail::duration time) const {
    return detail::make<activation>(sastaotp_activation_with_timeout_ms, object_, time.millis());
}

inline activation activation_view::reget() const {
    return detail::make<activation>(sastaotp_activation_reget_number, object_);
}

/// A number that its destructor settles: completed when a code came, else cancelled for its refund. `number->id()` and
/// so on reach the activation.
///
/// The destructor takes 10 seconds at most and throws nothing; where it fails, or the order is too young to be
/// cancelled, client::unclaimed lists the number. Close the lease to know what became of it. One thread at a time; its
/// activation may be used by any.
class lease : public detail::owned<detail::view<sastaotp_lease>, sastaotp_lease_free> {
public:
    using owned::owned;

    /// Returns the number that is leased. It is the lease's: valid until that ends.
    activation_view activation() const noexcept { return activation_view(sastaotp_lease_activation(object_)); }
    detail::arrow<activation_view> operator->() const noexcept { return {activation()}; }

    /// Ends the lease and settles the order. Throws as activation_view::settle does, and then client::unclaimed lists
    /// the number; throws status::config where the lease ended before.
    settlement close(early_cancel early) {
        return detail::make<settlement>(sastaotp_lease_close, object_, static_cast<sastaotp_on_too_early>(early));
    }
    /// Ends the lease and leaves the order as it is. Throws status::config where the lease ended before.
    sastaotp::activation keep() { return detail::make<sastaotp::activation>(sastaotp_lease_keep, object_); }
};

/// What the order history shows about a purchase whose reply was lost: a range of the orders that may be it, newest
/// first; several where others buy the same with this key. None means that none was seen, not that nothing was charged.
/// Any thread.
class reconciliation
    : public detail::owned<detail::list<sastaotp_reconciliation_count, sastaotp_reconciliation_get, order_view>,
                           sastaotp_reconciliation_free> {
public:
    using owned::owned;

    /// Says whether the history was read down to what was known before the purchase. Otherwise a candidate may be
    /// older.
    bool is_complete() const noexcept { return sastaotp_reconciliation_is_complete(object_); }
    /// Returns the reconciliation as JSON: candidates, each as order_view::json writes it; complete.
    std::string_view json() const noexcept { return detail::lent(sastaotp_reconciliation_json(object_)); }
};

/// A purchase whose caller gave up before its reply, or whose lease could not settle it. Part of its list.
class unclaimed : public detail::view<const sastaotp_unclaimed> {
public:
    using view::view;

    /// Returns what became of the purchase.
    unclaimed_outcome outcome() const noexcept { return unclaimed_outcome(sastaotp_unclaimed_outcome(object_)); }
    /// Returns what was to be bought.
    intent_view intent() const noexcept { return intent_view(sastaotp_unclaimed_intent(object_)); }
    /// Returns what was bought; absent where it is not known that something was.
    std::optional<sastaotp::purchase> purchase() const noexcept {
        return detail::part<sastaotp::purchase>(sastaotp_unclaimed_purchase(object_));
    }
    /// Returns why it is not known whether something was bought; absent where it is.
    std::optional<error_view> error() const noexcept {
        return detail::part<error_view>(sastaotp_unclaimed_error(object_));
    }
};

/// The purchases whose caller gave up, and a range of them. They stay listed when it ends. Any thread.
class unclaimed_list
    : public detail::owned<detail::list<sastaotp_unclaimed_list_count, sastaotp_unclaimed_list_get, unclaimed>,
                           sastaotp_unclaimed_list_free> {
public:
    using owned::owned;

    /// Returns the list as JSON: unclaimed, a list of intent, outcome (pending, bought or unknown), purchase and error.
    std::string_view json() const noexcept { return detail::lent(sastaotp_unclaimed_list_json(object_)); }
};

/// A client of the service: connections, budget and bookkeeping. Any number of threads may call at once.
///
/// Every call blocks until it has its answer. Reads are repeated up to three times within the time of the call; they
/// throw status::authentication, server, rate_limited, blocked, protocol, connection, tls, timeout, cancelled, or
/// config for a bad argument: below, "an error of a read".
///
/// Purchases are sent once. They throw those of a read and status::budget, insufficient_balance, no_numbers,
/// price_too_high or service_unavailable: below, "an error of a purchase". Where money may be gone, the exception is an
/// outcome_unknown.
class client : public detail::owned<detail::view<sastaotp_client>, sastaotp_client_free> {
public:
    using owned::owned;

    /// Makes a client from settings. Sends nothing. Throws status::config where one is wrong or no API key is set. Any
    /// thread, while none changes the environment: HTTPS_PROXY, ALL_PROXY and NO_PROXY are read, as curl reads them.
    explicit client(const config &settings) : client(detail::make<client>(sastaotp_client_new, settings.c_object())) {}

    /// Makes a client from SASTAOTP_API_KEY and, where it is set, SASTAOTP_BASE_URL. Sends nothing. Throws
    /// status::config where a variable is wrong or the key is missing. Any thread, while none changes the environment.
    static client from_env() { return detail::make<client>(sastaotp_client_from_env); }

    /// Makes a handle of the same client whose calls `token` ends. The handle may outlive both. A purchase that was
    /// sent already runs on to its reply: its call throws an outcome_unknown at once, and unclaimed() lists what was
    /// bought.
    client with_cancel(const cancel &token) const {
        return detail::make<client>(sastaotp_client_with_cancel, object_, token.c_object());
    }
    /// Makes a handle of the same client whose calls return within a time. A purchase that was sent runs on, as when it
    /// is cancelled. A wait, a reconcile and a settle that waits out have times of their own.
    client with_timeout(detail::duration time) const {
        return detail::make<client>(sastaotp_client_with_timeout_ms, object_, time.millis());
    }

    /// Returns what is left of the budget; absent where there is none. Sends nothing.
    std::optional<amount> budget_left() const noexcept {
        return detail::told<amount>(sastaotp_client_budget_left, object_);
    }

    /// Reads the wallet. Action getBalance. Throws an error of a read.
    balance get_balance() const { return detail::make<balance>(sastaotp_client_get_balance, object_); }

    /// Reads what is sold: all services, or one with its countries. Action getServicesList. Throws an error of a read.
    services get_services(std::optional<std::string_view> service = std::nullopt) const {
        return detail::make<services>(sastaotp_client_get_services, object_,
                                      detail::optional_text("service", service).c_str());
    }
    /// Reads prices: of one service, of one country, of both, or all, which are 2.6 MB. Action getPrices. Throws an
    /// error of a read.
    prices get_prices(std::optional<std::string_view> service = std::nullopt,
                      std::optional<std::string_view> country = std::nullopt) const {
        return detail::make<prices>(sastaotp_client_get_prices, object_,
                                    detail::optional_text("service", service).c_str(),
                                    detail::optional_text("country", country).c_str());
    }
    /// Reads the countries and their codes, which are not calling codes. Action getCountries. Throws an error of a
    /// read.
    countries get_countries() const { return detail::make<countries>(sastaotp_client_get_countries, object_); }
    /// Reads the countries of a name, whatever its case: none, one, or several, each with a code and prices of its own.
    /// Action getCountries. Throws an error of a read.
    countries find_country(std::string_view name) const {
        return detail::make<countries>(sastaotp_client_find_country, object_, detail::terminated("name", name).c_str());
    }

    /// Reads one page of the order history, newest first: `limit` orders, 1 to 100; `page` from 1; of one state
    /// ("pending", "completed", "cancelled", "expired"), or of all. Action getOrders. Throws an error of a read.
    sastaotp::orders get_orders(std::uint32_t limit, std::uint32_t page,
                                std::optional<std::string_view> status = std::nullopt) const {
        return detail::make<sastaotp::orders>(sastaotp_client_get_orders, object_, limit, page,
                                              detail::optional_text("status", status).c_str());
    }
    /// Begins to go through the order history, newest first: of one state, or of all. Sends nothing; its iterators do.
    order_history orders(std::optional<std::string_view> status = std::nullopt) const {
        return detail::make<order_history>(sastaotp_client_orders, object_,
                                           detail::optional_text("status", status).c_str());
    }

    /// Buys a number. Action getNumber. COSTS MONEY. Throws an error of a purchase.
    ///
    /// Sends the purchase once. After an outcome_unknown, look with reconcile() before buying again.
    sastaotp::activation get_number(const number_request &request) const {
        return detail::make<sastaotp::activation>(sastaotp_client_get_number, object_, request.c_object());
    }
    /// Buys a number that is settled when the lease ends. Action getNumber. COSTS MONEY. Throws an error of a purchase.
    sastaotp::lease lease(const number_request &request) const {
        return detail::make<sastaotp::lease>(sastaotp_client_lease, object_, request.c_object());
    }
    /// Prepares a purchase for buy(). Save intent::json in between, and a program that is killed before the reply can
    /// still find out what it bought. Asks for the newest order first where the client does not know it yet. Action
    /// getOrders. Throws an error of a read.
    intent intend(const number_request &request) const {
        return detail::make<intent>(sastaotp_client_intend, object_, request.c_object());
    }
    /// Makes a purchase that was prepared. Action getNumber. COSTS MONEY, each time it is called. Throws an error of a
    /// purchase.
    sastaotp::activation buy(const intent_view &prepared) const {
        return detail::make<sastaotp::activation>(sastaotp_client_buy, object_, prepared.c_object());
    }
    /// Buys the number of a completed activation again. Action regetNumber. COSTS MONEY, as much as the first time.
    /// Throws an error of a purchase, status::not_found or status::rejected.
    sastaotp::activation reget_number(std::string_view id) const {
        return detail::make<sastaotp::activation>(sastaotp_client_reget_number, object_,
                                                  detail::terminated("id", id).c_str());
    }

    /// Takes up an activation that exists: of an earlier run, from the history, or from unclaimed(). Sends nothing.
    /// Throws status::config for an id that cannot be one (1 to 64 letters, digits and "_.:-").
    sastaotp::activation activation(std::string_view id) const {
        return detail::make<sastaotp::activation>(sastaotp_client_activation, object_,
                                                  detail::terminated("id", id).c_str());
    }
    /// Reads the state of an activation. Action getStatus, and getStatusV2 for the text of a message. Throws an error
    /// of a read, or status::not_found.
    state get_status(std::string_view id) const {
        return detail::make<state>(sastaotp_client_get_status, object_, detail::terminated("id", id).c_str());
    }
    /// Changes an activation and gives what the service says that it did. Action setStatus. Sent once; where the reply
    /// is lost, the state is read back, and the request repeated only if it did not apply. Throws an error of a read,
    /// status::not_found, already_finished, too_early or rejected.
    ///
    /// No activation learns of it: its own functions are the ones that keep the codes of an order apart, and know how it
    /// ended.
    change set_status(std::string_view id, sastaotp::set_status to) const {
        return detail::make<change>(sastaotp_client_set_status, object_, detail::terminated("id", id).c_str(),
                                    static_cast<sastaotp_set_status>(to));
    }

    /// Finds out what became of a purchase, from the order history. Action getOrders. Throws an error of a read.
    ///
    /// Looks 2, 5, 10, 20 and 40 seconds after the purchase, and only once more after something was found; those that are
    /// past already are made as one, at once. Where the client has another purchase of the kind under way, waits for its
    /// reply, which tells whose the order is. Takes up nothing: give the id of a candidate to activation().
    reconciliation reconcile(const intent_view &lost) const {
        return detail::make<reconciliation>(sastaotp_client_reconcile, object_, lost.c_object());
    }
    /// Lists purchases whose caller gave up, or whose lease could not settle them, until they are taken up with
    /// activation() or reconciled. Sends nothing.
    unclaimed_list unclaimed() const { return detail::make<unclaimed_list>(sastaotp_client_unclaimed, object_); }
};

/// The number of an operation in its queue: compares, and is a key of maps.
enum class ticket : std::uint64_t {};

/// An operation that is finished. Any thread.
class completion : public detail::view<const sastaotp_completion> {
public:
    using c_type = sastaotp_completion;

    explicit completion(sastaotp_completion *object) : view(object), owner_(object, sastaotp_completion_free) {}
    completion(completion &&other) noexcept : view(other), owner_(std::move(other.owner_)) { other.object_ = nullptr; }
    completion &operator=(completion &&other) noexcept {
        completion moved(std::move(other));
        std::swap(object_, moved.object_);
        owner_.swap(moved.owner_);
        return *this;
    }
    ~completion() = default;

    /// Returns the ticket.
    sastaotp::ticket ticket() const noexcept { return sastaotp::ticket(sastaotp_completion_ticket(object_)); }
    /// Returns what the operation ended with: status::ok where it worked.
    sastaotp::status status() const noexcept { return sastaotp::status(sastaotp_completion_status(object_)); }
    /// Returns what came of the operation, as JSON; empty where it failed.
    std::string_view json() const noexcept { return detail::lent(sastaotp_completion_json(object_)); }
    /// Returns why the operation failed; absent where it did not.
    std::optional<error_view> error() const noexcept {
        return detail::part<error_view>(sastaotp_completion_error(object_));
    }
    /// Returns what came of the operation, as JSON, or throws what the call of its name throws. The exception may be
    /// kept longer than the completion.
    std::string_view get() const {
        const sastaotp_error *failure = sastaotp_completion_error(object_);
        if (failure) detail::fail(std::shared_ptr<const sastaotp_error>(owner_, failure));
        return json();
    }

private:
    // An exception of get() has a share in it: its error is part of the completion.
    std::shared_ptr<const sastaotp_completion> owner_;
};

/// Runs operations beside their callers, for event loops and thousands of waits: with workers that come and go, and
/// none for a wait that rests. Any number of threads may use it at once.
///
///     sastaotp::queue queue(client);
///     queue.submit(R"({"op":"get_number","service":"tg","country":"22","max_price":"80"})");
///     for (const auto &finished : queue.take(100, 1min)) std::cout << finished.get() << "\n";
///
/// sastaotp.h lists the operations at sastaotp_queue. The client may end before its queue. Ending the queue ends what
/// it does, without waiting for that and without completions: activations stay as they are, and a purchase that was
/// sent runs on to its reply and is listed by client::unclaimed.
class queue : public detail::owned<detail::view<sastaotp_queue>, sastaotp_queue_free> {
public:
    using owned::owned;

    /// Makes a queue with 64 workers at most: so many requests are under way at once. Starts no thread yet. A token of
    /// the client does not reach it: cancel its tickets. Throws status::connection where the machine has no descriptor
    /// left.
    explicit queue(const client &on) : queue(detail::make<queue>(sastaotp_queue_new, on.c_object())) {}
    /// Makes a queue with so many workers at most, 1 to 512. Throws as above, and status::config for another number.
    queue(const client &on, std::uint32_t workers)
        : queue(detail::make<queue>(sastaotp_queue_new_with_workers, on.c_object(), workers)) {}

    /// Begins an operation, which is JSON, and returns at once. Throws status::config where it is none: then nothing
    /// began. What the operation itself fails with is told by its completion.
    sastaotp::ticket submit(std::string_view operation) const {
        std::uint64_t number = 0;
        detail::call(sastaotp_queue_submit, object_, detail::terminated("operation", operation).c_str(), &number);
        return sastaotp::ticket(number);
    }
    /// Settles a ticket at once: its completion is status::cancelled. Returns whether the ticket was open.
    ///
    /// Cancelling a wait does nothing to the activation. A purchase that was sent already runs on to its reply: the
    /// completion says charge::unknown, and client::unclaimed lists what was bought. A change of an order that is under
    /// way may be done all the same: its completion says phase::receive, and the status of the order what is so.
    bool cancel(sastaotp::ticket of) const noexcept {
        return sastaotp_queue_cancel(object_, static_cast<std::uint64_t>(of));
    }
    /// Takes up to `most` completions, oldest first, and makes room for so many; waits up to a time for the first. Zero
    /// never waits. Each completion is given once.
    std::vector<completion> take(std::size_t most, detail::duration time) const {
        std::vector<completion> taken;
        taken.reserve(most);
        std::vector<sastaotp_completion *> objects(most);
        std::size_t count = 0;
        // Of an empty vector there may be no address.
        sastaotp_completion *none = nullptr;
        detail::call(sastaotp_queue_take, object_, most ? objects.data() : &none, most, time.millis(), &count);
        std::size_t next = 0;
        try {
            while (next < count) taken.emplace_back(objects[next++]);
        } catch (...) {
            while (next < count) sastaotp_completion_free(objects[next++]);
            throw;
        }
        return taken;
    }
    /// Waits up to a time for the completion of one ticket; absent while it is not finished. Throws status::config for
    /// a ticket that is not of this queue, or whose completion was given already.
    std::optional<completion> join(sastaotp::ticket of, detail::duration time) const {
        sastaotp_completion *object = nullptr;
        detail::call(sastaotp_queue_join, object_, static_cast<std::uint64_t>(of), time.millis(), &object);
        return object ? std::optional<completion>(std::in_place, object) : std::nullopt;
    }

    /// Returns a descriptor that is readable exactly while there is a completion to take: for poll, epoll and event
    /// loops. Not to be read from or closed; valid until the queue ends. Take it out of the loop before that.
    int fd() const noexcept { return sastaotp_queue_fd(object_); }
    /// Returns how many tickets are open: submitted, and not finished.
    std::size_t open_count() const noexcept { return sastaotp_queue_open_count(object_); }
};

}  // namespace sastaotp

#endif  // SASTAOTP_HPP
