// Where a job came from: its text and the place of every key, so that whoever finds a mistake,
// now or with the checkpoint at hand, can show file, line and column. A job that was not read from
// a file has an empty source; its messages then carry the place alone.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "parallel/error.h"

namespace trireme {

// A position in a text. Line and byte column count from zero; line -1 means no position.
struct Mark {
  int line = -1;
  int column = 0;  // in bytes

  bool operator==(const Mark&) const = default;
};

struct Source {
  std::string file;  // as the user wrote it
  std::string text;
  std::map<std::string, Mark> places;            // by key path: "sampling.height", "prompts.3.seed"
  std::map<std::string, std::string> overrides;  // by key path: the --set argument that gave it
};

// One thing that is wrong: `[place] value -> requirement -> likely cause`.
struct Problem {
  std::string place;  // the key path; its position in the source, or that of the nearest key above
  std::string message;  // what stands after `[place] `
  Mark mark = {};       // where known better than by place
};

// The text of a problem, with the line of the source and a caret under it:
//   job.yaml:12:5: [sampling.guidance_scal] unknown key -> did you mean guidance_scale?
//       guidance_scal: 7.0
//       ^
std::string describe(const Source& source, const Problem& problem);

// One error for all problems, in the order of the file. `problems` must not be empty.
Error all_problems(Exit exit, const Source& source, std::vector<Problem> problems);
// The same as Exit::kBadJob.
Error job_error(const Source& source, std::vector<Problem> problems);

}  // namespace trireme
