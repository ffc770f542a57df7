#include "parallel/device.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace trireme {
namespace {

// With or without a driver or a build for CUDA, this process is shown no GPU.
TEST(CudaRuntime, WithoutAGpuIsUnavailableAndSaysWhatToDo) {
  setenv("CUDA_VISIBLE_DEVICES", "", 1);
  try {
    CudaRuntime::open();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit(), Exit::kUnavailable);
    const std::string text = error.what();
    EXPECT_EQ(text.find("[device] cuda -> a GPU that the driver shows -> "), 0u) << text;
    EXPECT_NE(text.find("`device: cpu` needs none"), std::string::npos) << text;
    // The library itself loads: whatever is missing, it is not ours.
    EXPECT_EQ(text.find("does not load"), std::string::npos) << text;
    EXPECT_EQ(text.find("is not beside the program"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace trireme
