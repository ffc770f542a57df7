#include "src/report/trace_file.h"

#include <fmt/format.h>

#include <system_error>
#include <utility>

namespace trireme {

TraceFile::TraceFile(const std::filesystem::path& file, TracedRank rank, TellFailure tell)
    : path_(fmt::format("{}.rank-{:05}", file.string(), rank.rank)),
      rank_(rank),
      file_(path_, AppendedFile::Open::kBeginsAnew, std::move(tell)) {
  file_.line("[");
  line(chrome_process(static_cast<size_t>(rank_.replica),
                      fmt::format("replica {}, measured", rank_.replica)));
}

void TraceFile::add(const Span& span) {
  line(chrome_event(span, static_cast<size_t>(rank_.replica), static_cast<size_t>(rank_.lane)));
}

void TraceFile::remove() {
  std::error_code stays;
  std::filesystem::remove(path_, stays);
}

}  // namespace trireme
