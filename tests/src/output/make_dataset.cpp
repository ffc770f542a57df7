// Output folders without a model behind them, for the tests that open them with other programs.
//   make_dataset folder|bare|webdataset OUT png|jpg|webp SAMPLES SHARD_SIZE   samples 3, 13 ...
//   failed
//                bare: a folder without metadata
//   make_dataset tar OUT.tar FILE ...                                    members as the files come
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "src/image/picture.h"
#include "src/output/dataset_card.h"
#include "src/output/metadata.h"
#include "src/output/tar.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;

constexpr PictureSize kSize{32, 48};

PictureFormat format_of(const std::string& extension) {
  for (const auto format : {PictureFormat::kPng, PictureFormat::kJpeg, PictureFormat::kWebp}) {
    if (extension_of(format) == extension) return format;
  }
  throw std::invalid_argument(extension);
}

// One colour, which tells the sample: (index, 2 index, 100).
std::string picture(std::int64_t index, const std::string& extension) {
  std::vector<std::uint8_t> pixels;
  for (std::int64_t i = 0; i < kSize.height * kSize.width; ++i) {
    for (const auto value : {index, 2 * index, std::int64_t{100}}) {
      pixels.push_back(static_cast<std::uint8_t>(value));
    }
  }
  return encode_picture(format_of(extension), pixels, kSize,
                        {{"parameters", fmt::format("a caf\u00e9, number {} \U0001f431", index)},
                         {"trireme", R"({"version": 1, "prompts": ["a caf\u00e9"]})"}});
}

bool failed(std::int64_t index) {
  return index % 10 == 3;
}

MetadataRow row(std::int64_t index) {
  return {.index = index,
          .prompt = fmt::format("a caf\u00e9, number {}", index),
          .seed = static_cast<std::uint64_t>(index),
          .height = kSize.height,
          .width = kSize.width,
          .num_inference_steps = 28,
          .guidance_scale = 7,
          .model = "org/name",
          .status = failed(index) ? "failed" : "done"};
}

struct Task {
  std::string kind;
  fs::path out;
  std::string extension;
  std::int64_t samples;
  std::int64_t shard_size;
};

void write(const fs::path& path, const std::string& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// What stands beside the samples and must not be taken for some.
void write_surroundings(const Task& task) {
  const bool webdataset = task.kind == "webdataset";
  write(task.out / "README.md", dataset_card({.samples = task.samples,
                                              .webdataset = webdataset,
                                              .extension = task.extension,
                                              .metadata = task.kind != "bare",
                                              .captions = webdataset,
                                              .model = "org/name"}));
  write(task.out / "job.json", R"({"fingerprint": "0123", "job": {"version": 1}})");
  write(task.out / "report.json", R"({"samples": {"done": 1}})");
  write(task.out / "report.html", "<!doctype html>");
  write(task.out / "failed.jsonl", R"({"index": 3, "code": "nan"})");
  write(task.out / "logs" / "rank-00000.jsonl", R"({"message": "hello"})");
  write(task.out / "metrics" / "rank-00000.prom", "up 1\n");
  for (std::int64_t i = 0; i < task.samples; i += task.shard_size) {
    write(task.out / fmt::format("{:06}.json", i / task.shard_size), R"({"shard": 0})");
  }
}

void make_folder(const Task& task) {
  std::string metadata;
  for (std::int64_t i = 0; i < task.samples; ++i) {
    const std::string folder =
        task.samples > task.shard_size ? fmt::format("{:05}/", i / task.shard_size) : "";
    const std::string name = fmt::format("{}{:08}.{}", folder, i, task.extension);
    metadata += metadata_line(row(i), name, MetadataDetail::kFull) + '\n';
    if (!failed(i)) write(task.out / name, picture(i, task.extension));
  }
  if (task.kind != "bare") write(task.out / "metadata.jsonl", metadata);
}

void make_tars(const Task& task) {
  for (std::int64_t first = 0; first < task.samples; first += task.shard_size) {
    std::string bytes;
    TarWriter tar([&](std::string_view more) { bytes += more; });
    for (std::int64_t i = first; i < std::min(first + task.shard_size, task.samples); ++i) {
      if (failed(i)) continue;
      const std::string key = fmt::format("{:08}.", i);
      const std::string name = key + task.extension;
      tar.member(key + "json", metadata_line(row(i), name, MetadataDetail::kFull));
      tar.member(name, picture(i, task.extension));
      tar.member(key + "txt", row(i).prompt);
    }
    tar.finish();
    write(task.out / fmt::format("{:06}.tar", first / task.shard_size), bytes);
  }
}

void make_tar(const fs::path& path, const std::vector<fs::path>& files) {
  std::string bytes;
  TarWriter tar([&](std::string_view more) { bytes += more; });
  for (const fs::path& file : files) tar.member(file.filename().string(), read(file));
  tar.finish();
  write(path, bytes);
}

int run(const std::vector<std::string>& arguments) {
  if (arguments.size() > 2 && arguments[0] == "tar") {
    make_tar(arguments[1], {arguments.begin() + 2, arguments.end()});
    return 0;
  }
  if (arguments.size() != 5) return 64;
  const Task task{arguments[0], arguments[1], arguments[2], std::stoll(arguments[3]),
                  std::stoll(arguments[4])};
  write_surroundings(task);
  task.kind == "webdataset" ? make_tars(task) : make_folder(task);
  return 0;
}

}  // namespace
}  // namespace trireme

int main(int argc, char** argv) {
  return trireme::run({argv + 1, argv + argc});
}
