// What job files may say and this version cannot do. One row a feature: delete the row when the
// feature comes.
#include <algorithm>
#include <functional>

#include "src/config/job.h"

namespace trireme {
namespace {

struct Limit {
  std::string place;
  std::string message;
  std::function<bool(const Job&)> asked;
};

bool encodes(const Job& job) {
  return job.first_stage == JobStage::kEncode;
}

std::vector<Limit> limits() {
  using Offload = LayoutChoice::Offload;
  return {
      {"layout.offload", "this version supports none -> spread the model over more ranks",
       [](const Job& job) { return job.layout.offload != Offload::kNone; }},
      {"model.components.vae.tiling",
       "this version supports it on one rank -> leave out layout.vae.patch, "
       "which is exact, or the tiles",
       [](const Job& job) {
         const auto vae = job.model.components.find("vae");
         const bool tiles = vae != job.model.components.end() && vae->second.tiling;
         return tiles && job.layout.vae && job.layout.vae->patch > 1;
       }},
      {"output.container", "this version supports folder",
       [](const Job& job) { return job.output.container != Container::kFolder; }},
      {"output.format", "this version supports png, latents and embeds",
       [](const Job& job) {
         OutputFormat format = job.output.format;
         return format == OutputFormat::kJpeg || format == OutputFormat::kWebp;
       }},
      {"stages", "this version supports jobs that begin with encode",
       [](const Job& job) { return !encodes(job); }},
      {"input", "this version supports jobs that begin with encode, from prompts or a dataset",
       [](const Job& job) { return job.input.has_value(); }},
  };
}

}  // namespace

void refuse_unsupported(const Job& job) {
  std::vector<Problem> problems;
  for (const Limit& limit : limits()) {
    if (limit.asked(job)) problems.push_back({limit.place, limit.message, {}});
  }
  if (!problems.empty()) throw job_error(job.source, problems);
}

}  // namespace trireme
