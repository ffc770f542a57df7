# trireme_library(name SOURCES ... LINKS ...): a folder of ours as a static library.
# LINKS is the whole list of what the folder may include; a back edge does not link.

add_library(trireme_flags INTERFACE)
# -fPIC for programs too: the precompiled header must be made and used with the same flags.
target_compile_options(trireme_flags INTERFACE -fPIC -Wall -Wextra -Wno-unknown-pragmas)
# g++ 12 sees uninitialised values in every std::optional that it inlines, and takes the sources of a
# unity build for headers, whose anonymous namespaces it then warns of.
target_compile_options(trireme_flags INTERFACE
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized;-Wno-subobject-linkage>)
target_include_directories(trireme_flags INTERFACE ${CMAKE_SOURCE_DIR})

# All share one precompiled header, so all must be compiled with the same flags.
function(trireme_precompile target)
  if(NOT TRIREME_PRECOMPILED_ATEN)
    return()
  endif()
  if(NOT TARGET trireme_pch)
    file(WRITE ${CMAKE_BINARY_DIR}/precompiled.cpp "")
    add_library(trireme_pch OBJECT ${CMAKE_BINARY_DIR}/precompiled.cpp)
    target_link_libraries(trireme_pch PRIVATE trireme_flags aten)
    target_precompile_headers(trireme_pch PRIVATE <ATen/ATen.h>)
  endif()
  target_precompile_headers(${target} REUSE_FROM trireme_pch)
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

# trireme_fuzzer(name SOURCES ... LINKS ...): a libFuzzer program in build-fuzz/fuzz, if asked for.
function(trireme_fuzzer name)
  if(NOT TRIREME_FUZZERS)
    return()
  endif()
  cmake_parse_arguments(arg "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE trireme_flags ${arg_LINKS})
  target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  add_dependencies(fuzzers ${name})
endfunction()

# trireme_test(name SOURCES ... LINKS ... [ATEN]): one GoogleTest binary a folder.
function(trireme_test name)
  cmake_parse_arguments(arg "ATEN" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE trireme_flags ${arg_LINKS} GTest::gtest GTest::gtest_main)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  if(arg_ATEN)
    target_link_libraries(${name} PRIVATE aten)
    trireme_precompile(${name})
  endif()
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES ENVIRONMENT MKL_CBWR=AUTO)  # as the program sets it
endfunction()

# One host without a network: loopback, and shared memory that works in containers. More ranks than
# cores must work too.
set(TRIREME_MPIRUN ${MPIEXEC_EXECUTABLE} --oversubscribe --bind-to none
    --mca btl self,vader --mca btl_vader_single_copy_mechanism none)
set(TRIREME_MPI_ENVIRONMENT
    "OMPI_ALLOW_RUN_AS_ROOT=1;OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1;OMP_NUM_THREADS=1")

# trireme_mpi_test(name SOURCES ... LINKS ...): a program whose ranks are processes, run with several
# numbers of them.
function(trireme_mpi_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINKS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE trireme_flags aten ${arg_LINKS} MPI::MPI_C GTest::gtest)
  trireme_precompile(${name})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  foreach(ranks 1 2 3 4 8)
    add_test(NAME ${name}_${ranks}
             COMMAND ${TRIREME_MPIRUN} -n ${ranks} $<TARGET_FILE:${name}>)
    set_tests_properties(${name}_${ranks} PROPERTIES ENVIRONMENT "${TRIREME_MPI_ENVIRONMENT}"
                         PROCESSORS 2 TIMEOUT 300)
  endforeach()
endfunction()
