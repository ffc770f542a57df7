// What OUT says about its job, for a page: job.json, manifests, report.json, logs and some
// pictures. Whatever is not there, cut or damaged is left out: a page tells of a run, it does not
// check it.
#pragma once

#include <filesystem>
#include <optional>

#include "src/output/record.h"
#include "src/report/html.h"

namespace trireme {

struct PageOptions {
  std::size_t pictures = 48;  // thumbnails, from all over the job
  std::int64_t picture_side = 192;
  // How the samples ended, where the caller knows more than the manifests of sealed shards.
  std::optional<Verdicts> verdicts = {};
  std::optional<std::int64_t> total = {};
};

ReportPage read_report_page(const std::filesystem::path& output, const PageOptions& options = {});

// Makes OUT/report.html anew. No failure to write it ends a run: `tell` takes the first one.
void write_report_page(const std::filesystem::path& output, const TellFailure& tell,
                       const PageOptions& options = {});

}  // namespace trireme
