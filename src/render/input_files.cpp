#include "src/render/input_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "parallel/error.h"
#include "src/config/hash.h"
#include "src/render/embeds_tensors.h"
#include "src/weights/numbers.h"
#include "src/weights/safetensors_file.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;

constexpr const char* kNegative = "negative_";

Error bad(const std::string& file, const std::string& what) {
  return {Exit::kBadData, fmt::format("[input] {}: {}", file, what)};
}

bool is_number(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<int64_t> number_in(std::string_view text) {
  int64_t number = 0;
  if (!is_number(text)) return std::nullopt;
  const auto end = text.data() + text.size();
  return std::from_chars(text.data(), end, number).ptr == end ? std::optional(number)
                                                              : std::nullopt;
}

// Tensors of one file for one sample: zeros for those that are not finite.
class Reading {
 public:
  Reading(const fs::path& path, const Sample& sample) : file_(path), index_(sample.index) {}

  // As this type; without one, in the stored type.
  at::Tensor operator()(const std::string& name, std::optional<at::ScalarType> as = {}) {
    const auto* tensor = file_.find(name);
    const auto type = as.value_or(scalar_type(tensor->type));
    try {
      return file_.read(*tensor, 0, {0, tensor->shape[0]}, at::TensorOptions().dtype(type));
    } catch (const Error& error) {
      if (error.exit() != Exit::kBadData) throw;
      problem_ = fmt::format(
          "[input] sample {}: NaN or infinity in {} of {} -> finite numbers -> the file is "
          "damaged, "
          "or the job that wrote it overflowed",
          index_, name, file_.place());
      return at::zeros(tensor->shape, type);
    }
  }
  const std::string& problem() const { return problem_; }

 private:
  SafetensorsFile file_;
  int64_t index_;
  std::string problem_;
};

}  // namespace

struct InputFiles::Opened {
  std::string place;
  SafetensorsHeader header;

  explicit Opened(const fs::path& path)
      : place(path.string()), header(read_safetensors_header(ReadOnlyFile(path))) {}

  const StoredTensor* find(const std::string& name) const {
    const auto at = std::find_if(header.tensors.begin(), header.tensors.end(),
                                 [&](const StoredTensor& t) { return t.name == name; });
    return at == header.tensors.end() ? nullptr : &*at;
  }
  std::optional<std::string> carried(const std::string& key) const {
    const auto at = header.metadata.find(key);
    return at == header.metadata.end() ? std::nullopt : std::optional(at->second);
  }
};

InputFiles::InputFiles(const Job& job, const ModelFacts& model)
    : folder_(job.input->resolved), latents_(job.first_stage == JobStage::kDecode), model_(model) {
  sampling_.sampling = job.sampling;
  sampling_.sampling_keys = job.sampling_keys;
  files_ = numbered(list());
  if (!latents_) check_pictures();
}

std::vector<fs::path> InputFiles::list() const {
  std::vector<fs::path> paths;
  std::error_code error;
  const auto add = [&](const fs::path& folder) {
    for (const auto& entry : fs::directory_iterator(folder, error))
      if (const auto name = entry.path().filename().string();
          name.ends_with(".safetensors") && !name.starts_with("."))
        paths.push_back(entry.path());
  };
  add(folder_);
  if (!error)
    for (const auto& entry : fs::directory_iterator(folder_, error))
      if (entry.is_directory() && is_number(entry.path().filename().string())) add(entry.path());
  std::sort(paths.begin(), paths.end());
  if (!paths.empty() && !error) return paths;
  throw Error(Exit::kMissingInput,
              fmt::format("[input] {}: {} -> the folder that an earlier job wrote, with "
                          "*.safetensors -> a wrong path, or that job made {}",
                          folder_, error ? error.message() : "no *.safetensors in it",
                          latents_ ? "no latents (stages: [encode, denoise])"
                                   : "no embeddings (stages: [encode])"));
}

