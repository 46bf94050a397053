# The Debian package, by `cpack` in a build folder (README.md): programs, manual page, unit. Included by the
# project's CMakeLists.txt where it is built for itself, and not for a wheel.
set(package ${CMAKE_CURRENT_LIST_DIR})
set(made ${CMAKE_CURRENT_BINARY_DIR}/package)

# The unit's paths are those of a hand-made installation.
file(READ ${PROJECT_SOURCE_DIR}/bridge/flarebridge.service unit)
string(REPLACE "/usr/local/bin" "/usr/bin" unit "${unit}")
file(CONFIGURE OUTPUT ${made}/flarebridge.service CONTENT "${unit}" @ONLY)
install(FILES ${made}/flarebridge.service DESTINATION lib/systemd/system)
install(FILES ${package}/copyright DESTINATION share/doc/flarebridge)

# The manual page is the manual in bridge/README.md; without lowdown there is none, and no package.
find_program(LOWDOWN lowdown)
if(LOWDOWN)
  add_custom_command(OUTPUT ${made}/flarebridge.1.gz
    COMMAND ${package}/manual.sh ${LOWDOWN} ${PROJECT_SOURCE_DIR}/bridge/README.md ${made}/flarebridge.1.gz
    DEPENDS ${package}/manual.sh ${PROJECT_SOURCE_DIR}/bridge/README.md VERBATIM)
  add_custom_target(flarebridge_manual ALL DEPENDS ${made}/flarebridge.1.gz)
  install(FILES ${made}/flarebridge.1.gz DESTINATION share/man/man1)
endif()

set(CPACK_GENERATOR DEB)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGE_NAME flarebridge)
set(CPACK_PACKAGE_VENDOR flarebridge)
set(CPACK_PACKAGE_CONTACT "the flarebridge developers <nobody@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "experiment tracking for NVIDIA FLARE that loses nothing")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
  "A bridge process takes metrics of federated training from NVIDIA FLARE's\n\
processes, keeps them on the disk, writes genuine Weights & Biases run logs and\n\
uploads them, now or later, from here or from another machine.")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
# What the programs are linked with, by dpkg-shlibdeps; authorities of W&B's server.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS ca-certificates)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${package}/postinst ${package}/prerm ${package}/postrm)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
