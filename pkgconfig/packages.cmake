# Debian packages, made by `cpack` in the build folder: libpanicmon1, libpanicmon-dev, panicmond and
# python3-panicmon. The library's own install rules name the components; what only packages have is
# added here, outside of a plain `cmake --install`. For Debian's own folders configure with
# -DCMAKE_INSTALL_PREFIX=/usr.
set(debian ${CMAKE_CURRENT_LIST_DIR}/debian)
set(panicmon_version_debian ${PROJECT_VERSION}-1)

# What every package has: copyright and changelog. The date is that of the version's header.
# Who stands for the packages is who makes them: by Debian's own variables, else by the last commit.
set(PANICMON_MAINTAINER "" CACHE STRING "Maintainer of the packages, as in: A Name <mail@host>")
set(panicmon_maintainer "${PANICMON_MAINTAINER}")
if(panicmon_maintainer STREQUAL "" AND DEFINED ENV{DEBEMAIL} AND DEFINED ENV{DEBFULLNAME})
  set(panicmon_maintainer "$ENV{DEBFULLNAME} <$ENV{DEBEMAIL}>")
endif()
if(panicmon_maintainer STREQUAL "")
  execute_process(COMMAND git log -1 "--format=%an <%ae>" WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
                  OUTPUT_VARIABLE panicmon_maintainer OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET
                  RESULT_VARIABLE git_failed)
  if(git_failed)
    set(panicmon_maintainer "whoever built this package <nobody@invalid.example>")
  endif()
endif()
file(TIMESTAMP ${PROJECT_SOURCE_DIR}/include/panicmon/version.h panicmon_date
     "%a, %d %b %Y %H:%M:%S +0000" UTC)
configure_file(${debian}/changelog.in ${CMAKE_BINARY_DIR}/debian/changelog.Debian @ONLY)
foreach(pair lib:libpanicmon1 dev:libpanicmon-dev daemon:panicmond python:python3-panicmon)
  string(REPLACE ":" ";" pair ${pair})
  list(GET pair 0 component)
  list(GET pair 1 package)
  install(FILES ${debian}/copyright ${CMAKE_BINARY_DIR}/debian/changelog.Debian
          DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/doc/${package} COMPONENT ${component}
          EXCLUDE_FROM_ALL)
  string(TOUPPER ${component} component)
  set(CPACK_DEBIAN_${component}_PACKAGE_NAME ${package})
  set(CPACK_DEBIAN_${component}_FILE_NAME DEB-DEFAULT)
endforeach()

install(FILES ${PROJECT_SOURCE_DIR}/examples/panicmond/panicmond.service
        DESTINATION /lib/systemd/system COMPONENT daemon EXCLUDE_FROM_ALL)
install(FILES ${debian}/panicmond.json DESTINATION /etc/panicmon COMPONENT daemon EXCLUDE_FROM_ALL)
file(GLOB python_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bindings/python/src/panicmon/*.py)
install(FILES ${python_sources} ${PROJECT_SOURCE_DIR}/bindings/python/src/panicmon/py.typed
        DESTINATION /usr/lib/python3/dist-packages/panicmon COMPONENT python EXCLUDE_FROM_ALL)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME panicmon)
set(CPACK_PACKAGE_VENDOR "libpanicmon authors")
set(CPACK_PACKAGE_CONTACT "${panicmon_maintainer}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "monitor blockchain nodes")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ
    GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL lib dev daemon python)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/compress.cmake)

set(about "libpanicmon reads the state of blockchain nodes (Substrate chains among
them) and publishes it for the alerting system PANIC, on a few threads for
thousands of nodes.\n.\n")
set(CPACK_DEBIAN_LIB_DESCRIPTION "monitor blockchain nodes (shared library)\n${about}This package has the shared library.")
set(CPACK_DEBIAN_DEV_DESCRIPTION "monitor blockchain nodes (development files)\n${about}This package has the headers, the static library and the files for
pkg-config and CMake.")
set(CPACK_DEBIAN_DAEMON_DESCRIPTION "monitor blockchain nodes (daemon)\n${about}This package has the daemon, its service and the tool panicmon-scale.")
set(CPACK_DEBIAN_PYTHON_DESCRIPTION "monitor blockchain nodes (Python 3 interface)\n${about}This package has the Python module.")

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${CMAKE_BINARY_DIR}/lib)
set(CPACK_DEBIAN_LIB_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_LIB_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_LIB_PACKAGE_RECOMMENDS libwebsockets-evlib-ev) # loaded by libwebsockets, if there
set(CPACK_DEBIAN_LIB_PACKAGE_CONTROL_EXTRA ${debian}/triggers)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "libpanicmon1 (= ${panicmon_version_debian})")
# What the static library needs at a user's link.
set(CPACK_DEBIAN_DEV_PACKAGE_SUGGESTS "libb2-dev, libcurl4-openssl-dev, libev-dev, libhiredis-dev, libjansson-dev, librabbitmq-dev, libssl-dev, libwebsockets-dev, libxxhash-dev")
set(CPACK_DEBIAN_DAEMON_PACKAGE_SECTION net)
set(CPACK_DEBIAN_DAEMON_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_DAEMON_PACKAGE_DEPENDS "libpanicmon1 (>= ${panicmon_version_debian}), init-system-helpers (>= 1.54)")
set(CPACK_DEBIAN_DAEMON_PACKAGE_SUGGESTS "rabbitmq-server, redis-server")
set(CPACK_DEBIAN_DAEMON_PACKAGE_CONTROL_EXTRA
    "${debian}/conffiles;${debian}/postinst;${debian}/prerm;${debian}/postrm")
set(CPACK_DEBIAN_PYTHON_PACKAGE_SECTION python)
set(CPACK_DEBIAN_PYTHON_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_PYTHON_PACKAGE_DEPENDS
    "libpanicmon1 (>= ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}), python3:any (>= 3.9)")
foreach(script postinst prerm)
  configure_file(${debian}/python-${script} ${CMAKE_BINARY_DIR}/debian/python/${script} COPYONLY)
endforeach()
set(CPACK_DEBIAN_PYTHON_PACKAGE_CONTROL_EXTRA
    "${CMAKE_BINARY_DIR}/debian/python/postinst;${CMAKE_BINARY_DIR}/debian/python/prerm")
include(CPack)
