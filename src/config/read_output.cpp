#include <fmt/format.h>

#include <array>

#include "src/config/location.h"
#include "src/config/read_sections.h"

namespace trireme {
namespace {

// `0.1%` or a count. The sign makes a text of it, so quotes around a share mean nothing.
FailureBudget read_budget(Fields& in) {
  FailureBudget out;
  const Node* node = in.find("max_failed");
  if (!node) return out;
  Node number = *node;
  number.quoted = false;  // as "0.1%" may be, so may "10"
  bool percent = !number.text.empty() && number.text.back() == '%';
  std::string problem;
  if (percent) {
    number.text.pop_back();
    Real share = read_real(number, {0, 100});
    problem = share.problem;
    out.percent = share.value;
  } else {
    Whole count = read_whole(number, {0});
    problem = count.problem;
    out.count = count.value;
  }
  if (!problem.empty()) in.refuse("max_failed", "a count or a share, such as 10 or 0.1%");
  return out;
}

OutputFormat default_format(JobStage last) {
  if (last == JobStage::kEncode) return OutputFormat::kEmbeds;
  return last == JobStage::kDenoise ? OutputFormat::kLatents : OutputFormat::kPng;
}

void check_format(Fields& in, OutputFormat format, JobStage last) {
  bool picture = format != OutputFormat::kLatents && format != OutputFormat::kEmbeds;
  bool fits = picture ? last == JobStage::kDecode : format == default_format(last);
  if (fits) return;
  constexpr std::array<const char*, 3> kAllowed = {"embeds", "latents", "png, jpeg or webp"};
  in.refuse("format", fmt::format("{}, as the last stage is {}",
                                  kAllowed[static_cast<size_t>(last)], stage_name(last)));
}

bool is_lossy(OutputFormat format) {
  return format == OutputFormat::kJpeg || format == OutputFormat::kWebp;
}

// What goes with some formats and containers only.
void read_extras(Fields& in, OutputChoice& out) {
  out.quality = static_cast<int>(in.whole("quality", int64_t{out.quality}, {1, 100}));
  if (in.find("quality") && !is_lossy(out.format)) {
    in.refuse("quality", "no quality, which only format: jpeg and webp have");
  }
  out.captions = in.yes_or_no("captions", out.captions);
  if (out.captions && out.container != Container::kWebdataset) {
    in.refuse("captions",
              "false, as only container: webdataset has captions; metadata.jsonl holds "
              "the prompts of a folder");
  }
}

}  // namespace

OutputChoice read_output(Fields& job, JobStage last, const std::filesystem::path& folder) {
  OutputChoice out;
  out.format = default_format(last);
  out.path = resolve("out", folder, Names::kPath);
  auto in = job.section("output", "{path: out}");
  if (!in) return out;
  out.path = read_location(*in, "path", folder, Names::kPath).value_or(out.path);
  out.format = in->word<OutputFormat>("format", out.format,
                                      {{"png", OutputFormat::kPng},
                                       {"jpeg", OutputFormat::kJpeg},
                                       {"webp", OutputFormat::kWebp},
                                       {"latents", OutputFormat::kLatents},
                                       {"embeds", OutputFormat::kEmbeds}});
  out.container =
      in->word<Container>("container", out.container,
                          {{"folder", Container::kFolder}, {"webdataset", Container::kWebdataset}});
  read_extras(*in, out);
  out.shard_size = in->whole("shard_size", out.shard_size, {1, 100'000'000});
  out.metadata = in->word<Metadata>(
      "metadata", out.metadata,
      {{"none", Metadata::kNone}, {"minimal", Metadata::kMinimal}, {"full", Metadata::kFull}});
  out.on_error = in->word<OnError>(
      "on_error", out.on_error, {{"quarantine", OnError::kQuarantine}, {"stop", OnError::kStop}});
  out.says_max_failed = in->find("max_failed") != nullptr;
  out.max_failed = read_budget(*in);
  in->finish(keys_of_sections());
  check_format(*in, out.format, last);
  return out;
}

}  // namespace trireme
