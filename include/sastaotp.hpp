/*
 * libsastaotp for C++17: sastaotp.h with destructors, exceptions, std::chrono, std::optional,
 * std::string_view and ranges. Header only; needs nothing but the standard library.
 *
 *     #include <sastaotp.hpp>
 *     #include <iostream>
 *
 *     int main() {
 *         using namespace std::chrono_literals;
 *         try {
 *             // SASTAOTP_API_KEY is the key; set SASTAOTP_BASE_URL to use a sandbox.
 *             auto client = sastaotp::client::from_env();
 *             // 22 is India: the service's country codes are not calling codes.
 *             auto request = sastaotp::number_request("tg").country("22");
 *             request.max_price(sastaotp::amount::from_rupees(80));
 *             auto number = client.lease(request);
 *             std::cout << "send the SMS to " << number->phone_number().value_or("?") << "\n";
 *             std::cout << "the code is " << number->wait_for_code(5min).code() << "\n";
 *         }  // the lease completes the order; it cancels it for the refund if no code arrived
 *         catch (const sastaotp::outcome_unknown &unknown) {
 *             std::cerr << "do not buy again; first call client.reconcile(*unknown.intent()): "
 *                       << unknown.what() << "\n";
 *         } catch (const sastaotp::error &error) {
 *             std::cerr << error.what() << "\n";
 *         }
 *     }
 *
 * The conventions of sastaotp.h apply, and these:
 *
 * 1. A function that can fail throws sastaotp::error, or sastaotp::outcome_unknown, which derives
 *    from it, if money may have been charged. A noexcept function cannot fail. A function of this
 *    header that runs out of memory throws std::bad_alloc.
 * 2. Objects own their C object. They move and do not copy. A moved-from object can be assigned to
 *    and destroyed; its getters return empty values, and its calls throw status::config. The
 *    builders (config, number_request, offer_query, wait_options) can be copied. They own their
 *    texts and numbers, but a number_request borrows its offers.
 * 3. A "..._view", an element of a list and a std::string_view are borrowed: valid while the object
 *    they came from lives. Keep that object in a variable; `auto country =
 *    client.get_countries()[0];` dangles. An sms, which wait_for_code returns, is not a view: its
 *    texts are std::string copies.
 * 4. A text argument is copied and need not end with NUL. If it contains a NUL, the call throws
 *    status::config. A text of the service, error_view::raw and sms_view::text, has its exact
 *    length and may contain a NUL.
 * 5. A duration argument is a std::chrono duration of any unit, truncated to milliseconds: a
 *    negative one counts as zero, one of more than 49 days as 49 days. A returned duration is
 *    std::chrono::milliseconds. Money is an amount. A value that may be absent is a std::optional.
 * 6. An enumeration may have a value that is not named here, if the library is newer than the
 *    header: write a `default` case. For an unknown status, branch on its status_class.
 * 7. A function whose result must not be lost is [[nodiscard]]: a purchase, a code, a settlement, a
 *    list of unsettled purchases.
 * 8. The end of a program: call client::finish or queue::close, and print each entry. Destructors
 *    do not wait for purchases in flight. "Purchases" in sastaotp.h explains why.
 * 9. A constructor that takes a C pointer takes ownership, or borrows the object if the class is a
 *    view. c_object() returns the pointer and keeps ownership.
 * 10. With C++20, client::with accepts a std::stop_token, and coroutine_queue makes the operations
 *    of a queue awaitable. Translation units of C++17 and of C++20 can be linked together.
 */

#ifndef SASTAOTP_HPP
#define SASTAOTP_HPP

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <initializer_list>
#include <iosfwd>
#include <iterator>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#if __has_include(<version>)
#include <version>
#endif
#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif
#if defined(__cpp_impl_coroutine) && defined(__cpp_lib_coroutine)
#include <coroutine>
#include <unordered_map>
#endif

#include "sastaotp.h"

namespace sastaotp {

/// A time of the system clock in whole milliseconds; converts to
/// std::chrono::system_clock::time_point.
using time_point = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;

/// The outcome of a call: ok, or the kind of failure. class_of returns its class.
enum class status : std::int32_t {
    ok = SASTAOTP_OK,
    config = SASTAOTP_ERROR_CONFIG,
    budget = SASTAOTP_ERROR_BUDGET,
    already_sent = SASTAOTP_ERROR_ALREADY_SENT,
    journal = SASTAOTP_ERROR_JOURNAL,
    cancelled = SASTAOTP_ERROR_CANCELLED,
    authentication = SASTAOTP_ERROR_AUTHENTICATION,
    insufficient_balance = SASTAOTP_ERROR_INSUFFICIENT_BALANCE,
    no_numbers = SASTAOTP_ERROR_NO_NUMBERS,
    price_too_high = SASTAOTP_ERROR_PRICE_TOO_HIGH,
    service_unavailable = SASTAOTP_ERROR_SERVICE_UNAVAILABLE,
    not_found = SASTAOTP_ERROR_NOT_FOUND,
    already_finished = SASTAOTP_ERROR_ALREADY_FINISHED,
    too_early = SASTAOTP_ERROR_TOO_EARLY,
    rejected = SASTAOTP_ERROR_REJECTED,
    rate_limited = SASTAOTP_ERROR_RATE_LIMITED,
    blocked = SASTAOTP_ERROR_BLOCKED,
    server = SASTAOTP_ERROR_SERVER,
    protocol = SASTAOTP_ERROR_PROTOCOL,
    connection = SASTAOTP_ERROR_CONNECTION,
    tls = SASTAOTP_ERROR_TLS,
    timeout = SASTAOTP_ERROR_TIMEOUT,
    wait_timeout = SASTAOTP_ERROR_WAIT_TIMEOUT,
    expired = SASTAOTP_ERROR_EXPIRED,
    activation_cancelled = SASTAOTP_ERROR_ACTIVATION_CANCELLED,
    internal = SASTAOTP_ERROR_INTERNAL,
};

/// The class of a status: an argument, a setting or a limit of the caller, a refusal of the
/// service, no usable reply, no code, or a defect of the library. A newer library may return a
/// status that this header does not name; its class is still one of these.
enum class status_class : std::int32_t {
    ok = SASTAOTP_CLASS_OK,
    caller = SASTAOTP_CLASS_CALLER,
    refused = SASTAOTP_CLASS_REFUSED,
    transport = SASTAOTP_CLASS_TRANSPORT,
    no_code = SASTAOTP_CLASS_NO_CODE,
    internal = SASTAOTP_CLASS_INTERNAL,
};

/// The effect of a failed call on the wallet. If it is `unknown`, do not repeat the purchase:
/// reconcile its intent.
enum class charge : std::int32_t {
    unknown = SASTAOTP_CHARGE_UNKNOWN,
    none = SASTAOTP_CHARGE_NONE,
    made = SASTAOTP_CHARGE_MADE,
};

/// Whether the same call may succeed later: not unless something else changes, after a pause, or
/// after reconciling.
enum class retry : std::int32_t {
    never = SASTAOTP_RETRY_NEVER,
    after = SASTAOTP_RETRY_AFTER,
    after_reconcile = SASTAOTP_RETRY_AFTER_RECONCILE,
};

/// A step of a request. It is never `unknown` in an error that was thrown.
enum class phase : std::int32_t {
    unknown = SASTAOTP_PHASE_UNKNOWN,
    prepare = SASTAOTP_PHASE_PREPARE,
    resolve = SASTAOTP_PHASE_RESOLVE,
    connect = SASTAOTP_PHASE_CONNECT,
    tls = SASTAOTP_PHASE_TLS,
    send = SASTAOTP_PHASE_SEND,
    receive = SASTAOTP_PHASE_RECEIVE,
    decode = SASTAOTP_PHASE_DECODE,
    service = SASTAOTP_PHASE_SERVICE,
};

/// The level of a log message, and the most detailed level that a logger receives.
enum class log_level : std::int32_t {
    off = SASTAOTP_LOG_OFF,
    error = SASTAOTP_LOG_ERROR,
    warn = SASTAOTP_LOG_WARN,
    info = SASTAOTP_LOG_INFO,
    debug = SASTAOTP_LOG_DEBUG,
    trace = SASTAOTP_LOG_TRACE,
};

/// The part of a request that carries the API key: the header X-API-Key, the header Authorization,
/// or the query parameter api_key.
enum class api_key_location : std::int32_t {
    header = SASTAOTP_API_KEY_IN_HEADER,
    bearer = SASTAOTP_API_KEY_IN_BEARER,
    query = SASTAOTP_API_KEY_IN_QUERY,
};

/// The certificate authorities that a client trusts: those of the web, which the library contains;
/// those of the system, or of SSL_CERT_FILE and SSL_CERT_DIR if one of these environment variables
/// is set; or both.
enum class roots : std::int32_t {
    web = SASTAOTP_ROOTS_WEB,
    system = SASTAOTP_ROOTS_SYSTEM,
    both = SASTAOTP_ROOTS_BOTH,
};

/// The failures that a journal survives: the end of the process, however it ends, and a power loss,
/// or only the end of the process.
enum class durability : std::int32_t {
    power = SASTAOTP_DURABILITY_POWER,
    process = SASTAOTP_DURABILITY_PROCESS,
};

/// The kinds of activation_status.
enum class status_kind : std::int32_t {
    waiting = SASTAOTP_ACTIVATION_STATUS_WAITING,
    waiting_for_next = SASTAOTP_ACTIVATION_STATUS_WAITING_FOR_NEXT,
    received = SASTAOTP_ACTIVATION_STATUS_RECEIVED,
    cancelled = SASTAOTP_ACTIVATION_STATUS_CANCELLED,
    other = SASTAOTP_ACTIVATION_STATUS_OTHER,
};

/// How a settle reacts if the service does not allow cancelling the order yet: throw
/// status::too_early, or wait until cancelling is allowed and complete the order if a code arrives
/// meanwhile.
enum class on_too_early : std::int32_t {
    fail = SASTAOTP_ON_TOO_EARLY_FAIL,
    wait = SASTAOTP_ON_TOO_EARLY_WAIT,
};

/// How an activation ended, as far as is known.
enum class ending : std::int32_t {
    none = SASTAOTP_ENDING_NONE,
    completed = SASTAOTP_ENDING_COMPLETED,
    cancelled = SASTAOTP_ENDING_CANCELLED,
    expired = SASTAOTP_ENDING_EXPIRED,
};

/// The state of an order after it was settled. If it is `code_arrived`, the order is still open:
/// complete it. A settlement that was moved from is `unknown`.
enum class settled : std::int32_t {
    unknown = SASTAOTP_SETTLED_UNKNOWN,
    completed = SASTAOTP_SETTLED_COMPLETED,
    cancelled = SASTAOTP_SETTLED_CANCELLED,
    code_arrived = SASTAOTP_SETTLED_CODE_ARRIVED,
    already_over = SASTAOTP_SETTLED_ALREADY_OVER,
};

/// The outcome of an unclaimed purchase. If it is `bought`, claim the activation; if it is
/// `unknown`, reconcile the intent.
enum class outcome : std::int32_t {
    pending = SASTAOTP_OUTCOME_PENDING,
    bought = SASTAOTP_OUTCOME_BOUGHT,
    unknown = SASTAOTP_OUTCOME_UNKNOWN,
};

namespace detail {

/// The C enumeration of an enumeration of this header: a row for each.
template <class Enum>
struct c_enum;
template <> struct c_enum<status> { using type = sastaotp_status; };
template <> struct c_enum<status_class> { using type = sastaotp_status_class; };
template <> struct c_enum<charge> { using type = sastaotp_charge; };
template <> struct c_enum<retry> { using type = sastaotp_retry; };
template <> struct c_enum<phase> { using type = sastaotp_phase; };
template <> struct c_enum<log_level> { using type = sastaotp_log_level; };
template <> struct c_enum<api_key_location> { using type = sastaotp_api_key_location; };
template <> struct c_enum<roots> { using type = sastaotp_roots; };
template <> struct c_enum<durability> { using type = sastaotp_durability; };
template <> struct c_enum<status_kind> { using type = sastaotp_status_kind; };
template <> struct c_enum<on_too_early> { using type = sastaotp_on_too_early; };
template <> struct c_enum<ending> { using type = sastaotp_ending; };
template <> struct c_enum<settled> { using type = sastaotp_settled; };
template <> struct c_enum<outcome> { using type = sastaotp_outcome; };

/// Converts an enumerator to C.
template <class Enum>
constexpr typename c_enum<Enum>::type to_c(Enum value) noexcept {
    return static_cast<typename c_enum<Enum>::type>(value);
}

/// Converts an enumerator of C, whose type must be that of `Enum`.
template <class Enum>
constexpr Enum from_c(typename c_enum<Enum>::type value) noexcept {
    return static_cast<Enum>(value);
}

}  // namespace detail

/// Returns the class of a status, also of one that this header does not name.
constexpr status_class class_of(status value) noexcept {
    // As SASTAOTP_STATUS_CLASS, but without its casts of C.
    return static_cast<status_class>(static_cast<std::int32_t>(value) / 100);
}

/// An amount of Indian rupees, exact to a millionth.
class amount {
public:
    /// Creates an amount of zero.
    constexpr amount() noexcept = default;

    /// Creates an amount of whole rupees. Throws std::overflow_error if it does not fit.
    static constexpr amount from_rupees(std::int64_t rupees) {
        using limits = std::numeric_limits<std::int64_t>;
        if (rupees > limits::max() / SASTAOTP_RUPEE || rupees < limits::min() / SASTAOTP_RUPEE)
            throw std::overflow_error(
                "making an amount: the rupees do not fit 64 bits of micro-rupees");
        return amount(rupees * SASTAOTP_RUPEE);
    }

    /// Creates an amount of micro-rupees: 18.50 rupees are 18500000.
    static constexpr amount from_micros(std::int64_t micros) noexcept { return amount(micros); }

    /// Parses rupees with at most six decimals after a point, such as "18.50". An exponent is
    /// accepted: "1e3" is 1,000 rupees. The conversion is exact. Throws status::config if the text
    /// is not such an amount.
    [[nodiscard]] static amount parse(std::string_view rupees);

    // Without these, 18.50 would silently become 18.
    template <class Float, class = std::enable_if_t<std::is_floating_point_v<Float>>>
    static amount from_rupees(Float) = delete;
    template <class Float, class = std::enable_if_t<std::is_floating_point_v<Float>>>
    static amount from_micros(Float) = delete;

    /// Returns the amount in micro-rupees.
    constexpr std::int64_t micros() const noexcept { return micros_; }

    /// Returns rupees with two to six decimals, such as "18.50". The conversion is exact.
    std::string to_string() const {
        char text[32];
        return std::string(text, sastaotp_amount_format(micros_, text, sizeof text));
    }

    /// Returns the sum. Throws std::overflow_error if it does not fit.
    friend constexpr amount operator+(amount left, amount right) {
        using limits = std::numeric_limits<std::int64_t>;
        if (right.micros_ > 0 ? left.micros_ > limits::max() - right.micros_
                              : left.micros_ < limits::min() - right.micros_)
            throw std::overflow_error(
                "adding amounts: the sum does not fit 64 bits of micro-rupees");
        return amount(left.micros_ + right.micros_);
    }

    /// Returns the difference. Throws std::overflow_error if it does not fit.
    friend constexpr amount operator-(amount left, amount right) {
        using limits = std::numeric_limits<std::int64_t>;
        if (right.micros_ < 0 ? left.micros_ > limits::max() + right.micros_
                              : left.micros_ < limits::min() + right.micros_)
            throw std::overflow_error(
                "subtracting amounts: the difference does not fit 64 bits of micro-rupees");
        return amount(left.micros_ - right.micros_);
    }

    friend constexpr bool operator==(amount left, amount right) noexcept {
        return left.micros_ == right.micros_;
    }
    friend constexpr bool operator!=(amount left, amount right) noexcept {
        return left.micros_ != right.micros_;
    }
    friend constexpr bool operator<(amount left, amount right) noexcept {
        return left.micros_ < right.micros_;
    }
    friend constexpr bool operator>(amount left, amount right) noexcept {
        return left.micros_ > right.micros_;
    }
    friend constexpr bool operator<=(amount left, amount right) noexcept {
        return left.micros_ <= right.micros_;
    }
    friend constexpr bool operator>=(amount left, amount right) noexcept {
        return left.micros_ >= right.micros_;
    }

    /// Writes to_string() to a stream.
    template <class Traits>
    friend std::basic_ostream<char, Traits> &operator<<(std::basic_ostream<char, Traits> &out,
                                                        amount value) {
        return out << value.to_string();
    }

private:
    explicit constexpr amount(std::int64_t micros) noexcept : micros_(micros) {}

    std::int64_t micros_ = 0;
};

namespace detail {

/// Borrows a C object. The base of every class here; copying it copies the pointer.
template <class T>
class view {
public:
    explicit view(T *object) noexcept : object_(object) {}

