# Installs the libraries, the headers, the licences, the pkg-config file and the CMake package. The
# installed tree can be moved.

file(GLOB headers CONFIGURE_DEPENDS "${SASTAOTP_ROOT}/include/sastaotp.h*")
install(FILES ${headers} DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT sastaotp_development)

if(SASTAOTP_BUILD_SHARED AND SASTAOTP_IMPORT_FILE)  # Windows
    install(PROGRAMS "${output}/${SASTAOTP_SHARED_FILE}"
        DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT sastaotp_runtime)
    install(FILES "${output}/${SASTAOTP_IMPORT_FILE}"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT sastaotp_development)
elseif(SASTAOTP_BUILD_SHARED)
    install(PROGRAMS "${output}/${SASTAOTP_SHARED_FILE}" "${output}/${SASTAOTP_SONAME}"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT sastaotp_runtime)
    install(PROGRAMS "${output}/${SASTAOTP_SHARED_LINK}"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT sastaotp_development)
endif()
if(SASTAOTP_DEBUG_SYMBOLS)  # gdb finds the file in the folder of the library
    install(FILES "${output}/${SASTAOTP_DEBUG_FILE}"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT sastaotp_debug)
endif()
if(SASTAOTP_BUILD_STATIC)
    install(FILES "${output}/${SASTAOTP_STATIC_FILE}"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT sastaotp_development)
endif()

install(FILES "${SASTAOTP_ROOT}/LICENSE-APACHE" "${SASTAOTP_ROOT}/LICENSE-MIT"
    "${SASTAOTP_ROOT}/THIRD-PARTY-LICENSES"
    DESTINATION "${CMAKE_INSTALL_DATAROOTDIR}/licenses/sastaotp" COMPONENT sastaotp_runtime)

# Writes the files of both packages, and sets their folders.
include(packages.cmake)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/sastaotp.pc"
    DESTINATION "${pc_folder}" COMPONENT sastaotp_development)
install(FILES
    "${CMAKE_CURRENT_BINARY_DIR}/sastaotp-config.cmake"
    "${CMAKE_CURRENT_BINARY_DIR}/sastaotp-config-version.cmake"
    DESTINATION "${config_folder}" COMPONENT sastaotp_development)
