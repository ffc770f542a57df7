#include "src/weights/safetensors_writer.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <iterator>

#include "src/weights/safetensors_file.h"
#include "tests/src/weights/files.h"
#include "tests/support/tensors.h"

namespace trireme {
namespace {

using SafetensorsWriterTest = FilesTest;

TEST_F(SafetensorsWriterTest, WhatWasWrittenIsRead) {
  const auto latents = normals({16, 8, 8});
  const auto mask = at::arange(5, at::kLong);
  const std::map<std::string, std::string> row = {{"prompt", "a \"cat\"\n\xc3\xa9"}, {"seed", "7"}};
  write_safetensors(folder_ / "00000000.safetensors", {{"latents", latents}, {"mask", mask}}, row);
  const SafetensorsFile file(folder_ / "00000000.safetensors");
  expect_same_bits(file.read("latents"), latents);
  expect_same_bits(file.read("mask"), mask);
  EXPECT_EQ(file.header().metadata, row);
  EXPECT_EQ(file.header().tensors[0].begin % 8, 0);
  EXPECT_EQ(names_in(folder_), std::set<std::string>{"00000000.safetensors"});
}

TEST_F(SafetensorsWriterTest, SameInputSameBytes) {
  const auto x = normals({3, 4});
  const auto once = safetensors_bytes({{"x", x}}, {{"b", "2"}, {"a", "1"}});
  EXPECT_EQ(safetensors_bytes({{"x", x}}, {{"a", "1"}, {"b", "2"}}), once);
  write_safetensors(folder_ / "x.safetensors", {{"x", x}}, {{"a", "1"}, {"b", "2"}});
  std::ifstream in(folder_ / "x.safetensors", std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), once);
}

TEST_F(SafetensorsWriterTest, StridesDoNotMatter) {
  const auto x = normals({3, 4});
  write_safetensors(folder_ / "x.safetensors", {{"x", x.t()}});
  expect_same_bits(SafetensorsFile(folder_ / "x.safetensors").read("x"), x.t().contiguous());
}

TEST_F(SafetensorsWriterTest, ReplacesWhatWasThere) {
  put("x.safetensors", "rubbish");
  write_safetensors(folder_ / "x.safetensors", {});
  EXPECT_TRUE(SafetensorsFile(folder_ / "x.safetensors").header().tensors.empty());
}

TEST_F(SafetensorsWriterTest, SaysWhyNothingCanBeCreated) {
  expect_error([&] { write_safetensors(folder_ / "no" / "x.safetensors", {}); },
               Exit::kCannotCreate, {"x.safetensors", "its folder is not there"});
  std::filesystem::create_directory(folder_ / "taken");
  expect_error([&] { write_safetensors(folder_ / "taken", {}); }, Exit::kCannotCreate, {"taken"});
  EXPECT_EQ(names_in(folder_), std::set<std::string>{"taken"});
}

// A limit on the size of files fails the write as a full disk does, wherever the test runs.
TEST_F(SafetensorsWriterTest, AFailedWriteLeavesNothingBehind) {
  put("x.safetensors", "the version before");
  struct rlimit before = {};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit tight = {.rlim_cur = 10000, .rlim_max = before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &tight);
  expect_error(
      [&] {
        write_safetensors(folder_ / "x.safetensors", {{"x", normals({100, 100})}});
      },
      Exit::kInputOutput, {"x.safetensors", "must be written"});
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(names_in(folder_), std::set<std::string>{"x.safetensors"});
  EXPECT_EQ(std::filesystem::file_size(folder_ / "x.safetensors"), 18u);
}

TEST_F(SafetensorsWriterTest, RefusesNamesThatAreTaken) {
  const auto x = normals({1});
  expect_error(
      [&] {
        write_safetensors(folder_ / "x.st", {{"x", x}, {"x", x}});
      },
      Exit::kBug, {"x"});
  expect_error([&] { write_safetensors(folder_ / "x.st", {{"__metadata__", x}}); }, Exit::kBug, {});
  EXPECT_TRUE(names_in(folder_).empty());
}

}  // namespace
}  // namespace trireme