    /// Returns the C object, which this object still owns or borrows. NULL after a move.
    T *c_object() const noexcept { return object_; }

protected:
    T *object_;
};

/// Owns a C object. It derives from the view, so it has the view's getters and can be passed as
/// one.
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
    // Only the view is const; the object was passed as non-const.
    ~owned() { Free(const_cast<T *>(this->object_)); }

    /// Returns the C object and passes ownership to the caller: free it with its "_free" function.
    T *release() noexcept { return const_cast<T *>(std::exchange(this->object_, nullptr)); }
};

/// The result of an operator-> whose target is created on access.
template <class Item>
struct arrow_proxy {
    Item item;
    const Item *operator->() const noexcept { return &item; }
};

/// A C list as a range. Its elements are views that are created on access: an iterator's reference
/// is a value.
template <auto Count, auto Get, class Item>
class list;

template <class List, std::size_t (*Count)(const List *), class Raw,
          Raw (*Get)(const List *, std::size_t), class Item>
class list<Count, Get, Item> : public view<const List> {
public:
    /// A random-access iterator, valid as long as the elements are.
    class iterator {
    public:
        using iterator_category = std::random_access_iterator_tag;
        using value_type = Item;
        using difference_type = std::ptrdiff_t;
        using reference = Item;
        using pointer = arrow_proxy<Item>;

        iterator() noexcept = default;
        iterator(const List *list, std::size_t index) noexcept : list_(list), index_(index) {}

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

        friend bool operator==(const iterator &a, const iterator &b) noexcept {
            return a.index_ == b.index_;
        }
        friend bool operator!=(const iterator &a, const iterator &b) noexcept {
            return a.index_ != b.index_;
        }
        friend bool operator<(const iterator &a, const iterator &b) noexcept {
            return a.index_ < b.index_;
        }
        friend bool operator>(const iterator &a, const iterator &b) noexcept {
            return a.index_ > b.index_;
        }
        friend bool operator<=(const iterator &a, const iterator &b) noexcept {
            return a.index_ <= b.index_;
        }
        friend bool operator>=(const iterator &a, const iterator &b) noexcept {
            return a.index_ >= b.index_;
        }

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

    /// Returns the element at an index from 0. If the index is out of range, the element's getters
    /// return empty values.
    Item operator[](std::size_t index) const noexcept { return Item(Get(this->object_, index)); }
};

/// Borrows a text; empty if it is NULL.
inline std::string_view text_or_empty(const char *text) noexcept {
    return text ? std::string_view(text) : std::string_view();
}

/// Borrows a text; absent if it is NULL.
inline std::optional<std::string_view> optional_text(const char *text) noexcept {
    return text ? std::optional<std::string_view>(text) : std::nullopt;
}

/// Borrows a text of the service with its exact length; absent if it is NULL.
template <class T>
std::optional<std::string_view> optional_text(const char *(*getter)(const T *, std::size_t *),
                                              const T *object) noexcept {
    std::size_t length = 0;
    const char *text = getter(object, &length);
    return text ? std::optional<std::string_view>(std::in_place, text, length) : std::nullopt;
}

/// Borrows the texts that a C getter returns for the indices from 0 until it returns NULL.
template <class Function, class... Arguments>
std::vector<std::string_view> texts(Function getter, Arguments... arguments) {
    std::vector<std::string_view> found;
    while (const char *text = getter(arguments..., found.size())) found.emplace_back(text);
    return found;
}

/// Borrows a part of an object; absent if it is NULL.
template <class View, class T>
std::optional<View> optional_view(T *object) noexcept {
    return object ? std::optional<View>(object) : std::nullopt;
}

/// Converts a C value to its C++ type.
template <class Value, class Raw>
Value convert(Raw raw) noexcept {
    if constexpr (std::is_same_v<Value, amount>)
        return amount::from_micros(raw);
    else if constexpr (std::is_same_v<Value, time_point>)
        return time_point(std::chrono::milliseconds(raw));
    else
        return Value(raw);
}

/// Reads the output parameter of a C getter, of an object or of one of its rows.
template <class Value, class T, class Raw>
std::optional<Value> optional_value(bool (*getter)(const T *, Raw *), const T *object) noexcept {
    Raw raw{};
    return getter(object, &raw) ? std::optional<Value>(convert<Value>(raw)) : std::nullopt;
}

/// Reads the output parameter of a C getter, of an object or of one of its rows.
template <class Value, class T, class Raw>
std::optional<Value> optional_value(bool (*getter)(const T *, std::size_t, Raw *), const T *object,
                                    std::size_t index) noexcept {
    Raw raw{};
    return getter(object, index, &raw) ? std::optional<Value>(convert<Value>(raw)) : std::nullopt;
}

/// A duration argument of any unit and type, converted to C's: whole milliseconds, limited to the
/// range of std::uint32_t.
class duration {
public:
    // As a double no unit overflows, and every duration that C can hold is exact to the
    // millisecond.
    template <class Rep, class Period>
    constexpr duration(std::chrono::duration<Rep, Period> time) noexcept
        : millis_(to_millis(std::chrono::duration<double, std::milli>(time).count())) {}

    constexpr std::uint32_t millis() const noexcept { return millis_; }
    /// Returns at least 1: for a C parameter whose 0 means the default.
    constexpr std::uint32_t positive_millis() const noexcept { return millis_ ? millis_ : 1; }

private:
    static constexpr std::uint32_t to_millis(double count) noexcept {
        constexpr std::uint32_t max = std::numeric_limits<std::uint32_t>::max();
        if (!(count > 0)) return 0;  // zero, negative, or not a number
        return count < max ? static_cast<std::uint32_t>(count) : max;
    }

    std::uint32_t millis_;
};

}  // namespace detail

/// Returns the version of the loaded library, such as "0.1.0". It may be newer than the header's.
inline std::string_view version() noexcept { return sastaotp_version(); }

/// Returns the version of the loaded library's binary interface. A program that loads the library
/// by hand compares it with SASTAOTP_ABI_VERSION.
inline std::uint32_t abi_version() noexcept { return sastaotp_abi_version(); }

/// Returns the name of a status, such as "SASTAOTP_ERROR_NO_NUMBERS". Empty if the library does not
/// define the status.
inline std::string_view name(status value) noexcept {
    return detail::text_or_empty(sastaotp_status_name(detail::to_c(value)));
}

/// A purchase that is about to be made: enough data to find it in the order history if its reply is
/// lost. An intent is sent once: make another one to buy another number. Immutable.
class intent_view : public detail::view<const sastaotp_intent> {
public:
    using view::view;

    /// Returns the intent as JSON. Save it before the purchase and read it with intent::from_json.
    std::string_view json() const noexcept {
        return detail::text_or_empty(sastaotp_intent_json(object_));
    }
    /// Returns the code of the service. Absent if the purchase buys a number again.
    std::optional<std::string_view> service() const noexcept {
        return detail::optional_text(sastaotp_intent_service(object_));
    }
    /// Returns the code of the country. Absent if the request names none: it accepts any country,
    /// or operator_() pins the country.
    std::optional<std::string_view> country() const noexcept {
        return detail::optional_text(sastaotp_intent_country(object_));
    }
    /// Returns the parameter `operator`. It pins the country. Absent if the request has none.
    std::optional<std::string_view> operator_() const noexcept {
        return detail::optional_text(sastaotp_intent_operator(object_));
    }
    /// Returns the maximum price. Absent if the request accepts any price, or the maximum is
    /// unknown.
    std::optional<amount> max_price() const noexcept {
        return detail::optional_value<amount>(sastaotp_intent_max_price_micros, object_);
    }
};

/// One attempt of a purchase with a list of countries or offers, a minimum price, or patience. Part
/// of its purchase or error. Immutable.
class attempt : public detail::view<const sastaotp_attempt> {
public:
    using view::view;

    /// Returns the code of the country. Absent if the service may choose it, or an operator pins
    /// it.
    std::optional<std::string_view> country() const noexcept {
        return detail::optional_text(sastaotp_attempt_country(object_));
    }
    /// Returns the operator of the request: a code that pins the country, or a mobile operator.
    /// Absent if the request has none.
    std::optional<std::string_view> operator_() const noexcept {
        return detail::optional_text(sastaotp_attempt_operator(object_));
    }
    /// Returns the listed price. Absent unless the request has a minimum price or the offer has a
    /// price.
    std::optional<amount> price() const noexcept {
        return detail::optional_value<amount>(sastaotp_attempt_price_micros, object_);
    }
    /// Returns why the purchase moved on: the error code of the refusal, such as "NO_NUMBERS", or
    /// "skipped: " and the reason if nothing was sent. Absent if the attempt bought the number, or
    /// ended the call: its failure is the error of the call.
    std::optional<std::string_view> refused() const noexcept {
        return detail::optional_text(sastaotp_attempt_refused(object_));
    }
};

/// The reason for a failed call. It never contains the API key. Immutable.
class error_view : public detail::view<const sastaotp_error> {
public:
    using view::view;

    /// Returns the kind of failure: the same status that the failed function returned.
    sastaotp::status status() const noexcept {
        return object_ ? detail::from_c<sastaotp::status>(sastaotp_error_status(object_))
                       : rejected_by_header;
    }
    /// Returns the class of status().
    sastaotp::status_class status_class() const noexcept { return class_of(status()); }
    /// Returns the failure as one sentence: the operation, the reason, and the next step. For
    /// example "buying tg in 22: the service answered NO_BALANCE: add funds, then try again".
    std::string_view message() const noexcept {
        return detail::text_or_empty(sastaotp_error_message(object_));
    }
    /// Returns the next step, which is the last part of the message. The text is empty if there is
    /// nothing to suggest.
    std::string_view hint() const noexcept {
        return detail::text_or_empty(sastaotp_error_hint(object_));
    }
    /// Returns the service's error code verbatim, such as "NO_BALANCE". Absent if the reply
    /// contains none.
    std::optional<std::string_view> code() const noexcept {
        return detail::optional_text(sastaotp_error_code(object_));
    }
    /// Returns the HTTP status of the reply that caused the error. Absent if no reply did.
    std::optional<int> http_status() const noexcept {
        const int found = sastaotp_error_http_status(object_);
        return found ? std::optional<int>(found) : std::nullopt;
    }
    /// Returns the step in which the call failed.
    sastaotp::phase phase() const noexcept {
        return object_ ? detail::from_c<sastaotp::phase>(sastaotp_error_phase(object_))
                       : sastaotp::phase::prepare;
    }
    /// Returns the effect of the call on the wallet. Check it first after a failed purchase. It is
    /// charge::none for calls that cost nothing.
    sastaotp::charge charge() const noexcept {
        return object_ ? detail::from_c<sastaotp::charge>(sastaotp_error_charge(object_))
                       : sastaotp::charge::none;
    }
    /// Returns whether the same call may succeed later.
    sastaotp::retry retry() const noexcept {
        return detail::from_c<sastaotp::retry>(sastaotp_error_retry(object_, nullptr));
    }
    /// Returns how long to wait before the same call may succeed. Absent if retry() is not
    /// retry::after.
    std::optional<std::chrono::milliseconds> retry_after() const noexcept {
        std::uint32_t millis = 0;
        if (sastaotp_error_retry(object_, &millis) != SASTAOTP_RETRY_AFTER) return std::nullopt;
        return std::chrono::milliseconds(millis);
    }
    /// Returns the name of the fault, such as "reply_lost"; docs/faults.md lists the names. Absent
    /// if the failure is not one of these faults.
    std::optional<std::string_view> fault() const noexcept {
        return detail::optional_text(sastaotp_error_fault(object_));
    }
    /// Returns the first 4,096 characters of the reply, verbatim, if the reply is the reason for
    /// the failure.
    std::optional<std::string_view> raw() const noexcept {
        return detail::optional_text(sastaotp_error_raw, object_);
    }
    /// Returns the intent of the purchase that failed, for client::reconcile. Absent if the call
    /// was not a purchase, or its request was invalid.
    std::optional<intent_view> intent() const noexcept {
        return detail::optional_view<intent_view>(sastaotp_error_intent(object_));
    }
    /// Returns the attempts of the call, oldest first, at most the newest 1,000. Empty unless the
    /// call was a purchase with a list of countries or offers, a minimum price, or patience.
    detail::list<sastaotp_error_attempt_count, sastaotp_error_attempt, attempt> attempts()
        const noexcept {
        return detail::list<sastaotp_error_attempt_count, sastaotp_error_attempt, attempt>(object_);
    }
    /// Returns the error as JSON: kind, message, hint, code, http_status, phase, charge, retry,
    /// retry_after_ms, fault, intent, attempts, raw. An attempt has country, operator, price_micros
    /// and refused.
    std::string_view json() const noexcept {
        return detail::text_or_empty(sastaotp_error_json(object_));
    }

private:
    // The status without a C object: this header rejected an argument, and nothing was sent.
    static constexpr auto rejected_by_header = sastaotp::status::config;
};

#if defined(__clang__)
// A header-only class has no translation unit of its own for its vtable.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wweak-vtables"
#endif

/// A failed call as an exception; what() is the message. Copies share one C object and cannot fail,
/// so a copy can be stored, or carried to another thread in a std::exception_ptr. Borrowed texts
/// are valid as long as the last copy lives.
class error : public std::runtime_error, public error_view {
public:
    /// Creates an exception from a C error, and owns it.
    explicit error(sastaotp_error *object)
        : error(std::shared_ptr<const sastaotp_error>(object, sastaotp_error_free)) {}
    /// Creates an exception from an error that is part of an object, and shares the ownership of
    /// that object.
    explicit error(std::shared_ptr<const sastaotp_error> object)
        : std::runtime_error(std::string(error_view(object.get()).message())),
          error_view(object.get()),
          owner_(std::move(object)) {}
    /// Creates an exception for an argument that this header rejects; it has only a message.
    explicit error(const std::string &message) : std::runtime_error(message), error_view(nullptr) {}
    // No move: a copy is as cheap and leaves the source valid.
    error(const error &) = default;
    error &operator=(const error &) = default;

    /// Returns what() as a std::string_view.
    std::string_view message() const noexcept { return what(); }

private:
    std::shared_ptr<const sastaotp_error> owner_;
};

/// A purchase that may have been made: charge() is charge::unknown. Do not repeat it; search for it
/// with client::reconcile(*intent()).
class outcome_unknown : public error {
public:
    using error::error;
};

#if defined(__clang__)
#pragma clang diagnostic pop
#endif

namespace detail {

/// Throws an error: outcome_unknown if the charge is unknown.
[[noreturn]] inline void fail(std::shared_ptr<const sastaotp_error> object) {
    if (error_view(object.get()).charge() == charge::unknown)
        throw outcome_unknown(std::move(object));
    throw error(std::move(object));
}

/// Throws the error of a call, and owns it.
[[noreturn]] inline void fail(sastaotp_error *object) {
    fail(std::shared_ptr<const sastaotp_error>(object, sastaotp_error_free));
}

/// Calls a function that may fail, and adds the output parameter for its error.
template <class Function, class... Arguments>
void call(Function function, Arguments... arguments) {
    sastaotp_error *object = nullptr;
    if (function(arguments..., &object) != SASTAOTP_OK) fail(object);
}

/// Calls a function that creates an object, and adds the output parameters for the object and the
/// error.
template <class Owner, class Function, class... Arguments>
Owner create(Function function, Arguments... arguments) {
    typename Owner::c_type *object = nullptr;
    call(function, arguments..., &object);
    return Owner(object);
}

/// Converts a text for C. Rejects a NUL within it, because C would stop there: "22\0..." would buy
/// in country "22".
inline std::string c_string(const char *name, std::string_view text) {
    if (text.find('\0') != std::string_view::npos)
        throw error("calling the library: the argument " + std::string(name) +
                    " contains a NUL: remove it");
    return std::string(text);
}

/// Converts an optional text for C; NULL if it is absent.
class optional_c_string {
public:
    optional_c_string(const char *name, std::optional<std::string_view> text) {
        if (text) text_ = c_string(name, *text);
    }
    const char *c_str() const noexcept { return text_ ? text_->c_str() : nullptr; }

private:
    std::optional<std::string> text_;
};

/// Borrows texts as an array for C. It ends with NULL, so that it has an address without texts.
inline std::vector<const char *> c_array(const std::vector<std::string> &texts) {
    std::vector<const char *> array;
    for (const auto &text : texts) array.push_back(text.c_str());
    array.push_back(nullptr);
    return array;
}

/// Borrows an optional text for C; NULL if it is absent.
inline const char *text_or_null(const std::optional<std::string> &text) noexcept {
    return text ? text->c_str() : nullptr;
}

}  // namespace detail

inline amount amount::parse(std::string_view rupees) {
    std::int64_t micros = 0;
    detail::call(sastaotp_amount_parse, detail::c_string("rupees", rupees).c_str(), &micros);
    return from_micros(micros);
}

/// An intent with its own C object. See intent_view for its getters.
class intent : public detail::owned<intent_view, sastaotp_intent_free> {
public:
    using owned::owned;

