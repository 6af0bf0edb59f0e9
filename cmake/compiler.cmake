# The compiler, its warnings and the options of every preset.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  message(FATAL_ERROR
    "gcc ${CMAKE_CXX_COMPILER_VERSION} silently miscompiles coroutines (double frees and hangs that no warning shows). "
    "Use clang 19: `make setup` installs it and every preset selects it.")
endif()

option(FAIRLEAD_TESTS "Build the tests" ON)
option(FAIRLEAD_BENCH "Build the benchmarks" ON)
option(FAIRLEAD_FUZZ "Build the fuzzers (clang only)" OFF)
set(FAIRLEAD_SANITIZE "" CACHE STRING "Sanitizers to build with, as -fsanitize= takes them")

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor -Wold-style-cast
                    -Wno-missing-designated-field-initializers
                    -Wimplicit-fallthrough -Werror -fno-omit-frame-pointer)
add_compile_definitions($<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_link_options(-fuse-ld=lld)
endif()
if(FAIRLEAD_SANITIZE)
  add_compile_options(-fsanitize=${FAIRLEAD_SANITIZE} -fno-sanitize-recover=all)
  # vptr probes memory through a pipe: it cries wolf in the tests that run out of file descriptors.
  add_compile_options(-fno-sanitize=vptr)
  add_link_options(-fsanitize=${FAIRLEAD_SANITIZE})
endif()
if(FAIRLEAD_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
