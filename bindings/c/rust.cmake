# Finds cargo and rustc, compiles bindings/build_native.rs, and reads the names that it prints.

find_program(SASTAOTP_CARGO cargo
    HINTS ENV CARGO_HOME "$ENV{HOME}/.cargo" PATH_SUFFIXES bin DOC "cargo")
if(NOT SASTAOTP_CARGO)
    message(FATAL_ERROR
        "sastaotp: cargo is missing: install Rust ${SASTAOTP_RUST_VERSION} or newer "
        "(https://rustup.rs), or set -DSASTAOTP_CARGO=/path/to/cargo")
endif()
get_filename_component(cargo_folder "${SASTAOTP_CARGO}" DIRECTORY)
find_program(SASTAOTP_RUSTC rustc HINTS "${cargo_folder}" DOC "rustc")
if(NOT SASTAOTP_RUSTC)
    message(FATAL_ERROR
        "sastaotp: rustc is missing: install Rust ${SASTAOTP_RUST_VERSION} or newer "
        "(https://rustup.rs), or set -DSASTAOTP_RUSTC=/path/to/rustc")
endif()
mark_as_advanced(SASTAOTP_CARGO SASTAOTP_RUSTC)

# Runs a command in the checkout, because rustup may choose another toolchain there.
function(sastaotp_run variable)
    execute_process(COMMAND ${ARGN} WORKING_DIRECTORY "${SASTAOTP_ROOT}"
        OUTPUT_VARIABLE text ERROR_VARIABLE complaint RESULT_VARIABLE failed)
    if(failed)
        list(JOIN ARGN " " command)
        message(FATAL_ERROR "sastaotp: ${command} failed: ${complaint}")
    endif()
    set(${variable} "${text}" PARENT_SCOPE)
endfunction()

foreach(program IN ITEMS "${SASTAOTP_CARGO}" "${SASTAOTP_RUSTC}")
    sastaotp_run(about "${program}" -vV)
    if(NOT about MATCHES "release: ([0-9.]+)")
        message(FATAL_ERROR "sastaotp: ${program} -vV prints no release: ${about}")
    endif()
    if(CMAKE_MATCH_1 VERSION_LESS SASTAOTP_RUST_VERSION)
        message(FATAL_ERROR
            "sastaotp: ${program} is ${CMAKE_MATCH_1}, which is too old: install Rust "
            "${SASTAOTP_RUST_VERSION} or newer (https://rustup.rs), or run `rustup update`")
    endif()
endforeach()

set(builder "${CMAKE_CURRENT_BINARY_DIR}/build_native")
sastaotp_run(ignored "${SASTAOTP_RUSTC}" --edition 2024 -o "${builder}"
    "${SASTAOTP_ROOT}/bindings/build_native.rs")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
    "${SASTAOTP_ROOT}/bindings/build_native.rs"
    "${SASTAOTP_ROOT}/Cargo.toml"
    "${SASTAOTP_ROOT}/src/capi/version.rs")

set(environment "CARGO=${SASTAOTP_CARGO}" "RUSTC=${SASTAOTP_RUSTC}")
if(CMAKE_OSX_DEPLOYMENT_TARGET)
    list(APPEND environment "MACOSX_DEPLOYMENT_TARGET=${CMAKE_OSX_DEPLOYMENT_TARGET}")
endif()
set(build_native "${CMAKE_COMMAND}" -E env ${environment} "${builder}" --root "${SASTAOTP_ROOT}"
    --cc "${CMAKE_C_COMPILER}")
if(SASTAOTP_RUST_TARGET)
    list(APPEND build_native --target "${SASTAOTP_RUST_TARGET}")
endif()
if(SASTAOTP_BUILD_SHARED)
    list(APPEND build_native --shared)
endif()
if(SASTAOTP_DEBUG_SYMBOLS)
    list(APPEND build_native --debug-symbols)
endif()
if(SASTAOTP_BUILD_STATIC)
    list(APPEND build_native --static)
endif()

sastaotp_run(printed ${build_native} --print)
string(REGEX MATCHALL "[^\r\n]+" printed "${printed}")
foreach(line IN LISTS printed)
    if(line MATCHES "^([a-z_]+)=(.*)$")
        string(TOUPPER "${CMAKE_MATCH_1}" key)
        set(SASTAOTP_${key} "${CMAKE_MATCH_2}")
    endif()
endforeach()
separate_arguments(SASTAOTP_NATIVE_LIBRARIES UNIX_COMMAND "${SASTAOTP_NATIVE_LIBRARIES}")
