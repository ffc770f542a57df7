// OUT/report.html: a run on one page, for people. It is self-contained and holds no script at all,
// and its content policy forbids any, so that no prompt can do anything but be read; light and
// dark, wide and narrow. A job that has not begun is a page that says so. What is missing is left
// out.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "src/report/timeline.h"

namespace trireme {

struct PageRank {
  int rank = 0;
  std::string host = {};
  std::string device = {};
  std::int64_t peak_bytes = 0;
  std::optional<std::int64_t> planned_bytes = {};
  std::optional<std::int64_t> limit_bytes = {};
  StageSeconds seconds = {};
};

struct PageSchedule {
  int replica = 0;
  int stages = 0;
  double planned_bubble = 0;
  double bubble = 0;
};

struct PageFailure {
  std::int64_t index = 0;
  std::string code = {};
  std::string reason = {};
};

struct PagePicture {
  std::int64_t index = 0;
  std::string prompt = {};
  std::string jpeg = {};  // bytes
  std::int64_t height = 0;
  std::int64_t width = 0;
};

struct ReportPage {
  std::string title = {};  // the output folder's name
  std::string model = {};
  std::string fingerprint = {};

  std::int64_t total = 0;  // samples that the job asks for; 0: not known
  std::int64_t done = 0;
  std::int64_t failed = 0;
  std::int64_t skipped = 0;
  std::int64_t bytes = 0;  // of what is sealed
  std::int64_t shards = 0;

  Timeline timeline = {};
  std::vector<PageRank> ranks = {};
  std::vector<PageSchedule> schedules = {};
  std::string layout = {};  // JSON, as text
  std::string job = {};     // JSON, as text
  std::vector<PageFailure> failures = {};
  std::vector<std::string> warnings = {};
  std::vector<PagePicture> pictures = {};
};

std::string report_page(const ReportPage& page);

}  // namespace trireme