    /// Copies an intent, to keep it after the error or list that contains it is freed.
    explicit intent(const intent_view &other) : owned(sastaotp_intent_copy(other.c_object())) {}

    /// Reads a saved intent: the text that intent_view::json returned.
    ///
    /// Throws status::config if the text is not an intent.
    [[nodiscard]] static intent from_json(std::string_view json) {
        return detail::create<intent>(sastaotp_intent_from_json,
                                      detail::c_string("json", json).c_str());
    }
};

/// A token that ends calls from another thread, wherever they are blocked. Any number of threads
/// may use it at once.
class cancel_token
    : public detail::owned<detail::view<sastaotp_cancel_token>, sastaotp_cancel_token_free> {
public:
    using owned::owned;

    /// Creates a token that is not triggered.
    cancel_token() noexcept : owned(sastaotp_cancel_token_new()) {}

    /// Triggers the token: every call that uses it throws status::cancelled within 100 ms, and
    /// every later call does too. Async-signal-safe: a signal handler may call it, if the token
    /// exists until the handler can no longer run.
    void trigger() const noexcept { sastaotp_cancel_token_trigger(object_); }
    /// Returns whether the token was triggered.
    bool is_triggered() const noexcept { return sastaotp_cancel_token_is_triggered(object_); }
};

/// Receives the library's log messages while it exists. It neither moves nor copies.
///
///     sastaotp::logger log(sastaotp::log_level::warn, [](auto level, std::string_view message) {
///         std::cerr << "sastaotp: " << message << "\n";
///     });
///
/// A thread of the library calls the function, one call at a time, and holds no lock: the function
/// may call any function of the library, and a slow one delays no other call. If more than 4,096
/// messages wait for it, further ones are dropped, and a message reports their number. A message
/// never contains the API key. If the function throws, the exception is dropped, because it must
/// not pass through C. The function must not create or destroy a logger.
///
/// A process has one log: a new logger replaces the previous one, which receives no more messages.
/// The destructor returns after the waiting messages were delivered and the last call of the
/// function has returned.
class logger {
public:
    using function = std::function<void(log_level level, std::string_view message)>;

    /// Starts to pass the messages of `level` and of all more serious levels to `receive`. Throws
    /// status::config if the level is invalid or the program has another logger of the Rust crate
    /// `log`, and status::connection if no thread can be started.
    explicit logger(log_level level, function receive) : receive_(std::move(receive)) {
        const std::lock_guard<std::mutex> guard(mutex_);
        detail::call(sastaotp_log_set, detail::to_c(level), &logger::pass,
                     static_cast<void *>(this));
        current_ = this;
    }
    logger(const logger &) = delete;
    logger &operator=(const logger &) = delete;
    ~logger() {
        const std::lock_guard<std::mutex> guard(mutex_);
        if (current_ != this) return;
        current_ = nullptr;
        (void)sastaotp_log_set(SASTAOTP_LOG_OFF, nullptr, nullptr, nullptr);
    }

private:
    static void pass(void *self, sastaotp_log_level level, const char *message) noexcept {
        const auto &receive = static_cast<const logger *>(self)->receive_;
        try {
            receive(detail::from_c<log_level>(level), message);
        } catch (...) {
        }
    }

    // Orders the changes of the log. `current_` is the logger that receives its messages.
    inline static std::mutex mutex_;
    inline static const logger *current_ = nullptr;

    const function receive_;
};

/// The settings of a client, set in a chain: `config().api_key(key).budget(limit)`. One thread at a
/// time. One config can create many clients. The client's constructor checks the settings.
///
/// With the environment, the chain starts with an empty config:
/// `client(config().from_env().budget(limit))`.
class config {
public:
    /// Reads the API key, the base URL and the journal from SASTAOTP_API_KEY, SASTAOTP_BASE_URL and
    /// SASTAOTP_JOURNAL when a client is created, unless they are set here. By default the
    /// environment is not read. No other thread may change it during the client's constructor.
    config &from_env() & {
        from_env_ = true;
        return *this;
    }
    config from_env() && { return std::move(from_env()); }

    /// Sets the API key: 1 to 256 visible ASCII characters.
    config &api_key(std::string_view key) & { return set(api_key_, "api_key", key); }
    config api_key(std::string_view key) && { return std::move(api_key(key)); }

    /// Sets the part of a request that carries the API key. The default is
    /// api_key_location::header.
    config &api_key_location(sastaotp::api_key_location location) & {
        api_key_location_ = location;
        return *this;
    }
    config api_key_location(sastaotp::api_key_location location) && {
        return std::move(api_key_location(location));
    }

    /// Sets the service's URL: https, or http for this machine only. The default is the vendor's.
    config &base_url(std::string_view url) & { return set(base_url_, "base_url", url); }
    config base_url(std::string_view url) && { return std::move(base_url(url)); }

    /// Sets the User-Agent: 1 to 256 printable ASCII characters. The default is "libsastaotp/" and
    /// the version.
    config &user_agent(std::string_view text) & { return set(user_agent_, "user_agent", text); }
    config user_agent(std::string_view text) && { return std::move(user_agent(text)); }

    /// Sets the proxy: "environment", "direct", or a URL. The default is "environment": the proxy
    /// of HTTPS_PROXY or ALL_PROXY unless NO_PROXY excludes the host, read as curl reads them, and
    /// none for a service on this machine. "direct" ignores the environment.
    ///
    /// A URL is `scheme://user:password@host:port` with the scheme http, https, socks5 or socks5h.
    /// The user name and password are optional and percent-encoded. With socks5 (also written
    /// socks) this machine looks up the name of the service, with socks5h the proxy does. The
    /// default port is 443 for https, and otherwise 1080. A proxy that is set by URL is used for
    /// every service. For a loopback address it connects to its own machine.
    config &proxy(std::string_view text) & { return set(proxy_, "proxy", text); }
    config proxy(std::string_view text) && { return std::move(proxy(text)); }

    /// Sets the certificate authorities to trust. The default is roots::web.
    config &roots(sastaotp::roots authorities) & {
        roots_ = authorities;
        return *this;
    }
    config roots(sastaotp::roots authorities) && { return std::move(roots(authorities)); }

    /// Trusts certificates in addition: the text of a PEM file, not its path. Each is that of an
    /// authority, or of the server itself. A second call replaces the first.
    config &ca_pem(std::string_view pem) & {
        ca_pem_ = pem;
        return *this;
    }
    config ca_pem(std::string_view pem) && { return std::move(ca_pem(pem)); }

    /// Sets the maximum number of idle connections that the client keeps. 0 means the default,
    /// which is 64.
    config &max_connections(std::uint32_t count) & {
        max_connections_ = count;
        return *this;
    }
    config max_connections(std::uint32_t count) && { return std::move(max_connections(count)); }

    /// Sets the maximum total of all charges. A purchase that could exceed it fails before it is
    /// sent. A confirmed refund returns its money to the budget. With a budget, every purchase
    /// needs a maximum price. There is no budget by default.
    ///
    /// Only the purchases that this client sends count. A purchase that another client or an
    /// earlier run sent does not count, even if this client finds it. With a journal, the purchases
    /// of all clients and processes that use it count.
    config &budget(amount total) & {
        budget_ = total.micros();
        return *this;
    }
    config budget(amount total) && { return std::move(budget(total)); }

    /// Sets the maximum duration of a call, including its retries; zero counts as one millisecond.
    /// The default is 90 seconds. A wait, a reconcile and a settle with on_too_early::wait have
    /// their own durations.
    config &timeout(detail::duration time) & {
        timeout_ms_ = time.positive_millis();
        return *this;
    }
    config timeout(detail::duration time) && { return std::move(timeout(time)); }

    /// Sets how long after the end of its request the service may still book a purchase whose reply
    /// was lost; zero counts as one millisecond. The default is 10 minutes. Until then a search
    /// that finds no order is not complete: see reconciliation_view::is_complete.
    config &late_booking(detail::duration time) & {
        late_booking_ms_ = time.positive_millis();
        return *this;
    }
    config late_booking(detail::duration time) && { return std::move(late_booking(time)); }

    /// Sets the maximum number of requests per minute, for all handles of a client together: at
    /// most 60,000,000. 0 means the default: as many as the service accepts. With or without a
    /// limit, the client slows down after an HTTP status 429.
    config &max_requests_per_minute(std::uint32_t count) & {
        max_requests_per_minute_ = count;
        return *this;
    }
    config max_requests_per_minute(std::uint32_t count) && {
        return std::move(max_requests_per_minute(count));
    }

    /// Keeps a journal of the purchases in a folder, which is created if it does not exist. There
    /// is no journal by default.
    ///
    /// However this process ends, the next process that opens the folder with the same API key and
    /// base URL has its purchases: client::unclaimed lists them, and their activations have the
    /// codes that arrived. All these processes share one budget, which counts from the first
    /// purchase in the journal. Several processes can use a folder at once. All clients of an API
    /// key and a base URL in a process use the same folder and durability.
    ///
    /// The folder contains phone numbers and codes. Half a day after an order was settled, the next
    /// purchase or settlement removes its number and codes. The folder never contains the API key.
    /// A journal does not protect against the loss of the disk. The client's constructor opens the
    /// folder, and throws status::journal if it cannot be used. If a purchase cannot be written, it
    /// throws status::journal too, and nothing is sent.
    config &journal(std::string_view folder) & { return set(journal_, "journal", folder); }
    config journal(std::string_view folder) && { return std::move(journal(folder)); }

    /// Sets the failures that the journal survives. The default is durability::power.
    config &durability(sastaotp::durability survives) & {
        durability_ = survives;
        return *this;
    }
    config durability(sastaotp::durability survives) && { return std::move(durability(survives)); }

    /// Sets whether the journal may be on a network file system. By default it may not, because
    /// another machine may not see the locks: two machines could then settle one order. Allow it
    /// only if a single machine uses the folder.
    config &journal_on_network(bool allow) & {
        journal_on_network_ = allow;
        return *this;
    }
    config journal_on_network(bool allow) && { return std::move(journal_on_network(allow)); }

    /// Returns the settings as the C struct. It borrows the texts of this object.
    sastaotp_config c_struct() const noexcept {
        sastaotp_config settings = SASTAOTP_CONFIG_INIT;
        settings.api_key = detail::text_or_null(api_key_);
        settings.base_url = detail::text_or_null(base_url_);
        settings.user_agent = detail::text_or_null(user_agent_);
        settings.proxy = detail::text_or_null(proxy_);
        settings.ca_pem = detail::text_or_null(ca_pem_);
        settings.ca_pem_length = ca_pem_ ? ca_pem_->size() : 0;
        settings.journal = detail::text_or_null(journal_);
        settings.budget_micros = budget_;
        settings.max_connections = max_connections_;
        settings.timeout_ms = timeout_ms_;
        settings.late_booking_ms = late_booking_ms_;
        settings.max_requests_per_minute = max_requests_per_minute_;
        settings.api_key_location = detail::to_c(api_key_location_);
        settings.roots = detail::to_c(roots_);
        settings.durability = detail::to_c(durability_);
        settings.journal_on_network = journal_on_network_;
        settings.from_env = from_env_;
        return settings;
    }

private:
    config &set(std::optional<std::string> &field, const char *name, std::string_view text) {
        field = detail::c_string(name, text);
        return *this;
    }

    std::optional<std::string> api_key_, base_url_, user_agent_, proxy_, ca_pem_, journal_;
    std::int64_t budget_ = SASTAOTP_NO_BUDGET;
    std::uint32_t max_connections_ = 0, timeout_ms_ = 0, late_booking_ms_ = 0;
    std::uint32_t max_requests_per_minute_ = 0;
    sastaotp::api_key_location api_key_location_ = sastaotp::api_key_location::header;
    sastaotp::roots roots_ = sastaotp::roots::web;
    sastaotp::durability durability_ = sastaotp::durability::power;
    bool journal_on_network_ = false, from_env_ = false;
};

/// Any price: the argument of number_request::max_price and client::reget_number that states that
/// there is no maximum.
struct any_price_t {
    explicit any_price_t() = default;
};
inline constexpr any_price_t any_price{};

/// Not made: the argument of client::resolve that states that the purchase was not made.
struct not_made_t {
    explicit not_made_t() = default;
};
inline constexpr not_made_t not_made{};

/// Made: the argument of client::resolve that states which activation the purchase bought.
struct made {
    std::string_view activation_id;
};

/// A number to buy, set in a chain: `number_request("tg").country("22").max_price(limit)`. State
/// the country: call country, countries, offers, operator_ or any_country. State the price: call
/// max_price, unless each offer has a price. If the country or the price is missing, or two
/// statements of the country contradict each other, the purchase throws status::config. One thread
/// at a time. One request can buy many numbers.
class number_request {
public:
    /// Creates a request for a number of a service: a code from client::get_services, such as "tg".
    explicit number_request(std::string_view service)
        : service_(detail::c_string("service", service)) {}

    /// Sets the country: a code from client::get_countries, which is not a calling code. India is
    /// "22".
    number_request &country(std::string_view code) & {
        country_ = detail::c_string("country", code);
        return *this;
    }
    number_request country(std::string_view code) && { return std::move(country(code)); }

    /// Sets several countries, which are tried in this order: 1 to 100 different codes in any
    /// range of texts.
    ///
    /// The purchase moves on to the next country only if the service refused the current one: it
    /// has no number there, does not sell the service there, or sells it above the maximum price.
    /// Any other failure ends the call: an unknown outcome is never followed by another attempt.
    /// Each attempt has a separate intent and the full timeout of the call, and the budget
    /// reserves one attempt at a time. purchase::attempts and error_view::attempts list them. If
    /// every country is refused, the call throws the last temporary refusal, such as NO_NUMBERS, or
    /// else the last one.
    template <class Codes>
    number_request &countries(const Codes &codes) & {
        countries_.emplace();
        for (std::string_view code : codes)
            countries_->push_back(detail::c_string("countries", code));
        return *this;
    }
    template <class Codes>
    number_request countries(const Codes &codes) && {
        return std::move(countries(codes));
    }
    number_request &countries(std::initializer_list<std::string_view> codes) & {
        return countries<std::initializer_list<std::string_view>>(codes);
    }
    number_request countries(std::initializer_list<std::string_view> codes) && {
        return std::move(countries(codes));
    }

    /// Sets several offers of client::get_offers, which are tried in this order like countries: 1
    /// to 100 different ones in any range of offers. The maximum price of each attempt is the price
    /// of its offer, or max_price if that is lower. An offer without a price needs max_price. The
    /// request borrows the offers: keep their list until the purchase returns.
    template <class Offers>
    number_request &offers(const Offers &list) & {
        offers_.emplace();
        for (const auto &one : list) offers_->push_back(one.c_object());
        return *this;
    }
    template <class Offers>
    number_request offers(const Offers &list) && {
        return std::move(offers(list));
    }

    /// Lets the service choose the country.
    number_request &any_country() & {
        any_country_ = true;
        return *this;
    }
    number_request any_country() && { return std::move(any_country()); }

    /// Sets the minimum price. Cheap numbers have often been used before. The call reads the price
    /// list once (action getPrices). It skips a country whose listed price is below the minimum or
    /// above the maximum, and a country that is not listed. If it skips every country, it throws
    /// status::no_numbers. Not possible with any_country.
    number_request &min_price(amount limit) & {
        min_price_ = limit.micros();
        return *this;
    }
    number_request min_price(amount limit) && { return std::move(min_price(limit)); }

    /// Sets the maximum price, or accepts any price, unless the client has a budget.
    number_request &max_price(amount limit) & {
        max_price_ = limit.micros();
        return *this;
    }
    number_request &max_price(any_price_t) & {
        max_price_ = SASTAOTP_ANY_PRICE;
        return *this;
    }
    number_request max_price(amount limit) && { return std::move(max_price(limit)); }
    number_request max_price(any_price_t any) && { return std::move(max_price(any)); }

    /// Pins the country: the parameter `operator` of the vendor's page, which is a keyword of C++.
    /// It is a country code of client::get_services, and it is sent verbatim, beside the country if
    /// both are set. For other vendors of the protocol it is the name of a mobile operator.
    number_request &operator_(std::string_view code) & {
        operator_code_ = detail::c_string("operator", code);
        return *this;
    }
    number_request operator_(std::string_view code) && { return std::move(operator_(code)); }

    /// Requests a number that can receive several codes.
    number_request &multi_sms() & {
        multi_sms_ = true;
        return *this;
    }
    number_request multi_sms() && { return std::move(multi_sms()); }