// Numbers are those that files carry, or their names, or else their places in the folder.
std::vector<InputFiles::File> InputFiles::numbered(const std::vector<fs::path>& paths) {
  std::vector<File> files;
  std::string told;
  const bool named = std::any_of(paths.begin(), paths.end(), [](const fs::path& path) {
    return is_number(path.stem().string());
  });
  for (const auto& path : paths) {
    const Opened file(path);
    check(file);
    const auto own = file.carried(latents_ ? "index" : "row").value_or(path.stem().string());
    const auto number = number_in(own);
    if (!number && named)
      throw bad(file.place,
                "no number -> either all names are numbers or none is -> a file from elsewhere");
    files.push_back({number.value_or(static_cast<int64_t>(files.size())), path});
    told += fmt::format("{} {}\n", files.back().number, file.carried("trireme").value_or(""));
    for (const auto& tensor : file.header.tensors)
      told += fmt::format("{} {} {}\n", tensor.name, name_of(tensor.type), tensor.shape);
    told = xxh3_128(told);
  }
  fingerprint_ = told;
  const auto by_number = [](const File& a, const File& b) { return a.number < b.number; };
  std::stable_sort(files.begin(), files.end(), by_number);
  const auto twin =
      std::adjacent_find(files.begin(), files.end(),
                         [](const File& a, const File& b) { return a.number == b.number; });
  if (twin != files.end())
    throw bad(twin->path.string(), fmt::format("number {} -> another one -> {} has it, too",
                                               twin->number, (twin + 1)->path.string()));
  return files;
}

void InputFiles::check(const Opened& file) const {
  std::vector<EmbedsTensor> known;
  if (latents_) {
    const auto* latents = file.find("latents");
    const bool good = latents && latents->shape.size() == 3 &&
                      latents->shape[0] == model_.latent_channels &&
                      file.header.tensors.size() == 1;
    if (good) return;
    throw bad(file.place,
              fmt::format("{} -> one tensor, latents [{}, h, w] -> made for another model, or by "
                          "another stage",
                          latents ? fmt::format("latents have shape {}", latents->shape)
                                  : "no tensor latents",
                          model_.latent_channels));
  }
  for (const auto* prefix : {"", kNegative})
    for (const auto& wanted : embeds_tensors(model_, prefix)) known.push_back(wanted);
  for (const auto& wanted : known) {
    const auto* stored = file.find(wanted.name);
    const bool optional =
        wanted.name.starts_with(kNegative) && !file.find("negative_prompt_embeds");
    if (optional && !stored) continue;
    if (!stored || !fits(*stored, wanted))
      throw bad(file.place,
                fmt::format("{} {} -> {} is needed -> made for another model, or by another stage",
                            wanted.name,
                            stored ? fmt::format("has shape {}", stored->shape) : "is not there",
                            shape_text(wanted)));
  }
  for (const auto& tensor : file.header.tensors)
    if (std::none_of(known.begin(), known.end(),
                     [&](const auto& wanted) { return wanted.name == tensor.name; }))
      throw bad(file.place, fmt::format("tensor {} -> embeddings of this model alone -> made for "
                                        "another model",
                                        tensor.name));
}

// Numbers of samples follow from those of rows, so all rows have equally many pictures.
void InputFiles::check_pictures() {
  const auto pictures = [&](const File& file) {
    return embeds_row(Opened(file.path)).sampling.num_images_per_prompt;
  };
  pictures_ = pictures(files_.front());
  for (const auto& file : files_)
    if (const auto own = pictures(file); own != pictures_)
      throw bad(file.path.string(),
                fmt::format("num_images_per_prompt {} -> {}, as in {} -> give it under sampling",
                            own, pictures_, files_.front().path.string()));
}

PromptRow InputFiles::embeds_row(const Opened& file) const {
  if (const auto text = file.carried("trireme")) return carried_row(*text, file.place, sampling_);
  PromptRow row{
      .row = 0, .prompt = "", .prompt_2 = "", .prompt_3 = "", .sampling = sampling_.sampling};
  // Rows of as many tokens may travel together.
  row.sampling.max_sequence_length = file.find("prompt_embeds")->shape.rbegin()[1];
  return row;
}

