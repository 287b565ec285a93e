# Writes the pkg-config file and the CMake package to the folder CMAKE_CURRENT_BINARY_DIR. install.cmake
# includes this file; as a script, dist/pack runs it for a target that was built before:
#
#     cmake -DVARIABLE=VALUE... -P bindings/c/packages.cmake
#
#     CMAKE_INSTALL_INCLUDEDIR, CMAKE_INSTALL_LIBDIR, CMAKE_INSTALL_BINDIR    relative to the prefix
#     CMAKE_SIZEOF_VOID_P                         8 for a 64-bit target
#     SASTAOTP_VERSION                            the version of the library
#     SASTAOTP_BUILD_SHARED, SASTAOTP_BUILD_STATIC    the libraries that are installed
#     SASTAOTP_SHARED_FILE, SASTAOTP_STATIC_FILE, SASTAOTP_IMPORT_FILE, SASTAOTP_INSTALL_NAME,
#     SASTAOTP_STATIC_LINK_OPTIONS, SASTAOTP_NATIVE_LIBRARIES    values of bindings/build_native.rs
#
# Only Windows has an import library; there, the shared library is in CMAKE_INSTALL_BINDIR. The paths
# in the files are relative, so that the installed tree can be moved.
include(CMakePackageConfigHelpers)

# Linker options of MSVC begin with a slash, which CMake would take for a path.
string(REGEX REPLACE "(^|[ ;])/" "\\1-" SASTAOTP_NATIVE_LIBRARIES "${SASTAOTP_NATIVE_LIBRARIES}")

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
configure_file("${CMAKE_CURRENT_LIST_DIR}/sastaotp.pc.in"
    "${CMAKE_CURRENT_BINARY_DIR}/sastaotp.pc" @ONLY)

# CMake. Before 1.0 a new minor version may break the build of a program; the number in the SONAME
# protects programs that are already linked.
set(config_folder "${CMAKE_INSTALL_LIBDIR}/cmake/sastaotp")
set(config_includedir "${CMAKE_INSTALL_INCLUDEDIR}")
set(config_shared "${CMAKE_INSTALL_LIBDIR}/${SASTAOTP_SHARED_FILE}")
set(config_import "${CMAKE_INSTALL_LIBDIR}/${SASTAOTP_IMPORT_FILE}")
if(SASTAOTP_IMPORT_FILE)
    set(config_shared "${CMAKE_INSTALL_BINDIR}/${SASTAOTP_SHARED_FILE}")
endif()
set(config_static "${CMAKE_INSTALL_LIBDIR}/${SASTAOTP_STATIC_FILE}")
configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/sastaotp-config.cmake.in"
    "${CMAKE_CURRENT_BINARY_DIR}/sastaotp-config.cmake"
    INSTALL_DESTINATION "${config_folder}"
    PATH_VARS config_includedir config_shared config_import config_static
    NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/sastaotp-config-version.cmake"
    VERSION "${SASTAOTP_VERSION}" COMPATIBILITY SameMinorVersion)
