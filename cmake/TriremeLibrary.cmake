# trireme_library(name SOURCES ... LINKS ...): a folder of ours as a static library.
# LINKS is the whole list of what the folder may include; a back edge does not link.

add_library(trireme_flags INTERFACE)
target_compile_options(trireme_flags INTERFACE -Wall -Wextra -Wno-unknown-pragmas)
target_include_directories(trireme_flags INTERFACE ${CMAKE_SOURCE_DIR})

function(trireme_precompile target)
  if(TRIREME_PRECOMPILED_ATEN)
    target_precompile_headers(${target} PRIVATE <ATen/ATen.h>)
  endif()
endfunction()

function(trireme_library name)
  cmake_parse_arguments(arg "ATEN" "" "SOURCES;LINKS" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_link_libraries(${name} PUBLIC trireme_flags ${arg_LINKS})
  set_target_properties(${name} PROPERTIES UNITY_BUILD ${TRIREME_UNITY} UNITY_BUILD_BATCH_SIZE 12)
  if(arg_ATEN)
    target_link_libraries(${name} PUBLIC aten)
    trireme_precompile(${name})
  endif()
endfunction()

# trireme_test(name SOURCES ... LINKS ... [ATEN]): one GoogleTest binary a folder.
function(trireme_test name)
  cmake_parse_arguments(arg "ATEN" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE trireme_flags ${arg_LINKS} GTest::gtest GTest::gtest_main)
  set_target_properties(${name} PROPERTIES UNITY_BUILD ${TRIREME_UNITY} UNITY_BUILD_BATCH_SIZE 12
                        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  if(arg_ATEN)
    target_link_libraries(${name} PRIVATE aten)
    trireme_precompile(${name})
  endif()
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
endfunction()
