// What a file of one stage tells the next: the embeddings of a row, or the latents of a sample,
// carry a job that makes them (describe_job.h). A later job's own `sampling` lies over that of the
// embeddings, as it does over the defaults, and a row's own values over both, so that embeddings
// made once serve many jobs. Latents are made: what they carry is what they are.
#pragma once

#include <string>

#include "src/config/job.h"
#include "src/config/prompts.h"

namespace trireme {

// `text` is what the file carries, `file` names it in messages; Error (kBadData) if it is no job of
// one row. The row's number is not in it.
PromptRow carried_row(const std::string& text, const std::string& file, const Job& job);

// As above for latents; the sample's index is not in it.
Sample carried_sample(const std::string& text, const std::string& file);

}  // namespace trireme
