# What we stand on. LibTorch is the PyPI wheel in .venv, linked by file: find_package(Torch) would
# demand a CUDA toolkit of everybody because the wheel was built with one.

set(TRIREME_VENV ${CMAKE_SOURCE_DIR}/.venv CACHE PATH "Virtual environment that holds torch")
file(GLOB torch_dir ${TRIREME_VENV}/lib/python3*/site-packages/torch)
if(NOT EXISTS "${torch_dir}/lib/libtorch_cpu.so")
  message(FATAL_ERROR "no torch in ${TRIREME_VENV}; run ./launch/setup, or give -DTRIREME_VENV=")
endif()
set(nvidia_dir ${torch_dir}/../nvidia)
set(CMAKE_BUILD_RPATH ${torch_dir}/lib)

add_library(aten INTERFACE)
target_include_directories(aten SYSTEM INTERFACE ${torch_dir}/include)
# The wheel carries headers of a newer fmt than the system's library, and they come first where ATen
# is included: there fmt is header-only. Its versions live in namespaces of their own.
target_compile_definitions(aten INTERFACE _GLIBCXX_USE_CXX11_ABI=1 FMT_HEADER_ONLY=1)
# cudart and cupti are needed by libtorch_cpu itself and found through its own run path.
target_link_options(aten INTERFACE -Wl,--allow-shlib-undefined)
target_link_libraries(aten INTERFACE ${torch_dir}/lib/libtorch_cpu.so ${torch_dir}/lib/libc10.so)

find_package(Threads REQUIRED)
find_package(MPI REQUIRED COMPONENTS C)
target_compile_definitions(MPI::MPI_C INTERFACE OMPI_SKIP_MPICXX MPICH_SKIP_MPICXX)
find_package(PkgConfig REQUIRED)
pkg_check_modules(sentencepiece REQUIRED IMPORTED_TARGET sentencepiece)
pkg_check_modules(yaml REQUIRED IMPORTED_TARGET yaml-cpp)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(utf8proc REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(icu REQUIRED IMPORTED_TARGET icu-i18n icu-uc)
pkg_check_modules(webp REQUIRED IMPORTED_TARGET libwebp libwebpmux)
pkg_check_modules(exif REQUIRED IMPORTED_TARGET libexif)
pkg_check_modules(archive REQUIRED IMPORTED_TARGET libarchive)
find_package(PNG REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(JPEG REQUIRED)
find_package(fmt REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)

# CUDA and NCCL: a toolkit's headers if there is one, else those the wheels carry, else none.
find_path(cuda_include cuda_runtime_api.h
          HINTS ENV CUDA_HOME PATHS ${nvidia_dir}/cu13/include /usr/local/cuda/include)
find_path(nccl_include nccl.h PATHS ${nvidia_dir}/nccl/include NO_DEFAULT_PATH)
if(cuda_include AND nccl_include AND EXISTS ${torch_dir}/lib/libtorch_cuda.so)
  set(TRIREME_CUDA ON)
  file(GLOB nccl_library ${nvidia_dir}/nccl/lib/libnccl.so.2)
  file(GLOB cudart_library ${nvidia_dir}/cu13/lib/libcudart.so.13)
  add_library(cuda INTERFACE)
  target_include_directories(cuda SYSTEM INTERFACE ${cuda_include} ${nccl_include})
  target_link_libraries(cuda INTERFACE ${torch_dir}/lib/libtorch_cuda.so
                        ${torch_dir}/lib/libc10_cuda.so ${cudart_library} ${nccl_library})
else()
  set(TRIREME_CUDA OFF)
  message(STATUS "No CUDA headers: trireme is built for CPU only")
endif()
