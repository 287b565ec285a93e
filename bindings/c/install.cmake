# Installs the libraries, the headers, the licences, the pkg-config file and the CMake package. The
# installed tree can be moved.
include(CMakePackageConfigHelpers)

file(GLOB headers CONFIGURE_DEPENDS "${SASTAOTP_ROOT}/include/sastaotp.h*")
install(FILES ${headers} DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT sastaotp_development)

if(SASTAOTP_BUILD_SHARED)
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
    DESTINATION "${CMAKE_INSTALL_DATAROOTDIR}/licenses/sastaotp" COMPONENT sastaotp_runtime)

# pkg-config. The paths are relative to the file, unless a folder is outside the prefix.
set(pc_folder "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
    set(pc_prefix "${CMAKE_INSTALL_PREFIX}")
    set(pc_libdir "${CMAKE_INSTALL_LIBDIR}")
else()
    file(RELATIVE_PATH up "/prefix/${pc_folder}" "/prefix")
    string(REGEX REPLACE "/$" "" up "${up}")
    set(pc_prefix "\${pcfiledir}/${up}")
    set(pc_libdir "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
endif()
if(IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
    set(pc_includedir "${CMAKE_INSTALL_INCLUDEDIR}")
else()
    set(pc_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
list(JOIN SASTAOTP_NATIVE_LIBRARIES " " pc_native)
string(STRIP "${pc_native} ${SASTAOTP_STATIC_LINK_OPTIONS}" pc_native)
set(pc_libs "-L\${libdir} -lsastaotp")
set(pc_libs_private "${pc_native}")
if(NOT SASTAOTP_BUILD_SHARED)  # then every program needs them
    set(pc_libs "${pc_libs} ${pc_native}")
    set(pc_libs_private "")
endif()
configure_file(sastaotp.pc.in sastaotp.pc @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/sastaotp.pc"
    DESTINATION "${pc_folder}" COMPONENT sastaotp_development)

# CMake. Before 1.0 a new minor version may break the build of a program; the number in the SONAME
# protects programs that are already linked.
set(config_folder "${CMAKE_INSTALL_LIBDIR}/cmake/sastaotp")
set(config_includedir "${CMAKE_INSTALL_INCLUDEDIR}")
set(config_libdir "${CMAKE_INSTALL_LIBDIR}")
set(config_shared_file "${SASTAOTP_SHARED_FILE}")
set(config_soname "${SASTAOTP_INSTALL_NAME}")
set(config_static_file "${SASTAOTP_STATIC_FILE}")
configure_package_config_file(sastaotp-config.cmake.in sastaotp-config.cmake
    INSTALL_DESTINATION "${config_folder}" PATH_VARS config_includedir config_libdir
    NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file(sastaotp-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES
    "${CMAKE_CURRENT_BINARY_DIR}/sastaotp-config.cmake"
    "${CMAKE_CURRENT_BINARY_DIR}/sastaotp-config-version.cmake"
    DESTINATION "${config_folder}" COMPONENT sastaotp_development)
