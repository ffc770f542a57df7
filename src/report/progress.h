// Progress: how far a run is, for people, on standard error. On a terminal one line is rewritten;
// elsewhere (a file, mpirun, Slurm) a plain line is written now and then and at the end, never a
// control character. Whether it is a terminal is for the caller to say, because isatty lies under
// mpirun; ranks other than 0 are quiet. Not for several threads at once.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "src/report/report.h"

namespace trireme {

enum class Voice { kQuiet, kTerminal, kLines };

// Who speaks, and how: rank 0, on a terminal that is ours alone.
struct Surroundings {
  int rank = 0;
  bool quiet = false;
  bool under_launcher = false;  // mpirun or srun carries our standard error
  bool is_terminal = false;
};
Voice voice_for(const Surroundings& surroundings);

struct ProgressCounts {
  std::int64_t done = 0;     // pictures of this run, without the skipped
  std::int64_t skipped = 0;  // that earlier runs made
  std::int64_t failed = 0;
  std::int64_t steps = 0;  // denoising steps of this run, summed over pictures
};

struct ProgressOptions {
  std::int64_t pictures = 0;  // of the whole job
  std::int64_t steps_per_picture = 0;
  Voice voice = Voice::kLines;
  std::size_t columns = 80;           // of the terminal
  double seconds_between_lines = 10;  // in a long run they get rarer, up to a minute
  Clock now = steady_seconds;
  std::function<void(std::string_view)> out = {};  // empty: standard error
};

class Progress {
 public:
  explicit Progress(ProgressOptions options);
  ~Progress();  // leaves the terminal's cursor on a line of its own
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(ProgressCounts counts);   // as often as one likes
  void message(std::string_view text);  // a line of its own, by quiet ones too
  void finish();                        // the last line: what was made, how long it took

 private:
  double seconds() const { return options_.now() - begun_; }
  double pictures_made() const;
  std::string line() const;
  std::string summary() const;
  void rewrite(std::string_view text);
  void write_line(std::string_view text);

  ProgressOptions options_;
  ProgressCounts counts_;
  double begun_;
  double last_shown_;
  std::size_t on_line_ = 0;  // columns that the rewritten line takes
  bool finished_ = false;
};

}  // namespace trireme
