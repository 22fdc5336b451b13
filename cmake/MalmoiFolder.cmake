# malmoi_folder(NAME [DEPS folder...] [LIBS target...]): a static library of
# every .cc below src/NAME, and NAME_test from its *_test.cc files.

find_package(Threads REQUIRED)

add_library(malmoi_options INTERFACE)
target_include_directories(malmoi_options INTERFACE
  $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/src>
  $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include>)
target_compile_options(malmoi_options INTERFACE
  -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers
  -ffp-contract=off -fvisibility=hidden)
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  target_compile_options(malmoi_options INTERFACE -Wno-psabi
    -Wno-unused-private-field
    -Wno-deprecated-declarations -Wno-missing-designated-field-initializers)
else()
  target_compile_options(malmoi_options INTERFACE -Wno-psabi)
endif()
if(MALMOI_SANITIZE)
  target_compile_options(malmoi_options INTERFACE
    -fsanitize=${MALMOI_SANITIZE} -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
  target_link_options(malmoi_options INTERFACE
    -fsanitize=${MALMOI_SANITIZE})
endif()
if(MALMOI_FUZZ)
  target_compile_options(malmoi_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

if(MALMOI_TESTS)
  enable_testing()
  if(MALMOI_GTEST_SOURCE)  # cross builds: compile GoogleTest from its source
    add_subdirectory(${MALMOI_GTEST_SOURCE} gtest EXCLUDE_FROM_ALL)
    if(NOT TARGET GTest::gtest_main)
      add_library(GTest::gtest_main ALIAS gtest_main)
    endif()
  else()
    find_package(GTest REQUIRED)
  endif()
  include(GoogleTest)
endif()

# A test that says [  SKIPPED ] counts as skipped, not as passed.
function(malmoi_discover_tests NAME)
  # Sanitizers make whole models ten times slower.
  set(timeout 900)
  if(MALMOI_SANITIZE)
    set(timeout 3600)
  endif()
  gtest_discover_tests(${NAME} DISCOVERY_TIMEOUT 60
    PROPERTIES TIMEOUT ${timeout} SKIP_REGULAR_EXPRESSION "\\[  SKIPPED \\]")
endfunction()

function(malmoi_folder NAME)
  cmake_parse_arguments(ARG "" "" "DEPS;LIBS" ${ARGN})
  set(dir ${CMAKE_SOURCE_DIR}/src/${NAME})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${dir}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_(test|fuzz|main)\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  if(sources)
    add_library(malmoi_${NAME} STATIC ${sources})
    set(kind PUBLIC)
  else()
    add_library(malmoi_${NAME} INTERFACE)
    set(kind INTERFACE)
  endif()
  target_link_libraries(malmoi_${NAME} ${kind} malmoi_options Threads::Threads)
  foreach(dep ${ARG_DEPS})
    target_link_libraries(malmoi_${NAME} ${kind} malmoi_${dep})
  endforeach()
  target_link_libraries(malmoi_${NAME} ${kind} ${ARG_LIBS})
  if(MALMOI_TESTS AND tests)
    add_executable(${NAME}_test ${tests})
    target_link_libraries(${NAME}_test PRIVATE malmoi_${NAME}
      GTest::gtest_main)
    target_compile_definitions(${NAME}_test PRIVATE
      MALMOI_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    malmoi_discover_tests(${NAME}_test)
  endif()
endfunction()