    /// Sets how long to keep trying if the service refused every country; zero tries each country
    /// once. The call pauses before it starts again with the first country. The pauses grow from 2
    /// to 30 seconds, and are longer if the service requests it. It does not bound the call: each
    /// country is tried at least once, and each attempt has the full timeout. To bound the call,
    /// use a cancel token: see client::with.
    number_request &patience(detail::duration time) & {
        patience_ms_ = time.millis();
        return *this;
    }
    number_request patience(detail::duration time) && { return std::move(patience(time)); }

    /// Adds a parameter that the service accepts and the library does not set, such as "ref" or
    /// "fixedPrice": at most 16. A name has 1 to 64 of the characters A-Z a-z 0-9 _, and a value is
    /// text of 1 to 256 characters without control characters, such as "true". The parameters are
    /// part of the intent. These names are refused, in any letter case, because the library sets
    /// them: action, api_key, country, format, id, limit, maxPrice, multiSMS, operator, page,
    /// service, status.
    number_request &parameter(std::string_view name, std::string_view value) & {
        parameters_.emplace_back(detail::c_string("name", name), detail::c_string("value", value));
        return *this;
    }
    number_request parameter(std::string_view name, std::string_view value) && {
        return std::move(parameter(name, value));
    }

    /// Adds several parameters.
    number_request &parameters(
        const std::vector<std::pair<std::string, std::string>> &list) & {
        for (const auto &[name, value] : list) parameter(name, value);
        return *this;
    }
    number_request parameters(const std::vector<std::pair<std::string, std::string>> &list) && {
        return std::move(parameters(list));
    }

    /// Returns the request as the C struct. The struct borrows the texts and arrays of this object.
    /// The next call of this function invalidates it.
    sastaotp_number_request c_struct() const {
        sastaotp_number_request request = SASTAOTP_NUMBER_REQUEST_INIT;
        request.service = service_.c_str();
        request.country = detail::text_or_null(country_);
        if (countries_) {
            country_array_ = detail::c_array(*countries_);
            request.countries = country_array_.data();
            request.country_count = countries_->size();
        }
        if (offers_) {
            // An empty vector may have no address, and NULL means that there is no list.
            static constexpr const sastaotp_offer *none[] = {nullptr};
            request.offers = offers_->empty() ? none : offers_->data();
            request.offer_count = offers_->size();
        }
        parameter_array_.clear();
        for (const auto &[name, value] : parameters_)
            parameter_array_.push_back({name.c_str(), value.c_str()});
        request.parameters = parameter_array_.data();
        request.parameter_count = parameter_array_.size();
        request.min_price_micros = min_price_;
        request.patience_ms = patience_ms_;
        request.operator_ = detail::text_or_null(operator_code_);
        request.max_price_micros = max_price_;
        request.any_country = any_country_;
        request.multi_sms = multi_sms_;
        return request;
    }

private:
    std::string service_;
    std::optional<std::string> country_, operator_code_;
    std::optional<std::vector<std::string>> countries_;
    std::optional<std::vector<const sastaotp_offer *>> offers_;
    std::vector<std::pair<std::string, std::string>> parameters_;
    // The arrays of the C struct, which c_struct creates: a copy of this object creates new ones.
    mutable std::vector<const char *> country_array_;
    mutable std::vector<sastaotp_parameter> parameter_array_;
    std::int64_t min_price_ = 0, max_price_ = 0;  // not stated
    std::uint32_t patience_ms_ = 0;
    bool any_country_ = false, multi_sms_ = false;
};

/// Options for waiting for a code. One thread at a time.
class wait_options {
public:
    /// Sets the interval between polls. The default is 5 seconds. Shorter intervals count as 5
    /// seconds, longer ones than an hour as an hour.
    wait_options &interval(detail::duration pause) & {
        interval_ms_ = pause.millis();
        return *this;
    }
    wait_options interval(detail::duration pause) && { return interval(pause); }

    /// After a request for the next code, accepts a code that equals an earlier one, even if the
    /// service never reported that it was waiting in between.
    wait_options &accept_same_code() & {
        accept_same_code_ = true;
        return *this;
    }
    wait_options accept_same_code() && { return accept_same_code(); }

    /// Cancels the order for its refund if no code arrives in time, which takes at most 10 more
    /// seconds. The wait still throws status::wait_timeout, and the error's hint states whether the
    /// order was cancelled; if the cancellation itself fails, the wait throws its error.
    wait_options &cancel_on_timeout() & {
        cancel_on_timeout_ = true;
        return *this;
    }
    wait_options cancel_on_timeout() && { return cancel_on_timeout(); }

    /// Returns the options as the C struct.
    sastaotp_wait_options c_struct() const noexcept {
        sastaotp_wait_options options = SASTAOTP_WAIT_OPTIONS_INIT;
        options.interval_ms = interval_ms_;
        options.accept_same_code = accept_same_code_;
        options.cancel_on_timeout = cancel_on_timeout_;
        return options;
    }

private:
    std::uint32_t interval_ms_ = 0;
    bool accept_same_code_ = false, cancel_on_timeout_ = false;
};

/// A service in one country. Part of its list or service. Immutable.
class offer : public detail::view<const sastaotp_offer> {
public:
    using view::view;

    /// Returns the country's code for a purchase. It is not a calling code.
    std::string_view country() const noexcept {
        return detail::text_or_empty(sastaotp_offer_country(object_));
    }
    /// Returns the name of the country. The text is empty if the reply has none.
    std::string_view country_name() const noexcept {
        return detail::text_or_empty(sastaotp_offer_country_name(object_));
    }
    /// Returns the flag of the country, an emoji. Returns an empty text if the reply has none.
    std::string_view flag() const noexcept {
        return detail::text_or_empty(sastaotp_offer_flag(object_));
    }
    /// Returns the code of the mobile operator or of the tier. Absent unless the service lists
    /// prices by operator or tier.
    std::optional<std::string_view> operator_() const noexcept {
        return detail::optional_text(sastaotp_offer_operator(object_));
    }
    /// Returns the price of a number in this country. Absent if the service does not report it.
    std::optional<amount> price() const noexcept {
        return detail::optional_value<amount>(sastaotp_offer_price_micros, object_);
    }
    /// Returns the number of available numbers. Absent if the service does not report it.
    std::optional<std::uint64_t> available() const noexcept {
        return detail::optional_value<std::uint64_t>(sastaotp_offer_available, object_);
    }
};

/// The offers of a service, one for each country.
using offer_list = detail::list<sastaotp_service_offer_count, sastaotp_service_offer, offer>;

/// A service for which numbers are sold. Part of its list. Immutable.
class service : public detail::view<const sastaotp_service> {
public:
    using view::view;

    /// Returns the service's code for a purchase, such as "tg".
    std::string_view code() const noexcept {
        return detail::text_or_empty(sastaotp_service_code(object_));
    }
    /// Returns the service's common name, such as "Telegram". The text is empty if the reply has
    /// none.
    std::string_view name() const noexcept {
        return detail::text_or_empty(sastaotp_service_name(object_));
    }
    /// Returns the URL of the service's logo. Absent if the reply has none.
    std::optional<std::string_view> logo() const noexcept {
        return detail::optional_text(sastaotp_service_logo(object_));
    }
    /// Returns the price of a number without a chosen country. Absent if the service does not
    /// report it.
    std::optional<amount> price() const noexcept {
        return detail::optional_value<amount>(sastaotp_service_price_micros, object_);
    }
    /// Returns the currency of the service's price, such as "INR". Absent if the reply has none.
    std::optional<std::string_view> currency() const noexcept {
        return detail::optional_text(sastaotp_service_currency(object_));
    }
    /// Returns the number of available numbers. Absent if the service does not report it.
    std::optional<std::uint64_t> available() const noexcept {
        return detail::optional_value<std::uint64_t>(sastaotp_service_available, object_);
    }
    /// Returns whether one number can receive several codes. Absent if the service does not report
    /// it.
    std::optional<bool> multi_sms() const noexcept {
        return detail::optional_value<bool>(sastaotp_service_multi_sms, object_);
    }
    /// Returns how long after its purchase an order expires. Absent if the service does not report
    /// it.
    std::optional<std::chrono::milliseconds> expires_in() const noexcept {
        return detail::optional_value<std::chrono::milliseconds>(sastaotp_service_expires_in_ms,
                                                                 object_);
    }
    /// Returns the offers by country. The live service reports them only if the request names one
    /// service.
    offer_list offers() const noexcept { return offer_list(object_); }
};

/// A list of services, and a range of them. Immutable.
class services
    : public detail::owned<detail::list<sastaotp_services_count, sastaotp_services_get, service>,
                           sastaotp_services_free> {
public:
    using owned::owned;

    /// Returns how many services are sold in total. Absent if the reply does not state it.
    std::optional<std::uint64_t> total() const noexcept {
        return detail::optional_value<std::uint64_t>(sastaotp_services_total, object_);
    }
    /// Returns the list as a JSON object with the keys `services`, `total` and `raw` (the reply).
    /// Each service has code, name, logo, price_micros, currency, available, multi_sms,
    /// expires_in_ms and countries. Each of its countries has country, country_name, operator,
    /// flag, price_micros and available.
    std::string_view json() const noexcept {
        return detail::text_or_empty(sastaotp_services_json(object_));
    }
};

/// The price of a service in a country. Part of its table. Immutable.
class price_entry {
public:
    /// Creates the view of a row, from 0.
    price_entry(const sastaotp_prices *table, std::size_t row) noexcept
        : table_(table), row_(row) {}

    /// Returns the country code; "*" and "any" are codes of the service too.
    std::string_view country() const noexcept {
        return detail::text_or_empty(sastaotp_prices_country(table_, row_));
    }
    /// Returns the service code.
    std::string_view service() const noexcept {
        return detail::text_or_empty(sastaotp_prices_service(table_, row_));
    }
    /// Returns the operator that sells the number. Absent if the reply lists no operators.
    std::optional<std::string_view> operator_() const noexcept {
        return detail::optional_text(sastaotp_prices_operator(table_, row_));
    }
    /// Returns the price of a number. Absent if the reply's price is not readable.
    std::optional<amount> price() const noexcept {
        return detail::optional_value<amount>(sastaotp_prices_price_micros, table_, row_);
    }
    /// Returns the number of available numbers; the live service reports 999 everywhere. Absent if
    /// the service does not report it.
    std::optional<std::uint64_t> available() const noexcept {
        return detail::optional_value<std::uint64_t>(sastaotp_prices_available, table_, row_);
    }

private:
    const sastaotp_prices *table_;
    std::size_t row_;
};

namespace detail {

inline price_entry price_at(const sastaotp_prices *table, std::size_t row) noexcept {
    return price_entry(table, row);
}

}  // namespace detail

/// The prices of services in countries: a table, and a range of its entries. Immutable.
class prices
    : public detail::owned<detail::list<sastaotp_prices_count, detail::price_at, price_entry>,
                           sastaotp_prices_free> {
public:
    using owned::owned;

    /// Finds the entry of one service in one country. If there is an entry for each operator or
    /// price, finds the cheapest one in stock.
    std::optional<price_entry> find(std::string_view country, std::string_view service) const {
        std::size_t row = 0;
        const bool found =
            sastaotp_prices_find(object_, detail::c_string("country", country).c_str(),
                                 detail::c_string("service", service).c_str(), &row);
        return found ? std::optional<price_entry>(price_entry(object_, row)) : std::nullopt;
    }
    /// Returns the table as a JSON object with the keys `prices` and `raw` (the reply). Each price
    /// has country, service, price_micros and available, and operator if the reply lists
    /// operators. Unfiltered, it has several megabytes.
    std::string_view json() const noexcept {
        return detail::text_or_empty(sastaotp_prices_json(object_));
    }
};

/// Selects offers of a service, set in a chain: `offer_query("tg").max_price(limit)`. One thread at
/// a time.
class offer_query {
public:
    /// Selects all offers of a service: a code from client::get_services, such as "tg".
    explicit offer_query(std::string_view service)
        : service_(detail::c_string("service", service)) {}

    /// Selects only offers in these countries: any range of texts.
    template <class Codes>
    offer_query &countries(const Codes &codes) & {
        countries_.emplace();
        for (std::string_view code : codes)
            countries_->push_back(detail::c_string("countries", code));
        return *this;
    }
    template <class Codes>
    offer_query countries(const Codes &codes) && {
        return std::move(countries(codes));
    }
    offer_query &countries(std::initializer_list<std::string_view> codes) & {
        return countries<std::initializer_list<std::string_view>>(codes);
    }
    offer_query countries(std::initializer_list<std::string_view> codes) && {
        return std::move(countries(codes));
    }

    /// Selects only offers with at least this price.
    offer_query &min_price(amount price) & {
        min_price_ = price.micros();
        return *this;
    }
    offer_query min_price(amount price) && { return std::move(min_price(price)); }

    /// Selects only offers with at most this price.
    offer_query &max_price(amount price) & {
        max_price_ = price.micros();
        return *this;
    }
    offer_query max_price(amount price) && { return std::move(max_price(price)); }

    /// Selects only offers with at least this many numbers in stock; 0 by default. Above 0, an
    /// offer whose stock the service does not report is left out.
    offer_query &min_available(std::uint64_t count) & {
        min_available_ = count;
        return *this;
    }
    offer_query min_available(std::uint64_t count) && { return std::move(min_available(count)); }

    /// Returns the query as the C struct. The struct borrows the texts and the array of this
    /// object. The next call of this function invalidates it.
    sastaotp_offer_query c_struct() const {
        sastaotp_offer_query query = SASTAOTP_OFFER_QUERY_INIT;
        query.service = service_.c_str();
        if (countries_) {
            country_array_ = detail::c_array(*countries_);
            query.countries = country_array_.data();
            query.country_count = countries_->size();
        }
        query.min_price_micros = min_price_;
        query.max_price_micros = max_price_;
        query.min_available = min_available_;
        return query;
    }

private:
    std::string service_;
    std::optional<std::vector<std::string>> countries_;
    mutable std::vector<const char *> country_array_;
    std::int64_t min_price_ = 0, max_price_ = 0;  // no limit
    std::uint64_t min_available_ = 0;
};

/// The offers of a service, cheapest first, and a range of them. Immutable.
class offers : public detail::owned<detail::list<sastaotp_offers_count, sastaotp_offers_get, offer>,
                                    sastaotp_offers_free> {
public:
    using owned::owned;

    /// Returns the cheapest offer, which is the first one. Absent if there is no offer.
    std::optional<offer> cheapest() const noexcept {
        return detail::optional_view<offer>(sastaotp_offers_cheapest(object_));
    }
    /// Returns the list as a JSON object with the key `offers`. Each offer has country,
    /// country_name, flag, operator, price_micros and available.
    std::string_view json() const noexcept {
        return detail::text_or_empty(sastaotp_offers_json(object_));
    }
};

/// A country in which numbers are sold. Part of its list. Immutable.
class country : public detail::view<const sastaotp_country> {
public:
    using view::view;

    /// Returns the country's code for a purchase. It is not a calling code: 22 is India.
    std::string_view code() const noexcept {
        return detail::text_or_empty(sastaotp_country_code(object_));
    }
    /// Returns the English name, which several countries may share. The text is empty if the reply
    /// has none.
    std::string_view name() const noexcept {
        return detail::text_or_empty(sastaotp_country_name(object_));
    }
    /// Returns whether the service shows the country to its users.
    bool is_visible() const noexcept { return sastaotp_country_is_visible(object_); }
};

/// A list of countries, and a range of them. Immutable.
class countries
    : public detail::owned<detail::list<sastaotp_countries_count, sastaotp_countries_get, country>,
                           sastaotp_countries_free> {
public:
    using owned::owned;

    /// Returns the list as a JSON object with the keys `countries` and `raw` (the reply). Each
    /// country has code, name and visible.
    std::string_view json() const noexcept {
        return detail::text_or_empty(sastaotp_countries_json(object_));
    }
};

/// An order of the history. Immutable.
class order_view : public detail::view<const sastaotp_order> {
public:
    using view::view;

