# Compiles for Linux with glibc 2.28 or newer, whatever system this is: by build.sh's wrappers of zig's clang, with
# what libraries.sh has built and nothing of this machine.
# PORTABLE: the folder that build.sh works in, named as the machine that is compiled for.
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES PORTABLE)

# To be told the system means to CMake that no program for it can run here: on no machine is one tried.
get_filename_component(CMAKE_SYSTEM_PROCESSOR "${PORTABLE}" NAME)
set(CMAKE_SYSTEM_NAME Linux)

set(CMAKE_C_COMPILER "${PORTABLE}/bin/cc")
set(CMAKE_CXX_COMPILER "${PORTABLE}/bin/c++")
set(CMAKE_AR "${PORTABLE}/bin/ar" CACHE FILEPATH "")
set(CMAKE_RANLIB "${PORTABLE}/bin/ranlib" CACHE FILEPATH "")

# Other options are in the wrappers, so that libraries without CMake have them too.
set(CMAKE_CXX_FLAGS_INIT "-isystem ${PORTABLE}/prefix/include")
set(CMAKE_C_FLAGS_INIT "-isystem ${PORTABLE}/prefix/include")
# Not in the wrappers: zig would link an assembler's file too, and leave out what nothing in it uses.
set(CMAKE_EXE_LINKER_FLAGS_INIT "-pie -s -Wl,--gc-sections -Wl,-z,relro -Wl,-z,now")
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

set(CMAKE_FIND_ROOT_PATH "${PORTABLE}/prefix")
set(CMAKE_PREFIX_PATH "${PORTABLE}/prefix")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
foreach(kind LIBRARY INCLUDE PACKAGE)
  set(CMAKE_FIND_ROOT_PATH_MODE_${kind} ONLY)
endforeach()
set(ENV{PKG_CONFIG_LIBDIR} "${PORTABLE}/prefix/lib/pkgconfig")
