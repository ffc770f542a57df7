// An empty folder for each test, files in it, and what an action throws.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <string>

#include "parallel/error.h"

namespace trireme {

class FilesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "/trireme_weights_XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // Writes folder/name, making the folders between.
  std::filesystem::path put(const std::string& name, const std::string& content) const {
    const auto path = folder_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }

  std::filesystem::path folder_;
};

// The bytes of a safetensors file with this header and so many bytes of data, all `fill`.
inline std::string safetensors_file(const std::string& header, size_t data, char fill = 0) {
  std::string out;
  for (int i = 0; i < 8; ++i) out += static_cast<char>(uint64_t{header.size()} >> (8 * i) & 0xff);
  return out + header + std::string(data, fill);
}

// Expects that the action throws an Error with this exit code and all these texts in its message.
inline void expect_error(const std::function<void()>& action, Exit exit,
                         const std::vector<std::string>& texts) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.exit(), exit) << error.what();
    for (const auto& text : texts) {
      EXPECT_NE(std::string(error.what()).find(text), std::string::npos)
          << "no \"" << text << "\" in: " << error.what();
    }
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return;
  }
  ADD_FAILURE() << "nothing was thrown; expected: " << (texts.empty() ? "" : texts[0]);
}

inline std::set<std::string> names_in(const std::filesystem::path& folder) {
  std::set<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    out.insert(entry.path().filename().string());
  }
  return out;
}

}  // namespace trireme