    /// Returns the id of the order; newer orders have higher ids. Absent if the reply has none.
    std::optional<std::string_view> id() const noexcept {
        return detail::optional_text(sastaotp_order_id(object_));
    }
    /// Returns the id for client::activation. Absent if the reply has none.
    std::optional<std::string_view> activation_id() const noexcept {
        return detail::optional_text(sastaotp_order_activation_id(object_));
    }
    /// Returns the phone number verbatim. Absent if the reply has none.
    std::optional<std::string_view> phone_number() const noexcept {
        return detail::optional_text(sastaotp_order_phone_number(object_));
    }
    /// Returns the code of the service, or its name if the reply has no code. Absent if the reply
    /// has neither.
    std::optional<std::string_view> service() const noexcept {
        return detail::optional_text(sastaotp_order_service(object_));
    }
    /// Returns the code of the country, or its name if the reply has no code. Absent if the reply
    /// has neither.
    std::optional<std::string_view> country() const noexcept {
        return detail::optional_text(sastaotp_order_country(object_));
    }
    /// Returns the status of the order: "pending", "completed", "cancelled", "expired", or another
    /// word of the service, verbatim. Absent if the reply has none.
    std::optional<std::string_view> status() const noexcept {
        return detail::optional_text(sastaotp_order_status(object_));
    }
    /// Returns the code that arrived. Absent if the reply has none.
    std::optional<std::string_view> code() const noexcept {
        return detail::optional_text(sastaotp_order_code(object_));
    }
    /// Returns the time of the purchase. Absent if the service does not report seconds since 1970.
    std::optional<time_point> created_at() const noexcept {
        return detail::optional_value<time_point>(sastaotp_order_created_at_ms, object_);
    }
    /// Returns the amount charged. Absent if the reply has none.
    std::optional<amount> price() const noexcept {
        return detail::optional_value<amount>(sastaotp_order_price_micros, object_);
    }
    /// Returns the order as JSON: order_id, activation_id, phone_number, service, country,
    /// price_micros, status, code, created_text, created_at_ms, raw.
    std::string_view json() const noexcept {
        return detail::text_or_empty(sastaotp_order_json(object_));
    }
};

/// An order with its own C object, as order_history returns it.
class order : public detail::owned<order_view, sastaotp_order_free> {
public:
    using owned::owned;
};

/// A page of the order history, newest first, and a range of its orders. Immutable.
class orders
    : public detail::owned<detail::list<sastaotp_orders_count, sastaotp_orders_get, order_view>,
                           sastaotp_orders_free> {
public:
    using owned::owned;

    /// Returns the number of orders on all pages. Absent if the service does not report it.
    std::optional<std::uint64_t> total() const noexcept {
        return detail::optional_value<std::uint64_t>(sastaotp_orders_total, object_);
    }
    /// Returns the activation ids of the orders that no purchase of this process explains: a proxy
    /// may have bought them by repeating a request.
    [[nodiscard]] std::vector<std::string_view> extra_orders() const {
        return detail::texts(sastaotp_orders_extra_order, object_);
    }
    /// Returns the page as a JSON object with the keys `orders` (each as in order_view::json),
    /// `total`, `extra_orders` and `raw` (the reply).
    std::string_view json() const noexcept {
        return detail::text_or_empty(sastaotp_orders_json(object_));
    }
};

/// The order history, newest first: a range that can be traversed once and reads a page when it
/// needs one. One thread at a time.
class order_history
    : public detail::owned<detail::view<sastaotp_order_iterator>, sastaotp_order_iterator_free> {
public:
    using owned::owned;

    /// An input iterator. The caller may move its order away; the next one takes its place.
    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = order;
        using difference_type = std::ptrdiff_t;
        using reference = order &;
        using pointer = order *;

        iterator() noexcept = default;
        explicit iterator(order_history *history) : history_(history) { ++*this; }

        reference operator*() const noexcept { return *history_->current_; }
        pointer operator->() const noexcept { return &**this; }
        /// Advances to the next order; after the last one, becomes end(). Throws a read error,
        /// which ends the iteration.
        iterator &operator++() {
            history_->current_ = history_->next();
            if (!history_->current_) history_ = nullptr;
            return *this;
        }
        void operator++(int) { ++*this; }

        friend bool operator==(const iterator &a, const iterator &b) noexcept {
            return a.history_ == b.history_;
        }
        friend bool operator!=(const iterator &a, const iterator &b) noexcept {
            return a.history_ != b.history_;
        }

    private:
        order_history *history_ = nullptr;
    };

    /// Continues after the last order that was read. Throws a read error.
    iterator begin() { return iterator(this); }
    iterator end() const noexcept { return {}; }

    /// Returns the next order. Absent at the end. Action getOrders, once per page. Throws a read
    /// error, which ends the iteration.
    [[nodiscard]] std::optional<order> next() {
        auto found = detail::create<order>(sastaotp_order_iterator_next, object_);
        if (!found.c_object()) return std::nullopt;
        return found;
    }

private:
    std::optional<order> current_;
};

/// A message that a number received. Immutable.
class sms_view : public detail::view<const sastaotp_sms> {
public:
    using view::view;

    /// Returns the code verbatim: it may contain colons, spaces and leading zeros.
    std::string_view code() const noexcept {
        return detail::text_or_empty(sastaotp_sms_code(object_));
    }
    /// Returns the text of the message, verbatim. Absent if the service reports none.
    std::optional<std::string_view> text() const noexcept {
        return detail::optional_text(sastaotp_sms_text, object_);
    }
    /// Returns the sender. Absent if the service reports none.
    std::optional<std::string_view> sender() const noexcept {
        return detail::optional_text(sastaotp_sms_sender(object_));
    }
    /// Returns whether the order received the same code before.
    bool is_repeat() const noexcept { return sastaotp_sms_is_repeat(object_); }
    /// Returns the message as JSON: code, text, sender, received_text, is_repeat, raw.
    std::string_view json() const noexcept {
        return detail::text_or_empty(sastaotp_sms_json(object_));
    }
};

namespace detail {

/// A message whose texts are copies, so that `(the result of a call).code()` does not dangle.
template <class Base>
class copied_texts : public Base {
public:
    using Base::Base;

    std::string code() const { return std::string(Base::code()); }
    std::optional<std::string> text() const { return std::optional<std::string>(Base::text()); }
    std::optional<std::string> sender() const { return std::optional<std::string>(Base::sender()); }
    std::string json() const { return std::string(Base::json()); }
};

}  // namespace detail

/// A message with its own C object. Its texts are copies, which stay valid after the message is
/// destroyed: `number->wait_for_code(5min).code()` is safe.
class sms : public detail::copied_texts<detail::owned<sms_view, sastaotp_sms_free>> {
public:
    using copied_texts::copied_texts;
};

/// The status of an activation, as the service reports it. Immutable.
class activation_status : public detail::owned<detail::view<const sastaotp_activation_status>,
                                               sastaotp_activation_status_free> {
public:
    using owned::owned;

    /// Returns the kind of the status.
    status_kind kind() const noexcept {
        return detail::from_c<status_kind>(sastaotp_activation_status_kind(object_));
    }
    /// Returns the message that arrived. Absent if none did.
    std::optional<sms_view> sms() const noexcept {
        return detail::optional_view<sms_view>(sastaotp_activation_status_sms(object_));
    }
    /// Returns the status verbatim if its kind is status_kind::other. Otherwise absent.
    std::optional<std::string_view> text() const noexcept {
        return detail::optional_text(sastaotp_activation_status_text(object_));
    }
    /// Returns the status as JSON: kind (waiting, waiting_for_next, received, cancelled or other),
    /// sms, last_code, text, raw.
    std::string_view json() const noexcept {
        return detail::text_or_empty(sastaotp_activation_status_json(object_));
    }
};

/// The result of closing an order. Immutable.
class settlement_view : public detail::view<const sastaotp_settlement> {
public:
    using view::view;

    /// Returns the state of the order.
    settled state() const noexcept {
        return detail::from_c<settled>(sastaotp_settlement_state(object_));
    }
    /// Returns the message whose code arrived. Absent if none did.
    std::optional<sms_view> sms() const noexcept {
        return detail::optional_view<sms_view>(sastaotp_settlement_sms(object_));
    }
    /// Returns the settlement as JSON: state (completed, cancelled, code_arrived or already_over),
    /// code, raw.
    std::string_view json() const noexcept {
        return detail::text_or_empty(sastaotp_settlement_json(object_));
    }
};

/// A settlement with its own C object. Immutable.
class settlement : public detail::owned<settlement_view, sastaotp_settlement_free> {
public:
    using owned::owned;
};

/// The reply to a purchase. Part of its activation or list. Immutable.
class purchase : public detail::view<const sastaotp_purchase> {
public:
    using view::view;

    /// Returns the id for client::activation. Treat it as opaque text.
    std::string_view activation_id() const noexcept {
        return detail::text_or_empty(sastaotp_purchase_activation_id(object_));
    }
    /// Returns the id of the order in the history. Absent if the reply has none.
    std::optional<std::string_view> order_id() const noexcept {
        return detail::optional_text(sastaotp_purchase_order_id(object_));
    }
    /// Returns the phone number verbatim.
    std::string_view phone_number() const noexcept {
        return detail::text_or_empty(sastaotp_purchase_phone_number(object_));
    }
    /// Returns the code of the service. Absent if the reply has none.
    std::optional<std::string_view> service() const noexcept {
        return detail::optional_text(sastaotp_purchase_service(object_));
    }
    /// Returns the common name of the service. Absent if the reply has none.
    std::optional<std::string_view> service_name() const noexcept {
        return detail::optional_text(sastaotp_purchase_service_name(object_));
    }
    /// Returns the code of the country. Absent if the reply has none.
    std::optional<std::string_view> country() const noexcept {
        return detail::optional_text(sastaotp_purchase_country(object_));
    }
    /// Returns the amount charged. Absent if the reply has none.
    std::optional<amount> price() const noexcept {
        return detail::optional_value<amount>(sastaotp_purchase_price_micros, object_);
    }
    /// Returns whether the service sells further codes for this number. Absent if the reply does
    /// not report it.
    std::optional<bool> multi_sms() const noexcept {
        return detail::optional_value<bool>(sastaotp_purchase_multi_sms, object_);
    }
    /// Returns how long after the purchase the order expires. Absent if the reply does not report
    /// it.
    std::optional<std::chrono::milliseconds> expires_in() const noexcept {
        return detail::optional_value<std::chrono::milliseconds>(sastaotp_purchase_expires_in_ms,
                                                                 object_);
    }
    /// Returns the service's note about the purchase, verbatim. Absent if the reply has none.
    std::optional<std::string_view> note() const noexcept {
        return detail::optional_text(sastaotp_purchase_note(object_));
    }
    /// Returns the warnings about the purchase, each a sentence: the price was above the maximum,
    /// the number is of another country, or the reply is unusual. The purchase is valid despite
    /// them, so read them after each purchase.
    [[nodiscard]] std::vector<std::string_view> warnings() const {
        return detail::texts(sastaotp_purchase_warning, object_);
    }
    /// Returns the attempts of the call that bought the number, oldest first, at most the newest
    /// 1,000; the last one bought it. Empty unless the request had a list of countries or offers, a
    /// minimum price, or patience.
    detail::list<sastaotp_purchase_attempt_count, sastaotp_purchase_attempt, attempt> attempts()
        const noexcept {
        return detail::list<sastaotp_purchase_attempt_count, sastaotp_purchase_attempt, attempt>(
            object_);
    }
    /// Returns the purchase as JSON: activation_id, order_id, phone_number, service, service_name,
    /// country, country_name, price_micros, multi_sms, can_get_another_sms, expires_in_ms, note,
    /// warnings, attempts, raw. An attempt has country, operator, price_micros and refused.
    std::string_view json() const noexcept {
        return detail::text_or_empty(sastaotp_purchase_json(object_));
    }
};

class activation;

/// A number that was bought. Any number of threads may use it at once.
///
/// A change of the order throws a read error, status::not_found, status::already_finished or
/// status::too_early. It is sent once. If the reply is lost, the call reads the status and repeats
/// the request only if the status shows that it had no effect.
class activation_view : public detail::view<const sastaotp_activation> {
public:
    using view::view;

    /// Returns the id for the other calls, and for client::activation in a later run.
    std::string_view id() const noexcept {
        return detail::text_or_empty(sastaotp_activation_id(object_));
    }
    /// Returns the phone number verbatim. Absent if the activation was claimed by its id and this
    /// process does not know its number: it did not buy it, and no search, resolution or page of
    /// the history showed it. Empty if the order was found without a number.
    std::optional<std::string_view> phone_number() const noexcept {
        return detail::optional_text(sastaotp_activation_phone_number(object_));
    }
    /// Returns the amount charged. Absent if neither the purchase nor the history stated it, or if
    /// phone_number() is absent.
    std::optional<amount> price() const noexcept {
        return detail::optional_value<amount>(sastaotp_activation_price_micros, object_);
    }
    /// Returns when the order expires. Absent if the service did not report it.
    std::optional<time_point> expires_at() const noexcept {
        return detail::optional_value<time_point>(sastaotp_activation_expires_at_ms, object_);
    }
    /// Returns the reply to the purchase, or the data of the order if a search or a resolution
    /// found it. Absent if the activation was claimed by its id and this process has no record of
    /// its purchase.
    std::optional<sastaotp::purchase> purchase() const noexcept {
        return detail::optional_view<sastaotp::purchase>(sastaotp_activation_purchase(object_));
    }
    /// Returns the warnings about the purchase; see purchase::warnings. Empty if purchase() is
    /// absent.
    [[nodiscard]] std::vector<std::string_view> warnings() const {
        return detail::texts(sastaotp_purchase_warning, sastaotp_activation_purchase(object_));
    }
    /// Returns the number of messages that have arrived so far. Sends nothing.
    std::size_t sms_count() const noexcept { return sastaotp_activation_sms_count(object_); }
    /// Returns the message at an index; the oldest is at 0, the newest at sms_count() - 1. Absent
    /// if the index is out of range. Sends nothing.
    std::optional<sastaotp::sms> sms(std::size_t index) const noexcept {
        return detail::optional_view<sastaotp::sms>(sastaotp_activation_sms(object_, index));
    }
    /// Returns the messages that have arrived so far, oldest first. Sends nothing.
    [[nodiscard]] std::vector<sastaotp::sms> sms_list() const {
        std::vector<sastaotp::sms> found;
        found.reserve(sms_count());
        while (auto *message = sastaotp_activation_sms(object_, found.size()))
            found.emplace_back(message);
        return found;
    }
    /// Returns how the order ended, as far as is known. Sends nothing.
    sastaotp::ending ending() const noexcept {
        return detail::from_c<sastaotp::ending>(sastaotp_activation_ending(object_));
    }

    /// Reads the status. If it contains a code, the activation keeps the code. Actions getStatus,
    /// and getStatusV2 for the text of a message.
    ///
    /// Throws a read error or status::not_found.
    [[nodiscard]] activation_status get_status() const {
        return detail::create<activation_status>(sastaotp_activation_get_status, object_);
    }

    /// Waits for a code for at most `time`. Actions getStatus, and getStatusV2 for the text of the
    /// message.
    ///
    /// If a code has already arrived, returns it immediately. Otherwise polls every 5 seconds and
    /// once more at the deadline, which is the timeout or the expiry of the order, whichever comes
    /// first; if replies are slow, the last poll starts before the deadline. Transient failures do
    /// not end the wait.
    ///
    /// Throws status::wait_timeout if no code arrived in time, status::expired,
    /// status::activation_cancelled or status::already_finished if the order ended,
    /// status::cancelled, or an error that waiting cannot fix, such as status::authentication. A
    /// failed wait does not change the order, unless the options cancel it: you can wait again.
    [[nodiscard]] sastaotp::sms wait_for_code(detail::duration time,
                                              const wait_options &options = {}) const {
        const auto settings = options.c_struct();
        return detail::create<sastaotp::sms>(sastaotp_activation_wait_for_code, object_,
                                             time.millis(), &settings);
    }
    /// Waits as wait_for_code does, but returns an absent value if no code arrived in time. To show
    /// progress, wait one second at a time: consecutive waits keep the interval between polls. With
    /// cancel_on_timeout, an absent value means that the order was cancelled or a cancellation was
    /// attempted: check ending().
    [[nodiscard]] std::optional<sastaotp::sms> try_wait_for_code(
        detail::duration time, const wait_options &options = {}) const {
        const auto settings = options.c_struct();
        sastaotp_sms *found = nullptr;
        detail::call(sastaotp_activation_try_wait_for_code, object_, time.millis(), &settings,
                     &found);
        return detail::optional_view<sastaotp::sms>(found);
    }

