# One library target a layer, headers beside sources, tests beside both.
#
#   fairlead_layer(NAME [DEPENDS layers...] [LIBS targets...] [TEST_LIBS targets...])
#
# takes every *.cpp of the calling folder: *_test.cpp goes to the test program fairlead_NAME_test, *_fuzz.cpp to a fuzzer of
# its own name, *_bench.cpp to a benchmark program of its own name, main.cpp to nothing (the layer's CMakeLists.txt makes its program),
# the rest to the library fairlead_NAME.
#
# A plain build makes what users run; the targets `tests`, `fuzzers` and `benches` make the rest.
add_custom_target(tests)
add_custom_target(fuzzers)
add_custom_target(benches)
if(FAIRLEAD_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()
if(FAIRLEAD_BENCH)
  find_package(benchmark REQUIRED)
endif()

# fairlead_test(PROGRAM LABEL SOURCES files... [LIBS targets...]): a program of GoogleTest. ctest runs each TEST of it by itself.
function(fairlead_test PROGRAM LABEL)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${PROGRAM} EXCLUDE_FROM_ALL ${ARG_SOURCES})
  target_link_libraries(${PROGRAM} ${ARG_LIBS} GTest::gmock GTest::gtest GTest::gtest_main)
  add_dependencies(tests ${PROGRAM})
  gtest_discover_tests(${PROGRAM} DISCOVERY_TIMEOUT 120 PROPERTIES LABELS ${LABEL})
endfunction()

function(fairlead_layer NAME)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LIBS;TEST_LIBS" ${ARGN})
  file(GLOB SOURCES CONFIGURE_DEPENDS *.cpp)
  list(FILTER SOURCES EXCLUDE REGEX "/main\\.cpp$")
  foreach(KIND test fuzz bench)
    set(${KIND}_SOURCES ${SOURCES})
    list(FILTER ${KIND}_SOURCES INCLUDE REGEX "_${KIND}\\.cpp$")
    list(FILTER SOURCES EXCLUDE REGEX "_${KIND}\\.cpp$")
  endforeach()

  if(SOURCES)
    add_library(fairlead_${NAME} STATIC ${SOURCES})
    set(SCOPE PUBLIC)
  else()
    add_library(fairlead_${NAME} INTERFACE)
    set(SCOPE INTERFACE)
  endif()
  list(TRANSFORM ARG_DEPENDS PREPEND fairlead_)
  target_include_directories(fairlead_${NAME} ${SCOPE} ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(fairlead_${NAME} ${SCOPE} ${ARG_DEPENDS} ${ARG_LIBS})

  if(FAIRLEAD_TESTS AND test_SOURCES)
    fairlead_test(fairlead_${NAME}_test ${NAME} SOURCES ${test_SOURCES} LIBS fairlead_${NAME} ${ARG_TEST_LIBS})
  endif()

  if(FAIRLEAD_FUZZ)
    foreach(FILE ${fuzz_SOURCES})
      cmake_path(GET FILE STEM PROGRAM)
      add_executable(${PROGRAM} EXCLUDE_FROM_ALL ${FILE})
      add_dependencies(fuzzers ${PROGRAM})
      target_link_libraries(${PROGRAM} fairlead_${NAME} ${ARG_TEST_LIBS})
      target_link_options(${PROGRAM} PRIVATE -fsanitize=fuzzer)
      set_target_properties(${PROGRAM} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fuzz)
    endforeach()
  endif()

  if(FAIRLEAD_BENCH)
    foreach(FILE ${bench_SOURCES})
      cmake_path(GET FILE STEM PROGRAM)
      add_executable(${PROGRAM} EXCLUDE_FROM_ALL ${FILE})
      add_dependencies(benches ${PROGRAM})
      target_link_libraries(${PROGRAM} fairlead_${NAME} ${ARG_TEST_LIBS} benchmark::benchmark)
      set_target_properties(${PROGRAM} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bench)
    endforeach()
  endif()
endfunction()
