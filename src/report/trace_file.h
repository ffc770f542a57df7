// TraceFile: what one rank did when, written while it happens, in Chrome's trace format
// (chrome://tracing, Perfetto). FILE of `render --trace FILE` is whole and appears at the end of a
// run; until then each rank has a FILE.rank-00000 of its own, an array that is never closed, which
// the viewers take wherever a kill cuts it. All of them have the same zero. Together in one file:
// { echo [; sed -s 1d FILE.rank-*; } > ALL. A file that cannot be written is told of once.
#pragma once

#include <filesystem>
#include <string>

#include "parallel/schedule/trace.h"
#include "src/report/live_file.h"

namespace trireme {

struct TracedRank {
  int rank = 0;     // of the world
  int replica = 0;  // a process of the trace
  int lane = 0;     // rank of the replica
};

class TraceFile {
 public:
  TraceFile(const std::filesystem::path& file, TracedRank rank, TellFailure tell);

  void add(const Span& span);
  void remove();  // once FILE is whole

  const std::filesystem::path& path() const { return path_; }

 private:
  void line(const std::string& event) { file_.line(event + ","); }

  std::filesystem::path path_;
  TracedRank rank_;
  AppendedFile file_;
};

}  // namespace trireme