    /// Reports to the service that the SMS was sent to the number. Action setStatus, 1. Sent once,
    /// because no status shows whether the request had an effect.
    ///
    /// Also throws status::activation_cancelled if the service answers that the order is cancelled.
    void mark_sms_sent() const { detail::call(sastaotp_activation_mark_sms_sent, object_); }
    /// Requests another code for the same number, if the service allows it. Action setStatus, 3.
    ///
    /// The next activation_view::wait_for_code waits for the new code; the previous one stays in
    /// sms(). Also throws status::activation_cancelled if the service answers that the order is
    /// cancelled.
    void request_next_code() const { detail::call(sastaotp_activation_request_next_code, object_); }
    /// Completes the order after its code was used. Check the settlement: if the service treats 6
    /// as a cancellation, its state is settled::cancelled. Action setStatus, 6.
    ///
    /// Throws status::config if no code has arrived, because completing spends the price: cancel
    /// the order, or call complete_without_code. Before it throws, it polls once.
    [[nodiscard]] settlement complete() const {
        return detail::create<settlement>(sastaotp_activation_complete, object_);
    }
    /// Completes the order even if no code has arrived here, for example because the user has read
    /// the code elsewhere. The price is spent. Action setStatus, 6.
    [[nodiscard]] settlement complete_without_code() const {
        return detail::create<settlement>(sastaotp_activation_complete_without_code, object_);
    }
    /// Cancels the order for its refund. Action setStatus, 8. Before that, it polls once, unless a
    /// poll was answered in the last 5 seconds. If a code arrived first, the order is not
    /// cancelled: the settlement is settled::code_arrived and contains the code, and the
    /// order stays open until it is completed.
    [[nodiscard]] settlement cancel() const {
        return detail::create<settlement>(sastaotp_activation_cancel, object_);
    }
    /// Closes the order: completes it if a code arrived, otherwise cancels it for the refund. If a
    /// code arrived but is not readable, throws and leaves the order open. `reaction` applies if
    /// the order is too young to be cancelled. Action setStatus, 6 or 8.
    [[nodiscard]] settlement settle(on_too_early reaction) const {
        return detail::create<settlement>(sastaotp_activation_settle, object_,
                                          detail::to_c(reaction));
    }
    /// Keeps the number although its order is open: client::unclaimed, client::finish and
    /// queue::close do not list it any more. Use it for a number that another program or a later
    /// run settles. Sends nothing.
    void keep() const { detail::call(sastaotp_activation_keep, object_); }
};

/// An activation with its own C object. Destroying it does not change the order: if it is open and
/// no other activation holds it, client::unclaimed lists the number. A lease settles its order.
class activation : public detail::owned<activation_view, sastaotp_activation_free> {
public:
    using owned::owned;

private:
    friend class client;
    friend class lease;

    // Keeps the callback of client::with(std::stop_token).
    std::shared_ptr<const void> canceller_;
};

/// A number whose order the destructor settles: completes it if a code arrived, otherwise cancels
/// it for its refund. `number->id()` and the like reach the activation.
///
/// The destructor takes at most 10 seconds and throws nothing. If it fails, or the order is too
/// young to be cancelled, client::unclaimed lists the number. Call close() to get the result. One
/// thread at a time; any number of threads may use its activation.
class lease : public detail::owned<detail::view<sastaotp_lease>, sastaotp_lease_free> {
public:
    using owned::owned;

    /// Returns the leased number. It is valid while the lease lives.
    activation_view activation() const noexcept {
        return activation_view(sastaotp_lease_activation(object_));
    }
    detail::arrow_proxy<activation_view> operator->() const noexcept { return {activation()}; }

    /// Ends the lease and settles the order. If the lease's token is triggered, it settles without
    /// the token, for at most 10 seconds, as the destructor does. Throws as activation_view::settle
    /// does, and then client::unclaimed lists the number; throws status::config if the lease has
    /// already ended.
    [[nodiscard]] settlement close(on_too_early reaction) {
        return detail::create<settlement>(sastaotp_lease_close, object_, detail::to_c(reaction));
    }
    /// Ends the lease and leaves the order unchanged. The number is kept: see
    /// activation_view::keep. Throws status::config if the lease has already ended.
    [[nodiscard]] sastaotp::activation keep() {
        auto kept = detail::create<sastaotp::activation>(sastaotp_lease_keep, object_);
        kept.canceller_ = canceller_;
        return kept;
    }

private:
    friend class client;

    // Keeps the callback of client::with(std::stop_token).
    std::shared_ptr<const void> canceller_;
};

/// An order that may be a purchase whose reply was lost. Part of its reconciliation. Immutable.
class candidate : public order_view {
public:
    /// Creates the view of the candidate at an index, from 0.
    candidate(const sastaotp_reconciliation *found, std::size_t index) noexcept
        : order_view(sastaotp_reconciliation_get(found, index)), found_(found), index_(index) {}

    /// Returns whether the evidence proves that the order is the purchase. If it does, the purchase
    /// is known from now on: client::unclaimed lists it as bought.
    bool is_ours() const noexcept { return sastaotp_reconciliation_is_ours(found_, index_); }
    /// Returns the facts for and against the order, such as its age or its price.
    [[nodiscard]] std::vector<std::string_view> evidence() const {
        return detail::texts(sastaotp_reconciliation_evidence, found_, index_);
    }

private:
    const sastaotp_reconciliation *found_;
    std::size_t index_;
};

namespace detail {

inline candidate candidate_at(const sastaotp_reconciliation *found, std::size_t index) noexcept {
    return candidate(found, index);
}

}  // namespace detail

/// The orders of the history that may be a purchase whose reply was lost: a range of candidates,
/// the most likely first. There may be several if another program makes similar purchases with this
/// API key. An empty range proves that nothing was bought only if is_complete(). Immutable.
class reconciliation_view
    : public detail::list<sastaotp_reconciliation_count, detail::candidate_at, candidate> {
public:
    using list::list;

    /// Returns whether the history was provably read up to the purchase and no later order can
    /// appear. If there is no candidate then, nothing was bought, and the purchase stays listed and
    /// reserved until client::resolve records that it was not made. If this is false, the order of
    /// the purchase may be missing, and reason() states why.
    bool is_complete() const noexcept { return sastaotp_reconciliation_is_complete(object_); }
    /// Returns why the search is not complete. Absent if it is complete.
    std::optional<std::string_view> reason() const noexcept {
        return detail::optional_text(sastaotp_reconciliation_reason(object_));
    }
    /// Returns the reconciliation as JSON: candidates, each as in order_view::json with is_ours and
    /// evidence; complete; reason.
    std::string_view json() const noexcept {
        return detail::text_or_empty(sastaotp_reconciliation_json(object_));
    }
};

/// A reconciliation with its own C object. See reconciliation_view for its getters. Immutable.
class reconciliation : public detail::owned<reconciliation_view, sastaotp_reconciliation_free> {
public:
    using owned::owned;
};

/// A purchase that is not settled: its caller stopped waiting before the reply, its outcome is
/// unknown, or its order is open. Part of its list. Immutable.
class unclaimed : public detail::view<const sastaotp_unclaimed> {
public:
    using view::view;

    /// Returns one line for a person: the purchase, its state, and the next step.
    std::string_view message() const noexcept {
        return detail::text_or_empty(sastaotp_unclaimed_message(object_));
    }

    /// Returns the outcome of the purchase.
    sastaotp::outcome outcome() const noexcept {
        return detail::from_c<sastaotp::outcome>(sastaotp_unclaimed_outcome(object_));
    }
    /// Returns the intent of the purchase.
    intent_view intent() const noexcept { return intent_view(sastaotp_unclaimed_intent(object_)); }
    /// Returns the reply to the purchase. Absent unless the outcome is outcome::bought.
    std::optional<sastaotp::purchase> purchase() const noexcept {
        return detail::optional_view<sastaotp::purchase>(sastaotp_unclaimed_purchase(object_));
    }
    /// Returns the reason why the outcome is unknown. Absent unless the outcome is
    /// outcome::unknown.
    std::optional<error_view> error() const noexcept {
        return detail::optional_view<error_view>(sastaotp_unclaimed_error(object_));
    }
};

/// A list of unclaimed purchases, and a range of them. Destroying it leaves the purchases
/// unclaimed. Immutable.
class unclaimed_list
    : public detail::owned<
          detail::list<sastaotp_unclaimed_list_count, sastaotp_unclaimed_list_get, unclaimed>,
          sastaotp_unclaimed_list_free> {
public:
    using owned::owned;

    /// Returns the list as a JSON object with the key `unclaimed`. Each of its entries has intent,
    /// outcome (pending, bought or unknown), purchase, error and message.
    std::string_view json() const noexcept {
        return detail::text_or_empty(sastaotp_unclaimed_list_json(object_));
    }
};

/// A lease of an ended process. Part of its list. Immutable.
class settled_lease {
public:
    settled_lease(const sastaotp_settled_leases *leases, std::size_t index) noexcept
        : leases_(leases), index_(index) {}

    /// Returns the purchase, as it was listed before.
    sastaotp::unclaimed unclaimed() const noexcept {
        return sastaotp::unclaimed(sastaotp_settled_leases_unclaimed(leases_, index_));
    }
    /// Returns the settlement. Absent if the lease could not be settled.
    std::optional<settlement_view> settlement() const noexcept {
        return detail::optional_view<settlement_view>(
            sastaotp_settled_leases_settlement(leases_, index_));
    }
    /// Returns the reason why the lease could not be settled. Absent if it was settled.
    std::optional<error_view> error() const noexcept {
        return detail::optional_view<error_view>(sastaotp_settled_leases_error(leases_, index_));
    }

private:
    const sastaotp_settled_leases *leases_;
    std::size_t index_;
};

namespace detail {

inline settled_lease settled_lease_at(const sastaotp_settled_leases *leases,
                                      std::size_t index) noexcept {
    return settled_lease(leases, index);
}

}  // namespace detail

/// The leases of ended processes that client::settle_leftover_leases settled, or tried to. A range.
/// Immutable.
class settled_leases
    : public detail::owned<
          detail::list<sastaotp_settled_leases_count, detail::settled_lease_at, settled_lease>,
          sastaotp_settled_leases_free> {
public:
    using owned::owned;

    /// Returns the leases as a JSON object with the key `leases`. Each of its entries has
    /// unclaimed, settlement and error; one of the last two is null.
    std::string_view json() const noexcept {
        return detail::text_or_empty(sastaotp_settled_leases_json(object_));
    }
};

#if defined(__cpp_lib_jthread)
namespace detail {

/// A token that a stop request triggers.
class stop_canceller {
public:
    explicit stop_canceller(std::stop_token stop) : callback_(std::move(stop), trigger{token}) {}

    const cancel_token token;

private:
    struct trigger {
        const cancel_token &token;
        void operator()() const noexcept { token.trigger(); }
    };

    const std::stop_callback<trigger> callback_;
};

}  // namespace detail
#endif

/// A client of the service, with its connections and its budget. Any number of threads may use it
/// at once. All clients of one API key and one base URL in a process share the record of purchases,
/// so no order is given to two of them. Before the program ends, call finish().
///
/// Every call blocks until it has a result. A read is sent at most three times within the timeout
/// of the call. A "read error", below, is status::authentication, server, rate_limited, blocked,
/// protocol, connection, tls, timeout, cancelled, rejected, or config for an invalid argument.
///
/// A purchase is sent at most once, and only if its reply has time to arrive before the call times
/// out: two thirds of the client's timeout, at most 60 seconds. Otherwise it throws status::timeout
/// and nothing was sent. Purchases run in parallel. The first purchase of an API key in a process
/// reads the newest order first (action getOrders), so that a lost reply can be found. A "purchase
/// error", below, is a read error, status::budget, already_sent, insufficient_balance, no_numbers,
/// price_too_high or service_unavailable. If money may have been charged, the exception is an
/// outcome_unknown.
class client : public detail::owned<detail::view<sastaotp_client>, sastaotp_client_free> {
public:
    using owned::owned;

    /// Creates a client from settings. Sends nothing. Throws status::config if a setting is invalid
    /// or there is no API key, and status::journal if the journal's folder cannot be used. Reads
    /// HTTPS_PROXY, ALL_PROXY and NO_PROXY as curl does, so no other thread may change the
    /// environment during the call.
    explicit client(const config &settings) : client(create(settings.c_struct())) {}

    /// Creates a client from SASTAOTP_API_KEY and, if set, SASTAOTP_BASE_URL and SASTAOTP_JOURNAL.
    /// Sends nothing. Throws status::config if a variable is invalid or the key is missing, and
    /// status::journal if the journal's folder cannot be used. No other thread may change the
    /// environment during the call. For further settings use config::from_env:
    /// `client(config().from_env().budget(limit))`.
    [[nodiscard]] static client from_env() {
        return detail::create<client>(sastaotp_client_from_env);
    }

    /// Creates a handle of the same client whose calls `token` can cancel; it replaces the token of
    /// this handle. The token also applies to the activations and leases that the handle buys or
    /// claims. The handle may outlive both. A purchase that was already sent continues until its
    /// reply: its call throws an outcome_unknown immediately, and unclaimed() lists the number that
    /// was bought.
    [[nodiscard]] client with(const cancel_token &token) const {
        // C keeps the token of the handle if it receives NULL.
        if (!token.c_object())
            throw error("making a client handle: the token was moved from: pass another token");
        return detail::create<client>(sastaotp_client_with, object_, token.c_object(), 0U);
    }
    /// Creates a handle of the same client whose calls last at most `time`; zero counts as one
    /// millisecond. It keeps the token of this handle: `client.with(token).with(5s)` has both. A
    /// purchase that was already sent continues until its reply, as after a cancellation. A wait, a
    /// reconcile and a settle with on_too_early::wait have their own durations.
    [[nodiscard]] client with(detail::duration time) const {
        const sastaotp_cancel_token *same = nullptr;
        return claim<client>(sastaotp_client_with, same, time.positive_millis());
    }
#if defined(__cpp_lib_jthread)
    /// Creates a handle of the same client whose calls end with status::cancelled when a stop is
    /// requested, as with a token. The activations and leases of the handle keep the connection to
    /// `stop` as well, so the handle may be a temporary object:
    ///
    ///     std::jthread worker([&](std::stop_token stop) {
    ///         auto number = client.with(stop).lease(request);
    ///         use(number->wait_for_code(5min).code());
    ///     });
    [[nodiscard]] client with(std::stop_token stop) const {
        const auto canceller = std::make_shared<const detail::stop_canceller>(std::move(stop));
        auto handle = with(canceller->token);
        handle.canceller_ = canceller;
        return handle;
    }
#endif

    /// Returns the remaining budget. Absent if the client has no budget. Sends nothing.
    std::optional<amount> budget_left() const noexcept {
        return detail::optional_value<amount>(sastaotp_client_budget_left, object_);
    }

    /// Reads the wallet. Action getBalance. Throws a read error, which is status::protocol if the
    /// service reports another currency than Indian rupees.
    [[nodiscard]] amount get_balance() const {
        std::int64_t micros = 0;
        detail::call(sastaotp_client_get_balance, object_, &micros);
        return amount::from_micros(micros);
    }

    /// Reads the services on sale: all, or one with its countries. Action getServicesList. Throws a
    /// read error.
    [[nodiscard]] services get_services(
        std::optional<std::string_view> service = std::nullopt) const {
        return detail::create<services>(sastaotp_client_get_services, object_,
                                      detail::optional_c_string("service", service).c_str());
    }
    /// Reads the prices of one service, of one country, of both, or all prices, which are 2.6 MB.
    /// Action getPrices. Throws a read error.
    [[nodiscard]] prices get_prices(std::optional<std::string_view> service = std::nullopt,
                                    std::optional<std::string_view> country = std::nullopt) const {
        return detail::create<prices>(sastaotp_client_get_prices, object_,
                                    detail::optional_c_string("service", service).c_str(),
                                    detail::optional_c_string("country", country).c_str());
    }
    /// Reads the offers of a service: one for each country that sells it now, and for each operator
    /// if the service lists prices by operator. The cheapest is first; of equal prices, the one
    /// with more numbers in stock. Actions getServicesList and getPrices. Throws a read error.
    ///
    /// If the two replies disagree about an offer, it has the higher price and the smaller stock.
    /// An offer without a price or with no number in stock is left out. Buy one of them with
    /// number_request::offers.
    [[nodiscard]] offers get_offers(const offer_query &query) const {
        const auto wanted = query.c_struct();
        return detail::create<offers>(sastaotp_client_get_offers, object_, &wanted);
    }
    /// Reads the countries and their codes, which are not calling codes: all, or those with a name,
    /// ignoring case. A name may have no country, one or several, each with its own code and
    /// prices. Action getCountries. Throws a read error.
    [[nodiscard]] countries get_countries(
        std::optional<std::string_view> name = std::nullopt) const {
        return detail::create<countries>(sastaotp_client_get_countries, object_,
                                         detail::optional_c_string("name", name).c_str());
    }

    /// Reads one page of the order history, newest first. `limit` is the number of orders per page,
    /// 1 to 100; `page` starts at 1. Returns the orders with `status` ("pending", "completed",
    /// "cancelled", "expired"), or all. Action getOrders. Throws a read error.
    [[nodiscard]] sastaotp::orders get_orders(
        std::uint32_t limit = 100, std::uint32_t page = 1,
        std::optional<std::string_view> status = std::nullopt) const {
        return detail::create<sastaotp::orders>(sastaotp_client_get_orders, object_, limit, page,
                                              detail::optional_c_string("status", status).c_str());
    }
    /// Creates a range over the order history, newest first: over the orders with `status`, or over
    /// all. Sends nothing; its iterators do.
    [[nodiscard]] order_history orders(
        std::optional<std::string_view> status = std::nullopt) const {
        return detail::create<order_history>(sastaotp_client_orders, object_,
                                           detail::optional_c_string("status", status).c_str());
    }