Sample InputFiles::embeds_sample(const Opened& file, int64_t row, int64_t number) const {
  auto told = embeds_row(file);
  told.row = row;
  auto sample = sample_of(std::move(told), number);
  const auto guidance = recipe_for(sample, model_).guidance;
  if (guidance.on() && !file.find("negative_prompt_embeds"))
    throw bad(file.place, fmt::format("no negative_prompt_embeds -> guidance_scale {} needs them "
                                      "-> encode with guidance, or give guidance_scale: 1",
                                      guidance.scale));
  return sample;
}

Sample InputFiles::latents_sample(const Opened& file, int64_t index) const {
  const auto& shape = file.find("latents")->shape;
  const auto side = model_.pixels_per_latent;
  Sample sample;
  if (const auto text = file.carried("trireme")) {
    sample = carried_sample(*text, file.place);
  } else {
    sample.sampling = sampling_.sampling;
    sample.sampling.height = shape[1] * side;
    sample.sampling.width = shape[2] * side;
    sample.sampling.use_resolution_binning = false;  // that is the size that was made
    sample.seed = sample.sampling.seed + static_cast<uint64_t>(index);
  }
  sample.index = sample.row = index;
  const auto made = recipe_for(sample, model_).made;
  if (shape[1] * side == made.height && shape[2] * side == made.width) return sample;
  throw bad(file.place,
            fmt::format("latents have shape {} -> {} x {} pixels are {} x {} of them "
                        "-> the file was edited, or is another model's",
                        shape, made.height, made.width, made.height / side, made.width / side));
}

Sample InputFiles::sample(int64_t n) const {
  const auto& file = files_.at(static_cast<size_t>(n / pictures_));
  const Opened opened(file.path);
  return latents_ ? latents_sample(opened, file.number)
                  : embeds_sample(opened, file.number, n % pictures_);
}

int64_t InputFiles::index(int64_t n) const {
  return files_.at(static_cast<size_t>(n / pictures_)).number * pictures_ + n % pictures_;
}

std::vector<InputFiles::File>::const_iterator InputFiles::find(int64_t number) const {
  const auto at =
      std::lower_bound(files_.begin(), files_.end(), number,
                       [](const File& file, int64_t wanted) { return file.number < wanted; });
  return at != files_.end() && at->number == number ? at : files_.end();
}

std::optional<int64_t> InputFiles::position(int64_t index) const {
  const auto at = find(index / pictures_);
  if (at == files_.end()) return std::nullopt;
  return (at - files_.begin()) * pictures_ + index % pictures_;
}

FromFile<Conditioning> InputFiles::text(const Sample& sample, const Recipe& recipe,
                                        const at::TensorOptions& options) const {
  Reading read(find(sample.row)->path, sample);
  const auto embeddings = [&](const std::string& prefix) {
    TextEmbeddings text;
    for (const auto& [name, dims, width] : embeds_tensors(model_, prefix)) {
      const auto row = as_batch_of_one(read(name), dims);
      if (name.ends_with("mask")) {
        text.mask = row.to(options.dtype(at::kLong));
      } else if (dims == 1) {
        text.pooled = row.to(options);
      } else {
        text.hidden = row.to(options);
      }
    }
    return text;
  };
  Conditioning text{embeddings(""), std::nullopt};
  if (recipe.guidance.on()) text.negative = embeddings(kNegative);
  return {text, read.problem()};
}

FromFile<at::Tensor> InputFiles::latents(const Sample& sample) const {
  Reading read(find(sample.row)->path, sample);
  const auto latents = read("latents", at::kFloat);
  return {latents, read.problem()};
}

std::string InputFiles::problem(const Sample& sample, const Recipe& recipe) const {
  return latents_ ? latents(sample).problem : text(sample, recipe, at::kFloat).problem;
}

}  // namespace trireme
