// Any bytes as a prompt: refused as no UTF-8, or tokenised and cleaned without a crash, a leak or an
// id outside the vocabulary. Also any bytes as the files of a tokenizer: loaded or refused.
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "parallel/error.h"
#include "src/tokenizers/clean_caption.h"
#include "src/tokenizers/tokenizer.h"

namespace {

namespace fs = std::filesystem;
using trireme::load_tokenizer;

void write(const fs::path& file, std::string_view text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
}

// 512 byte symbols, two merges, and CLIP's two special tokens; "!" is special and pads.
std::string clip_vocabulary() {
  std::string json = R"({"!":0)";
  int id = 1;
  const auto add = [&](const std::string& name) {
    if (name != "!") json += ",\"" + name + "\":" + std::to_string(id++);
  };
  int spare = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const bool visible = (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173);
    const int code = visible ? byte : spare++;
    std::string symbol;
    if (code == '"' || code == '\\') symbol = std::string("\\") + static_cast<char>(code);
    else if (code < 128) symbol = static_cast<char>(code);
    else symbol = {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 63))};
    add(symbol);
    add(symbol + "</w>");
  }
  for (const char* name : {"ab", "abc</w>", "<|startoftext|>", "<|endoftext|>"}) add(name);
  return json + "}";
}

struct Tokenizers {
  fs::path scratch = fs::temp_directory_path() / ("prompt_fuzzer." + std::to_string(std::rand()));
  std::shared_ptr<const trireme::Tokenizer> clip, t5;
  trireme::CaptionCleaner clean;

  Tokenizers() {
    write(scratch / "clip/vocab.json", clip_vocabulary());
    write(scratch / "clip/merges.txt", "#version: 0.2\na b\nab c</w>\n");
    write(scratch / "clip/tokenizer_config.json",
          R"({"tokenizer_class":"CLIPTokenizer","pad_token":"!","model_max_length":77})");
    write(scratch / "t5/tokenizer.json",
          R"({"added_tokens":[],"model":{"type":"Unigram","vocab":[["<pad>",0],["</s>",0],)"
          R"(["<unk>",0],["▁",-2],["a",-3],["▁ab",-2.5],["b",-3.1],["aa",-5]]}})");
    write(scratch / "t5/tokenizer_config.json", R"({"tokenizer_class":"T5Tokenizer"})");
    clip = load_tokenizer(scratch / "clip");
    t5 = load_tokenizer(scratch / "t5");
  }
  ~Tokenizers() { fs::remove_all(scratch); }
};

void check(const trireme::Tokenizer& tokenizer, std::string_view text, int64_t size) {
  const auto tokens = tokenizer.encode(text, 77);
  if (tokens.ids.size() != 77 || tokens.mask.size() != 77) std::abort();
  for (const int64_t id : tokenizer.ids(text))
    if (id < 0 || id >= size) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Tokenizers tokenizers;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    check(*tokenizers.clip, text, 516);
    check(*tokenizers.t5, text, 108);
    tokenizers.clean(text.substr(0, 4096));
    trireme::lower_strip(text);
  } catch (const trireme::Error& error) {
    if (error.exit() != trireme::Exit::kBadData) std::abort();
  }
  if (size % 16 != 0) return 0;  // files are slow; try some
  for (const char* name : {"tokenizer.json", "spiece.model"}) {
    const auto folder = tokenizers.scratch / "file";
    fs::remove_all(folder);
    write(folder / name, text);
    try {
      load_tokenizer(folder);
    } catch (const trireme::Error&) {
    }
  }
  return 0;
}