    /// Buys a number. Action getNumber. COSTS MONEY. Throws a purchase error.
    ///
    /// Sends the purchase, or each attempt of it, at most once. After an outcome_unknown, call
    /// reconcile() before you buy again. A request with several countries or offers, or with
    /// patience, is a series of attempts that ends when one buys a number. Read
    /// activation_view::warnings: the price may be above the maximum.
    [[nodiscard]] sastaotp::activation get_number(const number_request &request) const {
        const auto wanted = request.c_struct();
        return claim<sastaotp::activation>(sastaotp_client_get_number, &wanted);
    }
    /// Buys a number and returns a lease, which settles the order when it ends. Action getNumber.
    /// COSTS MONEY. The request may have several countries or offers, as for get_number. Throws a
    /// purchase error.
    [[nodiscard]] sastaotp::lease lease(const number_request &request) const {
        const auto wanted = request.c_struct();
        return claim<sastaotp::lease>(sastaotp_client_lease, &wanted);
    }
    /// Prepares a purchase for client::buy. Save intent_view::json before you buy: a program that
    /// is killed before the reply can then still find its purchase. If the client has not
    /// read the newest order yet, it does so first. Action getOrders.
    ///
    /// An intent is one attempt, so the request must not have a list of countries or offers, a
    /// minimum price or patience.
    ///
    /// Throws a read error.
    [[nodiscard]] intent intend(const number_request &request) const {
        const auto wanted = request.c_struct();
        return detail::create<intent>(sastaotp_client_intend, object_, &wanted);
    }
    /// Makes a prepared purchase. Action getNumber. COSTS MONEY.
    ///
    /// An intent is sent once. If it was sent before, throws status::already_sent: the message
    /// states its outcome, and the exception is an outcome_unknown if that is not known. An intent
    /// that an earlier run saved is looked up in the order history first (action getOrders). The
    /// call throws in the same way, and names the candidates, unless the search is complete and
    /// found none. A complete search takes ten minutes, or the time of config::late_booking, from
    /// the first search of this process, because the earlier run may have sent the request at its
    /// end.
    ///
    /// Throws a purchase error.
    [[nodiscard]] sastaotp::activation buy(const intent_view &intent) const {
        return claim<sastaotp::activation>(sastaotp_client_buy, intent.c_object());
    }
    /// Buys the number of a completed activation again, for at most `max_price` or at any price,
    /// which a client with a budget does not allow. Action regetNumber. COSTS MONEY, as much as the
    /// first time.
    ///
    /// The service accepts no maximum for this action. If the price is known, from the purchase or
    /// from the order history, and above the maximum, the call throws status::price_too_high and
    /// sends nothing. Otherwise a warning of the purchase reports a price above the maximum.
    ///
    /// Throws a purchase error or status::not_found.
    [[nodiscard]] sastaotp::activation reget_number(std::string_view id, amount max_price) const {
        return claim<sastaotp::activation>(sastaotp_client_reget_number,
                                           detail::c_string("id", id).c_str(), max_price.micros());
    }
    [[nodiscard]] sastaotp::activation reget_number(std::string_view id, any_price_t) const {
        return reget_number(id, amount::from_micros(SASTAOTP_ANY_PRICE));
    }

    /// Claims an existing activation by its id: one of an earlier run, of the order history, or of
    /// client::unclaimed. Sends nothing.
    ///
    /// Throws status::config if `id` is not 1 to 256 bytes, or has blanks around it or a line end.
    /// The activation has its phone number and price if this process or the journal knows them: a
    /// purchase of a queue, or a candidate that reconcile found.
    [[nodiscard]] sastaotp::activation activation(std::string_view id) const {
        return claim<sastaotp::activation>(sastaotp_client_activation,
                                           detail::c_string("id", id).c_str());
    }

    /// Searches the order history for a purchase whose outcome is unknown, for at most `time`; zero
    /// searches once. Action getOrders.
    ///
    /// Returns earlier only if the evidence proves that an order is the purchase, or if the search
    /// is complete. Otherwise continues until the time is over: the history can lag, and another
    /// program's order can look the same. If the search is not complete then, the purchase stays
    /// unknown and listed, and the next call continues.
    ///
    /// An order that another purchase of this API key bought is not a candidate. To claim a
    /// candidate, pass its activation_id() to client::activation. If there are several, call
    /// resolve() first; let a person decide if several are likely, or none is.
    ///
    /// Claiming the only candidate resolves the purchase, unless the search ended less than 60
    /// seconds after the reply was lost and was not complete. Then the maximum stays reserved, and
    /// a refund of that order makes the purchase unknown again: call resolve() as well if you know
    /// that the order is yours.
    ///
    /// Throws a read error as an outcome_unknown: the purchase stays unknown.
    [[nodiscard]] reconciliation reconcile(const intent_view &intent,
                                           detail::duration time = std::chrono::seconds(60)) const {
        return detail::create<reconciliation>(sastaotp_client_reconcile, object_,
                                              intent.c_object(), time.millis());
    }
    /// Resolves a purchase with an unknown outcome: the caller knows that it was not made. It is
    /// not listed any more. If a client of this process sent it, its reservation returns to that
    /// client's budget. A call with `made` can correct the answer later. Sends nothing.
    ///
    ///     client.resolve(intent, sastaotp::not_made);
    ///
    /// Throws status::config if the reply may still arrive, or the purchase is known to be made.
    void resolve(const intent_view &intent, not_made_t) const {
        detail::call(sastaotp_client_resolve_not_made, object_, intent.c_object());
    }
    /// Resolves a purchase with an unknown outcome: the caller knows that it bought this
    /// activation. unclaimed() lists the number as bought until it is claimed. If a client of this
    /// process sent the purchase, the price of the order replaces its reservation. Sends nothing.
    ///
    /// The id is not checked: take it from a candidate or from the service's order history. A wrong
    /// answer can be corrected by calling resolve() again until the order has a code or has ended.
    ///
    ///     client.resolve(intent, sastaotp::made{"38496653"});
    ///
    /// Throws status::config if the reply may still arrive, if the purchase is known to be refused
    /// or to have bought another activation, or if another purchase bought this activation.
    void resolve(const intent_view &intent, made bought) const {
        detail::call(sastaotp_client_resolve_made, object_, intent.c_object(),
                     detail::c_string("activation_id", bought.activation_id).c_str());
    }
    /// Lists every purchase of this API key and base URL in this process that is not settled, kept
    /// or resolved, and that no activation or lease holds: its caller stopped waiting, its outcome
    /// is unknown, or its last handle was destroyed while the order was open. Reading the list or a
    /// failed cancellation removes nothing. A purchase leaves the list when its order is completed,
    /// cancelled or expired, by activation_view::keep, and by resolve() as not made. While an
    /// activation or a lease holds the number, it is not listed. Sends nothing.
    [[nodiscard]] unclaimed_list unclaimed() const {
        return detail::create<unclaimed_list>(sastaotp_client_unclaimed, object_);
    }
    /// Settles the leases in the client's journal whose processes ended before they settled them:
    /// see config::journal and activation_view::settle. Without a journal there are none. A lease
    /// that could not be settled has an error, and unclaimed() lists its number. Actions getStatus
    /// and setStatus.
    [[nodiscard]] settled_leases settle_leftover_leases(on_too_early reaction) const {
        return detail::create<settled_leases>(sastaotp_client_settle_leftover_leases, object_,
                                              detail::to_c(reaction));
    }
    /// Finishes the purchases of a client before the program ends: waits at most `time` for the
    /// replies of purchases in flight. Then lists each purchase of the client that is not settled
    /// or kept, even if an activation or a lease holds it, and each one that unclaimed() lists.
    /// Report every entry: without a journal, no other record of it exists after the process has
    /// ended. The client stays usable. Sends nothing.
    ///
    ///     for (const auto &left : client.finish()) std::cerr << left.message() << "\n";
    [[nodiscard]] unclaimed_list finish(detail::duration time = std::chrono::seconds(10)) const {
        return detail::create<unclaimed_list>(sastaotp_client_finish, object_, time.millis());
    }

private:
    static client create(const sastaotp_config &settings) {
        return detail::create<client>(sastaotp_client_new, &settings);
    }
    /// Creates an object whose calls this handle's token cancels.
    template <class Owner, class Function, class... Arguments>
    Owner claim(Function function, Arguments... arguments) const {
        auto object = detail::create<Owner>(function, object_, arguments...);
        object.canceller_ = canceller_;
        return object;
    }

    // Keeps the callback of with(std::stop_token).
    std::shared_ptr<const void> canceller_;
};

/// The number of an operation in its queue. It can be compared and can be the key of a map.
enum class ticket : std::uint64_t {};

/// A finished operation. Immutable.
class completion : public detail::view<const sastaotp_completion> {
public:
    using c_type = sastaotp_completion;

    explicit completion(sastaotp_completion *object)
        : view(object), owner_(object, sastaotp_completion_free) {}
    completion(completion &&other) noexcept : view(other), owner_(std::move(other.owner_)) {
        other.object_ = nullptr;
    }
    completion &operator=(completion &&other) noexcept {
        completion moved(std::move(other));
        std::swap(object_, moved.object_);
        owner_.swap(moved.owner_);
        return *this;
    }
    ~completion() = default;

    /// Returns the ticket.
    sastaotp::ticket ticket() const noexcept {
        return sastaotp::ticket(sastaotp_completion_ticket(object_));
    }
    /// Returns the pointer that was passed when the operation was submitted.
    void *user() const noexcept { return sastaotp_completion_user(object_); }
    /// Returns status::ok, or the kind of failure of the operation. Returns status::config after a
    /// move.
    sastaotp::status status() const noexcept {
        return detail::from_c<sastaotp::status>(sastaotp_completion_status(object_));
    }
    /// Returns the class of status().
    sastaotp::status_class status_class() const noexcept { return class_of(status()); }
    /// Returns the number that get_number, lease, buy or reget_number bought. Absent if the
    /// operation failed or is of another kind; so are the next three.
    std::optional<activation_view> activation() const noexcept {
        return detail::optional_view<activation_view>(sastaotp_completion_activation(object_));
    }
    /// Returns the message that wait_for_code received. Absent if the operation failed or is of
    /// another kind.
    std::optional<sms_view> sms() const noexcept {
        return detail::optional_view<sms_view>(sastaotp_completion_sms(object_));
    }
    /// Returns the result of complete, cancel or settle. Absent if the operation failed or is of
    /// another kind.
    std::optional<settlement_view> settlement() const noexcept {
        return detail::optional_view<settlement_view>(sastaotp_completion_settlement(object_));
    }
    /// Returns the result of reconcile. Absent if the operation failed or is of another kind.
    std::optional<reconciliation_view> reconciliation() const noexcept {
        return detail::optional_view<reconciliation_view>(
            sastaotp_completion_reconciliation(object_));
    }
    /// Returns the result of the operation as JSON. Empty if the operation failed.
    std::string_view json() const noexcept {
        return detail::text_or_empty(sastaotp_completion_json(object_));
    }
    /// Returns the reason why the operation failed. Absent if it succeeded.
    std::optional<error_view> error() const noexcept {
        return detail::optional_view<error_view>(sastaotp_completion_error(object_));
    }
    /// Returns the result of the operation as JSON, or throws the error of the operation. The
    /// exception may outlive the completion.
    std::string_view get() const {
        const sastaotp_error *failure = sastaotp_completion_error(object_);
        if (failure) detail::fail(std::shared_ptr<const sastaotp_error>(owner_, failure));
        return json();
    }

private:
    // Shared with the exceptions of get(), whose error is part of the completion.
    std::shared_ptr<const sastaotp_completion> owner_;
};

/// Runs operations in the background, for event loops and thousands of waits, on a pool of workers
/// that grows and shrinks. Between two polls a wait occupies no worker. Any number of threads may
/// use it at once.
///
///     sastaotp::queue queue(client);
///     queue.submit_get_number(request, &job);
///     for (const auto &done : queue.take(100, 1min)) {
///         auto &job = *static_cast<my_job *>(done.user());
///         if (auto number = done.activation())
///             queue.submit_wait_for_code(number->id(), 5min, {}, &job);
///         else if (auto sms = done.sms())
///             job.use(sms->code());
///         else if (auto error = done.error())
///             std::cerr << error->message() << "\n";
///     }
///
/// Each submit function starts an operation and returns its ticket immediately. It throws
/// status::config, and starts nothing, if an argument is invalid. If the operation itself fails,
/// its completion contains the error. The completion also contains the pointer `user`, which the
/// library never dereferences. Without a pointer only the ticket identifies the completion, so
/// those overloads are [[nodiscard]].
///
/// The client may be destroyed before its queue. Destroying the queue ends its operations without
/// waiting for them and without completions. The orders do not change. A purchase that was sent
/// continues until its reply, and client::unclaimed lists it. It also lists a purchase that is
/// finished but was not taken. Before the program ends, call close().
class queue : public detail::owned<detail::view<sastaotp_queue>, sastaotp_queue_free> {
public:
    using owned::owned;

    /// Creates a queue on a client with at most `workers` workers for purchases and as many for the
    /// other operations, so that slow purchases delay no poll. The maximum is 512, and 0 means 64.
    /// Starts no thread yet. A cancellation token of the client does not affect the queue: cancel
    /// its tickets instead.
    ///
    /// Throws status::connection if the process has no file descriptor left, and status::config if
    /// `workers` is out of range.
    explicit queue(const client &owner, std::uint32_t workers = 0)
        : queue(detail::create<queue>(sastaotp_queue_new, owner.c_object(), workers)) {}

    /// Starts an operation that is given as JSON. sastaotp.h lists the operations at
    /// sastaotp_queue_submit.
    [[nodiscard]] sastaotp::ticket submit(std::string_view operation) const {
        return submit(operation, nullptr);
    }
    sastaotp::ticket submit(std::string_view operation, void *user) const {
        return start(sastaotp_queue_submit, user,
                     detail::c_string("operation", operation).c_str());
    }
    /// Starts an operation like submit. Its ticket holds the number that it bought or claimed until
    /// release, see sastaotp_queue_submit_held: for objects of the program that stand for numbers.
    [[nodiscard]] sastaotp::ticket submit_held(std::string_view operation,
                                               void *user = nullptr) const {
        return start(sastaotp_queue_submit_held, user,
                     detail::c_string("operation", operation).c_str());
    }
    /// Buys a number. See client::get_number. COSTS MONEY.
    [[nodiscard]] sastaotp::ticket submit_get_number(const number_request &request) const {
        return submit_get_number(request, nullptr);
    }
    sastaotp::ticket submit_get_number(const number_request &request, void *user) const {
        const auto wanted = request.c_struct();
        return start(sastaotp_queue_submit_get_number, user, &wanted);
    }
    /// Makes a prepared purchase. See client::buy. COSTS MONEY.
    [[nodiscard]] sastaotp::ticket submit_buy(const intent_view &intent) const {
        return submit_buy(intent, nullptr);
    }
    sastaotp::ticket submit_buy(const intent_view &intent, void *user) const {
        return start(sastaotp_queue_submit_buy, user, intent.c_object());
    }
    /// Waits for a code. See activation_view::wait_for_code.
    [[nodiscard]] sastaotp::ticket submit_wait_for_code(std::string_view id, detail::duration time,
                                                        const wait_options &options = {}) const {
        return submit_wait_for_code(id, time, options, nullptr);
    }
    sastaotp::ticket submit_wait_for_code(std::string_view id, detail::duration time,
                                          const wait_options &options, void *user) const {
        const auto settings = options.c_struct();
        return start(sastaotp_queue_submit_wait_for_code, user, detail::c_string("id", id).c_str(),
                     time.millis(), &settings);
    }
    /// Requests another code. See activation_view::request_next_code.
    [[nodiscard]] sastaotp::ticket submit_request_next_code(std::string_view id) const {
        return submit_request_next_code(id, nullptr);
    }
    sastaotp::ticket submit_request_next_code(std::string_view id, void *user) const {
        return start(sastaotp_queue_submit_request_next_code, user,
                     detail::c_string("id", id).c_str());
    }
    /// Completes an order after its code was used. See activation_view::complete.
    [[nodiscard]] sastaotp::ticket submit_complete(std::string_view id) const {
        return submit_complete(id, nullptr);
    }
    sastaotp::ticket submit_complete(std::string_view id, void *user) const {
        return start(sastaotp_queue_submit_complete, user, detail::c_string("id", id).c_str());
    }
    /// Cancels an order for its refund. See activation_view::cancel. To cancel a ticket, call
    /// cancel_ticket.
    [[nodiscard]] sastaotp::ticket submit_cancel(std::string_view id) const {
        return submit_cancel(id, nullptr);
    }
    sastaotp::ticket submit_cancel(std::string_view id, void *user) const {
        return start(sastaotp_queue_submit_cancel, user, detail::c_string("id", id).c_str());
    }
    /// Completes the order if a code arrived, otherwise cancels it. See activation_view::settle.
    [[nodiscard]] sastaotp::ticket submit_settle(std::string_view id, on_too_early reaction) const {
        return submit_settle(id, reaction, nullptr);
    }
    sastaotp::ticket submit_settle(std::string_view id, on_too_early reaction, void *user) const {
        return start(sastaotp_queue_submit_settle, user, detail::c_string("id", id).c_str(),
                     detail::to_c(reaction));
    }
    /// Searches the history for a purchase whose outcome is unknown. See client::reconcile.
    [[nodiscard]] sastaotp::ticket submit_reconcile(const intent_view &intent,
                                                    detail::duration time) const {
        return submit_reconcile(intent, time, nullptr);
    }
    sastaotp::ticket submit_reconcile(const intent_view &intent, detail::duration time,
                                      void *user) const {
        return start(sastaotp_queue_submit_reconcile, user, intent.c_object(), time.millis());
    }

