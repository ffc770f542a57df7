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

std::vector<Limit> limits() {
  return {
      {"output.container", "this version supports folder",
       [](const Job& job) { return job.output.container != Container::kFolder; }},
      {"output.format", "this version supports png, latents and embeds",
       [](const Job& job) {
         OutputFormat format = job.output.format;
         return format == OutputFormat::kJpeg || format == OutputFormat::kWebp;
       }},
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
