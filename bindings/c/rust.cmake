# Finds cargo and rustc, and asks rustc what a static library needs.

find_program(SASTAOTP_CARGO cargo HINTS ENV CARGO_HOME "$ENV{HOME}/.cargo" PATH_SUFFIXES bin DOC "cargo")
if(NOT SASTAOTP_CARGO)
    message(FATAL_ERROR
        "sastaotp: cargo is missing: install Rust ${SASTAOTP_RUST_VERSION} or newer (https://rustup.rs), "
        "or say where it is with -DSASTAOTP_CARGO=/path/to/cargo")
endif()
get_filename_component(cargo_folder "${SASTAOTP_CARGO}" DIRECTORY)
find_program(SASTAOTP_RUSTC rustc HINTS "${cargo_folder}" DOC "rustc")
if(NOT SASTAOTP_RUSTC)
    message(FATAL_ERROR
        "sastaotp: rustc is missing: install Rust ${SASTAOTP_RUST_VERSION} or newer (https://rustup.rs), "
        "or say where it is with -DSASTAOTP_RUSTC=/path/to/rustc")
endif()
mark_as_advanced(SASTAOTP_CARGO SASTAOTP_RUSTC)

# In the checkout, because rustup may choose another toolchain there.
foreach(program IN ITEMS "${SASTAOTP_CARGO}" "${SASTAOTP_RUSTC}")
    execute_process(COMMAND "${program}" -vV WORKING_DIRECTORY "${SASTAOTP_ROOT}"
        OUTPUT_VARIABLE about ERROR_VARIABLE complaint RESULT_VARIABLE failed)
    if(failed OR NOT about MATCHES "release: ([0-9.]+)")
        message(FATAL_ERROR "sastaotp: ${program} -vV failed: ${complaint}")
    endif()
    if(CMAKE_MATCH_1 VERSION_LESS SASTAOTP_RUST_VERSION)
        message(FATAL_ERROR
            "sastaotp: ${program} is ${CMAKE_MATCH_1}, which is too old: "
            "install Rust ${SASTAOTP_RUST_VERSION} or newer (https://rustup.rs), or update it with `rustup update`")
    endif()
    string(REGEX MATCH "host: ([^\r\n]+)" host "${about}")
    set(host "${CMAKE_MATCH_1}")
endforeach()
set(SASTAOTP_RUST_TARGET_USED "${SASTAOTP_RUST_TARGET}")
if(NOT SASTAOTP_RUST_TARGET_USED)
    set(SASTAOTP_RUST_TARGET_USED "${host}")
endif()

# What Rust's standard library needs of the system. The crates add nothing to it: `tests/c/install` links with this alone.
set(SASTAOTP_NATIVE_LIBRARIES "")
if(SASTAOTP_BUILD_STATIC)
    set(probe "${CMAKE_CURRENT_BINARY_DIR}/native")
    file(WRITE "${probe}/native.rs" "")
    execute_process(
        COMMAND "${SASTAOTP_RUSTC}" --crate-type staticlib --target "${SASTAOTP_RUST_TARGET_USED}"
            --print native-static-libs --out-dir "${probe}" "${probe}/native.rs"
        WORKING_DIRECTORY "${SASTAOTP_ROOT}"
        OUTPUT_QUIET ERROR_VARIABLE about RESULT_VARIABLE failed)
    if(failed OR NOT about MATCHES "native-static-libs:([^\r\n]*)")
        message(FATAL_ERROR "sastaotp: rustc cannot build for ${SASTAOTP_RUST_TARGET_USED}: ${about}"
            "`rustup target add ${SASTAOTP_RUST_TARGET_USED}` may help")
    endif()
    separate_arguments(SASTAOTP_NATIVE_LIBRARIES UNIX_COMMAND "${CMAKE_MATCH_1}")
    list(REMOVE_DUPLICATES SASTAOTP_NATIVE_LIBRARIES)
    file(REMOVE_RECURSE "${probe}")
endif()