    /// Cancels a ticket immediately: its completion has status::cancelled. Returns whether the
    /// ticket was open.
    ///
    /// Cancelling a wait does not change the order. A purchase that was already sent continues
    /// until its reply: its completion has charge::unknown, and client::unclaimed lists the number
    /// that was bought. A change of an order that is in flight may still take effect: its
    /// completion has phase::receive, and the status of the order shows the result.
    bool cancel_ticket(sastaotp::ticket ticket) const noexcept {
        return sastaotp_queue_cancel(object_, static_cast<std::uint64_t>(ticket));
    }
    /// Drops a ticket that is no longer needed, in any state: cancels an open operation without a
    /// completion, drops a completion that was not taken, and ends the hold of submit_held. Returns
    /// whether the ticket was open or its completion was not taken.
    bool release(sastaotp::ticket ticket) const noexcept {
        return sastaotp_queue_release(object_, static_cast<std::uint64_t>(ticket));
    }
    /// Takes at most `capacity` completions, oldest first, and reserves memory for that many. Waits
    /// at most `time` for the first; zero does not wait. Each completion is returned once.
    [[nodiscard]] std::vector<completion> take(std::size_t capacity, detail::duration time) const {
        std::vector<completion> taken;
        taken.reserve(capacity);
        std::vector<sastaotp_completion *> objects(capacity);
        std::size_t count = 0;
        // data() of an empty vector may be NULL.
        sastaotp_completion *none = nullptr;
        detail::call(sastaotp_queue_take, object_, capacity ? objects.data() : &none, capacity,
                     time.millis(), &count);
        std::size_t next = 0;
        try {
            while (next < count) taken.emplace_back(objects[next++]);
        } catch (...) {
            while (next < count) sastaotp_completion_free(objects[next++]);
            throw;
        }
        return taken;
    }
    /// Waits at most `time` for the completion of one ticket. Absent if the operation has not
    /// finished by then. Throws status::config if the ticket is not from this queue, or its
    /// completion was already returned.
    [[nodiscard]] std::optional<completion> join(sastaotp::ticket ticket,
                                                 detail::duration time) const {
        sastaotp_completion *object = nullptr;
        detail::call(sastaotp_queue_join, object_, static_cast<std::uint64_t>(ticket),
                     time.millis(), &object);
        return object ? std::optional<completion>(std::in_place, object) : std::nullopt;
    }

    /// Closes a queue: cancels its operations except the purchases that were sent, waits at most
    /// `time` for their replies, and joins the queue's threads. Then returns the list of
    /// client::finish, which includes the purchases whose completion was not taken. Report every
    /// entry: without a journal, no other record of it exists after the process has ended.
    /// Completions can still be taken afterwards.
    [[nodiscard]] unclaimed_list close(detail::duration time = std::chrono::seconds(10)) const {
        return detail::create<unclaimed_list>(sastaotp_queue_close, object_, time.millis());
    }

    /// Returns a file descriptor for poll, epoll and event loops; on Windows it is a SOCKET, made
    /// by the first call, or -1 if the system refuses it: then call take with a timeout. It is
    /// readable exactly while there is a completion to take. Do not read from it or close it. It is
    /// valid until the queue is destroyed: remove it from the event loop first.
    std::intptr_t fd() const noexcept { return sastaotp_queue_fd(object_); }
    /// Returns the number of open tickets: submitted and not finished. If it is 0, there may still
    /// be completions to take. To know when all are taken, count submits and completions.
    std::size_t open_count() const noexcept { return sastaotp_queue_open_count(object_); }

private:
    template <class Function, class... Arguments>
    sastaotp::ticket start(Function function, void *user, Arguments... arguments) const {
        std::uint64_t number = 0;
        detail::call(function, object_, arguments..., user, &number);
        return sastaotp::ticket(number);
    }
};

#if defined(__cpp_impl_coroutine) && defined(__cpp_lib_coroutine)

class coroutine_queue;

/// A typed result of a completion, which it keeps. Copies share the completion.
template <class View>
class completed : public View {
public:
    explicit completed(completion done, std::optional<View> result)
        : View(result ? *result : View(nullptr)),
          owner_(std::make_shared<const completion>(std::move(done))) {}
    // No move: a copy is as cheap and leaves the source valid.
    completed(const completed &) = default;
    completed &operator=(const completed &) = default;

private:
    std::shared_ptr<const completion> owner_;
};

/// The number that a coroutine bought. See activation_view for its getters. Its calls block:
/// pass its id() to the operations of coroutine_queue instead.
using completed_activation = completed<activation_view>;
/// The message that a coroutine received. Its texts are copies.
using completed_sms = detail::copied_texts<completed<sms_view>>;
/// The settlement of a coroutine's order.
using completed_settlement = completed<settlement_view>;
/// The result of a coroutine's search.
using completed_reconciliation = completed<reconciliation_view>;

namespace detail {

/// Quotes a text for JSON.
inline std::string json_text(std::string_view text) {
    constexpr const char *digits = "0123456789abcdef";
    std::string quoted = "\"";
    for (const char byte : text) {
        const auto value = static_cast<unsigned char>(byte);
        if (value < 0x20)
            (quoted += "\\u00") += {digits[value >> 4], digits[value & 15]};
        else
            (quoted += byte == '"' || byte == '\\' ? "\\" : "") += byte;
    }
    return quoted + "\"";
}

struct awaited;

/// The members of a coroutine_queue, shared by its awaitables and its running calls, because a
/// coroutine that a call resumes may destroy the coroutine_queue.
struct awaited_operations {
    std::optional<sastaotp::queue> queue;  // absent after the coroutine_queue was destroyed
    // The operations whose completion was not taken, by the user pointer of their completion.
    std::unordered_map<const void *, std::shared_ptr<awaited>> open;
    std::exception_ptr thrown;  // the first exception of the coroutines that close() resumed

    /// Takes a completion without waiting. Absent if there is none.
    std::optional<completion> take() const {
        sastaotp_completion *object = nullptr;
        std::size_t count = 0;
        call(sastaotp_queue_take, queue->c_object(), &object, std::size_t{1}, std::uint32_t{0},
             &count);
        return count ? std::optional<completion>(std::in_place, object) : std::nullopt;
    }
    /// Resumes the coroutine of a completion. It may destroy the coroutine_queue.
    void finish(completion done);
};

/// An operation of a coroutine_queue, shared by its awaitable and the queue, because either may be
/// destroyed first.
struct awaited {
    explicit awaited(std::shared_ptr<const awaited_operations> all) noexcept
        : operations(std::move(all)) {}

    const std::shared_ptr<const awaited_operations> operations;
    sastaotp::ticket ticket{};
    std::coroutine_handle<> coroutine;  // empty unless a coroutine waits
    std::optional<completion> done;
    bool abandoned = false;  // the awaitable was destroyed before it returned the result

    void abandon() noexcept {
        abandoned = true;
        coroutine = nullptr;
        if (done)
            mark_unclaimed();
        else if (operations->queue)
            operations->queue->cancel_ticket(ticket);
    }
    /// Makes client::unclaimed list the number that was bought, because no coroutine has it.
    void mark_unclaimed() const noexcept {
        const auto number = done->activation();
        if (!number || !operations->queue) return;
        try {
            const auto id = json_text(number->id());
            operations->queue->submit("{\"op\":\"mark_unclaimed\",\"id\":" + id + "}", nullptr);
        } catch (const error &) {
            // The queue is closed, and its list contains the number.
        }
    }
};

inline void awaited_operations::finish(completion done) {
    const auto entry = open.find(done.user());
    if (entry == open.end()) return;  // of awaited::mark_unclaimed
    const auto state = std::move(entry->second);
    open.erase(entry);
    state->done = std::move(done);
    if (state->abandoned)
        state->mark_unclaimed();
    else if (state->coroutine)
        std::exchange(state->coroutine, nullptr).resume();
}

/// Converts a completion to the result of an awaitable.
template <class Result>
Result result_of(completion done) {
    done.get();  // throws the error of the operation
    if constexpr (std::is_same_v<Result, completion>) {
        return done;
    } else if constexpr (std::is_base_of_v<activation_view, Result>) {
        const auto result = done.activation();
        return Result(std::move(done), result);
    } else if constexpr (std::is_base_of_v<sms_view, Result>) {
        const auto result = done.sms();
        return Result(std::move(done), result);
    } else if constexpr (std::is_base_of_v<settlement_view, Result>) {
        const auto result = done.settlement();
        return Result(std::move(done), result);
    } else if constexpr (std::is_base_of_v<reconciliation_view, Result>) {
        const auto result = done.reconciliation();
        return Result(std::move(done), result);
    } else {
        static_assert(std::is_void_v<Result>);
    }
}

}  // namespace detail

/// An operation that was started and can be awaited once. `co_await` returns its result or throws
/// its error. Start several before you await the first, and they run at the same time.
///
/// If it is destroyed before its operation has finished, for example with the coroutine that waits
/// for it, its ticket is cancelled: see queue::cancel_ticket for a purchase that was already sent.
/// If the operation has finished and bought a number, client::unclaimed lists the number.
template <class Result>
class [[nodiscard]] awaitable {
public:
    awaitable(awaitable &&) noexcept = default;
    awaitable &operator=(awaitable &&other) noexcept {
        awaitable moved(std::move(other));
        state_.swap(moved.state_);
        return *this;
    }
    ~awaitable() {
        if (state_) state_->abandon();
    }

    bool await_ready() const noexcept { return !state_ || state_->done; }
    void await_suspend(std::coroutine_handle<> coroutine) const noexcept {
        state_->coroutine = coroutine;
    }
    Result await_resume() {
        if (!state_ || !state_->done)
            throw error("awaiting an operation: it has no result: await it once, and let "
                        "resume_completions resume its coroutine");
        const auto state = std::exchange(state_, nullptr);
        return detail::result_of<Result>(std::move(*state->done));
    }

private:
    friend class coroutine_queue;

    explicit awaitable(std::shared_ptr<detail::awaited> state) noexcept
        : state_(std::move(state)) {}

    std::shared_ptr<detail::awaited> state_;
};

/// A queue whose operations are awaitable, for C++20 coroutines of any task type.
///
///     my_task buy(sastaotp::coroutine_queue &queue, sastaotp::number_request request) {
///         auto number = co_await queue.get_number(request);
///         auto sms = co_await queue.wait_for_code(number.id(), 5min);
///         co_await queue.settle(number.id(), sastaotp::on_too_early::wait);
///         use(sms.code());
///     }
///
/// The program's event loop polls fd() and calls resume_completions(), which resumes the
/// coroutines. One thread at a time may use the queue and run or destroy its coroutines; use a
/// queue for each thread. It neither moves nor copies.
///
/// Each operation is submitted at its call, before it is awaited. It throws as the submit function
/// of queue does. Before the program ends, call close(). A coroutine that still waits when the
/// queue is destroyed is not resumed any more. A coroutine that the queue resumes may destroy the
/// queue.
class coroutine_queue {
public:
    /// Creates a queue on a client. See the constructor of queue.
    explicit coroutine_queue(const client &owner, std::uint32_t workers = 0)
        : operations_(std::make_shared<detail::awaited_operations>()) {
        operations_->queue.emplace(owner, workers);
    }
    coroutine_queue(const coroutine_queue &) = delete;
    coroutine_queue &operator=(const coroutine_queue &) = delete;
    ~coroutine_queue() {
        operations_->open.clear();
        operations_->queue.reset();
    }

    /// Buys a number. See client::get_number. COSTS MONEY.
    awaitable<completed_activation> get_number(const number_request &request) {
        return start<completed_activation>(
            [&](void *user) { return queue().submit_get_number(request, user); });
    }
    /// Makes a prepared purchase. See client::buy. COSTS MONEY.
    awaitable<completed_activation> buy(const intent_view &intent) {
        return start<completed_activation>(
            [&](void *user) { return queue().submit_buy(intent, user); });
    }
    /// Waits for a code. See activation_view::wait_for_code.
    awaitable<completed_sms> wait_for_code(std::string_view id, detail::duration time,
                                           const wait_options &options = {}) {
        return start<completed_sms>(
            [&](void *user) { return queue().submit_wait_for_code(id, time, options, user); });
    }
    /// Requests another code. See activation_view::request_next_code.
    awaitable<void> request_next_code(std::string_view id) {
        return start<void>([&](void *user) { return queue().submit_request_next_code(id, user); });
    }
    /// Completes an order after its code was used. See activation_view::complete.
    awaitable<completed_settlement> complete(std::string_view id) {
        return start<completed_settlement>(
            [&](void *user) { return queue().submit_complete(id, user); });
    }
    /// Cancels an order for its refund. See activation_view::cancel. To cancel an operation,
    /// destroy its awaitable.
    awaitable<completed_settlement> cancel_order(std::string_view id) {
        return start<completed_settlement>(
            [&](void *user) { return queue().submit_cancel(id, user); });
    }
    /// Completes the order if a code arrived, otherwise cancels it. See activation_view::settle.
    awaitable<completed_settlement> settle(std::string_view id, on_too_early reaction) {
        return start<completed_settlement>(
            [&](void *user) { return queue().submit_settle(id, reaction, user); });
    }
    /// Searches the history for a purchase whose outcome is unknown. See client::reconcile.
    awaitable<completed_reconciliation> reconcile(const intent_view &intent,
                                                  detail::duration time) {
        return start<completed_reconciliation>(
            [&](void *user) { return queue().submit_reconcile(intent, time, user); });
    }
    /// Runs an operation that is given as JSON. See queue::submit.
    awaitable<completion> run(std::string_view operation) {
        return start<completion>([&](void *user) { return queue().submit(operation, user); });
    }

    /// Takes at most `most` completions without waiting, and resumes the coroutine of each. Returns
    /// the number of completions. While more remain, the descriptor stays readable. If an exception
    /// leaves a coroutine, throws it; the other completions stay in the queue.
    std::size_t resume_completions(std::size_t most = 64) {
        // A coroutine may destroy this object.
        const auto operations = operations_;
        if (operations->thrown)
            std::rethrow_exception(std::exchange(operations->thrown, nullptr));
        std::size_t taken = 0;
        while (taken < most && operations->queue) {
            auto done = operations->take();
            if (!done) break;
            ++taken;
            operations->finish(std::move(*done));
        }
        return taken;
    }

    /// Closes the queue as queue::close does, and resumes every coroutine that waits: with its
    /// result, or with status::cancelled. After that, starting an operation throws.
    ///
    /// If a coroutine throws out of its resumption, close() still resumes the others and returns
    /// the list. The next resume_completions() throws the first of these exceptions.
    [[nodiscard]] unclaimed_list close(detail::duration time = std::chrono::seconds(10)) {
        // A coroutine may destroy this object.
        const auto operations = operations_;
        auto list = operations->queue->close(time);
        for (const auto &entry : operations->open)
            operations->queue->cancel_ticket(entry.second->ticket);
        while (!operations->open.empty()) {
            auto done = operations->take();
            if (!done) break;
            try {
                operations->finish(std::move(*done));
            } catch (...) {
                if (!operations->thrown) operations->thrown = std::current_exception();
            }
        }
        return list;
    }

    /// Returns the descriptor for the event loop. See queue::fd.
    std::intptr_t fd() const noexcept { return queue().fd(); }
    /// Returns the number of operations whose completion was not taken.
    std::size_t open_count() const noexcept { return operations_->open.size(); }

private:
    const sastaotp::queue &queue() const noexcept { return *operations_->queue; }

    template <class Result, class Submit>
    awaitable<Result> start(Submit submit) {
        auto state = std::make_shared<detail::awaited>(operations_);
        auto &open = operations_->open;
        const auto entry = open.emplace(state.get(), state).first;
        try {
            state->ticket = submit(state.get());
        } catch (...) {
            open.erase(entry);
            throw;
        }
        return awaitable<Result>(std::move(state));
    }

    const std::shared_ptr<detail::awaited_operations> operations_;
};

#endif

}  // namespace sastaotp

#endif  // SASTAOTP_HPP
