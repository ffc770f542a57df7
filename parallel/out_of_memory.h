// is_out_of_memory: whether an exception tells of memory that could not be had, whoever asked for
// it: tensors on a host or a GPU, a library's kernel, the system for a thread.
#pragma once

#include <exception>

namespace trireme {

bool is_out_of_memory(const std::exception_ptr& exception);

// For before a library that dies where it finds no memory for the code of a kernel: throws
// std::bad_alloc where a few MiB cannot be had.
void require_memory_for_kernels();

}  // namespace trireme
