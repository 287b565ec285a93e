/** Marks a function whose result must not be ignored: every function that returns a status. */
#if defined(__cplusplus) && __cplusplus >= 201703L
#define SASTAOTP_MUST_USE [[nodiscard]]
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 202311L
#define SASTAOTP_MUST_USE [[nodiscard]]
#elif defined(__GNUC__)
#define SASTAOTP_MUST_USE __attribute__((warn_unused_result))
#elif defined(_MSC_VER)
#define SASTAOTP_MUST_USE _Check_return_
#else
#define SASTAOTP_MUST_USE
#endif

/** The type of an enumeration's values, for language versions that can state it. */
#if (defined(__cplusplus) && (__cplusplus >= 201103L || defined(_MSC_VER))) || \
    (defined(__STDC_VERSION__) && __STDC_VERSION__ >= 202311L)
#define SASTAOTP_ENUM_INT32 : int32_t
#else
#define SASTAOTP_ENUM_INT32
#endif
